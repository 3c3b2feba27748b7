/* SPDX-License-Identifier: Apache-2.0 */
#include "fault/login_scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"

struct identity identity;

void identity_set_next(const struct identity *of, const char *pin)
{
    const char *next = path_of("%s.next", of->pin_path);
    struct stat info;
    assert_int_equal(stat(of->pin_path, &info), 0);
    write_file(next, pin, 0600);
    const struct timespec times[] = { info.st_mtim, info.st_mtim };
    assert_int_equal(utimensat(AT_FDCWD, next, times, 0), 0);
}

const char *file_like(const char *end)
{
    FILE *list = popen(path_of("ls %s/refused-pins-*%s 2>/dev/null", identity.state_dir, end), "r");
    char path[256] = "";
    bool found = fgets(path, sizeof(path), list) != NULL;
    pclose(list);
    path[strcspn(path, "\n")] = '\0';
    return found ? path_of("%s", path) : NULL;
}

const char *marks_path(void)
{
    return file_like("[0-9A-F]");
}

int fresh_state(void **state)
{
    static unsigned number;
    (void)state;
    identity.state_dir = path_of("%s/state-%u", scratch_folder(), number++);
    faulty_set("");
    return mkdir(identity.state_dir, 0700);
}

int fresh_right(void **state)
{
    identity_set_pin(&identity, SOFTHSM_PIN);
    return fresh_state(state);
}

int login_set_up(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("alice");
    softhsm_token("bob");
    faulty_start();
    identity = identity_make("alice", "identity", "01", "P-256");
    return 0;
}

int login_tear_down(void **state)
{
    (void)state;
    identity_free(&identity);
    return 0;
}

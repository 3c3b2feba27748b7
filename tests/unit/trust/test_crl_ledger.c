/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "unit/trust/crl_scene.h"

static const char *state_of(const struct scene *scene)
{
    const char *state = path_of("%s/state", scene->folder);
    if (access(state, F_OK) != 0) {
        assert_int_equal(mkdir(state, 0700), 0);
    }
    return state;
}

/* The ledger as the next process reads it. */
static void reopen(struct scene *scene)
{
    nk_error err = { .struct_size = sizeof(err) };
    crl_ledger_free(scene->ledger);
    scene->ledger = NULL;
    if (crl_ledger_open(state_of(scene), &scene->ledger, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static void an_older_list_without_number_is_a_replay(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crl_spec spec = { .issuer = &root, .number = -1 };

    crl_write(scene.path, &spec);
    struct crls *crls = scene_read_well(&scene, NULL);
    spec.this_update_seconds = -2 * HOUR;
    crl_write(scene.path, &spec);
    assert_refused(&scene, "number none is older");
    spec.number = 3; /* a number does not make it newer than what had none */
    crl_write(scene.path, &spec);
    assert_refused(&scene, "number 3 is older");

    spec = (struct crl_spec){ .issuer = &root, .number = -1 };
    reopen(&scene); /* nor after a restart */
    crl_write(scene.path, &spec);
    struct crls *again = scene_read_well(&scene, NULL);
    reopen(&scene);
    spec.this_update_seconds = -2 * HOUR;
    spec.number = 3;
    crl_write(scene.path, &spec);
    assert_refused(&scene, "number 3 is older");
    scene_clear(&scene, crls, again);
}

static void a_list_without_number_unsays_none(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *lists[3];

    list_write(scene.path, &root, 7);
    lists[0] = scene_read_well(&scene, NULL);
    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &root, .number = -1, .this_update_seconds = -60 });
    lists[1] = scene_read_well(&scene, NULL);
    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &root, .number = 6, .this_update_seconds = -30 });
    assert_refused(&scene, "number 6 is older");
    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &root, .number = 8, .this_update_seconds = -30 });
    lists[2] = scene_read_well(&scene, NULL);
    crls_unref(lists[0]);
    scene_clear(&scene, lists[1], lists[2]);
}

/* Numbers are compared as numbers: 256 is more than 255, whatever their bytes. */
static void numbers_have_any_length(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    list_write(scene.path, &root, 255);
    struct crls *old = scene_read_well(&scene, NULL);
    list_write(scene.path, &root, 256);
    struct crls *crls = scene_read_well(&scene, old);
    assert_string_equal(list_number(crls, 0), "256");
    list_write(scene.path, &root, 255);
    assert_refused(&scene, "number 255 is older");
    scene_clear(&scene, old, crls);
}

static void forgeries_do_not_poison_it(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &root, .number = 1000000, .signer = stranger.key });
    assert_refused(&scene, "is not signed by");
    list_write(scene.path, &root, 1);
    struct crls *crls = scene_read_well(&scene, NULL);

    /* An issuer that is not known yet has the same bytes of name and key identifier. */
    struct crls *unknown = NULL;
    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &second, .number = 1000000, .signer = stranger.key });
    assert_int_equal(scene_read_as(&scene, nobody_known, NULL, &unknown), NK_OK);
    crls_prove(unknown, issuers, scene.ledger);
    list_write(scene.path, &second, 1);
    struct crls *genuine = scene_read_well(&scene, NULL);
    crls_unref(genuine);
    scene_clear(&scene, crls, unknown);
}

static void an_issuer_met_later_proves(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    struct crls *then = NULL;

    list_write(scene.path, &second, 7);
    assert_int_equal(scene_read_as(&scene, nobody_known, NULL, &crls), NK_OK);
    assert_logged("waits for a peer");
    list_write(scene.path, &second, 6);
    assert_int_equal(scene_read_as(&scene, nobody_known, NULL, &then), NK_OK); /* who could tell? */
    crls_unref(then);
    then = NULL;

    crls_prove(crls, issuers, scene.ledger);
    assert_int_equal(scene_read_as(&scene, nobody_known, NULL, &then), NK_E_TRUST);
    assert_tells(&scene, "number 6 is older");
    /* Once proven it stays, even if its issuer is forgotten: */
    assert_int_equal(scene_read_as(&scene, nobody_known, crls, &then), NK_E_TRUST);
    assert_int_equal(lists_len(then), 1);
    assert_string_equal(list_number(then, 0), "7");
    scene_clear(&scene, crls, then);
}

/* A later reading that only knows another CA of that name must not call the list a forgery. */
static void once_proven_stays_proven(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct authority rival =
        authority_make(NULL, "plain", &(struct certificate_spec){ .bare = true });
    STACK_OF(X509) *known = sk_X509_new_null();
    struct crls *then = NULL;

    assert_true(sk_X509_push(known, rival.certificate) > 0);
    list_write(scene.path, &plain, 1);
    struct crls *crls = scene_read_well(&scene, NULL);
    assert_int_equal(scene_read_as(&scene, known, crls, &then), NK_OK);
    assert_int_equal(lists_len(then), 1);
    sk_X509_free(known);
    authority_free(&rival);
    scene_clear(&scene, crls, then);
}

/* Lists that a bad file leaves in force are proven when their issuer is met, and remembered. */
static void what_is_carried_is_proven_later(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    struct crls *then = NULL;

    list_write(scene.path, &second, 7);
    assert_int_equal(scene_read_as(&scene, nobody_known, NULL, &crls), NK_OK);
    spoil_junk(scene.path);
    assert_int_equal(scene_read(&scene, crls, &then), NK_E_TRUST);
    assert_int_equal(lists_len(then), 1);
    list_write(scene.path, &second, 6);
    assert_refused(&scene, "number 6 is older");
    scene_clear(&scene, crls, then);
}

static void of_two_carried_the_newer_is_used(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    struct crls *then = NULL;
    scene.path = scene.folder;

    list_write(path_of("%s/a", scene.folder), &second, 7);
    list_write(path_of("%s/b", scene.folder), &second, 8);
    assert_int_equal(scene_read_as(&scene, nobody_known, NULL, &crls), NK_OK);
    assert_int_equal(lists_len(crls), 2);
    spoil_junk(path_of("%s/a", scene.folder));
    spoil_junk(path_of("%s/b", scene.folder));
    assert_int_equal(scene_read(&scene, crls, &then), NK_E_TRUST);
    assert_int_equal(lists_len(then), 1);
    assert_string_equal(list_number(then, 0), "8");
    scene_clear(&scene, crls, then);
}

/* Forged lists that a bad file leaves in force are found out when their issuer is met. */
static void what_is_carried_is_disproven_later(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    struct crls *then = NULL;

    crl_write(scene.path, &(struct crl_spec){ .issuer = &second, .signer = stranger.key });
    assert_int_equal(scene_read_as(&scene, nobody_known, NULL, &crls), NK_OK);
    assert_int_equal(lists_len(crls), 1);
    spoil_junk(scene.path);
    assert_int_equal(scene_read(&scene, crls, &then), NK_E_TRUST);
    assert_int_equal(lists_len(then), 0);
    assert_logged("turns out not to be signed");
    scene_clear(&scene, crls, then);
}

static void it_outlives_the_process(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct stat info;

    reopen(&scene);
    list_write(scene.path, &root, 7);
    struct crls *crls = scene_read_well(&scene, NULL);
    assert_int_equal(stat(path_of("%s/crl-numbers.json", state_of(&scene)), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    reopen(&scene);
    list_write(scene.path, &root, 6);
    assert_refused(&scene, "number 6 is older");
    list_write(scene.path, &root, 7);
    struct crls *again = scene_read_well(&scene, NULL);
    scene_clear(&scene, crls, again);
}

static void two_processes_share_it(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crl_ledger *other = NULL;

    reopen(&scene);
    assert_int_equal(crl_ledger_open(state_of(&scene), &other, NULL), NK_OK);
    list_write(scene.path, &root, 7);
    struct crls *ours = scene_read_well(&scene, NULL);
    struct crl_ledger *mine = scene.ledger;
    scene.ledger = other;
    list_write(scene.path, &second, 7);
    struct crls *theirs = scene_read_well(&scene, NULL); /* and writes, having never seen root's */
    scene.ledger = mine;
    crl_ledger_free(other);

    reopen(&scene);
    list_write(scene.path, &root, 6);
    assert_refused(&scene, "number 6 is older");
    list_write(scene.path, &second, 6);
    assert_refused(&scene, "number 6 is older");
    scene_clear(&scene, ours, theirs);
}

/* A process killed between writing and renaming leaves such a file. */
static void a_half_written_file_is_not_read(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    reopen(&scene);
    list_write(scene.path, &root, 7);
    struct crls *crls = scene_read_well(&scene, NULL);
    write_file(path_of("%s/crl-numbers.json.new", state_of(&scene)), "{\"version\": 1, \"li", 0600);
    reopen(&scene);
    list_write(scene.path, &root, 6);
    assert_refused(&scene, "number 6 is older");
    list_write(scene.path, &root, 8);
    struct crls *then = scene_read_well(&scene, NULL);
    reopen(&scene);
    list_write(scene.path, &root, 7);
    assert_refused(&scene, "number 7 is older");
    scene_clear(&scene, crls, then);
}

/* No byte may be written: as a full disk. */
static void fill_disk(bool full)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 0 : limit.rlim_max;
    signal(SIGXFSZ, full ? SIG_IGN : SIG_DFL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_costs_no_list(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;

    reopen(&scene);
    list_write(scene.path, &root, 7);
    struct crls *old = scene_read_well(&scene, NULL);
    list_write(scene.path, &root, 8);
    fill_disk(true);
    nk_status status = scene_read(&scene, old, &crls);
    fill_disk(false);
    assert_int_equal(status, NK_E_INTERNAL);
    assert_tells(&scene, "remembered in memory only");
    assert_logged("remembered in memory only");
    assert_string_equal(list_number(crls, 0), "8");
    list_write(scene.path, &root, 7);
    assert_refused(&scene, "number 7 is older");

    list_write(scene.path, &root, 8); /* nothing new, but it was not written yet */
    struct crls *then = scene_read_well(&scene, crls);
    reopen(&scene);
    list_write(scene.path, &root, 7);
    assert_refused(&scene, "number 7 is older");
    crls_unref(then);
    scene_clear(&scene, old, crls);
}

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NUMBER "0000000000000000000000000000000000000007"

static const struct damage {
    const char *name;
    const char *text;
} damages[] = {
    { "nothing", "" },
    { "half", "{\"version\": 1, \"lists\": [" },
    { "no object", "[]" },
    { "another version", "{\"version\": 2, \"lists\": []}" },
    { "no lists", "{\"version\": 1}" },
    { "a member more", "{\"version\": 1, \"lists\": [], \"more\": 1}" },
    { "twice", "{\"version\": 1, \"lists\": [], \"lists\": []}" },
    { "a short key", "{\"version\": 1, \"lists\": [{\"key\": \"01\", \"number\": \"" NUMBER
                     "\", \"this_update\": 1, \"issuer\": \"\"}]}" },
    { "a number that is none", "{\"version\": 1, \"lists\": [{\"key\": \"" KEY
                               "\", \"number\": \"7\", \"this_update\": 1, \"issuer\": \"\"}]}" },
    { "no time", "{\"version\": 1, \"lists\": [{\"key\": \"" KEY "\", \"number\": \"" NUMBER
                 "\", \"issuer\": \"\"}]}" },
};

static void check_damage(void **state)
{
    const struct damage *row = *state;
    struct scene scene = scene_new();
    struct crl_ledger *ledger = NULL;
    const char *file = path_of("%s/crl-numbers.json", state_of(&scene));

    write_file(file,
               "{\"version\": 1, \"lists\": [{\"key\": \"" KEY "\", \"number\": \"" NUMBER
               "\", \"this_update\": 1, \"issuer\": \"CN=a\"}]}",
               0600);
    assert_int_equal(crl_ledger_open(state_of(&scene), &ledger, NULL), NK_OK);
    crl_ledger_free(ledger);
    ledger = NULL;
    write_file(file, row->text, 0600);
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    assert_int_equal(crl_ledger_open(state_of(&scene), &ledger, &scene.err), NK_E_TRUST);
    assert_null(ledger);
    assert_tells(&scene, file);
    assert_tells(&scene, "put back a copy");
    scene_clear(&scene, NULL, NULL);
}

static void state_dir_is_ours_alone(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    const char *folder = state_of(&scene);
    const unsigned modes[] = { 0770, 0707, 01777 };
    struct crl_ledger *ledger = NULL;

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        assert_int_equal(chmod(folder, modes[i]), 0);
        scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
        assert_int_equal(crl_ledger_open(folder, &ledger, &scene.err), NK_E_CONFIG);
        assert_tells(&scene, folder);
        assert_tells(&scene, "chmod g-w,o-w");
    }
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    assert_int_equal(crl_ledger_open(path_of("%s/none", folder), &ledger, &scene.err), NK_E_CONFIG);
    assert_tells(&scene, "state_dir");
    assert_tells(&scene, "No such file");
    write_file(path_of("%s/file", scene.folder), "", 0600);
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    assert_int_equal(crl_ledger_open(path_of("%s/file", scene.folder), &ledger, &scene.err),
                     NK_E_CONFIG);
    assert_tells(&scene, "Not a directory");
    assert_null(ledger);
    scene_clear(&scene, NULL, NULL);
}

static void state_dir_of_another_user(void **state)
{
    (void)state;
    assert_int_equal(geteuid(), 0); /* only root can give a folder away */
    struct scene scene = scene_new();
    const char *folder = state_of(&scene);
    struct crl_ledger *ledger = NULL;

    assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    assert_int_equal(crl_ledger_open(folder, &ledger, &scene.err), NK_E_CONFIG);
    assert_tells(&scene, "chown it");

    assert_int_equal(chown(folder, 0, 0), 0); /* root's: may be read, but not written to */
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(scratch_folder(), 0755), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    nk_status status = crl_ledger_open(folder, &ledger, &scene.err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, NK_E_CONFIG);
    assert_tells(&scene, "must be able to write");
    assert_null(ledger);
    scene_clear(&scene, NULL, NULL);
}

int main(void)
{
    ROWS_OF(damages, check_damage)
    ROWS_TEST(an_older_list_without_number_is_a_replay);
    ROWS_TEST(a_list_without_number_unsays_none);
    ROWS_TEST(numbers_have_any_length);
    ROWS_TEST(forgeries_do_not_poison_it);
    ROWS_TEST(an_issuer_met_later_proves);
    ROWS_TEST(what_is_carried_is_disproven_later);
    ROWS_TEST(what_is_carried_is_proven_later);
    ROWS_TEST(of_two_carried_the_newer_is_used);
    ROWS_TEST(once_proven_stays_proven);
    ROWS_TEST(it_outlives_the_process);
    ROWS_TEST(two_processes_share_it);
    ROWS_TEST(a_half_written_file_is_not_read);
    ROWS_TEST(a_full_disk_costs_no_list);
    ROWS_TEST(state_dir_is_ours_alone);
    ROWS_TEST(state_dir_of_another_user);
    return ROWS_RUN("crl_ledger", scene_set_up, scene_tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "faulty_script.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"

#define LINE_MAX_BYTES 256

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards both below */
static struct script script;
static struct stat read_last;

static void die(const char *what)
{
    fprintf(stderr, "faulty token: bad script: %s\n", what);
    abort();
}

static void set_flags(char *names)
{
    static const struct {
        const char *name;
        CK_FLAGS flag;
    } known[] = {
        { "count_low", CKF_USER_PIN_COUNT_LOW },
        { "final_try", CKF_USER_PIN_FINAL_TRY },
        { "locked", CKF_USER_PIN_LOCKED },
        { "hw_slot", CKF_HW_SLOT },
        { "pin_pad", CKF_PROTECTED_AUTHENTICATION_PATH },
    };
    char *rest = NULL;
    for (char *name = strtok_r(names, ",", &rest); name != NULL;
         name = strtok_r(NULL, ",", &rest)) {
        size_t i = 0;
        while (i < ARRAY_LEN(known) && strcmp(known[i].name, name) != 0) {
            i++;
        }
        if (i == ARRAY_LEN(known)) {
            die(name);
        }
        script.flags |= known[i].flag;
    }
}

static void set_hidden(char *numbers)
{
    char *rest = NULL;
    for (char *number = strtok_r(numbers, ",", &rest); number != NULL;
         number = strtok_r(NULL, ",", &rest)) {
        if (script.hidden_len == HIDDEN_MAX) {
            die("too many hidden mechanisms");
        }
        script.hidden[script.hidden_len++] = strtoul(number, NULL, 0);
    }
}

/* "0x180=0605...": the attribute's number and the bytes that it is said to have. */
static void add_lie(char *text)
{
    if (script.lies_len == LIES_MAX) {
        die("too many lies");
    }
    struct lie *lie = &script.lies[script.lies_len++];
    char *hex = NULL;
    lie->type = strtoul(text, &hex, 0);
    for (hex++; hex[0] != '\0' && hex[1] != '\0' && lie->len < sizeof(lie->value); hex += 2) {
        const char byte[] = { hex[0], hex[1], '\0' };
        lie->value[lie->len++] = (unsigned char)strtoul(byte, NULL, 16);
    }
}

/* "sign_error" or "sign_error_at": the call's name before the first "_error". */
static bool set_fault(const char *key, const char *value)
{
    static const char *const names[FAULTS_LEN] = {
        [FAULT_INITIALIZE] = "initialize",
        [FAULT_SLOTS] = "slots",
        [FAULT_TOKEN_INFO] = "token_info",
        [FAULT_OPEN] = "open",
        [FAULT_SESSION_INFO] = "session_info",
        [FAULT_LOGIN] = "login",
        [FAULT_FIND] = "find",
        [FAULT_SIGN_INIT] = "sign_init",
        [FAULT_SIGN] = "sign",
    };
    const char *end = strstr(key, "_error");
    for (size_t i = 0; end != NULL && i < FAULTS_LEN; i++) {
        if (strlen(names[i]) != (size_t)(end - key) ||
            strncmp(names[i], key, strlen(names[i])) != 0) {
            continue;
        }
        unsigned long number = strtoul(value, NULL, 0);
        if (strcmp(end, "_error") == 0) {
            script.faults[i].error = number;
        } else if (strcmp(end, "_error_at") == 0) {
            script.faults[i].at = number;
        } else if (strcmp(end, "_error_every") == 0) {
            script.faults[i].every = number;
        } else {
            return false;
        }
        return true;
    }
    return false;
}

static void set(char *key, char *value)
{
    const struct {
        const char *key;
        unsigned long *number;
    } numbers[] = {
        { "refuse", &script.refused },
        { "sign_ms", &script.sign_ms },
        { "sign_hang", &script.sign_hang },
        { "sign_keeps", &script.sign_keeps },
        { "sign_pipe", &script.sign_pipe },
        { "sessions_max", &script.sessions_max },
        { "open_race", &script.open_race },
        { "login_ms", &script.login_ms },
        { "no_login", &script.no_login },
        { "until_initialize", &script.until_initialize },
        { "no_slots", &script.no_slots },
        { "other_maker", &script.other_maker },
        { "notices_fork", &script.notices_fork },
        { "swapped", &script.swapped },
        { "pulled", &script.pulled },
        { "ejected", &script.ejected },
        { "moved", &script.moved },
        { "initialize_hang", &script.initialize_hang },
        { "slots_hang", &script.slots_hang },
        { "login_hang", &script.login_hang },
        { "logout_hang", &script.logout_hang },
        { "sign_init_hang", &script.sign_init_hang },
    };
    if (set_fault(key, value)) {
        return;
    }
    if (strcmp(key, "find_instead") == 0) {
        snprintf(script.find_instead, sizeof(script.find_instead), "%s", value);
        return;
    }
    if (strcmp(key, "flags") == 0) {
        set_flags(value);
        return;
    }
    if (strcmp(key, "attribute") == 0) {
        add_lie(value);
        return;
    }
    if (strcmp(key, "hide") == 0) {
        set_hidden(value);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strcmp(key, numbers[i].key) == 0) {
            *numbers[i].number = strtoul(value, NULL, 0);
            return;
        }
    }
    die(key);
}

/* Called with the mutex held. A test replaces the file by rename, so it is never half written. */
static void refresh(void)
{
    const char *path = getenv("FAULTY_SCRIPT");
    struct stat now;
    if (path == NULL || stat(path, &now) != 0 ||
        (now.st_ino == read_last.st_ino && now.st_size == read_last.st_size &&
         now.st_mtim.tv_sec == read_last.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == read_last.st_mtim.tv_nsec)) {
        return;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        die(path);
    }
    read_last = now;
    memset(&script, 0, sizeof(script));
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *equals = strchr(line, '=');
        if (equals != NULL) {
            *equals = '\0';
            set(line, equals + 1);
        }
    }
    fclose(file);
}

struct script script_now(void)
{
    pthread_mutex_lock(&mutex);
    refresh();
    struct script copy = script;
    pthread_mutex_unlock(&mutex);
    return copy;
}

CK_RV script_strike(enum fault_of which)
{
    pthread_mutex_lock(&mutex);
    refresh();
    struct fault *fault = &script.faults[which];
    fault->calls++;
    bool hit = fault->every != 0 ? fault->calls % fault->every == 0
                                 : fault->at == 0 || fault->at == fault->calls;
    CK_RV rv = hit ? fault->error : CKR_OK;
    pthread_mutex_unlock(&mutex);
    return rv;
}

void script_initialized(void)
{
    pthread_mutex_lock(&mutex);
    refresh();
    for (size_t i = 0; script.until_initialize != 0 && i < FAULTS_LEN; i++) {
        script.faults[i].error = CKR_OK;
    }
    pthread_mutex_unlock(&mutex);
}

const struct lie *script_lie(const struct script *now, CK_ATTRIBUTE_TYPE type)
{
    for (unsigned i = 0; i < now->lies_len; i++) {
        if (now->lies[i].type == type) {
            return &now->lies[i];
        }
    }
    return NULL;
}

bool script_hides(CK_MECHANISM_TYPE mechanism)
{
    struct script now = script_now();
    for (unsigned i = 0; i < now.hidden_len; i++) {
        if (now.hidden[i] == mechanism) {
            return true;
        }
    }
    return false;
}

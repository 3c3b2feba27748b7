/* SPDX-License-Identifier: Apache-2.0
 * Sessions and logins of the faulty token, and who is inside one. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "faulty_private.h"
#include "faulty_script.h"

#define SESSIONS_MAX 256
#define TEMPLATE_MAX 8

static pthread_mutex_t busy_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards `busy` */
static CK_SESSION_HANDLE busy[SESSIONS_MAX];

void session_enter(CK_SESSION_HANDLE session)
{
    size_t room = SESSIONS_MAX;
    pthread_mutex_lock(&busy_mutex);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (busy[i] == session) {
            faulty_counts.session_shared++;
        }
        if (busy[i] == 0) {
            room = i;
        }
    }
    if (room == SESSIONS_MAX) {
        fprintf(stderr, "faulty token: too many sessions at once\n");
        abort();
    }
    busy[room] = session;
    pthread_mutex_unlock(&busy_mutex);
}

void session_leave(CK_SESSION_HANDLE session)
{
    pthread_mutex_lock(&busy_mutex);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (busy[i] == session) {
            busy[i] = 0;
            break;
        }
    }
    pthread_mutex_unlock(&busy_mutex);
}

void session_delay(unsigned long ms)
{
    struct timespec left = { .tv_sec = (time_t)(ms / 1000),
                             .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (nanosleep(&left, &left) != 0) {
    }
}

void session_hang_while(size_t which)
{
    struct script now = script_now();
    unsigned long set = 0;
    faulty_counts.hanging_now++;
    for (memcpy(&set, (char *)&now + which, sizeof(set)); set != 0;
         memcpy(&set, (char *)&now + which, sizeof(set))) {
        session_delay(1);
        now = script_now();
    }
    faulty_counts.hanging_now--;
}

CK_RV session_find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG len)
{
    struct script now = script_now();
    CK_ATTRIBUTE other[TEMPLATE_MAX];
    CK_RV rv = script_strike(FAULT_FIND);
    if (rv == CKR_OK) {
        rv = card_enter();
    }
    if (rv != CKR_OK) {
        return rv;
    }
    for (CK_ULONG i = 0; i < len && len <= TEMPLATE_MAX; i++) {
        other[i] = template[i];
        if (now.find_instead[0] != '\0' && template[i].type == CKA_LABEL) {
            other[i].pValue = now.find_instead;
            other[i].ulValueLen = strlen(now.find_instead);
        }
    }
    rv = faulty_real->C_FindObjectsInit(session, len <= TEMPLATE_MAX ? other : template, len);
    card_leave();
    return rv;
}

/* As in tpm2-pkcs11, where nothing is locked: who opens while another does gets the same one. */
static CK_RV race(CK_SESSION_HANDLE *session, CK_RV (*open)(void *), void *arg)
{
    static atomic_int inside;
    static atomic_ulong last;

    bool alone = atomic_fetch_add(&inside, 1) == 0;
    session_delay(1);
    faulty_counts.open_overlap += alone ? 0 : 1;
    CK_RV rv = CKR_OK;
    if (!alone && last != CK_INVALID_HANDLE) {
        *session = last;
    } else {
        rv = open(arg);
        last = rv == CKR_OK ? *session : last;
    }
    atomic_fetch_sub(&inside, 1);
    return rv;
}

struct opening {
    CK_SLOT_ID slot;
    CK_FLAGS flags;
    CK_SESSION_HANDLE *session;
};

static CK_RV open_now(void *arg)
{
    const struct opening *opening = arg;
    CK_RV rv =
        faulty_real->C_OpenSession(opening->slot, opening->flags, NULL, NULL, opening->session);
    if (rv == CKR_OK) {
        card_opened(*opening->session);
    }
    return rv;
}

CK_RV session_open(CK_SLOT_ID told, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                   CK_SESSION_HANDLE *session)
{
    struct script now = script_now();
    struct opening opening = { .flags = flags, .session = session };
    (void)application;
    (void)notify;

    faulty_counts.open_session++;
    CK_RV rv = script_strike(FAULT_OPEN);
    if (rv == CKR_OK) {
        rv = card_slot(told, &opening.slot);
    }
    if (rv != CKR_OK) {
        return rv;
    }
    if (now.sessions_max != 0 && faulty_counts.sessions_now >= now.sessions_max) {
        return CKR_SESSION_COUNT;
    }
    return now.open_race != 0 ? race(session, open_now, &opening) : open_now(&opening);
}

CK_RV session_close(CK_SESSION_HANDLE session)
{
    faulty_counts.close_session++;
    CK_RV rv = card_enter();
    if (rv != CKR_OK) {
        return rv;
    }
    session_enter(session);
    rv = faulty_real->C_CloseSession(session);
    if (rv == CKR_OK) {
        card_closed();
    }
    session_leave(session);
    card_leave();
    return rv;
}

/* One line for each C_Login into $FAULTY_LOG: counted over all processes that have it. */
static void note_login(CK_USER_TYPE user, CK_RV rv)
{
    const char *path = getenv("FAULTY_LOG");
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

    if (fd >= 0) {
        dprintf(fd, "C_Login user=%lu rv=0x%lx\n", (unsigned long)user, (unsigned long)rv);
        close(fd);
    }
}

static CK_RV send_pin(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len)
{
    CK_RV rv = card_enter();

    if (rv == CKR_OK) {
        rv = faulty_real->C_Login(session, user, pin, len);
        card_leave();
    }
    return rv;
}

CK_RV session_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len)
{
    faulty_counts.login++;
    session_delay(script_now().login_ms);
    session_hang_while(offsetof(struct script, login_hang));
    CK_RV rv = script_strike(FAULT_LOGIN);
    rv = rv == CKR_OK ? card_removed() : rv;
    if (user == CKU_CONTEXT_SPECIFIC) {
        faulty_counts.context_login++;
    }
    const char *pad = getenv("FAULTY_PAD");
    if (pin == NULL && pad != NULL) {
        faulty_counts.pad_login++;
        pin = (CK_UTF8CHAR *)(uintptr_t)pad;
        len = strlen(pad);
    }
    if (rv == CKR_OK) {
        rv = send_pin(session, user, pin, len);
    } else if (rv == CKR_USER_ALREADY_LOGGED_IN) { /* an answer that somebody is must be true */
        send_pin(session, user, pin, len);
    }
    if (rv != CKR_OK) {
        faulty_counts.login_failed++;
    }
    note_login(user, rv);
    return rv;
}

CK_RV session_logout(CK_SESSION_HANDLE session)
{
    faulty_counts.logout++;
    session_hang_while(offsetof(struct script, logout_hang));
    CK_RV rv = card_enter();
    if (rv == CKR_OK) {
        rv = faulty_real->C_Logout(session);
        card_leave();
    }
    return rv;
}

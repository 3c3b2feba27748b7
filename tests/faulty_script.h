/* SPDX-License-Identifier: Apache-2.0
 * How the faulty token misbehaves at this moment. */
#ifndef NODEKEY_TESTS_FAULTY_SCRIPT_H
#define NODEKEY_TESTS_FAULTY_SCRIPT_H

#include <stdbool.h>

#include <p11-kit/pkcs11.h>

#define HIDDEN_MAX 16
#define LIES_MAX 4

/* The calls that can be told to fail, and "<name>_error" in the script. */
enum fault_of {
    FAULT_INITIALIZE,
    FAULT_SLOTS,
    FAULT_TOKEN_INFO,
    FAULT_OPEN,
    FAULT_SESSION_INFO,
    FAULT_LOGIN,
    FAULT_FIND,
    FAULT_SIGN_INIT,
    FAULT_SIGN,
    FAULTS_LEN,
};

struct fault { /* error for every call, or for the one numbered `at` */
    CK_RV error;
    unsigned long at;
    unsigned long calls;
};

struct script {
    CK_FLAGS flags;
    CK_MECHANISM_TYPE hidden[HIDDEN_MAX];
    unsigned hidden_len;
    CK_MECHANISM_TYPE refused; /* listed, but C_SignInit does not take its parameters */
    unsigned long sign_ms;
    unsigned long sign_hang;    /* C_Sign does not come back while this is set */
    unsigned long sessions_max; /* 0: as many as the real module has */
    unsigned long login_ms;
    unsigned long no_login; /* the token does not ask for one */
    struct lie {
        CK_ATTRIBUTE_TYPE type; /* with a length of 0: there is no such attribute */
        unsigned char value[64];
        unsigned len;
    } lies[LIES_MAX];
    unsigned lies_len;
    unsigned long swapped;         /* another token is in the slot: its label begins with '#' */
    unsigned long initialize_hang; /* these calls do not come back while it is set */
    unsigned long slots_hang;
    unsigned long login_hang;
    unsigned long logout_hang;
    unsigned long sign_init_hang;
    struct fault faults[FAULTS_LEN];
    unsigned long until_initialize;
    unsigned long sign_keeps;
    unsigned long sign_pipe;
    unsigned long no_slots;
    unsigned long pulled;  /* as a card out of its reader */
    unsigned long moved;   /* added to the number of each slot */
    unsigned long ejected; /* likewise out, and its sessions are gone */
    unsigned long open_race;
    char find_instead[64]; /* "": nothing */
};

/* A copy of the script in force. */
struct script script_now(void);
/* Counts one call and tells what it must answer. */
CK_RV script_strike(enum fault_of which);
/* C_Initialize has succeeded: ends what lasts until then. */
void script_initialized(void);
/* What the script says of an attribute, or NULL. */
const struct lie *script_lie(const struct script *script, CK_ATTRIBUTE_TYPE type);
bool script_hides(CK_MECHANISM_TYPE mechanism);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * The faults: what PKCS#11 modules were seen to do, each at the moments where it can reach us. */
#include <p11-kit/pkcs11.h>

#include "base/auto.h"
#include "fault/fault_table.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

/* The error that makes the module start anew, once; then what comes upon that. */
#define ONCE_AN_ERROR "sign_error=0x30\nsign_error_at=1\n"
#define DEADLINE "{\"token\": {\"sign_timeout_ms\": 2000}}"
#define IMPATIENT "{\"token\": {\"login_timeout_ms\": 1000}}"
#define RESTART_PAUSE_MS 2000 /* the longest, where only a restart shows that the token is back */
#define GUEST "initialize_error=0x191\ninitialize_error_at=1\n" /* the program was first */
#define OPEN_BREAKER "signatures fail at once"
#define AGAIN(name) "token alice: " name "; trying again"

static void unplug(const struct fault_world *world)
{
    (void)world;
    softhsm_unplug();
}

static void replug(const struct fault_world *world)
{
    (void)world;
    softhsm_replug();
}

static void write_pin(const struct fault_world *world, const char *pin)
{
    write_file(path_of("%s/alice.pin", world->federation.folder), pin, 0600);
}

static void change_pin_file(const struct fault_world *world)
{
    write_pin(world, "0000-willow");
}

static void restore_pin_file(const struct fault_world *world)
{
    write_pin(world, SOFTHSM_PIN);
}

/* Another part of the program ends the login, which is the process's. */
static void log_out(const struct fault_world *world)
{
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, world->alice.label, 0);
    softhsm->C_Logout(session);
    softhsm->C_CloseSession(session);
}

const struct fault_row fault_rows[] = {
    /* --- the fault is there before the module is loaded --- */
    { "C_Initialize CKR_GENERAL_ERROR: the TPM is down", BEFORE_OPEN, FAILS,
      "does not initialise; is its own configuration, service or device there? (uid ",
      .script = "initialize_error=0x5\n", .status = NK_E_TOKEN },
    { "C_Initialize CKR_FUNCTION_FAILED: a daemon is away", BEFORE_OPEN, FAILS,
      "does not initialise", .script = "initialize_error=0x6\n", .status = NK_E_TOKEN },
    { "C_Initialize CKR_CRYPTOKI_ALREADY_INITIALIZED: we are a guest", BEFORE_OPEN, SERVES, NULL,
      .script = "initialize_error=0x191\n" },
    { "CKR_OK and no slot: a remote's server is away", BEFORE_OPEN, FAILS, "no such token",
      .script = "no_slots=1\n", .status = NK_E_TOKEN },
    { "C_GetSlotList CKR_DEVICE_ERROR", BEFORE_OPEN, FAILS, "list the tokens of",
      .script = "slots_error=0x30\n", .status = NK_E_TOKEN },
    { "C_GetTokenInfo CKR_TOKEN_NOT_RECOGNIZED", BEFORE_OPEN, FAILS, "no such token",
      .script = "token_info_error=0xe1\n", .status = NK_E_TOKEN },
    { "another token is in the slot", BEFORE_OPEN, FAILS, "no such token", .script = "swapped=1\n",
      .status = NK_E_TOKEN },
    { "the card is out", BEFORE_OPEN, FAILS, "no such token", .script = "pulled=1\n",
      .status = NK_E_TOKEN },
    { "the token's folder is away", BEFORE_OPEN, FAILS, "no such token", .script = NULL,
      .status = NK_E_TOKEN, .strike = unplug, .cure = replug },
    { "C_OpenSession CKR_TOKEN_NOT_PRESENT", BEFORE_OPEN, FAILS, "open a session with token",
      .script = "open_error=0xe0\n", .status = NK_E_TOKEN },
    { "C_OpenSession CKR_SESSION_COUNT: not even one", BEFORE_OPEN, FAILS, "CKR_SESSION_COUNT",
      .script = "open_error=0xb1\n", .status = NK_E_TOKEN },
    { "C_Login CKR_DEVICE_ERROR", BEFORE_OPEN, FAILS, "log in to token \"alice\": CKR_DEVICE_ERROR",
      .script = "login_error=0x30\n", .status = NK_E_TOKEN },
    { "C_Login CKR_GENERAL_ERROR: a TPM's three slots are taken", BEFORE_OPEN, FAILS,
      "log in to token \"alice\": its module says no more", .script = "login_error=0x5\n",
      .status = NK_E_TOKEN },
    { "C_Login CKR_PIN_LOCKED: a TPM in lockout", BEFORE_OPEN, FAILS, "its user PIN is locked",
      .script = "login_error=0xa4\n", .status = NK_E_PIN },
    { "C_Login CKR_USER_ALREADY_LOGGED_IN", BEFORE_OPEN, SERVES, NULL,
      .script = "login_error=0x100\n" },
    { "CKF_USER_PIN_LOCKED", BEFORE_OPEN, FAILS, "its user PIN is locked",
      .script = "flags=locked\n", .status = NK_E_PIN },
    { "CKF_USER_PIN_FINAL_TRY", BEFORE_OPEN, FAILS, "one wrong PIN more locks it",
      .script = "flags=final_try,count_low\n", .status = NK_E_PIN },
    { "CKF_USER_PIN_COUNT_LOW", BEFORE_OPEN, SERVES, NULL, .script = "flags=count_low\n" },
    { "no CKM_ECDSA", BEFORE_OPEN, FAILS, "has no mechanism CKM_ECDSA", .script = "hide=0x1041\n",
      .status = NK_E_IDENTITY },
    { "PSS is not listed: our own padding", BEFORE_OPEN, SERVES, NULL, .script = "hide=0xd\n",
      .cured = "hide=0xd\n", .rsa = true },
    { "PSS is listed, its parameters are refused: our own padding", BEFORE_OPEN, SERVES, NULL,
      .script = "refuse=0xd\n", .cured = "refuse=0xd\n", .rsa = true },
    { "the label names another key than the certificate's", BEFORE_OPEN, FAILS,
      "node.certificate does not match node.key", .script = "find_instead=other\n",
      .status = NK_E_IDENTITY },
    { "one session and no more", BEFORE_OPEN, SERVES, NULL, .script = "sessions_max=1\n",
      .cured = "sessions_max=1\n" },

    { "C_Initialize hangs", BEFORE_OPEN, FAILS, "C_Initialize", .script = "initialize_hang=1\n",
      .status = NK_E_TOKEN, .patch = IMPATIENT },
    { "C_GetSlotList hangs", BEFORE_OPEN, FAILS, "C_GetSlotList", .script = "slots_hang=1\n",
      .status = NK_E_TOKEN, .patch = IMPATIENT },
    { "C_Login hangs", BEFORE_OPEN, FAILS, "C_Login", .script = "login_hang=1\n",
      .status = NK_E_TOKEN, .patch = IMPATIENT },
    { "C_Sign hangs", BEFORE_OPEN, FAILS, "C_Sign", .script = "sign_hang=1\n", .status = NK_E_TOKEN,
      .patch = IMPATIENT },

    /* --- an instance opens beside one that serves --- */
    { "C_Sign CKR_GENERAL_ERROR", AT_OPEN, FAILS, "fails the test signature",
      .script = "sign_error=0x5\n", .status = NK_E_TOKEN },
    { "C_Sign CKR_DEVICE_ERROR, once", AT_OPEN, SERVES, NULL,
      .script = "sign_error=0x30\nsign_error_at=1\n" },
    { "C_SignInit CKR_DEVICE_MEMORY", AT_OPEN, FAILS, "fails the test signature",
      .script = "sign_init_error=0x31\n", .status = NK_E_TOKEN },
    { "C_FindObjectsInit CKR_DEVICE_REMOVED", AT_OPEN, FAILS,
      "search token \"alice\" for the key: CKR_DEVICE_REMOVED", .script = "find_error=0x32\n",
      .status = NK_E_TOKEN },
    { "C_Sign CKR_GENERAL_ERROR until C_Initialize: swtpm restarted", AT_OPEN, SERVES, NULL,
      .script = "sign_error=0x5\nuntil_initialize=1\n" },
    { "no slot any more", AT_OPEN, FAILS, "no such token", .script = "no_slots=1\n",
      .status = NK_E_TOKEN },
    { "the mechanism is hidden now", AT_OPEN, FAILS, "has no mechanism CKM_ECDSA",
      .script = "hide=0x1041\n", .status = NK_E_IDENTITY },
    { "the card is pulled", AT_OPEN, FAILS, "no such token", .script = "pulled=1\n",
      .status = NK_E_TOKEN },

    { "C_SignInit hangs", AT_OPEN, FAILS, "C_SignInit", .script = "sign_init_hang=1\n",
      .status = NK_E_TOKEN, .patch = IMPATIENT },

    /* --- between the open and the first handshake --- */
    { "CKR_SESSION_HANDLE_INVALID, once", FIRST_SIGNATURE, SERVES,
      AGAIN("CKR_SESSION_HANDLE_INVALID"),
      .script = "sign_init_error=0xb3\nsign_init_error_at=1\n" },
    { "CKR_SESSION_CLOSED, once", FIRST_SIGNATURE, SERVES, AGAIN("CKR_SESSION_CLOSED"),
      .script = "sign_init_error=0xb0\nsign_init_error_at=1\n" },
    { "CKR_USER_NOT_LOGGED_IN, once", FIRST_SIGNATURE, SERVES, AGAIN("CKR_USER_NOT_LOGGED_IN"),
      .script = "sign_init_error=0x101\nsign_init_error_at=1\n" },
    { "CKR_USER_NOT_LOGGED_IN and the operation stays: TPM", FIRST_SIGNATURE, SERVES,
      AGAIN("CKR_USER_NOT_LOGGED_IN"),
      .script = "sign_error=0x101\nsign_error_at=1\nsign_keeps=1\n" },
    { "CKR_OPERATION_ACTIVE, once", FIRST_SIGNATURE, SERVES, AGAIN("CKR_OPERATION_ACTIVE"),
      .script = "sign_init_error=0x90\nsign_init_error_at=1\n" },
    { "CKR_OBJECT_HANDLE_INVALID, once", FIRST_SIGNATURE, SERVES,
      AGAIN("CKR_OBJECT_HANDLE_INVALID"),
      .script = "sign_init_error=0x82\nsign_init_error_at=1\n" },
    { "CKR_KEY_HANDLE_INVALID, once", FIRST_SIGNATURE, SERVES, AGAIN("CKR_KEY_HANDLE_INVALID"),
      .script = "sign_init_error=0x60\nsign_init_error_at=1\n" },
    { "CKR_KEY_TYPE_INCONSISTENT, once: NSS after a logout", FIRST_SIGNATURE, SERVES,
      AGAIN("CKR_KEY_TYPE_INCONSISTENT"),
      .script = "sign_init_error=0x63\nsign_init_error_at=1\n" },
    { "another part of the program logs out", FIRST_SIGNATURE, SERVES, "; trying again",
      .script = NULL, .strike = log_out },
    { "CKR_CRYPTOKI_NOT_INITIALIZED, once", FIRST_SIGNATURE, SERVES,
      AGAIN("CKR_CRYPTOKI_NOT_INITIALIZED"),
      .script = "sign_init_error=0x190\nsign_init_error_at=1\n" },
    { "CKR_GENERAL_ERROR until C_Initialize: swtpm restarted", FIRST_SIGNATURE, SERVES,
      AGAIN("CKR_GENERAL_ERROR"), .script = "sign_error=0x5\nuntil_initialize=1\n" },
    { "CKR_DEVICE_ERROR", FIRST_SIGNATURE, FAILS, "no signature: CKR_DEVICE_ERROR",
      .script = "sign_error=0x30\n" },
    { "CKR_DEVICE_ERROR, by deadline", FIRST_SIGNATURE, FAILS, "no signature: CKR_DEVICE_ERROR",
      .script = "sign_error=0x30\n", .patch = DEADLINE },
    { "CKR_DEVICE_REMOVED", FIRST_SIGNATURE, FAILS, "no signature: CKR_DEVICE_REMOVED",
      .script = "sign_error=0x32\n" },
    { "CKR_TOKEN_NOT_PRESENT", FIRST_SIGNATURE, FAILS, "no signature: CKR_TOKEN_NOT_PRESENT",
      .script = "sign_init_error=0xe0\n" },
    { "CKR_DEVICE_MEMORY: a TPM's slots are taken", FIRST_SIGNATURE, FAILS,
      "no signature: CKR_DEVICE_MEMORY", .script = "sign_init_error=0x31\n" },
    { "CKR_FUNCTION_FAILED", FIRST_SIGNATURE, FAILS, "no signature: CKR_FUNCTION_FAILED",
      .script = "sign_error=0x6\n" },
    { "CKR_PIN_LOCKED as the answer to C_Sign", FIRST_SIGNATURE, FAILS,
      "no signature: CKR_PIN_LOCKED", .script = "sign_error=0xa4\n" },
    { "the mechanism is hidden now", FIRST_SIGNATURE, FAILS, "no signature: CKR_MECHANISM_INVALID",
      .script = "hide=0x1041\n" },
    { "hangs in C_Sign, by deadline", FIRST_SIGNATURE, FAILS,
      "no answer for 2000 ms; " OPEN_BREAKER, .script = "sign_hang=1\n", .patch = DEADLINE },

    /* --- while four threads dial --- */
    { "CKR_DEVICE_ERROR for a while", UNDER_LOAD, FAILS, "no signature: CKR_DEVICE_ERROR",
      .script = "sign_error=0x30\n" },
    { "CKR_DEVICE_ERROR for a while, by deadline", UNDER_LOAD, FAILS, OPEN_BREAKER,
      .script = "sign_error=0x30\n", .patch = DEADLINE },
    { "hangs in C_Sign for a while, by deadline", UNDER_LOAD, FAILS, OPEN_BREAKER,
      .script = "sign_hang=1\n", .patch = DEADLINE },
    { "CKR_GENERAL_ERROR until C_Initialize: swtpm restarted", UNDER_LOAD, SERVES,
      AGAIN("CKR_GENERAL_ERROR"), .script = "sign_error=0x5\nuntil_initialize=1\n" },
    { "another part of the program logs out", UNDER_LOAD, SERVES, "; trying again", .script = NULL,
      .strike = log_out },
    { "the sessions are cut down to three", UNDER_LOAD, SERVES, NULL,
      .script = "sessions_max=3\n" },
    { "sessions die all the time, and C_OpenSession gives one to two who ask at once: TPM",
      UNDER_LOAD, SERVES, AGAIN("CKR_SESSION_CLOSED"),
      .script = "open_race=1\nsign_init_error=0xb0\nsign_init_error_every=5\n", .beside = true },
    { "the card is pulled and put back", UNDER_LOAD, FAILS,
      "no signature: ", .script = "pulled=1\n" },
    { "the card is pulled and put back at once", UNDER_LOAD, SERVES, AGAIN("CKR_DEVICE_REMOVED"),
      .script = "pulled=2\n" },
    { "the card is pulled and put back, and its sessions are gone", UNDER_LOAD, FAILS,
      "no signature: ", .script = "ejected=1\n" },
    { "the card is pulled and put into another reader", UNDER_LOAD, FAILS,
      "no signature: ", .script = "ejected=1\n", .cured = "moved=7\n" },
    { "the same, by deadline", UNDER_LOAD, FAILS, OPEN_BREAKER, .script = "ejected=1\n",
      .patch = DEADLINE, .cured = "moved=7\n" },
    { "CKR_SESSION_CLOSED, once, and no session more is to be had", UNDER_LOAD, SERVES,
      AGAIN("CKR_SESSION_CLOSED"),
      .script = "sign_init_error=0xb0\nsign_init_error_at=1\nsessions_max=1\n",
      .cured = "sessions_max=1\n" },
    { "CKR_USER_NOT_LOGGED_IN and the operation stays: TPM", UNDER_LOAD, SERVES,
      AGAIN("CKR_USER_NOT_LOGGED_IN"),
      .script = "sign_error=0x101\nsign_error_at=1\nsign_keeps=1\n" },
    { "CKR_KEY_TYPE_INCONSISTENT, once: NSS after a logout", UNDER_LOAD, SERVES,
      AGAIN("CKR_KEY_TYPE_INCONSISTENT"),
      .script = "sign_init_error=0x63\nsign_init_error_at=1\n" },
    { "we are a guest, and the card is pulled and put back at once", UNDER_LOAD, SERVES,
      AGAIN("CKR_DEVICE_REMOVED"), .first = GUEST, .script = "pulled=2\n" },
    { "we are a guest, and the card is pulled and put back", UNDER_LOAD, FAILS,
      "no signature: ", .first = GUEST, .script = "ejected=1\n" },
    { "we are a guest, CKR_DEVICE_ERROR for a while", UNDER_LOAD, FAILS,
      "the program itself initialised", .first = GUEST, .script = "sign_error=0x30\n" },
    { "the token's folder is away for a while", UNDER_LOAD, FAILS, "is away from", .script = NULL,
      .strike = unplug, .cure = replug, .pause_ms = RESTART_PAUSE_MS },
    { "the mechanism is hidden for a while", UNDER_LOAD, FAILS,
      "no signature: CKR_MECHANISM_INVALID", .script = "hide=0x1041\n" },
    { "takes 50 ms for each signature", UNDER_LOAD, SERVES, NULL, .script = "sign_ms=50\n" },
    { "PSS on RSA, by deadline: its parameters stay as they are", UNDER_LOAD, SERVES, NULL,
      .script = "sign_ms=5\n", .patch = DEADLINE, .rsa = true },

    /* --- the module starts anew --- */
    { "C_Initialize CKR_GENERAL_ERROR for a while: the TPM is down", REINITIALISING, FAILS,
      "no signature: CKR_CRYPTOKI_NOT_INITIALIZED",
      .script = ONCE_AN_ERROR "initialize_error=0x5\n", .pause_ms = RESTART_PAUSE_MS },
    { "the same, by deadline", REINITIALISING, FAILS, "no signature: CKR_DEVICE_ERROR",
      .script = ONCE_AN_ERROR "initialize_error=0x5\n", .patch = DEADLINE },
    { "C_Initialize CKR_CRYPTOKI_ALREADY_INITIALIZED", REINITIALISING, SERVES,
      AGAIN("CKR_DEVICE_ERROR"), .script = ONCE_AN_ERROR "initialize_error=0x191\n" },
    { "CKR_OK and no slot: a remote's server is away", REINITIALISING, FAILS,
      "token \"alice\" (serial", .script = ONCE_AN_ERROR "no_slots=1\n" },
    { "C_GetSlotList CKR_DEVICE_ERROR", REINITIALISING, FAILS, "list the slots of",
      .script = ONCE_AN_ERROR "slots_error=0x30\n" },
    { "C_GetTokenInfo CKR_DEVICE_ERROR", REINITIALISING, FAILS, "is away from",
      .script = ONCE_AN_ERROR "token_info_error=0x30\n" },
    { "the token is back in another slot", REINITIALISING, SERVES, AGAIN("CKR_DEVICE_ERROR"),
      .script = ONCE_AN_ERROR "moved=7\n", .cured = "moved=7\n" },
    { "another token is in the slot", REINITIALISING, FAILS, "is away",
      .script = ONCE_AN_ERROR "swapped=1\n" },
    { "C_OpenSession CKR_DEVICE_ERROR", REINITIALISING, FAILS, "open a session with token",
      .script = ONCE_AN_ERROR "open_error=0x30\n" },
    { "C_OpenSession CKR_SESSION_COUNT", REINITIALISING, FAILS,
      "open a session with token \"alice\": CKR_SESSION_COUNT",
      .script = ONCE_AN_ERROR "open_error=0xb1\n" },
    { "one session and no more", REINITIALISING, SERVES, AGAIN("CKR_DEVICE_ERROR"),
      .script = ONCE_AN_ERROR "sessions_max=1\n", .cured = "sessions_max=1\n" },
    { "C_GetSessionInfo CKR_DEVICE_ERROR", REINITIALISING, SERVES, AGAIN("CKR_DEVICE_ERROR"),
      .script = ONCE_AN_ERROR "session_info_error=0x30\n" },
    { "C_Login CKR_DEVICE_ERROR", REINITIALISING, FAILS, "log in to token",
      .script = ONCE_AN_ERROR "login_error=0x30\n" },
    { "C_Login takes longer than the deadline", REINITIALISING, FAILS, OPEN_BREAKER,
      .script = ONCE_AN_ERROR "login_ms=5000\n", .patch = DEADLINE },
    { "C_Login hangs, by deadline", REINITIALISING, FAILS, OPEN_BREAKER,
      .script = ONCE_AN_ERROR "login_hang=1\n", .patch = DEADLINE },
    { "C_Initialize hangs, by deadline", REINITIALISING, FAILS, OPEN_BREAKER,
      .script = ONCE_AN_ERROR "initialize_hang=1\n", .patch = DEADLINE },
    { "C_Login CKR_PIN_LOCKED: a TPM in lockout", REINITIALISING, FAILS, "its user PIN is locked",
      .script = ONCE_AN_ERROR "login_error=0xa4\n", .pause_ms = 1000 },
    { "C_Login CKR_USER_ALREADY_LOGGED_IN", REINITIALISING, SERVES, AGAIN("CKR_DEVICE_ERROR"),
      .script = ONCE_AN_ERROR "login_error=0x100\n" },
    { "CKF_USER_PIN_LOCKED", REINITIALISING, FAILS, "its user PIN is locked",
      .script = ONCE_AN_ERROR "flags=locked\n" },
    { "CKF_USER_PIN_FINAL_TRY", REINITIALISING, FAILS, "one wrong PIN more locks it",
      .script = ONCE_AN_ERROR "flags=final_try\n" },
    { "the PIN file has been changed to a wrong one", REINITIALISING, FAILS, "refuses the PIN",
      .script = ONCE_AN_ERROR, .strike = change_pin_file, .cure = restore_pin_file },
    { "C_FindObjectsInit CKR_DEVICE_ERROR", REINITIALISING, FAILS, "search token",
      .script = ONCE_AN_ERROR "find_error=0x30\n" },
    { "another key under the same label", REINITIALISING, FAILS,
      "node.certificate does not match node.key", .script = ONCE_AN_ERROR "find_instead=other\n" },
    { "a broken pipe: a remote's server was killed", REINITIALISING, SERVES,
      AGAIN("CKR_DEVICE_ERROR"), .script = ONCE_AN_ERROR "sign_pipe=1\n", .only_outbound = true },
};

const size_t fault_rows_len = ARRAY_LEN(fault_rows);

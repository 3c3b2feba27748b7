/* SPDX-License-Identifier: Apache-2.0
 * Each output parameter of each function that nodekey calls, and what can be handed back for it. */
#include "base/auto.h"
#include "lies/lies_table.h"

const char *const lies_listeners[LISTENERS] = {
    [OPEN] = "open",     [CERTIFICATE] = "certificate",
    [SERVE] = "serving", [DEADLINE] = "deadline",
    [CLOSE] = "close",   [PROVIDER] = "provider",
    [TOKENS] = "tokens", [INIT] = "init",
    [ENROLL] = "enroll", [CSR] = "csr",
    [PIN] = "pin",
};

#define NODES (TO(OPEN) | TO(CERTIFICATE))
#define COMMANDS (TO(TOKENS) | TO(INIT) | TO(ENROLL) | TO(CSR) | TO(PIN))
#define SIGNING (TO(SERVE) | TO(DEADLINE))
#define KEYS (TO(OPEN) | TO(PROVIDER) | TO(CSR))

#define HALF "9223372036854775808" /* 2^63 */
#define ALL "18446744073709551615" /* 2^64 - 1: CK_UNAVAILABLE_INFORMATION */

#define ROW(of, what, which, text, ...)                                                            \
    {                                                                                              \
        .function = of, .parameter = what, .name = which, .script = text, .to = __VA_ARGS__        \
    }
/* The pointer in the list. */
#define LACKS(function, ...)                                                                       \
    ROW(#function, "the function", "NULL", "lacks=" #function "\n", __VA_ARGS__)
/* The call does not come back. */
#define HANGS(function, ...) ROW(#function, "", "hangs", "hang=" #function "\n", __VA_ARGS__)
#define LIE(function, parameter, name, what, ...)                                                  \
    ROW(#function, parameter, name, "lie=" #function " " what "\n", __VA_ARGS__)

const struct lie lies[] = {
    LACKS(C_Initialize, TO(OPEN)),
    LACKS(C_Finalize, TO(OPEN)),
    LACKS(C_GetInfo, TO(OPEN)),
    LACKS(C_GetSlotList, TO(OPEN) | TO(TOKENS)),
    LACKS(C_GetSlotInfo, TO(OPEN)),
    LACKS(C_GetTokenInfo, TO(OPEN)),
    LACKS(C_GetMechanismInfo, TO(OPEN)),
    LACKS(C_OpenSession, TO(OPEN)),
    LACKS(C_CloseSession, TO(OPEN)),
    LACKS(C_GetSessionInfo, TO(OPEN)),
    LACKS(C_Login, TO(OPEN)),
    LACKS(C_Logout, TO(OPEN)),
    LACKS(C_FindObjectsInit, TO(OPEN)),
    LACKS(C_FindObjects, TO(OPEN) | TO(CERTIFICATE)),
    LACKS(C_FindObjectsFinal, TO(OPEN)),
    LACKS(C_GetAttributeValue, TO(OPEN)),
    LACKS(C_SignInit, TO(OPEN)),
    LACKS(C_Sign, TO(OPEN) | TO(PROVIDER)),
    LACKS(C_InitToken, TO(INIT) | TO(OPEN), .harmless = TO(OPEN), .held = TO(OPEN)),
    LACKS(C_InitPIN, TO(INIT) | TO(OPEN), .harmless = TO(OPEN), .held = TO(OPEN)),
    LACKS(C_GenerateKeyPair, TO(ENROLL) | TO(OPEN), .harmless = TO(OPEN), .held = TO(OPEN)),
    LACKS(C_DestroyObject, TO(ENROLL) | TO(OPEN), .harmless = TO(OPEN), .held = TO(OPEN)),
    ROW("C_GetFunctionList", "version", "1.x", "old_version=1\n", TO(OPEN), .told = TO(OPEN),
        .says = "speaks PKCS#11 1."),

    HANGS(C_Initialize, TO(OPEN), .held = TO(OPEN)),
    HANGS(C_GetInfo, TO(OPEN)),
    HANGS(C_GetSlotList, TO(OPEN) | TO(CERTIFICATE), .held = TO(OPEN) | TO(CERTIFICATE)),
    HANGS(C_GetSlotInfo, TO(OPEN)),
    HANGS(C_GetTokenInfo, TO(OPEN)),
    HANGS(C_GetMechanismInfo, TO(OPEN), .held = TO(OPEN)),
    HANGS(C_OpenSession, TO(OPEN), .held = TO(OPEN)),
    HANGS(C_GetSessionInfo, TO(OPEN) | TO(CLOSE), .held = TO(OPEN) | TO(CLOSE)),
    HANGS(C_Login, TO(OPEN), .held = TO(OPEN)),
    HANGS(C_FindObjectsInit, TO(OPEN) | TO(CERTIFICATE)),
    HANGS(C_FindObjects, TO(OPEN), .held = TO(OPEN)),
    HANGS(C_FindObjectsFinal, TO(OPEN)),
    HANGS(C_GetAttributeValue, TO(OPEN) | TO(CERTIFICATE) | TO(PROVIDER),
          .held = TO(OPEN) | TO(CERTIFICATE) | TO(PROVIDER)),
    HANGS(C_Logout, TO(CLOSE), .held = TO(CLOSE)),
    HANGS(C_CloseSession, TO(CLOSE) | TO(CERTIFICATE), .held = TO(CERTIFICATE) | TO(CLOSE)),
    ROW("C_Finalize", "", "hangs", "no_slots=1\nhang=C_Finalize\n", TO(OPEN), .held = TO(OPEN)),
    HANGS(C_SignInit, TO(OPEN), .held = TO(OPEN)),
    HANGS(C_Sign, TO(OPEN) | TO(PROVIDER), .held = TO(OPEN) | TO(PROVIDER)),

    LIE(C_GetInfo, "pInfo", "untouched", "untouched", TO(OPEN), .harmless = TO(OPEN),
        .held = TO(OPEN)),
    LIE(C_GetInfo, "pInfo", "all bytes 0xff", "fill 255", TO(OPEN), .harmless = TO(OPEN),
        .held = TO(OPEN)),

    LIE(C_GetSlotList, "pulCount, first", "untouched", "untouched_count", TO(OPEN) | TO(TOKENS)),
    LIE(C_GetSlotList, "pulCount, first", "0", "count 0", TO(OPEN) | TO(INIT)),
    LIE(C_GetSlotList, "pulCount, first", "1000", "count 1000", TO(OPEN) | TO(TOKENS),
        .harmless = TO(OPEN) | TO(TOKENS), .held = TO(OPEN) | TO(TOKENS)),
    LIE(C_GetSlotList, "pulCount, first", "10^6", "count 1000000", NODES | TO(TOKENS) | TO(INIT)),
    LIE(C_GetSlotList, "pulCount, first", "2^61", "count 2305843009213693952", TO(OPEN)),
    LIE(C_GetSlotList, "pulCount, first", "2^63", "count " HALF, NODES | COMMANDS),
    LIE(C_GetSlotList, "pulCount, first", "2^64 - 1", "count " ALL, TO(OPEN) | TO(TOKENS)),
    LIE(C_GetSlotList, "pulCount", "grows between two calls", "grows",
        NODES | TO(TOKENS) | TO(INIT), .harmless = NODES | TO(TOKENS) | TO(INIT)),
    LIE(C_GetSlotList, "pulCount", "0", "len 0", TO(OPEN) | TO(TOKENS),
        .told = TO(OPEN) | TO(TOKENS), .says = "no such token", .held = TO(OPEN) | TO(TOKENS)),
    LIE(C_GetSlotList, "pulCount", "1000", "len 1000", NODES | COMMANDS),
    LIE(C_GetSlotList, "pulCount", "2^63", "len " HALF, NODES | COMMANDS),
    LIE(C_GetSlotList, "pulCount", "2^64 - 1", "len " ALL, TO(OPEN) | TO(TOKENS) | TO(INIT)),
    LIE(C_GetSlotList, "pSlotList", "untouched", "untouched", NODES | COMMANDS),

    LIE(C_GetSlotInfo, "pInfo", "untouched", "untouched", TO(OPEN) | TO(TOKENS),
        .harmless = TO(OPEN) | TO(TOKENS), .held = TO(OPEN) | TO(TOKENS)),
    LIE(C_GetSlotInfo, "pInfo", "all bytes 0xff", "fill 255", TO(OPEN) | TO(TOKENS),
        .harmless = TO(OPEN) | TO(TOKENS), .held = TO(OPEN) | TO(TOKENS)),
    LIE(C_GetTokenInfo, "pInfo", "untouched", "untouched", NODES | COMMANDS | TO(SERVE),
        .harmless = TO(SERVE), .held = TO(SERVE)),
    LIE(C_GetTokenInfo, "pInfo", "all bytes 0xff", "fill 255", TO(OPEN) | TO(TOKENS) | TO(INIT),
        .told = TO(OPEN) | TO(TOKENS) | TO(INIT), .says = " shows",
        .held = TO(OPEN) | TO(TOKENS) | TO(INIT)),
    LIE(C_GetTokenInfo, "pInfo", "all bytes 'A'", "fill 65", TO(OPEN) | TO(TOKENS) | TO(INIT),
        .told = TO(OPEN) | TO(TOKENS) | TO(INIT), .says = " shows",
        .held = TO(OPEN) | TO(TOKENS) | TO(INIT)),
    LIE(C_GetMechanismInfo, "pInfo", "untouched", "untouched", KEYS),
    LIE(C_GetMechanismInfo, "pInfo", "all bytes 0", "fill 0", TO(OPEN), .told = TO(OPEN),
        .says = "has no mechanism", .held = TO(OPEN)),
    LIE(C_GetMechanismInfo, "pInfo", "all bytes 0xff", "fill 255", KEYS, .harmless = KEYS,
        .held = TO(OPEN) | TO(PROVIDER) | TO(CSR)),

    LIE(C_OpenSession, "phSession", "0", "handle 0", NODES | TO(PROVIDER) | COMMANDS,
        .harmless = TO(PIN), .held = TO(PIN)),
    LIE(C_OpenSession, "phSession", "one twice", "twice", NODES | TO(PROVIDER) | TO(TOKENS),
        .harmless = TO(TOKENS), .told = TO(CERTIFICATE), .says = "CKR_SESSION_HANDLE_INVALID",
        .held = TO(CERTIFICATE) | TO(TOKENS)),
    LIE(C_GetSessionInfo, "pInfo", "untouched", "untouched", TO(OPEN) | TO(TOKENS) | TO(CLOSE),
        .harmless = TO(CLOSE), .held = TO(CLOSE)),
    LIE(C_GetSessionInfo, "pInfo", "all bytes 0", "fill 0", TO(OPEN)),
    LIE(C_GetSessionInfo, "pInfo", "all bytes 0xff", "fill 255", TO(OPEN) | TO(SERVE),
        .harmless = TO(SERVE), .held = TO(SERVE)),

    LIE(C_FindObjects, "pulObjectCount", "untouched", "untouched", KEYS | TO(CERTIFICATE),
        .told = KEYS | TO(CERTIFICATE), .says = "on token \"alice\" fit",
        .held = TO(OPEN) | TO(CERTIFICATE) | TO(PROVIDER) | TO(CSR)),
    LIE(C_FindObjects, "pulObjectCount", "0", "len 0", KEYS | TO(TOKENS), .told = KEYS,
        .says = "on token \"alice\" fit", .harmless = TO(TOKENS),
        .held = TO(OPEN) | TO(PROVIDER) | TO(TOKENS) | TO(CSR)),
    LIE(C_FindObjects, "pulObjectCount", "one more than asked for", "len 17",
        KEYS | TO(CERTIFICATE) | TO(TOKENS) | TO(ENROLL)),
    LIE(C_FindObjects, "pulObjectCount", "2^24", "len 16777216", KEYS | TO(CERTIFICATE)),
    LIE(C_FindObjects, "pulObjectCount", "2^63", "len " HALF,
        KEYS | TO(CERTIFICATE) | TO(TOKENS) | TO(ENROLL)),
    LIE(C_FindObjects, "pulObjectCount", "2^64 - 1", "len " ALL,
        KEYS | TO(CERTIFICATE) | TO(TOKENS)),
    LIE(C_FindObjects, "phObject", "untouched", "len 9", KEYS | TO(CERTIFICATE) | TO(TOKENS)),
    LIE(C_FindObjects, "phObject", "5000 more", "more 5000", TO(TOKENS), .harmless = TO(TOKENS),
        .held = TO(TOKENS)),
    LIE(C_FindObjects, "phObject", "without end", "endless",
        KEYS | TO(CERTIFICATE) | TO(TOKENS) | TO(ENROLL)),

    LIE(C_GetAttributeValue, "ulValueLen", "0", "len 0",
        KEYS | TO(CERTIFICATE) | TO(TOKENS) | TO(ENROLL), .told = TO(CERTIFICATE),
        .says = "is not a certificate", .held = TO(CERTIFICATE)),
    LIE(C_GetAttributeValue, "ulValueLen", "10^5", "len 100000",
        KEYS | TO(CERTIFICATE) | TO(TOKENS) | TO(ENROLL)),
    LIE(C_GetAttributeValue, "ulValueLen", "2^63", "len " HALF,
        KEYS | TO(CERTIFICATE) | TO(TOKENS) | TO(ENROLL)),
    LIE(C_GetAttributeValue, "ulValueLen", "CK_UNAVAILABLE_INFORMATION", "len " ALL,
        KEYS | TO(TOKENS) | TO(ENROLL), .harmless = TO(TOKENS),
        .told = TO(PROVIDER) | TO(ENROLL) | TO(CSR), .says = "does not tell",
        .held = TO(PROVIDER) | TO(TOKENS) | TO(ENROLL) | TO(CSR)),
    LIE(C_GetAttributeValue, "ulValueLen", "CK_UNAVAILABLE_INFORMATION", "len " ALL,
        TO(CERTIFICATE), .told = TO(CERTIFICATE), .says = "is not a certificate",
        .held = TO(CERTIFICATE)),
    LIE(C_GetAttributeValue, "pValue", "untouched", "untouched",
        KEYS | TO(CERTIFICATE) | TO(TOKENS) | TO(ENROLL)),
    LIE(C_GetAttributeValue, "CKA_LABEL", "untouched", "untouched 0 0x3", TO(OPEN) | TO(TOKENS),
        .harmless = TO(OPEN), .held = TO(OPEN)),
    LIE(C_GetAttributeValue, "CKA_LABEL", "2^63", "len " HALF " 0x3", TO(TOKENS)),
    LIE(C_GetAttributeValue, "CKA_VALUE", "2^63", "len " HALF " 0x11",
        TO(CERTIFICATE) | TO(TOKENS)),
    LIE(C_GetAttributeValue, "CKA_VALUE", "0", "len 0 0x11", TO(CERTIFICATE),
        .told = TO(CERTIFICATE), .says = "is not a certificate", .held = TO(CERTIFICATE)),
    LIE(C_GetAttributeValue, "CKA_EC_POINT", "2^63", "len " HALF " 0x181",
        TO(PROVIDER) | TO(TOKENS) | TO(CSR) | TO(ENROLL)),
    LIE(C_GetAttributeValue, "CKA_EC_POINT", "0", "len 0 0x181", TO(PROVIDER) | TO(TOKENS),
        .harmless = TO(PROVIDER) | TO(TOKENS), .held = TO(PROVIDER) | TO(TOKENS)),
    LIE(C_GetAttributeValue, "CKA_EC_POINT", "2^24", "len 16777216 0x181", TO(PROVIDER)),
    LIE(C_GetAttributeValue, "CKA_EC_PARAMS", "2^63", "len " HALF " 0x180",
        TO(OPEN) | TO(PROVIDER) | TO(TOKENS)),
    LIE(C_GetAttributeValue, "CKA_EC_PARAMS", "0", "len 0 0x180", TO(OPEN) | TO(TOKENS),
        .harmless = TO(OPEN) | TO(TOKENS), .held = TO(OPEN) | TO(TOKENS)),
    LIE(C_GetAttributeValue, "CKA_EXTRACTABLE", "8 bytes", "len 8 0x162", TO(OPEN) | TO(TOKENS)),
    LIE(C_GetAttributeValue, "CKA_EXTRACTABLE", "CK_UNAVAILABLE_INFORMATION", "len " ALL " 0x162",
        TO(OPEN), .told = TO(OPEN), .says = "is extractable or not sensitive", .held = TO(OPEN)),
    LIE(C_GetAttributeValue, "CKA_ALWAYS_AUTHENTICATE", "CK_UNAVAILABLE_INFORMATION",
        "len " ALL " 0x202", TO(OPEN), .harmless = TO(OPEN), .held = TO(OPEN)),

    LIE(C_Sign, "pulSignatureLen", "0", "len 0", KEYS | SIGNING),
    LIE(C_Sign, "pulSignatureLen", "one byte short", "len 63", KEYS | SIGNING),
    LIE(C_Sign, "pulSignatureLen", "one byte more", "len 65", KEYS | SIGNING),
    LIE(C_Sign, "pulSignatureLen", "2^24", "len 16777216", KEYS | SIGNING),
    LIE(C_Sign, "pulSignatureLen", "2^63", "len " HALF, KEYS | SIGNING),
    LIE(C_Sign, "pulSignatureLen", "2^64 - 1", "len " ALL, KEYS | SIGNING),
    LIE(C_Sign, "pSignature", "untouched", "untouched", KEYS | SIGNING),

    LIE(C_Sign, "pulSignatureLen", "RSA-2048: a byte short", "len 255", TO(OPEN) | SIGNING,
        .key = "rsa"),
    LIE(C_Sign, "pulSignatureLen", "RSA-2048: a byte more", "len 257", TO(OPEN) | SIGNING,
        .key = "rsa"),
    LIE(C_Sign, "pulSignatureLen", "Ed25519: a byte short", "len 63", TO(OPEN) | SIGNING,
        .key = "ed"),
    LIE(C_Sign, "pulSignatureLen", "Ed25519: a byte more", "len 65", TO(OPEN) | SIGNING,
        .key = "ed"),

    LIE(C_GenerateKeyPair, "phPublicKey", "0", "public 0", TO(ENROLL)),
    LIE(C_GenerateKeyPair, "phPrivateKey", "0", "private 0", TO(ENROLL)),
};

const size_t lies_len = ARRAY_LEN(lies);

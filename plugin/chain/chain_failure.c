/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "trust/x509_name.h"

#define SUBJECT_BYTES 128
#define PROBLEM_BYTES (NK_DETAIL_BYTES - SUBJECT_BYTES - 8) /* the subject is never cut off */

static const struct {
    int error;
    enum reason reason;
} verify_reasons[] = {
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, REASON_UNTRUSTED },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REASON_UNTRUSTED },
    { X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, REASON_UNTRUSTED },
    { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, REASON_UNTRUSTED },
    { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, REASON_UNTRUSTED },
    { X509_V_ERR_CERT_UNTRUSTED, REASON_UNTRUSTED },
    { X509_V_ERR_CERT_REJECTED, REASON_UNTRUSTED },
    { X509_V_ERR_SUBJECT_ISSUER_MISMATCH, REASON_UNTRUSTED },
    { X509_V_ERR_AKID_SKID_MISMATCH, REASON_UNTRUSTED },
    { X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH, REASON_UNTRUSTED },
    { X509_V_ERR_CERT_HAS_EXPIRED, REASON_EXPIRED },
    { X509_V_ERR_CERT_NOT_YET_VALID, REASON_NOT_YET_VALID },
    { X509_V_ERR_INVALID_PURPOSE, REASON_WRONG_PURPOSE },
    { X509_V_ERR_INVALID_CA, REASON_NOT_A_CA },
    { X509_V_ERR_KEYUSAGE_NO_CERTSIGN, REASON_NOT_A_CA },
    { X509_V_ERR_CERT_SIGNATURE_FAILURE, REASON_BAD_SIGNATURE },
    { X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, REASON_BAD_SIGNATURE },
    { X509_V_ERR_EE_KEY_TOO_SMALL, REASON_WEAK_KEY },
    { X509_V_ERR_CA_KEY_TOO_SMALL, REASON_WEAK_KEY },
    { X509_V_ERR_CA_MD_TOO_WEAK, REASON_WEAK_KEY },
    { X509_V_OK, REASON_INTERNAL }, /* failed, but for no reason of the certificates */
    { X509_V_ERR_UNSPECIFIED, REASON_INTERNAL },
    { X509_V_ERR_OUT_OF_MEM, REASON_INTERNAL },
    { X509_V_ERR_INVALID_CALL, REASON_INTERNAL },
    { X509_V_ERR_STORE_LOOKUP, REASON_INTERNAL },
};

/* Cures of what strict refuses, for the certificate that is named beside: strict stays on. */
static const struct {
    int error;
    const char *cure;
} cures[] = {
    { X509_V_ERR_CA_BCONS_NOT_CRITICAL, "issue it with basicConstraints=critical,CA:TRUE" },
    { X509_V_ERR_CA_CERT_MISSING_KEY_USAGE, "issue it with keyUsage=critical,keyCertSign,cRLSign" },
    { X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN,
      "issue it with keyUsage=critical,keyCertSign,cRLSign" },
    { X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA, "issue it without pathlen" },
    { X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA, "issue it without keyCertSign" },
    { X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER, "issue it with subjectKeyIdentifier=hash" },
    { X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER,
      "issue it with authorityKeyIdentifier=keyid below a subjectKeyIdentifier" },
    { X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL, "issue it with that one not critical" },
    { X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL, "issue it with that one not critical" },
    { X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "issue it with that one not critical" },
    { X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL, "issue it with subjectAltName=critical,..." },
    { X509_V_ERR_EMPTY_SUBJECT_ALT_NAME, "issue it with a name there" },
    { X509_V_ERR_SUBJECT_NAME_EMPTY, "issue it with a name there" },
    { X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3, "issue it as version 3" },
};

static const char *cure_of(int error)
{
    for (size_t i = 0; i < ARRAY_LEN(cures); i++) {
        if (cures[i].error == error) {
            return cures[i].cure;
        }
    }
    return NULL;
}

static enum reason reason_of(int error)
{
    for (size_t i = 0; i < ARRAY_LEN(verify_reasons); i++) {
        if (verify_reasons[i].error == error) {
            return verify_reasons[i].reason;
        }
    }
    return REASON_CHAIN_INVALID;
}

bool chain_failure_set(struct chain_failure *failure, enum reason reason, int depth,
                       const X509 *culprit, const char *fmt, ...)
{
    char subject[SUBJECT_BYTES] = "?";
    char problem[PROBLEM_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(problem, sizeof(problem), fmt, args);
    va_end(args);
    if (culprit != NULL) {
        x509_name_text(X509_get_subject_name(culprit), subject, sizeof(subject));
    }
    *failure = (struct chain_failure){ .reason = reason, .depth = depth };
    snprintf(failure->detail, sizeof(failure->detail), "%s, in \"%s\"", problem, subject);
    return false;
}

bool chain_failure_no_memory(struct chain_failure *failure)
{
    *failure = (struct chain_failure){ REASON_INTERNAL, 0, "no memory to validate a chain" };
    return false;
}

void chain_failure_read(X509_STORE_CTX *ctx, const X509 *shown, struct chain_failure *ret_failure)
{
    int error = X509_STORE_CTX_get_error(ctx);
    int number = X509_STORE_CTX_get_error_depth(ctx);
    /* The leaf that OpenSSL verified may be a copy with another subject: chain_path.c. */
    const X509 *culprit = number == 0 ? shown : X509_STORE_CTX_get_current_cert(ctx);
    const char *cure = cure_of(error);
    char depth[32] = "";

    if (number > 0) {
        snprintf(depth, sizeof(depth), " at depth %d", number);
    }
    (void)chain_failure_set(ret_failure, reason_of(error), number, culprit, "%s%s%s%s",
                            X509_verify_cert_error_string(error), depth, cure != NULL ? ": " : "",
                            cure != NULL ? cure : "");
}

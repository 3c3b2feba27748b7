/* SPDX-License-Identifier: Apache-2.0 */
#include "pin/refused_marks.h"

#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/text.h"

/* 0.2 s and 64 MiB on a machine of 2020. The head names them: other numbers are another head. */
#define SCRYPT_N 65536
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SCRYPT_MEMORY_BYTES ((uint64_t)80 * 1024 * 1024)
#define HEAD "nodekey-refused-pins 1 scrypt 65536 8 1\n"

DEFINE_AUTO(EVP_MD_CTX *, EVP_MD_CTX_free);
DEFINE_AUTO(EVP_KDF *, EVP_KDF_free);
DEFINE_AUTO(EVP_KDF_CTX *, EVP_KDF_CTX_free);

_Static_assert(sizeof(HEAD) + ((size_t)REFUSED_MARKS_MAX + 3) * (4 + TEXT_HEX_BYTES(32)) <=
                   REFUSED_MARKS_TEXT_BYTES,
               "all marks fit the text");

/* Each name with its NUL: no two tokens give the same bytes. */
static bool add_token(EVP_MD_CTX *ctx, const struct token_name *token)
{
    return EVP_DigestUpdate(ctx, token->manufacturer, strlen(token->manufacturer) + 1) == 1 &&
           EVP_DigestUpdate(ctx, token->model, strlen(token->model) + 1) == 1 &&
           EVP_DigestUpdate(ctx, token->serial, strlen(token->serial) + 1) == 1 &&
           EVP_DigestUpdate(ctx, token->label, strlen(token->label) + 1) == 1;
}

bool pin_digest(const struct pin *pin, const struct token_name *token,
                const unsigned char salt[PIN_SALT_BYTES], unsigned char out[PIN_MARK_BYTES])
{
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    return ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(ctx, salt, PIN_SALT_BYTES) == 1 && add_token(ctx, token) &&
           EVP_DigestUpdate(ctx, pin_bytes(pin), pin_len(pin)) == 1 &&
           EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

bool pin_token_digest(const struct token_name *token, unsigned char out[PIN_MARK_BYTES])
{
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    return ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
           add_token(ctx, token) && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

static bool stretch_digest(unsigned char digest[PIN_MARK_BYTES], const unsigned char *salt,
                           unsigned char out[PIN_MARK_BYTES])
{
    uint64_t n = SCRYPT_N;
    uint64_t memory = SCRYPT_MEMORY_BYTES;
    uint32_t r = SCRYPT_R;
    uint32_t p = SCRYPT_P;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, digest, PIN_MARK_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, PIN_SALT_BYTES),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
        OSSL_PARAM_construct_end(),
    };
    AUTO(EVP_KDF_free) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    AUTO(EVP_KDF_CTX_free) EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    return ctx != NULL && EVP_KDF_derive(ctx, out, PIN_MARK_BYTES, params) == 1;
}

bool refused_marks_derive(const struct refused_marks *marks, const struct pin *pin,
                          const struct token_name *token, unsigned char out[PIN_MARK_BYTES])
{
    unsigned char digest[PIN_MARK_BYTES];
    bool ok =
        pin_digest(pin, token, marks->salt, digest) && stretch_digest(digest, marks->salt, out);

    OPENSSL_cleanse(digest, sizeof(digest));
    return ok;
}

/* --- text --- */

static size_t add_line(char *text, size_t len, const char *word, const unsigned char *bytes)
{
    char hex[TEXT_HEX_BYTES(32)];
    return len + (size_t)snprintf(text + len, REFUSED_MARKS_TEXT_BYTES - len, "%s %s\n", word,
                                  text_hex(hex, bytes, 32));
}

/* The sum tells a cut or rotten file from a whole one; against forgers nothing here helps. */
size_t refused_marks_print(const struct refused_marks *marks, char text[REFUSED_MARKS_TEXT_BYTES])
{
    unsigned char sum[32];
    size_t len = (size_t)snprintf(text, REFUSED_MARKS_TEXT_BYTES, "%s", HEAD);

    len = add_line(text, len, "salt", marks->salt);
    for (size_t i = 0; i < marks->len; i++) {
        len = add_line(text, len, "pin", marks->refused[i]);
    }
    bool summed = EVP_Digest(text, len, sum, NULL, EVP_sha256(), NULL) == 1;
    return summed ? add_line(text, len, "sum", sum) : 0;
}

/* "<word> <64 hex digits>\n" at *at. */
static bool take_line(const char **at, const char *end, const char *word, unsigned char *bytes)
{
    size_t word_len = strlen(word);
    size_t got = 0;
    char hex[TEXT_HEX_BYTES(32)] = "";

    if ((size_t)(end - *at) < word_len + 1 + 64 + 1 || memcmp(*at, word, word_len) != 0 ||
        (*at)[word_len] != ' ' || (*at)[word_len + 1 + 64] != '\n') {
        return false;
    }
    memcpy(hex, *at + word_len + 1, 64);
    *at += word_len + 1 + 64 + 1;
    return OPENSSL_hexstr2buf_ex(bytes, 32, &got, hex, '\0') == 1 && got == 32;
}

bool refused_marks_parse(const char *text, size_t len, struct refused_marks *ret_marks)
{
    const char *at = text + strlen(HEAD);
    const char *end = text + len;
    char printed[REFUSED_MARKS_TEXT_BYTES];
    struct refused_marks marks = { .len = 0 };

    if (len < strlen(HEAD) || memcmp(text, HEAD, strlen(HEAD)) != 0 ||
        !take_line(&at, end, "salt", marks.salt)) {
        return false;
    }
    while (marks.len < REFUSED_MARKS_MAX && take_line(&at, end, "pin", marks.refused[marks.len])) {
        marks.len++;
    }
    if (refused_marks_print(&marks, printed) != len || memcmp(printed, text, len) != 0) {
        return false; /* the sum is another, or anything else */
    }
    *ret_marks = marks;
    return true;
}

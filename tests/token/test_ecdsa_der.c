/* SPDX-License-Identifier: Apache-2.0
 * A token's r and s as DER: byte for byte what OpenSSL makes of them. */
#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/rand.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "scheme/scheme.h"

#define HALF_MAX 66
#define RANDOM_ROUNDS 2000
#define BEYOND 0x77

struct number {
    unsigned char first, second, rest;
};
#define ZERO                                                                                       \
    {                                                                                              \
        0, 0, 0                                                                                    \
    }
#define LARGEST                                                                                    \
    {                                                                                              \
        0xff, 0xff, 0xff                                                                           \
    }
#define TOP_BIT                                                                                    \
    {                                                                                              \
        0x80, 0, 0                                                                                 \
    }
#define NO_TOP_BIT                                                                                 \
    {                                                                                              \
        0x7f, 0xff, 0xff                                                                           \
    }
#define ONE_BYTE_LESS                                                                              \
    {                                                                                              \
        0, 0x7f, 1                                                                                 \
    }
#define ONE_BYTE_LESS_AND_TOP_BIT                                                                  \
    {                                                                                              \
        0, 0x80, 1                                                                                 \
    }

static const struct row {
    const char *name;
    const char *kind;
    struct number r, s;
} rows[] = {
#define CURVE(kind)                                                                                \
    { kind ": zeros", kind, ZERO, ZERO }, { kind ": the largest", kind, LARGEST, LARGEST },        \
        { kind ": the top bit alone", kind, TOP_BIT, TOP_BIT },                                    \
        { kind ": all but the top bit", kind, NO_TOP_BIT, NO_TOP_BIT },                            \
        { kind ": r shorter by a byte", kind, ONE_BYTE_LESS, LARGEST },                            \
        { kind ": s shorter by a byte", kind, LARGEST, ONE_BYTE_LESS },                            \
    {                                                                                              \
        kind ": a top bit after a zero byte", kind, ONE_BYTE_LESS_AND_TOP_BIT,                     \
            ONE_BYTE_LESS_AND_TOP_BIT                                                              \
    }
    CURVE("P-256"),
    CURVE("P-384"),
    CURVE("P-521"),
};

static size_t half_of(const struct key_kind *kind)
{
    return ((size_t)kind->bits_max + 7) / 8;
}

static void fill(unsigned char *half, size_t len, const struct number *number)
{
    memset(half, number->rest, len);
    half[0] = number->first;
    half[1] = number->second;
}

static size_t encode_by_openssl(const unsigned char *raw, size_t half, unsigned char *der)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    assert_int_equal(ECDSA_SIG_set0(sig, BN_bin2bn(raw, (int)half, NULL),
                                    BN_bin2bn(raw + half, (int)half, NULL)),
                     1);
    int len = i2d_ECDSA_SIG(sig, &der);
    ECDSA_SIG_free(sig);
    assert_true(len > 0);
    return (size_t)len;
}

/* The room is as large as need be; with one byte less nothing is handed out. */
static void check_raw(const struct key_kind *kind, const unsigned char *raw)
{
    unsigned char wanted[NK_SIGNATURE_BYTES];
    unsigned char made[NK_SIGNATURE_BYTES];
    size_t half = half_of(kind);
    size_t wanted_len = encode_by_openssl(raw, half, wanted);
    size_t made_len = 0;

    memset(made, BEYOND, sizeof(made));
    assert_false(scheme_finish(kind, raw, 2 * half, made, wanted_len - 1, &made_len));
    assert_int_equal(made_len, 0);
    assert_true(scheme_finish(kind, raw, 2 * half, made, wanted_len, &made_len));
    assert_int_equal(made_len, wanted_len);
    assert_memory_equal(made, wanted, wanted_len);
    assert_int_equal(made[wanted_len], BEYOND);
}

static void is_as_openssl_makes_it(void **state)
{
    const struct row *row = *state;
    const struct key_kind *kind = key_kind_named(row->kind);
    unsigned char raw[2 * HALF_MAX];

    assert_non_null(kind);
    fill(raw, half_of(kind), &row->r);
    fill(raw + half_of(kind), half_of(kind), &row->s);
    check_raw(kind, raw);
}

static void any_is_as_openssl_makes_it(void **state)
{
    static const char *const kinds[] = { "P-256", "P-384", "P-521" };
    unsigned char raw[2 * HALF_MAX];

    (void)state;
    for (size_t i = 0; i < RANDOM_ROUNDS; i++) {
        assert_int_equal(RAND_bytes(raw, sizeof(raw)), 1);
        check_raw(key_kind_named(kinds[i % ARRAY_LEN(kinds)]), raw);
    }
}

/* Lengths that no token's answer gets past key_sign_in with. */
static void other_lengths_are_refused(void **state)
{
    static const size_t lengths[] = { 1, 63, 2 * HALF_MAX + 2, SIGNATURE_MAX_BYTES };
    unsigned char raw[SIGNATURE_MAX_BYTES] = { 1 };
    unsigned char made[NK_SIGNATURE_BYTES];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        assert_false(
            scheme_finish(key_kind_named("P-256"), raw, lengths[i], made, sizeof(made), &len));
    }
}

int main(void)
{
    ROWS_OF(rows, is_as_openssl_makes_it);
    ROWS_TEST(any_is_as_openssl_makes_it);
    ROWS_TEST(other_lengths_are_refused);
    return ROWS_RUN("ecdsa_der", NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * The public key that the provider compares with: made once of the same parts, anew of others. */
#include "fixtures/rows.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "provider/imported.h"

#define PARTS_MAX 32
#define THREADS 4
#define ROUNDS 500

static imported_place place;
static EVP_PKEY *keys[2]; /* two of P-256 */
static OSSL_PARAM *parts[2];

static int make_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        keys[i] = software_key("P-256");
        assert_int_equal(EVP_PKEY_todata(keys[i], EVP_PKEY_PUBLIC_KEY, &parts[i]), 1);
    }
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    imported_free(place);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        OSSL_PARAM_free(parts[i]);
        EVP_PKEY_free(keys[i]);
    }
    return 0;
}

/* --- what is not the last one --- */

static size_t find(const OSSL_PARAM *from, const char *name)
{
    const OSSL_PARAM *part = OSSL_PARAM_locate_const(from, name);
    assert_non_null(part);
    return (size_t)(part - from);
}

/* The first key's parts, in a copy that a row may change. */
struct copy {
    OSSL_PARAM parts[PARTS_MAX];
    unsigned char point[256];
    const unsigned char *elsewhere;
};

static void take_other_point(struct copy *copy)
{
    const OSSL_PARAM *other = OSSL_PARAM_locate_const(parts[1], OSSL_PKEY_PARAM_PUB_KEY);
    copy->parts[find(copy->parts, OSSL_PKEY_PARAM_PUB_KEY)] = *other;
}

static void take_curve_away(struct copy *copy)
{
    OSSL_PARAM *part = &copy->parts[find(copy->parts, OSSL_PKEY_PARAM_GROUP_NAME)];
    do {
        part[0] = part[1];
    } while ((part++)->key != NULL);
}

static void take_other_curve(struct copy *copy)
{
    copy->parts[find(copy->parts, OSSL_PKEY_PARAM_GROUP_NAME)] =
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"brainpoolP256r1", 0);
}

static void cut_point(struct copy *copy)
{
    copy->parts[find(copy->parts, OSSL_PKEY_PARAM_PUB_KEY)].data_size--;
}

static void end_early(struct copy *copy)
{
    copy->parts[find(copy->parts, OSSL_PKEY_PARAM_PUB_KEY)] = OSSL_PARAM_construct_end();
}

static void add_part(struct copy *copy)
{
    OSSL_PARAM *end = copy->parts;
    while (end->key != NULL) {
        end++;
    }
    end[1] = end[0];
    end[0] = OSSL_PARAM_construct_octet_string("more", copy->point, 1);
}

static const struct row {
    const char *name;
    void (*change)(struct copy *copy);
    bool is_key; /* else there is none of these parts */
} rows[] = {
    { "another key's point", take_other_point, true },
    { "another curve", take_other_curve, false },
    { "no curve's name", take_curve_away, false },
    { "a point cut short", cut_point, false },
    { "fewer parts", end_early, true },
    { "a part more", add_part, true },
};

static void is_made_anew(void **state)
{
    const struct row *row = *state;
    struct copy copy = { .point = { 0 } };
    size_t len = 0;
    EVP_PKEY *first = imported_key(&place, NULL, "EC", parts[0]);
    for (; parts[0][len].key != NULL; len++) {
        assert_true(len < PARTS_MAX - 2);
        copy.parts[len] = parts[0][len];
    }
    copy.parts[len] = parts[0][len];
    row->change(&copy);

    EVP_PKEY *key = imported_key(&place, NULL, "EC", copy.parts);
    assert_ptr_not_equal(key, first);
    if (row->is_key) {
        assert_non_null(key);
    }
    EVP_PKEY_free(key);
    EVP_PKEY *again = imported_key(&place, NULL, "EC", parts[0]);
    assert_int_equal(EVP_PKEY_eq(again, keys[0]), 1);
    EVP_PKEY_free(again);
    EVP_PKEY_free(first);
}

/* --- the last one --- */

static void same_parts_are_same_key(void **state)
{
    (void)state;
    OSSL_PARAM *copy = OSSL_PARAM_dup(parts[0]);
    EVP_PKEY *first = imported_key(&place, NULL, "EC", parts[0]);
    EVP_PKEY *second = imported_key(&place, NULL, "EC", copy);
    assert_int_equal(EVP_PKEY_eq(first, keys[0]), 1);
    assert_ptr_equal(first, second);
    EVP_PKEY_free(second);
    EVP_PKEY_free(first);
    OSSL_PARAM_free(copy);
}

static void another_type_is_another_key(void **state)
{
    (void)state;
    unsigned char raw[32] = { 9 };
    OSSL_PARAM point[] = { OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, raw, 32),
                           OSSL_PARAM_construct_end() };
    EVP_PKEY *signs = imported_key(&place, NULL, "ED25519", point);
    EVP_PKEY *agrees = imported_key(&place, NULL, "X25519", point);
    assert_true(EVP_PKEY_is_a(signs, "ED25519"));
    assert_true(EVP_PKEY_is_a(agrees, "X25519"));
    EVP_PKEY_free(agrees);
    EVP_PKEY_free(signs);
}

static void pointed_at_is_not_kept(void **state)
{
    (void)state;
    const OSSL_PARAM *point = OSSL_PARAM_locate_const(parts[0], OSSL_PKEY_PARAM_PUB_KEY);
    void *bytes = point->data;
    OSSL_PARAM pointing[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
        *point,
        OSSL_PARAM_construct_octet_ptr("elsewhere", &bytes, point->data_size),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *first = imported_key(&place, NULL, "EC", pointing);
    EVP_PKEY *second = imported_key(&place, NULL, "EC", pointing);
    assert_non_null(first);
    assert_ptr_not_equal(first, second);
    EVP_PKEY_free(second);
    EVP_PKEY_free(first);
}

static void *import_both(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < ROUNDS; i++) {
        EVP_PKEY *key = imported_key(&place, NULL, "EC", parts[i / 8 % 2]);
        if (key == NULL || EVP_PKEY_eq(key, keys[i / 8 % 2]) != 1) {
            abort();
        }
        EVP_PKEY_free(key);
    }
    return NULL;
}

static void threads_get_what_they_ask_for(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, import_both, NULL), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    ROWS_OF(rows, is_made_anew);
    ROWS_TEST(same_parts_are_same_key);
    ROWS_TEST(another_type_is_another_key);
    ROWS_TEST(pointed_at_is_not_kept);
    ROWS_TEST(threads_get_what_they_ask_for);
    return ROWS_RUN("imported", make_keys, free_keys);
}

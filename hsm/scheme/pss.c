/* SPDX-License-Identifier: Apache-2.0 */
#include "scheme/pss.h"

#include <string.h>

#include <openssl/rand.h>

DEFINE_AUTO(EVP_MD_CTX *, EVP_MD_CTX_free);

/* H of section 9.1.1, steps 5 and 6. */
static bool hash_salted(const EVP_MD *md, const unsigned char *digest, const unsigned char *salt,
                        size_t salt_len, unsigned char *out)
{
    static const unsigned char zeros[8];
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    return ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
           EVP_DigestUpdate(ctx, zeros, sizeof(zeros)) == 1 &&
           EVP_DigestUpdate(ctx, digest, (size_t)EVP_MD_get_size(md)) == 1 &&
           EVP_DigestUpdate(ctx, salt, salt_len) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

/* MGF1 of appendix B.2.1, laid over `data`. */
static bool lay_mask(const EVP_MD *md, const unsigned char *seed, unsigned char *data, size_t len)
{
    size_t md_len = (size_t)EVP_MD_get_size(md);
    unsigned char block[EVP_MAX_MD_SIZE];
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    for (size_t done = 0; done < len; done += md_len) {
        size_t n = done / md_len;
        const unsigned char counter[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                           (unsigned char)(n >> 8), (unsigned char)n };
        if (ctx == NULL || EVP_DigestInit_ex(ctx, md, NULL) != 1 ||
            EVP_DigestUpdate(ctx, seed, md_len) != 1 ||
            EVP_DigestUpdate(ctx, counter, sizeof(counter)) != 1 ||
            EVP_DigestFinal_ex(ctx, block, NULL) != 1) {
            return false;
        }
        for (size_t i = 0; i < md_len && done + i < len; i++) {
            data[done + i] ^= block[i];
        }
    }
    return true;
}

bool pss_encode(const EVP_MD *md, const unsigned char *digest, size_t salt_len, size_t modulus_bits,
                unsigned char *out, size_t room)
{
    size_t md_len = (size_t)EVP_MD_get_size(md);
    size_t modulus_len = (modulus_bits + 7) / 8;
    size_t em_len = (modulus_bits - 1 + 7) / 8;

    if (modulus_bits < 8 || modulus_len > room || em_len < md_len + salt_len + 2) {
        return false;
    }
    /* One byte less than the modulus when that has 8n + 1 bits. */
    unsigned char *em = out + (modulus_len - em_len);
    size_t db_len = em_len - md_len - 1;
    unsigned char *salt = em + db_len - salt_len;
    unsigned char *hash = em + db_len;

    memset(out, 0, modulus_len);
    if (RAND_bytes(salt, (int)salt_len) != 1 || !hash_salted(md, digest, salt, salt_len, hash)) {
        return false;
    }
    salt[-1] = 0x01;
    hash[md_len] = 0xbc;
    if (!lay_mask(md, hash, em, db_len)) {
        return false;
    }
    em[0] &= (unsigned char)(0xff >> (8 * em_len - (modulus_bits - 1)));
    return true;
}

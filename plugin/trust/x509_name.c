/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/x509_name.h"

#include "base/auto.h"

DEFINE_AUTO(BIO *, BIO_free_all);

void x509_name_text(const X509_NAME *name, char *text, size_t room)
{
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    int len = 0;
    text[0] = '\0';
    /* Control and non-ASCII bytes are escaped: a name that a stranger wrote stays one line. */
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        len = BIO_read(bio, text, (int)room - 1);
    }
    text[len > 0 ? len : 0] = '\0';
}

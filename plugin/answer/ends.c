/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/ends.h"

#include "base/text.h"
#include "trust/x509_name.h"

#define SUBJECT_BYTES 256

json_t *ends_json(time_t not_after)
{
    char text[TEXT_TIME_BYTES];

    return not_after != -1 ? json_string(text_time(text, not_after)) : json_null();
}

time_t ends_read(const json_t *not_after)
{
    const char *text = json_string_value(not_after);
    struct tm utc = { .tm_mday = 0 };

    return text != NULL && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc) != NULL ? timegm(&utc) : -1;
}

json_t *ends_of_chain(X509 *leaf, STACK_OF(X509) *others)
{
    char subject[SUBJECT_BYTES];
    json_t *chain = json_array();

    for (int i = -1; i < sk_X509_num(others); i++) {
        const X509 *one = i < 0 ? leaf : sk_X509_value(others, i);
        x509_name_text(X509_get_subject_name(one), subject, sizeof(subject));
        json_t *made = json_pack("{s:s, s:o}", "subject", subject, "not_after",
                                 ends_json(text_read_time(X509_get0_notAfter(one))));
        if (json_array_append_new(chain, made) != 0) {
            json_decref(chain);
            return NULL;
        }
    }
    return chain;
}

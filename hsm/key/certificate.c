/* SPDX-License-Identifier: Apache-2.0
 * hsm_certificates: reading may hang, so a thread of its own reads. */
#include <stdlib.h>
#include <string.h>

#include "base/fork.h"
#include "base/report.h"
#include "hsm.h"
#include "key/certificate_read.h"
#include "token/token_find.h"
#include "wait/bounded_call.h"

struct reading {
    struct bounded_call bounded; /* first: the thread knows no more */
    char *module_name;
    char *text;
    P11KitUri *uri;
    STACK_OF(X509) *chain; /* the answer */
};

static void drop_reading(struct reading *reading)
{
    bounded_call_drop(&reading->bounded);
}

DEFINE_AUTO(struct reading *, drop_reading);

static void clear_reading(struct bounded_call *bounded)
{
    struct reading *reading = (struct reading *)bounded;

    p11_kit_uri_free(reading->uri);
    sk_X509_pop_free(reading->chain, X509_free);
    free(reading->module_name);
    free(reading->text);
}

static nk_status read_token(struct reading *reading, nk_error *err)
{
    struct module *module = NULL;
    bool absent = false;
    nk_status status = module_get(reading->module_name, &module, err);
    if (status != NK_OK) {
        return status;
    }
    nk_error own = { .struct_size = sizeof(own) };
    status = certificate_read(module, reading->uri, reading->text, reading->chain, &absent, &own);
    for (unsigned i = 1; i < TOKEN_LOOKS && absent; i++) {
        token_find_pause(i);
        own = (nk_error){ .struct_size = sizeof(own) };
        status =
            certificate_read(module, reading->uri, reading->text, reading->chain, &absent, &own);
    }
    return status == NK_OK ? NK_OK : report_copy(err, &own);
}

static void run_reading(struct bounded_call *bounded)
{
    struct reading *reading = (struct reading *)bounded;

    bounded->status = read_token(reading, &bounded->err);
}

static struct reading *prepare_reading(const char *module_name, const char *uri_text)
{
    struct reading *reading = bounded_call_new(sizeof(*reading), run_reading, clear_reading);

    if (reading == NULL) {
        return NULL;
    }
    reading->module_name = strdup(module_name);
    reading->text = strdup(uri_text);
    reading->chain = sk_X509_new_null();
    reading->bounded.where = reading->module_name;
    if (reading->module_name == NULL || reading->text == NULL || reading->chain == NULL) {
        drop_reading(reading);
        return NULL;
    }
    return reading;
}

nk_status hsm_certificates(const char *module_name, const char *uri_text, unsigned wait_ms,
                           STACK_OF(X509) **ret_chain, nk_error *err)
{
    if (fork_is_foreign()) {
        return report(err, NK_E_USAGE, FORK_FOREIGN_TEXT);
    }
    AUTO(drop_reading) struct reading *reading = prepare_reading(module_name, uri_text);
    if (reading == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = uri_parse_certificate(uri_text, &reading->uri, err);
    if (status != NK_OK) {
        return status;
    }
    enum bounded_call_end end = bounded_call_run(&reading->bounded, wait_ms, false);
    status = bounded_call_report(&reading->bounded, end, wait_ms, err);
    if (status == NK_OK) {
        *ret_chain = reading->chain;
        reading->chain = NULL;
    }
    return status;
}

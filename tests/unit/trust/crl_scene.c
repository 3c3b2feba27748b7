/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/trust/crl_scene.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#include "fixtures/check.h"

struct authority root;
struct authority second;
struct authority mute;
struct authority plain;
struct authority stranger;
struct authority mimic;
STACK_OF(X509) *issuers;
STACK_OF(X509) *nobody_known;

char log_text[LOG_TEXT_BYTES];
char events[EVENTS_BYTES];

static void keep_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data, (void)level;
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof(log_text) - used, "%s\n", line);
}

static void keep_event(void *host_data, const char *name, const char *json)
{
    (void)host_data;
    size_t used = strlen(events);
    snprintf(events + used, sizeof(events) - used, "%s %s\n", name, json);
}

const nk_host host = { .struct_size = sizeof(host), .log = keep_log, .event = keep_event };

struct scene scene_new(void)
{
    static int scenes;
    struct scene scene = { .folder = path_of("%s/%d", scratch_folder(), scenes++) };

    assert_int_equal(mkdir(scene.folder, 0755), 0);
    scene.path = path_of("%s/list", scene.folder);
    assert_int_equal(crl_ledger_open(NULL, &scene.ledger, NULL), NK_OK);
    log_text[0] = '\0';
    events[0] = '\0';
    return scene;
}

nk_status scene_read_as(struct scene *scene, STACK_OF(X509) *known, const struct crls *old,
                        struct crls **ret_crls)
{
    char *paths[] = { (char *)scene->path };
    scene->err = (nk_error){ .struct_size = sizeof(scene->err) };
    nk_status status = crls_read(paths, 1, known, scene->ledger, old, &host, ret_crls, &scene->err);
    assert_int_equal(ERR_peek_error(), 0);
    return status;
}

nk_status scene_read(struct scene *scene, const struct crls *old, struct crls **ret_crls)
{
    return scene_read_as(scene, issuers, old, ret_crls);
}

struct crls *scene_read_well(struct scene *scene, const struct crls *old)
{
    struct crls *crls = NULL;
    nk_status status = scene_read(scene, old, &crls);
    if (status != NK_OK) {
        fail_msg("%s", scene->err.text);
    }
    return crls;
}

void scene_clear(struct scene *scene, struct crls *a, struct crls *b)
{
    crls_unref(a);
    crls_unref(b);
    crl_ledger_free(scene->ledger);
}

void assert_tells(const struct scene *scene, const char *text)
{
    if (strstr(scene->err.text, text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, scene->err.text);
    }
}

void assert_logged(const char *text)
{
    if (strstr(log_text, text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, log_text);
    }
}

void assert_refused(struct scene *scene, const char *text)
{
    struct crls *crls = NULL;
    assert_int_equal(scene_read(scene, NULL, &crls), NK_E_TRUST);
    assert_null(crls);
    assert_tells(scene, scene->path);
    assert_tells(scene, text);
}

void assert_holds(const struct crls *crls, const char *text, const X509 *revoked)
{
    X509_REVOKED *entry = NULL;
    bool found = false;
    size_t at = 0;
    for (const struct crl *crl = NULL; (crl = crls_next(crls, &at)) != NULL;) {
        found |= X509_CRL_get0_by_serial(crl->list, &entry,
                                         (ASN1_INTEGER *)X509_get0_serialNumber(revoked)) == 1;
    }
    if (!found) {
        fail_msg("%s is not revoked", text);
    }
}

int lists_len(const struct crls *crls)
{
    size_t at = 0;
    int len = 0;
    while (crls_next(crls, &at) != NULL) {
        len++;
    }
    return len;
}

X509_CRL *list_at(const struct crls *crls, int i)
{
    size_t at = 0;
    const struct crl *crl = crls_next(crls, &at);
    for (; i > 0 && crl != NULL; i--) {
        crl = crls_next(crls, &at);
    }
    assert_non_null(crl);
    return crl->list;
}

const char *list_number(const struct crls *crls, int i)
{
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(list_at(crls, i), NID_crl_number, NULL, NULL);
    const char *text = number != NULL ? path_of("%ld", ASN1_INTEGER_get(number)) : "none";
    ASN1_INTEGER_free(number);
    return text;
}

void list_write(const char *path, const struct authority *issuer, long number)
{
    crl_write(path, &(struct crl_spec){ .issuer = issuer, .number = number });
}

void truncate_half(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
}

void spoil_gone(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

void spoil_empty(const char *path)
{
    write_file(path, "", 0644);
}

void spoil_junk(const char *path)
{
    write_file(path, "no list at all\n", 0644);
}

void spoil_empty_folder(const char *path)
{
    spoil_gone(path);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void make_issuers(void)
{
    root = authority_make(NULL, "federation", NULL);
    mimic = authority_make(NULL, "federation", NULL);
    second = authority_make(&root, "second", NULL);
    stranger = authority_make(NULL, "stranger", NULL);
    mute = authority_make(&root, "mute",
                          &(struct certificate_spec){ .key_usage = "critical,keyCertSign" });
    plain = authority_make(NULL, "plain", &(struct certificate_spec){ .bare = true });
}

int scene_set_up(void **state)
{
    (void)state;
    make_issuers();
    issuers = sk_X509_new_null();
    nobody_known = sk_X509_new_null();
    X509 *const known[] = { root.certificate, second.certificate, mute.certificate,
                            plain.certificate };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        assert_true(sk_X509_push(issuers, known[i]) > 0);
    }
    return 0;
}

int scene_tear_down(void **state)
{
    (void)state;
    sk_X509_free(issuers);
    sk_X509_free(nobody_known);
    authority_free(&root);
    authority_free(&mimic);
    authority_free(&second);
    authority_free(&stranger);
    authority_free(&mute);
    authority_free(&plain);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * One place that CRLs are read from, the issuers of those lists, and what the host was told
 * meanwhile. */
#ifndef NODEKEY_TESTS_CRL_SCENE_H
#define NODEKEY_TESTS_CRL_SCENE_H

#include "fixtures/authority.h"
#include "fixtures/revocation.h"
#include "trust/crl.h"

#define NOBODY 65534
#define HOUR 3600L
#define DAY (24 * HOUR)
#define LOG_TEXT_BYTES 8192
#define EVENTS_BYTES 2048

extern struct authority root;
extern struct authority second; /* below root; an issuer, too */
extern struct authority mute;   /* an issuer whose keyUsage lacks cRLSign */
extern struct authority plain;  /* an issuer without key identifiers */
extern struct authority stranger;
extern struct authority mimic; /* a stranger of root's name */
extern STACK_OF(X509) *issuers;
extern STACK_OF(X509) *nobody_known;

extern char log_text[LOG_TEXT_BYTES];
extern char events[EVENTS_BYTES];
extern const nk_host host; /* appends to both */

/* The fixture of a whole group of tests. */
int scene_set_up(void **state);
int scene_tear_down(void **state);

struct scene {
    const char *folder; /* fresh for each test */
    const char *path;   /* what federation.crls names */
    struct crl_ledger *ledger;
    nk_error err;
};

struct scene scene_new(void);
void scene_clear(struct scene *scene, struct crls *a, struct crls *b);

/* The ledger, the log and the last error are the scene's; `old` are the lists in force before, or
 * NULL. */
nk_status scene_read_as(struct scene *scene, STACK_OF(X509) *known, const struct crls *old,
                        struct crls **ret_crls);
/* The same, by an instance that knows `issuers`; and once more, which must succeed. */
nk_status scene_read(struct scene *scene, const struct crls *old, struct crls **ret_crls);
struct crls *scene_read_well(struct scene *scene, const struct crls *old);
/* Fails the test unless the lists are refused, by an error that names the file and this. */
void assert_refused(struct scene *scene, const char *text);

void assert_tells(const struct scene *scene, const char *text);
void assert_logged(const char *text);
void assert_holds(const struct crls *crls, const char *text, const X509 *revoked);
int lists_len(const struct crls *crls);
X509_CRL *list_at(const struct crls *crls, int i); /* borrowed */
const char *list_number(const struct crls *crls, int i);

/* Writes one list to one file; it revokes nothing. */
void list_write(const char *path, const struct authority *issuer, long number);

/* Bad contents for a list, or something else in its place. */
void truncate_half(const char *path);
void spoil_gone(const char *path);
void spoil_empty(const char *path);
void spoil_junk(const char *path);
void spoil_empty_folder(const char *path);

#endif

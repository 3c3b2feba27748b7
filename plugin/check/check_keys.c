/* SPDX-License-Identifier: Apache-2.0
 * Module, token, PIN and key: looked for, logged in to once, and proven. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "check/check_private.h"
#include "wait/bounded_call.h"

#define SHUT_WAIT_MS 1000

DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);

/* A look at the key of one identity. Its calls may hang, and outlive the check: it has a report of
 * its own. */
struct look {
    struct bounded_call bounded;    /* first: the thread knows no more */
    struct hsm_key_request request; /* borrows from the configuration */
    const char *config_path;        /* likewise, of the order */
    struct config *left;            /* which is the look's when it outlives the check */
    struct {
        char module[CHECK_TOPIC_BYTES];
        char pin[CHECK_TOPIC_BYTES];
        char key[CHECK_TOPIC_BYTES];
        char certificate[CHECK_TOPIC_BYTES];
    } topics;
    const struct hsm_admin *sibling; /* of the other identity, with the same source of the PIN */
    enum check_pin pin;
    EVP_PKEY *leaf_public; /* NULL: the certificate cannot be read */
    bool forgets;
    struct check_report report;
    struct check_ear ear;
    struct hsm_listing listing;
    struct hsm_admin *admin;
    struct hsm_key *key;
};

static void drop_look(struct look *look)
{
    bounded_call_drop(&look->bounded);
}
DEFINE_AUTO(struct look *, drop_look);

static void clear_look(struct bounded_call *bounded)
{
    struct look *look = (struct look *)bounded;

    EVP_PKEY_free(look->leaf_public);
    check_report_clear(&look->report);
    hsm_listing_clear(&look->listing);
    config_free(look->left);
}

/* --- the token --- */

static bool find_module(struct look *look)
{
    const struct hsm_list_request request = { .module = look->request.module,
                                              .host = &look->ear.host };
    nk_error err = { .struct_size = sizeof(err) };

    look->ear.topic = look->topics.module;
    if (hsm_list(&request, &look->listing, &err) != NK_OK) {
        AUTO(free) char *cure = check_cure_path(look->request.module, CHECK_READ);
        check_add(&look->report, CHECK_BAD, look->topics.module, cure, "%s", err.text);
        return false;
    }
    check_add(&look->report, CHECK_GOOD, look->topics.module, NULL, "%s", look->listing.looked);
    return true;
}

static void tell_token(struct look *look, const char *label)
{
    for (size_t i = 0; i < look->listing.len; i++) {
        const struct hsm_token *token = &look->listing.tokens[i];
        if (strcmp(token->label, label) == 0) {
            check_add(&look->report, CHECK_GOOD, look->topics.key, NULL,
                      "token \"%s\", serial %s, of %s, custody: %s", token->label, token->serial,
                      token->manufacturer,
                      token->hardware ? "hardware, as the module claims" : "software");
            return;
        }
    }
}

/* A refusal that nobody remembers would be sent again by the next start. */
static bool may_log_in(struct look *look)
{
    if (look->forgets) {
        check_add(&look->report, CHECK_WARNING, look->topics.pin, NULL,
                  "not sent before state_dir is mended, so the key was not looked at");
    }
    return !look->forgets;
}

/* The file's PIN is sent, and no other: ending the change is for who starts the node. */
static void tell_interrupted_change(struct look *look, bool works)
{
    char next[PATH_MAX];
    if (!hsm_pin_change_is_left(&look->request.pin)) {
        return;
    }
    snprintf(next, sizeof(next), "%s.next", look->request.pin.where);
    AUTO(free)
    char *cure =
        works ? check_command("rm", next, (char *)NULL)
              : check_command("nodekey", "tokens", "--login", look->config_path, (char *)NULL);
    check_add(&look->report, CHECK_WARNING, look->topics.pin, cure,
              works
                  ? "%s is left by a change of the PIN that did not reach the token: remove it"
                  : "%s is left by a change of the PIN that was interrupted: the next login tries "
                    "it, and ends the change",
              next);
}

static bool log_in(struct look *look)
{
    nk_error err = { .struct_size = sizeof(err) };

    look->ear.topic = look->topics.key;
    nk_status status = hsm_admin_open_beside(&look->request, look->sibling, &look->admin, &err);
    if (status != NK_OK) {
        look->pin = status != NK_E_PIN                 ? CHECK_PIN_FINE
                    : err.native_kind == NK_NATIVE_CKR ? CHECK_PIN_REFUSED
                                                       : CHECK_PIN_ABSENT;
        check_add(&look->report, CHECK_BAD,
                  status == NK_E_PIN ? look->topics.pin : look->topics.key, NULL, "%s", err.text);
        if (status == NK_E_PIN) {
            tell_interrupted_change(look, false);
        }
        return false;
    }
    tell_token(look, hsm_admin_label(look->admin));
    check_add(&look->report, CHECK_GOOD, look->topics.pin, NULL, "the token takes it");
    tell_interrupted_change(look, true);
    return true;
}

/* --- the key --- */

/* Demands of the configuration that hide each other: each by itself. */
static void find_custody(struct look *look, EVP_PKEY *public_key)
{
    const struct hsm_custody asked = look->request.custody;
    const struct hsm_custody lax = { .allow_extractable = true, .allow_imported = true };
    struct hsm_custody alone[] = { lax, lax, lax };

    alone[0].allow_extractable = asked.allow_extractable;
    alone[1].allow_imported = asked.allow_imported;
    alone[2].require_hardware = asked.require_hardware;
    for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
        struct hsm_key *key = NULL;
        nk_error err = { .struct_size = sizeof(err) };
        if (hsm_admin_use(look->admin, public_key, &alone[i], &key, &err) == NK_OK) {
            hsm_key_shut(key, SHUT_WAIT_MS);
            hsm_key_unref(key);
        } else {
            check_add(&look->report, CHECK_BAD, look->topics.key, NULL, "%s", err.text);
        }
    }
}

static bool prove_key(struct look *look, EVP_PKEY *public_key)
{
    char schemes[HSM_SCHEMES_BYTES];
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = hsm_admin_use(look->admin, public_key, NULL, &look->key, &err);

    if (status != NK_OK) {
        check_add(&look->report, CHECK_BAD, look->topics.key, NULL, "%s", err.text);
        if (status == NK_E_IDENTITY) {
            find_custody(look, public_key);
        }
        return false;
    }
    hsm_key_schemes(look->key, schemes);
    check_add(&look->report, CHECK_GOOD, look->topics.key, NULL, "signs %s; the first took %.1f ms",
              schemes, hsm_key_preflight_us(look->key) / 1000.0);
    return true;
}

static void look_at_key(struct look *look)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *found = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = hsm_admin_public(look->admin, look->leaf_public, &found, &err);

    if (status != NK_OK) {
        check_add(&look->report, CHECK_BAD, look->topics.key, NULL, "%s", err.text);
        return;
    }
    if (look->leaf_public != NULL && EVP_PKEY_eq(found, look->leaf_public) != 1) {
        (void)prove_key(look, look->leaf_public); /* says what the certificate is for */
        (void)prove_key(look, found);
    } else if (prove_key(look, found) && look->leaf_public != NULL) {
        check_add(&look->report, CHECK_GOOD, look->topics.certificate, NULL,
                  "the key on the token signs for it");
    }
}

static void run_look(struct bounded_call *bounded)
{
    struct look *look = (struct look *)bounded;

    if (find_module(look) && may_log_in(look) && log_in(look)) {
        look_at_key(look);
    }
}

/* Behind the check's back, when a call that hung comes back after all. */
static void undo_look(struct bounded_call *bounded)
{
    struct look *look = (struct look *)bounded;

    if (look->key != NULL) {
        hsm_key_shut(look->key, SHUT_WAIT_MS);
        hsm_key_unref(look->key);
    }
    hsm_admin_close(look->admin);
}

/* --- the step --- */

static struct look *begin_look(struct check *check, int role)
{
    struct look *look = bounded_call_new(sizeof(*look), run_look, clear_look);

    if (look == NULL) {
        return NULL;
    }
    check_topic(check, role, "module", look->topics.module);
    check_topic(check, role, "pin", look->topics.pin);
    check_topic(check, role, "key", look->topics.key);
    check_topic(check, role, "certificate", look->topics.certificate);
    look->request = config_key_request(check->config, role);
    if (check->order->against != NULL && look->request.token.sign_timeout_ms == 0) {
        look->request.token.sign_timeout_ms = look->request.token.login_timeout_ms; /* of a dial */
    }
    look->request.only_looks = true;
    look->config_path = check->order->path;
    check_listen(&look->ear, &look->report, look->topics.key, check->order->host);
    look->request.host = &look->ear.host;
    look->forgets = check->forgets;
    look->sibling =
        role == OUR_CLIENT && config_shares_pin(check->config) ? check->admins[OUR_SERVER] : NULL;
    look->bounded.undo = undo_look;
    look->bounded.where = look->request.module;
    look->leaf_public =
        check->chains[role].leaf != NULL ? X509_get_pubkey(check->chains[role].leaf) : NULL;
    return look;
}

static void take_findings(struct check *check, const struct check_report *report)
{
    for (size_t i = 0; i < report->len; i++) {
        const struct check_finding *one = &report->findings[i];
        check_add(check->report, one->mark, one->topic, one->cure, "%s", one->text);
    }
    check->report->no_memory = check->report->no_memory || report->no_memory;
}

static bool types_at_terminal(const struct look *look)
{
    return look->request.pin.kind == HSM_PIN_PROMPT || look->request.pin.kind == HSM_PIN_PROTECTED;
}

static void check_key(struct check *check, int role)
{
    unsigned patience_ms = check->config->token.login_timeout_ms;
    nk_error err = { .struct_size = sizeof(err) };
    AUTO(drop_look) struct look *look = begin_look(check, role);

    if (look == NULL) {
        check->report->no_memory = true;
        return;
    }
    if (types_at_terminal(look)) { /* takes as long as it takes */
        run_look(&look->bounded);
    } else {
        enum bounded_call_end end = bounded_call_run(&look->bounded, patience_ms, false);
        if (end != BOUNDED_CALL_DONE) {
            (void)bounded_call_report(&look->bounded, end, patience_ms, &err);
            check_add(check->report, CHECK_BAD, look->topics.module, NULL, "%s", err.text);
            look->left = check->config;
            check->config = NULL;
            check->admins[OUR_SERVER] = NULL; /* the look may need its sibling still */
            return;
        }
    }
    take_findings(check, &look->report);
    look->ear.report = NULL; /* from here on also threads of the key's log */
    check->pins[role] = look->pin;
    check->admins[role] = look->admin;
    check->keys[role] = look->key;
    check->looks[role] = &look->bounded;
    look = NULL;
}

/* A source that failed would fail again, or ask again; and a token that has refused the other
 * identity's PIN is not sent a second one. */
static bool is_spent(const struct check *check, int role)
{
    const struct config_identity *ours = check->config->identities;
    bool one_token = strcmp(ours[OUR_SERVER].module, ours[OUR_CLIENT].module) == 0 &&
                     (strcmp(ours[OUR_SERVER].key, ours[OUR_CLIENT].key) == 0 ||
                      hsm_same_token(ours[OUR_SERVER].key, ours[OUR_CLIENT].key));

    return role == OUR_CLIENT &&
           ((check->pins[OUR_SERVER] != CHECK_PIN_FINE && config_shares_pin(check->config)) ||
            (check->pins[OUR_SERVER] == CHECK_PIN_REFUSED && one_token));
}

void check_keys(struct check *check)
{
    char topic[CHECK_TOPIC_BYTES];

    for (int role = 0; role < OUR_ROLES && check->config != NULL; role++) {
        if (!check_has_identity(check, role) || check->no_module[role]) {
            continue;
        }
        if (is_spent(check, role)) {
            check_add(check->report, CHECK_WARNING, check_topic(check, role, "key", topic), NULL,
                      "not looked at before server.pin is mended");
        } else if (check->order->token) {
            check_key(check, role);
        } else {
            check_add(check->report, CHECK_WARNING, check_topic(check, role, "key", topic), NULL,
                      "neither module nor token was looked at (--no-token)");
        }
    }
}

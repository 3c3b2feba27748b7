/* SPDX-License-Identifier: Apache-2.0
 * A peer, dialled as the node would: how far that came, and what each side says of the other. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check/check_private.h"
#include "dial/dial.h"
#include "dial/token_key.h"

#define TOPIC "against"
#define RULES_SHOWN 8
#define MS(us) ((double)(us) / 1000.0)

DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

/* --- how far it came --- */

static void tell_way(struct check_report *report, const struct dial_result *result)
{
    if (result->connect_us != DIAL_NO_TIME) {
        check_add(report, CHECK_GOOD, TOPIC, NULL,
                  "%s takes connections: its address was found in %.1f ms, connected in %.1f ms",
                  result->address, MS(result->lookup_us), MS(result->connect_us));
    }
    if (result->others[0] != '\0') {
        check_add(report, CHECK_WARNING, TOPIC, NULL, "other addresses of the name: %s",
                  result->others);
    }
}

static void tell_handshake(struct check_report *report, const struct dial_result *result)
{
    if (result->handshake_us != DIAL_NO_TIME) {
        check_add(report, CHECK_GOOD, TOPIC, NULL, "%s, %s, group %s, handshake in %.1f ms%s%s",
                  result->version, result->cipher, result->group, MS(result->handshake_us),
                  result->scheme != NULL ? ", in which we signed by " : "",
                  result->scheme != NULL ? result->scheme : "");
    }
    if (result->chain != NULL && !result->asked) {
        check_add(report, CHECK_WARNING, TOPIC, NULL,
                  "it asks for no certificate, so it lets in everybody; see that server's "
                  "credentials");
    }
    if (result->other_cas) {
        check_add(report, CHECK_WARNING, TOPIC, NULL,
                  "it names the CAs whose certificates it takes, and none of ours is among them");
    }
}

/* Of a peer that we refuse it may not be known. */
static void tell_end(struct check_report *report, const struct dial_result *result,
                     const char *target)
{
    bool unknown = result->end == DIAL_NO_FIRST_BYTE && !result->allowed;

    if (result->end == DIAL_FINE) {
        check_add(report, CHECK_GOOD, TOPIC, NULL,
                  "it lets us in: the first byte of HTTP/2 came after %.1f ms",
                  MS(result->first_byte_us));
        return;
    }
    check_add(report, unknown ? CHECK_WARNING : CHECK_BAD, TOPIC, NULL, "%s: %s%s%s%s; %s",
              result->address[0] != '\0' ? result->address : target, dial_meaning(result->end),
              result->detail[0] != '\0' ? " (" : "", result->detail,
              result->detail[0] != '\0' ? ")" : "", dial_advice(result->end));
}

/* --- what we say of it --- */

/* Rules that could have decided: for want of one that admits all of those, else the one that
 * denies. */
static bool is_asked(const json_t *answer, const json_t *rule)
{
    if (strcmp(text_of(answer, "reason"), "no-rule") == 0) {
        return strcmp(text_of(rule, "list"), "admit") == 0;
    }
    return strcmp(text_of(rule, "list"), "deny") == 0 &&
           json_is_true(json_object_get(rule, "matches"));
}

static void tell_rules(struct check_report *report, const json_t *answer)
{
    const json_t *rules = json_object_get(answer, "rules");
    size_t shown = 0;

    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        if (!is_asked(answer, rule)) {
            continue;
        }
        if (++shown > RULES_SHOWN) {
            check_add(report, CHECK_WARNING, TOPIC, NULL,
                      "and more rules; `nodekey explain' and --json have them all");
            return;
        }
        const char *outcome = json_is_true(json_object_get(rule, "matches"))   ? "matches"
                              : json_is_true(json_object_get(rule, "applies")) ? "no match"
                                                                               : "not asked";
        check_add(report, CHECK_WARNING, TOPIC, NULL, "rule \"%s\" of %s: %s%s%s",
                  text_of(rule, "name"), text_of(rule, "list"), outcome,
                  text_of(rule, "why")[0] != '\0' ? ": " : "", text_of(rule, "why"));
    }
}

static void tell_verdict(struct check_report *report, const struct dial_result *result)
{
    const json_t *answer = result->answer;
    const char *note = text_of(answer, "note");
    const char *detail = text_of(answer, "detail");

    if (answer == NULL) {
        return;
    }
    if (result->allowed) {
        check_add(report, CHECK_GOOD, TOPIC, NULL, "we let it in, by rule \"%s\"%s%s",
                  text_of(answer, "rule"), note[0] != '\0' ? "; " : "", note);
        return;
    }
    check_add(report, CHECK_BAD, TOPIC, NULL, "we refuse it: %s: %s", text_of(answer, "reason"),
              detail[0] != '\0' ? detail : text_of(answer, "meaning"));
    tell_rules(report, answer);
}

static void tell_certificate(const struct check *check, const struct dial_result *result)
{
    const json_t *chain = json_object_get(json_object_get(result->answer, "peer"), "chain");
    const char *subject = text_of(json_array_get(chain, 0), "subject");
    X509 *leaf = sk_X509_num(result->chain) > 0 ? sk_X509_value(result->chain, 0) : NULL;

    if (leaf != NULL && subject[0] != '\0') { /* else it cannot be read */
        check_add_span(check,
                       &(struct check_span){ .topic = TOPIC,
                                             .subject = subject,
                                             .begin = text_read_time(X509_get0_notBefore(leaf)),
                                             .end = text_read_time(X509_get0_notAfter(leaf)),
                                             .ended = CHECK_BAD });
    }
}

static void tell_result(const struct check *check, struct dial_result *result)
{
    struct check_report *report = check->report;

    tell_way(report, result);
    tell_handshake(report, result);
    tell_certificate(check, result);
    tell_end(report, result, check->order->against);
    tell_verdict(report, result);
    report->against = dial_json(result);
    report->no_memory = report->no_memory || report->against == NULL;
}

/* --- the step --- */

/* gRPC 1.51 reads these in this order, http_proxy.cc. */
static void warn_of_proxy(struct check_report *report)
{
    static const char *const names[] = { "grpc_proxy", "https_proxy", "http_proxy" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (getenv(names[i]) != NULL) {
            check_add(report, CHECK_WARNING, TOPIC, NULL,
                      "$%s is set: gRPC dials by way of that proxy, unless $no_proxy has the host; "
                      "this dial was direct",
                      names[i]);
            return;
        }
    }
}

static nk_status dial_with(const struct check *check, int role, struct dial_result *ret_result,
                           nk_error *err)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    nk_status status = token_key_load(check->keys[role], &key, err);
    if (status != NK_OK) {
        return status;
    }
    const struct dial_order order = { .target = check->order->against,
                                      .leaf = check->chains[role].leaf,
                                      .intermediates = check->chains[role].intermediates,
                                      .key = key,
                                      .policy = check->policy };
    return dial_peer(&order, ret_result, err);
}

static bool can_dial(const struct check *check, int role)
{
    return check->keys[role] != NULL && check->chains[role].leaf != NULL && check->policy != NULL;
}

void check_against(struct check *check)
{
    struct dial_result result;
    nk_error err = { .struct_size = sizeof(err) };
    int role = check->config != NULL && !check->config->one_identity ? OUR_CLIENT : OUR_SERVER;

    if (!can_dial(check, role)) {
        check_add(check->report, CHECK_BAD, TOPIC, NULL,
                  "%s was not dialled: that takes our certificate as a client, its key and our "
                  "policy, of which one is missing; mend what is said above",
                  check->order->against);
        return;
    }
    warn_of_proxy(check->report);
    if (dial_with(check, role, &result, &err) != NK_OK) {
        check_add(check->report, CHECK_BAD, TOPIC, NULL, "%s", err.text);
        return;
    }
    if (result.end == DIAL_OUR_KEY) {
        check->looks[role] = NULL; /* the signature may hang still: its host is its own for good */
    }
    tell_result(check, &result);
    dial_result_clear(&result);
}

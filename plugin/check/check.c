/* SPDX-License-Identifier: Apache-2.0
 * The order of the steps, and what several of them say alike. */
#include "check/check.h"

#include <stdio.h>
#include <time.h>

#include "base/path_terms.h"
#include "base/text.h"
#include "check/check_private.h"

#define SHUT_WAIT_MS 1000
#define SOON_SECONDS ((time_t)30 * 24 * 3600)
#define SOON_SHARE 4 /* of its lifetime */

const char *check_topic(const struct check *check, int role, const char *member,
                        char topic[CHECK_TOPIC_BYTES])
{
    const char *whose = check->config->one_identity ? "node"
                        : role == OUR_SERVER        ? "server"
                                                    : "client";

    snprintf(topic, CHECK_TOPIC_BYTES, "%s.%s", whose, member);
    return topic;
}

bool check_has_identity(const struct check *check, int role)
{
    bool asked = check->order->role < 0 || check->order->role == role;

    return check->config->one_identity ? role == OUR_SERVER : asked;
}

void check_add_error(const struct check *check, const struct check_place *place,
                     const nk_error *err)
{
    AUTO(free)
    char *cure = place->path != NULL ? check_cure_path(place->path, place->use) : NULL;

    check_add(check->report, CHECK_BAD, place->topic, cure, "%s", err->text);
}

void check_add_span(const struct check *check, const struct check_span *span)
{
    char until[TEXT_UNTIL_BYTES];
    time_t now = time(NULL);
    time_t share = span->end > span->begin ? (span->end - span->begin) / SOON_SHARE : 0;
    bool soon = span->end - now < (share < SOON_SECONDS ? share : SOON_SECONDS);
    enum check_mark mark = span->end < now ? span->ended : soon ? CHECK_WARNING : CHECK_GOOD;

    check_add(check->report, mark, span->topic, NULL, "%s, %s", span->subject,
              text_until(until, span->end, now));
}

static void take_steps(struct check *check)
{
    check_config(check);
    if (check->config != NULL) {
        check_files(check);
        check_trust(check);
        check_identities(check);
        check_keys(check);
    }
    check_machine(check);
    if (check->order->against != NULL) {
        check_against(check);
    }
}

static void clear_check(struct check *check)
{
    for (int role = 0; role < OUR_ROLES; role++) {
        if (check->keys[role] != NULL) {
            hsm_key_shut(check->keys[role], SHUT_WAIT_MS);
            hsm_key_unref(check->keys[role]);
        }
        own_chain_clear(&check->chains[role]);
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        hsm_admin_close(check->admins[role]);
        if (check->looks[role] != NULL) {
            bounded_call_drop(check->looks[role]);
        }
    }
    policy_unref(check->policy);
    policy_memory_clear(&check->memory);
    config_free(check->config);
}

void check_run(const struct check_order *order, struct check_report *report)
{
    struct check check = { .order = order, .report = report };
    struct check_ear ear;

    take_steps(&check);
    check_listen(&ear, report, "folders", NULL);
    path_terms_tell(path_terms(), &ear.host);
    clear_check(&check);
}

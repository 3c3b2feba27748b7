/* SPDX-License-Identifier: Apache-2.0 */
#include "token/token_find.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/report.h"
#include "module/discovery.h"
#include "module/module_needs.h"
#include "wait/bounded_call.h"

#define REINIT_WAIT_MS 1000
#define LOOK_PAUSE_MS 60

struct sought {
    struct module *module;
    P11KitUri *uri;
    const char *text;
    const char *member;
};

static nk_status pick_token(const struct sought *sought, const struct token_names *names,
                            struct token_name *ret_name, nk_error *err)
{
    const struct token_name *chosen = NULL;
    char list[256];
    char told[384];

    token_names_join(names, list, sizeof(list));
    for (size_t i = 0; i < names->len; i++) {
        if (!uri_names_token(sought->uri, &names->names[i])) {
            continue;
        }
        if (chosen != NULL) {
            return report(err, NK_E_CONFIG, "%s: more than one token fits %s; %s shows %s: %s",
                          sought->member, sought->text, sought->module->path, list,
                          uri_telling_apart(chosen, &names->names[i]));
        }
        chosen = &names->names[i];
    }
    if (chosen == NULL) {
        module_surroundings(sought->module->path, told, sizeof(told));
        return report(err, NK_E_TOKEN,
                      "%s: no such token: %s; %s shows: %s; correct the URI or put the token in "
                      "place (%s)",
                      sought->member, sought->text, sought->module->path, list, told);
    }
    *ret_name = *chosen;
    return NK_OK;
}

/* Pauses are uneven, so that two nodes that start together do not meet again at each look. */
void token_find_pause(unsigned look)
{
    bounded_call_step(NULL);
    clock_sleep_ms(LOOK_PAUSE_MS * look / 2 +
                   (unsigned)(clock_now_us() + getpid()) % LOOK_PAUSE_MS);
}

static bool any_fits(const struct sought *sought, const struct token_names *names)
{
    for (size_t i = 0; i < names->len; i++) {
        if (uri_names_token(sought->uri, &names->names[i])) {
            return true;
        }
    }
    return false;
}

/* Few tokens have no serial number, but a token of SoftHSM's may seem so while it is being written;
 * by such a name it would not be found again. */
static nk_status find_again(const struct sought *sought, struct token_names *names,
                            struct token_name *name, nk_error *err)
{
    token_find_pause(1);
    token_names_clear(names);
    nk_status status = discovery_tokens(sought->module, names, err);
    return status == NK_OK ? pick_token(sought, names, name, err) : status;
}

nk_status token_find(struct module *module, P11KitUri *uri, const char *uri_text,
                     const char *member, struct token_name *ret_name, nk_error *err)
{
    const struct sought sought = {
        .module = module, .uri = uri, .text = uri_text, .member = member
    };
    struct token_names names = { 0 };
    nk_error first = { .struct_size = sizeof(first) };
    unsigned epoch = atomic_load(&module->epoch);
    nk_status status = discovery_tokens(module, &names, &first);
    /* An initialised module may have gone stale, or not see a token that came later: SoftHSM,
     * p11-kit. */
    if ((status != NK_OK || !any_fits(&sought, &names)) &&
        module_reinit(module, epoch, REINIT_WAIT_MS) == CKR_OK) {
        token_names_clear(&names);
        status = discovery_tokens(module, &names, err);
    } else if (status != NK_OK) {
        return report_copy(err, &first);
    }
    struct token_name name = { .label = "" };
    if (status == NK_OK) {
        status = pick_token(&sought, &names, &name, err);
    }
    if (status == NK_OK && name.serial[0] == '\0') {
        status = find_again(&sought, &names, &name, err);
    }
    token_names_clear(&names);
    if (status == NK_OK) {
        *ret_name = name;
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "node/life.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "node/housekeeping.h"

/* Closed in a child: the parent's threads, which are not here, own parts of them. */
static struct nk_instance *_Atomic left_to_parent;

nk_status life_begin(struct config **config, const char *path, const nk_host *host,
                     struct nk_instance **ret_instance, nk_error *err)
{
    struct nk_instance *instance = NULL;
    nk_status status = instance_open(config, path, host, &instance, err);
    if (status != NK_OK) {
        return status;
    }
    status = housekeeping_start(instance, &instance->housekeeping, err);
    if (status != NK_OK) {
        instance_shut(instance);
        instance_free(instance);
        return status;
    }
    *ret_instance = instance;
    return NK_OK;
}

static void end_here(struct nk_instance *instance)
{
    long long deadline_ms = clock_now_ms() + instance->login_timeout_ms;

    if (hsm_enter()) { /* else the process exits */
        credentials_dismiss_polling(instance->credentials);
        hsm_leave();
    }
    instance_shut(instance);
    if (!hsm_enter()) {
        return; /* housekeeping may still run, so nothing is freed */
    }
    housekeeping_stop(instance->housekeeping);
    verdicts_tell_held_back(instance->verdicts, true);
    guards_close(instance->guards);
    credentials_close(instance->credentials);
    credentials_join_polling(instance->credentials, deadline_ms);
    hsm_leave();
    instance_free(instance);
}

void life_end(struct nk_instance *instance)
{
    if (verdicts_are_here(instance->verdicts)) {
        end_here(instance);
    } else {
        instance_shut(instance);
        instance->next = atomic_exchange(&left_to_parent, instance);
    }
}

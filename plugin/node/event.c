/* SPDX-License-Identifier: Apache-2.0 */
#include "node/event.h"

#include <stdlib.h>

#include <jansson.h>

#include "base/auto.h"
#include "base/callback.h"

DEFINE_AUTO(json_t *, json_decref);

/* `json` is an object. */
static void send_event(const nk_host *host, const char *name, const char *json)
{
    if (host->event != NULL) {
        callback_enter();
        host->event(host->host_data, name, json);
        callback_leave();
    }
}

/* An event is lost when there is no memory; the log has its line. */
static void send_object(const nk_host *host, const char *name, json_t *object)
{
    AUTO(json_decref) json_t *held = object;
    char *text = held != NULL ? json_dumps(held, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

    if (text != NULL) {
        send_event(host, name, text);
    }
    free(text);
}

void event_policy(const nk_host *host, uint64_t generation, const char *digest)
{
    send_object(host, "policy",
                json_pack("{s:I, s:s}", "generation", (json_int_t)generation, "digest", digest));
}

void event_reload_failed(const nk_host *host, const nk_error *err)
{
    send_object(host, "reload-failed",
                json_pack("{s:i, s:s}", "status", (int)err->status, "text", err->text));
}

void event_rotated(const nk_host *host)
{
    send_event(host, "rotated", "{}");
}

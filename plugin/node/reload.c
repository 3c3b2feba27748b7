/* SPDX-License-Identifier: Apache-2.0 */
#include "node/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path_terms.h"
#include "base/report.h"
#include "node/changed_files.h"
#include "node/event.h"
#include "node/log_lines.h"

/* One reload. `err` keeps the first failure. */
struct reload {
    struct nk_instance *instance;
    nk_host host; /* logs into `lines`: no code of the host's runs before what is new is in force */
    struct log_lines lines;
    struct config *fresh; /* NULL: the file is bad, or there is none; owned */
    struct policy *next;  /* in force by now; NULL: the same as before; owned */
    nk_status first;
    nk_error *err;
};

static void keep_failure(struct reload *reload, nk_status status, const nk_error *own)
{
    if (status != NK_OK && reload->first == NK_OK) {
        reload->first = report_copy(reload->err, own);
    }
}

static void log_failure(struct reload *reload, nk_status status, const nk_error *own)
{
    if (status != NK_OK) {
        log_line(&reload->host, NK_LOG_ERROR, "reload: %s; what was in force stays", own->text);
    }
    keep_failure(reload, status, own);
}

/* --- configuration --- */

static void read_config(struct reload *reload)
{
    struct nk_instance *instance = reload->instance;
    char path[CONFIG_PATH_BYTES];
    nk_error own = { .struct_size = sizeof(own) };

    if (instance->path == NULL) {
        return;
    }
    nk_status status = config_read(instance->path, &reload->fresh, &own);
    if (status != NK_OK) {
        log_failure(reload, status, &own);
        return;
    }
    if (config_keep(reload->fresh, instance->config, path)) {
        status = report(&own, NK_E_UNSUPPORTED, "%s: a change of %s takes effect at the next start",
                        instance->path, path);
        log_failure(reload, status, &own);
    }
}

static void take_config(struct reload *reload)
{
    struct nk_instance *instance = reload->instance;

    if (reload->fresh == NULL) {
        return;
    }
    config_free(instance->config);
    instance->config = reload->fresh;
    reload->fresh = NULL;
    verdicts_set_hook_timeout(instance->verdicts, instance->config->verify_timeout_ms);
}

/* --- trust --- */

static void renew_policy(struct reload *reload)
{
    struct nk_instance *instance = reload->instance;
    nk_error own = { .struct_size = sizeof(own) };
    AUTO(policy_unref) struct policy *old = verdicts_policy(instance->verdicts);
    struct config *config = reload->fresh != NULL ? reload->fresh : instance->config;

    nk_status status = policy_renew(old, config, reload->fresh != NULL, &instance->memory,
                                    &reload->host, &reload->next, &own);
    keep_failure(reload, status, &own);
    if (reload->next != NULL) {
        verdicts_enforce(instance->verdicts, policy_ref(reload->next));
    }
}

/* --- identity --- */

static void renew_identity(struct reload *reload, int role)
{
    struct nk_instance *instance = reload->instance;
    struct config *config = reload->fresh != NULL ? reload->fresh : instance->config;
    nk_error own = { .struct_size = sizeof(own) };
    bool changed = false;
    AUTO(policy_unref) struct policy *policy = verdicts_policy(instance->verdicts);
    const struct renewal renewal = {
        .config = config,
        .our_role = role,
        .both_roles = instance->ours[OUR_SERVER] == instance->ours[OUR_CLIENT],
        .policy = policy,
    };

    nk_status status =
        identity_renew(instance->ours[role], &renewal, &reload->host, &changed, &own);
    log_failure(reload, status, &own);
    instance->publish_wanted |= changed;
}

static void renew_identities(struct reload *reload)
{
    const struct nk_instance *instance = reload->instance;

    renew_identity(reload, OUR_SERVER);
    if (instance->ours[OUR_CLIENT] != instance->ours[OUR_SERVER]) {
        renew_identity(reload, OUR_CLIENT);
    }
}

/* --- publication --- */

/* A failure is tried again: a folder is full for a while. */
static nk_status publish_if_due(struct nk_instance *instance, bool *ret_news, nk_error *err)
{
    const struct publication *publication = credentials_publication(instance->credentials);
    nk_status status = publication_check_folder(publication, err);

    if (status == NK_OK && (!instance->publish_wanted || !publication_due(publication))) {
        return NK_OK;
    }
    if (status == NK_OK) {
        status = instance_publish(instance, err);
        instance->publish_wanted = status != NK_OK;
        instance->rotates = status == NK_OK;
    }
    *ret_news = status != NK_OK && strcmp(instance->last_publish_failure, err->text) != 0;
    snprintf(instance->last_publish_failure, sizeof(instance->last_publish_failure), "%s",
             status != NK_OK ? err->text : "");
    return status;
}

static bool settle_rotation(struct nk_instance *instance)
{
    bool rotated =
        instance->rotates && publication_due(credentials_publication(instance->credentials));

    instance->rotates = instance->rotates && !rotated;
    return rotated;
}

/* A core that is told has what is new at once. */
static void tick_publication(struct nk_instance *instance)
{
    const nk_host *host = verdicts_host(instance->verdicts);
    nk_error err = { .struct_size = sizeof(err) };
    bool news = false;

    pthread_mutex_lock(&instance->reload_lock);
    bool rotated = settle_rotation(instance);
    (void)!publish_if_due(instance, &news, &err);
    rotated |= settle_rotation(instance);
    bool waits = instance->publish_wanted;
    pthread_mutex_unlock(&instance->reload_lock);
    if (news) {
        log_line(host, NK_LOG_ERROR, "%s%s", waits ? "our renewed certificate is not in use: " : "",
                 err.text);
        event_reload_failed(host, &err);
    }
    if (rotated) {
        log_line(host, NK_LOG_INFO, "our renewed certificate is in use");
        event_rotated(host);
    }
}

/* --- all of it --- */

/* True: the last reload did not say the same. */
static bool is_news(struct reload *reload)
{
    struct nk_instance *instance = reload->instance;
    const char *text = reload->first != NK_OK ? reload->err->text : "";
    bool news = strcmp(instance->last_failure, text) != 0;

    snprintf(instance->last_failure, sizeof(instance->last_failure), "%s", text);
    return news;
}

/* After all is done, and without a lock of ours: this is where the host's code runs. */
static void tell_reload(struct reload *reload, bool loud)
{
    struct nk_instance *instance = reload->instance;
    const nk_host *host = verdicts_host(instance->verdicts);

    if (reload->next != NULL) {
        guards_judge(instance->guards, instance->verdicts);
        instance_tell_policy(reload->next, host);
        event_policy(host, policy_generation(reload->next), policy_digest(reload->next));
    }
    if (loud || reload->next != NULL) {
        log_lines_say(&reload->lines, host);
    }
    if (loud && reload->first != NK_OK) {
        event_reload_failed(host, reload->err);
    }
}

nk_status reload_now(struct nk_instance *instance, enum reload_voice voice, nk_error *err)
{
    struct reload reload = { .instance = instance, .err = err };
    AUTO(path_terms_restore)
    struct path_terms *former = path_terms_use(instance->path_terms);

    reload.host = log_lines_host(&reload.lines);
    pthread_mutex_lock(&instance->reload_lock);
    read_config(&reload);
    renew_policy(&reload);
    renew_identities(&reload);
    take_config(&reload);
    bool news = is_news(&reload);
    pthread_mutex_unlock(&instance->reload_lock);
    tell_reload(&reload, voice == RELOAD_SAYS_ALL || news);
    tick_publication(instance);
    path_terms_tell(instance->path_terms, verdicts_host(instance->verdicts));
    log_lines_clear(&reload.lines);
    policy_unref(reload.next);
    return reload.first;
}

uint64_t reload_fingerprint(struct nk_instance *instance)
{
    pthread_mutex_lock(&instance->reload_lock);
    uint64_t fingerprint = changed_files_fingerprint(instance->path, instance->config);
    pthread_mutex_unlock(&instance->reload_lock);
    return fingerprint;
}

unsigned reload_interval_seconds(struct nk_instance *instance)
{
    pthread_mutex_lock(&instance->reload_lock);
    unsigned seconds = instance->config->reload_interval_seconds;
    pthread_mutex_unlock(&instance->reload_lock);
    return seconds;
}

void reload_tick(struct nk_instance *instance)
{
    struct policy *policy = verdicts_policy(instance->verdicts);

    policy_tick(policy, &instance->memory, verdicts_host(instance->verdicts));
    policy_unref(policy);
    guards_judge(instance->guards, instance->verdicts); /* admissions run out */
    tick_publication(instance);
}

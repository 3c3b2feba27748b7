/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin_host.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <grpc/grpc.h>

#define WAIT_STEP_MS 5
#define TEXT_FIRST_BYTES 4096

const nk_plugin *plugin_load(void)
{
    const char *path = getenv("NODEKEY_MODULE");
    void *module = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    nk_entry_fn entry = NULL;
    if (module != NULL) {
        *(void **)&entry = dlsym(module, NK_ENTRY_SYMBOL);
    }
    if (entry == NULL) {
        fprintf(stderr, "cannot load the plugin: %s\n",
                path != NULL ? dlerror() : "NODEKEY_MODULE is not set");
        abort();
    }
    return entry();
}

struct recorder {
    pthread_mutex_t mutex; /* guards what follows */
    char *text;
    size_t len;
    size_t room;
    struct recorder *next; /* of `all`: never freed, never lost */
};

static pthread_mutex_t all_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards `all` */
static struct recorder *all;

struct recorder *recorder_new(void)
{
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    if (recorder == NULL || (recorder->text = calloc(1, TEXT_FIRST_BYTES)) == NULL) {
        abort();
    }
    recorder->room = TEXT_FIRST_BYTES;
    pthread_mutex_init(&recorder->mutex, NULL);
    pthread_mutex_lock(&all_mutex);
    recorder->next = all;
    all = recorder;
    pthread_mutex_unlock(&all_mutex);
    return recorder;
}

static void record(void *host_data, int32_t level, const char *line)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    struct recorder *recorder = host_data;
    const char *name = level >= NK_LOG_ERROR && level <= NK_LOG_DEBUG ? names[level] : "?";
    pthread_mutex_lock(&recorder->mutex);
    size_t need = recorder->len + strlen(name) + strlen(line) + sizeof(": \n");
    if (need > recorder->room) {
        recorder->room = 2 * need;
        recorder->text = realloc(recorder->text, recorder->room);
    }
    if (recorder->text == NULL) {
        abort();
    }
    recorder->len += (size_t)snprintf(recorder->text + recorder->len,
                                      recorder->room - recorder->len, "%s: %s\n", name, line);
    pthread_mutex_unlock(&recorder->mutex);
}

void recorder_clear(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->mutex);
    recorder->len = 0;
    recorder->text[0] = '\0';
    pthread_mutex_unlock(&recorder->mutex);
}

size_t recorder_count(struct recorder *recorder, const char *piece)
{
    size_t count = 0;
    pthread_mutex_lock(&recorder->mutex);
    const char *at = recorder->text;
    while ((at = strstr(at, piece)) != NULL) {
        count++;
        at += strlen(piece);
    }
    pthread_mutex_unlock(&recorder->mutex);
    return count;
}

bool recorder_has(struct recorder *recorder, const char *piece)
{
    return recorder_count(recorder, piece) > 0;
}

bool recorder_waits_for(struct recorder *recorder, const char *piece, unsigned ms)
{
    for (unsigned waited = 0; !recorder_has(recorder, piece); waited += WAIT_STEP_MS) {
        if (waited >= ms) {
            return false;
        }
        nanosleep(&(struct timespec){ .tv_nsec = WAIT_STEP_MS * 1000000L }, NULL);
    }
    return true;
}

char *recorder_copy(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->mutex);
    char *copy = strdup(recorder->text);
    pthread_mutex_unlock(&recorder->mutex);
    if (copy == NULL) {
        abort();
    }
    return copy;
}

/* "event NAME JSON", among the log lines. */
static void record_event(void *host_data, const char *name, const char *json)
{
    char line[1024];

    snprintf(line, sizeof(line), "event %s %s", name, json);
    record(host_data, NK_LOG_INFO, line);
}

nk_host recording_host(struct recorder *recorder)
{
    return (nk_host){
        .struct_size = sizeof(nk_host),
        .host_data = recorder,
        .grpc_version = grpc_version_string,
        .log = record,
        .event = record_event,
    };
}

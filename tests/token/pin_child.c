/* SPDX-License-Identifier: Apache-2.0
 * pin_child [--leak]: takes the PIN from every source, runs successes and failures, and prints all
 * that a host gets to see: each log line, each error, each explanation. With --leak it also prints
 * what it must not, so that its reader can prove that it reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "base/auto.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

#define WRONG_PIN SOFTHSM_PIN "-not" /* so that one search finds both */
#define PIN_SOURCE(source) "{\"node\": {\"pin\": {\"file\": null, " source "}}}"
#define PIN_FILE(file) "{\"node\": {\"pin\": {\"file\": \"" file "\"}}}"

static struct federation federation;
static struct member alice;

static void print_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data;
    fprintf(stderr, "log %d: %s\n", (int)level, line);
}

static nk_status answer(void *host_data, const char *token_label, char *buf, size_t room,
                        size_t *ret_len)
{
    const char *pin = host_data;
    (void)token_label;
    size_t len = pin != NULL ? strlen(pin) : 0;
    if (len == 0 || len > room) {
        return NK_E_PIN;
    }
    mempcpy(buf, pin, len); /* no terminator */
    *ret_len = len;
    return NK_OK;
}

static void explain_strangers(const nk_plugin *plugin, nk_instance *instance)
{
    char *good = pem_of(alice.leaf, federation.intermediate.certificate, NULL);
    const char *const pems[] = { good, "junk", SOFTHSM_PIN };
    for (size_t i = 0; i < ARRAY_LEN(pems); i++) {
        nk_verdict verdict = { .struct_size = sizeof(verdict) };
        nk_error err = { .struct_size = sizeof(err) };
        char *json = NULL;
        plugin->check_peer(instance, NK_PEER_IS_SERVER, "127.0.0.1", pems[i], strlen(pems[i]),
                           &verdict, &json, &err);
        printf("%s %s %s %s\n", verdict.reason, verdict.detail, err.text, json != NULL ? json : "");
        plugin->free_text(json);
    }
    free(good);
}

/* A member, a stranger, and a token that goes away and comes back. */
static void meet_peers(grpc_server_credentials *server_credentials,
                       grpc_channel_credentials *channel_credentials)
{
    struct tls_peer stranger = { .key = software_key("P-256") };
    stranger.certificate = authority_issue(NULL, stranger.key, NULL);
    struct rpc_server *server = rpc_server_start(server_credentials, 2, NULL, NULL);
    bool met = rpc_dial(channel_credentials, rpc_server_address(server), RPC_DEADLINE_MS).ok;
    tls_peer_dial(&stranger, rpc_server_port(server));
    softhsm_unplug();
    bool away = rpc_dial(channel_credentials, rpc_server_address(server), RPC_DEADLINE_MS).ok;
    softhsm_replug();
    bool back = rpc_dial(channel_credentials, rpc_server_address(server), RPC_DEADLINE_MS).ok;
    /* In one piece, whatever other threads write meanwhile. */
    dprintf(STDOUT_FILENO, "@member %d, away %d, back %d\n", met, away, back);
    rpc_server_stop(server);
    X509_free(stranger.certificate);
    EVP_PKEY_free(stranger.key);
}

static void attempt(const char *patch, const char *typed_pin)
{
    const nk_plugin *plugin = plugin_load();
    nk_host host = { .struct_size = sizeof(host),
                     .host_data = (void *)(uintptr_t)typed_pin,
                     .grpc_version = grpc_version_string,
                     .log = print_log,
                     .ask_pin = answer };
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    char *config = member_config(&alice, patch);
    nk_status status = plugin->open_text(&host, config, federation.folder, &instance, &err);
    free(config);
    dprintf(STDOUT_FILENO, "@%s %d %s\n", status == NK_OK ? "opened" : "refused", (int)status,
            err.text);
    if (status != NK_OK) {
        return;
    }
    grpc_server_credentials *server = NULL;
    grpc_channel_credentials *channel = NULL;
    if (plugin->server_credentials(instance, &server, &err) == NK_OK &&
        plugin->channel_credentials(instance, &channel, &err) == NK_OK) {
        meet_peers(server, channel);
    }
    explain_strangers(plugin, instance);
    grpc_server_credentials_release(server);
    grpc_channel_credentials_release(channel);
    plugin->close(instance, &err);
    printf("closed %s\n", err.text);
}

static void save(const char *file, const char *text, unsigned mode)
{
    write_file(path_of("%s/%s", federation.folder, file), text, mode);
}

static const char *pin_pipe(void)
{
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], SOFTHSM_PIN, strlen(SOFTHSM_PIN)) < 0) {
        abort();
    }
    close(ends[1]);
    return path_of(PIN_SOURCE("\"fd\": %d"), ends[0]);
}

static void successes(void)
{
    attempt("{}", NULL);
    attempt(pin_pipe(), NULL);
    attempt(PIN_SOURCE("\"prompt\": true"), SOFTHSM_PIN);
    attempt(PIN_SOURCE("\"credential\": \"alice.pin\""), NULL);
}

static void failures(void)
{
    static const char *const patches[] = {
        PIN_FILE("wrong.pin"),
        PIN_FILE("wrong.pin"), /* not sent again */
        PIN_FILE("open.pin"),
        PIN_FILE("two-lines.pin"),
        PIN_FILE("long.pin"),
        PIN_FILE("nosuch.pin"),
        PIN_SOURCE("\"prompt\": true"),
        PIN_SOURCE("\"value\": \"" SOFTHSM_PIN "\""),
        "{\"node\": {\"pin\": \"" SOFTHSM_PIN "\"}}",
        "{\"node\": {\"pin\": [\"" SOFTHSM_PIN "\"]}}",
        "{\"node\": {\"key\": \"pkcs11:token=alice;object=identity?pin-value=" SOFTHSM_PIN "\"}}",
        "{\"node\": {\"key\": \"pkcs11:object=identity?pin-source=|echo%20" SOFTHSM_PIN "\"}}",
        "{\"node\": {\"key\": \"pkcs11:token=alice;object=nosuch\"}}",
        "{\"node\": {\"certificate\": \"alice.pin\"}}", /* the files are mixed up */
        "{\"federation\": {\"roots\": [\"alice.pin\"]}}",
    };
    static const char *const scripts[] = { "flags=final_try", "flags=locked", "login_error=0x30",
                                           "sign_error=0x30", "sign_init_error=0x101" };
    for (size_t i = 0; i < ARRAY_LEN(patches); i++) {
        attempt(patches[i], NULL);
    }
    attempt(PIN_SOURCE("\"prompt\": true"), WRONG_PIN);
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        faulty_set(scripts[i]);
        attempt("{}", NULL);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    alice.module = faulty_start();
    setenv("CREDENTIALS_DIRECTORY", federation.folder, 1);
    save("wrong.pin", WRONG_PIN, 0600);
    save("open.pin", SOFTHSM_PIN, 0644);
    save("two-lines.pin", SOFTHSM_PIN "\n" SOFTHSM_PIN "\n", 0600);
    save("long.pin", path_of("%01000d" SOFTHSM_PIN, 0), 0600);
    successes();
    failures();
    if (argc == 2 && strcmp(argv[1], "--leak") == 0) {
        printf("leak " SOFTHSM_PIN "\n");
    }
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

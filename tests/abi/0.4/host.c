/* SPDX-License-Identifier: Apache-2.0
 * host CONFIG LEAF: a program of ABI 0.4, kept as it was with the plugin.h beside it. It serves
 * itself one call, asks all that the table has of 0.4, and prints a line for each answer. Neither
 * this file nor that header is changed any more: what fails here breaks programs that exist. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "fixtures/wire/rpc.h"
#include "plugin.h"

#define PEM_BYTES 65536
#define P256 0x0403 /* ecdsa_secp256r1_sha256 */
#define WAIT_MS 20000

#ifdef CORE_IS_BORINGSSL
extern __typeof__(((nk_host *)NULL)->set_identity) const fixture_set_identity;
#else
static nk_status fixture_set_identity(void *data, const struct nk_plugin *plugin,
                                      struct grpc_tls_certificate_provider *provider,
                                      nk_signer *signer, const char *chain_pem)
{
    (void)data, (void)plugin, (void)provider, (void)signer, (void)chain_pem;
    printf("gRPC on OpenSSL is told a signer\n");
    return NK_E_UNSUPPORTED;
}
#endif

static const nk_plugin *nk;
static nk_instance *node;

static void log_line(void *data, int32_t level, const char *line)
{
    (void)data;
    if (level <= NK_LOG_ERROR) {
        printf("log: %s\n", line);
    }
}

static nk_status allow(void *data, const nk_peer *peer, nk_verdict *verdict)
{
    ++*(int *)data;
    verdict->decision = NK_HAS(nk_peer, peer, rule) && peer->names_len > 0 ? NK_ALLOW : NK_DENY;
    return NK_OK;
}

static void count_event(void *data, const char *name, const char *json)
{
    (void)data;
    if (name[0] == '\0' || json[0] != '{') {
        printf("event: \"%s\" %s\n", name, json);
    }
}

static void need(nk_status status, const char *what, const nk_error *err)
{
    if (status != NK_OK) {
        printf("%s: %d %s\n", what, (int)status, err->text);
        exit(1);
    }
}

/* In the server's handler: who calls, and a guard for as long as the call lasts. */
static void meet_peer(void *user, grpc_call *call)
{
    nk_error err = { .struct_size = sizeof(err) };
    grpc_auth_context *context = grpc_call_auth_context(call);
    nk_peer *peer = NULL;

    (void)user;
    need(nk->peer_identity(node, NK_PEER_IS_CLIENT, context, &peer, &err), "peer_identity", &err);
    grpc_auth_context_release(context);
    printf("peer: %s, admitted by %s, %zu names\n", peer->names[0].text, peer->rule,
           peer->names_len);
    printf("claims: %d %d\n", (int)nk->check_claim(peer, "127.0.0.1:7000", NULL),
           (int)nk->check_claim(peer, "10.1.2.3", NULL));
    nk->free_peer(peer);
    need(nk->guard_call(node, NK_PEER_IS_CLIENT, call, &err), "guard_call", &err);
    need(nk->unguard_call(node, call, &err), "unguard_call", &err);
    printf("guarded\n");
}

static void serve_itself(void)
{
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials *inbound = NULL;
    grpc_channel_credentials *outbound = NULL;

    need(nk->server_credentials(node, &inbound, &err), "server_credentials", &err);
    need(nk->channel_credentials(node, &outbound, &err), "channel_credentials", &err);
    struct rpc_server *server = rpc_server_start(inbound, 2, meet_peer, NULL);
    struct rpc_result result = rpc_dial(outbound, rpc_server_address(server), RPC_DEADLINE_MS);
    printf("call: %s\n", result.ok ? "ok" : result.details);
    rpc_server_stop(server);
    grpc_server_credentials_release(inbound);
    grpc_channel_credentials_release(outbound);
}

static void judge(const char *path)
{
    static char pem[PEM_BYTES];
    nk_error err = { .struct_size = sizeof(err) };
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    char *json = NULL;
    FILE *file = fopen(path, "r");
    size_t len = file != NULL ? fread(pem, 1, sizeof(pem), file) : 0;

    need(nk->check_peer(node, NK_PEER_IS_SERVER, "127.0.0.1", pem, len, &verdict, &json, &err),
         "check_peer", &err);
    printf("verdict: %u by %s, explained: %d\n", verdict.decision, verdict.rule,
           json != NULL && json[0] == '{');
    nk->free_text(json);
    need(nk->check_peer(node, NK_PEER_IS_SERVER, "10.1.2.3", pem, len, &verdict, NULL, &err),
         "check_peer", &err);
    printf("verdict: %u, %s\n", verdict.decision, verdict.reason);
    if (file != NULL) {
        fclose(file);
    }
}

static atomic_int dones;
static nk_status done_status;
static size_t done_len;

static void done(void *arg, const uint8_t *signature, size_t len, const struct nk_error *err)
{
    done_status = arg == &dones && (len == 0 || signature != NULL) ? err->status : NK_E_INTERNAL;
    done_len = len;
    atomic_fetch_add(&dones, 1);
}

/* Message that a server signs in TLS 1.3. */
static size_t write_verify(uint8_t *input)
{
    static const char context[] = "TLS 1.3, server CertificateVerify";

    memset(input, ' ', 64);
    memcpy(input + 64, context, sizeof(context));
    memset(input + 64 + sizeof(context), 0x5a, 32);
    return 64 + sizeof(context) + 32;
}

static nk_signer *signer_towards(uint32_t role)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_signer *signer = NULL;

    need(nk->signer(node, role, &signer, &err), "signer", &err);
    return signer;
}

static void sign_later(nk_signer *signer, const uint8_t *input, size_t len, bool cancels)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_signing *signing = NULL;

    atomic_store(&dones, 0);
    need(nk->sign_start(signer, P256, input, len, done, &dones, &signing, &err), "sign_start",
         &err);
    for (int ms = 0; ms < WAIT_MS && !cancels && atomic_load(&dones) == 0; ms++) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    nk->sign_cancel(signing);
    nk->signing_free(signing);
    for (int ms = 0; ms < WAIT_MS && atomic_load(&dones) == 0; ms++) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    printf("done: %d", atomic_load(&dones));
    if (!cancels) {
        printf(", %d, %s", (int)done_status, done_len > 64 ? "signed" : "not signed");
    }
    printf("\n");
}

/* The signer of our server lives on. */
static nk_signer *sign_as_both(void)
{
    uint8_t input[256];
    uint8_t signature[NK_SIGNATURE_BYTES];
    size_t size = 0;
    nk_signer *server = signer_towards(NK_PEER_IS_CLIENT);
    nk_signer *client = signer_towards(NK_PEER_IS_SERVER);
    size_t len = write_verify(input);

    printf("chain: %.27s, quick: %s\n", nk->signer_chain(server),
           nk->signer_is_quick(server) <= 1 ? "0 or 1" : "neither");
    int as_server = nk->sign(server, P256, input, len, signature, sizeof(signature), &size, NULL);
    int as_client = nk->sign(client, P256, input, len, signature, sizeof(signature), &size, NULL);
    printf("sign: %d %d, %s\n", as_server, as_client, size > 64 ? "signed" : "not signed");
    sign_later(server, input, len, false);
    sign_later(server, input, len, true);
    nk->signer_ref(server);
    nk->signer_free(server);
    nk->signer_free(client);
    return server;
}

static void sign_closed(nk_signer *server)
{
    uint8_t input[256];
    uint8_t signature[NK_SIGNATURE_BYTES];
    size_t size = 0;
    size_t len = write_verify(input);

    printf("after close: %d\n",
           (int)nk->sign(server, P256, input, len, signature, sizeof(signature), &size, NULL));
    nk->signer_free(server);
}

static const nk_plugin *load(void)
{
    void *module = dlopen(getenv("NODEKEY_MODULE"), RTLD_NOW | RTLD_LOCAL);
    nk_entry_fn entry = NULL;

    if (module != NULL) {
        *(void **)&entry = dlsym(module, NK_ENTRY_SYMBOL);
    }
    const nk_plugin *table = entry != NULL ? entry() : NULL;
    return table != NULL && table->abi_major == NK_ABI_MAJOR && table->abi_minor >= NK_ABI_MINOR &&
                   NK_HAS(nk_plugin, table, signer_free)
               ? table
               : NULL;
}

int main(int argc, char **argv)
{
    nk_error err = { .struct_size = sizeof(err) };
    int asked = 0;
    nk_host host = { .struct_size = sizeof(host),
                     .host_data = &asked,
                     .grpc_version = grpc_version_string,
                     .log = log_line,
                     .verify_peer = allow,
                     .event = count_event,
                     .set_identity = fixture_set_identity };

    nk = load();
    if (argc != 3 || nk == NULL) {
        printf("no plugin of this ABI\n");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    grpc_init();
    printf("absent: %d\n", (int)nk->open_file(&host, "/nonexistent", &node, NULL));
    need(nk->open_file(&host, argv[1], &node, &err), "open_file", &err);
    serve_itself();
    judge(argv[2]);
    nk_signer *server = sign_as_both();
    need(nk->reload(node, &err), "reload", &err);
    printf("asked: %s\n", asked >= 2 ? "both ends" : "not both ends");
    need(nk->close(node, &err), "close", &err);
    sign_closed(server);
    grpc_shutdown();
    printf("closed\n");
    return 0;
}

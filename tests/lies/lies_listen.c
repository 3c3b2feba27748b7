/* SPDX-License-Identifier: Apache-2.0
 * Those who are lied to, each in a process of its own: what it says, and its exit status, are
 * judged by the one that started it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault/fault_load.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/openssl_rig.h"
#include "fixtures/process.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "lies/lies_table.h"

#ifdef NODEKEY_SANITIZED
#define ROW_MAX_S 90 /* one that takes longer hangs */
#define HANG_TOLD_MS 2000
#else
#define ROW_MAX_S 30
#define HANG_TOLD_MS 1000
#endif
#define FAILED 3 /* neither AddressSanitizer's status nor the command's */

struct listening {
    const struct lie *lie;
    enum liar_to listener;
    struct federation federation; /* of which the name and the folder are known here */
    struct member alice;
    const char *stem;   /* of its files */
    const char *config; /* its path */
};

/* Labels that no other row has, where things are made. */
static const char *uri_of(const struct listening *listening)
{
    const char *name =
        path_of("%s-%zu", lies_listeners[listening->listener], (size_t)(listening->lie - lies));

    switch (listening->listener) {
    case INIT:
        return path_of("pkcs11:token=%s;object=key", name);
    case ENROLL:
        return path_of("pkcs11:token=alice;object=%s", name);
    default:
        return path_of("pkcs11:token=alice;object=%s",
                       listening->lie->key != NULL ? listening->lie->key : "identity");
    }
}

static const char *certificate_of(const struct listening *listening)
{
    const char *key = listening->lie->key;

    return listening->listener == CERTIFICATE ? "pkcs11:token=alice;object=identity;type=cert"
           : key != NULL                      ? path_of("alice-%s.pem", key)
                                              : "alice.pem";
}

static char *config_of(const struct listening *listening)
{
    bool hangs = listening->lie->parameter[0] == '\0';
    const char *state = path_of("%s.state", listening->stem);

    if (listening->listener == PIN && mkdir(state, 0700) != 0) {
        abort();
    }
    return member_config(
        &listening->alice,
        path_of("{\"node\": {\"key\": \"%s\", \"certificate\": \"%s\"}, "
                "\"token\": {\"login_timeout_ms\": %d%s}%s}",
                uri_of(listening), certificate_of(listening), hangs ? HANG_TOLD_MS : 10000,
                listening->listener == DEADLINE ? ", \"sign_timeout_ms\": 5000" : "",
                listening->listener == PIN ? path_of(", \"state_dir\": \"%s\"", state) : ""));
}

static int open_node(const struct listening *listening)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    struct recorder *log = recorder_new();
    nk_host host = recording_host(log);

    grpc_init();
    nk_status status = plugin->open_file(&host, listening->config, &instance, &err);
    printf("%s\n", status == NK_OK ? "open" : err.text);
    faulty_set(""); /* what hangs comes back */
    if (status == NK_OK) {
        status = plugin->close(instance, &err);
    }
    grpc_shutdown();
    return status == NK_OK ? 0 : FAILED;
}

static void open_honestly(const struct listening *listening, struct node *node)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };

    grpc_init();
    faulty_set("");
    node_prepare(node);
    if (plugin->open_file(&node->host, listening->config, &node->instance, &err) != NK_OK ||
        plugin->server_credentials(node->instance, &node->server, &err) != NK_OK ||
        plugin->channel_credentials(node->instance, &node->channel, &err) != NK_OK) {
        printf("%s\n", err.text);
        abort();
    }
    faulty_set(listening->lie->script);
}

static void print_log(const struct node *node)
{
    char *text = recorder_copy(node->log);

    printf("%s\n", text);
    free(text);
}

/* A node that dials itself: both ends sign, and the log tells why they do not. */
static int serve(const struct listening *listening)
{
    struct party party;
    struct dialling dialling = { .party = &party, .only_outbound = true };
    char why[FAULT_WHY_BYTES];

    open_honestly(listening, &party.node);
    party_serve(&party);
    bool through = dial_outbound(&dialling, why);
    printf("%s\n", through ? "answered" : why);
    print_log(&party.node);
    party_stop(&party);
    rpc_shutdown();
    return through ? 0 : FAILED;
}

static int close_node(const struct listening *listening)
{
    struct node node;

    open_honestly(listening, &node);
    node_close(&node);
    bool told = recorder_has(node.log, "has not come back");
    print_log(&node);
    faulty_set("");
    grpc_shutdown();
    return told ? FAILED : 0;
}

static int use_provider(const struct listening *listening)
{
    unsigned char signature[1024];
    size_t len = sizeof(signature);
    OSSL_LIB_CTX *ctx =
        cnf_context(cnf_write("listener", path_of("config = %s", listening->config)));
    EVP_PKEY *key = load_uri(ctx, "pkcs11:token=alice;object=identity");
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool signs = key != NULL && digest != NULL &&
                 EVP_DigestSignInit_ex(digest, NULL, "SHA256", ctx, NULL, key, NULL) == 1 &&
                 EVP_DigestSign(digest, signature, &len, (const unsigned char *)"hi", 2) == 1;

    printf("%s\n", signs ? "signed" : queue_text());
    faulty_set("");
    EVP_MD_CTX_free(digest);
    EVP_PKEY_free(key);
    OSSL_LIB_CTX_free(ctx);
    return signs ? 0 : FAILED;
}

/* $NODEKEY_COMMAND: another build's. */
static int run_command(const struct listening *listening)
{
    static const struct command {
        const char *name, *option, *value;
    } commands[LISTENERS] = { [INIT] = { "init", "--so-pin-file", "so.pin" },
                              [ENROLL] = { "enroll", "--san", "DNS:alice.example" },
                              [CSR] = { "csr", "--san", "DNS:alice.example" },
                              [PIN] = { "pin", "--json", NULL } };
    const struct command *command = &commands[listening->listener];
    const char *other = getenv("NODEKEY_COMMAND");
    const char *path = other != NULL ? other : NODEKEY;

    if (listening->listener == TOKENS) {
        execl(path, path, "tokens", "--login", listening->config, NULL);
    } else {
        execl(path, path, command->name, listening->config, command->option, command->value, NULL);
    }
    perror(path);
    return FAILED;
}

/* Tokens of its own: SoftHSM does not see one that another process is logging in to. */
static void copy_tokens(const char *folder, const char *stem)
{
    const char *from = path_of("%s/../tokens", folder);
    const char *const argv[] = { "cp", "-R", from, path_of("%s.tokens", stem), NULL };
    const struct process process = { .argv = argv };
    struct process_end end = process_run(&process);

    free(end.out);
    softhsm_use(path_of("%s.tokens", stem), path_of("%s.conf", stem));
}

int lies_listen(int argc, char **argv)
{
    const struct rlimit no_core = { 0, 0 };

    if (argc != 5) {
        return FAILED;
    }
    struct listening listening = { .lie = &lies[strtoul(argv[4], NULL, 10)],
                                   .listener = (enum liar_to)strtoul(argv[2], NULL, 10),
                                   .federation = { .name = "example.org", .folder = argv[3] } };
    const char *stem = path_of("%s/%s-%s", argv[3], argv[2], argv[4]);
    listening.stem = stem;

    alarm(ROW_MAX_S);
    setrlimit(RLIMIT_CORE, &no_core);
    listening.alice = (struct member){ .federation = &listening.federation,
                                       .label = "alice",
                                       .module = faulty_path() };
    copy_tokens(argv[3], stem);
    setenv("FAULTY_MODULE", SOFTHSM_MODULE, 1);
    setenv("FAULTY_SCRIPT", path_of("%s.script", stem), 1); /* it outlives an exec */
    faulty_set(listening.lie->script);
    char *config = config_of(&listening);
    listening.config = path_of("%s.json", stem);
    write_file(listening.config, config, 0644);
    free(config);
    if (chdir(argv[3]) != 0) {
        return FAILED;
    }
    switch (listening.listener) {
    case OPEN:
    case CERTIFICATE:
        return open_node(&listening);
    case SERVE:
    case DEADLINE:
        return serve(&listening);
    case CLOSE:
        return close_node(&listening);
    case PROVIDER:
        return use_provider(&listening);
    default:
        return run_command(&listening);
    }
}

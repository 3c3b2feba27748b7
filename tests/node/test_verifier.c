/* SPDX-License-Identifier: Apache-2.0
 * Nothing fails open between gRPC and the judge: no credentials without our verifier, and a
 * verifier that comes to no clear yes refuses. Functions below stand between our objects (by the
 * linker, --wrap) and gRPC (by nk_host.symbol), since neither side can be made to fail there. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "config/config.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "grpc/node_credentials.h"
#include "grpc/verifier.h"
#include "node/instance.h"

static struct federation federation;
static struct member alice;
static struct nk_instance *instance;

/* --- what gRPC was told about each options object --- */

static struct {
    const grpc_tls_credentials_options *options;
    const grpc_tls_certificate_verifier *verifier;
    int request_type;
    int made;
} seen;
static grpc_tls_certificate_verifier *last_external;

static grpc_tls_certificate_verifier *
spy_verifier_create(grpc_tls_certificate_verifier_external *external)
{
    last_external = grpc_tls_certificate_verifier_external_create(external);
    return last_external;
}

static void spy_set_verifier(grpc_tls_credentials_options *options,
                             grpc_tls_certificate_verifier *verifier)
{
    seen.options = options;
    seen.verifier = verifier;
    grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
}

static void spy_set_request_type(grpc_tls_credentials_options *options,
                                 grpc_ssl_client_certificate_request_type type)
{
    seen.request_type = (int)type;
    grpc_tls_credentials_options_set_cert_request_type(options, type);
}

static grpc_server_credentials *spy_server_create(grpc_tls_credentials_options *options)
{
    assert_ptr_equal(options, seen.options);
    seen.made++;
    return grpc_tls_server_credentials_create(options);
}

static grpc_channel_credentials *spy_channel_create(grpc_tls_credentials_options *options)
{
    assert_ptr_equal(options, seen.options);
    seen.made++;
    return grpc_tls_credentials_create(options);
}

/* Functions of gRPC, as a program with a core of its own would hand them in. */
static nk_function find_function(const char *name)
{
    static const struct {
        const char *name;
        nk_function spy;
    } spies[] = {
        { "grpc_tls_certificate_verifier_external_create", (nk_function)spy_verifier_create },
        { "grpc_tls_credentials_options_set_certificate_verifier", (nk_function)spy_set_verifier },
        { "grpc_tls_credentials_options_set_cert_request_type", (nk_function)spy_set_request_type },
        { "grpc_tls_server_credentials_create", (nk_function)spy_server_create },
        { "grpc_tls_credentials_create", (nk_function)spy_channel_create },
    };
    nk_function found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(spies); i++) {
        if (strcmp(spies[i].name, name) == 0) {
            return spies[i].spy;
        }
    }
    *(void **)&found = dlsym(RTLD_DEFAULT, name);
    return found;
}

static bool no_verifier; /* memory is out when the verifier is made */
grpc_tls_certificate_verifier_external *
__real_verifier_new(struct verdicts *verdicts, struct publication *publication, uint32_t role);
grpc_tls_certificate_verifier_external *
__wrap_verifier_new(struct verdicts *verdicts, struct publication *publication, uint32_t role);
grpc_tls_certificate_verifier_external *
__wrap_verifier_new(struct verdicts *verdicts, struct publication *publication, uint32_t role)
{
    return no_verifier ? NULL : __real_verifier_new(verdicts, publication, role);
}

/* --- a judge that does not judge --- */

static enum { JUDGES, RETURNS_EARLY, WRITES_NONSENSE } mood;
void __real_policy_judge(struct policy *policy, const struct peer *peer, struct opinion *opinion);
void __wrap_policy_judge(struct policy *policy, const struct peer *peer, struct opinion *opinion);
void __wrap_policy_judge(struct policy *policy, const struct peer *peer, struct opinion *opinion)
{
    if (mood == JUDGES) {
        __real_policy_judge(policy, peer, opinion);
    } else if (mood == WRITES_NONSENSE) {
        opinion->verdict.decision = 0x7fffffff;
    }
}

static bool verdicts_return_early;
void __real_verdicts_judge(struct verdicts *of, const struct showing *showing, nk_verdict *verdict);
void __wrap_verdicts_judge(struct verdicts *of, const struct showing *showing, nk_verdict *verdict);
void __wrap_verdicts_judge(struct verdicts *of, const struct showing *showing, nk_verdict *verdict)
{
    if (!verdicts_return_early) {
        __real_verdicts_judge(of, showing, verdict);
    }
}

/* --- tests --- */

static void every_credentials_object_has_our_verifier(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials *server = NULL;
    grpc_channel_credentials *channel = NULL;
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(credentials_server(instance->credentials, &server, &err), NK_OK);
    assert_non_null(seen.verifier);
    assert_ptr_equal(seen.verifier, last_external);
    assert_int_equal(seen.request_type,
                     GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(credentials_channel(instance->credentials, &channel, &err), NK_OK);
    assert_non_null(seen.verifier);
    assert_ptr_equal(seen.verifier, last_external);
    assert_int_equal(seen.made, 2); /* and the keepalive's, of a server that never starts */
    grpc_server_credentials_release(server);
    grpc_channel_credentials_release(channel);
}

static void no_verifier_no_credentials(void **state)
{
    (void)state;
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials *server = NULL;
    grpc_channel_credentials *channel = NULL;
    memset(&seen, 0, sizeof(seen));
    no_verifier = true;
    assert_int_equal(credentials_server(instance->credentials, &server, &err), NK_E_NOMEM);
    assert_int_equal(credentials_channel(instance->credentials, &channel, &err), NK_E_NOMEM);
    no_verifier = false;
    assert_null(server);
    assert_null(channel);
    assert_int_equal(seen.made, 0);
}

/* Asks the verifier as gRPC does; true when it lets the peer in. */
static bool lets_in(uint32_t role, const char *target, const char *leaf)
{
    grpc_tls_custom_verification_check_request request;
    memset(&request, 0, sizeof(request));
    request.target_name = target;
    request.peer_info.common_name = "";
    request.peer_info.peer_cert = leaf;
    request.peer_info.peer_cert_full_chain = leaf;
    grpc_tls_certificate_verifier_external *verifier =
        verifier_new(instance->verdicts, credentials_publication(instance->credentials), role);
    grpc_status_code status = GRPC_STATUS_OK; /* as if somebody had said yes before */
    char *details = NULL;
    assert_non_null(verifier);
    int is_sync = verifier->verify(verifier->user_data, &request, NULL, NULL, &status, &details);
    assert_int_not_equal(is_sync, 0);
    if (status != GRPC_STATUS_OK) {
        assert_non_null(details);
        assert_non_null(strstr(details, "nodekey refused the peer"));
    }
    gpr_free(details);
    verifier_free(verifier);
    return status == GRPC_STATUS_OK;
}

static char *good_peer(void)
{
    return pem_of(alice.leaf, federation.intermediate.certificate, NULL);
}

static void a_member_gets_in(void **state)
{
    (void)state;
    char *pem = good_peer();
    assert_true(lets_in(NK_PEER_IS_CLIENT, NULL, pem));
    assert_true(lets_in(NK_PEER_IS_SERVER, "127.0.0.1", pem));
    free(pem);
}

static void an_empty_request_is_refused(void **state)
{
    (void)state;
    assert_false(lets_in(NK_PEER_IS_CLIENT, NULL, NULL));
    assert_false(lets_in(NK_PEER_IS_SERVER, "127.0.0.1", NULL));
    assert_false(lets_in(NK_PEER_IS_CLIENT, NULL, ""));
    assert_false(lets_in(NK_PEER_IS_CLIENT, NULL, "garbage"));
}

static void an_early_return_is_refused(void **state)
{
    (void)state;
    char *pem = good_peer();
    mood = RETURNS_EARLY;
    assert_false(lets_in(NK_PEER_IS_CLIENT, NULL, pem));
    mood = WRITES_NONSENSE;
    assert_false(lets_in(NK_PEER_IS_CLIENT, NULL, pem));
    mood = JUDGES;
    verdicts_return_early = true;
    assert_false(lets_in(NK_PEER_IS_CLIENT, NULL, pem));
    verdicts_return_early = false;
    free(pem);
}

static void an_unknown_role_is_refused(void **state)
{
    (void)state;
    char *pem = good_peer();
    assert_false(lets_in(0, NULL, pem));
    assert_false(lets_in(3, "127.0.0.1", pem));
    free(pem);
}

static int start(void **state)
{
    (void)state;
    static nk_host host = { .struct_size = sizeof(host),
                            .grpc_version = grpc_version_string,
                            .symbol = find_function };
    nk_error err = { .struct_size = sizeof(err) };
    struct config *config = NULL;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    if (config_read(path_of("%s/alice.json", federation.folder), &config, &err) != NK_OK ||
        instance_open(&config, NULL, &host, &instance, &err) != NK_OK) {
        print_error("%s\n", err.text);
        return -1;
    }
    config_free(config);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    instance_shut(instance);
    credentials_close(instance->credentials);
    instance_free(instance);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_credentials_object_has_our_verifier),
        cmocka_unit_test(no_verifier_no_credentials),
        cmocka_unit_test(a_member_gets_in),
        cmocka_unit_test(an_empty_request_is_refused),
        cmocka_unit_test(an_early_return_is_refused),
        cmocka_unit_test(an_unknown_role_is_refused),
    };
    return cmocka_run_group_tests_name("verifier", tests, start, stop);
}

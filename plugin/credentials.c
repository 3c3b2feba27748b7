/* SPDX-License-Identifier: Apache-2.0 */
#include "credentials.h"

#include <grpc/grpc.h>

#include "report.h"
#include "verifier.h"

#define WATCH_INTERVAL_SECONDS 1

/* Objects of one core given to another crash it: the host's core must be the one we are linked
 * with. Function addresses are unique in a process, copies of a library are not. */
static nk_status check_core(const struct core *core, int our_role, nk_error *err)
{
    if (core->host.grpc_version == NULL) {
        return report(err, NK_E_USAGE,
                      "nk_host.grpc_version is not set; give &grpc_version_string");
    }
    if (core->host.grpc_version != grpc_version_string) {
        return report(err, NK_E_USAGE,
                      "this program has a gRPC core of its own (linked in, or another copy of "
                      "libgrpc); credentials of this one would crash it: link it with the system's "
                      "libgrpc");
    }
    if (grpc_is_initialized() == 0) {
        return report(err, NK_E_USAGE, "call grpc_init before asking for credentials");
    }
    if (atomic_load(&core->closed)) {
        return report(err, NK_E_CLOSED, "instance closed");
    }
    return publish_check(core->publication, our_role, err);
}

/* Identity from the watcher, judgement by our verifier: what both roles have in common. There is no
 * way to options without the verifier. NULL: nothing was made. */
static grpc_tls_credentials_options *make_options(struct core *core, int our_role,
                                                  uint32_t peer_role)
{
    const char *path = publish_path(core->publication, our_role);
    grpc_tls_certificate_verifier_external *external = verifier_new(core, peer_role);

    if (external == NULL) {
        return NULL;
    }
    grpc_tls_certificate_provider *provider =
        grpc_tls_certificate_provider_file_watcher_create(path, path, NULL, WATCH_INTERVAL_SECONDS);
    if (provider == NULL) {
        verifier_free(external);
        return NULL;
    }
    grpc_tls_certificate_verifier *verifier =
        grpc_tls_certificate_verifier_external_create(external);
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_credentials_options_set_certificate_provider(options, provider);
    grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
    grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
    grpc_tls_certificate_verifier_release(verifier);
    grpc_tls_certificate_provider_release(provider);
    return options;
}

nk_status credentials_server(struct core *core, grpc_server_credentials **ret, nk_error *err)
{
    nk_status status = check_core(core, OUR_SERVER, err);
    if (status != NK_OK) {
        return status;
    }
    grpc_tls_credentials_options *options = make_options(core, OUR_SERVER, NK_PEER_IS_CLIENT);
    if (options == NULL) {
        return report(err, NK_E_NOMEM, "no memory for credentials");
    }
    /* gRPC's own check is off, since it would refuse before us, without a name and by laxer rules;
     * TLS still proves possession of the key. */
    grpc_tls_credentials_options_set_cert_request_type(
        options, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
    grpc_server_credentials *made = grpc_tls_server_credentials_create(options);
    if (made == NULL) {
        return report(err, NK_E_INTERNAL, "gRPC makes no server credentials");
    }
    *ret = made;
    return NK_OK;
}

nk_status credentials_channel(struct core *core, grpc_channel_credentials **ret, nk_error *err)
{
    nk_status status = check_core(core, OUR_CLIENT, err);
    if (status != NK_OK) {
        return status;
    }
    grpc_tls_credentials_options *options = make_options(core, OUR_CLIENT, NK_PEER_IS_SERVER);
    if (options == NULL) {
        return report(err, NK_E_NOMEM, "no memory for credentials");
    }
    grpc_tls_credentials_options_set_verify_server_cert(options, 0);
    grpc_tls_credentials_options_set_check_call_host(options,
                                                     policy_checks_call_host(core->policy) ? 1 : 0);
    grpc_channel_credentials *made = grpc_tls_credentials_create(options);
    if (made == NULL) {
        return report(err, NK_E_INTERNAL, "gRPC makes no channel credentials");
    }
    *ret = made;
    return NK_OK;
}

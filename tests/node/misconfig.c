/* SPDX-License-Identifier: Apache-2.0 */
#include "node/misconfig.h"

#include <stdlib.h>

#include <grpc/grpc.h>

#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define HOUR 3600L

static struct misconfig_world *world;

static X509 *issue(const struct federation *by, EVP_PKEY *subject, long starts, long ends)
{
    struct certificate_spec spec = member_spec(&world->federation, "alice");
    spec.starts_in_seconds = starts;
    spec.ends_in_seconds = ends;
    return authority_issue(&by->intermediate, subject, &spec);
}

/* Takes over `certificate`. With an issuer it goes into the file, too. */
static void save(const char *file, X509 *certificate, const struct authority *issuer)
{
    char *pem = pem_of(certificate, issuer != NULL ? issuer->certificate : NULL, NULL);
    write_file(path_of("%s/%s", world->federation.folder, file), pem, 0644);
    free(pem);
    X509_free(certificate);
}

static void save_text(const char *file, const char *text, unsigned mode)
{
    write_file(path_of("%s/%s", world->federation.folder, file), text, mode);
}

static void make_certificates(void)
{
    const struct authority *ours = &world->federation.intermediate;
    EVP_PKEY *key = softhsm_public_key("alice", "identity", "01");
    struct certificate_spec client = member_spec(&world->federation, "alice");
    client.eku = "clientAuth";
    save("expired.pem", issue(&world->federation, key, -2 * HOUR, -HOUR), ours);
    save("future.pem", issue(&world->federation, key, HOUR, 2 * HOUR), ours);
    save("foreign.pem", issue(&world->strangers, key, 0, 0), &world->strangers.intermediate);
    save("alone.pem", issue(&world->federation, key, 0, 0), NULL);
    save("client.pem", authority_issue(ours, key, &client), ours);
    save("leaf.pem", issue(&world->federation, key, 0, 0), NULL);
    X509_up_ref(ours->certificate);
    save("intermediate.pem", ours->certificate, NULL);
    save_text("garbage.pem", "-----BEGIN CERTIFICATE-----\nnot base64\n", 0644);
    save_text("empty.pem", "", 0644);
    EVP_PKEY_free(key);
}

static void import(const char *object, const char *id, bool extractable)
{
    EVP_PKEY *key = software_key("P-256");
    softhsm_import("alice", key, object, id, extractable);
    save(path_of("alice-%s.pem", object), issue(&world->federation, key, 0, 0),
         &world->federation.intermediate);
    EVP_PKEY_free(key);
}

void misconfig_make(struct misconfig_world *made)
{
    world = made;
    softhsm_start();
    grpc_init();
    federation_make(&world->federation, "example.org");
    federation_make(&world->strangers, "example.net");
    federation_enrol(&world->federation, &world->alice, "alice", "P-256");
    world->alice.module = faulty_start();
    member_add_key(&world->alice, "rsa", "02", "RSA-2048");
    member_add_key(&world->alice, "small", "03", "RSA-1024");
    member_add_key(&world->alice, "second", "04", "P-256");
    import("loose", "05", true);
    import("imported", "06", false);
    softhsm_generate("alice", "P-256", "double", "07");
    softhsm_generate("alice", "P-256", "double", "08");
    softhsm_token("twin");
    softhsm_token("twin");
    make_certificates();
    save_text("wrong.pin", "0000-willow", 0600);
    save_text("open.pin", SOFTHSM_PIN, 0644);
    save_text("empty.pin", "", 0600);
    save_text("newline.pin", SOFTHSM_PIN "\n", 0600);
}

void misconfig_free(struct misconfig_world *made)
{
    member_free(&made->alice);
    federation_free(&made->federation);
    federation_free(&made->strangers);
    rpc_shutdown();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "federation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <grpc/grpc_security.h>
#include <jansson.h>

#include "revocation.h"
#include "softhsm.h"

static void die(const char *what, const char *why)
{
    fprintf(stderr, "federation: %s: %s\n", what, why);
    abort();
}

void federation_make(struct federation *federation, const char *name)
{
    federation->name = name;
    federation->folder = path_of("%s/%s", scratch_folder(), name);
    if (mkdir(federation->folder, 0700) != 0) {
        die(federation->folder, "cannot be made");
    }
    federation->root = authority_make(NULL, path_of("%s root", name), NULL);
    federation->intermediate =
        authority_make(&federation->root, path_of("%s intermediate", name), NULL);
    char *pem = pem_of(federation->root.certificate, NULL);
    write_file(path_of("%s/ca.pem", federation->folder), pem, 0644);
    free(pem);
}

void federation_free(struct federation *federation)
{
    authority_free(&federation->root);
    authority_free(&federation->intermediate);
}

void federation_write_crls(const struct federation *federation, long number, X509 **revoked)
{
    struct crl_spec root = { .issuer = &federation->root, .number = number };
    struct crl_spec intermediate = { .issuer = &federation->intermediate, .number = number };

    for (size_t i = 0; revoked != NULL && revoked[i] != NULL && i < CRL_REVOKED_MAX; i++) {
        intermediate.revoked[i] = revoked[i];
    }
    crl_write(path_of("%s/root.crl", federation->folder), &root);
    crl_write(path_of("%s/intermediate.crl", federation->folder), &intermediate);
}

struct certificate_spec member_spec(const struct federation *federation, const char *label)
{
    return (struct certificate_spec){
        .cn = label,
        .san = path_of("URI:spiffe://%s/node/%s,IP:127.0.0.1", federation->name, label),
    };
}

void member_write_certificate(const struct member *member, const char *file, X509 *leaf)
{
    char *pem = pem_of(leaf, member->federation->intermediate.certificate, NULL);
    write_file(path_of("%s/%s", member->federation->folder, file), pem, 0644);
    free(pem);
}

static X509 *certify(const struct member *member, const char *object, const char *id)
{
    struct certificate_spec spec = member_spec(member->federation, member->label);
    EVP_PKEY *key = softhsm_public_key(member->label, object, id);
    X509 *leaf = authority_issue(&member->federation->intermediate, key, &spec);
    EVP_PKEY_free(key);
    return leaf;
}

void federation_enrol(const struct federation *federation, struct member *member, const char *label,
                      const char *key_type)
{
    *member = (struct member){
        .federation = federation,
        .label = label,
        .module = "softhsm",
        .uri = path_of("spiffe://%s/node/%s", federation->name, label),
    };
    softhsm_token(label);
    softhsm_generate(label, key_type, "identity", "01");
    member->leaf = certify(member, "identity", "01");
    member_write_certificate(member, path_of("%s.pem", label), member->leaf);
    write_file(path_of("%s/%s.pin", federation->folder, label), SOFTHSM_PIN, 0600);
    char *config = member_config(member, "{}");
    write_file(path_of("%s/%s.json", federation->folder, label), config, 0644);
    free(config);
}

void member_add_key(const struct member *member, const char *object, const char *id,
                    const char *key_type)
{
    softhsm_generate(member->label, key_type, object, id);
    X509 *leaf = certify(member, object, id);
    member_write_certificate(member, path_of("%s-%s.pem", member->label, object), leaf);
    X509_free(leaf);
}

void member_free(struct member *member)
{
    X509_free(member->leaf);
}

/* RFC 7386. Borrows both; `target` is changed in place. */
static void merge(json_t *target, json_t *patch)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(patch, key, value)
    {
        json_t *old = json_object_get(target, key);
        if (json_is_null(value)) {
            json_object_del(target, key);
        } else if (json_is_object(value) && json_is_object(old)) {
            merge(old, value);
        } else {
            json_object_set(target, key, value);
        }
    }
}

char *member_config(const struct member *member, const char *patch)
{
    const char *label = member->label;
    json_error_t error;
    json_t *config = json_pack_ex(
        &error, 0, "{s:i, s:{s:s, s:s, s:s, s:{s:s}}, s:{s:[s]}, s:[{s:s, s:[s]}]}", "version", 1,
        "node", "module", member->module, "key", path_of("pkcs11:token=%s;object=identity", label),
        "certificate", path_of("%s.pem", label), "pin", "file", path_of("%s.pin", label),
        "federation", "roots", "ca.pem", "admit", "name", "members", "uri",
        path_of("spiffe://%s/node/*", member->federation->name));
    json_t *change = config != NULL ? json_loads(patch, 0, &error) : NULL;
    if (change == NULL) {
        die("configuration", error.text);
    }
    merge(config, change);
    char *text = json_dumps(config, JSON_INDENT(2));
    json_decref(change);
    json_decref(config);
    return text;
}

const char *member_patch_key(const struct member *member, const char *object)
{
    return path_of("{\"node\": {\"key\": \"pkcs11:token=%s;object=%s\", "
                   "\"certificate\": \"%s-%s.pem\"}}",
                   member->label, object, member->label, object);
}

void node_prepare(struct node *node)
{
    *node = (struct node){ .instance = NULL };
    node->log = recorder_new();
    node->host = recording_host(node->log);
}

void node_open_with(struct node *node, const struct member *member, const char *patch)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };
    char *config = member_config(member, patch);
    if (plugin->open_text(&node->host, config, member->federation->folder, &node->instance, &err) !=
            NK_OK ||
        plugin->server_credentials(node->instance, &node->server, &err) != NK_OK ||
        plugin->channel_credentials(node->instance, &node->channel, &err) != NK_OK) {
        die(member->label, err.text);
    }
    free(config);
}

void node_open(struct node *node, const struct member *member, const char *patch)
{
    node_prepare(node);
    node_open_with(node, member, patch);
}

void node_close(struct node *node)
{
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials_release(node->server);
    grpc_channel_credentials_release(node->channel);
    if (plugin_load()->close(node->instance, &err) != NK_OK) {
        die("close", err.text);
    }
}

struct tls_peer stranger_make(const struct federation *federation)
{
    struct certificate_spec spec = member_spec(federation, "stranger");
    EVP_PKEY *key = software_key("P-256");

    return (struct tls_peer){
        .key = key,
        .certificate = authority_issue(&federation->intermediate, key, &spec),
        .issuers = { federation->intermediate.certificate },
        .root = federation->root.certificate,
    };
}

void stranger_free(struct tls_peer *stranger)
{
    X509_free(stranger->certificate);
    EVP_PKEY_free(stranger->key);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * nodekey plugin ABI, version 0: mutual-TLS gRPC credentials whose private key stays in a PKCS#11
 * token. From 0.3 on a minor version only appends members, so that a program works with every later
 * plugin of its major version; it asks for abi_minor or more, and by NK_HAS for what is newer.
 *
 * A host dlopens nodekey.so by absolute path, looks up NK_ENTRY_SYMBOL and reads one constant table
 * from it (nk_load of load.h). Nothing else is exported. Plain C types only. Every struct that
 * crosses begins with its size:
 *     nk_error err = { .struct_size = sizeof(err) };
 * A call that fails leaves its *ret untouched. The order of calls in a host:
 *     grpc_init, open_file, server_credentials and channel_credentials, ..., release the
 *     credentials, close, grpc_shutdown
 * but every order of the last three is safe, and so is exit() without them. An exit handler or
 * static destructor of the host that stops a gRPC server may have to wait for some seconds for
 * threads that nodekey parks at exit: stop servers before exit(). gRPC's own threads use OpenSSL to
 * the very end, so the first open asks OpenSSL not to clean up at exit, which it heeds if nobody in
 * the process has used it before; OPENSSL_atexit handlers do not run then.
 * Calls leave the thread's OpenSSL error queue empty.
 *
 * Words used below
 *   borrowed   the callee may read it until the call returns, and keeps no pointer to it
 *   owned      the receiver must hand it to the named function exactly once
 *   [any]      callable from any thread, concurrently
 *   [one]      one caller at a time per instance; the host serialises
 *   [plugin]   a callback of the host that the plugin calls on a thread of its own
 *   later      answers NK_E_UNSUPPORTED in this version */
#ifndef NODEKEY_PLUGIN_H
#define NODEKEY_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NK_ABI_MAJOR 0u /* a bump breaks: the entry symbol is renamed with it */
#define NK_ABI_MINOR 4u /* grows when members are appended */
#define NK_ENTRY_SYMBOL "nodekey_plugin_v0"
#define NK_ERROR_TEXT_BYTES 1024
#define NK_RULE_NAME_BYTES 64
#define NK_REASON_BYTES 40
#define NK_DETAIL_BYTES 256
#define NK_SHA256_BYTES 32

/* The status of a call: what the caller should do next. Codes are appended: treat an unknown one as
 * NK_E_INTERNAL. */
typedef int32_t nk_status;
enum {
    NK_OK = 0,
    NK_E_USAGE = 1,       /* the call breaks this contract; fix the host */
    NK_E_CONFIG = 2,      /* fix the configuration, then open again */
    NK_E_PIN = 3,         /* PIN absent, wrong or locked; give the right one, then open again */
    NK_E_TOKEN = 4,       /* module or token is away or ailing; may come back by itself */
    NK_E_IDENTITY = 5,    /* our key or certificate is absent or unfit: enrol again */
    NK_E_TRUST = 6,       /* roots or CRLs are absent or unfit: get them from the federation */
    NK_E_PEER = 7,        /* the peer's certificate could not be evaluated; it is refused */
    NK_E_CLOSED = 8,      /* the instance is closed; open another */
    NK_E_UNSUPPORTED = 9, /* known, but not in this version: remove the member or update */
    NK_E_NOMEM = 10,
    NK_E_INTERNAL = 11, /* a bug or a full disk: the text says where; report it */
};

/* Whose number nk_error.native is. */
enum { NK_NATIVE_NONE = 0, NK_NATIVE_ERRNO = 1, NK_NATIVE_CKR = 2, NK_NATIVE_OPENSSL = 3 };

/* Lives in the caller's frame: nothing to free, nothing thread-local. The first failure wins. */
typedef struct nk_error {
    uint32_t struct_size; /* in: sizeof(nk_error) */
    nk_status status;     /* in: NK_OK, or nothing is written */
    uint32_t native_kind; /* NK_NATIVE_* */
    uint32_t reserved;
    uint64_t native;                /* errno, CK_RV or OpenSSL code: what happened */
    char text[NK_ERROR_TEXT_BYTES]; /* one line of UTF-8: what to do; never a PIN or key bytes */
} nk_error;

/* Which end of the connection the PEER is. Always the peer's role, never ours. */
enum {
    NK_PEER_IS_CLIENT = 1, /* the peer dialled us: inbound */
    NK_PEER_IS_SERVER = 2, /* we dialled the peer: outbound */
};

/* Zero means no: a verdict nobody wrote is a refusal. */
enum { NK_DENY = 0, NK_ALLOW = 1 };

/* Whether a peer may connect. "Could be evaluated" is the status of the call, not this. */
typedef struct nk_verdict {
    uint32_t struct_size;          /* in: sizeof(nk_verdict) */
    uint32_t decision;             /* NK_DENY or NK_ALLOW */
    char rule[NK_RULE_NAME_BYTES]; /* the rule that decided; "" when none did */
    char reason[NK_REASON_BYTES];  /* a refusal's label, of a closed set (README); else "" */
    char detail[NK_DETAIL_BYTES];  /* one line for the operator: what was seen */
} nk_verdict;

enum { NK_NAME_URI = 1, NK_NAME_DNS = 2, NK_NAME_IP = 3, NK_NAME_EMAIL = 4 };

/* A subjectAltName. `text` is printable ASCII; an IP is in RFC 5952 form. */
typedef struct nk_name {
    uint32_t kind; /* NK_NAME_* */
    uint32_t reserved;
    const char *text;
} nk_name;

typedef struct nk_bytes {
    const uint8_t *data;
    size_t len;
} nk_bytes;

/* A peer, as its certificate says. Everything pointed to lives as long as the struct itself. */
typedef struct nk_peer {
    uint32_t struct_size;
    uint32_t role;         /* NK_PEER_IS_* */
    const char *target;    /* the dialled host without port; NULL when the peer dialled us */
    const nk_bytes *chain; /* DER, leaf first; a resumed connection may carry the leaf alone */
    size_t chain_len;
    const nk_name *names;
    size_t names_len;
    const char *common_name;              /* "" when the subject has none */
    uint8_t leaf_sha256[NK_SHA256_BYTES]; /* of the leaf's DER */
    uint8_t spki_sha256[NK_SHA256_BYTES]; /* of its SubjectPublicKeyInfo, RFC 7469 section 2.4 */
    const char *rule;                     /* the admit rule; "all-certified" when that admits */
} nk_peer;

typedef struct nk_instance nk_instance; /* opaque; owned, ends with close */

/* A key of ours and the certificates that we show with it, for a TLS library that asks for
 * signatures itself: gRPC on BoringSSL, by gRFC A107. Counted: signer_ref, signer_free. It outlives
 * `close`, after which it signs nothing: NK_E_CLOSED. */
typedef struct nk_signer nk_signer;
typedef struct nk_signing nk_signing; /* a signature that was started; owned: signing_free */
#define NK_SIGNATURE_BYTES 1024       /* room for every signature */

/* Called exactly once for each sign_start that succeeded, never inside it, but on a [plugin] thread
 * perhaps before it has returned. No lock of ours is held. `err` has the status and the text; on
 * NK_OK `signature` is of `len` bytes; both are borrowed. Everything of nk_signer and nk_signing
 * may be called here; close must not. */
typedef void nk_sign_done(void *arg, const uint8_t *signature, size_t len,
                          const struct nk_error *err);

struct grpc_channel_credentials;
struct grpc_server_credentials;
struct grpc_auth_context;
struct grpc_call;
struct grpc_tls_certificate_provider;
struct nk_plugin; /* below: the functions of the plugin */

/* nk_host.flags. What is loaded (configuration, roots, CRLs, certificate, module, PIN) is refused
 * where others than root and this process's user decide what its path leads to: by owning or
 * writing to a folder or link on the way, from "/" on. NK_HOST_TRUST_FOLDERS leaves that out, for
 * this instance and its reloads: whoever starts the process answers for the folders. Owner and mode
 * of the files themselves, of folders of CRLs and of state_dir are looked at all the same. */
enum { NK_HOST_TRUST_FOLDERS = 1 };

enum { NK_LOG_ERROR = 0, NK_LOG_WARNING = 1, NK_LOG_INFO = 2, NK_LOG_DEBUG = 3 };

/* A function of any type; whoever calls it has cast it to its own. */
typedef void (*nk_function)(void);

/* The functions of the host. open copies the table; host_data and the functions behind it must stay
 * valid until close has returned, every server and channel made with the credentials is destroyed,
 * the credentials are released, and no verify_peer is running any more; or until the process ends.
 * No callback may call close; every one may be called from a gRPC thread and must not block on
 * gRPC. Members left NULL are optional unless said otherwise. */
typedef struct nk_host {
    uint32_t struct_size; /* sizeof(nk_host) */
    uint32_t reserved;    /* 0, or open answers NK_E_USAGE */
    void *host_data;      /* handed back in every callback */
    /* [any] Required for credentials: &grpc_version_string as the host sees it, and no function of
     * the host's that calls it: beside it are the functions of the gRPC core that is called. One
     * process has one core, and one nodekey.so. */
    const char *(*grpc_version)(void);
    /* [any] `line` is borrowed, one line without newline. */
    void (*log)(void *host_data, int32_t level, const char *line);
    /* [any] For "pin": {"prompt": true}. Writes at most `room` bytes without a terminator and their
     * number; the plugin wipes `buf`. Any status but NK_OK fails `open` with NK_E_PIN. */
    nk_status (*ask_pin)(void *host_data, const char *token_label, char *buf, size_t room,
                         size_t *ret_len);
    /* [plugin] Asked after our own policy said yes; can only narrow. Eight calls run at a time,
     * further peers wait for one of them to end, each at most host.verify_timeout_ms from its
     * arrival to its verdict: late is no. `peer` and `verdict` stay valid until it returns, even
     * late. A call that takes more than half that time while others wait runs on beside the eight,
     * and so does a late one; at most 64 run in all, and while 64 late ones have not come back,
     * peers are refused unasked. A status other than NK_OK or an unwritten verdict refuse. */
    nk_status (*verify_peer)(void *host_data, const nk_peer *peer, nk_verdict *verdict);
    /* [plugin], or on the caller's thread in open and reload. `name` and `json`, an object, are
     * borrowed. README lists them: "policy", "reload-failed", "rotated", "crl-expiring",
     * "crl-expired". */
    void (*event)(void *host_data, const char *name, const char *json);

    /* since 0.3 */

    uint32_t flags;      /* NK_HOST_*; another bit is NK_E_USAGE */
    uint32_t reserved_2; /* 0, as `reserved` */
    /* [any] For programs that have gRPC linked in statically: the function of that name, or NULL.
     * `nodekey/core.h` has one. With a shared gRPC it stays NULL: the functions are found beside
     * grpc_version. Asked in `open`. */
    nk_function (*symbol)(const char *name);

    /* since 0.4 */

    /* [any] For programs whose gRPC carries BoringSSL, which takes no key from OpenSSL:
     * `nodekey/boringssl.hpp` has one. Gives `provider`, an in-memory provider of gRPC's, a pair of
     * this signer and these certificates (PEM, leaf first): at the first credentials of a role,
     * when a renewed certificate comes, and the same once more when gRPC's TLS shall forget
     * sessions, for which the pair must be another object of gRPC's each time. `plugin` is this
     * plugin's table, for ever; the others are borrowed: signer_ref to keep the signer. Not asked
     * where gRPC uses OpenSSL. NK_E_UNSUPPORTED: this gRPC takes no signers. Calls no function of
     * nk_plugin but signer_ref and signer_free. */
    nk_status (*set_identity)(void *host_data, const struct nk_plugin *plugin,
                              struct grpc_tls_certificate_provider *provider, nk_signer *signer,
                              const char *chain_pem);
} nk_host;

typedef struct nk_plugin {
    uint32_t struct_size; /* sizeof(nk_plugin) as this plugin was compiled */
    uint16_t abi_major;
    uint16_t abi_minor;
    const char *version; /* of the plugin, "0.1.0" */

    /* fork(): before grpc_init, a child opens an instance of its own and is a node. What a parent
     * opened is the parent's: every call on it but close is NK_E_USAGE in a child ("forked: ..."),
     * and close gives back only what the child itself has with the token. Keys that the parent has
     * loaded into OpenSSL, and its signers, sign in its children; what it had started is answered
     * in the parent alone. fork() waits for calls inside a module, at most three seconds, and not
     * twice for one that hangs. Fork while no thread is in OpenSSL, as with any program on it, and
     * not from a callback of ours. */

    /* since 0.1 */

    /* [any] Reads the configuration (README, examples/nodekey.schema.json), loads the module, logs
     * in and checks everything that can be checked before a handshake: roots, key, certificate, and
     * a real signature per TLS scheme that the key will need. May block for as long as the module
     * does. `host` and `path` are borrowed. *ret is owned: close.
     * Errors: any but PEER and CLOSED; the text names the member, the file or the object. */
    nk_status (*open_file)(const nk_host *host, const char *path, nk_instance **ret, nk_error *err);
    /* [any] The same from text; relative paths in it are relative to `base_dir`. */
    nk_status (*open_text)(const nk_host *host, const char *text, const char *base_dir,
                           nk_instance **ret, nk_error *err);
    /* [one] Ends the instance: no other call on it may be under way, or follow. From here new
     * handshakes are refused ("instance closed") and key uses fail. Waits for signatures inside the
     * module, at most token.login_timeout_ms; then logs out if no other instance uses the token.
     * Cancels guarded calls. Also waits for a reload under way and for callbacks of the host that
     * run on our thread: hold no lock that those want.
     * NULL is allowed. NK_E_USAGE, and nothing happens, when called from one of our callbacks. */
    nk_status (*close)(nk_instance *instance, nk_error *err);

    /* [any] *ret is owned: grpc_server_credentials_release(). grpc_init comes before. After close
     * the object is safe to hold and release, but admits nobody. One object serves any number of
     * ports. Do not call grpc_server_credentials_set_auth_metadata_processor on it.
     * NK_E_USAGE: no grpc_init, or host->grpc_version absent (`open` looks whose it is).
     * NK_E_CLOSED. The first credentials of an instance start its grpc.lent_threads, where gRPC
     * signs on threads that poll; NK_E_INTERNAL: the system gives us no such number of threads.
     * Host code that gRPC runs on one cannot call close. */
    nk_status (*server_credentials)(nk_instance *instance, struct grpc_server_credentials **ret,
                                    nk_error *err);
    /* [any] *ret is owned: grpc_channel_credentials_release(). One object serves any number of
     * channels; make one and keep it. Errors as above. */
    nk_status (*channel_credentials)(nk_instance *instance, struct grpc_channel_credentials **ret,
                                     nk_error *err);

    /* [any] The policy's verdict on `pem` (certificates, leaf first), as if a peer of that role had
     * shown them now; the host's verify_peer is not asked. `target` is the dialled host for
     * NK_PEER_IS_SERVER, else NULL. NK_OK means "evaluated": read the verdict; any other status
     * leaves NK_DENY in it. `ret_json` may be NULL; else *ret_json is owned: free_text. It tells
     * for each rule whether it matched and why not. NK_E_PEER: not certificates, or too large. */
    nk_status (*check_peer)(nk_instance *instance, uint32_t role, const char *target,
                            const char *pem, size_t pem_len, nk_verdict *verdict, char **ret_json,
                            nk_error *err);
    /* [any] Who is at the other end: from the auth context of a call (grpc_call_auth_context,
     * borrowed). Judged again by the policy in force, so `rule` is true now; a peer that it no
     * longer admits, or a context that is not mutual TLS, is NK_E_PEER. *ret is owned by the
     * caller: free_peer. */
    nk_status (*peer_identity)(nk_instance *instance, uint32_t role,
                               const struct grpc_auth_context *context, nk_peer **ret,
                               nk_error *err);

    /* [any] From here to unguard_call a thread of the plugin judges the peer of `call` again after
     * each change of the policy, and when a certificate or CRL runs out, and cancels the call with
     * UNAUTHENTICATED when it is refused; so does close. For streams: short calls are judged when
     * they begin. `role` is the peer's, as in peer_identity. Call it when the call has a peer: on a
     * server when it was accepted, on a client when initial metadata has come. The plugin keeps a
     * reference to the call until unguard_call or close, so both come before grpc_shutdown.
     * NK_E_PEER: not admitted now (the call is cancelled), or no peer yet. NK_E_USAGE: guarded
     * already. */
    nk_status (*guard_call)(nk_instance *instance, uint32_t role, struct grpc_call *call,
                            nk_error *err);
    /* [any] Exactly once for each guard_call that succeeded, cancelled or not, before close.
     * NK_E_USAGE: it was not guarded. */
    nk_status (*unguard_call)(nk_instance *instance, struct grpc_call *call, nk_error *err);

    /* [any] Reads configuration (if it came from a file), roots, CRLs and certificates again now,
     * as a change of these files does by itself within reload.interval_seconds. Each part that is
     * good comes into force: trust at once, a renewed certificate for the same key when gRPC has
     * taken it (event "rotated"). The status tells of the first part that is not; that one stays as
     * it was. NK_E_UNSUPPORTED: a change that takes effect at the next start only. Not from one of
     * our callbacks, nor where gRPC runs host code on a lent thread: NK_E_USAGE. */
    nk_status (*reload)(nk_instance *instance, nk_error *err);
    /* [any] later: the state as JSON. */
    nk_status (*status)(nk_instance *instance, char **ret_json, nk_error *err);
    /* [any] later: OpenMetrics text. */
    nk_status (*metrics)(nk_instance *instance, char **ret_text, nk_error *err);

    /* [any] For what check_peer wrote to *ret_json. NULL is allowed. */
    void (*free_text)(char *text);
    /* [any] For what peer_identity wrote to *ret. NULL is allowed. */
    void (*free_peer)(nk_peer *peer);

    /* since 0.2 */

    /* [any] Is what a peer claims to be its own? `claim` is a host name or an address, with or
     * without a port: "10.0.0.7:7000", "[2001:db8::7]:7000", "node-7.example". Compared with the
     * names of the certificate: addresses by value, names case-insensitively and exactly; a
     * wildcard name owns no host. NK_E_PEER: it is not the peer's, or no such thing at all; the
     * text says what the certificate names instead. */
    nk_status (*check_claim)(const nk_peer *peer, const char *claim, nk_error *err);

    /* since 0.4 */

    /* [any] Our key and certificates of now, towards peers of this role; a renewed certificate is
     * another signer's. For hosts that bring signatures to their TLS library themselves; `open` and
     * set_identity are all that gRPC needs. *ret is owned: signer_free. */
    nk_status (*signer)(nk_instance *instance, uint32_t role, nk_signer **ret, nk_error *err);
    /* [any] Our certificates in PEM, leaf first; as long as the signer lives. */
    const char *(*signer_chain)(const nk_signer *signer);
    /* [any] 1: `sign` is quicker than two changes of threads, by the test signatures of `open` and
     * by those under way, and no token.sign_timeout_ms is set; 0: sign_start, which blocks nobody.
     * Ask before each signature. */
    uint32_t (*signer_is_quick)(const nk_signer *signer);
    /* [any] One signature, on the token, while the caller waits, as long as token.sign_timeout_ms
     * lets. `algorithm` is a TLS SignatureScheme (RFC 8446 section 4.2.3): 0x0403 for
     * ecdsa_secp256r1_sha256, which in TLS 1.2 any EC key makes. `input` is the whole message,
     * hashed here. ECDSA comes in DER, as TLS sends it. `room`: NK_SIGNATURE_BYTES.
     * NK_E_UNSUPPORTED: no algorithm of this key's; NK_E_USAGE: it begins with 64 spaces and is no
     * CertificateVerify of this role (section 4.4.3), or less room; NK_E_TOKEN, NK_E_CLOSED. */
    nk_status (*sign)(nk_signer *signer, uint32_t algorithm, const uint8_t *input, size_t len,
                      uint8_t *signature, size_t room, size_t *ret_len, nk_error *err);
    /* [any] The same for callers who are called back: blocks for nothing. A signature that takes
     * longer than token.sign_timeout_ms, 3 s where that is 0, fails. Refused at once, without
     * `done`: the errors of `sign`, and NK_E_TOKEN where the token is known to be away, or
     * token.max_waiting_inbound of our peers' wait. *ret is owned: signing_free. */
    nk_status (*sign_start)(nk_signer *signer, uint32_t algorithm, const uint8_t *input, size_t len,
                            nk_sign_done *done, void *arg, nk_signing **ret, nk_error *err);
    /* [any] `done` comes soon, with NK_E_CLOSED if the signature has not come before. Waits for
     * nothing: it may be called under a lock that `done` takes. */
    void (*sign_cancel)(nk_signing *signing);
    /* [any] Before or after `done`, which comes all the same. NULL is allowed. */
    void (*signing_free)(nk_signing *signing);
    /* [any] One more user of the signer, who calls signer_free. */
    void (*signer_ref)(nk_signer *signer);
    /* [any] NULL is allowed. Signatures under way go on. */
    void (*signer_free)(nk_signer *signer);
} nk_plugin;

/* Whether the other side's struct reaches this member. Ask before touching what is newer than the
 * minor version that you require. */
#define NK_HAS(type, p, member) ((p)->struct_size >= offsetof(type, member) + sizeof((p)->member))

/* The one export. No side effects, no allocation: safe to call only to look. [any] */
typedef const nk_plugin *(*nk_entry_fn)(void);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0
 * Dialled names as people write them, against a server's SAN. Each row is dialled over loopback
 * with our credentials and with gRPC's own TLS, and judged by check_peer, as `explain` does: one
 * verdict before, on and after the connection, gRPC's own unless ours is the stricter. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/auto.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define PLAIN "%s"
#define BRACKETS "[%s]"

static struct federation federation;
static struct member alice;
static struct node node;
static const nk_plugin *plugin;
static EVP_PKEY *key;
static grpc_channel_credentials *stock;
static bool have_ipv6;

enum verdict {
    NEITHER,
    BOTH,
    STOCK, /* alone: ours is stricter, by the source above the row */
};

static const struct target_row {
    const char *host; /* as gRPC hands it to a verifier */
    const char *san;
    enum verdict fits;
    const char *dial; /* what stands before the port; NULL: 127.0.0.1, with `host` as authority */
    const char *part; /* of the detail; NULL: any */
} rows[] = {
    /* case: RFC 4343 3; these held */
    { "localhost", "DNS:localhost", BOTH, PLAIN, NULL },
    { "LOCALHOST", "DNS:localhost", BOTH, PLAIN, NULL },
    { "localhost", "DNS:LocalHost", BOTH, "dns:///%s", NULL },
    { "node-7.example.org", "DNS:node-7.example.org", BOTH, NULL, NULL },
    /* a dot at the end, which makes the same name absolute: RFC 1034 3.1 */
    { "localhost", "DNS:localhost.", BOTH, PLAIN, NULL },
    { "localhost", "DNS:localhost.", BOTH, "dns:///%s", NULL },
    { "localhost.", "DNS:localhost", BOTH, NULL, NULL },
    { "node-7.example.org.", "DNS:node-7.example.org", BOTH, NULL, NULL },
    { "NODE-7.Example.ORG.", "DNS:node-7.example.org", BOTH, NULL, NULL },
    { "node-7.example.org", "DNS:node-7.example.org.", BOTH, NULL, NULL },
    { "node-7.example.org.", "DNS:*.example.org", BOTH, NULL, NULL },
    /* and its brothers that held */
    { "node-7.example.org.", "DNS:node-7.example.org.", BOTH, NULL, NULL },
    { "node-8.example.org.", "DNS:node-7.example.org", NEITHER, NULL, NULL },
    { "node-7.example.org..", "DNS:node-7.example.org", NEITHER, NULL, NULL },
    { "node-7.example.org..", "DNS:node-7.example.org.", NEITHER, NULL, NULL },
    { "node-7.example.org.", "DNS:node-7.example.org..", NEITHER, NULL, NULL },
    { "example.org.", "DNS:*.example.org", NEITHER, NULL, NULL },
    { "a.b.example.org.", "DNS:*.example.org", NEITHER, NULL, NULL },
    { "node-7.org.", "DNS:*.org", NEITHER, NULL, NULL },
    /* RFC 5280 4.2.1.6: wildcards are no preferred name syntax, and RFC 6125 6.4.3 lets in only a
     * whole left-most label, before labels */
    { "node-7.example.org", "DNS:*.example.org.", STOCK, NULL, NULL },
    /* RFC 1123 2.1, by RFC 5280 4.2.1.6: letters, digits and hyphens are what a star serves as */
    { "node_7.example.org", "DNS:*.example.org", STOCK, NULL, NULL },
    { "node_7.example.org", "DNS:node_7.example.org", BOTH, NULL, NULL },
    /* RFC 1034 3.5: no label is empty */
    { ".example.org", "DNS:*.example.org", STOCK, NULL, NULL },
    { ".example.org", "DNS:a.example.org", NEITHER, NULL, NULL },
    /* IPv4; these held */
    { "127.0.0.1", "IP:127.0.0.1", BOTH, PLAIN, NULL },
    { "127.0.0.1", "IP:127.0.0.1", BOTH, "ipv4:%s", NULL },
    { "127.0.0.1", "IP:127.0.0.1", BOTH, "dns:///%s", NULL },
    { "127.0.0.2", "IP:127.0.0.1", NEITHER, NULL, NULL },
    /* RFC 5280 4.2.1.6: an address is an iPAddress, and RFC 1034 3.1 is about names */
    { "127.0.0.1", "DNS:127.0.0.1", STOCK, PLAIN, NULL },
    { "127.0.0.1.", "IP:127.0.0.1", STOCK, NULL, NULL },
    { "127.0.0.1.", "DNS:127.0.0.1", STOCK, NULL, NULL },
    /* what getaddrinfo, gRPC's resolver by choice, would connect to 127.0.0.1 */
    { "127.1", "IP:127.0.0.1", NEITHER, NULL, NULL },
    { "2130706433", "IP:127.0.0.1", NEITHER, NULL, NULL },
    { "0x7f.1", "IP:127.0.0.1", NEITHER, NULL, NULL },
    { "127.0.0.01", "IP:127.0.0.1", NEITHER, NULL, NULL },
    /* and as a name, which gRPC compares as text alone where there are four numbers of at most four
     * digits; a name does not end so: RFC 1123 2.1 */
    { "127.0.0.01", "DNS:*.0.0.01", NEITHER, NULL, NULL },
    { "0177.0.0.1", "DNS:*.0.0.1", NEITHER, NULL, NULL },
    { "127.0.0.01", "DNS:127.0.0.01.", NEITHER, NULL, NULL },
    { "127.0.0.01", "DNS:127.0.0.01", STOCK, NULL, NULL },
    { "1.a.0.0.1", "DNS:*.a.0.0.1", BOTH, NULL, NULL }, /* held */
    /* IPv6 as inet_ntop writes it; these held */
    { "::1", "IP:::1", BOTH, BRACKETS, NULL },
    { "::1", "IP:::1", BOTH, "ipv6:[%s]", NULL },
    { "::1", "IP:::1", BOTH, "ipv6:%5B%s%5D", NULL },
    { "::1", "IP:::1", BOTH, "dns:///[%s]", NULL },
    { "::1", "DNS:localhost", NEITHER, BRACKETS, NULL },
    { "2001:db8::7", "IP:2001:db8::7", BOTH, NULL, NULL },
    { "FE80::1", "IP:fe80::1", BOTH, NULL, NULL },
    /* gRPC takes for a name what has a letter before its first colon: no case */
    { "2A01:db8::7", "IP:2a01:db8::7", BOTH, NULL, NULL },
    { "2A01:DB8::C", "IP:2a01:db8::c", BOTH, NULL, NULL },
    { "2A01:db8:0::7", "IP:2a01:db8::7", NEITHER, NULL, "as 2a01:db8::7 only" },
    /* and otherwise: gRPC refuses each call */
    { "0:0:0:0:0:0:0:1", "IP:::1", NEITHER, BRACKETS, "as ::1 only" },
    { "0:0:0:0:0:0:0:1", "IP:::1", NEITHER, "ipv6:[%s]", "as ::1 only" },
    { "0:0:0:0:0:0:0:1", "IP:::1", NEITHER, "dns:///[%s]", "as ::1 only" },
    { "0000:0000:0000:0000:0000:0000:0000:0001", "IP:::1", NEITHER, BRACKETS, "as ::1 only" },
    { "::0001", "IP:::1", NEITHER, BRACKETS, "as ::1 only" },
    { "2001:DB8::7", "IP:2001:db8::7", NEITHER, NULL, "as 2001:db8::7 only" },
    { "2001:db8:0::7", "IP:2001:db8::7", NEITHER, NULL, "as 2001:db8::7 only" },
    { "fe80:0::1", "IP:fe80::1", NEITHER, NULL, "as fe80::1 only" },
    { "2001:db8::192.0.2.1", "IP:2001:db8::c000:201", NEITHER, NULL, "as 2001:db8::c000:201" },
    /* a zone is no part of the address: RFC 4007 11.2 */
    { "::1%lo", "IP:::1", BOTH, BRACKETS, NULL },
    { "::1%1", "IP:::1", BOTH, BRACKETS, NULL },
    { "::1%lo", "IP:::1", BOTH, "ipv6:[::1%25lo]", NULL },
    { "::1%lo", "IP:::1", BOTH, "dns:///[::1%25lo]", NULL },
    { "fe80::1%lo", "IP:fe80::1", BOTH, NULL, NULL },
    { "FE80::1%LO", "IP:fe80::1", BOTH, NULL, NULL },
    { "2001:db8::7%eth0", "IP:2001:db8::7", BOTH, NULL, NULL },
    /* and its brothers that held, but for what the detail says */
    { "fe80::1%lo", "IP:fe80::2", NEITHER, NULL, NULL },
    { "0:0:0:0:0:0:0:1%lo", "IP:::1", NEITHER, BRACKETS, "as ::1 only" },
    /* RFC 4007 11.2: a zone has a name, and belongs to an IPv6 address */
    { "fe80::1%", "IP:fe80::1", STOCK, NULL, NULL },
    { "localhost%lo", "DNS:localhost", STOCK, NULL, NULL },
    /* IPv4 in IPv6: rules for one do not see the other (RFC 4291 2.5.5); these held */
    { "::ffff:127.0.0.1", "IP:127.0.0.1", NEITHER, BRACKETS, NULL },
    { "::ffff:127.0.0.1", "IP:::ffff:127.0.0.1", STOCK, BRACKETS, "written as IPv6" },
    { "::ffff:7f00:1", "IP:::ffff:127.0.0.1", NEITHER, BRACKETS, "written as IPv6" },
};

static bool can_bind_ipv6(void)
{
    const struct sockaddr_in6 loopback = { .sin6_family = AF_INET6,
                                           .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool can = fd >= 0 && bind(fd, (const struct sockaddr *)&loopback, sizeof(loopback)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return can;
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    plugin = plugin_load();
    have_ipv6 = can_bind_ipv6();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    node_open(&node, &alice, "{}");
    key = software_key("P-256");
    AUTO(free) char *root = pem_of(federation.root.certificate, NULL);
    stock = grpc_ssl_credentials_create(root, NULL, NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    grpc_channel_credentials_release(stock);
    EVP_PKEY_free(key);
    node_close(&node);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static char *issue(const char *san)
{
    const struct certificate_spec spec = {
        .cn = "server",
        .san = path_of("URI:spiffe://example.org/node/server,%s", san),
    };
    X509 *leaf = authority_issue(&federation.intermediate, key, &spec);
    char *pem = pem_of(leaf, federation.intermediate.certificate, NULL);
    X509_free(leaf);
    return pem;
}

static struct rpc_server *serve(const char *chain)
{
    AUTO(free) char *text = pem_of_key(key);
    grpc_ssl_pem_key_cert_pair pair = { .private_key = text, .cert_chain = chain };
    grpc_server_credentials *credentials =
        grpc_ssl_server_credentials_create(NULL, &pair, 1, 0, NULL);
    struct rpc_server *server = rpc_server_start_at("[::]:0", credentials, 1, NULL, NULL);
    grpc_server_credentials_release(credentials);
    return server;
}

static const char *put_host(const char *form, const char *host)
{
    const char *hole = strstr(form, "%s");
    return hole == NULL ? form : path_of("%.*s%s%s", (int)(hole - form), form, host, hole + 2);
}

/* "HOST:PORT", and what is dialled. */
struct address {
    const char *authority;
    const char *target;
    bool is_authority; /* the target is not what the authority says */
};

/* Without ::1 only the authority can be an IPv6 address. Mapped ones are dialled as IPv4. */
static struct address address_of(const struct target_row *row, int port)
{
    bool is_ipv6 = strchr(row->host, ':') != NULL && strchr(row->host, '.') == NULL;
    bool in_place = row->dial != NULL && (!is_ipv6 || have_ipv6);
    const char *form = strchr(row->host, ':') != NULL ? BRACKETS : PLAIN;
    const char *target = in_place ? put_host(row->dial, row->host) : "127.0.0.1";

    return (struct address){ .authority = path_of("%s:%d", put_host(form, row->host), port),
                             .target = path_of("%s:%d", target, port),
                             .is_authority = !in_place };
}

static struct rpc_result dial(const struct address *address, grpc_channel_credentials *credentials)
{
    grpc_arg args[] = {
        { .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1 },
        { .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0 },
        { .type = GRPC_ARG_STRING,
          .key = GRPC_ARG_DEFAULT_AUTHORITY,
          .value.string = (char *)(uintptr_t)address->authority },
    };
    grpc_channel_args all = { .num_args = address->is_authority ? 3 : 2, .args = args };
    grpc_channel *channel = grpc_channel_create(address->target, credentials, &all);
    struct rpc_result result = rpc_call(channel, RPC_DEADLINE_MS);
    grpc_channel_destroy(channel);
    return result;
}

static nk_verdict explain(const struct target_row *row, const char *chain)
{
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    nk_error err = { .struct_size = sizeof(err) };

    plugin->check_peer(node.instance, NK_PEER_IS_SERVER, row->host, chain, strlen(chain), &verdict,
                       NULL, &err);
    return verdict;
}

/* Refused on the connection: 14. A call that gRPC's own check ends on an admitted one: 16. */
static void expect_call(const struct rpc_result *call, bool works)
{
    assert_int_equal(call->status, works ? GRPC_STATUS_OK : GRPC_STATUS_UNAVAILABLE);
    assert_true(call->ok == works);
}

static void check_row(void **state)
{
    const struct target_row *row = *state;
    AUTO(free) char *chain = issue(row->san);
    struct rpc_server *server = serve(chain);
    const struct address address = address_of(row, rpc_server_port(server));

    const nk_verdict verdict = explain(row, chain);
    const struct rpc_result ours = dial(&address, node.channel);
    const struct rpc_result theirs = dial(&address, stock);
    rpc_server_stop(server);
    print_message("explain %s | nodekey %d | gRPC %d\n  %s\n  %s\n  %s\n",
                  verdict.decision == NK_ALLOW ? "allows" : "denies", ours.status, theirs.status,
                  verdict.detail, ours.details, theirs.details);
    assert_int_equal(verdict.decision, row->fits == BOTH ? NK_ALLOW : NK_DENY);
    expect_call(&ours, row->fits == BOTH);
    expect_call(&theirs, row->fits != NEITHER);
    if (row->fits != BOTH) { /* by our verdict, not for want of a connection */
        assert_non_null(strstr(ours.details, "nodekey refused the peer"));
        assert_non_null(strstr(ours.details, row->part != NULL ? row->part : ""));
    }
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *dial_form = rows[i].dial != NULL ? rows[i].dial : "as authority";
        rows_add(path_of("%s, %s: %s", rows[i].host, dial_form, rows[i].san), check_row, &rows[i]);
    }
    return ROWS_RUN("real_names_targets", start, stop);
}

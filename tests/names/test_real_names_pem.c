/* SPDX-License-Identifier: Apache-2.0
 * Certificates in the containers that editors, CAs and EST put them into, and roots whose words
 * were wrong: by the command. Rows marked HELD were right before; all others failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include "base/auto.h"
#include "base/file.h"
#include "cli/nodekey_run.h"
#include "fixtures/federation.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

#define HELD NULL
#define BEGIN "-----BEGIN "
#define TEXT_BYTES 8192
#define COLUMN "line 1: -----BEGIN is not in the first column"
#define ROOTS(names) "{\"federation\": {\"roots\": [" names "]}}"
#define LISTS "{\"federation\": {\"crls\": [\"row.pem\"]}}"
#define IMPORT "import row.json row.pem"
#define EXPLAIN "explain row.json row.pem"
#define TRUSTED "explain row.json leaf.pem"
#define EXPIRED .starts_in_seconds = -7200, .ends_in_seconds = -3600
#define FUTURE .starts_in_seconds = 3600, .ends_in_seconds = 7200

static struct federation federation;
static struct member alice;

static void ends(const char *source, const char *arguments, int code, const char *says,
                 const char *never)
{
    struct nodekey_end end = nodekey_run(federation.folder, arguments, NULL);
    const char *all = path_of("%s%s", end.out, end.err);
    bool good = end.code == code && strstr(all, says) != NULL &&
                (never == NULL || strstr(all, never) == NULL);
    if (!good) {
        fail_msg("%s: code %d\n%s", source != HELD ? source : "held", end.code, all);
    }
    nodekey_end_clear(&end);
}

static const char *in_folder(const char *name)
{
    return path_of("%s/%s", federation.folder, name);
}

static void write_config(const char *patch)
{
    char *config = member_config(&alice, patch != NULL ? patch : "{}");
    write_file(in_folder("row.json"), config, 0644);
    free(config);
}

/* --- BEGIN lines --- */

enum damage { NONE = 0, CUT, CARRIAGE_RETURNS, TRAILING };

static const struct begin_row {
    const char *name;
    const char *source; /* of the expectation; HELD */
    const char *arguments;
    const char *patch;
    int block;          /* of row.pem, from 0 */
    const char *before; /* its BEGIN line */
    enum damage damage;
    int code;
    const char *says;
} begins[] = {
    { "import: the leaf is indented", "RFC 7468 section 3: preeb is at the line's start", IMPORT,
      .before = "  ", .code = 1, .says = COLUMN },
    { "import: the intermediate is indented", "RFC 7468 section 3", IMPORT, .block = 1,
      .before = "\t", .code = 1, .says = "-----BEGIN is not in the first column" },
    { "explain: the peer's leaf is indented", "RFC 7468 section 3", EXPLAIN, .before = "    ",
      .code = 1, .says = COLUMN },
    { "explain: the peer's intermediate is indented", "RFC 7468 section 3", EXPLAIN, .block = 1,
      .before = " ", .code = 1, .says = "-----BEGIN is not in the first column" },
    { "roots: the first is indented", "RFC 7468 section 3", TRUSTED, ROOTS("\"row.pem\""),
      .before = "  ", .code = 1, .says = "federation.roots: " },
    { "roots: its line is named", "RFC 7468 section 3", TRUSTED, ROOTS("\"row.pem\""),
      .before = "federation\n  ", .code = 1, .says = "line 2: -----BEGIN is not in the first" },
    { "roots: the second is indented", "RFC 7468 section 3", TRUSTED, ROOTS("\"row.pem\""),
      .block = 1, .before = "  ", .code = 1, .says = "-----BEGIN is not in the first column" },
    { "lists: the second is indented", "RFC 7468 section 3", TRUSTED, LISTS, .block = 1,
      .before = "  ", .code = 1, .says = "-----BEGIN is not in the first column" },
    { "import: a byte order mark", HELD, IMPORT, .before = FILE_UTF8_MARK, .code = 0,
      .says = "alice.pem" },
    { "explain: a byte order mark", HELD, EXPLAIN, .before = FILE_UTF8_MARK, .code = 0,
      .says = "ALLOWED" },
    { "import: a byte order mark within", HELD, IMPORT, .block = 1, .before = FILE_UTF8_MARK,
      .code = 0, .says = "alice.pem" },
    { "import: a no-break space", "RFC 7468 section 3", IMPORT, .before = "\xC2\xA0", .code = 1,
      .says = COLUMN },
    { "roots: a byte order mark", HELD, TRUSTED, ROOTS("\"row.pem\""), .before = FILE_UTF8_MARK,
      .code = 0, .says = "ALLOWED" },
    { "import: a BEGIN line without its end", "RFC 7468 section 3: five dashes end preeb", IMPORT,
      .block = 1, .damage = CUT, .code = 1, .says = "does not end in five dashes" },
    { "import: lines end in carriage returns alone",
      "RFC 7468 section 3: eol has CR, which "
      "OpenSSL does not read",
      IMPORT, .damage = CARRIAGE_RETURNS, .code = 1, .says = "does not end in five dashes" },
    { "import: white space after the BEGIN line", HELD, IMPORT, .damage = TRAILING, .code = 0,
      .says = "alice.pem" },
    { "import: text before a block", HELD, IMPORT, .block = 1, .before = "subject=CN = alice\n\n",
      .code = 0, .says = "alice.pem" },
    { "explain: a block that is commented out", HELD, EXPLAIN, .before = "# -----BEGIN X-----\n",
      .code = 0, .says = "ALLOWED" },
    { "roots: as they come", HELD, TRUSTED, ROOTS("\"row.pem\""), .code = 0, .says = "ALLOWED" },
};

static const char *text_of(const char *name)
{
    char text[TEXT_BYTES];
    FILE *file = fopen(in_folder(name), "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text), file);
    assert_int_equal(fclose(file), 0);
    return path_of("%.*s", (int)len, text);
}

/* Text that the row's reader takes. */
static char *good_text(const struct begin_row *row)
{
    if (row->patch == NULL) {
        return pem_of(alice.leaf, federation.intermediate.certificate, NULL);
    }
    if (strcmp(row->patch, LISTS) != 0) {
        return pem_of(federation.root.certificate, federation.root.certificate, NULL);
    }
    struct crl_spec root = { .issuer = &federation.root, .number = 1, .pem = true };
    struct crl_spec between = { .issuer = &federation.intermediate, .number = 1, .pem = true };
    crl_write(in_folder("root.crl"), &root);
    crl_write(in_folder("between.crl"), &between);
    return strdup(path_of("%s%s", text_of("root.crl"), text_of("between.crl")));
}

static void check_begin(void **state)
{
    static const char *const ends_of_line[] = { [CUT] = "\n", [TRAILING] = "----- \t\r\n" };
    const struct begin_row *row = *state;
    char *good = good_text(row);
    char *at = good;
    for (int i = 0; i < row->block; i++) {
        at = strstr(at + 1, BEGIN);
    }
    const char *end =
        row->damage == CUT || row->damage == TRAILING ? ends_of_line[row->damage] : "-----\n";
    char *tail = strstr(at + strlen(BEGIN), "-----\n");
    char *text = strdup(path_of("%.*s%s%.*s%s%s", (int)(at - good), good,
                                row->before != NULL ? row->before : "", (int)(tail - at), at, end,
                                tail + strlen("-----\n")));
    for (char *feed = text; row->damage == CARRIAGE_RETURNS && *feed != '\0'; feed++) {
        *feed = *feed == '\n' ? '\r' : *feed;
    }
    write_file(in_folder("row.pem"), text, 0644);
    write_config(row->patch);
    ends(row->source, row->arguments, row->code, row->says, NULL);
    free(text);
    free(good);
}

/* --- PKCS#7 --- */

enum form { DER = 0, PEM, BASE64 };

static const struct message_row {
    const char *name;
    const char *source; /* of the expectation; HELD */
    enum form form;
    const char *label; /* of PEM; NULL: "PKCS7" */
    bool leafless;
    bool empty;
    bool with_root;
    bool plain; /* data in place of signedData */
    int cut;    /* bytes of the end */
    int more;   /* bytes after it */
    int code;
    const char *says;
} messages[] = {
    { "PEM", "RFC 7468 section 8", PEM, .code = 0, .says = "alice.pem" },
    { "PEM, as old programs call it", "OpenSSL: PEM_STRING_PKCS7_SIGNED", PEM,
      .label = "PKCS #7 SIGNED DATA", .code = 0, .says = "alice.pem" },
    { "PEM, CMS", "RFC 7468 section 9", PEM, .label = "CMS", .code = 0, .says = "alice.pem" },
    { "DER", "RFC 2315 section 9.1: certificates alone", .code = 0, .says = "alice.pem" },
    { "EST's answer", "RFC 7030 section 4.1.3: base64", BASE64, .code = 0, .says = "alice.pem" },
    { "EST's answer with the root", "RFC 7030 section 4.2.3: chain beside it", BASE64,
      .with_root = true, .code = 0, .says = "alice.pem" },
    { "without our certificate", "RFC 2315 section 9.1", .leafless = true, .code = 1,
      .says = "no certificate in it is for the key on the token" },
    { "without certificates", "RFC 2315 section 9.1: certificates are optional", .empty = true,
      .code = 1, .says = "PKCS#7 without certificates" },
    { "without certificates, PEM", "RFC 2315 section 9.1", PEM, .empty = true, .code = 1,
      .says = "PKCS#7 without certificates" },
    { "data, not signedData", "RFC 2315 section 8", .plain = true, .code = 1,
      .says = "PKCS#7 without certificates" },
    { "cut short, PEM", "ITU-T X.690", PEM, .cut = 9, .code = 1, .says = "cannot be read" },
    { "something follows, PEM", "ITU-T X.690", PEM, .more = 3, .code = 1,
      .says = "cannot be read" },
    { "cut short", HELD, .cut = 9, .code = 1, .says = "holds no certificate" },
    { "something follows, base64", HELD, BASE64, .more = 3, .code = 1,
      .says = "holds no certificate" },
};

static PKCS7 *make_message(const struct message_row *row)
{
    PKCS7 *message = PKCS7_new();
    assert_non_null(message);
    if (row->plain) {
        assert_int_equal(PKCS7_set_type(message, NID_pkcs7_data), 1);
        return message;
    }
    assert_int_equal(PKCS7_set_type(message, NID_pkcs7_signed), 1);
    assert_int_equal(PKCS7_content_new(message, NID_pkcs7_data), 1);
    PKCS7_set_detached(message, 1);
    if (row->with_root) {
        assert_int_equal(PKCS7_add_certificate(message, federation.root.certificate), 1);
    }
    if (!row->empty) {
        assert_int_equal(PKCS7_add_certificate(message, federation.intermediate.certificate), 1);
    }
    if (!row->empty && !row->leafless) {
        assert_int_equal(PKCS7_add_certificate(message, alice.leaf), 1);
    }
    return message;
}

static void write_message(const struct message_row *row, const unsigned char *der, int len)
{
    unsigned char base64[2 * TEXT_BYTES];
    FILE *file = fopen(in_folder("row.pem"), "w");
    assert_non_null(file);
    if (row->form == PEM) {
        const char *label = row->label != NULL ? row->label : PEM_STRING_PKCS7;
        assert_true(PEM_write(file, label, "", der, len) > 0);
    } else if (row->form == BASE64) {
        assert_true(len < TEXT_BYTES);
        int bytes = EVP_EncodeBlock(base64, der, len);
        for (int at = 0; at < bytes; at += 76) { /* lines as MIME has them */
            fprintf(file, "%.76s\r\n", (const char *)base64 + at);
        }
    } else {
        assert_int_equal(fwrite(der, 1, (size_t)len, file), len);
    }
    assert_int_equal(fclose(file), 0);
}

static void check_message(void **state)
{
    const struct message_row *row = *state;
    unsigned char der[TEXT_BYTES] = { 0 };
    unsigned char *end = der;
    PKCS7 *message = make_message(row);
    assert_in_range(i2d_PKCS7(message, NULL), 1, TEXT_BYTES - row->more);
    int len = i2d_PKCS7(message, &end);
    write_message(row, der, len - row->cut + row->more);
    write_config(NULL);
    ends(row->source, IMPORT, row->code, row->says, NULL);
    PKCS7_free(message);
}

/* --- a good key below a weak signature --- */

static const struct digest_row {
    const char *name;
    const char *source;
    const EVP_MD *(*digest)(void);
    const char *patch;
    const char *says;
} digests[] = {
    { "SHA-1 on P-256", "RFC 9155: the digest is what is weak", EVP_sha1, NULL,
      "weak signature (" },
    { "SHA-1 on P-256, loose", "RFC 9155", EVP_sha1, "{\"federation\": {\"strict\": false}}",
      "its key is good" },
    { "SHA-224 on P-256", "README: SHA-256 or more", EVP_sha224, NULL, "ecdsa-with-SHA224" },
};

static void check_digest(void **state)
{
    const struct digest_row *row = *state;
    struct certificate_spec spec = member_spec(&federation, "alice");
    spec.digest = row->digest();
    X509 *leaf = authority_issue(&federation.intermediate, X509_get0_pubkey(alice.leaf), &spec);
    char *text = pem_of(leaf, federation.intermediate.certificate, NULL);
    write_file(in_folder("row.pem"), text, 0644);
    write_config(row->patch);
    ends(row->source, IMPORT, 1, row->says, "weak key, ");
    free(text);
    X509_free(leaf);
}

/* --- roots --- */

static const struct root_row {
    const char *name;
    const char *source; /* of the expectation; HELD */
    struct certificate_spec spec;
    const char *key; /* NULL: the federation root's, whose name it has, too */
    bool first;
    bool alone; /* else beside the federation's */
    const char *patch;
    int code;
    const char *says;
    const char *never;
} roots[] = {
    { "expired, before its twin",
      "RFC 5280 section 6.1.1 (d): an anchor is name and key",
      { EXPIRED },
      .first = true,
      .code = 0,
      .says = "another root of its name and key holds",
      .never = "below it is refused" },
    { "expired, after its twin",
      "RFC 5280 section 6.1.1 (d)",
      { EXPIRED },
      .code = 0,
      .says = "another root of its name and key holds",
      .never = "below it is refused" },
    { "not yet valid, beside its twin",
      "RFC 5280 section 6.1.1 (d)",
      { FUTURE },
      .code = 0,
      .says = "ALLOWED",
      .never = "below it is refused" },
    { "expired, beside one of its name",
      HELD,
      { EXPIRED },
      .key = "P-256",
      .code = 0,
      .says = "below it is refused" },
    { "expired, alone",
      HELD,
      { EXPIRED },
      .alone = true,
      .code = 1,
      .says = "below it is refused" },
    { "Ed448", "README: kinds of keys that are taken", .key = "ED448", .code = 1,
      .says = "has a key of a kind that is not taken", .never = "weak key" },
    { "Ed448, loose", "README: kinds of keys that are taken", .key = "ED448", .code = 0,
      .patch = ", \"strict\": false", .says = "has a key of a kind that is not taken",
      .never = "weak key" },
    { "RSA-1024", HELD, .key = "RSA-1024", .code = 1, .says = "has a weak key" },
};

static X509 *make_root(const struct root_row *row)
{
    struct certificate_spec spec = row->spec;
    spec.cn = "example.org root";
    spec.eku = "";
    spec.key_usage = "critical,keyCertSign,cRLSign";
    spec.basic_constraints = "critical,CA:TRUE";
    EVP_PKEY *key = row->key != NULL ? software_key(row->key) : NULL;
    X509 *root = authority_issue(NULL, key != NULL ? key : federation.root.key, &spec);
    EVP_PKEY_free(key);
    return root;
}

static void check_root(void **state)
{
    const struct root_row *row = *state;
    X509 *root = make_root(row);
    char *text = pem_of(root, NULL);
    char *renewed = pem_of(federation.root.certificate, NULL);
    const char *order =
        row->first ? "\"row.pem\", \"renewed.pem\"" : "\"renewed.pem\", \"row.pem\"";
    write_file(in_folder("row.pem"), text, 0644);
    write_file(in_folder("renewed.pem"), renewed, 0644);
    write_config(path_of("{\"federation\": {\"roots\": [%s]%s}}",
                         row->alone ? "\"row.pem\"" : order, row->patch != NULL ? row->patch : ""));
    ends(row->source, TRUSTED, row->code, row->says, row->never);
    free(renewed);
    free(text);
    X509_free(root);
}

/* --- the world --- */

static int start(void **state)
{
    (void)state;
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    char *text = pem_of(alice.leaf, federation.intermediate.certificate, NULL);
    write_file(in_folder("leaf.pem"), text, 0644);
    free(text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    federation_free(&federation);
    return 0;
}

int main(void)
{
    ROWS_OF(begins, check_begin);
    ROWS_OF(messages, check_message);
    ROWS_OF(digests, check_digest);
    ROWS_OF(roots, check_root);
    return ROWS_RUN("real_names_pem", start, stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/pem.h"

#include <string.h>

#include <openssl/err.h>

#include "base/file.h"

#define BEGIN "-----BEGIN "
#define DASHES "-----"

/* White space, and beyond ASCII what web pages put before a text: a no-break space. */
static bool is_unseen(char byte)
{
    return (unsigned char)byte <= ' ' || (unsigned char)byte >= 0x7f;
}

/* Reason why OpenSSL passes over the line; NULL: none, or no BEGIN line. */
static const char *line_problem(const char *line, size_t len, bool *ret_begins)
{
    size_t start = 0;

    while (len > 0 && (unsigned char)line[len - 1] <= ' ') { /* as OpenSSL cuts lines */
        len--;
    }
    while (start < len && is_unseen(line[start])) {
        start++;
    }
    *ret_begins = len - start >= strlen(BEGIN) && memcmp(line + start, BEGIN, strlen(BEGIN)) == 0;
    if (!*ret_begins) {
        return NULL;
    }
    if (start > 0) {
        return "-----BEGIN is not in the first column: take out what precedes it";
    }
    const char *dashes = memmem(line + strlen(BEGIN), len - strlen(BEGIN), DASHES, strlen(DASHES));
    return dashes != NULL && dashes + strlen(DASHES) == line + len
               ? NULL
               : "the BEGIN line does not end in five dashes and a line feed";
}

static size_t line_number(BIO *bio, const char *text, const char *line)
{
    size_t number = 1;

    for (const char *at = text - BIO_tell(bio); at < line; at++) {
        number += *at == '\n';
    }
    return number;
}

static bool next_begins_well(BIO *bio)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    bool begins = false;

    for (const char *line = text, *next = NULL, *end = text + len; line < end && !begins;
         line = next) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        next = feed != NULL ? feed + 1 : end;
        const char *problem = line_problem(line, (size_t)(next - line), &begins);
        if (problem != NULL) {
            ERR_raise_data(ERR_LIB_PEM, PEM_R_NO_START_LINE, "line %zu: %s",
                           line_number(bio, text, line), problem);
            return false;
        }
    }
    return true;
}

/* As OpenSSL does at each block: files put one after the other bring several. */
static void skip_mark(BIO *bio)
{
    char mark[sizeof(FILE_UTF8_MARK) - 1];
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);

    if (len > (long)sizeof(mark) && memcmp(text, FILE_UTF8_MARK, sizeof(mark)) == 0) {
        (void)BIO_read(bio, mark, sizeof(mark));
    }
}

int pem_next(BIO *bio, struct pem_block *ret_block)
{
    skip_mark(bio);
    if (!next_begins_well(bio)) {
        return -1;
    }
    if (PEM_read_bio(bio, &ret_block->label, &ret_block->header, &ret_block->data,
                     &ret_block->len) != 0) {
        return 1;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        return -1;
    }
    ERR_clear_error();
    return 0;
}

bool pem_is_certificate(const struct pem_block *block)
{
    return strcmp(block->label, PEM_STRING_X509) == 0 && block->header[0] == '\0';
}

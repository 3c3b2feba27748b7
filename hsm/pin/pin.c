/* SPDX-License-Identifier: Apache-2.0 */
#include "pin/pin.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/callback.h"
#include "base/file.h"
#include "base/report.h"
#include "base/secret_page.h"
#include "base/text.h"
#include "base/trusted_path.h"
#include "base/words.h"
#include "pin/pin_file.h"
#include "pin/pin_private.h"

#define UTF16_LE_MARK "\xff\xfe"
#define UTF16_BE_MARK "\xfe\xff"

#define LABEL_ROOM 33 /* CK_TOKEN_INFO has 32 bytes */
/* Room for a mark, a PIN, a line end and a byte more, which shows that a source is too long. */
#define READ_ROOM (sizeof(FILE_UTF8_MARK) - 1 + PIN_MAX_BYTES + 3)

DEFINE_AUTO(struct pin *, pin_free);

static bool starts_with(const struct pin *pin, size_t len, const char *mark)
{
    return len >= strlen(mark) && memcmp(pin->bytes, mark, strlen(mark)) == 0;
}

/* The line end that editors and echo append is not part of a PIN; nor is the mark that editors of
 * Windows put before a text. */
static size_t strip_text(struct pin *pin, size_t len)
{
    if (starts_with(pin, len, FILE_UTF8_MARK)) {
        len -= strlen(FILE_UTF8_MARK);
        memmove(pin->bytes, pin->bytes + strlen(FILE_UTF8_MARK), len);
    }
    if (len > 0 && pin->bytes[len - 1] == '\n') {
        len--;
        if (len > 0 && pin->bytes[len - 1] == '\r') {
            len--;
        }
    }
    OPENSSL_cleanse(pin->bytes + len, SECRET_PAGE_BYTES - len);
    return len;
}

static nk_status set_len(struct pin *pin, size_t len, const char *source, nk_error *err)
{
    len = strip_text(pin, len);
    if (len == 0) {
        return report(err, NK_E_PIN, "%s: %s is empty; write the user PIN there", words()->pin,
                      source);
    }
    if (len > PIN_MAX_BYTES) {
        return report(err, NK_E_PIN, "%s: %s holds more than %d bytes; it is not a PIN",
                      words()->pin, source, PIN_MAX_BYTES);
    }
    if (starts_with(pin, len, UTF16_LE_MARK) || starts_with(pin, len, UTF16_BE_MARK) ||
        memchr(pin->bytes, '\0', len) != NULL) {
        return report(err, NK_E_PIN,
                      "%s: %s is UTF-16, or no text at all; write it as plain text (UTF-8)",
                      words()->pin, source);
    }
    if (memchr(pin->bytes, '\n', len) != NULL) {
        return report(err, NK_E_PIN, "%s: %s holds more than one line", words()->pin, source);
    }
    pin->len = len;
    return NK_OK;
}

static bool is_blank(unsigned char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

bool pin_has_outer_blank(const struct pin *pin)
{
    return pin->len > 0 && (is_blank(pin->bytes[0]) || is_blank(pin->bytes[pin->len - 1]));
}

/* Straight into the page: stdio would leave a copy in its buffer. */
static nk_status read_all(struct pin *pin, int fd, const char *source, nk_error *err)
{
    OPENSSL_cleanse(pin->bytes, SECRET_PAGE_BYTES);
    pin->len = 0;
    ssize_t len = file_read_fd(fd, pin->bytes, READ_ROOM);
    if (len < 0) {
        return report_errno(err, NK_E_PIN, "%s: read %s", words()->pin, source);
    }
    return set_len(pin, (size_t)len, source, err);
}

/* The file may be read again on a thread that serves a peer, which has no terms of its own. */
static nk_status open_file(const struct pin *pin, int *ret_fd, nk_error *err)
{
    AUTO(path_terms_restore) struct path_terms *former = path_terms_use(pin->terms);
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = trusted_open_any(pin->path, NK_E_PIN, ret_fd, &own);

    if (status != NK_OK && own.native_kind == NK_NATIVE_ERRNO) {
        errno = (int)own.native;
        return report_errno(err, NK_E_PIN,
                            "%s: open %s; the file must exist and be readable by uid %ld",
                            words()->pin, pin->path, (long)geteuid());
    }
    return status == NK_OK ? NK_OK : report(err, status, "%s: %s", words()->pin, own.text);
}

static nk_status read_file(struct pin *pin, nk_error *err)
{
    struct stat info;
    int fd = -1;
    nk_status status = open_file(pin, &fd, err);
    if (status != NK_OK) {
        return status;
    }
    status = pin_file_check(fd, pin->path, pin->is_credential, err);
    if (status == NK_OK && fstat(fd, &info) == 0) {
        pin->written = info.st_mtim;
    }
    if (status == NK_OK) {
        status = read_all(pin, fd, pin->path, err);
    }
    close(fd);
    return status;
}

static nk_status name_credential(struct pin *pin, const char *name, nk_error *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_MAX];

    if (folder == NULL || folder[0] != '/') {
        return report(err, NK_E_PIN,
                      "%s: CREDENTIALS_DIRECTORY is not set to an absolute path; start the node by "
                      "systemd with LoadCredential=%s:/path",
                      words()->pin_credential, name);
    }
    if (strchr(name, '/') != NULL || name[0] == '.') {
        return report(err, NK_E_PIN, "%s: \"%s\" is a path, not a name", words()->pin_credential,
                      name);
    }
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    pin->path = strdup(path);
    pin->is_credential = true;
    return pin->path != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

/* The host may show the label on a terminal, and the module may have said anything. */
static nk_status ask_host(struct pin *pin, const char *label, const nk_host *host, nk_error *err)
{
    char shown[LABEL_ROOM];
    size_t len = 0;

    if (host == NULL || host->ask_pin == NULL) {
        return report(err, NK_E_PIN,
                      "%s: this program cannot ask for a PIN (no ask_pin callback); "
                      "use file or credential",
                      words()->pin_prompt);
    }
    snprintf(shown, sizeof(shown), "%s", label);
    text_flatten(shown, strlen(shown), TEXT_ONE_LINE);
    callback_enter();
    nk_status status = host->ask_pin(host->host_data, shown, (char *)pin->bytes, READ_ROOM, &len);
    callback_leave();
    if (status != NK_OK || len > READ_ROOM) {
        return report(err, NK_E_PIN, "%s: no PIN was given for token %s", words()->pin_prompt,
                      label);
    }
    return set_len(pin, len, "the answer", err);
}

static nk_status read_fd(struct pin *pin, int fd, nk_error *err)
{
    char source[32];

    snprintf(source, sizeof(source), "descriptor %d", fd);
    nk_status status = read_all(pin, fd, source, err);
    close(fd);
    return status;
}

static nk_status read_first(struct pin *pin, const struct hsm_pin_source *source, const char *label,
                            const nk_host *host, nk_error *err)
{
    nk_status status = NK_OK;

    switch (source->kind) {
    case HSM_PIN_FILE:
        pin->path = strdup(source->where);
        return pin->path != NULL ? read_file(pin, err) : report(err, NK_E_NOMEM, "out of memory");
    case HSM_PIN_CREDENTIAL:
        status = name_credential(pin, source->where, err);
        return status == NK_OK && pin->path != NULL ? read_file(pin, err) : status;
    case HSM_PIN_FD:
        return read_fd(pin, source->fd, err);
    case HSM_PIN_PROMPT:
        return ask_host(pin, label, host, err);
    case HSM_PIN_PROTECTED:
        pin->is_protected = true;
        return NK_OK;
    case HSM_PIN_ABSENT:
        break;
    }
    return report(err, NK_E_PIN, "%s: no source", words()->pin);
}

/* A PIN may begin or end so, and one that was typed does not by an editor's doing. */
static void warn_of_blanks(const struct pin *pin, const struct hsm_pin_source *source,
                           const nk_host *host)
{
    if (source->kind != HSM_PIN_PROMPT && pin_has_outer_blank(pin)) {
        log_line(host, NK_LOG_WARNING,
                 "%s%s%s: begins or ends with a blank, which is sent as part of the PIN; remove it "
                 "if the PIN has none",
                 words()->pin, pin->path != NULL ? ": " : "", pin->path != NULL ? pin->path : "");
    }
}

nk_status pin_open(const struct hsm_pin_source *source, const char *token_label,
                   const nk_host *host, struct pin **ret_pin, nk_error *err)
{
    AUTO(pin_free) struct pin *pin = calloc(1, sizeof(*pin));
    if (pin == NULL || (pin->bytes = secret_page_new(SECRET_PAGE_WIPED)) == NULL) {
        return report_errno(err, NK_E_NOMEM, "no protected page for the PIN");
    }
    pin->terms = path_terms_ref(path_terms());
    nk_status status = read_first(pin, source, token_label, host, err);
    if (status == NK_OK) {
        warn_of_blanks(pin, source, host);
        *ret_pin = pin;
        pin = NULL;
    }
    return status;
}

nk_status pin_read_aside(const struct pin *pin, char *path, struct pin *ret_aside, nk_error *err)
{
    *ret_aside = (struct pin){ .bytes = secret_page_new(SECRET_PAGE_WIPED),
                               .path = path,
                               .terms = pin->terms,
                               .is_credential = pin->is_credential };
    return ret_aside->bytes != NULL
               ? read_file(ret_aside, err)
               : report_errno(err, NK_E_NOMEM, "no protected page for the PIN");
}

void pin_swap_bytes(struct pin *pin, struct pin *aside)
{
    unsigned char *old = pin->bytes;

    pin->has_worked = pin->has_worked && pin_equal(pin, aside);
    pin->bytes = aside->bytes;
    pin->len = aside->len;
    pin->written = aside->written;
    pin->is_lost = false;
    aside->bytes = old;
}

/* Aside first: a source that fails must not take the PIN that works. */
nk_status pin_refresh(struct pin *pin, nk_error *err)
{
    struct pin fresh;

    if (pin->path == NULL) {
        return !pin->is_lost ? NK_OK
                             : report(err, NK_E_PIN,
                                      "%s: the PIN was given to the parent of this process, "
                                      "which was forked; use file or credential, or open here",
                                      words()->pin);
    }
    nk_status status = pin_read_aside(pin, pin->path, &fresh, err);
    if (status == NK_OK) {
        pin_swap_bytes(pin, &fresh);
        pin->is_next = false;
    }
    secret_page_free(fresh.bytes);
    return status;
}

/* A PIN of a pad would have to be typed for every child. */
void pin_renew(struct pin *pin)
{
    pin->is_lost = true;
    pin->has_worked = false;
}

bool pin_is_lost(const struct pin *pin)
{
    return pin->is_lost;
}

void pin_free(struct pin *pin)
{
    if (pin == NULL) {
        return;
    }
    secret_page_free(pin->bytes);
    path_terms_unref(pin->terms);
    free(pin->path);
    free(pin);
}

struct path_terms *pin_terms(const struct pin *pin)
{
    return pin->terms;
}

unsigned char *pin_bytes(const struct pin *pin)
{
    return pin->bytes;
}

size_t pin_len(const struct pin *pin)
{
    return pin->len;
}

bool pin_is_protected(const struct pin *pin)
{
    return pin->is_protected;
}

void pin_works(struct pin *pin)
{
    pin->has_worked = true;
}

bool pin_has_worked(const struct pin *pin)
{
    return pin->has_worked;
}

bool pin_equal(const struct pin *a, const struct pin *b)
{
    return a->len == b->len && CRYPTO_memcmp(a->bytes, b->bytes, a->len) == 0;
}

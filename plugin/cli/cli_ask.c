/* SPDX-License-Identifier: Apache-2.0
 * PINs typed on the terminal. The answer goes straight into the caller's protected page. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/secret_page.h"
#include "cli/cli_ours.h"

static struct pin_question user_pin = { .what = "PIN", .instead = "a file in node.pin" };

static void print_line(void *data, int32_t level, const char *line)
{
    (void)data;
    cli_host.log(NULL, level, line);
}

const nk_host cli_asking_host = { .struct_size = sizeof(cli_asking_host),
                                  .host_data = &user_pin,
                                  .log = print_line,
                                  .ask_pin = cli_ask_pin };

/* A line without its end; -1: end of input, an error, or too long. */
static ssize_t read_line(int tty, char *buf, size_t room)
{
    size_t len = 0;
    char next = 0;

    for (;;) {
        ssize_t got = TEMP_FAILURE_RETRY(read(tty, &next, 1));
        if (got <= 0 || (next != '\n' && len == room)) {
            return -1;
        }
        if (next == '\n') {
            return (ssize_t)len;
        }
        buf[len++] = next;
    }
}

/* An interrupt waits until the echo is back: a terminal must not be left mute. */
static ssize_t ask_pin_once(int tty, const struct pin_question *question, const char *label,
                            const char *again, char *buf, size_t room)
{
    struct termios before;
    sigset_t all;
    sigset_t old;

    if (tcgetattr(tty, &before) != 0) {
        return -1;
    }
    struct termios mute = before;
    mute.c_lflag &= ~(tcflag_t)ECHO;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    ssize_t len = -1;
    if (tcsetattr(tty, TCSAFLUSH, &mute) == 0) {
        dprintf(tty, "%s for token %s%s: ", question->what, label, again);
        len = read_line(tty, buf, room);
        dprintf(tty, "\n");
        tcsetattr(tty, TCSAFLUSH, &before);
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return len;
}

static bool repeats_pin(int tty, const struct pin_question *question, const char *label,
                        const char *first, size_t first_len)
{
    char *second = secret_page_new(SECRET_PAGE_WIPED);
    if (second == NULL) {
        return false;
    }
    ssize_t len = ask_pin_once(tty, question, label, ", again", second, SECRET_PAGE_BYTES);
    bool same = len == (ssize_t)first_len && CRYPTO_memcmp(first, second, first_len) == 0;

    secret_page_free(second);
    if (!same) {
        dprintf(tty, "these differ\n");
    }
    return same;
}

nk_status cli_ask_pin(void *host_data, const char *token_label, char *buf, size_t room,
                      size_t *ret_len)
{
    const struct pin_question *question = host_data;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0) {
        cli_fail("there is no terminal to ask for the %s on; give it by %s", question->what,
                 question->instead);
        return NK_E_PIN;
    }
    ssize_t len = ask_pin_once(tty, question, token_label, "", buf, room);
    bool good =
        len > 0 && (!question->twice || repeats_pin(tty, question, token_label, buf, (size_t)len));
    close(tty);
    if (!good) {
        return NK_E_PIN;
    }
    *ret_len = (size_t)len;
    return NK_OK;
}

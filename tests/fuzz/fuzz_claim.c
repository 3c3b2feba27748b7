/* SPDX-License-Identifier: Apache-2.0
 * Claims of a peer about itself. Lines: the claim; then names of its certificate, each after its
 * kind: "d" DNS, "i" IP, "u" URI, "e" email. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "peer/claim.h"

#define NAMES_MAX 16

static uint32_t kind_of(char letter)
{
    switch (letter) {
    case 'd':
        return NK_NAME_DNS;
    case 'i':
        return NK_NAME_IP;
    case 'e':
        return NK_NAME_EMAIL;
    default:
        return NK_NAME_URI;
    }
}

static bool has_host(const nk_peer *peer)
{
    for (size_t i = 0; i < peer->names_len; i++) {
        if (peer->names[i].kind == NK_NAME_DNS || peer->names[i].kind == NK_NAME_IP) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    nk_name names[NAMES_MAX];
    nk_peer peer = { .struct_size = sizeof(peer), .role = NK_PEER_IS_CLIENT, .names = names };
    nk_error err = { .struct_size = sizeof(err) };
    char *text = fuzz_text(data, len);
    char *at = text;

    const char *claim = fuzz_line(&at);
    while (*at != '\0' && peer.names_len < NAMES_MAX) {
        const char *line = fuzz_line(&at);
        names[peer.names_len++] =
            (nk_name){ .kind = kind_of(line[0]), .text = line[0] != '\0' ? line + 1 : line };
    }
    nk_status status = claim_check(&peer, claim, &err);
    if (status != NK_OK) {
        fuzz_check_error(&err, status, 1u << NK_E_PEER);
    }
    fuzz_require(status != NK_OK || has_host(&peer), "a claim holds without a host");
    free(text);
    return 0;
}

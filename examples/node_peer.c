/* SPDX-License-Identifier: Apache-2.0 */
#include "node_peer.h"

#include <string.h>

const char *peer_label(const nk_peer *peer)
{
    for (size_t i = 0; i < peer->names_len; i++) {
        if (peer->names[i].kind == NK_NAME_URI) {
            return peer->names[i].text;
        }
    }
    return peer->common_name;
}

const char *peer_printable(const char *said, char text[PRINTABLE_BYTES])
{
    size_t len = strnlen(said, PRINTABLE_BYTES - 1);
    for (size_t i = 0; i < len; i++) {
        text[i] = said[i];
        if (said[i] < ' ' || said[i] > '~') {
            text[i] = '?';
        }
    }
    text[len] = '\0';
    return text;
}

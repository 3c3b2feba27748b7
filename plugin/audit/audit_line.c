/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "peer/peer.h"
#include "rules/rule_member.h"

#define TEXT_MAX_BYTES 512u /* so that no text but names can make a line long */
#define NAME_MAX_BYTES 1024u
#define NAMES_MAX_BYTES 8192u /* a stranger chooses names, and how often to be refused */
#define NAME_FRAME_BYTES 64u  /* {"kind":"email","name":"","cut_from":100000}, */
#define ESCAPE_BYTES 6u       /* \u001b */

DEFINE_AUTO(json_t *, json_decref);

/* --- texts --- */

/* Texts are not all ours: a host's hook writes verdicts and a target holds any byte. JSON takes
 * nothing but UTF-8. */
static json_t *plain_text(const char *text, size_t len, bool cut)
{
    char ascii[NAME_MAX_BYTES];

    memcpy(ascii, text, len);
    text_flatten(ascii, len, TEXT_PRINTABLE);
    if (cut) {
        ascii[len - 3] = ascii[len - 2] = ascii[len - 1] = '.';
    }
    return json_stringn(ascii, len);
}

/* "" stays "". `room` bounds texts that nothing else ends. */
static json_t *text_within(const char *text, size_t room)
{
    size_t max = room < TEXT_MAX_BYTES ? room : TEXT_MAX_BYTES;
    size_t len = strnlen(text, max + 1);

    if (len > max) {
        return plain_text(text, max, true);
    }
    json_t *value = json_stringn(text, len);
    return value != NULL ? value : plain_text(text, len, false);
}

static json_t *some_text(const char *text, size_t room)
{
    return text != NULL && text[0] != '\0' ? text_within(text, room) : json_null();
}

static json_t *digest_text(const uint8_t digest[NK_SHA256_BYTES])
{
    char text[TEXT_HEX_BYTES(NK_SHA256_BYTES)];
    return json_string(text_hex(text, digest, NK_SHA256_BYTES));
}

static json_t *number_of(uint64_t number)
{
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

static json_t *time_text(const struct timespec *now)
{
    char second[TEXT_TIME_BYTES];
    char text[TEXT_TIME_BYTES + 8];

    int len = (int)strcspn(text_time(second, now->tv_sec), "Z");
    snprintf(text, sizeof(text), "%.*s.%03dZ", len, second, (int)(now->tv_nsec / 1000000));
    return json_string(text);
}

/* --- names --- */

/* Upper bound of the bytes that a name takes in the line. */
static size_t printed_bytes(const char *text, size_t len)
{
    size_t bytes = NAME_FRAME_BYTES;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            bytes += 2;
        } else {
            bytes += text_span(text + i, 1, TEXT_PRINTABLE) == 1 ? 1 : ESCAPE_BYTES;
        }
    }
    return bytes;
}

static json_t *name_object(const nk_name *name, size_t whole, size_t len)
{
    const char *kind = rule_member_of_kind(name->kind);
    json_t *text = json_stringn(name->text, len);
    json_t *object = json_object();

    text = text != NULL ? text : plain_text(name->text, len, false);
    bool failed =
        json_object_set_new(object, "kind", kind != NULL ? json_string(kind) : json_null()) != 0;
    failed |= json_object_set_new(object, "name", text) != 0;
    failed |= whole > len && json_object_set_new(object, "cut_from", number_of(whole)) != 0;
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *name_list(const nk_peer *peer, size_t *ret_omitted)
{
    size_t room = NAMES_MAX_BYTES;
    json_t *names = json_array();
    size_t i = 0;

    for (; i < peer->names_len && i < TRAITS_NAMES_MAX; i++) {
        const nk_name *name = &peer->names[i];
        size_t whole = strlen(name->text);
        size_t len = whole < NAME_MAX_BYTES ? whole : NAME_MAX_BYTES;
        size_t bytes = printed_bytes(name->text, len);
        if (bytes > room) {
            break;
        }
        room -= bytes;
        if (json_array_append_new(names, name_object(name, whole, len)) != 0) {
            json_decref(names);
            return NULL;
        }
    }
    *ret_omitted = peer->names_len - i;
    return names;
}

/* --- the line --- */

struct line { /* fails once and for all when memory is short */
    json_t *object;
    bool failed;
};

/* Takes over the value. */
static void put_member(struct line *line, const char *member, json_t *value)
{
    line->failed |= json_object_set_new(line->object, member, value) != 0;
}

static void put_verdict(struct line *line, const struct audit_entry *entry)
{
    static const nk_verdict none = { 0 };
    const nk_verdict *verdict = entry != NULL ? entry->verdict : &none;
    const char *word = verdict->decision == NK_ALLOW ? "allow" : "deny";
    bool dialled_us = entry != NULL && entry->role == NK_PEER_IS_CLIENT;
    const char *direction = dialled_us ? "inbound" : "outbound";

    put_member(line, "direction", entry != NULL ? json_string(direction) : json_null());
    put_member(line, "role",
               entry != NULL ? json_string(dialled_us ? "client" : "server") : json_null());
    put_member(line, "verdict", entry != NULL ? json_string(word) : json_null());
    put_member(line, "rule", some_text(verdict->rule, sizeof(verdict->rule) - 1));
    put_member(line, "reason", some_text(verdict->reason, sizeof(verdict->reason) - 1));
    put_member(line, "detail", some_text(verdict->detail, sizeof(verdict->detail) - 1));
}

static void put_peer(struct line *line, const nk_peer *peer)
{
    size_t omitted = 0;

    put_member(line, "fingerprint", peer != NULL ? digest_text(peer->leaf_sha256) : json_null());
    put_member(line, "spki", peer != NULL ? digest_text(peer->spki_sha256) : json_null());
    put_member(line, "cn", some_text(peer != NULL ? peer->common_name : NULL, TEXT_MAX_BYTES));
    put_member(line, "names", peer != NULL ? name_list(peer, &omitted) : json_null());
    put_member(line, "names_omitted", number_of(omitted));
    put_member(line, "target", some_text(peer != NULL ? peer->target : NULL, TEXT_MAX_BYTES));
}

static void put_policy(struct line *line, const struct audit_entry *entry)
{
    static const struct audit_entry none = { 0 };
    const struct audit_entry *from = entry != NULL ? entry : &none;

    put_member(line, "candidate",
               from->candidate != NULL ? text_within(from->candidate, TEXT_MAX_BYTES)
                                       : json_null());
    put_member(line, "note", some_text(from->note, TEXT_MAX_BYTES));
    put_member(line, "generation", entry != NULL ? number_of(from->generation) : json_null());
    put_member(line, "policy", some_text(from->policy_digest, TEXT_MAX_BYTES));
}

size_t audit_line_print(const struct audit_entry *entry, const struct audit_counts *counts,
                        const struct timespec *now, char *text, size_t room)
{
    AUTO(json_decref) json_t *object = json_object();
    struct line line = { .object = object };

    put_member(&line, "time", time_text(now));
    put_member(&line, "occasion",
               some_text(entry != NULL ? entry->occasion : "close", TEXT_MAX_BYTES));
    put_verdict(&line, entry);
    put_peer(&line, entry != NULL ? entry->peer : NULL);
    put_policy(&line, entry);
    put_member(&line, "held_back", number_of(counts->held_back));
    put_member(&line, "held_back_others", number_of(counts->held_back_others));
    put_member(&line, "lost", number_of(counts->lost));
    size_t len = line.failed ? 0 : json_dumpb(object, text, room, JSON_COMPACT | JSON_ENSURE_ASCII);
    return len <= room ? len : 0;
}

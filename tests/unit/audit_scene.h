/* SPDX-License-Identifier: Apache-2.0
 * The audit file. Time stands still but where a test moves it, and the disk is full when a test
 * says so: clock_gettime and write are wrapped by the linker. */
#ifndef NODEKEY_TESTS_AUDIT_SCENE_H
#define NODEKEY_TESTS_AUDIT_SCENE_H

#include <stdint.h>

#include <jansson.h>

#include "audit/audit.h"

#define PER_PEER 5u
#define MINUTE 60
#define FILE_MAX_BYTES (16u << 20)

extern int64_t now_seconds;

struct disk {     /* what becomes of the next writes */
    int failures; /* this many fail with `error`; */
    int error;
    size_t partial; /* or else takes only so many bytes; 0: all */
    unsigned calls;
};
extern struct disk disk;

/* The last line that the host was told, and how many. */
extern char log_text[8192];
extern unsigned log_lines;
extern const nk_host host;

/* Fresh for each test, at `path`. */
extern const char *path;
extern struct audit *audit;
int audit_set_up(void **state);
int audit_tear_down(void **state);

/* Closes the one that is open first. */
void reopen_audit(unsigned per_peer);
/* Owned: free. */
char *text_of(const char *file);
/* Every line parsed; null where it is no JSON. Owned: json_decref. */
json_t *lines_of(const char *file);
size_t count_lines(const char *file);
/* The last line. Owned: json_decref. */
json_t *last_line(void);
void last_line_says(const char *member, json_int_t want);
/* Writes a line of a peer whose fingerprint begins with that number. */
void write_line(uint8_t number, uint32_t decision);

#endif

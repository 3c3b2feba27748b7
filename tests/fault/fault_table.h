/* SPDX-License-Identifier: Apache-2.0
 * One row of the fault table: what the token does and when, and what must come of it. */
#ifndef NODEKEY_TESTS_FAULT_TABLE_H
#define NODEKEY_TESTS_FAULT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "fixtures/federation.h"

enum fault_moment {
    BEFORE_OPEN,     /* the fault is there before the module is loaded */
    AT_OPEN,         /* strikes while an instance opens beside one that serves */
    FIRST_SIGNATURE, /* between an instance's open and its first handshake */
    UNDER_LOAD,      /* while four threads dial */
    REINITIALISING,  /* an error makes the module start anew, and then this */
    MOMENTS,
};

/* FAILS: the open, or each new handshake. SERVES: nobody notices but the log. */
enum fault_outcome { FAILS, SERVES };

struct fault_world {
    struct federation federation;
    struct member alice; /* P-256, on the faulty token; "other" is a second key on it */
    struct member rosa;  /* RSA-2048, on the faulty token */
    struct member bob;   /* on a copy of SoftHSM that nothing happens to */
    struct tls_peer stranger;
};

struct fault_row {
    const char *name;
    enum fault_moment moment;
    enum fault_outcome outcome;
    const char *says; /* in the open's error, or in a line of the log; NULL with SERVES: silence */
    const char *script; /* of the faulty token, until the cure */
    const char *first;  /* the script before the fault; NULL: "" */
    nk_status status;   /* of an open that FAILS */
    const char *patch;  /* over the node's configuration; NULL: {} */
    unsigned pause_ms;  /* for so long after the cure the product may hold back */
    const char *cured;  /* the script after the cure; NULL: "" */
    bool rsa;           /* rosa instead of alice */
    bool beside;        /* UNDER_LOAD: rosa's node, too, at the same module */
    bool only_outbound; /* tls_peer.h sees to SIGPIPE, which is then no test */
    void (*strike)(const struct fault_world *world); /* besides the script */
    void (*cure)(const struct fault_world *world);
};

extern const struct fault_row fault_rows[];
extern const size_t fault_rows_len;

struct fault_result {
    bool holds;
    char text[NK_ERROR_TEXT_BYTES + 16]; /* the open's error, or what the log said */
    char wrong[NK_ERROR_TEXT_BYTES];     /* what did not hold */
    unsigned long answered; /* calls on the connection that stood, while the fault was there */
    unsigned long dials;    /* meanwhile */
    long long next_ms;      /* from the cure to the end of the next handshakes, both directions */
};

/* In a process of its own, which has loaded nothing yet. */
void fault_run(const struct fault_world *world, const struct fault_row *row,
               struct fault_result *result);

#endif

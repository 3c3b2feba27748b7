/* SPDX-License-Identifier: Apache-2.0
 * The table of lies: what a module hands back for an output parameter, and who believes it. */
#ifndef NODEKEY_TESTS_LIES_TABLE_H
#define NODEKEY_TESTS_LIES_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* The programs that a lie is told to; each row of the table is one lie to one of them. */
enum liar_to {
    OPEN,        /* a node, at open; certificate in a file */
    CERTIFICATE, /* likewise; certificate on the token */
    SERVE,       /* a node that is open: the lie begins, and a peer dials */
    DEADLINE,    /* likewise; workers sign */
    CLOSE,       /* a node that is open: the lie begins, and it is closed */
    PROVIDER,    /* nodekey-provider.so: a key by its URI alone, and a signature */
    TOKENS,      /* nodekey tokens --login */
    INIT,        /* nodekey init */
    ENROLL,      /* nodekey enroll */
    CSR,         /* nodekey csr */
    PIN,         /* nodekey pin */
    LISTENERS,
};
#define TO(listener) (1u << (listener))

struct lie {
    const char *function;
    const char *parameter; /* "": it hands nothing back */
    const char *name;
    const char *script;
    unsigned to;       /* whom: each is a row */
    unsigned harmless; /* of those: nobody is harmed, and what was asked for is done */
    unsigned told;     /* of those: refused by `says`, since no lie can be seen */
    const char *says;
    const char *key; /* of the nodes; NULL: "identity", P-256 */
    unsigned held;   /* of those: came to the same before counts and lengths were bounded */
};

extern const struct lie lies[];
extern const size_t lies_len;
extern const char *const lies_listeners[LISTENERS];

/* What a listener does, in a process of its own that was told to be `argv[2]`; the exit status. */
int lies_listen(int argc, char **argv);

#endif

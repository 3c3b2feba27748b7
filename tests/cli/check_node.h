/* SPDX-License-Identifier: Apache-2.0
 * How far a node came that calls itself. */
#ifndef NODEKEY_TESTS_CHECK_NODE_H
#define NODEKEY_TESTS_CHECK_NODE_H

enum check_node_end {
    CHECK_NODE_TALKED = 10, /* no code of a program that failed */
    CHECK_NODE_SHUT,        /* open refuses */
    CHECK_NODE_REFUSED,     /* the call failed */
};

#endif

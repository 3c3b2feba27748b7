/* SPDX-License-Identifier: Apache-2.0
 * A member with everything that operators get wrong lying around: keys, certificates and PIN files
 * of each kind, behind the faulty token. */
#ifndef NODEKEY_TESTS_MISCONFIG_H
#define NODEKEY_TESTS_MISCONFIG_H

#include "fixtures/federation.h"

struct misconfig_world {
    struct federation federation;
    struct federation strangers;
    struct member alice;
};

void misconfig_make(struct misconfig_world *world);
void misconfig_free(struct misconfig_world *world);

#endif

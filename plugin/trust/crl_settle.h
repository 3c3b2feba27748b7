/* SPDX-License-Identifier: Apache-2.0
 * Old and new lists beside each other: which are in force. */
#ifndef NODEKEY_CRL_SETTLE_H
#define NODEKEY_CRL_SETTLE_H

#include "trust/crl_reading.h"

/* Of the lists read and carried, leaves in force the newest of each kind; and remembers them. */
MUST_USE bool reading_settle(struct reading *reading);

#endif

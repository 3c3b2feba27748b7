/* SPDX-License-Identifier: Apache-2.0
 * Details of the status with which calls end, for the other side and for our own caller alike; our
 * log says why. */
#ifndef NODEKEY_REFUSAL_H
#define NODEKEY_REFUSAL_H

#define REFUSED "nodekey: the peer is not admitted any more"
/* A call that cannot be one of ours. */
#define NO_CREDENTIALS "this process has made no credentials, so no call has a peer of ours"
#define CLOSED "nodekey: instance closed"

#endif

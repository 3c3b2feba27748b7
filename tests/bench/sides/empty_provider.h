/* SPDX-License-Identifier: Apache-2.0
 * A provider of OpenSSL's that does nothing: what one costs a program by being there. */
#ifndef NODEKEY_BENCH_EMPTY_PROVIDER_H
#define NODEKEY_BENCH_EMPTY_PROVIDER_H

enum empty_size {
    EMPTY_AS_OURS, /* as many decoders, key managers and signatures as ours, of the same names */
    EMPTY_ONE_DECODER, /* the first of our decoders, and nothing else */
};

/* Loads it into the process, for good. Failures abort. */
void empty_provider_load(enum empty_size size);

#endif

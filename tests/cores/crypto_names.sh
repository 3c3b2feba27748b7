#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# crypto_names.sh NM MODULE LIBCRYPTO: names of what MODULE takes from libcrypto, one on a line, sorted.
set -eu
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
"$1" -D --undefined-only --format=posix "$2" | sed 's/[@ ].*//' | LC_ALL=C sort -u >"$scratch/used"
"$1" -D --defined-only --format=posix "$3" | sed 's/[@ ].*//' | LC_ALL=C sort -u >"$scratch/there"
LC_ALL=C comm -12 "$scratch/used" "$scratch/there"

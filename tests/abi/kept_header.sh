#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kept_header.sh CC INCLUDE KEPT: the plugin.h of the present minor version says what the kept one of that version says,
# but for comments. Nothing is compared before that one is kept.
set -eu
minor=$(sed -n 's/^#define NK_ABI_MINOR \([0-9]*\)u.*/\1/p' "$2/nodekey/plugin.h")
kept=$3/0.$minor/plugin.h
[ -n "$minor" ]
[ -e "$kept" ] || exit 0
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
for header in "$2/nodekey/plugin.h" "$kept"; do
  "$1" -fpreprocessed -dD -E -P "$header" >>"$scratch/$(basename "$(dirname "$header")")"
done
diff "$scratch/0.$minor" "$scratch/nodekey"

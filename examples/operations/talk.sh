#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# talk.sh FROM TO: stands for any call between two nodes: FROM's identity dials TO. Exit status 1: they do not talk.
set -eu
cd "$(dirname "$0")/../federation"
ip=$(awk -v node="$1" '$2 == node { print $3 }' nodes.txt)
SOFTHSM2_CONF=$PWD/node-$1/softhsm2.conf exec node --plugin "$(pkg-config --variable=plugin nodekey)" --config "node-$1/node.json" \
    --listen "$ip:0" --no-serve --greet "$(cat "node-$2/address")" 2>>"node-$1/talk.log"

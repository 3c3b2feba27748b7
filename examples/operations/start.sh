#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# start.sh NODE: stands for `systemctl start'. NODE is a letter of ../federation/nodes.txt, where it says its address;
# the program is examples/node of the build.
set -eu
cd "$(dirname "$0")/../federation"
ip=$(awk -v node="$1" '$2 == node { print $3 }' nodes.txt)
rm -f "node-$1/address"
SOFTHSM2_CONF=$PWD/node-$1/softhsm2.conf node --plugin "$(pkg-config --variable=plugin nodekey)" --config "node-$1/node.json" \
    --listen "$ip:0" --ready-file "node-$1/address" --beat 0 >>"node-$1/log" 2>&1 </dev/null &
echo $! >"node-$1/pid"
until [ -s "node-$1/address" ]; do
    if ! kill -0 $!; then
        tail -n 3 "node-$1/log"
        exit 1
    fi
    sleep 0.1
done

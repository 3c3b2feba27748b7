#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# reload.sh NODE: stands for `systemctl reload', and waits until the node has read its files. A node that is told
# nothing looks every 5 s.
set -eu
cd "$(dirname "$0")/../federation"
answers() {
    grep -c '^reloaded$\|^node: reload:' "node-$1/log" || true
}
before=$(answers "$1")
kill -HUP "$(cat "node-$1/pid")"
until [ "$(answers "$1")" -gt "$before" ]; do sleep 0.1; done

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# reload.sh NODE: stands for `systemctl reload'. A node that is told nothing looks every 5 s.
set -eu
cd "$(dirname "$0")/../federation"
kill -HUP "$(cat "node-$1/pid")"

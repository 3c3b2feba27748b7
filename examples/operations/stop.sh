#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# stop.sh NODE: stands for `systemctl stop'.
set -eu
cd "$(dirname "$0")/../federation"
pid=$(cat "node-$1/pid")
kill "$pid"
until ! grep -qs . "/proc/$pid/cmdline"; do sleep 0.1; done

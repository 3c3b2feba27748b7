#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asks Go's crypto/x509 about the chains of real_names_roots and real_names_constraints, and compares with the column
# that these tables have for it. Needs go, 1.25.5 or later, which no other test does: ctest does not run it.
# usage: tests/names/go_verdicts.sh [BUILD]    the build's folder; build/dev unless given
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build/dev}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

command -v go >/dev/null || {
  echo "go_verdicts: there is no go" >&2
  exit 2
}
for table in roots constraints; do
  NODEKEY_NAMES_OUT=$folder "$build/tests/names/test_real_names_$table" >"$folder/log" 2>&1 || {
    cat "$folder/log"
    exit 1
  }
done
go version
GO111MODULE=off go run "$here/go_verdicts.go" "$folder"

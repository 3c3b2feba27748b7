#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Counts the rows of the tests: cmocka tests, steps of shell tests, rows of printed tables. Each in a test that ctest ran.
# usage: tests/rows.sh [--each] [BUILD_OR_LOG]
#   BUILD_OR_LOG  a built tree, in which all tests are run, or the log of `ctest -V`; build/dev unless given
#   --each        a line for each test, too
set -euo pipefail

each=0
if [[ ${1:-} == --each ]]; then
  each=1
  shift
fi
if [[ ${1:-} == -* || $# -gt 1 ]]; then
  sed -n '4,6s/^# //p' "${BASH_SOURCE[0]}"
  exit 2
fi
log=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/dev}
if [[ -d $log ]]; then
  build=$log
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  ctest --test-dir "$build" -j "$(nproc)" -V >"$log" 2>&1 || echo "rows.sh: some tests failed, or ended early" >&2
fi

# A row of the fault table is a cmocka test, so the table is not added.
awk -v each="$each" '
  $2 == "Test" && $3 ~ /^#[0-9]+:$/ { name[substr($3, 2) + 0] = $4; next } # 1/2 Test #1: NAME
  $2 == "Test" && $3 == "#" { name[$4 + 0] = $5; next }                    # 1/2 Test  # 1: NAME
  !/^[0-9]+: / { next }
  { test = $1 + 0; line = substr($0, index($0, ": ") + 2) }
  line ~ /^\[  PASSED  \] [0-9]+ test/ { cmocka[test] += $5 }
  line ~ /^\[  FAILED  \] [0-9]+ test/ { failed += $5 }
  line ~ /^== / { steps[test]++ }
  line ~ /^policy matrix: [0-9]+ rows/ { table[test] += $4 }
  line ~ /^pkits: [0-9]+ vectors/ { table[test] += $3 }
  line ~ /^[0-9]+ of [0-9]+ (ordered pairs talked|intruders refused)/ { table[test] += $2 }
  line ~ /^\{"name": "/ { table[test]++ }
  END {
    for (test in name) {
      rows = cmocka[test] + steps[test] + table[test]
      if (each) printf "%6d %s\n", rows, name[test] | "sort -k2"
      tests++; c += cmocka[test]; s += steps[test]; t += table[test]
    }
    if (each) close("sort -k2")
    printf "%6d rows: %d cmocka tests, %d steps of shell tests, %d rows of tables; %d tests of ctest\n", c + s + t, c, s, t, tests
    if (failed) { printf "%d cmocka tests failed and are not counted\n", failed; exit 1 }
  }' "$log"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the tree is clean, its notes included; and what READMEs have a reader type, in
# blocks that a test runs, is without warnings. A directive that turns one off says why.
# usage: shellcheck.sh SOURCE
set -euo pipefail
cd "$1"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mapfile -t files < <(find .ci hsm include plugin examples tests README.md -type f | sort)
mapfile -t scripts < <(awk 'FNR == 1 { if (FILENAME ~ /\.sh$/ || /^#!.*[\/ ](ba|da)?sh( |$)/) print FILENAME; nextfile }' "${files[@]}")
[ ${#scripts[@]} -ge 25 ] # else they were not found
failed=0
shellcheck --external-sources --format gcc "${scripts[@]}" || failed=1

# One script per page, as tests/recipes/run.sh runs it; its lines have the numbers of the page's.
blocks=0
for page in README.md examples/*/README.md; do
  awk -v head="set -euo pipefail" 'NR == 1 { print head; next }
    /^ *```/ { on = $1 == "```sh"; n += on; print ""; next }
    { print on ? $0 : "" }
    END { exit n == 0 }' "$page" >"$scratch/page" || continue
  blocks=$((blocks + 1))
  shellcheck --shell bash --severity warning --format gcc - <"$scratch/page" | sed "s#^-:#$page:#" || failed=1
done
[ "$blocks" -ge 3 ]

grep -nE '# shellcheck disable=[A-Z0-9,]+$' "${scripts[@]}" && failed=1
echo "${#scripts[@]} scripts, $blocks pages"
exit "$failed"

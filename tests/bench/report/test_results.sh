#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A page of results: its sections are replaced one by one, what does not hold is said, failures are counted.
# usage: test_results.sh
# shellcheck disable=SC2016 # backticks are Markdown's
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
page=$scratch/page.md

row() { # name, value, bound, holds, resolved, failed, of
  printf '{"name": "%s", "what": " what", "value": %s, "low": %s, "high": %s, "bound": %s, "at": "most", "holds": %s, ' \
    "$1" "$2" "$2" "$2" "$3" "$4"
  printf '"resolved": %s, "unit": "ratio", "measure": "cpu", "cpu_us": 1, "failed": %d, "of": %d, "rounds": 31}' "$5" "$6" "$7"
}
write() { # title, row...
  local IFS=,
  echo "[${*:2}]" | /usr/bin/python3 "$here/results.py" "$page" "$1" "a machine" >"$scratch/printed"
}
says() { # line
  grep -Fxq "$1" "$page" || {
    echo "no line '$1' in:"
    cat "$page"
    exit 1
  }
}

write "Debian 13" "$(row kept 0.5 1 true true 0 9)" "$(row rival null null null false 0 0)"
write "Debian 12" "$(row old 0.5 1 true true 0 9)"
write "Debian 12" "$(row over 1.5 1 false true 0 9)" "$(row wide 1 1 false false 0 9)" \
  "$(row unable null 1 false false 0 9)" "$(row shaky 2 null null true 3 9)"
says '| `kept` | what | 0.500 | 0.500 to 0.500 | ≤ 1.00 | yes |'
says '| `rival` | what | cannot |  | 31 of 31 rounds |'
says '| `over` | what | 1.500 | 1.500 to 1.500 | ≤ 1.00 | **no** |'
says '| `wide` | what | 1.000 | 1.000 to 1.000 | ≤ 1.00 | not resolved |'
says '| `unable` | what | cannot |  | ≤ 1.00 | cannot |'
says '| `shaky` | what | 2.000 | 2.000 to 2.000 | 3 of 9 |'
says 'a machine; 31 rounds.'
[ "$(grep '^## ' "$page")" = $'## Debian 12\n## Debian 13' ]
! grep -q '`old`' "$page" || exit 1
sed -n '/^## Debian 12/,/^## Debian 13/p' "$page" | sed '$d' | diff -B - "$scratch/printed"

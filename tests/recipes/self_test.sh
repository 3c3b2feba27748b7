#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Recipes that must not pass: run.sh fails at each, and says where. And every recipe of examples/ has a test.
# usage: self_test.sh BUILD
# shellcheck disable=SC2016 # what a page's bash expands
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
rows=0
failures=0

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  failures=$((failures + 1))
}

# A page of one block, and its checks.
page() { # line of the block...
  mkdir -p "$folder/examples/page"
  printf '%s\n' '# Page' '' 'Some words.' '' '```sh' "$@" '```' >"$folder/examples/page/README.md"
  printf 'after() { check "a file is there" test -e made; }\n' >"$folder/page.sh"
}

run() { # exit status, what it says
  local status=0 said
  said=$("$here/run.sh" "$build" page "$folder/examples" "$folder" 2>&1) || status=$?
  rows=$((rows + 1))
  if [ "$status" = "$1" ] && grep -qF -- "$2" <<<"$said"; then
    printf '%d %s\n' "$1" "$2"
  else
    fail "exit status $status, not $1 with \"$2\": $said"
  fi
}

page 'touch made'
run 0 'recipe page: 1 blocks, 1 commands, 1 checks, 0 failed'
page 'touch made' false
run 1 'README.md:7: exit status 1: false'
page 'touch made' 'false | true'
run 1 'README.md:7: exit status 1: false | true'
page 'touch made' 'f() {' '  false' '}' 'f'
run 1 'README.md:8: exit status 1:   false'
page 'touch made' '(exit 3)'
run 1 'README.md:7: exit status 3'
page 'touch made' 'echo "$unset_before"'
run 1 'unset_before: unbound variable'
page 'touch made' 'exit 0'
run 1 'README.md ends before its last block'
page 'touch made' 'cat <<X'
run 1 'not a whole command'
page ':'
run 1 'FAILED: a file is there: test -e made'
page 'touch made' '```' 'more' '```bash' 'false'
run 1 'README.md:9: a fence that is neither sh nor text'
page 'touch made' '```' 'more' '  ```sh' 'false' '  ```'
run 1 'README.md:9: a fence that is not at the left edge'
page 'touch made' '```' '```sh'
run 1 'an empty block: block-00008'
page 'touch made'
sed -i 's/^```sh/```text/' "$folder/examples/page/README.md"
run 1 'no block of sh'
page 'touch made'
rm "$folder/page.sh"
run 1 'page.sh is missing'

# What the blocks see.
page 'touch made' 'test -z "${SOFTHSM2_CONF:-}${NODEKEY_MODULE:-}"' 'nodekey --help' 'pkg-config --exists nodekey' \
  'test "$(dirname "$HOME")" = "$(dirname "$TMPDIR")"' 'test "$(basename "$PWD")" = page'
export SOFTHSM2_CONF=/nowhere NODEKEY_MODULE=/nowhere
run 0 '6 commands'
page 'touch made' 'echo $((6 * 7)) >answer; export answer=$(cat answer)'
printf 'before() { touch had; }\nafter() { check had test -e had; check kept grep -q "answer=.42" "$tree/log/environment"; }\n' \
  >"$folder/page.sh"
run 0 '2 checks, 0 failed'
page 'touch made; id -u >uid'
printf 'as_user=64123\nafter() { check uid grep -qx 64123 uid; check reader as_reader test -O made; }\n' >"$folder/page.sh"
if [ "$(id -u)" = 0 ]; then
  run 0 '2 checks, 0 failed'
fi

# What they leave running ends with them.
page 'touch made' 'sleep 4242 &' "setsid sh -c 'echo \$\$ >made; exec sleep 4242' >/dev/null &" 'sleep 0.3; cp made '"$folder/pid"
run 0 '1 checks, 0 failed'
outlived() {
  if grep -qs sleep "/proc/$(cat "$folder/pid")/cmdline"; then
    fail "a process outlives the recipe that started it"
  fi
}
outlived
page 'touch made' "env -i sh -c 'echo \$\$ >made; exec sleep 4242' >/dev/null 2>&1 &" 'sleep 0.3; cp made '"$folder/pid"
run 0 '1 checks, 0 failed'
outlived

# Not by ctest's list: sanitizers leave some out.
for page in "$here"/../../examples/*/README.md; do
  name=$(basename "$(dirname "$page")")
  grep -q "^nodekey_recipe(${name}[ )]" "$here/CMakeLists.txt" ||
    fail "examples/$name/README.md has no test recipe_$name"
  sed -n '1,/^## /p' "$here/../../README.md" | grep -qF "](examples/$name/README.md)" ||
    fail "examples/$name/README.md is not in the list with which README begins"
done

printf 'recipes_self: %d rows, %d failures\n' "$rows" "$failures"
[ "$failures" = 0 ]

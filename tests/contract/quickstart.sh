#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The quickstart with --keep, then each command that it says comes next, as printed; and one that is
# stopped half way and leaves nothing.
# usage: quickstart.sh BUILD
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TMPDIR=$folder
cd "$folder"

check() { # what, command and its arguments
  if ! "${@:2}"; then
    printf '\nFAILED: %s\n' "$1" >&2
    exit 1
  fi
  echo "ok: $1"
}

says() { grep -qsE -- "$1" "$2"; } # pattern, file
told() { # pattern, file: waits for it
  local until=$((SECONDS + 60))
  until says "$1" "$2"; do
    ((SECONDS < until)) || return 1
    sleep 0.1
  done
}

check "--help has at most 80 columns" bash -c "! '$top/examples/quickstart.sh' --help | grep -E '.{81}'"

# A tool's lines and how long it then takes: what is shown of it.
shown_of() { # text, seconds
  { printf '%s' "$1"; sleep "$2"; } | show_progress tool.log
}
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
slow_is_shown() { [ "$(shown_of $'one\ntwo\npart of a line' 3.5 | head -n 1)" = '  ... part of a line' ]; }
quick_is_not() { [ -z "$(shown_of $'one\ntwo\n' 0)" ]; }
check "a tool that takes over two seconds is seen at work" slow_is_shown
check "its log has all of it" cmp tool.log <(printf 'one\ntwo\npart of a line')
check "one that is quick is not" quick_is_not

# --- what is kept, and what comes next ---

"$top/examples/quickstart.sh" --keep --build "$build" | tee quickstart.log
for word in init enroll "csr --verify" import check; do
  check "nodekey $word is shown" says "^  \\$ nodekey $word node-a/" quickstart.log
done
check "the C++ host is in the build" bash -c '! grep -q "it needs grpc++" quickstart.log'
check "what was shown" says '^What was shown: ' quickstart.log
kept=$(sed -n 's/^What lies where, in \(.*\):$/\1/p' quickstart.log)
for file in node-{a,b,c}/{node.{json,pin,pem,out,err},so.pin,tokens} ca/federation-root.pem intruders/mallory.pem; do
  check "$file is there" test -e "$kept/$file"
done
awk '/^Next:$/{inside = 1; next} inside && /^  [^ .]/' quickstart.log >commands
check "three commands" test "$(wc -l <commands)" -eq 3
grep -v -- '--again' commands >plain
check "two of them end by themselves" test "$(wc -l <plain)" -eq 2
check "they do what is said" bash -euo pipefail -x plain

# The printed command, which ends when it is told to, and its nodes with it.
starts_again() {
  local status=0 port
  rm -f "$kept"/node-?/node.out
  sed -n 's/^  \(.* --again\)/exec \1/p' commands >again
  bash again >again.log 2>&1 &
  told '^the nodes serve on port' again.log || { cat again.log; return 1; }
  grep -q '^9 of 9 ordered pairs talked' again.log || return 1
  kill "$!"
  wait "$!" || status=$?
  port=$(sed -n 's/^the nodes serve on port \([0-9]*\);.*/\1/p' again.log)
  [ $status -eq 0 ] && ! pgrep -f -- "--listen 127.0.0.1[123]:$port " >/dev/null
}
check "the nodes start again" starts_again
rm -rf "$kept"

# --- stopped half way ---

leaves_nothing() {
  local status=0
  mkdir empty
  TMPDIR=$folder/empty "$top/examples/quickstart.sh" --build "$build" >stopped.log 2>&1 &
  told '^nine ordered pairs' stopped.log || return 1
  kill "$!"
  wait "$!" || status=$?
  [ $status -eq 130 ] && rmdir empty
}
check "stopped, it leaves nothing" leaves_nothing

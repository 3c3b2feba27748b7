#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The hand at the reader. Run inside of piv.sh's namespaces, in its folder.
# usage: piv_control.sh put|pull|freeze|thaw|reader-start|reader-kill
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$PIV_FOLDER"

# Under an init that never reaps, a zombie counts as gone.
end_now() {
  local pid
  pid=$(cat "$1")
  kill -9 "$pid" 2>/dev/null || true
  for _ in $(seq 500); do
    grep -qs '^State:.*[^Z] (' "/proc/$pid/status" || return 0
    sleep 0.02
  done
  echo "process $pid does not end" >&2
  return 1
}

reader_says() {
  for _ in $(seq 300); do
    opensc-tool --list-readers 2>/dev/null | grep -q "^0 *$1" && return 0
    sleep 0.05
  done
  echo "the reader does not say \"$1\"" >&2
  return 1
}

case ${1-} in
put)
  "$here/piv_card.py" card >>card.log 2>&1 </dev/null &
  echo $! >card.pid
  reader_says Yes
  ;;
pull) end_now card.pid ;;
freeze) kill -STOP "$(cat card.pid)" ;;
thaw) kill -CONT "$(cat card.pid)" ;;
reader-start)
  pcscd --foreground --config "$PWD/reader.conf" >>pcscd.log 2>&1 </dev/null &
  echo $! >pcscd.pid
  reader_says '[YN]'
  if [ -e card.pid ]; then reader_says Yes; fi
  ;;
reader-kill) end_now pcscd.pid ;;
*)
  sed -n '4s/^# //p' "${BASH_SOURCE[0]}" >&2
  exit 2
  ;;
esac

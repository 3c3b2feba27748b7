#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Follows a recipe to the letter: installs the build into a fresh tree, copies examples/ beside it, and
# runs the ```sh blocks of examples/RECIPE/README.md in order, all in one bash, in that folder.
# usage: run.sh BUILD RECIPE [EXAMPLES CHECKS]
#
# CHECKS/RECIPE.sh (CHECKS is tests/recipes/ unless told) is sourced. It may have
#   as_user=NAME  who the reader is: an ordinary user, by name or number; whoever runs this unless told
#   before        what a reader's machine has already; what it exports, the blocks see
#   after         assertions: check "what" COMMAND...
# They are given $tree, $prefix (installed), $folder (the recipe's copy, where they run), and
# `as_reader COMMAND...'. The variables that the blocks exported are in $tree/log/environment.
# On PATH are the installed commands, and `node': examples/node, which is not installed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath "$1")
recipe=$2
examples=$(realpath "${3:-$here/../../examples}")
checks=$(realpath "${4:-$here}")
limit_seconds=300
as_user=""
checked=0
failed=0

die() {
  printf 'recipe %s: %s\n' "$recipe" "$*" >&2
  exit 1
}

# Whatever a recipe left running was started with the tree's HOME, or in its folders: nginx writes over its environment.
running() {
  {
    grep -lzxF "HOME=$tree/home" /proc/[0-9]*/environ 2>/dev/null || true
    find /proc/[0-9]*/cwd -maxdepth 0 -lname "$tree/*" 2>/dev/null || true
  } | tr -dc '0-9\n' | sort -u
}

clean_up() {
  local signal pids
  cd /
  unset HOME # the recipe's: the programs that list what runs would list themselves
  for signal in TERM KILL; do
    mapfile -t pids < <(running)
    [ ${#pids[@]} -eq 0 ] || kill "-$signal" "${pids[@]}" 2>/dev/null || true
    for _ in {1..30}; do
      [ -n "$(running)" ] || break 2
      sleep 0.1
    done
  done
  rm -rf "$tree"
}

as_reader() {
  if [ -z "$as_user" ] || [ "$(id -u)" != 0 ]; then
    "$@"
  else
    setpriv --reuid "$as_user" --regid "$(id -g "$as_user" 2>/dev/null || echo "$as_user")" --clear-groups "$@"
  fi
}

check() { # what, command and its arguments
  local what=$1
  shift
  checked=$((checked + 1))
  if "$@" >"$tree/check.log" 2>&1; then
    printf '  holds: %s\n' "$what"
    return
  fi
  printf '  FAILED: %s: %s\n' "$what" "$*"
  sed 's/^/    /' "$tree/check.log"
  failed=$((failed + 1))
}

# The page as a script of the same lines, so that bash's line numbers are the page's. The first line of a
# page is its title.
write_script() { # file
  awk -v tree="$tree" '
    NR == 1 {
      printf "set -Eeuo pipefail; "
      printf "trap '\''printf \"README.md:%%d: exit status %%d: %%s\\n\" \"$LINENO\" \"$?\" \"$(sed -n \"${LINENO}p\" %s/script)\" >&2'\'' ERR; ", tree
      printf "trap '\''printf \"%%d\\n\" \"$LINENO\" >>%s/log/commands'\'' DEBUG\n", tree
      next
    }
    /^[ \t]+```/ { print FILENAME ":" FNR ": a fence that is not at the left edge" >tree "/faults" }
    /^```(bash|shell|console|)$/ && !inside { print FILENAME ":" FNR ": a fence that is neither sh nor text" >tree "/faults" }
    /^```/ {
      running = !inside && $0 == "```sh"
      inside = !inside
      if (running) { file = sprintf("%s/block-%05d.sh", tree, NR); printf "" >file }
      print ""
      next
    }
    inside && running { print; print >file; next }
    { print "" }
    END {
      printf "trap - DEBUG; export -p >%s/log/environment\n", tree
      if (inside) print FILENAME ": the last fence is not closed" >tree "/faults"
    }' README.md >"$1"
}

look_at_page() {
  local block said
  : >"$tree/faults"
  write_script "$tree/script"
  [ ! -s "$tree/faults" ] || die "$(cat "$tree/faults")"
  compgen -G "$tree/block-*.sh" >"$tree/blocks" || die "its README.md has no block of sh"
  while read -r block; do
    grep -q . "$block" || die "an empty block: $(basename "$block" .sh)"
    said=$(bash -n "$block" 2>&1) || true
    [ -z "$said" ] || die "README.md: not a whole command: $said"
  done <"$tree/blocks"
}

follow_page() {
  local status=0
  as_reader timeout -k 5 "$limit_seconds" bash "$tree/script" </dev/null || status=$?
  [ "$status" = 0 ] || die "README.md is not followed to its end: exit status $status"
  [ -e "$tree/log/environment" ] || die "README.md ends before its last block"
}

tree=$(mktemp -d "${TMPDIR:-/tmp}/nodekey-recipe.XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT TERM
prefix=$tree/prefix
folder=$tree/examples/$recipe
[ -f "$checks/$recipe.sh" ] || die "$checks/$recipe.sh is missing"
[ -f "$examples/$recipe/README.md" ] || die "$examples/$recipe/README.md is missing"
# shellcheck source=/dev/null
. "$checks/$recipe.sh"

chmod 755 "$tree"
mkdir -p "$tree/home" "$tree/tmp" "$tree/run" "$tree/log" "$tree/bin"
chmod 700 "$tree/home" "$tree/run"
cmake --install "$build" --prefix "$prefix" >"$tree/install.log" || die "$(cat "$tree/install.log")"
cp -a "$examples" "$tree/examples"
[ ! -x "$build/examples/node" ] || cp "$build/examples/node" "$tree/bin/node"
if [ -n "$as_user" ] && [ "$(id -u)" = 0 ]; then
  chown -R "$as_user" "$tree/home" "$tree/tmp" "$tree/run" "$tree/log" "$tree/examples"
fi
for name in ${!NODEKEY_*} ${!SOFTHSM2_*} ${!TPM2_*} ${!OPENSSL_*} ${!P11_*} ${!XDG_*} STATE_DIRECTORY CREDENTIALS_DIRECTORY; do
  unset "$name"
done
export HOME=$tree/home TMPDIR=$tree/tmp RUNTIME_DIRECTORY=$tree/run
export PATH=$prefix/bin:$tree/bin:$PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name nodekey.pc)")
export PKG_CONFIG_PATH

cd "$folder"
look_at_page
! declare -F before >/dev/null || before
follow_page
! declare -F after >/dev/null || after
printf 'recipe %s: %d blocks, %d commands, %d checks, %d failed\n' "$recipe" "$(wc -l <"$tree/blocks")" \
  "$(sed '$d' "$tree/log/commands" | wc -l)" "$checked" "$failed"
[ "$failed" = 0 ]

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One nodekey.so, built on Debian 12, in programs that came by their gRPC in different ways: the quickstart's 9 pairs
# and 13 intruders in each. A command of its own, since it needs the trees of tests/platforms.sh.
set -euo pipefail

usage() {
  cat <<'END_OF_USAGE'
usage: tests/one_file.sh [--cache FOLDER] [SET-UP...]

Builds nodekey.so, nodekey-provider.so and the command once, by the preset
"release"; then, for each SET-UP (default: all), the programs of examples/ alone,
and runs examples/quickstart.sh with them and that one file. Prints a table.
Root, on Debian 12.

  shared            gRPC as Debian 12 has it
  no-pie            the same, in programs that are not position-independent
  static-grpc       gRPC linked in statically, OpenSSL shared
  static            both linked in statically
  static-exported   the same with -rdynamic
  trixie            gRPC as Debian 13 has it
  sid               gRPC of experimental
  sid-static        the same, with OpenSSL 3.6, both linked in statically
  exported-openssl4 gRPC as sid has it, in programs that export the whole of an
                    OpenSSL 4
  programs-openssl4 nodekey-provider.so in OpenSSL 4's own programs: the test
                    provider_programs, built there

  --cache FOLDER    where trees are kept; default: that of tests/platforms.sh,
                    which makes them alike
  --help            this text

Exit status: 0 all held with one file; 1 not; 2 could not be tried.
END_OF_USAGE
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/.." && pwd)
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
# shellcheck source=tests/platform_trees.sh
. "$here/platform_trees.sh"

chosen=()
status=0
table=()
loaded=() # hashes

# A set-up: its tree, what is static, and options of CMake.
# --whole-archive: else programs have, and show, what they use themselves.
set_ups() {
  local export="-rdynamic -Wl,--whole-archive -l:libssl.a -l:libcrypto.a -Wl,--no-whole-archive -lz -lzstd"
  cat <<END_OF_SET_UPS
shared|-|nothing
no-pie|-|nothing|-DCMAKE_C_FLAGS=-fno-pie|-DCMAKE_CXX_FLAGS=-fno-pie|-DCMAKE_EXE_LINKER_FLAGS=-no-pie
static-grpc|-|grpc
static|-|openssl
static-exported|-|openssl|-DCMAKE_EXE_LINKER_FLAGS=-rdynamic
trixie|trixie|nothing
sid|sid-grpc|nothing
sid-static|sid-grpc|openssl
exported-openssl4|openssl4|nothing|-DCMAKE_EXE_LINKER_FLAGS=$export
programs-openssl4|openssl4|programs
END_OF_SET_UPS
}

die() {
  echo "one_file.sh: $*" >&2
  exit 2
}

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
    --cache)
      [ $# -ge 2 ] || die "$1 needs a folder"
      cache=$2
      shift
      ;;
    --help)
      usage
      exit 0
      ;;
    *)
      set_ups | grep -q "^$1|" || {
        usage >&2
        exit 2
      }
      chosen+=("$1")
      ;;
    esac
    shift
  done
}

build_once() {
  local log=$top/build/one_file.log
  mkdir -p "$top/build"
  if ! (cd "$top" && cmake --preset release && cmake --build --preset release --target nodekey_plugin \
    nodekey_provider_module nodekey) 2>&1 | show_progress "$log"; then
    tail -n 20 "$log" >&2
    die "nodekey does not build"
  fi
}

# A folder with what build_once made, installed.
make_folder() { # folder
  rm -rf --one-file-system "$1"
  mkdir -p "$1"
  cmake --install "$top/build/release" --prefix "$1/prefix" >/dev/null
}

# Runs set_up.sh here, or in a tree.
run_set_up() { # tree or "-", folder as it is seen there, static, option...
  local tree=$1
  shift
  if [ "$tree" = - ]; then
    "$here/one_file/set_up.sh" "$@"
  else
    inside "$cache/$tree" "$sources/tests/one_file/set_up.sh" "$@"
  fi
}

print_row() { # name, gRPC, OpenSSL, what held, SHA-256
  printf '%-18s %-20s %-8s %-18s %s\n' "$@"
}

try_set_up() { # name, tree or "-", static, option...
  local name=$1 tree=$2 seen=$top/build/one_file/$1 folder=$top/build/one_file/$1 held=true row=(- - "does not build" -)
  shift 2
  if [ "$tree" != - ]; then
    have_tree "$tree" || die "no tree of $tree"
    copy_checkout "$cache/$tree"
    seen=$sources/build/one_file/$name
    folder=$cache/$tree$seen
  fi
  echo "--- $name"
  make_folder "$folder"
  run_set_up "$tree" "$seen" "$@" 2>&1 | show_progress "$folder/log" || held=false
  [ ! -s "$folder/row" ] || IFS='|' read -ra row <"$folder/row"
  table+=("$(print_row "$name" "${row[@]:0:3}" "${row[3]:0:16}")")
  if ! $held; then
    table+=("  FAILED; all of it: $folder/log")
    status=1
  elif [ "$1" != programs ]; then
    loaded+=("${row[3]}")
  fi
}

print_table() {
  local different
  print_row set-up gRPC OpenSSL "pairs, intruders" SHA-256
  printf '%s\n' "${table[@]}"
  different=$(printf '%s\n' "${loaded[@]}" | sort -u)
  if [ "$(wc -l <<<"$different")" -ne 1 ]; then
    printf 'nodekey.so was not the same everywhere:\n%s\n' "$different"
    status=1
  elif [ ${#loaded[@]} -gt 0 ]; then
    printf 'one nodekey.so in %d set-ups, SHA-256 %s\n' ${#loaded[@]} "$different"
  fi
}

main() {
  local name tree static options
  read_options "$@"
  # shellcheck source=/dev/null
  [ "$(. /etc/os-release && echo "$ID $VERSION_ID")" = "debian 12" ] || die "only on Debian 12"
  install_missing "${packages[@]}" || exit 2
  open_cache || exit 2
  build_once
  while IFS='|' read -r name tree static options <&3; do
    [ ${#chosen[@]} -gt 0 ] && [[ " ${chosen[*]} " != *" $name "* ]] && continue
    IFS='|' read -ra options <<<"$options"
    try_set_up "$name" "$tree" "$static" "${options[@]}"
  done 3< <(set_ups)
  print_table
  exit $status
}

main "$@"

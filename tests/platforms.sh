#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The suite on other Debians than the one that CI has: built there without a warning, run there, and what
# differs. A command of its own: it fetches some 700 MB per platform the first time, and what sid and
# experimental hold changes from day to day.
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/platforms.sh [--cache FOLDER] [--preset PRESET] [--tests REGEX [--few]] [PLATFORM...]

Makes a tree of each PLATFORM (default: all three), builds this checkout there
with -Werror, runs the suite, and prints the versions of its packages and the
tests that fail there. Root, on Debian.

  trixie     Debian 13
  sid-grpc   sid, with gRPC from experimental
  openssl4   sid, with OpenSSL from experimental; its gRPC is on OpenSSL 3, so only
             what needs no gRPC runs there

  --cache FOLDER    where trees are kept, each with its build;
                    default: ~/.cache/nodekey-platforms
  --preset PRESET   of CMake; default: dev
  --tests REGEX     build and run these tests only, by ctest's -R
  --few             for those that need SoftHSM only: a tree of its own, with fewer packages
  --help            this text

A test that fails for a reason of the platform's has a row in tests/platforms.txt:
as of PLATFORM, or of PLATFORM.PRESET.

Exit status: 0 all passed, but those that have a row; 1 others failed, or it did
not build; 2 could not be tried.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/.." && pwd)
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
# shellcheck source=tests/platform_trees.sh
. "$here/platform_trees.sh"

preset=dev
chosen=
platforms=()
status=0

die() {
  echo "platforms.sh: $*" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
  --cache | --preset | --tests)
    [ $# -ge 2 ] || die "$1 needs a value"
    case $1 in
    --cache) cache=$2 ;;
    --preset) preset=$2 ;;
    --tests) chosen=$2 ;;
    esac
    shift
    ;;
  --few) few=.few ;;
  --help)
    usage
    exit 0
    ;;
  trixie | sid-grpc | openssl4) platforms+=("$1") ;;
  *)
    usage >&2
    exit 2
    ;;
  esac
  shift
done
[ ${#platforms[@]} -gt 0 ] || platforms=(trixie sid-grpc openssl4)
open_cache || exit 2

print_versions() { # platform, tree
  local package version names=()
  printf '\n--- %s: Debian %s, %s\n' "$1" "$(<"$2/etc/debian_version")" "$(date -u +%F)"
  names=(libgrpc-dev libssl-dev openssl gcc libc6 cmake libcmocka-dev libp11-kit0 libpkcs11-helper1-dev libjansson4 softhsm2
    opensc libtpm2-pkcs11-1 swtpm libnss3 gnutls-bin python3)
  for package in "${names[@]}"; do
    # shellcheck disable=SC2016 # dpkg-query's
    version=$(chroot "$2" dpkg-query -W -f '${Version}' "$package" 2>/dev/null) || version=-
    printf '%-24s %s\n' "$package" "$version"
  done
}

# What failed, by ctest's own list of it, each with its row of platforms.txt.
print_failed() { # platform, ctest's list
  local platform=$1 name reason
  [ -s "$2" ] || return 0
  while IFS=: read -r _ name; do
    reason=$(awk -v platform="$platform" -v name="$name" \
      '$1 == platform && $2 == name { $1 = $2 = ""; print substr($0, 3); exit }' "$here/platforms.txt")
    printf '%-24s %s\n' "$name" "${reason:-FAILED}"
    [ -n "$reason" ] || status=1
  done <"$2"
}

# What the chosen tests need, or all.
build_in() { # tree
  local targets=() tests=$1$sources/build/$preset/tests/built
  configure_in "$1" "$preset" || return 1
  [ -z "$chosen" ] || mapfile -t targets < <(awk -v chosen="$chosen" '$1 ~ chosen { print $2 }' "$tests" | sort -u)
  make_in "$1" "$preset" "${targets[@]:-all}"
}

try_platform() { # platform
  local tree=$cache/$1$few log=$cache/$1$few.log list tests=()
  list=$tree$sources/build/$preset/Testing/Temporary/LastTestsFailed.log
  have_tree "$1" || die "no tree of $1"
  copy_checkout "$tree"
  print_versions "$1" "$tree"
  if ! build_in "$tree" 2>&1 | show_progress "$log"; then
    grep -E 'error|warning' -A 5 "$log" | head -n 40
    echo "$1: does not build; all of it: $log"
    status=1
    return
  fi
  rm -f "$list"
  [ -z "$chosen" ] || tests=(-R "$chosen")
  [ "$1" != openssl4 ] || [ -n "$chosen" ] || tests=(-L unit)
  inside "$tree" bash -c "cd $sources && exec ctest --preset $preset \"\$@\"" ctest "${tests[@]}" 2>&1 |
    show_progress "$log" || true
  grep -E '^[0-9]+% tests passed|^No tests' "$log" || status=1
  print_failed "$1$([ "$preset" = dev ] || echo ".$preset")" "$list"
}

for platform in "${platforms[@]}"; do
  try_platform "$platform"
done
exit $status

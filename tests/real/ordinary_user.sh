#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An ordinary user on bare Debian trees: nodekey is built and installed there, then two of his nodes
# talk, with keys in SoftHSM and then in software TPMs. A command of its own, not part of CI: it
# fetches some 500 MB per release the first time.
# shellcheck disable=SC2317,SC2329 # functions that timed and trap call by name
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/real/ordinary_user.sh [--cache FOLDER] [--keep] [RELEASE...]

Makes a bare tree of each Debian RELEASE (default: bookworm trixie), with what
nodekey is built from, builds and installs nodekey there, and has an ordinary
user make two nodes that talk: on SoftHSM, then on software TPMs. Prints the
user's commands, how many a node takes, and the time of each step. Root, on
Debian.

  --cache FOLDER   keep trees here for the next run; default: none are kept
  --keep           keep the trees that nodekey was built in
  --help           this text

Exit status: 0 all talked; 1 some did not, or a node took more than five
commands; 2 could not be tried.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"
# shellcheck source=tests/trees.sh
. "$top/tests/trees.sh"

packages=(
  cmake ninja-build pkgconf gcc g++ libgrpc-dev libssl-dev libjansson-dev libp11-kit-dev libpkcs11-helper1-dev
  protobuf-c-compiler libprotobuf-c-dev
  softhsm2 openssl libtpm2-pkcs11-1 swtpm tpm2-tools
)
declare -A tcti=([bookworm]=libtss2-tcti-swtpm0 [trixie]=libtss2-tcti-swtpm0t64)

cache=
keep=false
releases=()
failed=0
times=()

die() {
  echo "ordinary_user.sh: $*" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
  --cache)
    [ $# -ge 2 ] || die "--cache needs a folder"
    mkdir -p "$2"
    cache=$(realpath "$2")
    shift
    ;;
  --keep) keep=true ;;
  --help)
    usage
    exit 0
    ;;
  -*)
    usage >&2
    exit 2
    ;;
  *) releases+=("$1") ;;
  esac
  shift
done
[ ${#releases[@]} -gt 0 ] || releases=(bookworm trixie)
for release in "${releases[@]}"; do
  [ -n "${tcti[$release]-}" ] || die "$release: not one of ${!tcti[*]}"
done
[ "$(id -u)" -eq 0 ] || die "only root can make a tree"
install_missing mmdebstrap iproute2 || exit 2

folder=$(mktemp -d "${TMPDIR:-/tmp}/nodekey-trees.XXXXXX")
clean_up() {
  if $keep; then
    echo "kept: $folder"
  else
    rm -rf --one-file-system "$folder"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# What a long command says is shown as its progress, and all of it when it fails.
timed() { # what, command and its arguments
  local began=$SECONDS what=$1
  shift
  echo "$what"
  if ! "$@" 2>&1 | show_progress "$folder/log"; then
    tail -n 30 "$folder/log" >&2
    die "failed: $what"
  fi
  times+=("$(printf '%-40s %4d s' "$what" $((SECONDS - began)))")
}

unpack() { # archive
  mkdir "$tree"
  tar -C "$tree" --exclude='./dev/*' -xpf "$1"
  mkdir "$tree/usr/src/nodekey"
  tar -C "$top" --exclude=./build --exclude=./.git -c . | tar -C "$tree/usr/src/nodekey" --no-same-owner -x
  chroot "$tree" useradd --create-home --shell /bin/bash alice
}

# shellcheck disable=SC2016 # the tree's shell
build='cd /usr/src/nodekey
  cmake --preset release -DBUILD_TESTING=OFF
  cmake --build --preset release
  cmake --install build/release
  install build/release/examples/node /usr/local/bin/node
  ldconfig'

two_nodes() { # kind of token
  local began=$SECONDS what="$release: two nodes on $1"
  printf '\n--- %s\n' "$what"
  inside "$tree" runuser -l alice -c "bash /usr/src/nodekey/tests/real/ordinary_user_nodes.sh $1" || failed=1
  times+=("$(printf '%-40s %4d s' "$what" $((SECONDS - began)))")
}

versions() {
  # shellcheck disable=SC2016 # dpkg-query's
  inside "$tree" dpkg-query -W -f '${Package} ${Version}, ' libgrpc-dev libssl-dev softhsm2 libtpm2-pkcs11-1 swtpm
  printf 'Debian %s\n' "$(<"$tree/etc/debian_version")"
}

try_release() {
  local archive
  archive=${cache:-$folder}/$release-$(printf '%s\n' "${packages[@]}" | sha256sum | cut -c 1-12).tar
  tree=$folder/$release
  [ -e "$archive" ] || timed "$release: a bare tree, and packages" make_tree "$release" "$archive" "${packages[*]} ${tcti[$release]}"
  timed "$release: unpacked, with nodekey's sources" unpack "$archive"
  timed "$release: nodekey built and installed" inside "$tree" sh -euc "$build"
  versions
  two_nodes softhsm
  two_nodes tpm
}

for release in "${releases[@]}"; do
  try_release
done
printf '\n'
printf '%s\n' "${times[@]}"
[ $failed -eq 0 ] && echo "ordinary users: all talked" || echo "ordinary users: FAILED"
exit $failed

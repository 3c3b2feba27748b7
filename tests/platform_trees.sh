# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by tests/platforms.sh, tests/one_file.sh and tests/bench/run.sh, which have one cache: trees of other Debians,
# each with a copy of this checkout and its builds. Uses examples/install.sh.
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/packages.sh
. "$checkout/tests/packages.sh"
# shellcheck source=tests/trees.sh
. "$checkout/tests/trees.sh"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/nodekey-platforms
few= # or ".few"
sources=/usr/src/nodekey # in a tree
included_list=/etc/nodekey-packages # there, those that it was made with

open_cache() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "only root can make a tree" >&2
    return 1
  fi
  install_missing mmdebstrap iproute2 || return 1
  mkdir -p "$cache" && cache=$(realpath "$cache")
}

# A platform: its suite of Debian, the source packages it takes from experimental, and packages that it needs more:
# what archives of gRPC and OpenSSL are linked with, pivot_root, and the group tss.
platform_of() { # platform
  suite=sid experimental="" more=(libzstd-dev libutf8-range-dev util-linux-extra tpm-udev)
  case $1 in
  trixie) suite=trixie more=(libzstd-dev) ;;
  sid-grpc) experimental="src:grpc src:protobuf" ;;
  openssl4) experimental=src:openssl ;;
  esac
  if [ -n "$few" ]; then
    included="${few_packages[*]} ${more[*]}"
  else
    included="${packages[*]} ${more[*]}"
  fi
}

prepare_tree() { # tree
  make_tree "$suite" "$1.new" "$included" "$experimental" || return 1
  echo "$included" >"$1.new$included_list"
  mv "$1.new" "$1"
}

# PyPI's packages, which needs a network where the lists have changed: with the roots that this machine trusts, its
# proxy's among them.
fetch_inside() { # tree
  mkdir -p "$1$sources/build" "$1$sources/tests" &&
    cp -rT "$checkout/tests/pypi" "$1$sources/tests/pypi" &&
    cp /etc/ssl/certs/ca-certificates.crt "$1$sources/roots.pem" &&
    { declare -f fetch_pypi fetch_grpcio fetch_sources && echo "cd $sources && fetch_pypi"; } |
    PIP_CERT=$sources/roots.pem SSL_CERT_FILE=$sources/roots.pem chroot "$1" bash -eu
}

fill_tree() { # tree
  [ -d "$1" ] || prepare_tree "$1" || return 1
  [ -n "$few" ] || fetch_inside "$1"
}

# Makes $cache/PLATFORM$few, unless it is there; a tree that was made with other packages is made anew.
have_tree() { # platform
  local suite experimental more included tree=$cache/$1$few log=$cache/$1$few.log
  platform_of "$1"
  if [ -e "$tree$included_list" ] && [ "$(<"$tree$included_list")" != "$included" ]; then
    rm -rf --one-file-system "$tree"
  fi
  fill_tree "$tree" 2>&1 | show_progress "$log" || {
    tail -n 20 "$log" >&2
    return 1
  }
}

# The checkout as it is, with its times: what is built and did not change is not built again.
copy_checkout() { # tree
  mkdir -p "$1$sources"
  find "$1$sources" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf --one-file-system {} +
  (cd "$checkout" && git ls-files -z --cached --others --exclude-standard | while IFS= read -rd '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
  done | tar --null -T - -c) | tar -C "$1$sources" --no-same-owner -x
}

configure_in() { # tree, preset
  inside "$1" bash -euc "cd $sources && cmake --preset $2"
}

make_in() { # tree, preset, target...
  inside "$1" bash -euc "cd $sources && exec cmake --build --preset $2 --target \"\$@\"" cmake "${@:3}"
}

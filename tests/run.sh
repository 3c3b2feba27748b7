#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, runs every test. Works as root on a plain Debian 12, from any
# folder, any number of times.
# usage: tests/run.sh [PRESET]    dev (default), clang, asan, tsan or release
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=${1:-dev}
# shellcheck source=tests/packages.sh
. "$here/tests/packages.sh"

case $preset in
-h | --help)
  sed -n '3,5s/^# //p' "${BASH_SOURCE[0]}"
  exit 0
  ;;
clang) packages+=(clang) ;;
dev | asan | tsan | release) ;;
*)
  echo "run.sh: unknown preset: $preset" >&2
  exit 2
  ;;
esac

# shellcheck source=examples/install.sh
. "$here/examples/install.sh"
install_missing "${packages[@]}"

cd "$here"
fetch_pypi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset "$preset" >"$log" 2>&1 || {
  cat "$log"
  exit 1
}
cmake --build --preset "$preset"
ctest --preset "$preset"

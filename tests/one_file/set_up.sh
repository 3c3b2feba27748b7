#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# set_up.sh FOLDER STATIC [CMAKE-OPTION...]: one set-up, on the machine or in the tree that it is for. FOLDER has what
# was installed elsewhere, as `prefix`; examples' programs are built there, and tried by examples/quickstart.sh beside
# that very nodekey.so. STATIC: of CMakeLists.txt here; or "programs": OpenSSL's own, with that nodekey-provider.so.
# Leaves FOLDER/row, of one line: gRPC|OpenSSL|what held|SHA-256 of the file. Exit status: 0 all held.
set -euo pipefail
folder=$1
static=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
prefix=$folder/prefix
status=0

hash_of() { # file
  sha256sum <"$1" | cut -d ' ' -f 1
}

# The number before "of TOTAL" in what quickstart said.
number_of() { # total, what follows
  sed -n "s/^\([0-9]*\) of $1 $2.*/\1/p" "$folder/quickstart.log"
}

try_examples() {
  cmake -G Ninja -S "$here" -B "$folder" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_PREFIX_PATH="$prefix" \
    -DSTATIC="$static" "$@"
  cmake --build "$folder"
  cp "$prefix/lib/nodekey/nodekey.so" "$prefix/bin/nodekey" "$folder"
  "$top/examples/quickstart.sh" --build "$folder" 2>&1 | tee "$folder/quickstart.log" || status=1
  printf '%s|%s of 9, %s of 13|%s\n' "$("$folder/versions")" "$(number_of 9 ordered)" "$(number_of 13 intruders)" \
    "$(hash_of "$folder/nodekey.so")" >"$folder/row"
}

# The test that has them, built with this machine's OpenSSL.
try_programs() {
  local log=$folder/programs.log module=$prefix/lib/nodekey/nodekey-provider.so
  cd "$top"
  cmake --preset dev
  cmake --build --preset dev --target test_provider_programs
  NODEKEY_PROVIDER=$module build/dev/tests/provider/test_provider_programs 2>&1 | tee "$log" || status=1
  printf -- '-|%s|%s of %s tests|%s\n' "$(openssl version | cut -d ' ' -f 2)" "$(grep -c '^\[       OK' "$log")" \
    "$(grep -c '^\[ RUN' "$log")" "$(hash_of "$module")" >"$folder/row"
}

case $static in
programs) try_programs ;;
*) try_examples "$@" ;;
esac
exit $status

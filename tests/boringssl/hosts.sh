#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One nodekey.so in programs that carry BoringSSL, linked in the ways that there are: each works, or is told why not.
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/boringssl/hosts.sh CORE BUILD FOLDER

Builds examples/node in FOLDER, on the core that tests/boringssl/core.sh has
installed as CORE, linked in eleven ways (tests/boringssl/hosts). nodekey.so and the
command are those of BUILD, made with the machine's own gRPC; $NODEKEY_MODULE is
another nodekey.so. Programs that keep their BoringSSL to themselves pass the
quickstart. Those that show its names to all are refused by `open`, with the
sentence that names both libraries and the cure, and end by themselves.

Exit status: 0 all is so; 1 not, or it does not build; 2 could not be tried.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=examples/install.sh
. "$top/examples/install.sh"

hiding=(plain rdynamic-hidden libcurl-hidden libcrypto-hidden)
showing=(rdynamic libcurl libcrypto inner beside shared shared-hidden) # --exclude-libs hides archives only
failed=0

[ $# -eq 3 ] || {
  usage >&2
  exit 2
}
core=$1 build=$(realpath "$2") folder=$(realpath -m "$3")
log=$folder/log
scratch=$(mktemp -d)
trap 'rm -rf --one-file-system "$scratch"' EXIT

build_hosts() {
  PKG_CONFIG_PATH=$core/lib/pkgconfig cmake -S "$here/hosts" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo &&
    cmake --build "$folder"
}

say() { # host, what held
  printf '%-16s %s\n' "$1" "$2"
}

fail() { # host, what did not hold; what it said is in the log
  say "$1" "FAILED: $2"
  tail -n 12 "$log"
  failed=$((failed + 1))
}

# The first leaves its federation for those that are refused.
passes_quickstart() { # host
  cp "${NODEKEY_MODULE:-$build/nodekey.so}" "$folder/$1/nodekey.so" &&
    cp "$build/nodekey" "$folder/$1" || return 2
  TMPDIR=$scratch "$top/examples/quickstart.sh" --keep --build "$folder/$1" >"$log" 2>&1
}

# Its port is nobody's business: there is none.
is_refused() { # host
  local status=0 sentence piece="[A-Za-z0-9_]+ (is )?in .*/($1/examples/node|libboringssl.so|libcrypto.so.3)"
  sentence="OpenSSL is in two pieces for (nodekey|.*/lib[a-z0-9-]*.so[.0-9]*) in this process: its $piece, its $piece; "
  sentence+="link the program without -rdynamic, or with -Wl,--exclude-libs,ALL, and with no library that shows functions "
  sentence+="of OpenSSL's names$"
  SOFTHSM2_CONF=$federation/node-a/softhsm2.conf timeout 20 "$folder/$1/examples/node" \
    --plugin "${NODEKEY_MODULE:-$build/nodekey.so}" --config "$federation/node-a/node.json" --listen 127.0.0.11:0 \
    >"$log" 2>&1 || status=$?
  if [ "$status" -eq 1 ] && grep -qE "$sentence" "$log"; then
    say "$1" "the sentence"
  else
    fail "$1" "it ended with $status"
  fi
}

mkdir -p "$folder" || exit 2
build_hosts 2>&1 | show_progress "$log" || {
  grep -E 'error|warning' -A 5 "$log" | head -n 40
  echo "does not build; all of it: $log"
  exit 1
}
for host in "${hiding[@]}"; do
  if passes_quickstart "$host"; then
    say "$host" "$(grep -E ' of 9 | of 13 ' "$log" | sed 's/,.*/,/' | paste -sd ' ')"
  else
    fail "$host" "the quickstart"
  fi
done
federation=$(find "$scratch" -maxdepth 1 -name 'nodekey-quickstart.*' -print -quit)
[ -d "$federation/node-a" ] || exit 2
for host in "${showing[@]}"; do
  is_refused "$host"
done
echo "${#hiding[@]} that hide and ${#showing[@]} that show BoringSSL, $failed wrong"
[ "$failed" -eq 0 ]

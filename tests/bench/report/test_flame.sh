#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A flame graph: what is on it, of which width, whose; and what is left out.
# usage: test_flame.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Three samples of threads, the innermost function first, and one of the thread that sets up.
printf '%b' 'first thread 7/7 \n\t 1 set_up (/usr/bin/bench)\n\n' \
  'a thread 7/8 \n\t 1 malloc (/lib/libc.so.6)\n\t 2 judge<a & b> (/x/nodekey.so)\n\t 3 start (/lib/libc.so.6)\n\n' \
  'a thread 7/8 \n\t 4 [unknown] (/lib/libssl.so.3)\n\t 5 [unknown] (/lib/libssl.so.3)\n\t 3 start (/lib/libc.so.6)\n\n' \
  'a thread 7/9 \n\t 6 [unknown] (/lib/libssl.so.3)\n\t 3 start (/lib/libc.so.6)\n\n' >"$scratch/samples"
/usr/bin/python3 "$here/flame.py" "a title" <"$scratch/samples" >"$scratch/graph"
/usr/bin/python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$scratch/graph"
for text in 'a title: 3 samples' '>OpenSSL 66.7%<' '>nodekey 33.3%<' '<title>start: 100.00%</title>' \
  '<title>judge&lt;a &amp; b&gt;: 33.33%</title>' '<title>malloc: 33.33%</title>' '<title>[libssl.so.3]: 66.67%</title>'; do
  grep -Fq "$text" "$scratch/graph" || {
    echo "no '$text' in:"
    cat "$scratch/graph"
    exit 1
  }
done
[ "$(grep -c '<g>' "$scratch/graph")" -eq 4 ] # neither set_up nor a second box for what has no name
! /usr/bin/python3 "$here/flame.py" "a title" </dev/null >/dev/null 2>&1

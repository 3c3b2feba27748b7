#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# captured.sh NM MODULE LIBCRYPTO CC HOST OTHERWISE: HOST prints the sentence when a library of the process shows one
# function of OpenSSL that MODULE uses, whichever it is; and OTHERWISE where a library shows another.
set -eu
names=$("$(dirname "$0")/crypto_names.sh" "$1" "$2" "$3")
cc=$4 host=$5 otherwise=$6
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
cd "$scratch"
echo 'void stub(void) { __builtin_trap(); }' | "$cc" -x c -fPIC -c -o stub.o -

# answer NAME: what is said in a program with a library that shows a function of that name.
answer() {
  "$cc" -shared -nostdlib -o library.so stub.o "-Wl,--defsym,$1=stub"
  "$host" ./library.so || echo "ended with $?"
}

failed=0 asked=0
for name in $names; do
  said=$(answer "$name")
  asked=$((asked + 1))
  case $said in
  *" OpenSSL is in two pieces"*" $name is in ./library.so,"*--exclude-libs,ALL*) ;;
  *" OpenSSL is in two pieces"*" $name in ./library.so;"*--exclude-libs,ALL*) ;;
  *)
    echo "$name: $said"
    failed=$((failed + 1))
    ;;
  esac
done
said=$(answer EVP_of_somebody_else)
case $said in
*"$otherwise"*) ;;
*)
  echo "a library with other names: $said"
  failed=$((failed + 1))
  ;;
esac
echo "$asked functions, $failed wrong"
[ "$failed" -eq 0 ] && [ "$asked" -gt 100 ]

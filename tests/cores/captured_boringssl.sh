#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# captured_boringssl.sh FOLDER: each program there that shows its BoringSSL prints the sentence, and each that hides it
# goes on to look for its file.
set -eu
failed=0 asked=0
for program in "$1"/*; do
  said=$("$program" || echo "ended with $?")
  asked=$((asked + 1))
  case ${program##*/}:$said in
  showing_*" OpenSSL is in two pieces for nodekey "*" in $program,"*/libcrypto.so.*--exclude-libs,ALL*) ;;
  showing_*" OpenSSL is in two pieces for nodekey "*/libcrypto.so.*" in $program;"*--exclude-libs,ALL*) ;;
  hiding_*nonexistent/node.json*) ;;
  *)
    echo "${program##*/}: $said"
    failed=$((failed + 1))
    ;;
  esac
done
echo "$asked programs, $failed wrong"
[ "$failed" -eq 0 ] && [ "$asked" -eq 7 ]

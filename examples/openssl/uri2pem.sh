#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# uri2pem.sh 'pkcs11:token=web;object=tls' >key.pem
# Writes the file that stands for a token key where a program wants a private key file. It holds no secret: the URI
# names the key, openssl.cnf (beside this script) says which module and where the PIN is. The form is that of
# pkcs11-provider: SEQUENCE { "PKCS#11 Provider URI v1.0", URI } in PEM.
set -eu
LC_ALL=C # so that lengths are in bytes
export LC_ALL

if [ $# -ne 1 ]; then
    echo "usage: uri2pem.sh 'pkcs11:token=LABEL;object=LABEL' >key.pem" >&2
    exit 2
fi
case $1 in
*pin-value=* | *pin-source=* | *module-path=* | *module-name=*)
    echo "uri2pem.sh: the PIN and the module belong into openssl.cnf; nodekey refuses them in a key file" >&2
    exit 2
    ;;
pkcs11:*) ;;
*)
    echo "uri2pem.sh: $1 is not a pkcs11: URI" >&2
    exit 2
    ;;
esac

byte() {
    printf '%b' "\\0$(printf '%03o' "$1")"
}

header() { # TAG LENGTH
    byte "$1"
    if [ "$2" -gt 127 ]; then
        byte 130
        byte $(($2 / 256))
        byte $(($2 % 256))
    else
        byte "$2"
    fi
}

field() { # TAG TEXT
    header "$1" ${#2}
    printf '%s' "$2"
}

size() { # TEXT
    echo $((${#1} + (${#1} > 127 ? 4 : 2)))
}

description='PKCS#11 Provider URI v1.0'
echo '-----BEGIN PKCS#11 PROVIDER URI-----'
{
    header 48 $(($(size "$description") + $(size "$1")))
    field 26 "$description"
    field 12 "$1"
} | openssl base64
echo '-----END PKCS#11 PROVIDER URI-----'

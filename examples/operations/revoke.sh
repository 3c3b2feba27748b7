#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# revoke.sh NODE SERIAL...: the part of the node's site in ../federation, "Revoke", for some of its certificates, and the
# site's new list, which goes to every node by deliver.sh.
set -eu
cd "$(dirname "$0")/../federation"
site=$(awk -v node="$1" '$2 == node { print $1 }' nodes.txt)
shift
cd "$site"
for serial in "$@"; do
    openssl ca -config site.cnf -passin file:passphrase -revoke "issued/$serial.pem"
done
openssl ca -config site.cnf -passin file:passphrase -gencrl -out site.crl

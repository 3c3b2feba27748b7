#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sign.sh NODE REQUEST: the part of the node's site in ../federation, "The site issues": the certificate, and then the
# site's own, on standard output. The names are those of the site's register, whatever the request asks for.
set -eu
cd "$(dirname "$0")/../federation"
read -r site ip <<REGISTER
$(awk -v node="$1" '$2 == node { print $1, $3 }' nodes.txt)
REGISTER
nodekey csr --verify "$2" >&2
cd "$site"
NAMES=URI:spiffe://$site.federation.example/node/$1,IP:$ip openssl ca -config site.cnf -passin file:passphrase \
    -batch -notext -extfile node.ext -subj "/CN=node-$1" -in "../$2" -out ../signed.crt >&2
cat ../signed.crt site.pem

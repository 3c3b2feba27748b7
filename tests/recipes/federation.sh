# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # run.sh sets what is used here
# Sourced by run.sh: what examples/federation/README.md leaves behind, and what its CAs cannot be made to certify.

text_of() { # certificate, what is in its text
  openssl x509 -in "$1" -noout -text | grep -qF -- "$2"
}

lists() { # CRL, certificate
  openssl crl -in "$1" -noout -text | grep -q "$(openssl x509 -in "$2" -noout -serial | cut -d= -f2)"
}

private() { # file
  [ "$(stat -c %a "$1")" = 600 ]
}

encrypted() { # key
  grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$1"
}

# A node's certificate from the site north, for any names, by the page's own command.
issue() { # names, options of openssl ca
  local names=$1
  shift
  (
    cd north
    NAMES=$names openssl ca -config site.cnf -passin file:passphrase -batch -notext -extfile node.ext -subj /CN=node-x \
      -in "${request:-../node-a/node.csr}" -out ../x.crt "$@"
  ) && cat x.crt north/site.pem >x.pem
}

refused() { # label, certificates
  local said
  ! said=$(nodekey explain node-a/node.json "$2" --role client) && grep -q "^reason *$1:" <<<"$said"
}

admitted() { # certificates
  nodekey explain node-a/node.json "$1" --role client
}

# A request for everything: the CA takes its key alone.
greedy_request() {
  openssl ecparam -name prime256v1 -genkey -noout -out x.key
  openssl req -new -key x.key -subj /CN=admin -out x.csr -addext basicConstraints=critical,CA:TRUE \
    -addext subjectAltName=URI:spiffe://south.federation.example/node/b -addext extendedKeyUsage=anyExtendedKeyUsage
}

nothing_of_the_request() {
  local text
  text=$(openssl x509 -in "$1" -noout -text)
  ! grep -q 'CA:TRUE\|Any Extended\|south\|admin' <<<"$text"
}

after() {
  local ca
  for ca in root/root north/site south/site; do
    check "$ca: the key is encrypted" encrypted $ca.key
    check "$ca: the key is its owner's alone" private $ca.key
    check "$ca: the passphrase is its owner's alone" private "$(dirname $ca)/passphrase"
  done
  check "a site has no CA below it" text_of north/site.pem 'CA:TRUE, pathlen:0'
  check "a site's names are bounded, critically" text_of north/site.pem 'X509v3 Name Constraints: critical'
  check "a node is server" text_of node-a/node.crt 'TLS Web Server Authentication, TLS Web Client Authentication'
  check "the nodes talked" grep -q '^weights .* from spiffe://north.federation.example/node/a$' node-b/log
  check "node a is let in, with the renewed certificate of its site" admitted node-a/node.pem
  check "node b is out" refused revoked node-b/node.pem
  check "its site is, too" lists node-a/crls/root.crl south/site.pem

  issue URI:spiffe://north.federation.example/node/x,IP:127.1.0.9
  check "a new node of north is let in" admitted x.pem
  issue URI:spiffe://south.federation.example/node/b,IP:127.1.0.9
  check "north cannot name a node of south" refused chain-invalid x.pem
  issue URI:spiffe://north.federation.example/node/x,IP:127.2.0.1
  check "north cannot certify an address of south" refused chain-invalid x.pem
  greedy_request
  request=../x.csr issue URI:spiffe://north.federation.example/node/x,IP:127.1.0.9
  check "what a request asks for is not in the certificate" nothing_of_the_request x.crt
  check "and csr --verify says so before" eval '! nodekey csr --verify x.csr'
  (cd root && DOMAIN=x.federation.example NETWORK=127.9.0.0/255.255.0.0 openssl ca -config root.cnf -passin file:passphrase \
    -batch -notext -extfile site.ext -subj /CN=x -in ../x.csr -out ../x.ca)
  check "nor is it in a site's" eval '! text_of x.ca south && text_of x.ca pathlen:0'

  issue URI:spiffe://north.federation.example/node/x,IP:127.1.0.9 -startdate 20200101000000Z -enddate 20200201000000Z
  check "an expired node is out" refused expired x.pem
  issue URI:spiffe://north.federation.example/node/x,IP:127.1.0.9
  (cd north && openssl ca -config site.cnf -passin file:passphrase -gencrl -crl_lastupdate 20200101000000Z \
    -crl_nextupdate 20200108000000Z -out ../node-a/crls/north.crl)
  check "a list that was not made anew lets nobody in" refused crl-stale x.pem
  rm node-a/crls/north.crl
  check "nor does a list that is missing" refused crl-missing x.pem
  ./deliver.sh node-a
  check "the next one does" admitted x.pem
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by quickstart.sh: a federation's authority, its members' tokens and certificates.
# Everything is made in the current folder.

domain=federation.example
pin=$(od -An -N8 -tu8 /dev/urandom | tr -d ' ')

# A software key: for authorities and intruders. Members' keys are made by their tokens.
new_key() { # name
    quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
    quietly openssl pkey -in "$1.key" -pubout -out "$1.pub"
}

ca_extensions() {
    cat <<END
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
}

leaf_extensions() { # URI, IP address, extended key usage
    cat <<END
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = $3
subjectAltName = URI:$1, IP:$2
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
}

# One root, and the intermediate below it that issues the members' certificates.
make_authority() { # name
    new_key "$1-root"
    new_key "$1"
    ca_extensions >"$1.ext"
    quietly openssl x509 -new -key "$1-root.key" -subj "/CN=Federation Root CA" -days 30 \
        -extfile "$1.ext" -out "$1-root.pem"
    quietly openssl x509 -new -force_pubkey "$1.pub" -subj "/CN=Federation Site CA" -days 30 \
        -CA "$1-root.pem" -CAkey "$1-root.key" -extfile "$1.ext" -out "$1.pem"
}

# Certifies NAME.pub; needs nothing else of that key. NAME.pem is the leaf and then its issuer.
certify() { # name, issuer, URI, IP address, extended key usage
    leaf_extensions "$3" "$4" "$5" >"$1.ext"
    quietly openssl x509 -new -force_pubkey "$1.pub" -subj "/CN=$1" -days 7 \
        -CA "$2.pem" -CAkey "$2.key" -extfile "$1.ext" -out "$1.leaf"
    cat "$1.leaf" "$2.pem" >"$1.pem"
}

# The same between two dates, which `openssl x509` 3.0 cannot set.
certify_between() { # name, issuer, URI, IP address, extended key usage, first, last
    leaf_extensions "$3" "$4" "$5" >"$1.ext"
    cat >"$1.cnf" <<END
[ca]
default_ca = ca_default
[ca_default]
database = $1.index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
END
    : >"$1.index"
    quietly openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    quietly openssl ca -batch -notext -config "$1.cnf" -cert "$2.pem" -keyfile "$2.key" \
        -in "$1.csr" -extfile "$1.ext" -startdate "$(asn1_date "$6")" \
        -enddate "$(asn1_date "$7")" -out "$1.leaf"
    cat "$1.leaf" "$2.pem" >"$1.pem"
}

asn1_date() { # "10 days ago"
    date -u -d "$1" +%Y%m%d%H%M%SZ
}

prepare_tokens() {
    mkdir tokens
    printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' \
        "$PWD" >softhsm2.conf
    export SOFTHSM2_CONF=$PWD/softhsm2.conf
}

# A token with its user PIN.
make_token() { # name
    quietly softhsm2-util --init-token --free --label "$1" --so-pin "$pin" --pin "$pin"
    (umask 077 && printf '%s\n' "$pin" >"$1.pin")
}

# A key pair that is generated on the token and never leaves it. NAME.pub is its public half.
make_key() { # name, key type, URI
    quietly "$nodekey" enroll "$1.json" --key-type "$2" --san "URI:$3" --out "$1.csr"
    quietly openssl req -in "$1.csr" -pubkey -noout -out "$1.pub"
}

write_config() { # name
    cat >"$1.json" <<END
{
  "version": 1,
  "node": {
    "module": "softhsm",
    "key": "pkcs11:token=$1;object=identity",
    "certificate": "$1.pem",
    "pin": { "file": "$1.pin" }
  },
  "federation": { "roots": ["federation-root.pem"] },
  "admit": [ { "name": "members", "uri": ["spiffe://$domain/node/*"] } ],
  "deny": [ { "name": "expelled", "uri": ["spiffe://$domain/node/mallory"] } ]
}
END
}

make_member() { # letter, key type, IP address
    make_token "node-$1"
    write_config "node-$1"
    make_key "node-$1" "$2" "spiffe://$domain/node/$1"
    certify "node-$1" federation "spiffe://$domain/node/$1" "$3" serverAuth,clientAuth
}

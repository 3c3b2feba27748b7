# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # quickstart.sh sets what is used here
# Sourced by quickstart.sh: a federation's authority, and its members as their operators make them.
# Names of files are relative to the current folder, and may begin with one.

domain=federation.example

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
    quietly openssl x509 -new -force_pubkey "$1.pub" -subj "/CN=${1##*/}" -days 7 \
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

write_config() { # folder
    cat >"$1/node.json" <<END
{
  "version": 1,
  "node": {
    "module": "softhsm",
    "key": "pkcs11:token=$1;object=identity",
    "certificate": "node.pem",
    "pin": { "file": "node.pin" }
  },
  "federation": { "roots": ["federation-ca.pem"] },
  "admit": [ { "name": "members", "uri": ["spiffe://$domain/node/*"] } ],
  "deny": [ { "name": "expelled", "uri": ["spiffe://$domain/node/mallory"] } ],
  "state_dir": "state"
}
END
}

# What an operator has before the first command: PINs, the federation's root, a store for SoftHSM.
prepare_folder() { # folder
    (
        umask 077
        mkdir "$1" "$1/state" "$1/tokens"
        openssl rand -hex 8 >"$1/node.pin"
        openssl rand -hex 8 >"$1/so.pin"
    )
    cp ca/federation-root.pem "$1/federation-ca.pem"
    printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' \
        "$PWD/$1" >"$1/softhsm2.conf"
    write_config "$1"
}

# The nodekey command as an operator types it; the first member's commands are shown.
operate() { # arguments
    if [[ $shown_member == "$SOFTHSM2_CONF" ]]; then
        printf '  $ nodekey %s\n' "$*"
    fi
    quietly "$nodekey" "$@"
    if [[ $shown_member == "$SOFTHSM2_CONF" ]]; then
        sed "s|$PWD/||g; s/^/    /" tool.log
    fi
}

# The CA looks at what is asked for, and takes nothing of the request but its key.
issue() { # folder, URI, IP address
    operate csr --verify "$1/node.csr"
    quietly openssl req -in "$1/node.csr" -pubkey -noout -out "ca/$1.pub"
    certify "ca/$1" ca/federation "$2" "$3" serverAuth,clientAuth
}

make_member() { # letter, key type, IP address
    local folder=node-$1 uri=spiffe://$domain/node/$1
    prepare_folder "$folder"
    local -x SOFTHSM2_CONF=$PWD/$folder/softhsm2.conf
    shown_member=${shown_member:-$SOFTHSM2_CONF}
    operate init "$folder/node.json" --so-pin-file "$folder/so.pin"
    operate enroll "$folder/node.json" --key-type "$2" --san "URI:$uri" --san "IP:$3" \
        --out "$folder/node.csr"
    issue "$folder" "$uri" "$3"
    operate import "$folder/node.json" "ca/$folder.pem"
    operate check "$folder/node.json"
}

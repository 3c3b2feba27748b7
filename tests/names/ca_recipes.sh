#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Requests that ask for more than a node needs: what each CA recipe of this tree makes of them, and
# what `nodekey csr --verify' says.
# usage: ca_recipes.sh NODEKEY
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
nodekey=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0
rows=0

attested=2.25.1234567890123456789 # stands for a policy that a policy_oid rule trusts
names=subjectAltName=URI:spiffe://federation.example/node/a,IP:127.0.0.1

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

quietly() { "$@" >quietly.log 2>&1 || { cat quietly.log >&2; return 1; }; }

openssl ecparam -name prime256v1 -genkey -noout -out node-a.key
ask() { # file, options of openssl req
  quietly openssl req -new -key node-a.key -subj /CN=node-a -out "$1" "${@:2}"
}
ask authority.csr -addext "$names" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
ask attested.csr -addext "$names" -addext certificatePolicies=$attested
ask anybody.csr -addext subjectAltName=URI:spiffe://federation.example/node/b -addext extendedKeyUsage=anyExtendedKeyUsage

ca_files() { # name of the certificate and key
  quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=ca \
    -keyout "$1.key" -out "$1.pem"
}

# --- recipes: each signs node-a.csr into node-a.crt ---

# Those of README and the pages of examples/ that write NAME.ext and then sign NAME.csr.
page_recipe() { # page
  local name
  name=$(sed -n 's/^cat >\(.*\)\.ext .*/\1/p' "$top/$1")
  sed -n "/^cat >$name.ext/,/-out $name\.\(crt\|pem\)\$/p" "$top/$1" | grep -v '^export ' >recipe.sh
  for file in ca.pem ca.key; do
    cp federation-$file $file
  done
  [ "$name" = node-a ] || mv node-a.csr "$name.csr"
  grep -q 'openssl x509' recipe.sh && quietly bash -e recipe.sh || return
  [ "$name" = node-a ] || mv "$name.pem" node-a.crt
}

rig_recipe() {
  cp federation-ca.pem ca.pem
  cp federation-ca.key ca.key
  (
    eval "$(sed -n '/^certify() {/,/^}/p' "$top/tests/tokens/rig.sh")"
    nodekey=true certify node-a
  )
}

quickstart_recipe() { # takes the key alone
  openssl req -in node-a.csr -pubkey -noout >node-a.pub
  (
    # shellcheck source=examples/quickstart/federation.sh
    source "$top/examples/quickstart/federation.sh"
    certify node-a federation-ca spiffe://federation.example/node/a 127.0.0.1 serverAuth,clientAuth
  )
  mv node-a.leaf node-a.crt
}

# A site of examples/federation, and the request where its node left it.
make_site() {
  rm -rf federation operations
  mkdir -p federation/site/issued federation/node-a operations
  cp "$top"/examples/federation/{site.cnf,node.ext} federation/site
  cp "$top/examples/operations/sign.sh" operations
  cp federation-ca.pem federation/site/site.pem
  cp federation-ca.key federation/site/site.key
  touch federation/site/index
  echo unused >federation/site/passphrase
  echo site a 127.0.0.1 >federation/nodes.txt
  mv node-a.csr federation/node-a/node.csr
}

federation_recipe() {
  make_site
  {
    echo 'cd federation; site=site node=a ip=127.0.0.1'
    # shellcheck disable=SC2016 # as the page has it
    sed -n '/^    cd \$site$/,/^    cd \.\.$/p' "$top/examples/federation/README.md"
  } >recipe.sh
  grep -q 'openssl ca' recipe.sh && quietly bash -e recipe.sh && mv federation/node-a/node.crt node-a.crt
}

operations_recipe() { # as if csr --verify had found nothing
  make_site
  ln -s /bin/true operations/nodekey
  PATH=$PWD/operations:$PATH operations/sign.sh a node-a/node.csr >node-a.crt 2>quietly.log
}

user_recipe() {
  rm -rf ca node-a
  mkdir node-a
  mv node-a.csr node-a/node.csr
  (
    letters=(a)
    domain=federation.example
    eval "$(sed -n '/^make_ca() {/,/^}/p; /^signature() {/,/^}/p' "$top/tests/real/ordinary_user_nodes.sh")"
    make_ca
    quietly bash -ec "$(signature "${letters[0]}")"
  )
  mv node-a/node.crt node-a.crt
}

# The one of before, by which the attacks are seen to be some.
copying_recipe() {
  quietly openssl x509 -req -in node-a.csr -CA federation-ca.pem -CAkey federation-ca.key \
    -copy_extensions copy -days 2 -out node-a.crt
}

granted() { # what of the request is in node-a.crt
  local text
  text=$(openssl x509 -in node-a.crt -noout -text)
  grep -q 'CA:TRUE' <<<"$text" && echo authority
  grep -q "$attested" <<<"$text" && echo attested
  grep -q 'Any Extended Key Usage\|node/b' <<<"$text" && echo anybody
  return 0
}

attack() { # recipe, what it grants of this attack
  local recipe=$1 attack=$2 wanted=$3 got
  rm -f node-a.crt
  cp "$attack.csr" node-a.csr
  $recipe || { fail "$recipe signs nothing"; return; }
  got=$(granted)
  rows=$((rows + 1))
  printf '%-40s %-10s grants: %s\n' "$recipe" "$attack" "${got:-nothing}"
  [ "$got" = "$wanted" ] || fail "$recipe: $attack: \"$got\", not \"$wanted\""
}

ca_files federation-ca
mapfile -t pages < <(cd "$top" && grep -l '^cat >.*\.ext ' README.md examples/*/README.md)
for name in authority attested anybody; do
  attack copying_recipe $name $name
  for recipe in "${pages[@]/#/page_recipe }" rig_recipe quickstart_recipe federation_recipe operations_recipe user_recipe; do
    attack "$recipe" $name ''
  done
done

# A recipe that is not above is not attacked.
known="${pages[*]}"
known+=' examples/quickstart/federation.sh tests/tokens/rig.sh examples/federation/README.md examples/operations/sign.sh'
known+=' tests/real/ordinary_user_nodes.sh'
# Certify nothing:
known+=' examples/operations/revoke.sh examples/openssl/openssl.cnf'
# They certify a key alone, without a request:
known+=' examples/quickstart/intruders.sh tests/tokens/piv.sh'
while read -r file; do
  case " $known tests/recipes/${file#tests/recipes/} " in # there they follow pages
  *" $file "*) ;;
  *) fail "$file has a CA recipe that is not attacked here" ;;
  esac
done < <(cd "$top" && find README.md examples tests -path tests/names/ca_recipes.sh -o \( -name README.md -o -path 'examples/*' -o -name '*.sh' \) -type f \
  -exec grep -lE 'x509 (-req|.*-CA )|openssl ca |-extfile [^ ]' {} +)
copies=$(cd "$top" && { grep -rlE 'copy_extensions (copy|copyall)' README.md examples tests | grep -v '^tests/names/ca_recipes.sh$' || true; })
[ -z "$copies" ] || fail "the request is copied: $copies"

# --- csr --verify ---

verify() { # exit status, what it says, file
  local status=0 said
  said=$("$nodekey" csr --verify "$3" 2>&1) || status=$?
  rows=$((rows + 1))
  printf 'csr --verify %-20s %d %s\n' "$3" "$status" "$2"
  if [ "$status" != "$1" ] || ! grep -qF -- "$2" <<<"$said"; then
    fail "csr --verify $3: $status, $said"
  fi
}

usage='-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth,clientAuth -addext basicConstraints=critical,CA:FALSE'
# shellcheck disable=SC2086 # several options
ask sound.csr -addext "$names" $usage
verify 0 'spiffe://federation.example/node/a' sound.csr
openssl req -in sound.csr -outform DER -out sound.der
verify 0 'serverAuth' sound.der
ask bare.csr
verify 0 'CN=node-a' bare.csr
verify 1 'asks to be a CA' authority.csr
verify 1 'more than digitalSignature' authority.csr
verify 1 'Certificate Policies' attested.csr
verify 1 'Any Extended Key Usage' anybody.csr
ask pathlen.csr -addext basicConstraints=critical,CA:FALSE,pathlen:0
verify 1 'asks to be a CA' pathlen.csr
ask agreement.csr -addext keyUsage=digitalSignature,keyAgreement
verify 1 'more than digitalSignature' agreement.csr
ask ninth.csr -addext keyUsage=DER:0303048010 # a bit that X.509 has not named yet
verify 1 'more than digitalSignature' ninth.csr
ask code.csr -addext extendedKeyUsage=serverAuth,codeSigning
verify 1 'Code Signing' code.csr
ask behind.csr -addext basicConstraints=DER:300030030101ff
verify 1 'it is not DER, or bytes follow it' behind.csr
ask unknown.csr -addext 1.3.6.1.4.1.311.20.2=critical,ASN1:UTF8String:SubCA
verify 1 'extension 1.3.6.1.4.1.311.20.2' unknown.csr
ask port.csr -addext subjectAltName=DNS:localhost:7000
verify 1 'peers would refuse' port.csr
filler=$(printf '%064d' 0)
openssl req -new -key node-a.key -subj "/CN=admin/L=$filler/ST=$filler/O=$filler/OU=$filler" -out hidden.csr
verify 1 'subject is longer' hidden.csr
ask other.csr -addext 'subjectAltName=otherName:1.2.3.4;UTF8:node'
verify 1 'is no URI, DNS name' other.csr
ask control.csr -addext "subjectAltName=URI:spiffe://federation.example/"$'\e'"[2Ka"
verify 1 'is 0x1b' control.csr
printf 'a\na\n\n' | openssl req -new -key node-a.key -out challenge.csr -config <(printf '%s\n' '[req]' 'prompt=no' 'distinguished_name=d' 'attributes=a' '[d]' 'CN=node-a' '[a]' 'challengePassword=secret') >/dev/null 2>&1
verify 1 'attribute challengePassword' challenge.csr
openssl genrsa -out weak.key 1024 2>/dev/null
openssl req -new -key weak.key -subj /CN=node-a -out weak.csr
verify 1 'less than 2048 bits' weak.csr
python3 - <<'PY'
der = bytearray(open("sound.der", "rb").read())
der[-1] ^= 1
open("forged.der", "wb").write(der)
open("long.der", "wb").write(open("sound.der", "rb").read() + b"\0")
PY
verify 1 'signature is not by its key' forged.der
# A second set of extensions in one attribute: OpenSSL reads the first, other CAs may read both.
der() { # tag, contents; all in hex
  local len=$((${#2} / 2))
  if [ $len -lt 128 ]; then printf '%s%02x%s' "$1" $len "$2"; else printf '%s82%04x%s' "$1" $len "$2"; fi
}
hex() { od -An -v -tx1 "$1" | tr -d ' \n'; }
unhex() { python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))' "$1"; }
openssl pkey -in node-a.key -pubout -outform DER -out node-a.spki
two_sets() { # second set of extensions, file
  local first info
  first=$(der 30 "$(der 30 "0603551d0f$(der 04 03020780)")") # digitalSignature
  info=$(der 30 "0201003000$(hex node-a.spki)$(der a0 "$(der 30 "06092a864886f70d01090e$(der 31 "$first$1")")")")
  unhex "$info" >info.der
  openssl dgst -sha256 -sign node-a.key -out info.sig info.der
  unhex "$(der 30 "${info}300a06082a8648ce3d040302$(der 03 "00$(hex info.sig)")")" >"$2"
}
two_sets '' one-set.der
verify 0 'P-256' one-set.der
two_sets "$(der 30 "$(der 30 "0603551d13$(der 04 30030101ff)")")" two-sets.der
verify 1 'more than once' two-sets.der
verify 1 'is no certificate request' long.der
cat sound.csr bare.csr >two.csr
verify 1 'beside one certificate request' two.csr
cat sound.csr node-a.key >key.csr
verify 1 'beside one certificate request' key.csr
sed 's/^-----BEGIN/ &/' bare.csr | cat sound.csr - >shifted.csr # what OpenSSL passes over
verify 1 'not in the first column' shifted.csr
head -c 300000 /dev/zero >zeros.csr
verify 1 'is longer than' zeros.csr
: >empty.csr
verify 1 'is no certificate request' empty.csr
verify 1 'No such file' none.csr

echo "ca_recipes: $rows rows, $failures deviations"
[ "$failures" -eq 0 ]

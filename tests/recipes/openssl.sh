# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Programs of an ordinary user's whose keys are in his SoftHSM; then in a software TPM.
# shellcheck disable=SC2016 # what the reader's bash expands
# shellcheck disable=SC2034,SC2154 # run.sh's variables
as_user=64123

before() {
  PATH=$(tr : '\n' <<<"$PATH" | grep -v sbin | paste -sd :) # Debian's for who is not root
  export SOFTHSM2_CONF=$HOME/softhsm2.conf TSS2_LOG=all+NONE TPM2_PKCS11_LOG_LEVEL=0
  as_reader mkdir "$HOME/tokens"
  as_reader tee "$SOFTHSM2_CONF" <<<"directories.tokendir = $HOME/tokens" >/dev/null
}

# With the page's variables, at its end, and what the checks share.
as_at_the_end() {
  as_reader env OPENSSL_CONF="$HOME/web/openssl.cnf" P11_KIT_SERVER_ADDRESS="unix:path=$HOME/web/p11-kit.socket" \
    folder="$HOME/web" bash -c "umask 077; cd \$folder; set -eo pipefail; $words $1"
}
words='
fails() { if "$@"; then return 1; fi; }
dial() { # PORT: by a client with a key in a file
  OPENSSL_CONF=/dev/null curl -sS -f -m 10 --cert client.pem --key client.key --cacert ca.pem "https://127.0.0.1:$1/"
}
nginx_answers() { dial 8443 | grep "nginx saw CN=client"; }
haproxy_answers() { dial 8444 | grep "haproxy saw /CN=client"; }
both() { nginx_answers && haproxy_answers; }
start_nginx() { nginx -p "$folder" -e nginx.log -c nginx.conf; }
start_haproxy() { haproxy -f haproxy.cfg -p haproxy.pid -D "$@"; }
stop() { # nginx, haproxy
  local server
  server=$(cat "$1.pid")
  kill "$server"
  while grep -qs "^State:.*[^Z] (" "/proc/$server/status"; do sleep 0.1; done
  rm -f "$1.pid"
}
module_is() { sed -i "s,^pkcs11-module = .*,pkcs11-module = $1," openssl.cnf; }
flush() { tpm2_flushcontext -t && tpm2_flushcontext -l; }
'

client() {
  as_at_the_end 'openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout client.key -subj /CN=client -out client.csr
    openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -extfile web.ext -days 30 -out client.pem'
}
signs_extensions() { # OpenSSL 3 reads a file of -extfile as OpenSSL 4 reads our configuration without one
  as_at_the_end 'openssl x509 -req -in web.csr -CA ca.pem -CAkey ca.key -extfile openssl.cnf -out again.pem
    ! openssl x509 -in again.pem -noout -text | grep "X509v3 Basic"'
}
ca_in_the_token() {
  as_at_the_end 'K="pkcs11:token=web;object=tls"
    openssl req -new -x509 -key "$K" -subj "/CN=a CA in a token" -addext basicConstraints=critical,CA:TRUE -out token-ca.pem
    openssl x509 -req -in again.csr -CA token-ca.pem -CAkey "$K" -extfile web.ext -out leaf.pem
    openssl verify -CAfile token-ca.pem leaf.pem'
}
# HAProxy as Debian's unit has it: a master and its worker.
outage() {
  as_at_the_end 'stop nginx; stop haproxy; module_is softhsm; start_nginx; start_haproxy -W; both
    mv ~/tokens ~/away; mkdir ~/tokens; sleep 1.1
    fails nginx_answers; fails haproxy_answers
    rmdir ~/tokens; mv ~/away ~/tokens
    for _ in {1..40}; do ! both || break; sleep 0.5; done
    both'
}
reloads() {
  as_at_the_end 'kill -HUP $(cat nginx.pid); kill -USR2 $(cat haproxy.pid); sleep 1; both; stop nginx; stop haproxy'
}

start_tpm() {
  as_reader mkdir -p "$tree/run/state" "$HOME/store"
  as_reader swtpm socket --tpm2 --tpmstate "dir=$tree/run/state" --server "type=unixio,path=$tree/run/s" \
    --ctrl "type=unixio,path=$tree/run/s.ctrl" --flags not-need-init,startup-clear --seccomp action=none \
    >"$tree/log/swtpm" 2>&1 &
  export TPM2_PKCS11_TCTI="swtpm:path=$tree/run/s" TPM2TOOLS_TCTI="swtpm:path=$tree/run/s" TPM2_PKCS11_STORE=$HOME/store
  for _ in {1..200}; do
    ! tpm2_getcap properties-fixed >/dev/null 2>&1 || return 0
    sleep 0.05
  done
  cat "$tree/log/swtpm"
  return 1
}
tpm_key() {
  as_at_the_end 'module_is tpm2; sed -i "s/softhsm/tpm2/" web.json
    nodekey init web.json --so-pin-file so.pin; tpm2_flushcontext -t
    nodekey enroll web.json --san DNS:localhost --out web.csr
    openssl x509 -req -in web.csr -subj /CN=localhost -CA ca.pem -CAkey ca.key -extfile web.ext -days 30 -out web.pem'
}
# HAProxy reads keys after it has forked, since 3.1.
forked() {
  as_at_the_end 'start_nginx; fails dial 8443; stop nginx; flush; grep -o "this process was forked" nginx.log
    version=$(haproxy -v | sed -n "s/^HAProxy version \([0-9]*[.][0-9]*\).*/\1/p")
    if [ "$(printf "%s\n" 3.1 "$version" | sort -V | head -n 1)" = 3.1 ]; then expected=haproxy_answers; else expected="fails dial 8444"; fi
    start_haproxy; $expected; stop haproxy; flush'
}
# The page's server, in front of a TPM; one program at a time, since this one has room for three objects.
with_a_server() {
  local start
  start=$(cat "$tree"/block-*.sh | sed -n '/^export P11_KIT/,/^sed/p')
  as_at_the_end "module=\$(pkg-config --variable=p11_module_path p11-kit-1)/libtpm2_pkcs11.so
    kill \$(sed -n 's/^P11_KIT_SERVER_PID=\([0-9]*\).*/\1/p' p11-kit.out); rm -f p11-kit.socket; $start
    start_nginx; nginx_answers; nginx_answers; stop nginx; flush
    start_haproxy; haproxy_answers; haproxy_answers; stop haproxy"
}

after() {
  PATH=$PATH:/usr/sbin
  check "a client with a key in a file" client
  check "by a p11-kit server in front of SoftHSM" as_at_the_end both
  check "openssl.cnf as extensions of x509 -req: none" signs_extensions
  check "a CA's key in the token" ca_in_the_token
  check "the token goes and comes back" outage
  check "new keys at a reload" reloads
  start_tpm
  check "the key in a TPM" tpm_key
  check "forks do not sign" forked
  check "with the page's p11-kit server they do" with_a_server
}

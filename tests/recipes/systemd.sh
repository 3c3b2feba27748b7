# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A machine of its own (own_root.sh) where nodekey and a node are installed. Where systemd is not
# PID 1, stand_in.py does what the unit says. With it, and so with all that the unit closes:
#   tests/recipes/own_root.sh --systemd tests/recipes/run.sh build/dev systemd
# shellcheck disable=SC2154 # run.sh's variables

before() {
  cp -a "$prefix/." /usr/local/
  install -D -m 0755 "$tree/bin/node" /usr/local/libexec/node
  if [ ! -d /run/systemd/system ]; then
    for name in systemctl systemd-run journalctl; do
      install -m 0755 "$here/stand_in.py" "$tree/bin/$name"
    done
  fi
  printf '%s\n' '[ca]' 'default_ca = ours' '[ours]' 'database = index' 'crlnumber = crlnumber' 'default_md = sha256' \
    'default_crl_days = 7' >ca.cnf
}

ca() { openssl ca -config ca.cnf -keyfile federation-ca.key -cert federation-ca.pem "$@"; }

# --- node b, a process as any other ---

as_b() { SOFTHSM2_CONF=$tree/b/softhsm2.conf STATE_DIRECTORY=$tree/b "$@"; }
enroll_b() (
  umask 077
  mkdir -p "$tree/b/tokens"
  echo "directories.tokendir = $tree/b/tokens" >"$tree/b/softhsm2.conf"
  sed 's,node-a,node-b,; s,/var/lib/nodekey/,,; s,"credential","file",; s,"crls"\],"b.crl"],' node.json >node-b.json
  cp federation-ca.crl b.crl # stays as it is: the service shall refuse node b, not node b itself
  openssl rand -hex 8 >node.pin
  openssl rand -hex 8 >so.pin
  as_b nodekey init node-b.json --so-pin-file so.pin &&
    as_b nodekey enroll node-b.json --san URI:spiffe://federation.example/node/b --out node-b.csr &&
    sed 's,/node/a,/node/b,; s,127.0.0.1,127.0.0.2,' node-a.ext >node-b.ext &&
    openssl x509 -req -in node-b.csr -subj /CN=node-b -CA federation-ca.pem -CAkey federation-ca.key -extfile node-b.ext \
      -days 2 -out node-b.crt && as_b nodekey import node-b.json node-b.crt
)
node_b() { as_b timeout 60 node --plugin "$(pkg-config --variable=plugin nodekey)" --config node-b.json --listen 127.0.0.2:7000 "$@"; }
talks() { node_b --no-serve --greet 127.0.0.1:7000; }
serve_b() {
  node_b --beat 0 >"$tree/log/b" 2>&1 &
  logged 'talked 127.0.0.2:7000 ok'
}
does_not() { ! "$@"; }

# --- the service ---

logged() { # TEXT: it is or will soon be in the service's log
  local _
  for _ in {1..200}; do
    ! journalctl -u node | grep -F -- "$1" || return 0
    sleep 0.1
  done
  journalctl -u node
  return 1
}
show() { systemctl show -p "$1" --value node; }
pid() { show MainPID; }
of_the_process() { # FILE of /proc, PATTERN of a line
  tr '\0' '\n' <"/proc/$(pid)/$1" | grep -E -- "$2" || { cat "/proc/$(pid)/$1"; return 1; }
}
mode_and_owner() { # "MODE USER", PATH...
  local path
  for path in "${@:2}"; do
    [ "$(stat -c '%a %U' "$path")" = "$1" ] || { stat "$path"; return 1; }
  done
}
reload_says() { # TEXT
  local before
  before=$(journalctl -u node | grep -cF -- "$1")
  systemctl reload node
  for _ in {1..100}; do
    [ "$(journalctl -u node | grep -cF -- "$1")" = "$before" ] || return 0
    sleep 0.1
  done
  journalctl -u node
  return 1
}
put() { # FILE, PATH: by rename
  install -m 0644 "$1" "$2.new" && mv "$2.new" "$2"
}
revoke_b() {
  ca -revoke node-b.crt && ca -gencrl -out federation-ca.crl && put federation-ca.crl /etc/nodekey/crls/.federation-ca.crl &&
    mv /etc/nodekey/crls/.federation-ca.crl /etc/nodekey/crls/federation-ca.crl && reload_says reloaded
}
deny_b() {
  sed 's,"admit":,"deny": [ { "name": "leavers"\, "uri": ["spiffe://federation.example/node/b"] } ]\,\n  &,' node.json >denying.json
  put denying.json /etc/nodekey/node.json && reload_says reloaded
}
break_config() { echo '{' >broken.json && put broken.json /etc/nodekey/node.json && reload_says 'node: reload: '; }
mend_config() { put node.json /etc/nodekey/node.json && reload_says reloaded; }
comes_back() {
  kill -KILL "$(pid)"
  for _ in {1..200}; do
    [ "$(show NRestarts), $(systemctl is-active node)" != "1, active" ] || return 0
    sleep 0.1
  done
  return 1
}

# The token behind one that counts logins.
count_logins() {
  install -m 0755 "$build/tests/fixtures/faulty/faulty_token.so" /usr/local/lib/
  sed 's,"softhsm",/usr/local/lib/faulty_token.so,; s,/usr.*\.so,"&",' node.json >counting.json
  put counting.json /etc/nodekey/node.json
  printf '[Service]\nRestartSec=0.2\nEnvironment=FAULTY_MODULE=/usr/lib/softhsm/libsofthsm2.so FAULTY_LOG=/var/lib/nodekey/logins\n' \
    >/etc/systemd/system/node.service.d/counting.conf
  systemctl daemon-reload
}
give_pin() { # PIN
  (umask 077 && printf %s "$1" | systemd-creds encrypt --name=node.pin - /etc/credstore.encrypted/node.pin)
}
forget_logins() { install -o nodekey -m 0600 /dev/null /var/lib/nodekey/logins; }
ends_with() { # STATUS, TEXT, number of logins
  forget_logins
  systemctl restart node || true
  for _ in {1..100}; do
    [ "$(systemctl is-active node)" != failed ] || break
    sleep 0.1
  done
  sleep 1 # longer than RestartSec
  [ "$(systemctl is-active node), $(show ExecMainStatus), $(show NRestarts), $(wc -l </var/lib/nodekey/logins)" = \
    "failed, $1, 0, $3" ] && logged "$2"
}
listens() { # gRPC would wait for long before it dials a second time
  local _
  for _ in {1..200}; do
    ! (exec 3<>/dev/tcp/127.0.0.1/7000) 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}
starts() { # with so many C_Logins
  forget_logins
  systemctl restart node && listens && talks && [ "$(wc -l </var/lib/nodekey/logins)" = "$1" ]
}

# --- the TPM's drop-in ---

verify() {
  local said
  said=$(systemd-analyze verify /etc/systemd/system/node.service 2>&1) || return 1
  printf %s "$said"
  [ -z "$said" ]
}

# The page's as_node with tpm.conf's lines; the TPM is swtpm, at a socket.
as_node_with_tpm() {
  local tpm="-p SupplementaryGroups=tss -p Environment=TPM2_PKCS11_STORE=/var/lib/nodekey/tpm"
  eval "$(sed -n '/^as_node() {/,/^}/p' README.md | sed "s,nodekey/tokens,nodekey/tpm,
    s,-p Environment=SOFTHSM2_CONF=/etc/nodekey/softhsm2.conf,$tpm -p Environment=TPM2_PKCS11_TCTI=swtpm:path=/run/tpm/socket,
    s,LoadCredential=node.pin:/etc/nodekey/node.pin,LoadCredentialEncrypted=node.pin:/etc/credstore.encrypted/node.pin,")"
  as_node "$@"
}
start_tpm() {
  local _
  install -d -o nodekey -g nodekey -m 0700 /run/tpm /run/tpm/state
  setpriv --reuid nodekey --regid nodekey --clear-groups swtpm socket --tpm2 --tpmstate dir=/run/tpm/state \
    --server type=unixio,path=/run/tpm/socket --ctrl type=unixio,path=/run/tpm/socket.ctrl \
    --flags not-need-init,startup-clear --seccomp action=none >"$tree/log/swtpm" 2>&1 &
  for _ in {1..200}; do
    ! [ -S /run/tpm/socket ] || return 0
    sleep 0.05
  done
  return 1
}
use_tpm() {
  install -m 0644 tpm.conf /etc/systemd/system/node.service.d/
  printf '[Service]\nEnvironment=TPM2_PKCS11_TCTI=swtpm:path=/run/tpm/socket\n' >/etc/systemd/system/node.service.d/zz.conf
  sed 's,"softhsm","tpm2",' node.json >tpm.json
  put tpm.json /etc/nodekey/node.json
  systemctl daemon-reload
  as_node_with_tpm -p LoadCredential=so.pin:/etc/nodekey/so.pin \
    nodekey init /etc/nodekey/node.json --so-pin-file "\${CREDENTIALS_DIRECTORY}/so.pin" &&
    as_node_with_tpm nodekey enroll /etc/nodekey/node.json --san IP:127.0.0.1 >tpm.csr &&
    openssl x509 -req -in tpm.csr -subj /CN=node-a -CA federation-ca.pem -CAkey federation-ca.key -extfile node-a.ext \
      -days 2 -out tpm.crt && as_node_with_tpm nodekey import /etc/nodekey/node.json - <tpm.crt
}
serves_by_tpm() { systemctl restart node && listens && talks && logged 'custody: hardware'; }

# A device that is not one: what counts is that the node's user may open it.
opens_device() {
  [ -e /dev/tpmrm0 ] || mknod -m 0660 /dev/tpmrm0 c 1 5
  chgrp tss /dev/tpmrm0
  printf '[Service]\nExecStart=\nExecStart=/bin/dd if=/dev/tpmrm0 of=/dev/null count=1\nRestart=no\n' \
    >/etc/systemd/system/node.service.d/zz.conf
  systemctl daemon-reload
  systemctl restart node
  logged '512 bytes'
}

after() {
  check "node b" enroll_b
  check "it serves" listens
  check "node b talks to the service" talks
  check "the service talks to node b" serve_b
  check "its user is nodekey, for good" of_the_process status "^Uid:.($(id -u nodekey).?){4}$"
  check "no new privileges" of_the_process status '^NoNewPrivs:.1$'
  check "no capability" of_the_process status '^CapBnd:.0+$'
  check "umask 077" of_the_process status '^Umask:.0077$'
  check "its PIN stays out of swap" of_the_process status '^VmLck:[^0-9]*[1-9]'
  check "no core" of_the_process limits '^Max core file size +0 +0 '
  check "STATE_DIRECTORY" of_the_process environ '^STATE_DIRECTORY=/var/lib/nodekey:/var/lib/nodekey/tokens$'
  check "CREDENTIALS_DIRECTORY" of_the_process environ '^CREDENTIALS_DIRECTORY=/run/credentials/node.service$'
  check "folders" mode_and_owner "700 nodekey" /var/lib/nodekey /var/lib/nodekey/tokens /run/nodekey
  check "the credential" mode_and_owner "400 nodekey" /run/credentials/node.service/node.pin
  if [ -d /run/systemd/system ]; then
    check "system calls are filtered" of_the_process status '^Seccomp:.2$'
  fi
  check "no PIN in clear is left" does_not test -e /etc/nodekey/node.pin
  check "reload: a rule" deny_b
  check "who is denied is out" does_not talks
  check "reload: a broken configuration is told" break_config
  check "what was in force stays" does_not talks
  check "reload: mended" mend_config
  check "node b is in again" talks
  pin=$(systemd-creds decrypt --name=node.pin /etc/credstore.encrypted/node.pin -)
  count_logins
  check "the token is asked once" starts 1
  check "killed, it comes back" comes_back
  give_pin 0000-willow
  check "a refused PIN: it ends with 4 and is not started again" ends_with 4 'refuses the PIN' 1
  check "started by hand, the token is not asked" ends_with 4 'has refused this PIN before' 0
  give_pin "$pin"
  check "with the right PIN it serves" starts 1
  put broken.json /etc/nodekey/node.json
  check "a wrong configuration: it ends with 6 and is not started again" ends_with 6 'not valid JSON' 0
  put counting.json /etc/nodekey/node.json
  check "mended, it serves" starts 1
  check "verify is content" verify
  check "security: exposure of at most 1.1" systemd-analyze security --offline=true --threshold=11 /etc/systemd/system/node.service
  check "a TPM" start_tpm
  check "the key in it" use_tpm
  check "node b talks to the service with the TPM" serves_by_tpm
  check "reload: a CRL" revoke_b
  check "who is revoked is out" does_not talks
  check "by that reason" logged ': revoked: '
  check "with tpm.conf verify is content" verify
  check "its user may open the TPM" opens_device
}

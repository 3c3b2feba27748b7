# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # quickstart.sh sets what is used here
# Sourced by quickstart.sh: who must not get in, how each tries, and the proof that it did not.
# Everything is made in the current folder, beside those of the members.
#
# An intruder that dials sends a whole call behind its handshake, so that "no handler ran" is not for
# want of asking: the control sends the same bytes with a member's certificate, and its handler runs.
# (A TLS 1.3 client has finished its handshake before the server judges it: the proof is on the
# server's side.) An intruder that is dialled must not see a byte of the node's call.

rows=() # "description|refused by|why"
server=""
a_said=../node-a/node.out
a_log=../node-a/node.err

# One call as HTTP/2: preface, SETTINGS, HEADERS, and DATA that says: disconnect 127.0.0.14:1.
write_call() {
    printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    printf '\0\0\0\x04\0\0\0\0\0'
    printf '\0\0\x47\x01\x04\0\0\0\x01\x83\x87\x04\x1d%s\x01\x04node\x0f\x10\x10%s\0\x02te\x08%s' \
        /node.NodeServices/disconnect application/grpc trailers
    printf '\0\0\x13\0\x01\0\0\0\x01\0\0\0\0\x0e\x0a\x0c%s' 127.0.0.14:1
}

count() { # pattern, file
    grep -c -- "$1" "$2" || true
}

# Writes the last refusal in a node's log as "label: detail", if it is the expected one.
reason_in() { # node's log, direction, labels as a regular expression, refusals before, where to
    local now line
    now=$(count "refused $2 peer" "$1")
    if ((now <= $4)); then
        return 1
    fi
    line=$(grep "refused $2 peer" "$1" | tail -n 1)
    [[ $line =~ :\ (($3):\ .*)$ ]] && printf '%s\n' "${BASH_REMATCH[1]}" >"$5"
}

refused() { # description, refused by, why
    rows+=("$1|$2|$3")
    printf '  refused: %s\n' "$1"
}

not_refused() { # description, what is wrong
    failures+=("not refused as it should be: $1: $2")
    printf '  NOT REFUSED: %s\n' "$1"
}

# Dials node a by TLS and sends the call. The server must hang up within its deadline.
dial_by_tls() { # output file, s_client options
    local out=$1 status=0
    shift
    timeout 10 openssl s_client -connect "${ip[a]}:$port" -ign_eof "$@" <call.bin >"$out" 2>&1 ||
        status=$?
    ((status != 124)) && grep -q '^SSL handshake has read [0-9]* bytes and written [1-9]' "$out"
}

as_client() { # name
    printf '%s\n' -alpn h2 -cert "$1.leaf" -cert_chain "$1.pem" -key "$1.key"
}

# An intruder that finishes its handshake; nodekey refuses it, and says why.
inbound() { # description, labels, name of its certificate
    local calls refusals why="" options
    calls=$(count '^call ' "$a_said")
    refusals=$(count 'refused inbound peer' "$a_log")
    mapfile -t options < <(as_client "$3")
    if ! dial_by_tls "$3.dial" "${options[@]}"; then
        not_refused "$1" "the node did not hang up"
    elif ! wait_for 5 "node a's reason" reason_in "$a_log" inbound "$2" "$refusals" "$3.why"; then
        not_refused "$1" "no log line of node a says \"$2\""
    elif (($(count '^call ' "$a_said") != calls)); then
        not_refused "$1" "a handler ran"
    else
        why=$(<"$3.why")
        refused "$1" "node a" "$why"
    fi
}

# One that never gets as far as nodekey: the proof is that the node hung up and no handler ran.
before_nodekey() { # description, command and its arguments
    local calls description=$1
    shift
    calls=$(count '^call ' "$a_said")
    if ! "$@"; then
        not_refused "$description" "the node did not hang up, or the intruder could not try"
    elif (($(count '^call ' "$a_said") != calls)); then
        not_refused "$description" "a handler ran"
    else
        refused "$description" "TLS" "connection closed, no handler ran"
    fi
}

dial_in_plain() {
    local status=0
    exec 9<>"/dev/tcp/${ip[a]}/$port" || return 1
    cat call.bin >&9 || true # it may hang up meanwhile
    timeout 10 cat <&9 >/dev/null 2>&1 || status=$?
    exec 9>&-
    ((status != 124))
}

# Node a greets whoever answers at that address, and must refuse; its reason goes to NAME.why.
a_refuses() { # description, labels, address, name
    local status=0
    SOFTHSM2_CONF=../node-a/softhsm2.conf \
        "$node" --plugin "$plugin" --config ../node-a/node.json --no-serve \
        --listen "${ip[a]}:$port" --greet "$3" >"$4.greet" 2>"$4.log" || status=$?
    if ((status != 1)); then
        not_refused "$1" "node a talked to it"
    elif ! reason_in "$4.log" outbound "$2" 0 "$4.why"; then
        not_refused "$1" "no log line of node a says \"$2\""
    else
        return 0
    fi
    return 1
}

# Starts a server that never answers a call; its process id is $server. It would stop at the end
# of its input, and fd 8 has none.
answer_as() { # name of its certificate, IP address
    openssl s_server -accept "$2:$port" -alpn h2 -cert "$1.leaf" -cert_chain "$1.pem" \
        -key "$1.key" -Verify 1 <&8 >"$1.server" 2>&1 &
    server=$!
    wait_for 5 "the server of $1" grep -qs '^ACCEPT' "$1.server" ||
        failures+=("the server of $1 did not start")
}

got_a_call() { # name
    grep -q 'PRI \* HTTP' "$1.server"
}

# An intruder that answers as a server.
outbound() { # description, labels, name of its certificate, IP address
    answer_as "$3" "$4"
    if a_refuses "$1" "$2" "$4:$port" "$3"; then
        if got_a_call "$3"; then
            not_refused "$1" "the node sent it a call"
        else
            refused "$1" "node a" "$(<"$3.why")"
        fi
    fi
    stop "$server"
}

# Member b serves, with its own key and certificate, at member c's IP address.
at_anothers_address() { # description, labels
    SOFTHSM2_CONF=../node-b/softhsm2.conf \
        "$node" --plugin "$plugin" --config ../node-b/node.json \
        --listen "${ip[c]}:$((port + 1))" --ready-file rogue.ready >rogue.out 2>rogue.err &
    server=$!
    if ! wait_for 10 "its server" test -e rogue.ready; then
        not_refused "$1" "its server did not start"
    elif a_refuses "$1" "$2" "${ip[c]}:$((port + 1))" rogue; then
        if (($(count '^call ' rogue.out) != 0)); then
            not_refused "$1" "the node sent it a call"
        else
            refused "$1" "node a" "$(<rogue.why)"
        fi
    fi
    stop "$server"
}

# Proves the probes: what an intruder sends does reach the handler when a member sends it, and what
# a node sends does show in the log of who is dialled.
run_controls() {
    local calls options pid
    printf '  the probe: a member tries the same\n'
    calls=$(count '^call ' "$a_said")
    mapfile -t options < <(as_client control)
    timeout 10 openssl s_client -connect "${ip[a]}:$port" -ign_eof "${options[@]}" \
        <call.bin >control.dial 2>&1 &
    pid=$!
    if ! wait_for 5 "the control's call" more_calls_than "$calls"; then
        failures+=("the control's call reached no handler: the intruders prove nothing")
    fi
    stop "$pid"

    printf '  the other probe: node a dials a member\n'
    answer_as control 127.0.0.14
    SOFTHSM2_CONF=../node-a/softhsm2.conf timeout 10 \
        "$node" --plugin "$plugin" --config ../node-a/node.json --no-serve --deadline 2 \
        --listen "${ip[a]}:$port" --greet "127.0.0.14:$port" >control.greet 2>&1 || true
    if ! got_a_call control; then
        failures+=("the control's server saw no call: the intruders prove nothing")
    fi
    stop "$server"
}

more_calls_than() { # number
    (($(count '^call ' "$a_said") > $1))
}

# A member may connect, and still not speak for another: that is the node's own check.
run_impostor() {
    local status=0
    SOFTHSM2_CONF=../node-b/softhsm2.conf \
        "$node" --plugin "$plugin" --config ../node-b/node.json --no-serve \
        --listen "${ip[c]}:$port" --greet "${ip[a]}:$port" >impostor.out 2>impostor.err || status=$?
    if ((status != 1)) || ! grep -q 'is not an address of the peer' impostor.out; then
        failures+=("member b could speak for member c")
    fi
}

make_intruders() {
    local name member=spiffe://$domain/node
    local both=serverAuth,clientAuth
    make_authority impostors # the same names as the federation's, other keys
    for name in self-signed other-ca expired early client-only server-only control \
        member below-member guest mallory; do
        new_key "$name"
    done
    leaf_extensions "$member/b" "${ip[b]}" $both >self-signed.ext
    quietly openssl x509 -new -key self-signed.key -subj /CN=node-b -days 7 \
        -extfile self-signed.ext -out self-signed.leaf
    cp self-signed.leaf self-signed.pem
    certify other-ca impostors "$member/b" 127.0.0.21 $both
    certify_between expired ../ca/federation "$member/late" 127.0.0.14 $both '10 days ago' yesterday
    certify_between early ../ca/federation "$member/early" 127.0.0.14 $both tomorrow '10 days'
    certify client-only ../ca/federation "$member/client" 127.0.0.22 clientAuth
    certify server-only ../ca/federation "$member/server" 127.0.0.14 serverAuth
    certify control ../ca/federation "$member/control" 127.0.0.14 $both
    certify member ../ca/federation "$member/member" 127.0.0.14 $both
    certify below-member member "$member/b" 127.0.0.14 $both
    cat ../ca/federation.pem >>below-member.pem
    certify guest ../ca/federation "spiffe://$domain/guest/g" 127.0.0.14 $both
    certify mallory ../ca/federation "$member/mallory" 127.0.0.14 $both
    write_call >call.bin
    mkfifo idle
    exec 8<>idle
    rm idle
}

run_intruders() {
    local options old=(-tls1_1 -cipher 'DEFAULT:@SECLEVEL=0')
    run_controls
    inbound "self-signed, with a member's names" untrusted self-signed
    outbound "all names right, another CA" "untrusted|bad-signature" other-ca 127.0.0.21
    inbound "expired yesterday" expired expired
    inbound "not valid before tomorrow" not-yet-valid early
    outbound "certificate for clients only, serving" wrong-purpose client-only 127.0.0.22
    inbound "certificate for servers only, dialling" wrong-purpose server-only
    inbound "issued by a member, which is no CA" not-a-ca below-member
    inbound "certified, but no rule admits it" no-rule guest
    inbound "certified, but on the deny list" denied mallory
    at_anothers_address "member b answering at c's address" name-mismatch
    before_nodekey "no certificate at all" dial_by_tls nobody.dial -alpn h2
    before_nodekey "plaintext" dial_in_plain
    mapfile -t options < <(as_client control)
    before_nodekey "TLS 1.1, with a member's certificate" \
        dial_by_tls old.dial "${old[@]}" "${options[@]}"
    run_impostor
}

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which peers in the field a key of each kind reaches, in both roles: README's table, measured.

usage: interop.py BUILD PYPI README    PYPI: a Python with PyPI's grpcio, which tests/run.sh makes
       interop.py README               compares README's table with the one expected here

Keys are made on SoftHSM by `nodekey enroll`; the node is examples/node. A cell counts for the node as server when the
peer gets an answer through TLS, for the node as client when the peer has taken the node's certificate.
"""
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PEERS = ("OpenSSL, TLS 1.3", "OpenSSL, TLS 1.2", "GnuTLS, TLS 1.3", "GnuTLS, TLS 1.2", "gRPC 1.51 (OpenSSL)",
         "PyPI's grpcio (BoringSSL)")
BOTH, SERVER, CLIENT, NEITHER = "both", "as server", "as client", "neither"
LEFT_OUT = "left out"
EXPECTED = {  # sources: BoringSSL's default list of schemes; RFC 8422 section 5.1, for TLS 1.2
    "RSA-2048": (BOTH, BOTH, BOTH, BOTH, BOTH, BOTH),
    "RSA-3072": (BOTH, BOTH, BOTH, BOTH, BOTH, BOTH),
    "P-256": (BOTH, BOTH, BOTH, BOTH, BOTH, BOTH),
    "P-384": (BOTH, SERVER, BOTH, BOTH, BOTH, BOTH),
    "P-521": (BOTH, SERVER, BOTH, BOTH, BOTH, NEITHER),
    "Ed25519": (BOTH, BOTH, BOTH, BOTH, BOTH, NEITHER),
}
PIN, WAIT = "8461-spruce", 20
EXTENSIONS = """subjectAltName=URI:spiffe://federation.example/node/%s,IP:127.0.0.1
extendedKeyUsage=serverAuth,clientAuth
keyUsage=critical,digitalSignature
"""
# What both grpcios run: answers nothing, dials what it is told.
GRPC_PEER = """
import sys, time
from concurrent import futures
import grpc
ca, leaf, key = (open(f"peer.{kind}", "rb").read() for kind in ("root", "pem", "key"))
if sys.argv[1] == "serve":
    server = grpc.server(futures.ThreadPoolExecutor(2))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, leaf)], ca, True))
    server.start()
    print(port, flush=True)
    time.sleep(600)
for address in sys.argv[1:]:
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, leaf)) as channel:
        try:
            channel.unary_unary("/interop/nothing")(b"", timeout=10)
        except grpc.RpcError as error:
            print(error.code().name, error.details().replace("\\n", " "), flush=True)
"""


def table(rows):
    lines = ["| key | " + " | ".join(PEERS) + " |", "|" + "---|" * (len(PEERS) + 1)]
    return "\n".join(lines + [f"| {kind} | " + " | ".join(cells) + " |" for kind, cells in rows.items()]) + "\n"


def check_readme(path):
    with open(path, encoding="utf-8") as file:
        if table(EXPECTED) not in file.read():
            sys.exit(f"{path} has not this table:\n{table(EXPECTED)}")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def write(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


class Started:
    """A program in the background, with what it prints in NAME.log."""

    all = []

    def __init__(self, name, *command):
        self.path = f"{name}.log"
        with open(self.path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        Started.all.append(self)

    def text(self):
        with open(self.path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_for(self, pattern, start=0):
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            found = re.search(pattern, self.text()[start:])
            if found or self.process.poll() is not None:
                return found or re.search(pattern, self.text()[start:])
            time.sleep(0.02)
        return None

    def stop(self):
        self.process.kill()
        self.process.wait()


def make_federation(build):
    nodekey = f"{build}/nodekey"
    os.mkdir("tokens")
    write("softhsm2.conf", f"directories.tokendir = {os.getcwd()}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = f"{os.getcwd()}/softhsm2.conf"
    write("node.pin", PIN)
    write("so.pin", "so-" + PIN)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("openssl", "req", "-x509", *new_key, "-days", "3", "-subj", "/CN=root", "-keyout", "root.key", "-out",
        "root.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    run("openssl", "req", *new_key, "-subj", "/CN=peer", "-keyout", "peer.key", "-out", "peer.csr")
    sign("peer")
    shutil.copy("root.pem", "peer.root")
    for number, kind in enumerate(EXPECTED):
        write(f"{kind}.json", f"""{{"version": 1, "state_dir": "state", "federation": {{"roots": ["root.pem"]}},
            "node": {{"module": "softhsm", "key": "pkcs11:token=node;object={kind}", "certificate": "{kind}.pem",
            "pin": {{"file": "node.pin"}}}},
            "admit": [{{"name": "members", "uri": ["spiffe://federation.example/node/*"]}}]}}""")
        if number == 0:
            os.mkdir("state")
            run(nodekey, "init", f"{kind}.json", "--so-pin-file", "so.pin")
        run(nodekey, "enroll", f"{kind}.json", "--key-type", kind, "--san", "IP:127.0.0.1", "--out", f"{kind}.csr")
        sign(kind)


def sign(name):
    write("extensions", EXTENSIONS % name)
    run("openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "2",
        "-extfile", "extensions", "-out", f"{name}.pem")


def context(purpose, version):
    made = ssl.SSLContext(purpose)
    made.minimum_version = made.maximum_version = version
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations("root.pem")
    made.load_cert_chain("peer.pem", "peer.key")
    made.set_alpn_protocols(["h2"])
    return made


class OpenSSL:
    def __init__(self, version):
        self.version, self.taken = version, ""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        serving = context(ssl.PROTOCOL_TLS_SERVER, self.version)
        while True:
            connection, _ = self.listener.accept()
            connection.settimeout(WAIT)
            try:
                with serving.wrap_socket(connection, server_side=True) as tls:
                    self.taken = "" if tls.getpeercert() else "no certificate"
            except OSError as error:
                self.taken = str(error)

    def expect(self):
        self.taken = "nobody came"

    def took(self, _):
        return self.taken == "", self.taken

    def dial(self, port):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
                with context(ssl.PROTOCOL_TLS_CLIENT, self.version).wrap_socket(
                        connection, server_hostname="127.0.0.1") as tls:
                    return len(tls.recv(9)) > 0, "closed"  # HTTP/2 SETTINGS: the server took our certificate
        except OSError as error:
            return False, str(error)


class GnuTLS:
    def __init__(self, version):
        self.options = ("--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--alpn", "h2", "--x509cafile",
                        "root.pem", "--x509certfile", "peer.pem", "--x509keyfile", "peer.key")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.server = Started(f"gnutls-{version}", "stdbuf", "-oL", "gnutls-serv", "--echo", "-r",
                              "--verify-client-cert", "--port", str(self.port), *self.options)
        if not self.server.wait_for("listening on"):
            sys.exit(f"gnutls-serv: {self.server.text()}")

    def expect(self):
        self.start = len(self.server.text())

    def took(self, _):
        end = self.server.wait_for(r"- Description: \(TLS|[Ee]rror.*", self.start)
        return end is not None and end[0].startswith("- D"), end and end[0]

    def dial(self, port):
        client = Started(f"gnutls-cli-{port}", "stdbuf", "-o0", "gnutls-cli", "-p", str(port), *self.options, "127.0.0.1")
        end = client.wait_for(r"Simple Client Mode:\n\n[^\n*]|rror.*|closed.*")
        client.stop()
        return end is not None and end[0].startswith("Simple"), end and end[0]


class Grpc:
    def __init__(self, name, python):
        self.python = python
        write("peer.py", GRPC_PEER)
        self.server = Started(name, python, "-I", "peer.py", "serve")
        port = self.server.wait_for(r"^(\d+)\n")
        if not port:
            sys.exit(f"{python}: {self.server.text()}")
        self.port = int(port[1])

    def expect(self):
        pass

    def took(self, outcome):
        return "Method not found" in outcome, outcome

    def dial(self, port):
        said = run(self.python, "-I", "peer.py", f"127.0.0.1:{port}")
        return said.startswith("UNIMPLEMENTED"), said.strip()


def debian_grpc():
    python = ("/usr/bin/python3", "-I", "-c", "import grpc")
    said = subprocess.run(python, capture_output=True, text=True, timeout=120, check=False).stderr
    if "undefined symbol" in said:  # a package that is broken, as sid's now and then
        print("left out, since it does not load:", said.strip().splitlines()[-1])
        return None
    return Grpc("grpc-debian", "/usr/bin/python3")


def measure(build, peers, kind):
    node = (f"{build}/examples/node", "--plugin", f"{build}/nodekey.so", "--config", f"{kind}.json", "--beat", "0")
    server = Started(f"node-{kind}", *node, "--listen", "127.0.0.1:0", "--ready-file", f"{kind}.ready")
    for peer in filter(None, peers):
        peer.expect()
    greetings = [word for peer in filter(None, peers) for word in ("--greet", f"127.0.0.1:{peer.port}")]
    client = Started(f"client-{kind}", *node, "--no-serve", "--listen", "127.0.0.1:1", "--once", *greetings)
    client.process.wait(timeout=60)
    until = time.monotonic() + WAIT
    while not (os.path.exists(f"{kind}.ready") and os.path.getsize(f"{kind}.ready")):
        if time.monotonic() > until:
            sys.exit(f"{kind}: the node does not serve: {server.text()}")
        time.sleep(0.02)
    with open(f"{kind}.ready", encoding="utf-8") as file:
        port = int(file.read().strip().rsplit(":", 1)[1])
    cells, reasons = [], []
    for name, peer in zip(PEERS, peers):
        if peer is None:
            cells.append(LEFT_OUT)
            continue
        outcome = re.search(rf"^talked 127.0.0.1:{peer.port} (.*)$", client.text(), re.M)
        as_client, why_client = peer.took(outcome[1] if outcome else client.text())
        as_server, why_server = peer.dial(port)
        cells.append({(True, True): BOTH, (True, False): SERVER, (False, True): CLIENT}.get((as_server, as_client), NEITHER))
        reasons += [f"  {kind}, {name}, as {role}: {why}" for role, ok, why in
                    (("server", as_server, why_server), ("client", as_client, why_client)) if not ok]
    server.stop()
    return tuple(cells), reasons


def main(build, pypi, readme):
    check_readme(readme)
    if not os.access(pypi, os.X_OK):
        sys.exit(f"{pypi} is missing: tests/run.sh makes it, with PyPI's grpcio")
    folder = tempfile.mkdtemp(prefix="nk-")
    os.chdir(folder)
    os.umask(0o077)
    try:
        make_federation(build)
        peers = (OpenSSL(ssl.TLSVersion.TLSv1_3), OpenSSL(ssl.TLSVersion.TLSv1_2), GnuTLS("1.3"), GnuTLS("1.2"),
                 debian_grpc(), Grpc("grpc-pypi", pypi))
        rows, reasons = {}, []
        for kind in EXPECTED:
            rows[kind], why = measure(build, peers, kind)
            reasons += why
    finally:
        for started in Started.all:
            started.stop()
        shutil.rmtree(folder)
    print(table(rows), "out of reach:", *reasons, sep="\n")
    if int(run("pkg-config", "--modversion", "grpc").split(".")[0]) > 29:  # later cores offer P-384 and P-521
        for kind, cells in EXPECTED.items():
            EXPECTED[kind] = tuple(BOTH if cell == SERVER else cell for cell in cells)
    wrong = [f"{kind}, {peer}: {have}, expected {want}" for kind in EXPECTED
             for peer, have, want in zip(PEERS, rows[kind], EXPECTED[kind]) if have not in (want, LEFT_OUT)]
    sys.exit("\n".join(["not as expected:", *wrong]) if wrong else 0)


if len(sys.argv) == 2:
    check_readme(sys.argv[1])
else:
    main(*(os.path.abspath(path) for path in sys.argv[1:]))

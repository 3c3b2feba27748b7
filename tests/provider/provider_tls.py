# SPDX-License-Identifier: Apache-2.0
# provider_tls.py CERTIFICATE KEY CA VERSION: Python's own ssl module as server and as client of itself, both with
# this certificate; prints what each side saw of the other. Nothing in here knows of tokens.
import socket
import ssl
import sys
import threading

certificate, key, ca, version = sys.argv[1:]


def context(purpose):
    made = ssl.SSLContext(purpose)
    made.minimum_version = made.maximum_version = ssl.TLSVersion[version]
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(ca)
    made.load_cert_chain(certificate, key)
    return made


def name(peer):
    return dict(pair[0] for pair in peer["subject"])["commonName"]


def serve(listener, serving):
    connection, _ = listener.accept()
    with connection, serving.wrap_socket(connection, server_side=True) as tls:
        tls.sendall(f"{tls.version()} {name(tls.getpeercert())}".encode())


with socket.create_server(("127.0.0.1", 0)) as listener:
    listener.settimeout(60)
    server = threading.Thread(target=serve, args=(listener, context(ssl.PROTOCOL_TLS_SERVER)))
    server.start()
    dialling = context(ssl.PROTOCOL_TLS_CLIENT)
    with socket.create_connection(listener.getsockname(), timeout=60) as connection:
        with dialling.wrap_socket(connection) as tls:
            print("client saw", tls.version(), name(tls.getpeercert()))
            print("server saw", tls.recv(100).decode())
    server.join()

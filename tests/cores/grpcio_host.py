#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A node beside PyPI's grpcio, whose BoringSSL is in the process and shown to nobody.

usage: grpcio_host.py MODULE CONFIG    run by a Python that has it

Prints a line for each way to open: without a core, with grpcio's core as it can be had (its functions are hidden, so
that only something that answers a version is there), and with one handed out by nk_host.symbol, whose libcrypto has
no providers. Then grpcio makes a TLS server of its own.
"""
import ctypes
import sys
from concurrent import futures

import grpc

FUNCTION = ctypes.CFUNCTYPE(None)
VERSION = ctypes.CFUNCTYPE(ctypes.c_void_p)
SYMBOL = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)
OPEN = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 4)
CLOSE = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2)
TEXT = ctypes.create_string_buffer(b"56.0.0")


class Error(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("status", ctypes.c_int32), ("kind", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32), ("native", ctypes.c_uint64), ("text", ctypes.c_char * 1024)]


class Host(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("data", ctypes.c_void_p),
                ("version", VERSION), ("log", ctypes.c_void_p), ("ask_pin", ctypes.c_void_p),
                ("verify_peer", ctypes.c_void_p), ("event", ctypes.c_void_p), ("flags", ctypes.c_uint32),
                ("reserved_2", ctypes.c_uint32), ("symbol", SYMBOL)]


class Plugin(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("major", ctypes.c_uint16), ("minor", ctypes.c_uint16),
                ("version", ctypes.c_char_p), ("open_file", OPEN), ("open_text", OPEN), ("close", CLOSE)]


@VERSION
def version():
    return ctypes.addressof(TEXT)


@FUNCTION
def never_called():
    sys.exit("a function of the core was called")


@SYMBOL
def symbol(name):
    if name == b"grpc_version_string":
        return ctypes.cast(version, ctypes.c_void_p).value
    return ctypes.cast(never_called, ctypes.c_void_p).value if name.startswith((b"grpc_", b"gpr_")) else None


def open_node(plugin, config, **members):
    host = Host(size=ctypes.sizeof(Host), **members)
    error = Error(size=ctypes.sizeof(Error))
    node = ctypes.c_void_p()
    status = plugin.open_file(ctypes.addressof(host), config, ctypes.addressof(node), ctypes.addressof(error))
    print(f"open {status} {error.text.decode()}", flush=True)
    if status == 0:
        plugin.close(node, None)


def main(module, config):
    entry = ctypes.CDLL(module).nodekey_plugin_v0
    entry.restype = ctypes.POINTER(Plugin)
    plugin = entry().contents
    path = ctypes.create_string_buffer(config.encode())
    for members in {}, {"version": version}, {"version": version, "symbol": symbol}:
        open_node(plugin, ctypes.addressof(path), **members)
    server = grpc.server(futures.ThreadPoolExecutor(1))
    credentials = grpc.ssl_server_credentials([(b"no key", b"no certificate")])
    try:
        server.add_secure_port("127.0.0.1:0", credentials)
    except RuntimeError:
        pass  # as without us
    print(f"grpcio {grpc.__version__} goes on")


main(*sys.argv[1:])

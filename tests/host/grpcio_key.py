#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Channels of PyPI's grpcio whose key is in a token: examples/grpcio.

usage: grpcio_key.py MODULE CONFIG ADDRESS ROOTS CALLS    run by a Python that has grpcio

Makes so many calls at once, each on a connection of its own, and prints how many came back; else the first failure.
"""
import os
import sys
from concurrent import futures

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../examples/grpcio"))
import key_only  # noqa: E402

OPTIONS = [("grpc.use_local_subchannel_pool", 1)]


def call(address, credentials):
    with grpc.secure_channel(address, credentials, options=OPTIONS) as channel:
        try:
            return channel.unary_unary("/nodekey.test.Echo/Echo")(b"weights", timeout=20) == b"weights"
        except grpc.RpcError as failure:
            return failure.details()


def main(module, config, address, roots, calls):
    try:
        key = key_only.TokenKey(module, config)
    except RuntimeError as failure:
        print(failure)
        return 3
    with open(roots, "rb") as file:
        credentials = key.channel_credentials(file.read())
    with futures.ThreadPoolExecutor(int(calls)) as pool:
        ends = list(pool.map(lambda _: call(address, credentials), range(int(calls))))
    print(f"grpcio {grpc.__version__}: {ends.count(True)} talked", *[end for end in ends if end is not True][:1])
    return 0


sys.exit(main(*sys.argv[1:]))

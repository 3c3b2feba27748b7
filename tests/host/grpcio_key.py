#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Channels of PyPI's grpcio whose key is in a token: examples/grpcio.

usage: grpcio_key.py CASE MODULE CONFIG ADDRESS ROOTS    run by a Python that has grpcio

Each call has a connection of its own, CALLS of them are made at once. Prints a line for each step of the CASE: how many
came back, what the first other one ended with, and whether each signature that was begun has ended once. The scripted
token reads $FAULTY_SCRIPT. Ends by 3 where the node does not open.
"""
import ctypes
import os
import sys
import threading
import warnings

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import grpc  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../examples/grpcio"))
import key_only  # noqa: E402

CALLS = 16
OPTIONS = [("grpc.use_local_subchannel_pool", 1)]
SIGNATURE_BYTES = 1024
Sign = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t,
                        ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t),
                        ctypes.POINTER(key_only.Error))
Close = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)


class CountedKey(key_only.TokenKey):
    """The example's key, which answers later."""

    def __init__(self, module, config):
        self._changed = threading.Condition()
        self.begun = self.ended = self.cancelled = 0
        super().__init__(module, config)

    def _sign(self, data, algorithm, on_complete):
        def complete(result):
            on_complete(result)
            self._count(ended=1)

        def cancel():
            self._count(cancelled=1)
            cancel_signing()

        cancel_signing = super()._sign(data, algorithm, complete)
        self._count(begun=1)
        return cancel

    def _count(self, begun=0, ended=0, cancelled=0):
        with self._changed:
            self.begun += begun
            self.ended += ended
            self.cancelled += cancelled
            self._changed.notify_all()

    def wait_for(self, predicate):
        with self._changed:
            self._changed.wait_for(predicate, 20)

    def wait(self):
        """Every signature that was begun ends, once."""
        self.wait_for(lambda: self.ended >= self.begun)
        with self._changed:
            once = self.ended == self.begun > 0 and not self._waiting
            return "each ended once" if once else f"{self.begun} begun, {self.ended} ended, {len(self._waiting)} kept"

    def close(self):
        return ctypes.cast(self._nk.others[1], Close)(self._node, None)


class WaitingKey(CountedKey):
    """The same, answering at once."""

    def _sign(self, data, algorithm, on_complete):
        signature, length = ctypes.create_string_buffer(SIGNATURE_BYTES), ctypes.c_size_t()
        error = key_only.Error(size=ctypes.sizeof(key_only.Error))
        status = ctypes.cast(self._nk.sign, Sign)(self._signer, key_only.SCHEMES[algorithm], data, len(data), signature,
                                                  SIGNATURE_BYTES, ctypes.byref(length), ctypes.byref(error))
        self._count(begun=1, ended=1)
        if status:
            raise RuntimeError(error.text.decode())
        return signature.raw[:length.value]


class Dialler:
    def __init__(self, key, address, roots):
        with open(roots, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._credentials = key.channel_credentials(file.read())
        self._address = address

    def channels(self):
        return [grpc.secure_channel(self._address, self._credentials, options=OPTIONS) for _ in range(CALLS)]

    def calls(self, waits=False):
        channels = self.channels()
        ends = [end_of(call) for call in [begin(channel, waits) for channel in channels]]
        print(f"{ends.count(True)} talked", *sorted({end for end in ends if end is not True}))
        for channel in channels:
            channel.close()


def begin(channel, waits=False):
    return channel.unary_unary("/nodekey.test.Echo/Echo").future(b"weights", timeout=20, wait_for_ready=waits)


def end_of(call):
    return call.result() == b"weights" if call.code() == grpc.StatusCode.OK else call.details()


def script(text):
    with open(os.environ["FAULTY_SCRIPT"], "w", encoding="ascii") as file:
        file.write(text)


def talk(key, dialler):
    dialler.calls()
    print(key.wait())


def cancel(key, dialler):
    script("sign_hang=1\n")
    channels = dialler.channels()
    calls = [begin(channel) for channel in channels]
    key.wait_for(lambda: key.begun >= CALLS)
    for channel in channels:
        channel.close()
    print([call.code() for call in calls].count(grpc.StatusCode.CANCELLED), "cancelled")
    print(key.wait(), "and some were cancelled" if key.cancelled > 0 else "")
    script("")
    dialler.calls(waits=True)


def away(key, dialler):
    script("pulled=1\n")
    dialler.calls()
    print(key.wait())
    script("")
    dialler.calls(waits=True)


def closed(key, dialler):
    dialler.calls()
    print("closed:", key.close())
    dialler.calls()
    print(key.wait())


CASES = {"later": (CountedKey, talk), "at once": (WaitingKey, talk), "cancelled": (CountedKey, cancel),
         "away, later": (CountedKey, away), "away, at once": (WaitingKey, away), "closed": (CountedKey, closed)}


def main(case, module, config, address, roots):
    kind, run = CASES[case]
    try:
        key = kind(module, config)
    except RuntimeError as failure:
        print(failure)
        return 3
    print("grpcio", grpc.__version__)
    run(key, Dialler(key, address, roots))
    return 0


sys.exit(main(*sys.argv[1:]))

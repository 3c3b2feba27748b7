# SPDX-License-Identifier: Apache-2.0
"""A token's key for channels of PyPI's grpcio (1.80 and later, BoringSSL), and nothing but the key.

The server is checked by gRPC alone, against `root_certificates`: nodekey's judge, its CRLs and its deny rules are
not asked, and grpcio has no such thing for servers. For the whole of nodekey take a gRPC that it can be loaded into.

    key = key_only.TokenKey("/usr/local/lib/nodekey/nodekey.so", "node.json")
    with grpc.secure_channel("node-b.example:7000", key.channel_credentials(root_certificates)) as channel:

Close each channel: as long as one with a signer is open, whosever signer, grpcio does not let the process end.
"""
import ctypes
import itertools
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p

from grpc import experimental

PEER_IS_SERVER = 2
# grpcio's numbers of algorithms, in order, as TLS has them (RFC 8446 section 4.2.3).
SCHEMES = 0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806
ANY = ctypes.CFUNCTYPE(c_int32)


class Error(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("status", c_int32), ("native_kind", c_uint32), ("reserved", c_uint32),
                ("native", c_uint64), ("text", c_char * 1024)]


class Host(ctypes.Structure):  # of ABI 0.1: no core, no log
    _fields_ = [("size", c_uint32), ("reserved", c_uint32), ("members", c_void_p * 6)]


Done = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, POINTER(Error))
Open = ctypes.CFUNCTYPE(c_int32, POINTER(Host), c_char_p, POINTER(c_void_p), POINTER(Error))
Get = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint32, POINTER(c_void_p), POINTER(Error))
Text = ctypes.CFUNCTYPE(c_char_p, c_void_p)
Start = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint32, c_char_p, c_size_t, Done, c_void_p, POINTER(c_void_p),
                         POINTER(Error))
End = ctypes.CFUNCTYPE(None, c_void_p)


class Plugin(ctypes.Structure):  # of ABI 0.4
    _fields_ = [("size", c_uint32), ("major", c_uint16), ("minor", c_uint16), ("version", c_char_p),
                ("open_file", Open), ("others", ANY * 14), ("signer", Get), ("chain", Text), ("is_quick", ANY),
                ("sign", ANY), ("sign_start", Start), ("sign_cancel", End), ("signing_free", End)]


class Cancel:
    """What gRPC calls when it wants a signature no more, or forgets when it has it."""

    def __init__(self, nk, signing):
        self._nk, self._signing = nk, signing

    def __call__(self):
        self._nk.sign_cancel(self._signing)

    def __del__(self):
        self._nk.signing_free(self._signing)


class TokenKey:
    """Lives as long as the process, as the channels do that it signs for."""

    def __init__(self, module, config):
        entry = ctypes.CDLL(module).nodekey_plugin_v0
        entry.restype = POINTER(Plugin)
        self._nk = entry().contents
        if self._nk.major != 0 or self._nk.minor < 4:
            raise RuntimeError(f"{module} has ABI {self._nk.major}.{self._nk.minor}, not 0.4 or a later minor")
        self._signer, self._done = c_void_p(), Done(self._complete)
        self._numbers, self._waiting = itertools.count(1), {}
        self._node, error = c_void_p(), Error(size=ctypes.sizeof(Error))
        host = Host(size=ctypes.sizeof(Host))
        if (self._nk.open_file(byref(host), config.encode(), byref(self._node), byref(error)) or
                self._nk.signer(self._node, PEER_IS_SERVER, byref(self._signer), byref(error))):
            raise RuntimeError(error.text.decode())

    def channel_credentials(self, root_certificates):
        return experimental.ssl_channel_credentials_with_custom_signer(
            private_key_sign_fn=self._sign, root_certificates=root_certificates,
            certificate_chain=self._nk.chain(self._signer))

    def _sign(self, data, algorithm, on_complete):
        signing, error = c_void_p(), Error(size=ctypes.sizeof(Error))
        number = next(self._numbers)
        self._waiting[number] = on_complete
        if self._nk.sign_start(self._signer, SCHEMES[algorithm], data, len(data), self._done, number, byref(signing),
                               byref(error)):
            del self._waiting[number]
            raise RuntimeError(error.text.decode())
        return Cancel(self._nk, signing)

    def _complete(self, number, signature, length, error):
        on_complete = self._waiting.pop(number)
        failed = error.contents.status != 0
        on_complete(RuntimeError(error.contents.text.decode()) if failed else ctypes.string_at(signature, length))

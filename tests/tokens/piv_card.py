#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A PIV card (NIST SP 800-73-4) for tests, as the vpcd driver of pcscd sees it.

usage: piv_card.py FOLDER

FOLDER is the card's memory: keys are generated into it and never leave it through the card's
interface; certificates are written to it. It also keeps the PIN and how many tries are left, and
verify.log gets a line for each PIN that was sent: right, wrong or locked.

Ending this process pulls the card out of the reader, starting it puts it in. The card management
key of a real card is not there: whoever reaches the reader may generate keys.
"""

import pathlib
import socket
import struct
import sys
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

READER = ("127.0.0.1", 35963)
# Of a YubiKey 4: to a card that it does not know, OpenSC lends no EC mechanism.
ATR = bytes.fromhex("3BF81300008131FE15597562696B657934D4")
AID = bytes.fromhex("A000000308000010000100")
FACTORY_PIN = "123456"
TRIES = 3

RSA_2048, P_256 = 0x07, 0x11
KEY_OF_SIGNATURES, KEY_WITHOUT_PIN = 0x9C, 0x9E

OK = b"\x90\x00"
PIN_NEEDED = b"\x69\x82"
PIN_LOCKED = b"\x69\x83"
WRONG_DATA = b"\x6a\x80"
NOT_FOUND = b"\x6a\x82"
NO_SUCH_REFERENCE = b"\x6a\x88"
NO_SUCH_COMMAND = b"\x6d\x00"

CHUID = "5fc102"


def tlv(tag, value):
    size = len(value)
    if size < 0x80:
        head = bytes([size])
    elif size < 0x100:
        head = bytes([0x81, size])
    else:
        head = b"\x82" + struct.pack(">H", size)
    return bytes.fromhex(tag) + head + value


def split(data):
    """The values of a run of one-byte tags, by tag; and what comes after each."""
    values, rest, at = {}, {}, 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        values[tag] = data[at : at + size]
        at += size
        rest[tag] = data[at:]
    return values, rest


def power(number, private):
    """RSA by the Chinese remainder theorem."""
    of_p = pow(number, private.dmp1, private.p)
    of_q = pow(number, private.dmq1, private.q)
    return of_q + (of_p - of_q) * private.iqmp % private.p * private.q


class Memory:
    """What outlives a pull."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.keys = {}
        for path in self.folder.glob("*.key"):
            self.keys[int(path.stem, 16)] = serialization.load_pem_private_key(path.read_bytes(), None)
        self.objects = {path.stem: path.read_bytes() for path in self.folder.glob("*.object")}
        if CHUID not in self.objects:
            holder = tlv("30", bytes(25)) + tlv("34", bytes(range(16))) + tlv("35", b"20401231")
            self.put_object(CHUID, tlv("53", holder + tlv("3e", b"") + tlv("fe", b"")))

    def text(self, name, otherwise):
        path = self.folder / name
        return path.read_text().strip() if path.exists() else otherwise

    @property
    def pin(self):
        return self.text("pin", FACTORY_PIN).encode()

    @property
    def tries(self):
        return int(self.text("tries", str(TRIES)))

    @tries.setter
    def tries(self, left):
        (self.folder / "tries").write_text(str(left))

    def note(self, verdict):
        with open(self.folder / "verify.log", "a") as log:
            log.write(verdict + "\n")

    def put_object(self, tag, data):
        self.objects[tag] = data
        (self.folder / f"{tag}.object").write_bytes(data)

    def put_key(self, slot, key):
        self.keys[slot] = key
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        (self.folder / f"{slot:02x}.key").write_bytes(pem)
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, public)
        (self.folder / f"{slot:02x}.pub").write_bytes(pem)


class Card:
    def __init__(self, memory):
        self.memory = memory
        self.reset()

    def reset(self):
        self.verified = False  # the PIN, since the reset
        self.fresh = False  # the PIN, by the very command before
        self.chained = b""
        self.answer = b""

    def command(self, apdu):
        cla, ins, p1, p2 = apdu[:4]
        data = apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        if ins == 0xC0:  # GET RESPONSE
            return self.give(self.answer)
        if cla & 0x10:
            self.chained += data
            return OK
        data, self.chained = self.chained + data, b""
        commands = {
            0x20: self.verify,
            0x47: self.generate,
            0x87: self.sign,
            0xA4: self.select,
            0xCB: self.get_object,
            0xDB: self.put_object,
            0xFD: self.version,
        }
        run = commands.get(ins)
        fresh, self.fresh = self.fresh, False
        return run(p1, p2, data, fresh) if run else NO_SUCH_COMMAND

    def give(self, data):
        """At most 256 bytes at a time; the reader's side asks for the rest."""
        self.answer = data[256:]
        left = len(self.answer)
        return data[:256] + (bytes([0x61, min(left, 256) & 0xFF]) if left else OK)

    def select(self, p1, p2, data, fresh):
        if p1 != 4 or len(data) < 5 or not AID.startswith(data[:9]):
            return NOT_FOUND
        return self.give(tlv("61", tlv("4f", AID[5:]) + tlv("79", tlv("4f", AID[:5]))))

    def version(self, p1, p2, data, fresh):
        return b"\x04\x03\x05" + OK

    def verify(self, p1, p2, data, fresh):
        memory = self.memory
        if p2 != 0x80:
            return NO_SUCH_REFERENCE
        if not data:  # asks only
            self.fresh = fresh
            return OK if self.verified else PIN_LOCKED if memory.tries == 0 else self.tries_left()
        if memory.tries == 0:
            memory.note("locked")
            return PIN_LOCKED
        self.verified = self.fresh = data.rstrip(b"\xff") == memory.pin
        memory.note("right" if self.verified else "wrong")
        memory.tries = TRIES if self.verified else memory.tries - 1
        return OK if self.verified else self.tries_left()

    def tries_left(self):
        left = self.memory.tries
        return bytes([0x63, 0xC0 | left]) if left else PIN_LOCKED

    def generate(self, p1, p2, data, fresh):
        template, _ = split(split(data)[0][0xAC])
        if template[0x80] == bytes([RSA_2048]):
            key = rsa.generate_private_key(65537, 2048)
            numbers = key.public_key().public_numbers()
            public = tlv("81", numbers.n.to_bytes(256, "big")) + tlv("82", numbers.e.to_bytes(3, "big"))
        elif template[0x80] == bytes([P_256]):
            key = ec.generate_private_key(ec.SECP256R1())
            point = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            public = tlv("86", key.public_key().public_bytes(*point))
        else:
            return WRONG_DATA
        self.memory.put_key(p2, key)
        return self.give(tlv("7f49", public))

    def get_object(self, p1, p2, data, fresh):
        tag = split(data)[0].get(0x5C, b"").hex()
        found = self.memory.objects.get(tag)
        return self.give(found) if found else NOT_FOUND

    def put_object(self, p1, p2, data, fresh):
        values, rest = split(data)
        self.memory.put_object(values[0x5C].hex(), rest[0x5C])
        return OK

    def sign(self, p1, p2, data, fresh):
        key = self.memory.keys.get(p2)
        if key is None:
            return NO_SUCH_REFERENCE
        if p2 != KEY_WITHOUT_PIN and not self.verified or p2 == KEY_OF_SIGNATURES and not fresh:
            return PIN_NEEDED
        block = split(split(data)[0][0x7C])[0].get(0x81, b"")
        if isinstance(key, rsa.RSAPrivateKey):  # padded by the other side: the bare operation
            signature = power(int.from_bytes(block, "big"), key.private_numbers()).to_bytes(256, "big")
        else:
            digest = {20: hashes.SHA1, 32: hashes.SHA256, 48: hashes.SHA384}.get(len(block))
            if digest is None:
                return WRONG_DATA
            signature = key.sign(block, ec.ECDSA(utils.Prehashed(digest())))
        return self.give(tlv("7c", tlv("82", signature)))


def receive(line, size):
    data = b""
    while len(data) < size:
        piece = line.recv(size - len(data))
        # The driver sends the length by itself and waits: a delayed ACK costs 40 ms per command.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if not piece:
            raise EOFError
        data += piece
    return data


def send(line, data):
    line.sendall(struct.pack(">H", len(data)) + data)


def serve(line, card):
    """One byte is an order of the reader (power off, power on, reset, ATR), more is a command."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        message = receive(line, struct.unpack(">H", receive(line, 2))[0])
        if len(message) > 1:
            send(line, card.command(message))
        elif message[0] in (0, 1, 2):
            card.reset()
        elif message[0] == 4:
            send(line, ATR)


def main():
    card = Card(Memory(sys.argv[1]))
    while True:  # a reader that is not there (yet) is waited for
        try:
            with socket.create_connection(READER) as line:
                serve(line, card)
        except (EOFError, OSError):
            time.sleep(0.05)


if __name__ == "__main__":
    main()

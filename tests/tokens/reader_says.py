#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Waits until pcscd has a reader, or a card in it, without a word to the card: unlike OpenSC's tools
it does not wait for who keeps the card for himself.

usage: reader_says.py there|card
"""

import ctypes
import sys
import time

READER = b"Virtual reader 00 00"
PATIENCE_S = 15
SCOPE_SYSTEM = 2
UNAVAILABLE, UNKNOWN, PRESENT = 0x08, 0x04, 0x20


class ReaderState(ctypes.Structure):
    _fields_ = [
        ("reader", ctypes.c_char_p),
        ("user_data", ctypes.c_void_p),
        ("current", ctypes.c_ulong),
        ("event", ctypes.c_ulong),
        ("atr_size", ctypes.c_ulong),
        ("atr", ctypes.c_ubyte * 33),
    ]


def ask(pcsc):
    """The reader's state, 0 if pcscd does not answer or does not know it."""
    context = ctypes.c_long()
    state = ReaderState(reader=READER)
    if pcsc.SCardEstablishContext(SCOPE_SYSTEM, None, None, ctypes.byref(context)) != 0:
        return 0
    answer = pcsc.SCardGetStatusChange(context, ctypes.c_ulong(0), ctypes.byref(state), ctypes.c_ulong(1))
    pcsc.SCardReleaseContext(context)
    return state.event if answer == 0 and not state.event & (UNAVAILABLE | UNKNOWN) else 0


def main():
    pcsc = ctypes.CDLL("libpcsclite.so.1")
    wanted = {"there": 0xFFFF, "card": PRESENT}[sys.argv[1]]
    end = time.monotonic() + PATIENCE_S
    while not ask(pcsc) & wanted:
        if time.monotonic() > end:
            sys.exit(f"the reader does not say: {sys.argv[1]}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()

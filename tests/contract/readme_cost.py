#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""README's table of what a handshake costs has the figures of tests/bench/RESULTS.md, and all of them.

usage: readme_cost.py TREE
"""
import os
import re
import sys

HEAD = "| nodekey ÷ |"
ROWS = {"gRPC's own TLS, keys in memory": "beside_plain", "that, and two bare signatures": "price",
        "libp11's engine": "beside_libp11", "pkcs11-provider": "beside_provider"}
KEYS = {"P-256": "p256", "Ed25519": "ed25519", "RSA-2048": "rsa2048"}
NOT_THERE = "–"


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def results(path):
    """{title: {row: value}}"""
    values, title = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("## "):
                title = line[3:].strip()
                values[title] = {}
            elif line.startswith("| `"):
                name, _, value = cells(line)[:3]
                values[title][name.strip("`")] = value
    return values


def as_readme(value):
    return f"{float(value):.2f}" if re.fullmatch(r"[0-9.]+", value) else value


def main():
    with open(os.path.join(sys.argv[1], "README.md"), encoding="utf-8") as file:
        table = re.search("^" + re.escape(HEAD) + r".*\n(?:\|.*\n)+", file.read(), re.M)
    if not table:
        sys.exit(f"README.md: no table that begins {HEAD}")
    measured = results(os.path.join(sys.argv[1], "tests/bench/RESULTS.md"))
    columns = [cell.split(": ") for cell in cells(table[0].split("\n")[0])[1:]]
    lines = [cells(line) for line in table[0].strip().split("\n")[2:]]
    wanted = [[what] + [as_readme(measured[title].get(f"handshake_{KEYS[key]}_{row}", NOT_THERE)) for title, key in columns]
              for what, row in ROWS.items()]
    if lines != wanted:
        print("README.md, by tests/bench/RESULTS.md:")
        print("\n".join("| " + " | ".join(line) + " |" for line in wanted))
        sys.exit(1)


main()

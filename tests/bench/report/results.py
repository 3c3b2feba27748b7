#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rows of the benchmarks as tables in Markdown: replaces a platform's section of a page, and prints it.

usage: results.py PAGE TITLE DESCRIPTION < ROWS    ROWS: what tests/bench/run.sh --json prints
"""
import json
import os
import re
import sys

HEAD = """# What nodekey costs

Written by `tests/bench/run.sh --results`, for other platforms than this system with `--on PLATFORM`; a section is replaced when
its platform is run. A value is the median of the rounds, with its 95% interval; a row holds when the interval reaches the bound.
CPU times are of both ends of a handshake, peers are known, and keys are in SoftHSM, unless the row says otherwise.
"""


def number(row, value):
    return f"{value:.3f}" if row["unit"] == "ratio" else f"{value:.2f}" if row["unit"] == "us" else f"{value:.1f}"


def failures(row):
    if row["failed"]:
        return f"{row['failed']} of {row['of']}"
    return f"{row['rounds']} of {row['rounds']} rounds" if row["value"] is None else ""


def named(row):
    return f"`{row['name']}`", row["what"].strip()


def measured(row):
    """Columns of the value and of its interval."""
    if row["value"] is None:
        return "cannot", ""
    unit = {"ratio": "", "per_s": " /s", "us": " µs"}.get(row["unit"], " " + row["unit"])
    return number(row, row["value"]) + unit, f"{number(row, row['low'])} to {number(row, row['high'])}"


def bound_of(row):
    return ("≤ " if row["at"] == "most" else "≥ ") + f"{row['bound']:.2f}"


def verdict(row):
    if row["value"] is None:
        return "cannot"
    return "yes" if row["holds"] else "**no**" if row["resolved"] else "not resolved"


def table(heads, lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads)] + lines) + "\n"


def section(title, description, rows):
    counts = sorted({row["rounds"] for row in rows})
    rounds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    bounds = [[*named(row), *measured(row), bound_of(row), verdict(row)] for row in rows if row["bound"] is not None]
    others = [[*named(row), *measured(row), failures(row)] for row in rows if row["bound"] is None]
    return (f"## {title}\n\n{description}; {rounds} rounds.\n\n" +
            table(["row", "what", "value", "interval", "bound", "holds"], bounds) +
            "\nFor comparison, the rivals' failures counted:\n\n" +
            table(["row", "what", "value", "interval", "failures"], others))


def main():
    page, title, description = sys.argv[1:]
    sections = {}
    if os.path.exists(page):
        with open(page, encoding="utf-8") as file:
            sections = {re.match(r"## (.*)", text)[1]: text for text in re.split(r"\n(?=## )", file.read())[1:]}
    sections[title] = section(title, description, json.load(sys.stdin))
    with open(page, "w", encoding="utf-8") as file:
        file.write(HEAD + "".join("\n" + sections[name].rstrip("\n") + "\n" for name in sorted(sections)))
    print(sections[title], end="")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A flame graph of what `perf script -F comm,pid,tid,ip,sym,dso` prints: width is the share of samples, colour whose
code it is. Samples of each process's first thread, which only sets up, are left out.

usage: flame.py TITLE < SAMPLES > GRAPH.svg
"""
import re
import sys
from xml.sax.saxutils import escape

WIDTH, ROW, MARGIN, LETTER, LEAST = 1400, 16, 40, 6.7, 0.5  # pixels
OWNERS = (  # pattern of the file, whose it is, colour
    (r"nodekey\.so", "nodekey", "#e8743b"), ("libssl|libcrypto", "OpenSSL", "#6c9bd2"),
    ("softhsm", "SoftHSM", "#8fbf6a"), ("libgrpc|libgpr|libupb|libabsl", "gRPC", "#b9a3d9"),
    ("kernel|vdso", "kernel", "#c9c9c9"), ("", "other", "#e9dba5"))
FRAME = re.compile(r"\s+[0-9a-f]+ (.*) \(([^()]*(?:\([^()]*\))?[^()]*)\)$")


def stacks(lines):
    """Lists of (function, owner, colour), outermost first."""
    stack, wanted = [], False
    for line in list(lines) + ["\n"]:
        head = re.match(r"\S.*?\s(\d+)/(\d+)", line)
        frame = FRAME.match(line)
        if head:
            wanted = head[1] != head[2]
        elif frame:
            name = frame[1] if frame[1] != "[unknown]" else "[" + frame[2].split("/")[-1].strip("[]") + "]"
            if not stack or stack[-1][0] != name or frame[1] != "[unknown]":  # one box for what has no names
                stack.append((name, *next(row[1:] for row in OWNERS if re.search(row[0], frame[2]))))
        elif stack:
            if wanted:
                yield stack[::-1]
            stack = []


def add(tree, stack):
    tree[""] = tree.get("", 0) + 1
    if stack:
        add(tree.setdefault(stack[0], {}), stack[1:])


def boxes(tree, x, depth, scale):
    """(x, depth, frame, samples) of every box that is wide enough to be seen."""
    for frame in sorted(key for key in tree if key):
        samples = tree[frame][""]
        if samples * scale >= LEAST:
            yield x, depth, frame, samples
            yield from boxes(tree[frame], x, depth + 1, scale)
        x += samples * scale


def main():
    tree, owned = {}, {}
    for stack in stacks(sys.stdin):
        add(tree, stack)
        whose = next((frame for frame in stack[::-1] if frame[1] != "other"), stack[-1])[1:]
        owned[whose] = owned.get(whose, 0) + 1
    if not tree:
        sys.exit("flame.py: no samples")
    total = tree[""]
    drawn = list(boxes(tree, 0, 0, WIDTH / total))
    height = MARGIN + ROW * (1 + max(box[1] for box in drawn))
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="monospace" '
          f'font-size="11">\n<text x="4" y="14">{escape(sys.argv[1])}: {total} samples; innermost, beside the C '
          f"library's and the benchmark's, is code of</text>")
    for i, ((name, colour), samples) in enumerate(sorted(owned.items(), key=lambda item: -item[1])):
        print(f'<rect x="{4 + 130 * i}" y="20" width="12" height="12" fill="{colour}"/>'
              f'<text x="{20 + 130 * i}" y="30">{name} {100 * samples / total:.1f}%</text>')
    for x, depth, (name, _, colour), samples in drawn:
        y, width = height - ROW * (depth + 1), samples * WIDTH / total
        print(f'<g><title>{escape(name)}: {100 * samples / total:.2f}%</title><rect x="{x:.1f}" y="{y}" '
              f'width="{width:.1f}" height="{ROW - 1}" fill="{colour}" rx="1"/><text x="{x + 2:.1f}" y="{y + 11}">'
              f"{escape(name[:max(0, int(width / LETTER) - 1)])}</text></g>")
    print("</svg>")


main()

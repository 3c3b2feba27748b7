#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Counts lines of code, without comments and blanks, before and after: for each idea of tests/ideas.txt, for the product
# and for tests/. Begin and end of a function, struct or table are told by universal-ctags.
# usage: tests/lines.sh BEFORE [AFTER]    each a revision or a folder; AFTER is this tree unless given
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ $# -lt 1 || $# -gt 2 || $1 == -* ]]; then
  sed -n '5s/^# //p' "${BASH_SOURCE[0]}"
  exit 2
fi
ctags --version 2>/dev/null | grep -q '^Universal Ctags' || {
  echo "lines.sh: apt-get install universal-ctags" >&2
  exit 2
}
trees=$(mktemp -d)
trap 'rm -rf "$trees"' EXIT

# tree REVISION_OR_FOLDER: a folder that holds it.
tree() {
  if [[ -d $1 ]]; then
    (cd "$1" && pwd)
  else
    mkdir -p "$trees/$1"
    git -C "$top" archive "$1" | tar -x -C "$trees/$1"
    echo "$trees/$1"
  fi
}
before=$(tree "$1")
after=$(tree "${2:-$top}")

python3 - "$top/tests/ideas.txt" "$before" "$after" <<'PYTHON'
import os
import re
import subprocess
import sys

TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.S)
lost = []


def code_lines(path):
    """For each line of a C file: is there code on it?"""
    def blank(match):  # comments go, their line breaks stay
        text = match[0]
        return text if text[0] in "\"'" else re.sub(r"[^\n]", " ", text)
    with open(path, encoding="utf-8") as file:
        return [bool(line.strip()) for line in TOKEN.sub(blank, file.read()).split("\n")]


def definitions(tree, path):
    """name: its spans, of functions, structs, enums, macros and tables of one file"""
    out = subprocess.run(["ctags", "-x", "--kinds-c=fsgdv", "--_xformat=%N %n %e", path], cwd=tree, check=True,
                         capture_output=True, text=True).stdout
    found = {}
    for line in out.splitlines():
        name, first, last = (line.split(" ") + [""])[:3]
        found.setdefault(name, []).append((int(first), int(last or first)))
    return found


def span_of(lines, first, last):
    """A table's end is not told: up to the line that closes what its first line opens."""
    depth = 0
    for number in range(first, len(lines) + 1):
        text = TOKEN.sub(lambda m: '""' if m[0][0] in "\"'" else "", lines[number - 1])
        depth += text.count("{") - text.count("}")
        if number >= last and depth <= 0 and not text.rstrip().endswith("\\"):
            return number
    return last


def place_lines(tree, place):
    """{(path, line)} of FILE or FILE:NAME"""
    path, _, name = place.partition(":")
    full = os.path.join(tree, path)
    if not os.path.isfile(full):
        lost.append(f"{place}: no such file in {tree}")
        return set()
    is_code = code_lines(full)
    if not name:
        return {(path, n) for n, code in enumerate(is_code, 1) if code}
    spans = definitions(tree, path).get(name)
    if spans is None:
        lost.append(f"{place}: {path} defines no {name} in {tree}")
        return set()
    with open(full, encoding="utf-8") as file:
        lines = file.read().split("\n")
    return {(path, n) for first, last in spans for n in range(first, span_of(lines, first, last) + 1) if is_code[n - 1]}


FRAME = re.compile(r"#include |#(ifndef|define) NODEKEY_\w+_H\b|#endif")


def tree_lines(tree, *folders):
    """(all lines of code, those that frame a file: includes and the guard of a header)"""
    counts = [0, 0]
    for path in (os.path.join(where, name) for folder in folders
                 for where, _, names in os.walk(os.path.join(tree, folder)) for name in names):
        if path.endswith((".c", ".h")):
            counts[0] += sum(code_lines(path))
            with open(path, encoding="utf-8") as file:
                counts[1] += sum(1 for line in file if FRAME.match(line))
    return counts


def read_ideas(path):
    """[(idea, {"before": [place], "after": [place]})]"""
    ideas = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].strip()
            if line.startswith("["):
                ideas.append((line.strip("[]"), {"before": [], "after": []}))
            elif line:
                side, *places = line.split()
                ideas[-1][1][side] += places
    return ideas


def main():
    path, before, after = sys.argv[1:]
    trees = {"before": before, "after": after}
    print(f"{'before':>7} {'after':>7}")
    for idea, places in read_ideas(path):
        counts = {side: len(set().union(*(place_lines(trees[side], place) for place in places[side])))
                  for side in trees}
        told = f"{counts['after']:7}" if places["after"] else "      -"
        print(f"{counts['before']:7} {told}  {idea}")
    for what, folders in (("product: hsm/, plugin/, include/", ("hsm", "plugin", "include")), ("tests/", ("tests",))):
        (old, old_frame), (new, new_frame) = tree_lines(before, *folders), tree_lines(after, *folders)
        print(f"{old:7} {new:7}  {what}")
        print(f"{old - old_frame:7} {new - new_frame:7}    without #include and the guards of headers")
    for loss in lost:
        print(f"lines.sh: {loss}: mend tests/ideas.txt", file=sys.stderr)
    sys.exit(1 if lost else 0)


main()
PYTHON

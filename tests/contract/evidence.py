#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every test that EVIDENCE.md names is one of this build, every path that it names is there.

usage: evidence.py TREE BUILD [LEFT_OUT ...]    LEFT_OUT: tests that this build does without on purpose

In backticks: `name` is a test of ctest, `name: row` one of its rows, `name()` a function. A word that begins with a
folder of the tree is a path; build/PRESET/ stands for BUILD.
"""
import os
import re
import subprocess
import sys

TREE, BUILD, LEFT_OUT = sys.argv[1], sys.argv[2], set(sys.argv[3:])
FOLDERS = ("tests", "plugin", "hsm", "include", "examples", "build")


def sources(*folders):
    for folder in folders:
        for where, _, names in os.walk(os.path.join(TREE, folder)):
            for name in names:
                if name.endswith((".c", ".h", ".sh", ".py")):
                    with open(os.path.join(where, name), encoding="utf-8") as file:
                        yield file.read()


def ctest_names():
    out = subprocess.run(["ctest", "--test-dir", BUILD, "-N"], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"Test +#\d+: (\S+)", out))


def path_is_there(path):
    built = re.match(r"build/\w+/(.*)", path)
    return os.path.exists(os.path.join(BUILD, built[1]) if built else os.path.join(TREE, path))


def faults_of(code, tests, text_of_tests, text_of_product):
    """What is wrong with one piece in backticks."""
    row = re.fullmatch(r"([a-z0-9_+-]+): (\S.*)", code)
    name = row[1] if row else code
    if re.fullmatch(r"[a-z][a-z0-9_+-]*", name) and name not in tests:
        yield f"no test `{name}`: name one of `ctest -N`; a function is written `{name}()`"
    if row and row[2] not in text_of_tests:
        yield f"no row `{row[2]}` of `{row[1]}` in tests/"
    function = re.fullmatch(r"(\w+)\(\)", code)
    if function and not re.search(rf"\b{function[1]}\b", text_of_product):
        yield f"no function `{code}` in plugin/, hsm/ or include/"
    for word in re.split(r"[\s,]+", code):
        word = re.sub(r"^\w+=", "", word).removeprefix("$PWD/")
        if word.split("/")[0] in FOLDERS and "/" in word and not path_is_there(word):
            yield f"no path {word}"


def main():
    tests = ctest_names() | LEFT_OUT
    text_of_tests = "\n".join(sources("tests"))
    text_of_product = "\n".join(sources("plugin", "hsm", "include"))
    faults = codes = 0
    with open(os.path.join(TREE, "tests/EVIDENCE.md"), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            for code in re.findall(r"`([^`]+)`", line):
                codes += 1
                for fault in faults_of(code, tests, text_of_tests, text_of_product):
                    print(f"EVIDENCE.md:{number}: {fault}")
                    faults += 1
    if codes == 0:
        print("EVIDENCE.md: nothing in backticks")
    sys.exit(faults > 0 or codes == 0)


main()

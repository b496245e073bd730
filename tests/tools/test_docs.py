#!/usr/bin/env python3
"""Documents: relative links resolve, code fences close, and no file of the tree carries a path of one machine."""
import os
import re
import subprocess
import sys

ROOT = sys.argv[1] if len(sys.argv) > 1 else "."
# pieces, so that this file does not find itself
MACHINE = re.compile("(" + "|".join(["/wo" + "rk/", "/ro" + "ot/", "/far" + "m/", "bash_" + "jobs"]) + ")")


def files():
    out = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True)
    names = out.stdout.split("\n") if out.returncode == 0 else []
    if not names or names == [""]:
        names = [os.path.relpath(os.path.join(d, f), ROOT) for d, _, fs in os.walk(ROOT) for f in fs if "/build" not in d and "/.git" not in d]
    return [n for n in names if n and os.path.isfile(os.path.join(ROOT, n))]


def main():
    faults, pages = [], 0
    for name in files():
        try:
            text = open(os.path.join(ROOT, name), encoding="utf-8").read()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if MACHINE.search(line):
                faults.append(f"{name}:{number}: a path of one machine")
        if not name.endswith(".md"):
            continue
        pages += 1
        if text.count("```") % 2:
            faults.append(f"{name}: a code fence is not closed")
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in target and not os.path.exists(os.path.join(ROOT, os.path.dirname(name), target)):
                faults.append(f"{name}: no file {target}")
    for f in faults:
        print(f)
    print(f"{pages} pages, {len(faults)} faults")
    return 1 if faults or pages < 10 else 0


sys.exit(main())

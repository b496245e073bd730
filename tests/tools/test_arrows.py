#!/usr/bin/env python3
"""Include arrows: reads every #include and fails on one that CMakeLists.txt does not draw, on a third-party header outside its home, and on a header
that does not compile alone or lacks #pragma once."""
import os
import re
import subprocess
import sys
import tempfile

ROOT = sys.argv[1] if len(sys.argv) > 1 else "."
FOLDERS = ["base", "model", "io", "feeds", "normalize", "matcher", "sets", "ingest", "publisher", "enforcer", "admin", "cli"]

# header prefix -> the only folders, or files, that may include it
HOMES = {
    "curl/": ["io/http"],
    "hiredis/": ["io/store"],
    "librdkafka/": ["io/bus"],
    "jansson.h": ["model/", "feeds/", "admin/", "cli/"],
    "ldns/": ["enforcer/", "feeds/rpz"],
    "unicode/": ["normalize/"],
    "libpsl.h": ["normalize/"],
    "urcu": ["base/rcu"],
    "libfyaml.h": ["cli/config_yaml"],
    "microhttpd.h": ["admin/"],
    "zstd.h": ["model/", "io/http"],
    "zlib.h": ["io/http"],
    "xxhash.h": ["model/"],
    "openssl/": ["model/"],
    "lua": ["io/store_lua_mem", "base/banned"],
    "lauxlib.h": ["io/store_lua_mem"],
    "cmocka.h": [],
}


def arrows():
    """folder -> folders it may include, transitively, from the fl_module lines."""
    uses = {}
    text = open(os.path.join(ROOT, "CMakeLists.txt")).read()
    for m in re.finditer(r"^fl_module\((\w+)(.*)\)$", text, re.M):
        name, rest = m.groups()
        if name == "iomem":
            continue
        u = re.search(r"USES((?:\s+(?!LIBS|EXCLUDE|INCLUDE|DIR)\w+)*)", rest)
        uses[name] = set(u.group(1).split()) if u else set()
    changed = True
    while changed:
        changed = False
        for n, us in uses.items():
            more = set().union(*(uses.get(u, set()) for u in us)) - us if us else set()
            if more:
                us |= more
                changed = True
    return uses


def includes(path):
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if m:
            yield number, m.group(1) == '"', m.group(2)


def home_fault(rel, header):
    for prefix, homes in HOMES.items():
        if header.startswith(prefix) and not any(rel.startswith(h) for h in homes):
            return f"<{header}> belongs to {', '.join(homes) or 'tests'}"
    return None


def main():
    uses, faults, files, headers = arrows(), [], 0, []
    for folder in FOLDERS:
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            if not name.endswith((".c", ".h")):
                continue
            files += 1
            rel = f"{folder}/{name}"
            if name.endswith(".h"):
                headers.append(rel)
                if "#pragma once" not in open(os.path.join(ROOT, rel), encoding="utf-8").read():
                    faults.append(f"{rel}: no #pragma once")
            for number, quoted, header in includes(os.path.join(ROOT, rel)):
                if not quoted:
                    fault = home_fault(rel, header)
                    if fault:
                        faults.append(f"{rel}:{number}: {fault}")
                    continue
                to = header.split("/")[0]
                if to not in FOLDERS:
                    faults.append(f"{rel}:{number}: \"{header}\" is of no folder")
                elif to != folder and to not in uses.get(folder, set()):
                    faults.append(f"{rel}:{number}: {folder} -> {to} is not an arrow")
    flags = ["-std=gnu17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", '-DFL_VERSION="0"', "-I" + ROOT, "-x", "c"]
    with tempfile.TemporaryDirectory() as tmp:
        for rel in headers:
            if rel == "base/banned.h":
                continue
            one = os.path.join(tmp, "one.c")
            with open(one, "w") as f:
                f.write(f'#include "{rel}"\n')
            r = subprocess.run(["cc", *flags, one], capture_output=True, text=True)
            if r.returncode:
                faults.append(f"{rel} does not compile alone: {r.stderr.splitlines()[0] if r.stderr else '?'}")
    for f in faults:
        print(f)
    print(f"{files} files, {len(headers)} headers, {len(faults)} faults")
    return 1 if faults or files < 50 else 0


sys.exit(main())

#!/usr/bin/env python3
"""Documents: relative links in *.md lead somewhere (and to a heading that is there), and no file names a place on somebody's machine."""
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")
SKIP = {".git", "build", ".venv", ".cache", "__pycache__", "node_modules"}
LINK = re.compile(r"(?<!\!)\[[^\]\n]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
# Folders of a person or of a build host; written so that this file does not find itself.
MACHINE = re.compile(r"(?<![\w.-])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me/[a-z])(?:/|\b)")
BINARY = (".zst", ".gz", ".bin", ".png", ".jpg", ".ico", ".db")


def tracked():
    """Files of the repository; without git, all that is there."""
    r = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True)
    if r.returncode == 0 and r.stdout:
        return [os.fsdecode(p) for p in r.stdout.split(b"\0") if p]
    found = []
    for top, dirs, names in os.walk(ROOT):
        dirs[:] = [d for d in dirs if d not in SKIP]
        found += [os.path.relpath(os.path.join(top, n), ROOT) for n in names]
    return found


def text_of(rel):
    try:
        with open(os.path.join(ROOT, rel), encoding="utf-8") as f:
            return f.read()
    except (UnicodeDecodeError, OSError):
        return None


def slug(heading):
    """As code hosts make anchors of headings."""
    heading = re.sub(r"`|\*|\[([^\]]*)\]\([^)]*\)", lambda m: m.group(1) or "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def anchors(text):
    fenced, found = False, set()
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        m = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if m and not fenced:
            found.add(slug(m.group(1)))
    return found


def outside_code(text):
    """Code blocks and code spans blanked, so that what only looks like a link is not followed."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group(0))
    text = re.sub(r"^```.*?^```", blank, text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", blank, text)


def link_fault(rel, target):
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    path, _, fragment = target.partition("#")
    where = os.path.normpath(os.path.join(os.path.dirname(rel), path)) if path else rel
    if where.startswith(".."):
        return "leads out of the repository"
    if not os.path.exists(os.path.join(ROOT, where)):
        return "is not there"
    if fragment and where.endswith(".md") and fragment not in anchors(text_of(where) or ""):
        return f"has no heading '{fragment}'"
    return None


def main():
    faults, links, files = [], 0, 0
    for rel in sorted(tracked()):
        if rel.endswith(BINARY) or rel.startswith("tests/fuzz/corpus/"):
            continue
        text = text_of(rel)
        if text is None:
            continue
        files += 1
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE.search(line) and not rel.startswith("feeds/sample/"):
                faults.append(f"{rel}:{number}: a path of one machine: {line.strip()[:100]}")
        if not rel.endswith(".md"):
            continue
        plain = outside_code(text)
        for m in LINK.finditer(plain):
            links += 1
            target = m.group(1) or m.group(2)
            fault = link_fault(rel, target)
            if fault:
                faults.append(f"{rel}:{plain.count(chr(10), 0, m.start()) + 1}: link {target} {fault}")
    for f in faults:
        print(f)
    print(f"{files} files, {links} links, {len(faults)} faults")
    return 1 if faults or files < 50 else 0


sys.exit(main())

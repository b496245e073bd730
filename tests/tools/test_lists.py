#!/usr/bin/env python3
"""Real lists through `fireline feed test --entries`, against a second reading of each format written only for this test: short, slow, and without a line in
common. Both must come to the same entries. For adblock filters, whose precedence the reader resolves, the two are asked the same questions instead.
Needs FL_BINARY and FL_SHARED in the environment, the packaged suffix list, and zstd for the packed lists; without the first three it is a skip."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from encodings import idna as nameprep

BINARY, SHARED = os.environ.get("FL_BINARY", ""), os.environ.get("FL_SHARED", "")
SUFFIXES = "/usr/share/publicsuffix/public_suffix_list.dat"
FEEDS = os.path.join(SHARED, "feeds")
WORDS = {"exact": 1, "subdomains": 2, "subtree": 3, "except-exact": 4, "except-subdomains": 8, "except-subtree": 12}
FORMATS = {"plain": "domains", "wildcard": "domains", "match-pattern": "domains", "hosts": "hosts", "adblock": "adblock", "dnsmasq": "dnsmasq",
           "unbound": "unbound", "rpz": "rpz", "url-list": "urls", "maltrail": "maltrail", "zeek-intel": "zeek",
           "bind-zones": "bind"}
NEAR = {"big/maltrail-2026-08-21.txt.zst", "big/malicious-domains-ab.txt.zst"}  # like another one of the lists, and large
LABEL = re.compile(r"[a-z0-9_-]{1,63}\Z")
SINK = re.compile(r"(0\.0\.0\.0|127\.\d+\.\d+\.\d+|::1?)\Z")


class Suffixes:
    """Kind of a name: "icann", "private" or None. The parent of a wildcard rule counts as a suffix, as it does to libpsl."""

    def __init__(self, path):
        self.rules, section = {}, "icann"
        for line in open(path, encoding="utf-8"):
            line = line.strip()
            if "===BEGIN PRIVATE" in line:
                section = "private"
            if line and not line.startswith("//"):
                bang, star = line.startswith("!"), line.startswith("*.")
                rule = to_ascii(line.lstrip("!").removeprefix("*."))
                self.rules[("!" if bang else "*." if star else "") + rule] = section

    def kind(self, name):
        parent = name.partition(".")[2]
        if "!" + name in self.rules:
            return None
        return self.rules.get(name) or self.rules.get("*." + name) or self.rules.get("*." + parent)


def to_ascii(text):
    labels = []
    for label in re.split("[.\u3002\uff0e\uff61]", text):
        if not label.isascii():
            label = nameprep.nameprep(label)
            label = label if label.isascii() else "xn--" + label.encode("punycode").decode()
        labels.append(label.lower())
    return ".".join(labels)


def canon(text):
    """The name, or None: no name."""
    try:
        name = to_ascii(text.strip(" \t\r\n\v\f")).removesuffix(".")
    except UnicodeError:
        return None
    labels = name.split(".")
    if len(labels) < 2 or len(name) > 253 or labels[-1].isdigit() or not all(LABEL.match(l) for l in labels):
        return None
    try:
        socket.inet_aton(name)
        return None
    except OSError:
        return name


def narrowed(name, scope, suffixes):
    """The scope that a feed may claim; 0: none."""
    kind = suffixes.kind(name) if scope & 3 else None
    return scope & ~(3 if kind == "icann" else 2 if kind == "private" else 0)


def comment_off(line):
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()


def read_domains(lines, scope):
    for line in lines:
        if line.startswith(("!", ";", "//")):
            continue
        words = comment_off(line).split()
        if len(words) != 1:
            continue
        site = re.match(r"\*://(\*\.)?([^/*]+)/\*\Z", words[0])
        if site:
            yield site[2], 3 if site[1] else 1
        elif words[0].startswith("*."):
            yield words[0][2:], 2
        elif words[0].startswith("."):
            yield words[0][1:], 3
        else:
            yield words[0], scope


def read_hosts(lines, _):
    local = {"localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0"}
    for line in lines:
        words = line.split("#")[0].split()
        if words and SINK.match(words[0]):
            yield from ((w, 1) for w in words[1:] if w.lower() not in local)


def read_dnsmasq(lines, _):
    for line in lines:
        m = re.match(r"(address|server|local)=/(.+)/([^/\s]*)\Z", comment_off(line))
        if not m:
            continue
        if m[3] == "#":
            scope = 3 if m[1] == "address" else 12
        elif m[3] == "" or SINK.match(m[3]):
            scope = 3
        else:
            continue
        for name in m[2].split("/"):
            yield name.removeprefix("*.").removeprefix("."), scope & 10 if name.startswith("*.") else scope


def read_unbound(lines, _):
    for line in lines:
        line = comment_off(line)
        for name, kind in re.findall(r"""local-zone:\s*["']?([^\s"']+)["']?\s+(\w+)""", line):
            if "transparent" in kind:
                if kind != "typetransparent":
                    yield name, 12
            elif kind not in ("inform", "nodefault", "noview"):
                yield name, 3
        for name, data in re.findall(r"""local-data:\s*["'](\S+)\s+(?:(?:\d+|IN)\s+)*(?:A|AAAA)\s+(\S+?)["']""", line):
            if SINK.match(data):
                yield name, 1


def read_bind(lines, _):
    for line in lines:
        m = re.match(r'zone "([^"]+)" \{ type (?:master|primary);', line)
        if m:
            yield m[1], 3


def read_rpz(lines, _):
    """Enough of a master file for published lists: no continued records but the SOA's, owners relative to the root."""
    for line in lines:
        m = re.match(r"(\S+)\s+(?:(?:\d+|IN)\s+)*CNAME\s+(\S+)\s*(?:;.*)?\Z", line, re.I)
        if not m or re.search(r"rpz-(ip|nsip|client-ip|nsdname)\b", m[1]):
            continue
        shift = {".": 0, "*.": 0, "rpz-drop.": 0, "rpz-passthru.": 2}.get(m[2].lower())
        if shift is not None:
            yield m[1].removeprefix("*."), (2 if m[1].startswith("*.") else 1) << shift


def shared_hosts():
    """The table itself is data: what it means is read here once more."""
    text = open(os.path.join(sys.argv[1], "feeds/shared_hosts.c"), encoding="utf-8").read()
    return re.findall(r'"(\.?[a-z0-9-]+(?:\.[a-z0-9-]+)+)"', text.split("ends_with")[0])


def host_of(url, shared):
    for fang, plain in (("[://]", "://"), ("[:]", ":"), ("[.]", "."), ("(.)", "."), ("{.}", "."), ("[/]", "/")):
        url = url.replace(fang, plain)
    m = re.match(r"(?:[^/]+://)?(?:[^/\\?#]*@)?([^/\\?#:\[]+)(?::\d*)?(?:[/\\?#]|\Z)", url)
    host = m and m[1].lower().rstrip(".")
    if not host or " " in host or re.match(r"s3[.-](?!.*\.s3).*\.amazonaws\.com\Z", host):
        return None
    return None if any(host == s.lstrip(".") or (s[0] == "." and host.endswith(s)) for s in shared) else host


def read_urls(lines, _):
    shared = shared_hosts()
    for line in lines:
        if not line.startswith(("!", ";", "//")):
            yield host_of(comment_off(line), shared) or "", 1


def read_maltrail(lines, _):
    for line in lines:
        words = comment_off(line).split()
        if len(words) == 1:
            yield words[0].removeprefix("."), 3 if words[0].startswith(".") else 1


def read_zeek(lines, _):
    names, shared = [], shared_hosts()
    for line in lines:
        fields = line.split("\t")
        if fields[0] == "#fields":
            names = fields[1:]
        elif not line.startswith("#") and len(fields) > 1:
            row = dict(zip(names, fields))
            if row.get("indicator_type") == "Intel::DOMAIN":
                yield row["indicator"], 1
            elif row.get("indicator_type") == "Intel::URL":
                yield host_of(row["indicator"], shared) or "", 1


READERS = {"domains": read_domains, "hosts": read_hosts, "dnsmasq": read_dnsmasq, "unbound": read_unbound, "rpz": read_rpz, "bind": read_bind, "urls": read_urls,
           "maltrail": read_maltrail, "zeek": read_zeek}


def entries(claims, suffixes):
    made = {}
    for text, scope in claims:
        name = canon(text)
        scope = name and narrowed(name, scope, suffixes)
        if scope:
            made[name] = made.get(name, 0) | scope
    return made


# --- adblock: the rules asked one by one, in the order the format gives ---

def adblock_rules(lines, suffixes):
    rules, off = [], set()
    for line in lines:
        if re.match(r"[!\[]|#[^#@$%?]", line) or re.search(r"##|#@#|#\?#|#\$#|#%#", line):
            continue
        m = re.match(r"(@@)?(\|\|\*\.|\|\||\|)?([^/*^|$:]+?)(\^\|?|\|)?(?:\$(.+))?\Z", comment_off(line))
        if not m or " " in m[3]:
            continue
        mods = set(filter(None, (m[5] or "").split(",")))
        identity = (m[1], m[2], m[3].lower(), m[4], frozenset(x.lower() for x in mods - {"badfilter"}))
        if "badfilter" in mods:
            off.add(identity)
            continue
        deny = [canon(d) for x in mods if x.startswith("denyallow=") for d in x[10:].split("|")]
        plain = {x for x in mods if x != "important" and not x.startswith("denyallow=")}
        if plain - (set() if m[1] else {"all", "document", "doc", "popup"}):
            continue
        anchored = {"||*.": 2, "||": 3, "|": 1, None: 1}[m[2]]
        if (m[2] in ("||", "||*.")) != (m[4] in ("^", "^|")) and m[2] != "|" or (m[2] == "|" and not m[4]) or m[3].endswith("."):
            continue
        name = canon(m[3])
        scope = name and (anchored if m[1] else narrowed(name, anchored, suffixes))
        if scope:
            rules.append((identity, name, scope, bool(m[1]), "important" in mods, [d for d in deny if d]))
    return [r for r in rules if r[0] not in off]


def at_or_below(name, top):
    return name == top or name.endswith("." + top)


def ancestors(name):
    while name:
        yield name
        name = name.partition(".")[2]


def adblock_blocks(by_name, question):
    classes = set()
    for top in ancestors(question):
        for _, name, scope, exception, important, deny in by_name.get(top, ()):
            if scope & (1 if name == question else 2) and not any(at_or_below(question, d) for d in deny):
                classes.add((important, exception))
    for answer in ((True, True), (True, False), (False, True), (False, False)):
        if answer in classes:
            return not answer[1]
    return False


def entries_block(made, question):
    for top in ancestors(question):
        scope = made.get(top, 0) & (5 if top == question else 10)
        if scope:
            return not scope & 12
    return False


def adblock_faults(lines, made, suffixes):
    by_name = {}
    for rule in adblock_rules(lines, suffixes):
        by_name.setdefault(rule[1], []).append(rule)
    asked = set(made) | set(by_name) | {d for rules in by_name.values() for r in rules for d in r[5]}
    asked |= {"x." + n for n in asked}
    return sorted(q for q in asked if adblock_blocks(by_name, q) != entries_block(made, q))


# --- all lists ---

def body_of(path):
    if not path.endswith(".zst"):
        with open(path, "rb") as f:
            return f.read()
    return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout


def lines_of(body):
    for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = line.strip(b" \t\r\v\f")
        if len(line) <= 4096:
            yield line.decode("utf-8", "surrogateescape")


def ours(body, fmt, scope):
    r = subprocess.run([BINARY, "feed", "test", "-", "--format", fmt, "--scope", scope, "--entries"], input=body, capture_output=True)
    if r.returncode not in (0, 1) and not r.stdout:
        assert b"FL2104" not in r.stderr, r.stderr
    made = {}
    for line in r.stdout.decode().splitlines():
        words, name = line.split("\t")
        made[name] = sum(WORDS[w] for w in words.split("+"))
    return made


def faults(row, fmt, suffixes):
    body = body_of(os.path.join(FEEDS, row["path"]))
    scope = row.get("scope") or "exact"
    made = ours(body, fmt, scope)
    if fmt == "adblock":
        return len(made), adblock_faults(list(lines_of(body)), made, suffixes)
    want = entries(READERS[fmt](lines_of(body), WORDS[scope]), suffixes)
    return len(made), sorted(f"{n} {want.get(n)} {made.get(n)}" for n in want.keys() | made.keys() if want.get(n) != made.get(n))


def main():
    manifest = os.path.join(FEEDS, "manifest.json")
    if not BINARY or not os.path.exists(manifest) or not os.path.exists(SUFFIXES) or not shutil.which("zstd"):
        print("SKIP: no real lists, no suffix list or no zstd")
        return 77
    suffixes, lists, total, bad = Suffixes(SUFFIXES), {}, {}, 0
    for row in json.load(open(manifest, encoding="utf-8")):
        fmt = FORMATS.get(row["format"])
        day = re.match(r"series/.*-(\d\d)\.", row["path"])
        if day and int(day[1]) % 4:
            continue  # the days between are much the same
        if not fmt or row["path"].endswith(".gz") or row["path"] in NEAR:
            continue
        names, wrong = faults(row, fmt, suffixes)
        lists[fmt] = lists.get(fmt, 0) + 1
        total[fmt] = total.get(fmt, 0) + names
        bad += bool(wrong)
        if wrong:
            print(f"{row['path']}: {names} entries, {len(wrong)} differ (name, theirs, ours): {wrong[:5]}")
    for fmt, n in sorted(lists.items()):
        print(f"{fmt}: {n} lists, {total[fmt]} entries")
    print(f"{bad} differ")
    return 1 if bad or len(lists) != len(set(FORMATS.values())) or not all(total.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

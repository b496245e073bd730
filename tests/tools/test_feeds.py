#!/usr/bin/env python3
"""Every real file of the record formats (csv, json, ndjson, stix2, misp) through `fireline feed test`, and through readers that were written from the
formats' own descriptions, with Python's csv and json: both accept the same names with the same scopes. The STIX patterns are parsed by the stix2 library as
well where it is installed (tests/live/requirements.txt)."""
import csv
import ctypes
import io
import ipaddress
import json
import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

FIRELINE, SHARED = os.environ.get("FIRELINE", ""), os.environ.get("FL_SHARED", "")
FEEDS, FIXTURES = SHARED + "/feeds/", SHARED + "/fixtures/"
PSL = "/usr/share/publicsuffix/public_suffix_list.dat"
AT = "2026-08-23T00:00:00Z"
EXACT, BELOW, BOTH, EXCEPT = 1, 2, 3, 12

try:
    zstd = ctypes.CDLL("libzstd.so.1")
except OSError as e:
    print(f"SKIP: {e}")
    sys.exit(77)
for needed in (FIRELINE, FEEDS + "manifest.json", PSL):
    if not os.path.exists(needed):
        print(f"SKIP: '{needed}' is missing")
        sys.exit(77)
try:
    from stix2.patterns import EqualityComparisonExpression, InComparisonExpression
    from stix2.pattern_visitor import create_pattern_object
except ImportError:
    create_pattern_object = None
    venv = sys.argv[1] + "/.venv/bin/python"
    if os.path.exists(venv) and "FL_IN_VENV" not in os.environ:
        os.execve(venv, [venv, *sys.argv], os.environ | {"FL_IN_VENV": "1"})


# --- names ---

def suffixes():
    """The packaged public suffix list, as libpsl has it: {rule: is it of the ICANN section?}"""
    rules, icann = {}, False
    for line in open(PSL, encoding="utf-8"):
        line = line.strip()
        if line.startswith("// ==="):
            icann = "BEGIN ICANN" in line
        elif line and not line.startswith("//"):
            rule = line.split()[0]
            mark = "!" if rule.startswith("!") else ""
            labels = rule.lstrip("!").split(".")
            rules[mark + ".".join(x if x.isascii() else "xn--" + x.encode("punycode").decode() for x in labels)] = icann
    return rules


RULES = suffixes()


def suffix_section(name):
    """None, "icann" or "private": is the name itself a public suffix? The rule `*` does not count, for it would call every unknown name one. The parent of
    a wildcard rule is a suffix too: libpsl says so."""
    if "!" + name in RULES:
        return None
    above = name.partition(".")[2]
    for rule in (name, "*." + above, "*." + name):
        if rule in RULES:
            return "icann" if RULES[rule] else "private"
    return None


def is_address(text):
    text = text.strip("[]")
    try:
        ipaddress.ip_address(text)
        return True
    except ValueError:
        return re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)(\.(0[xX][0-9a-fA-F]+|\d+)){0,3}", text) is not None


def canonical(text):
    name = text.strip().lower()
    if not name.isascii():
        try:  # IDNA 2003: what these files hold is the same under UTS 46
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    name = name[:-1] if name.endswith(".") else name
    labels = name.split(".")
    if is_address(name) or len(name) > 253 or len(labels) < 2 or labels[-1].isdigit():
        return None
    return name if all(re.fullmatch(r"[a-z0-9_-]{1,63}", x) for x in labels) else None


def claim(names, text, scope=EXACT):
    if text.startswith("*."):
        text, scope = text[2:], BELOW
    elif text.startswith("."):
        text, scope = text[1:], BOTH
    name = canonical(text)
    section = name and suffix_section(name)
    if not name or section == "icann" or (section == "private" and scope == BELOW):
        return
    if section == "private" and scope == BOTH:
        scope = EXACT
    names[name] = names.get(name, 0) | scope


# Hosts that many share: a URL on one says that a page is bad. Those that occur in these files.
SHARED_HOSTS = {"github.com", "raw.githubusercontent.com", "lnkd.in", "www.tiktok.com", "www.facebook.com", "www.dropbox.com"}
shared_seen = set()  # of the file being read


def claim_url(names, url):
    url = url.strip()
    host = urlsplit(url if "://" in url else "//" + url).netloc.rpartition("@")[2]
    host = host if host.startswith("[") else host.partition(":")[0].lower()
    if host in SHARED_HOSTS:
        shared_seen.add(host)
    elif not host.startswith("["):
        claim(names, host)


def claim_typed(names, kind, value):
    if kind in ("domain", "hostname"):
        claim(names, value)
    elif kind == "url":
        claim_url(names, value)
    elif kind in ("domain|ip", "hostname|port"):
        claim(names, value.split("|")[0])


# --- readers ---

def read_csv(text, value, kind=None, header=True):
    lines = text.splitlines(keepends=True)
    rows = list(csv.reader((x for x in lines if not x.startswith("#")), skipinitialspace=True))
    if header is True:
        titles = rows.pop(0)
    elif header:
        titles = next(csv.reader([re.sub(r"^#\s*", "", next(x for x in lines if header in x))]))
    names = {}
    for row in rows:
        if not row:
            continue
        at = lambda column: row[titles.index(column)] if header else row[column]
        if kind is not None:
            claim_typed(names, at(kind), at(value))
        elif "/" in at(value):
            claim_url(names, at(value))
        else:
            claim(names, at(value))
    return names


def read_records(records, value, kind=None):
    names = {}
    for r in records:
        if kind:
            claim_typed(names, r[kind], r[value])
        else:
            claim_url(names, r[value])
    return names


def read_eth(text):
    doc, names = json.loads(text), {}
    allowed = {canonical(x) for x in doc["whitelist"]}
    for x in doc["whitelist"]:
        name = canonical(x)
        if name and suffix_section(name) != "icann":
            names[name] = names.get(name, 0) | EXCEPT
    for x in doc["blacklist"]:
        labels = (canonical(x) or "").split(".")
        if not any(".".join(labels[i:]) in allowed for i in range(len(labels))):
            claim(names, x, BOTH)
    return names


STRING = r"'((?:[^'\\]|\\.)*)'"
ONE = rf"(?:\s*([\w-]+:[^\s=]+)\s*(?:=\s*{STRING}|IN\s*\((\s*{STRING}(?:\s*,\s*{STRING})*\s*)\))\s*)"


def pattern_values(pattern):
    """(path, value) of a pattern that is one observation of comparisons joined by OR; nothing for any other."""
    body = re.fullmatch(r"\s*\[(.*)\]\s*", pattern, re.S)
    if not body or not re.fullmatch(rf"{ONE}(?:OR{ONE})*", body[1], re.S):
        return []
    out = []
    for m in re.finditer(ONE, body[1], re.S):
        values = [m[2]] if m[2] is not None else re.findall(STRING, m[3])
        out += [(m[1], re.sub(r"\\(.)", r"\1", v)) for v in values]
    return out


def library_values(pattern):
    """The same by the stix2 library; None where it says more than this test compares."""
    tree = create_pattern_object(pattern, version="2.1")
    todo, out = [getattr(tree, "operand", None)], []
    while todo:
        node = todo.pop(0)
        if hasattr(node, "operands") and node.operator == "OR":
            todo = list(node.operands) + todo
        elif isinstance(node, (EqualityComparisonExpression, InComparisonExpression)) and not node.negated:
            rhs = node.rhs
            values = [x.value for x in rhs.value] if isinstance(node, InComparisonExpression) else [rhs.value]
            out += [(str(node.lhs), v) for v in values]
        else:
            return None
    return out


def read_stix(text, urls=True):
    doc, names, compared = json.loads(text), {}, 0
    for o in doc if isinstance(doc, list) else doc["objects"]:
        if o["type"] != "indicator" or o.get("revoked") or o.get("pattern_type", "stix") != "stix":
            continue
        if o.get("valid_until", "9") <= AT or o.get("valid_from", "") > AT:
            continue
        values = pattern_values(o["pattern"])
        if create_pattern_object and compared < 300:
            compared += 1
            theirs = library_values(o["pattern"])
            assert theirs is None or sorted(theirs) == sorted(values), (o["pattern"], theirs, values)
        for path, value in values:
            if path == "domain-name:value":
                claim(names, value)
            elif path == "url:value" and urls:
                claim_url(names, value)
    return names


def read_misp(text, urls=True):
    event, names = json.loads(text)["Event"], {}
    attributes = list(event.get("Attribute", []))
    for o in event.get("Object", []):
        attributes += o["Attribute"]
    for a in attributes:
        if a["to_ids"] and not a.get("deleted") and (urls or a["type"] != "url"):
            claim_typed(names, a["type"], a["value"])
    return names


def read_warnings(text):
    names = {}
    for x in json.loads(text)["list"]:
        claim(names, x)
    return names


def json_of(key, *fields):
    return lambda text: read_records(json.loads(text)[key], *fields)


FILES = [
    ("csv/tweetfeed-today.csv", [], lambda t: read_csv(t, 3, 2, header=None)),
    ("csv/tweetfeed-week.csv", [], lambda t: read_csv(t, 3, 2, header=None)),
    ("csv/stalkerware-network.csv", [], lambda t: read_csv(t, "indicator", "type")),
    ("csv/blackbook.csv.zst", [], lambda t: read_csv(t, "Domain")),
    ("csv/viriback-dump.csv", [], lambda t: read_csv(t, "URL")),
    ("csv/urlhaus-recent-excerpt.csv", [], lambda t: read_csv(t, "url", header="url_status")),
    ("csv/threatfox-recent-excerpt.csv", [], lambda t: read_csv(t, "ioc_value", "ioc_type", header="ioc_id")),
    ("json/eth-phishing-detect-config.json", [], read_eth),
    ("json/threatfox-get_iocs-excerpt.json", [], json_of("data", "ioc", "ioc_type")),
    ("json/urlhaus-urls-recent-excerpt.json", [], json_of("urls", "url")),
    ("json/urlhaus-dump-excerpt.ndjson", [], lambda t: read_records(map(json.loads, t.splitlines()), "url")),
    ("stix/tweetfeed-week-bundle.json.zst", ["--urls", "host"], read_stix),
    ("stix/amnesty-pegasus.stix2.zst", ["--urls", "host"], read_stix),
    ("stix/amnesty-wintego.stix2", ["--urls", "host"], read_stix),
    ("stix/cti-poisonivy.json", ["--urls", "host"], read_stix),
    ("stix/cti-indicator-for-malicious-url.json", ["--urls", "host"], read_stix),
    ("stix/tweetfeed-week-bundle.json.zst", [], lambda t: read_stix(t, urls=False)),
    *[(f"taxii/pages/2026-08-{d}.0.json", ["--urls", "host"], read_stix) for d in (19, 20, 21, 22)],
    *[(f"misp/tweetfeed-feed/{x}.json", ["--urls", "host"], read_misp)
      for x in ("06159a36-6012-5d68-bff5-7fac1110a2a6", "ec185261-dda2-5256-bf1a-f93d913192fa", "67317f07-5461-555f-9491-d7685196f614")],
    *[(f"allow/misp-{x}", [], read_warnings)
      for x in ("tranco10k.json", "cisco_top20k.json.zst", "bank-website.json", "public-dns-hostname.json.zst", "second-level-tlds.json",
                "covid-19-cyber-threat-coalition-whitelist.json")],
]

# What the catalogue counts in files without a public suffix among the names.
COUNTS = {
    "csv/tweetfeed-today.csv": 28, "csv/tweetfeed-week.csv": 588, "csv/stalkerware-network.csv": 957, "csv/viriback-dump.csv": 5,
    "csv/urlhaus-recent-excerpt.csv": 2, "csv/threatfox-recent-excerpt.csv": 2, "json/threatfox-get_iocs-excerpt.json": 3,
    "json/urlhaus-urls-recent-excerpt.json": 0, "json/urlhaus-dump-excerpt.ndjson": 0, "stix/amnesty-pegasus.stix2.zst": 1438,
    "stix/amnesty-wintego.stix2": 175, "stix/cti-poisonivy.json": 24, "stix/cti-indicator-for-malicious-url.json": 1,
    "taxii/pages/2026-08-19.0.json": 48, "taxii/pages/2026-08-20.0.json": 33, "taxii/pages/2026-08-21.0.json": 58, "taxii/pages/2026-08-22.0.json": 24,
    "misp/tweetfeed-feed/06159a36-6012-5d68-bff5-7fac1110a2a6.json": 35, "misp/tweetfeed-feed/ec185261-dda2-5256-bf1a-f93d913192fa.json": 62,
    "misp/tweetfeed-feed/67317f07-5461-555f-9491-d7685196f614.json": 28,
}


def body(path):
    raw = open(path, "rb").read()
    if not path.endswith(".zst"):
        return raw.decode("utf-8")
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    out = ctypes.create_string_buffer(64 << 20)
    n = zstd.ZSTD_decompress(out, len(out), raw, len(raw))
    assert n <= len(out), path
    return out.raw[:n].decode("utf-8")


BITS = {"exact": EXACT, "subdomains": BELOW, "subtree": BOTH, "except-exact": 4, "except-subdomains": 8, "except-subtree": EXCEPT}


def fireline(path, options):
    run = subprocess.run([FIRELINE, "feed", "test", "--entries", "--at", AT, *options, path], capture_output=True, text=True)
    names = {}
    for line in run.stdout.splitlines():
        scope, name = line.split("\t")
        names[name] = sum({BITS[w] for w in re.split(r"[,+ ]+", scope)})
    return names, run.stderr


def main():
    bad = 0
    for path, options, reader in FILES:
        shared_seen.clear()
        want = reader(body(FEEDS + path))
        got, said = fireline(FEEDS + path, options)
        counted = COUNTS.get(path, len(got))
        if got != want or counted not in (len(got), len(got) + len(shared_seen - set(got))):
            bad += 1
            missing = {k: v for k, v in want.items() if got.get(k) != v}
            extra = {k: v for k, v in got.items() if want.get(k) != v}
            print(f"{path}: {len(got)} names, {len(want)} by the other reader, {counted} in the catalogue; {said}")
            print("  only there:", dict(list(missing.items())[:8]), "only here:", dict(list(extra.items())[:8]))
    # one set of claims, published in three formats
    week = fireline(FEEDS + "csv/tweetfeed-week.csv", [])[0]
    assert week == fireline(FEEDS + "stix/tweetfeed-week-bundle.json.zst", ["--urls", "host"])[0]
    today = fireline(FEEDS + "csv/tweetfeed-today.csv", [])[0]
    assert today == fireline(FEEDS + "misp/tweetfeed-feed/67317f07-5461-555f-9491-d7685196f614.json", ["--urls", "host"])[0]
    # hand-made fixtures: exactly the names that their page lists
    got = fireline(FIXTURES + "stix/bundle.json", [])[0]
    assert sorted(got) == [f"{x}.campaign.example" for x in ("a", "b", "c", "d", "dropper")], got
    got = {}
    for page in (1, 2):
        got |= fireline(f"{FIXTURES}taxii/objects-page{page}.json", [])[0]
    assert sorted(got) == [f"p{i}.taxii-feed.example" for i in range(20, 28)], got
    events = [x for x in os.listdir(FIXTURES + "misp") if x != "manifest.json"]
    got = fireline(FIXTURES + "misp/" + events[0], [])[0]
    assert sorted(got) == ["kit.phish.example", "panel.phish.example", "wave.phish.example", "www.wave.phish.example"], got
    print(f"{len(FILES)} files read twice, {bad} differ; STIX patterns {'also by stix2' if create_pattern_object else 'by this test alone: stix2 is not installed'}")
    sys.exit(bad != 0)


main()

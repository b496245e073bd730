"""The reference: what a feed's text claims, and which names that blocks. Slow, short and obvious; written from DESIGN.md and the pages, not from the C.

A source is {name: scope bits}; a list covers a name when any of its sources does. Adblock has an evaluator of its own, by the format's own precedence.
"""
import ipaddress
import re

EXACT, SUB, XEXACT, XSUB = 1, 2, 4, 8
LABEL = re.compile(r"[a-z0-9_-]{1,63}\Z")


class Psl:
    """Public suffixes by section; a name is one only by a rule that is written (there is no rule *)."""

    def __init__(self, path):
        self.icann, self.private = (set(), set(), set()), (set(), set(), set())
        part = self.icann
        with open(path, encoding="utf-8") as f:
            for line in f:
                line = line.strip()
                if "===BEGIN PRIVATE" in line:
                    part = self.private
                if not line or line.startswith("//"):
                    continue
                rule = line.split()[0]
                kind = 2 if rule[0] == "!" else 1 if rule.startswith("*.") else 0
                rule = rule[1:] if kind == 2 else rule[2:] if kind == 1 else rule
                part[kind].add(rule.encode("idna").decode() if not rule.isascii() else rule)

    @staticmethod
    def _is(section, name):
        plain, star, unless = section
        if name in unless:
            return False
        return name in plain or name.split(".", 1)[-1] in star

    def is_icann(self, name):
        return self._is(self.icann, name)

    def is_private(self, name):
        return self._is(self.private, name)


def canonical(text):
    """The canonical name, or None. ASCII only: what these series hold."""
    t = text.lower()
    if t.endswith("."):
        t = t[:-1]
    if not t.isascii() or len(t) > 253:
        return None
    labels = t.split(".")
    if len(labels) < 2 or not all(LABEL.match(l) for l in labels) or labels[-1].isdigit() or re.match(r"0x[0-9a-f]*\Z", labels[-1]):
        return None
    return t


def claim(source, psl, text, scope):
    """OR a feed's claim into its source, as far as public suffixes let it."""
    name = canonical(text)
    if name is None or psl.is_icann(name):
        return
    if psl.is_private(name):
        scope = (scope & ~SUB) if scope & EXACT else 0
    if scope:
        source[name] = source.get(name, 0) | scope


def parse_domains(text, psl, scope):
    out = {}
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] in "#!;" or line.startswith("//"):
            continue
        words = re.split(r"\s+#", line)[0].split()
        if len(words) != 1:
            continue
        w = words[0]
        if w.startswith("*."):
            claim(out, psl, w[2:], SUB)
        elif w.startswith("."):
            claim(out, psl, w[1:], EXACT | SUB)
        else:
            claim(out, psl, w, scope)
    return out


def is_sinkhole(text):
    try:
        a = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    return a.is_loopback or a.is_unspecified


def parse_hosts(text, psl):
    out = {}
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) > 1 and is_sinkhole(words[0]):
            for w in words[1:]:
                claim(out, psl, w, EXACT)
    return out


def covered(source, name):
    """Nearest entry with a bit for the question decides; an exception wins in its own entry."""
    own, at = True, name
    while True:
        bits = source.get(at, 0)
        yes, no = (EXACT, XEXACT) if own else (SUB, XSUB)
        if bits & no:
            return False
        if bits & yes:
            return True
        own = False
        if at == ".":
            return False
        at = at.split(".", 1)[1] if "." in at else "."


def blocked(sources, name):
    return any(covered(s, name) for s in sources)


# --- adblock, by its own precedence: important exception, important block, exception, block, at any depth ---

APPLIES = {"important", "all", "document", "doc", "popup"}
PATTERNS = [(re.compile(r"\|\|\*\.(.+)\^\|?\Z"), SUB), (re.compile(r"\|\|(.+)\^\|?\Z"), EXACT | SUB), (re.compile(r"\|(.+)(?:\^|\|)\Z"), EXACT),
            (re.compile(r"([^|^/*$#@:]+)\Z"), EXACT)]


class Adblock:
    def __init__(self, text, psl):
        self.rules = {}  # name -> [(important, exception, scope, {denyallow})]
        lines = [l.strip() for l in text.lstrip("\ufeff").splitlines()]
        off = {self.identity(l) for l in lines if "badfilter" in self.modifiers(l)}
        for l in lines:
            if not l or l[0] in "!#[" or re.search(r"#[@?$%]*#", l) or "badfilter" in self.modifiers(l) or self.identity(l) in off:
                continue
            self.rule(l, psl)

    @staticmethod
    def split(line):
        exception = line.startswith("@@")
        body = line[2:] if exception else line
        pattern, _, mods = body.partition("$")
        return exception, pattern, [m for m in mods.split(",") if m]

    def modifiers(self, line):
        return [m.split("=")[0] for m in self.split(line)[2]]

    def identity(self, line):
        exception, pattern, mods = self.split(line)
        return exception, pattern, frozenset(m for m in mods if m != "badfilter")

    def rule(self, line, psl):
        exception, pattern, mods = self.split(line)
        deny = set()
        for m in mods:
            key, _, value = m.partition("=")
            if key == "denyallow":
                deny = {canonical(v) for v in value.split("|")} - {None}
            elif key == "dnsrewrite" and not exception and value.split(";")[-1] in ("NXDOMAIN", "REFUSED", "0.0.0.0", "::"):
                pass
            elif key not in APPLIES or (exception and key != "important"):
                return
        for pat, scope in PATTERNS:
            m = pat.match(pattern)
            if m:
                name = canonical(m.group(1))
                if name and not psl.is_icann(name):
                    if psl.is_private(name) and not exception:
                        scope = (scope & ~SUB) if scope & EXACT else 0
                    if scope:
                        self.rules.setdefault(name, []).append(("important" in [x.split("=")[0] for x in mods], exception, scope, deny))
                return

    def covered(self, name):
        found, at, own = set(), name, True
        chain = [name.split(".", i)[-1] for i in range(name.count(".") + 1)]
        for at in chain:
            for important, exception, scope, deny in self.rules.get(at, ()):
                if scope & (EXACT if own else SUB) and not deny & set(chain):
                    found.add((important, exception))
            own = False
        for important, exception in ((True, True), (True, False), (False, True), (False, False)):
            if (important, exception) in found:
                return not exception
        return False

"""What a compliance tester asks of a forwarder, over the wire: EDNS, flags, TCP, opcodes, malformed questions, and an upstream that is mute, slow, lying or strange (hostile.py).

Each case is a function with the section it is from. `everyone` cases hold for any forwarder, and are run against bind and unbound, too: what both of them pass, fireline passes.
`ours` cases are choices that docs/dns.md states. Start reading at run_cases().
"""
import os
import random
import re
import shutil
import socket
import struct
import threading
import time

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from harness import World, wait_until
from hostile import LIE, TRUTH, Hostile
from servers import Proc, Skip, free_port

CASES = []
COOKIE, KEEPALIVE, EDE = 10, 11, 15


def everyone(section, text):
    def add(fn):
        CASES.append((section, text, fn, True))
        return fn
    return add


def ours(section, text):
    def add(fn):
        CASES.append((section, text, fn, False))
        return fn
    return add


def query(name, rtype="A", edns=None, flags=dns.flags.RD, do=False, options=(), size=1232, version=0, ednsflags=0):
    """A question's octets. edns None: only if an option or DO wants it."""
    q = dns.message.make_query(dns.name.from_text(name) if isinstance(name, str) else name, rtype)
    q.flags = flags
    if edns or do or options or version or ednsflags:
        q.use_edns(version, ednsflags | (dns.flags.DO if do else 0), size, options=list(options))
    return q.to_wire()


def generic(code, data=b""):
    return dns.edns.GenericOption(code, data)


def opt(size=1232, options=b"", version=0, owner=b"\0", flags=0):
    return owner + struct.pack(">HHBBHH", 41, size, 0, version, flags, len(options)) + options


def header(ident=0x1234, flags=0x0100, qd=1, an=0, ns=0, ar=0):
    return struct.pack(">HHHHHH", ident, flags, qd, an, ns, ar)


class Target:
    """One forwarder under test."""

    def __init__(self, kind, port, up):
        self.kind, self.port, self.up, self.n, self.since = kind, port, up, 0, time.monotonic()

    def name(self, word):
        self.n += 1
        return f"{word}.c{self.n}-{self.kind}.example."

    def udp(self, packet, timeout=3.0, source=None, port=None):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((source or "127.0.0.1", 0))
            s.connect(("127.0.0.1", port or self.port))
            s.settimeout(timeout)
            s.send(packet)
            try:
                return s.recv(65535)
            except OSError:
                return None

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), 5)
        s.settimeout(8)
        return s

    def tcp(self, packet):
        with self.connect() as s:
            s.sendall(frame(packet))
            return read_frame(s)

    def ask(self, name, rtype="A", tcp=False, timeout=6.0, **kw):
        q = query(name, rtype, **kw)
        a = self.tcp(q) if tcp else self.udp(q, timeout)
        assert a is not None, f"no answer for {name}"
        m = dns.message.from_wire(a)
        assert m.id == struct.unpack(">H", q[:2])[0] and m.flags & dns.flags.QR
        m.octets = a
        return m

    def rcode_of(self, packet, timeout=2.0):
        """The header's rcode, or None: silence."""
        a = self.udp(packet, timeout)
        return None if a is None else a[3] & 15

    def alive(self):
        assert addresses(self.ask(self.name("ok"))) == [TRUTH], "it still answers"


def frame(p):
    return struct.pack(">H", len(p)) + p


def read_frame(s):
    """One message, or None: the connection was closed or reset."""
    out, want = b"", 2
    while len(out) < want:
        try:
            more = s.recv(want - len(out))
        except ConnectionError:
            more = b""
        if not more:
            return None
        out += more
        if len(out) == 2:
            want = 2 + struct.unpack(">H", out)[0]
    return out[2:]


def addresses(m):
    return sorted(rd.address for r in m.answer if r.rdtype in (1, 28) for rd in r)


def option(m, code):
    return next((o for o in m.options if int(o.otype) == code), None)


def ede(m):
    o = option(m, EDE)
    return int(o.code) if o else None


def true(m):
    assert m.rcode() == 0 and addresses(m) == [TRUTH], m.to_text()


# --- EDNS ---

@everyone("RFC 6891, 7", "a question without OPT gets none")
def _(t):
    m = t.ask(t.name("ok"))
    true(m)
    assert m.edns == -1


@everyone("RFC 6891, 6.1.1", "a question with OPT gets one")
def _(t):
    m = t.ask(t.name("ok"), edns=True)
    true(m)
    assert m.edns == 0


@everyone("RFC 6891, 6.1.3", "version 1 is BADVERS, and the answer says version 0")
def _(t):
    m = t.ask(t.name("ok"), version=1)
    assert m.rcode() == dns.rcode.BADVERS and m.edns == 0 and not m.answer


@everyone("RFC 6891, 6.1.3", "version 100 with an option is BADVERS")
def _(t):
    assert t.ask(t.name("ok"), version=100, options=[generic(100, b"x")]).rcode() == dns.rcode.BADVERS


@everyone("RFC 6891, 6.1.2", "an unknown option is ignored, and not echoed")
def _(t):
    m = t.ask(t.name("ok"), options=[generic(65001, b"abc")])
    true(m)
    assert option(m, 65001) is None


@everyone("RFC 6891, 6.1.4", "unknown EDNS flags are ignored, and zero in the answer")
def _(t):
    m = t.ask(t.name("ok"), ednsflags=0x0080)
    true(m)
    assert m.ednsflags & 0x7fff == 0


@everyone("RFC 6891, 6.1.1", "two OPT records are FORMERR")
def _(t):
    q = query(t.name("ok"))
    assert t.rcode_of(q[:10] + b"\0\2" + q[12:] + opt() + opt()) == 1


@everyone("RFC 6891, 6.1.2", "an option that is longer than its OPT is FORMERR")
def _(t):
    q = query(t.name("ok"))
    assert t.rcode_of(q[:10] + b"\0\1" + q[12:] + opt(options=b"\0\x0c\0\x09ab")) == 1


@everyone("RFC 6891, 6.1.2", "an OPT that is not at the root is FORMERR")
def _(t):
    q = query(t.name("ok"))
    assert t.rcode_of(q[:10] + b"\0\1" + q[12:] + opt(owner=b"\1a\0")) == 1


@everyone("RFC 6891, 6.2.3", "an answer keeps within the client's size, with TC")
def _(t):
    m = t.ask(t.name("mid"), edns=True, size=512)
    assert len(m.octets) <= 512 and m.flags & dns.flags.TC


@everyone("RFC 6891, 6.2.3", "a size below 512 is taken as 512")
def _(t):
    m = t.ask(t.name("ok"), edns=True, size=10)
    true(m)


@everyone("RFC 1035, 4.2.1", "without OPT an answer has 512 octets at most")
def _(t):
    m = t.ask(t.name("mid"))
    assert len(m.octets) <= 512 and m.flags & dns.flags.TC


@everyone("RFC 6891, 6.2.5", "an answer that fits the client's size comes whole")
def _(t):
    m = t.ask(t.name("mid"), edns=True, size=1232)
    assert len(addresses(m)) == 40 and not m.flags & dns.flags.TC


@ours("RFC 9715, 3", "never over 1,232 octets by UDP, whatever the client takes")
def _(t):
    m = t.ask(t.name("big"), edns=True, size=8192)
    assert len(m.octets) <= 1232 and m.flags & dns.flags.TC


@everyone("RFC 6891, 6.2.2", "EDNS over TCP")
def _(t):
    m = t.ask(t.name("ok"), edns=True, tcp=True)
    true(m)
    assert m.edns == 0


@everyone("RFC 6891, 7", "an upstream that says FORMERR to EDNS is asked without it")
def _(t):
    n = t.name("noedns")
    true(t.ask(n, edns=True))
    assert [s.edns for s in t.up.of(n)][-1] is False


@ours("RFC 7828, 3.3.2", "keepalive is answered over TCP, and ignored over UDP")
def _(t):
    m = t.ask(t.name("ok"), options=[generic(KEEPALIVE)], tcp=True)
    o = option(m, KEEPALIVE)
    assert o and struct.unpack(">H", o.to_wire())[0] == 20, m.to_text()  # 2 s
    assert option(t.ask(t.name("ok"), options=[generic(KEEPALIVE)]), KEEPALIVE) is None


# --- flags ---

@everyone("RFC 3225, 3", "DO is copied into the answer")
def _(t):
    assert t.ask(t.name("ok"), do=True).ednsflags & dns.flags.DO
    assert not t.ask(t.name("ok"), edns=True).ednsflags & dns.flags.DO


@everyone("RFC 4035, 3.2.1", "DO goes to the upstream, and its signatures come back")
def _(t):
    m = t.ask(t.name("sig"), do=True)
    assert any(r.rdtype == 46 for r in m.answer), m.to_text()


@everyone("RFC 4035, 3.2.1", "without DO no signatures, also when they are known")
def _(t):
    n = t.name("sig")
    t.ask(n, do=True)
    m = t.ask(n)
    assert addresses(m) == [TRUTH] and not any(r.rdtype == 46 for r in m.answer), m.to_text()


@everyone("RFC 4035, 3.2.2", "CD is copied into the answer")
def _(t):
    assert t.ask(t.name("ok"), flags=dns.flags.RD | dns.flags.CD).flags & dns.flags.CD
    assert not t.ask(t.name("ok")).flags & dns.flags.CD


@ours("RFC 4035, 3.2.2", "CD goes to the upstream as the client has it")
def _(t):
    for flags in (dns.flags.RD, dns.flags.RD | dns.flags.CD):
        n = t.name("ok")
        t.ask(n, flags=flags)
        assert {s.flags & dns.flags.CD for s in t.up.of(n)} == {flags & dns.flags.CD}


@ours("RFC 4035, 3.2.3", "AD of an upstream that is not trusted is not passed on")
def _(t):
    assert not t.ask(t.name("ad"), do=True).flags & dns.flags.AD


@ours("RFC 6840, 5.7", "AD of a trusted upstream goes to who sets DO or AD, and to nobody else")
def _(t):
    for kw, want in (({"do": True}, True), ({"flags": dns.flags.RD | dns.flags.AD}, True), ({}, False), ({"edns": True}, False)):
        assert bool(t.ask("ad.trusted.example.", **kw).flags & dns.flags.AD) == want, kw
    assert not t.ask("ok.trusted.example.", do=True).flags & dns.flags.AD


@everyone("RFC 1035, 4.1.1", "RD is copied, RA set, Z zero, id repeated, question repeated")
def _(t):
    n = t.name("ok")
    m = t.ask(n, flags=dns.flags.RD | 0x0040)
    true(m)
    assert m.flags & dns.flags.RD and m.flags & dns.flags.RA and not m.flags & 0x0040
    assert m.question[0].name.to_text() == n and m.question[0].rdtype == 1 and m.question[0].rdclass == 1


@everyone("RFC 1035, 2.3.3", "the case of a question is kept in its answer, also from the cache")
def _(t):
    n = t.name("ok")
    true(t.ask(n))
    asked = len(t.up.of(n))
    mixed = "".join(c.upper() if i % 2 else c for i, c in enumerate(n))
    m = t.ask(mixed)
    true(m)
    assert m.question[0].name.to_text() == mixed
    assert len(t.up.of(n)) == asked


# --- opcodes, classes, types ---

def opcode_case(code, allowed):
    @everyone("RFC 1035, 4.1.1; RFC 9619", f"opcode {code} is not taken for a question")
    def _(t):
        q = bytearray(query(t.name("ok"), "SOA"))
        q[2] = q[2] & 0x87 | code << 3
        a = t.udp(bytes(q), 2.0)
        assert a and (a[2] >> 3 & 15) == code and (a[3] & 15) in allowed, a
    return _


for _code, _allowed in ((1, {4}), (2, {4}), (3, {4}), (4, {4, 5, 9}), (5, {4, 5, 9, 1}), (6, {4, 1}), (15, {4})):
    opcode_case(_code, _allowed)


@ours("RFC 6891, 7", "another opcode with OPT gets NOTIMP with OPT")
def _(t):
    q = bytearray(query(t.name("ok"), edns=True))
    q[2] |= 15 << 3
    a = dns.message.from_wire(t.udp(bytes(q)))
    assert a.rcode() == 4 and a.edns == 0 and len(a.question) == 1


@everyone("RFC 1035, 7.3", "a response is not answered")
def _(t):
    q = bytearray(query(t.name("ok")))
    q[2] |= 0x80
    assert t.udp(bytes(q), 0.7) is None


def class_case(value, text):
    @everyone("RFC 1035, 3.2.4", f"class {text} is not forwarded as IN")
    def _(t):
        n = t.name("ok")
        q = query(n)[:-2] + struct.pack(">H", value)
        a = t.udp(q, 2.0)
        assert a is None or not dns.message.from_wire(a).answer
        assert all(s.question[-2:] != b"\0\1" for s in t.up.of(n))


for _value, _text in ((3, "CH"), (4, "HS"), (255, "ANY"), (254, "NONE"), (0, "0")):
    class_case(_value, _text)


@ours("RFC 8482, 4.2", "ANY over UDP is answered with HINFO, and is not forwarded")
def _(t):
    n = t.name("ok")
    m = t.ask(n, "ANY")
    assert [r.rdtype for r in m.answer] == [dns.rdatatype.HINFO] and m.answer[0][0].cpu == b"RFC8482" and not t.up.of(n)
    assert len(m.octets) < len(query(n, "ANY")) + 40


@everyone("RFC 8482, 4.4", "ANY over TCP is answered")
def _(t):
    m = t.ask(t.name("ok"), "ANY", tcp=True)
    assert m.rcode() in (0, 4, 5)


def transfer_case(rtype, tcp):
    @everyone("RFC 5936, 2.2.1; RFC 1995", f"{rtype} is refused over {'TCP' if tcp else 'UDP'}")
    def _(t):
        n = t.name("ok")
        q = query(n, rtype) if rtype == "AXFR" else query(n, "A")[:-4] + b"\0\xfb\0\1"
        a = t.tcp(q) if tcp else t.udp(q)
        assert a is not None and a[3] & 15 in (1, 4, 5, 9) and not t.up.of(n)
    return _


for _rtype in ("AXFR", "IXFR"):
    for _tcp in (False, True):
        transfer_case(_rtype, _tcp)


def refused_type_case(value):
    @everyone("RFC 6895, 3.1", f"QTYPE {value} is no question to forward")
    def _(t):
        n = t.name("ok")
        a = t.udp(query(n)[:-4] + struct.pack(">HH", value, 1), 2.0)
        assert (a is None or a[3] & 15 in (1, 2, 4, 5)) and not t.up.of(n)


for _value in (0, 41, 249, 250):
    refused_type_case(_value)


@everyone("RFC 3597, 3", "a type that nobody knows passes octet by octet")
def _(t):
    m = t.ask(t.name("raw"), 65280)
    assert m.answer[0][0].to_text() == "\\# 5 0001c00c02", m.to_text()


@everyone("RFC 9460, 4", "HTTPS passes")
def _(t):
    assert 'alpn="h2,h3"' in t.ask(t.name("https"), "HTTPS").answer[0][0].to_text()


@everyone("RFC 1035, 3.3.14", "TXT strings pass, empty and binary ones too")
def _(t):
    assert t.ask(t.name("txt"), "TXT").answer[0][0].strings == (b"one two", b"", b"\0\xffthree")


@everyone("RFC 1035, 4.1.4", "compressed names in RDATA come out whole")
def _(t):
    n = t.name("mx")
    m = t.ask(n, "MX")
    assert {(r.preference, r.exchange.to_text()) for r in m.answer[0]} == {(10, "mail." + n), (20, n)}


@everyone("RFC 1035, 2.3.4", "a name of 255 octets")
def _(t):
    t.n += 1
    n = ".".join(["ok", "a" * 63, "b" * 63, "c" * 63, ("d" + t.kind * 12 + str(t.n))[:58].ljust(58, "d")]) + "."
    assert len(dns.name.from_text(n).to_wire()) == 255
    true(t.ask(n))


@everyone("RFC 2181, 11", "labels of any octets")
def _(t):
    t.n += 1
    n = dns.name.Name([b"ok", b"\0 .\xff\\\"_", f"c{t.n}-{t.kind}".encode(), b"example", b""])
    m = t.ask(n)
    true(m)
    assert m.question[0].name == n


@everyone("RFC 1035, 3.1", "the root")
def _(t):
    m = t.ask(".", "NS")
    assert m.rcode() == 0 and len(m.answer[0]) == 2


# --- malformed ---

@everyone("RFC 1035, 4.1.1", "less than a header is not answered")
def _(t):
    for n in (0, 1, 2, 11):
        assert t.udp(header()[:n], 0.3) is None
    t.alive()


@everyone("RFC 9619, 4", "two questions are FORMERR")
def _(t):
    q = query(t.name("ok"))
    assert t.rcode_of(q[:4] + b"\0\2" + q[6:] + q[12:]) == 1


@everyone("RFC 1035, 4.1.2", "no question is FORMERR, or silence")
def _(t):
    assert t.rcode_of(header(qd=0), 0.7) in (1, 5, None)
    t.alive()


@everyone("RFC 1035, 4.1.2", "a question that ends too soon is FORMERR, or silence")
def _(t):
    q = query(t.name("ok"))
    for n in (13, 16, len(q) - 3, len(q) - 1):
        assert t.rcode_of(q[:n], 0.5) in (1, None), n
    t.alive()


@everyone("RFC 1035, 4.1.4", "a pointer that leads nowhere is FORMERR, or silence")
def _(t):
    for name in (b"\xc0\x0c", b"\xc0\xff", b"\1a\xc0\x0c", b"\xff\xff"):
        assert t.rcode_of(header() + name + b"\0\1\0\1", 0.5) in (1, None)
    t.alive()


@everyone("RFC 1035, 4.1.4; RFC 6891, 5", "label types 01 and 10 are FORMERR, or silence")
def _(t):
    for first in (b"\x41", b"\x81"):
        assert t.rcode_of(header() + first + b"a" * 8 + b"\0\0\1\0\1", 0.5) in (1, 4, None)
    t.alive()


@everyone("RFC 1035, 2.3.4", "a name over 255 octets is FORMERR, or silence")
def _(t):
    assert t.rcode_of(header() + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", 0.5) in (1, None)
    t.alive()


@ours("RFC 1035, 4.1", "octets behind the message are FORMERR")
def _(t):
    assert t.rcode_of(query(t.name("ok")) + b"x") == 1


@everyone("RFC 1035, 4.1.1", "records that are announced and not there are FORMERR, or silence")
def _(t):
    q = query(t.name("ok"))
    for at in (6, 8, 10):
        p = bytearray(q)
        p[at:at + 2] = b"\xff\xff"
        assert t.rcode_of(bytes(p), 0.7) in (1, None)
    t.alive()


@everyone("robustness", "a thousand random packets, then an answer")
def _(t):
    rng = random.Random(5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", t.port))
        for _ in range(1000):
            p = bytearray(query("fuzz.invalid.", edns=True) if rng.random() < 0.7 else rng.randbytes(rng.randrange(1, 90)))
            for _ in range(rng.randrange(1, 5)):
                p[rng.randrange(len(p))] = rng.randrange(256)
            s.send(bytes(p))
    wait_until(lambda: t.alive() or True, 10, "it still answers")


# --- TCP ---

@everyone("RFC 7766, 5", "TCP is answered as UDP is")
def _(t):
    true(t.ask(t.name("ok"), tcp=True))


@everyone("RFC 7766, 5; RFC 1123, 6.1.3.2", "what is truncated is fetched over TCP, and comes whole over TCP")
def _(t):
    n = t.name("big")
    m = t.ask(n, tcp=True)
    assert len(addresses(m)) == 90 and [s.tcp for s in t.up.of(n)][-1]


@everyone("RFC 7766, 5", "an upstream that truncates a small answer is asked over TCP")
def _(t):
    n = t.name("tc")
    true(t.ask(n))
    assert any(s.tcp for s in t.up.of(n))


@everyone("RFC 7766, 6.2.1", "one connection, one question after the other")
def _(t):
    with t.connect() as s:
        for _ in range(5):
            s.sendall(frame(query(t.name("ok"))))
            true(dns.message.from_wire(read_frame(s)))


@everyone("RFC 7766, 6.2.1.1", "ten questions in one segment get ten answers")
def _(t):
    qs = [query(t.name("ok")) for _ in range(10)]
    with t.connect() as s:
        s.sendall(b"".join(frame(q) for q in qs))
        got = {read_frame(s)[:2] for _ in qs}
    assert got == {q[:2] for q in qs}


@everyone("RFC 7766, 6.2.1.1 and 7", "a slow answer does not hold up the ones behind it")
def _(t):
    slow, fast = query(t.name("slow-900")), query(t.name("ok"))
    with t.connect() as s:
        s.sendall(frame(slow) + frame(fast))
        assert read_frame(s)[:2] == fast[:2]
        assert read_frame(s)[:2] == slow[:2]


@everyone("RFC 7766, 8", "length and message in pieces, octet by octet")
def _(t):
    with t.connect() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in frame(query(t.name("ok"))):
            s.sendall(bytes([octet]))
            time.sleep(0.002)
        true(dns.message.from_wire(read_frame(s)))


@ours("RFC 9210, 4.4; RFC 1122, 4.2.2.13", "half-closed: the client has said all, and still gets its answers")
def _(t):
    qs = [query(t.name("slow-300")), query(t.name("ok"))]
    with t.connect() as s:
        s.sendall(b"".join(frame(q) for q in qs))
        s.shutdown(socket.SHUT_WR)
        assert {read_frame(s)[:2] for _ in qs} == {q[:2] for q in qs}
        assert read_frame(s) is None


@ours("RFC 7766, 6.2.3", "an idle connection is closed")
def _(t):
    with t.connect() as s:
        s.sendall(frame(query(t.name("ok"))))
        true(dns.message.from_wire(read_frame(s)))
        assert s.recv(1) == b""


@everyone("RFC 7766, 8", "a message of no octets, or of one: closed or passed over, and nobody else is harmed")
def _(t):
    for p in (b"\0\0", b"\0\1x"):
        with t.connect() as s:
            s.sendall(p)
            s.settimeout(0.3)
            try:
                s.recv(100)
            except OSError:
                pass
    t.alive()


@ours("RFC 9210, 4.4; RFC 7766, 6.2.2", "a hundred slow clients: UDP does not notice, and TCP has room")
def _(t):
    slow = [t.connect() for _ in range(100)]
    try:
        for s in slow:
            s.sendall(b"\0\x30half")
        true(t.ask(t.name("ok")))
        true(t.ask(t.name("ok"), tcp=True))
    finally:
        for s in slow:
            s.close()


@everyone("RFC 7766, 6.2.1", "a client that goes away with a question out")
def _(t):
    with t.connect() as s:
        s.sendall(frame(query(t.name("slow-300"))))
    t.alive()


# --- upstreams that lie ---

def lie_case(word, section, text):
    @everyone(section, text)
    def _(t):
        n = t.name(word)
        true(t.ask(n))
        true(t.ask(n))
        true(t.ask(n, tcp=True))


lie_case("wrongid", "RFC 5452, 9.1", "replies with a wrong id are dropped, and the wait goes on")
lie_case("wrongport", "RFC 5452, 9.1", "a reply from another port is dropped, and the wait goes on")
lie_case("dup", "RFC 5452, 9.1", "replies that come twice")


@ours("RFC 5452, 9.1", "replies with a wrong question are dropped, and the wait goes on")
def _(t):
    n = t.name("wrongq")
    true(t.ask(n))
    assert t.ask("elsewhere.example.").answer[0][0].address == TRUTH


@ours("RFC 1035, 7.3", "a reply that is no response is dropped, and the wait goes on")
def _(t):
    true(t.ask(t.name("qr0")))


@ours("RFC 1035, 7.3", "replies that are no messages are dropped, and the wait goes on")
def _(t):
    true(t.ask(t.name("garbage")))


@everyone("RFC 2181, 5.4.1; RFC 5452, 6", "records that were not asked for are neither kept nor passed on as answers")
def _(t):
    t.n += 1
    n = f"extra-{t.kind}{t.n}.c.example."
    m = t.ask(n)
    assert addresses(m) == [TRUTH], m.to_text()
    true(t.ask(f"victim-{t.kind}{t.n}.example."))
    assert t.ask("evil.example.").answer[0][0].address == TRUTH


@everyone("RFC 1034, 4.3.2", "a chain of CNAMEs comes with its end")
def _(t):
    m = t.ask(t.name("chain-3"))
    assert addresses(m) == [TRUTH] and sum(r.rdtype == 5 for r in m.answer) == 3, m.to_text()


@everyone("RFC 1034, 5.3.3, 4", "a CNAME without its target: the target is asked for")
def _(t):
    for _ in range(2):
        n = t.name("half-0")
        m = t.ask(n)
        assert addresses(m) == [TRUTH] and [r.rdtype for r in m.answer] == [5, 1], m.to_text()


@everyone("RFC 1034, 5.3.3, 4", "three CNAMEs, each by itself")
def _(t):
    m = t.ask(t.name("half-2"))
    assert addresses(m) == [TRUTH] and sum(r.rdtype == 5 for r in m.answer) == 3, m.to_text()


@everyone("RFC 1034, 3.6.2", "two CNAMEs that lead to each other, each by itself, end")
def _(t):
    n = t.name("half-a")
    assert not addresses(t.ask(n, timeout=8)) and t.up.count() and len(t.up.of(n)) <= 16
    t.alive()


@ours("RFC 1034, 5.3.3, 4", "the end of a chain is asked of the upstream whose zone it is in")
def _(t):
    m = t.ask("half-far.lab.test.", edns=True)
    assert addresses(m) == [TRUTH] and m.answer[-1].name.to_text() == "ok.far.lab.test.", m.to_text()


@everyone("RFC 1034, 3.6.2", "a loop of CNAMEs ends")
def _(t):
    m = t.ask(t.name("loop"), timeout=8)
    assert not addresses(m)
    t.alive()


@everyone("RFC 6672, 3", "DNAME, with the CNAME made of it, comes with its end")
def _(t):
    m = t.ask(t.name("dname"))
    assert addresses(m) == [TRUTH] and {5, 39} <= {r.rdtype for r in m.answer}, m.to_text()


# --- upstreams that fail ---

@everyone("RFC 1035, 4.1.1", "SERVFAIL of the upstream")
def _(t):
    assert t.ask(t.name("servfail"), timeout=8).rcode() == 2


@everyone("RFC 1035, 4.1.1", "REFUSED of the upstream ends in SERVFAIL or REFUSED")
def _(t):
    assert t.ask(t.name("refused"), timeout=8).rcode() in (2, 5)


@ours("RFC 8914, 4.23", "a mute upstream: SERVFAIL within 5 s, EDE 22, at most 16 questions")
def _(t):
    n = t.name("mute")
    m = t.ask(n, edns=True, timeout=7)
    assert m.rcode() == 2 and ede(m) == 22 and len(t.up.of(n)) <= 16, m.to_text()
    before = len(t.up.of(n))
    assert t.ask(n, edns=True).rcode() == 2 and len(t.up.of(n)) == before, "RFC 9520: it is remembered"


@ours("RFC 8914, 4.24", "no upstream there: SERVFAIL with EDE 23")
def _(t):
    m = t.ask("ok.gone.example.", edns=True)
    assert m.rcode() == 2 and ede(m) == 23, m.to_text()


@ours("RFC 8914, 3", "the upstream's own EDE is passed on with its SERVFAIL")
def _(t):
    m = t.ask(t.name("ede"), edns=True)
    assert m.rcode() == 2 and ede(m) == 6, m.to_text()


@everyone("RFC 1035, 7.1", "a slow upstream is waited for")
def _(t):
    true(t.ask(t.name("slow-700")))


@ours("RFC 1035, 4.2.1", "an upstream that truncates over TCP too: SERVFAIL, no endless asking")
def _(t):
    n = t.name("tctcp")
    assert t.ask(n, timeout=7).rcode() == 2 and len(t.up.of(n)) <= 16


# --- cache ---

@everyone("RFC 2308, 3 and 5", "NXDOMAIN comes with its SOA and is kept")
def _(t):
    n = t.name("nx")
    for asked in (None, lambda: len(t.up.of(n))):
        before = asked and asked()
        m = t.ask(n)
        assert m.rcode() == 3 and m.authority[0].rdtype == 6 and m.authority[0].ttl <= 900
    assert len(t.up.of(n)) == before


@ours("RFC 2308, 5", "it is kept for the lesser of the SOA's TTL and its minimum")
def _(t):
    assert t.ask(t.name("nx")).authority[0].ttl == 60


@everyone("RFC 2308, 2.2", "NODATA is kept")
def _(t):
    n = t.name("nodata")
    for asked in (None, lambda: len(t.up.of(n))):
        before = asked and asked()
        m = t.ask(n)
        assert m.rcode() == 0 and not m.answer
    assert len(t.up.of(n)) == before


@everyone("RFC 2308, 5", "NXDOMAIN without a SOA is answered")
def _(t):
    n = t.name("nxbare")
    assert t.ask(n).rcode() == 3


@everyone("RFC 1034, 4.3.5; RFC 2181, 8", "a TTL ages in the cache")
def _(t):
    n = t.name("ttl-300")
    first = t.ask(n).answer[0].ttl
    asked = len(t.up.of(n))
    assert first == 300
    wait_until(lambda: t.ask(n).answer[0].ttl < first, 5, "it ages", every=0.2)
    assert len(t.up.of(n)) == asked


@everyone("RFC 1035, 3.2.1", "TTL 0 is good for one answer")
def _(t):
    n = t.name("ttl-0")
    true(t.ask(n))
    time.sleep(0.05)
    asked = len(t.up.of(n))
    true(t.ask(n))
    assert len(t.up.of(n)) > asked


@ours("RFC 2181, 8", "a TTL with its top bit set is 0")
def _(t):
    n = t.name("ttl-3000000000")
    assert t.ask(n).answer[0].ttl == 0
    asked = len(t.up.of(n))
    assert t.ask(n).answer[0].ttl == 0 and len(t.up.of(n)) > asked


@everyone("RFC 5452, 5", "equal questions of many clients are one question to the upstream")
def _(t):
    n, got = t.name("slow-100"), []
    threads = [threading.Thread(target=lambda: got.append(t.udp(query(n)))) for _ in range(30)]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    assert None not in got and len(t.up.of(n)) <= 3, len(t.up.of(n))  # a busy machine may ask again once or twice: never once a client


@ours("RFC 8767, 5", "an expired answer is served when the upstream is mute: EDE 3, 30 s")
def _(t):
    n = t.name("ttl-1")
    true(t.ask(n))
    time.sleep(1.1)
    t.up.on = lambda s: s.key == dns.name.from_text(n).to_wire().lower()
    try:
        m = t.ask(n, edns=True)
    finally:
        t.up.on = None
    true(m)
    assert ede(m) == 3 and m.answer[0].ttl == 30, m.to_text()


@ours("RFC 8767, 6 (prefetch)", "an answer that is used near its end is asked for anew, and nobody waits")
def _(t):
    n = t.name("ttl-10")
    true(t.ask(n))
    asked = len(t.up.of(n))

    def refreshed():
        true(t.ask(n))
        return len(t.up.of(n)) > asked

    wait_until(refreshed, 15, "a second question to the upstream", every=0.1)
    wait_until(lambda: t.ask(n).answer[0].ttl >= 9, 2, "the answer is new before the old one ended")


# --- names that stay here ---

def special_case(name, rtype, rcode, texts, section):
    @ours(section, f"{name} {rtype} is answered here")
    def _(t):
        m = t.ask(name, rtype)
        assert m.rcode() == rcode and [rd.to_text() for r in m.answer for rd in r] == texts, m.to_text()
        assert m.answer or m.authority[0].rdtype == 6
        assert not t.up.of(name), "it leaked"


for _args in (("localhost.", "A", 0, ["127.0.0.1"], "RFC 6761, 6.3"), ("a.b.LOCALHOST.", "AAAA", 0, ["::1"], "RFC 6761, 6.3"), ("localhost.", "MX", 0, [], "RFC 6761, 6.3"),
              ("www.invalid.", "A", 3, [], "RFC 6761, 6.4"), ("www.test.", "A", 3, [], "RFC 6761, 6.2"), ("abc.onion.", "A", 3, [], "RFC 7686, 2"),
              ("printer.local.", "AAAA", 3, [], "RFC 6762, 22.1"), ("a.alt.", "A", 3, [], "RFC 9476"), ("nas.home.arpa.", "A", 3, [], "RFC 8375, 4"),
              ("home.arpa.", "NS", 0, [], "RFC 8375, 4"), ("_dns.resolver.arpa.", "SVCB", 0, [], "RFC 9462, 6.4"), ("1.0.0.10.in-addr.arpa.", "PTR", 3, [], "RFC 6303, 4.1"),
              ("10.in-addr.arpa.", "SOA", 0, [], "RFC 6303, 3"), ("9.31.172.in-addr.arpa.", "PTR", 3, [], "RFC 6303, 4.1"), ("1.1.168.192.in-addr.arpa.", "PTR", 3, [], "RFC 6303, 4.1"),
              ("1.0.0.127.in-addr.arpa.", "PTR", 0, ["localhost."], "RFC 6303, 4.2"), ("1.100.100.in-addr.arpa.", "PTR", 3, [], "RFC 7793"),
              ("b.0.d.f.ip6.arpa.", "PTR", 3, [], "RFC 6303, 4.4"), ("1." + "0." * 31 + "ip6.arpa.", "PTR", 0, ["localhost."], "RFC 6303, 4.3")):
    special_case(*_args)


@ours("RFC 6761", "names beside the special ones are forwarded")
def _(t):
    for name in ("notlocalhost.", "local.example.", "1.0.32.172.in-addr.arpa.", "1.0.15.172.in-addr.arpa.", "1.128.100.in-addr.arpa.", "1.11.in-addr.arpa.", "a.b.9.ip6.arpa."):
        t.ask(name)
        assert t.up.of(name), name


@ours("RFC 8375, 4; RFC 4035, 3.1.4.1", "the DS of home.arpa is in its parent, and is asked for there")
def _(t):
    t.ask("home.arpa.", "DS")
    assert t.up.of("home.arpa.", 43)


@ours("RFC 6761, 5", "a special name that an upstream has a zone for is forwarded to it")
def _(t):
    true(t.ask("ok.lab.test."))
    assert t.up.of("ok.lab.test.")
    assert t.ask("ok.other.test.").rcode() == 3


@ours("use-application-dns.net", "the canary does not exist, when the operator says so")
def _(t):
    assert t.ask("use-application-dns.net.").rcode() == 3 and not t.up.of("use-application-dns.net.")


@ours("rebinding", "private addresses of the world's names are withheld, also behind a mapped address and a hint, also from the cache")
def _(t):
    for word, rtype in (("private", "A"), ("private", "AAAA"), ("hint", "HTTPS")):
        n = t.name(word)
        for _ in range(2):
            m = t.ask(n, rtype, edns=True)
            assert m.rcode() == 0 and not m.answer and ede(m) == 15, m.to_text()
    assert addresses(t.ask("private.a.corp.example.")) == ["192.168.7.7"], "rebinding.allow"
    assert addresses(t.ask("private.lab.test.")) == ["192.168.7.7"], "a zone of an upstream"


# --- blocks, cookies ---

@ours("RFC 8914, 4.16", "a block: NXDOMAIN, a short SOA, EDE 15; no EDE without OPT; DO and ANY change nothing")
def _(t):
    m = t.ask("www.blocked.example.", edns=True)
    assert m.rcode() == 3 and ede(m) == 15 and m.authority[0].ttl <= 30 and not m.flags & (dns.flags.AA | dns.flags.AD), m.to_text()
    assert t.ask("www.blocked.example.").edns == -1
    assert ede(t.ask("blocked.example.", "ANY", do=True)) == 15
    assert not [s for s in t.up.of("www.blocked.example.") if s.at > t.since]


CLIENT = bytes(range(8))


def cookie_of(m):
    o = option(m, COOKIE)
    if o is None:
        return None
    return o.client + o.server if hasattr(o, "client") else o.data


@ours("RFC 7873, 5.2.3; RFC 9018, 4", "a client's cookie is answered with one of ours, version 1")
def _(t):
    c = cookie_of(t.ask(t.name("ok"), options=[generic(COOKIE, CLIENT)]))
    assert len(c) == 24 and c[:8] == CLIENT and c[8:12] == b"\1\0\0\0" and abs(struct.unpack(">I", c[12:16])[0] - time.time()) < 60


@ours("RFC 9018, 4.3", "our cookie comes back as it was while it is young")
def _(t):
    c = cookie_of(t.ask(t.name("ok"), options=[generic(COOKIE, CLIENT)]))
    assert cookie_of(t.ask(t.name("ok"), options=[generic(COOKIE, c)])) == c


@ours("RFC 7873, 5.2.4", "a wrong cookie is replaced, and the question answered")
def _(t):
    c = bytearray(cookie_of(t.ask(t.name("ok"), options=[generic(COOKIE, CLIENT)])))
    c[20] ^= 1
    m = t.ask(t.name("ok"), options=[generic(COOKIE, bytes(c))])
    true(m)
    assert cookie_of(m) != bytes(c) and len(cookie_of(m)) == 24


@ours("RFC 9018, 4.4", "a cookie belongs to its address")
def _(t):
    q = query(t.name("ok"), options=[generic(COOKIE, CLIENT)])
    a, b = (cookie_of(dns.message.from_wire(t.udp(q, source=s))) for s in ("127.0.0.1", "127.0.0.2"))
    assert a[16:] != b[16:]


@ours("RFC 7873, 5.2.2", "cookies of other lengths are FORMERR")
def _(t):
    for n in (0, 7, 9, 15, 41):
        assert t.rcode_of(query(t.name("ok"), options=[generic(COOKIE, bytes(n))])) == 1, n


@ours("RFC 7873, 5.4", "a cookie without a question gets a cookie")
def _(t):
    a = t.udp(header(qd=0, ar=1) + opt(options=struct.pack(">HH", COOKIE, 8) + CLIENT))
    m = dns.message.from_wire(a)
    assert m.rcode() == 0 and not m.question and len(cookie_of(m)) == 24


@ours("RFC 7873, 5.2.3", "a cookie comes with errors, blocks and late answers too")
def _(t):
    for name in (t.name("nx"), "www.blocked.example.", t.name("servfail"), t.name("slow-100")):
        assert len(cookie_of(t.ask(name, options=[generic(COOKIE, CLIENT)])) or b"") == 24, name


# --- case as entropy ---

@ours("draft-vixie-dnsext-dns0x20", "0x20: the case varies, a server that keeps it is believed")
def _(t):
    n = "ok.a1b2c3d4e5f6a7b8.case.example."
    true(t.ask(n))
    assert t.up.of(n)[0].wire != t.up.of(n)[0].key, "mixed"


@ours("draft-vixie-dnsext-dns0x20", "0x20: a server that does not keep it is asked over TCP")
def _(t):
    n = "lower.a1b2c3d4e5f6a7b8.case.example."
    true(t.ask(n))
    assert t.up.of(n)[-1].tcp


# --- running them ---

class Forwarders:
    """fireline embedded, with one small list, in front of a hostile upstream."""

    def __init__(self, shared):
        self.up = Hostile()
        self.w = w = World(shared, "compliance", kafka=False, redis=False, upstream=False)
        here = f"127.0.0.1:{self.up.port}"
        w.config["listen"][1]["idle_timeout"] = "2s"
        w.config["upstreams"] = [
            {"name": "default", "servers": [here], "timeout": "2s", "retries": 2},
            {"name": "lab", "zones": ["lab.test"], "servers": [here]},
            {"name": "gone", "zones": ["gone.example"], "servers": [f"127.0.0.1:{free_port()}"], "timeout": "500ms"},
            {"name": "trusted", "zones": ["trusted.example"], "servers": [here], "trust_ad": True},
            {"name": "case", "zones": ["case.example"], "servers": [here], "mixed_case": True}]
        w.config["domain_lists"] = [{"name": "malware", "entries": ["blocked.example", "*.blocked.example"]}]
        w.config["special_names"] = {"doh_canary": True}
        w.config["rebinding"] = {"protect": True, "allow": ["corp.example"]}
        w.write_config()
        w.procs["parent"] = Proc([w.exe, "run", "--embedded", "-c", w.config_path], w.log_path("parent"))
        try:
            t = Target("fl", w.port, self.up)
            wait_until(lambda: t.ask("www.blocked.example.", timeout=1).rcode() == 3, 60, "the list is in force")
        except BaseException:
            self.close(True)
            raise

    def close(self, keep):
        self.w.close(keep)
        self.up.stop()


def run_cases(t, which):
    """{text: None or why it failed}"""
    out = {}
    for section, text, fn, for_all in CASES:
        if not which(for_all):
            continue
        try:
            fn(t)
            out[f"{section}: {text}"] = None
        except Exception as why:  # noqa: B902 - whatever a case throws is its failure
            out[f"{section}: {text}"] = f"{type(why).__name__}: {why}"
    return out


def forwarders(shared):
    return shared.once("compliance", lambda: Forwarders(shared))


def test_cases(shared):
    f = forwarders(shared)
    got = run_cases(Target("fl", f.w.port, f.up), lambda _: True)
    bad = [f"{k}\n    {why}" for k, why in got.items() if why]
    print(f"       {len(got)} cases, {len(bad)} failed", flush=True)
    assert len(got) >= 100 and not bad, "\n".join(bad)


# --- beside others ---

BIND = """options {{
 directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key"; managed-keys-directory "{folder}"; lock-file none;
 listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; allow-query {{ any; }}; recursion yes; allow-recursion {{ any; }};
 forwarders {{ 127.0.0.1 port {upstream}; }}; forward only; dnssec-validation no; max-udp-size 1232; edns-udp-size 1232;
}};
controls {{ }};
"""
UNBOUND = """server:
 interface: 127.0.0.1@{port}
 chroot: ""
 username: ""
 pidfile: ""
 directory: "{folder}"
 use-syslog: no
 do-daemonize: no
 do-not-query-localhost: no
 num-threads: 1
 module-config: "iterator"
forward-zone:
 name: "."
 forward-addr: 127.0.0.1@{upstream}
"""


class Peer:
    """Another forwarder, unprivileged, in a folder of its own, in front of the same kind of upstream."""

    def __init__(self, world, name, argv, config):
        found = shutil.which(argv[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not found:
            raise Skip(f"{argv[0]} is not installed")
        self.up, self.port, folder = Hostile(), free_port(), os.path.join(world.folder, name)
        os.makedirs(folder, exist_ok=True)
        conf = os.path.join(folder, "server.conf")
        with open(conf, "w") as f:
            f.write(config.format(folder=folder, port=self.port, upstream=self.up.port))
        self.proc = Proc([found, *argv[1:], conf], os.path.join(folder, "log"))
        self.target = Target(name, self.port, self.up)
        try:
            wait_until(lambda: addresses(self.target.ask("ok.up.example.", timeout=0.5)) == [TRUTH], 30, f"{name} answers")
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.proc.alive():
            self.proc.kill()
        self.up.stop()


def test_beside_bind_and_unbound(shared):
    """Every case that both pass as forwarders passes here; what one of them fails is shown."""
    f = forwarders(shared)
    peers = []
    try:
        peers.append(Peer(f.w, "bind", ["named", "-g", "-n", "1", "-c"], BIND))
        peers.append(Peer(f.w, "unbound", ["unbound", "-d", "-c"], UNBOUND))
        targets = [Target("fl2", f.w.port, f.up)] + [p.target for p in peers]
        got = {}
        threads = [threading.Thread(target=lambda t=t: got.__setitem__(t.kind, run_cases(t, lambda for_all: for_all))) for t in targets]
        for th in threads:
            th.start()
        for th in threads:
            th.join()
    finally:
        for p in peers:
            p.stop()
    mine, bind, unbound = got["fl2"], got["bind"], got["unbound"]
    for k in mine:
        if bind[k] or unbound[k]:
            print(f"       bind {'-' if bind[k] else '+'} unbound {'-' if unbound[k] else '+'} fireline {'-' if mine[k] else '+'}  {k}", flush=True)
    print(f"       of {len(mine)} cases: bind {sum(not v for v in bind.values())}, unbound {sum(not v for v in unbound.values())}, fireline {sum(not v for v in mine.values())}",
          flush=True)
    worse = [f"{k}: {mine[k]}" for k in mine if mine[k] and not (bind[k] and unbound[k])]
    assert len(mine) >= 60 and not worse, "\n".join(worse)


# --- forgers ---

def test_poisoning(shared):
    """10,000 questions, each with forgeries of every kind before, beside and after the true reply: none is believed, and ports and ids cannot be foretold."""
    f = forwarders(shared)
    tries, rng = 10000, random.Random(11)
    seen, lock = [], threading.Lock()
    up = f.up
    spare = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for s in spare:
        s.bind(("127.0.0.1", 0))

    def forge(s):
        if not s.word.startswith("poison"):
            return False
        name = dns.name.from_wire(s.wire, 0)[0]
        with lock:
            seen.append((s.peer[1], s.id))
            last = seen[-2:-1]
        lie = up.lie(s, name)
        for i in range(3):  # wrong id: a neighbour, and at random
            up.send(s, struct.pack(">H", (s.id + i + 1) & 0xffff) + lie[2:])
            up.send(s, struct.pack(">H", s.id ^ rng.randrange(1, 65536)) + lie[2:])
        up.send(s, lie, spare[rng.randrange(4)])  # wrong source
        up.send(s, up.lie(s, name, question=dns.name.from_text(f"other{rng.randrange(99)}.example").to_wire() + s.question[-4:]))  # wrong question
        up.send(s, lie[:2] + bytes([lie[2] & 0x7f]) + lie[3:])  # no response
        if last:  # late: for the port of the question before
            try:
                up.udp.sendto(lie, ("127.0.0.1", last[0][0]))
            except OSError:
                pass
        truth = up.truth(s, name, 60)
        up.send(s, truth)
        up.send(s, lie)  # duplicate, and too late
        return True

    up.on = forge
    wrong, done, limit = [], 0, 32
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            c.connect(("127.0.0.1", f.w.port))
            c.settimeout(0.5)
            out, at, quiet = {}, 0, 0
            while at < tries or out:
                while at < tries and len(out) < limit:
                    q = query(f"poison{at}.example.")
                    q = struct.pack(">H", at & 0xffff) + q[2:]
                    out[at & 0xffff] = q
                    c.send(q)
                    at += 1
                try:
                    a = c.recv(4096)
                    quiet = 0
                except OSError:
                    quiet += 1
                    assert quiet < 20, f"{len(out)} of {at} questions without an answer"
                    for q in out.values():
                        c.send(q)
                    continue
                q = out.pop(struct.unpack(">H", a[:2])[0], None)
                if q is None:
                    continue
                done += 1
                if socket.inet_aton(LIE) in a or socket.inet_aton(TRUTH) not in a:
                    wrong.append(a)
    finally:
        up.on = None
        for s in spare:
            s.close()
    ports, ids = {p for p, _ in seen}, {i for _, i in seen}
    print(f"       {done} answers, {len(seen)} upstream questions, {len(ports)} ports, {len(ids)} ids", flush=True)
    assert done == tries and not wrong, f"{len(wrong)} of {done} wrong"
    assert len(ports) >= 0.6 * tries and len(ids) >= 0.6 * tries
    again = random.Random(3).sample(range(tries), 300)
    t = Target("again", f.w.port, up)
    for i in again:  # from the cache, or asked anew: the truth
        assert addresses(t.ask(f"poison{i}.example.")) == [TRUTH]


def test_birthday(shared):
    """Many equal questions at once open one question to the upstream: there is no birthday to win (RFC 5452, 5)."""
    f = forwarders(shared)
    n = "slow-100.birthday.example."
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        c.connect(("127.0.0.1", f.w.port))
        c.settimeout(5)
        for i in range(300):
            c.send(struct.pack(">H", i) + query(n)[2:])
        got = {c.recv(4096)[:2] for _ in range(300)}
    assert len(got) == 300 and len(f.up.of(n)) <= 3  # that a busy machine asks again is no birthday


# --- who may ask, and how often ---

class Plain:
    """An enforcer alone: no lists, no rules."""

    def __init__(self, shared, name, **config):
        self.up = Hostile()
        self.w = w = World(shared, name, kafka=False, redis=False, upstream=False)
        w.config = {k: v for k, v in w.config.items() if k in ("version", "state", "runtime", "psl_file", "startup_grace", "node", "listen", "admin", "log")}
        w.config["upstreams"] = [{"name": "default", "servers": [f"127.0.0.1:{self.up.port}"], "timeout": "1s", "retries": 1}]
        w.config.update(config)
        self.t = Target(name, w.port, self.up)

    def __enter__(self):
        try:
            self.w.write_config()
            self.w.start("enforce")
        except BaseException:
            self.__exit__(1)
            raise
        return self

    def reload(self, **config):
        self.w.config.update(config)
        self.w.write_config()
        self.w.hup("enforce")

    def metric(self, name):
        status, text = self.w.request("enforce", "GET", "/metrics")
        assert status == 200
        return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text.decode(), re.M))

    def __exit__(self, *why):
        self.w.close(bool(why[0]))
        self.up.stop()


def test_client_networks(shared):
    """Closed but for who is named: REFUSED with EDE 18 and nothing of the cache; or silence. A reload changes it."""
    with Plain(shared, "acl", clients={"allow": ["127.0.0.2/32", "127.0.0.8/29"]}) as p:
        q = query("ok.acl.example.", edns=True)
        for source, served in (("127.0.0.2", True), ("127.0.0.9", True), ("127.0.0.1", False), ("127.0.0.3", False), ("127.0.0.16", False)):
            m = dns.message.from_wire(p.t.udp(q, source=source))
            assert (m.rcode() == 0 and addresses(m) == [TRUTH]) if served else (m.rcode() == 5 and ede(m) == 18 and not m.answer), (source, m.to_text())
        with p.t.connect() as s:
            s.sendall(frame(q))
            assert dns.message.from_wire(read_frame(s)).rcode() == 5 and s.recv(1) == b"", "its answer, and the end"
        assert p.metric("fireline_dns_strangers_total") == 4
        p.reload(clients={"allow": ["127.0.0.2/32"], "others": "drop"})
        wait_until(lambda: p.t.udp(q, 0.3) is None, 10, "silence")
        assert p.t.tcp(q) is None
        assert addresses(dns.message.from_wire(p.t.udp(q, source="127.0.0.2"))) == [TRUTH]
        p.reload(clients={})
        wait_until(lambda: addresses(dns.message.from_wire(p.t.udp(q, 0.5))) == [TRUTH], 10, "loopback is let in when nothing is said")


def flood(p, n, source, packet=None):
    """Answers to n questions sent at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.connect(("127.0.0.1", p.w.port))
        for i in range(n):
            s.send(struct.pack(">H", i) + (packet or query("ok.rate.example."))[2:])
        s.settimeout(1.0)
        out = []
        try:
            while True:
                out.append(dns.message.from_wire(s.recv(4096)))
        except OSError:
            return out


def test_rate_limit(shared):
    """A flood gets its burst and a few small answers; a proven client, an exempt one and others are served meanwhile; what goes out is less than what came in."""
    with Plain(shared, "rate", rate_limit={"per_client": 5, "burst": 20, "exempt": ["127.0.0.9"]}) as p:
        p.t.udp(query("ok.rate.example."), source="127.0.0.9")
        got = flood(p, 400, "127.0.0.1")
        whole = [m for m in got if addresses(m) == [TRUTH]]
        cut = [m for m in got if m.flags & dns.flags.TC]
        assert 20 <= len(whole) <= 40 and 150 <= len(cut) <= 200 and len(got) == len(whole) + len(cut), (len(got), len(whole), len(cut))
        assert p.metric("fireline_dns_limited_total") >= 360
        # whoever is really there is told to come by TCP, and is served; likewise with a cookie
        assert addresses(dns.message.from_wire(p.t.tcp(query("ok.rate.example.")))) == [TRUTH]
        bad = flood(p, 20, "127.0.0.1", query("ok.rate.example.", options=[generic(COOKIE, CLIENT)]))
        bad = [m for m in bad if m.rcode() == dns.rcode.BADCOOKIE]
        assert bad and not bad[0].answer
        m = dns.message.from_wire(p.t.udp(query("ok.rate.example.", options=[generic(COOKIE, cookie_of(bad[0]))])))
        assert addresses(m) == [TRUTH]
        # a proven one over its own limit is told so
        said = flood(p, 60, "127.0.0.1", query("ok.rate.example.", options=[generic(COOKIE, cookie_of(bad[0]))]))
        assert any(m.rcode() == 5 and ede(m) == 18 for m in said) and len(said) == 60
        assert len(flood(p, 200, "127.0.0.9")) == 200
        assert addresses(dns.message.from_wire(p.t.udp(query("ok.rate.example."), source="127.0.0.5"))) == [TRUTH]
        p.reload(rate_limit={"per_client": 0})
        wait_until(lambda: len(flood(p, 100, "127.0.0.1")) == 100, 10, "no limit")


def test_waiting_is_capped(shared):
    """One client with many open questions to a mute upstream leaves room for others."""
    with Plain(shared, "waiting", rate_limit={"waiting": 20}) as p:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", p.w.port))
            for i in range(100):
                s.send(query(f"mute.w{i}.example."))
            true(dns.message.from_wire(p.t.udp(query(p.t.name("ok")), source="127.0.0.2")))
            wait_until(lambda: p.metric("fireline_dns_dropped_total") == 80, 10, "the rest is dropped")


def test_cookie_secret_is_shared(shared):
    """Two servers with one secret take each other's cookies; a secret that was replaced is still good, and is replaced in the client's hands."""
    folder = shared.folder
    path = os.path.join(folder, "cookie-secret")
    with open(path, "w") as f:
        f.write("e5e973e5a6b2a43f48e7dc849e37bfcf\n")
    keys = {"cookies": {"secret_file": path}}
    with Plain(shared, "cookie1", **keys) as a, Plain(shared, "cookie2", **keys) as b:
        c = cookie_of(a.t.ask("ok.c.example.", options=[generic(COOKIE, CLIENT)]))
        assert cookie_of(b.t.ask("ok.c.example.", options=[generic(COOKIE, c)])) == c
        with open(path, "w") as f:
            f.write("0123456789abcdef0123456789abcdef\ne5e973e5a6b2a43f48e7dc849e37bfcf\n")
        b.reload()
        fresh = wait_until(lambda: (lambda n: n if n != c else None)(cookie_of(b.t.ask("ok.c.example.", options=[generic(COOKIE, c)]))), 10, "a new cookie")
        assert cookie_of(b.t.ask("ok.c.example.", options=[generic(COOKIE, fresh)])) == fresh

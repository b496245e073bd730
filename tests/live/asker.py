"""Asks many names over UDP, pipelined, with hand-packed questions; and single questions with all that stands in the answer."""
import re
import select
import socket
import struct
import time

EDNS = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
NXDOMAIN, NOERROR, SERVFAIL, FORMERR = 3, 0, 2, 1


def pack_question(name, qtype=1, ident=0, edns=True, rd=True, extra=b""):
    labels = b"".join(bytes([len(l)]) + l for l in name.encode("ascii").split(b".") if l) + b"\0"
    opt = EDNS if not extra else EDNS[:-2] + struct.pack(">H", len(extra)) + extra
    return struct.pack(">HHHHHH", ident, 0x0100 if rd else 0, 1, 0, 0, 1 if edns else 0) + labels + struct.pack(">HH", qtype, 1) + (opt if edns else b"")


class Answer:
    """What one answer says: rcode, flags, records, EDE code and text."""

    def __init__(self, packet):
        self.packet = packet
        self.id, flags, qd, self.an, self.ns, self.ar = struct.unpack(">HHHHHH", packet[:12])
        self.rcode, self.tc, self.aa, self.ra = flags & 15, bool(flags & 0x200), bool(flags & 0x400), bool(flags & 0x80)
        self.ede, self.ede_text, self.edns = None, "", False
        self._opt()

    def _opt(self):
        import dns.message
        m = dns.message.from_wire(self.packet, ignore_trailing=False)
        self.message = m
        self.edns = m.edns >= 0
        for o in m.options:
            if int(o.otype) == 15:
                self.ede, self.ede_text = int(o.code), o.text or ""

    @property
    def ref(self):
        m = re.search(r"\bref=([a-z2-7]{8})\b", self.ede_text)
        return m.group(1) if m else None

    @property
    def blocked(self):
        return self.rcode == NXDOMAIN and self.ede == 15


def ask(address, name, qtype=1, timeout=3.0, tries=2, source=None, tcp=False, **kw):
    """One Answer, or None."""
    ident = int(time.monotonic_ns() & 0xffff)
    q = pack_question(name, qtype, ident, **kw)
    for _ in range(tries):
        a = exchange_tcp(address, q, timeout) if tcp else exchange(address, q, timeout, source)
        if a and a[:2] == q[:2]:
            return Answer(a)
    return None


def exchange(address, packet, timeout=1.0, source=None):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        if source:
            s.bind((source, 0))
        s.connect(address)  # the kernel drops what comes from another address
        s.settimeout(timeout)
        try:
            s.send(packet)
            return s.recv(65535)
        except OSError:
            return None


def exchange_tcp(address, packet, timeout=3.0):
    try:
        with socket.create_connection(address, timeout) as s:
            s.sendall(struct.pack(">H", len(packet)) + packet)
            f = s.makefile("rb")
            head = f.read(2)
            return f.read(struct.unpack(">H", head)[0]) if len(head) == 2 else None
    except OSError:
        return None


def verdicts(address, names, window=192, qtype=1, timeout=0.5, tries=20, of=lambda packet: packet[3] & 15):
    """`of` each name's answer, its rcode if not said, in order. Lost packets are asked again; a name that is never answered is None."""
    out = [None] * len(names)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.connect(address)
    s.setblocking(False)
    free = list(range(window))
    waiting = {}  # slot -> [index, question octets, when, tries]
    at, n = 0, len(names)
    while at < n or waiting:
        while free and at < n:
            slot = free.pop()
            q = pack_question(names[at], qtype, slot)
            waiting[slot] = [at, q, time.monotonic(), 1]
            at += 1
            _send(s, q)
        if not select.select([s], [], [], 0.05)[0]:
            now = time.monotonic()
            for slot, w in list(waiting.items()):
                if now - w[2] > timeout:
                    if w[3] >= tries:
                        del waiting[slot]
                        free.append(slot)
                        continue
                    w[2], w[3] = now, w[3] + 1
                    _send(s, w[1])
            continue
        for _ in range(window):
            try:
                p = s.recv(4096)
            except (BlockingIOError, ConnectionRefusedError):
                break
            slot = p[0] << 8 | p[1]
            w = waiting.get(slot)
            q = w[1] if w else b""
            end = len(q) - len(EDNS)
            if not w or p[12:end].lower() != q[12:end].lower():  # an answer to an earlier try of another name
                continue
            out[w[0]] = of(p)
            del waiting[slot]
            free.append(slot)
    s.close()
    return out


def _send(s, q):
    try:
        s.send(q)
    except (BlockingIOError, ConnectionRefusedError):
        pass

"""A scripted upstream, in this process: what it does with a question is the first label's word. It tells the truth (192.0.2.1) and lies (203.0.113.66), and remembers what it was asked.

  ok ttl-N nx nodata nxbare servfail refused mute slow-MS      tc (UDP) big (90 addresses) noedns (FORMERR to EDNS)
  wrongid wrongq qr0 wrongport garbage dup late                a lie of that kind, then the truth
  extra chain-N loop dname sig ad ede private hint mx txt raw  records of that kind
"""
import heapq
import random
import select
import socket
import struct
import threading
import time

import dns.name
import dns.rrset

TRUTH, LIE = "192.0.2.1", "203.0.113.66"


class Seen:
    """One question as it came."""

    def __init__(self, packet, peer, tcp):
        self.packet, self.peer, self.tcp, self.at = packet, peer, tcp, time.monotonic()
        self.id, self.flags = struct.unpack(">HH", packet[:4])
        end = 12
        while packet[end]:  # by labels: a zero may stand inside of one
            end += 1 + packet[end]
        self.wire = packet[12:end + 1]
        self.qtype = struct.unpack(">H", packet[end + 1:end + 3])[0]
        self.question = packet[12:end + 5]
        self.rest = packet[end + 5:]

    @property
    def word(self):
        return self.wire[1:1 + self.wire[0]].decode("latin1").lower() if self.wire[0] else "root"

    @property
    def edns(self):
        return len(self.rest) >= 11 and self.rest[1:3] == b"\0\x29"

    @property
    def do(self):
        return self.edns and bool(self.rest[7] & 0x80)

    @property
    def key(self):
        return self.wire.lower()


def rr(name, rtype, ttl, *texts):
    return dns.rrset.from_text(name, ttl, "IN", rtype, *texts)


class Hostile:
    def __init__(self, address="127.0.0.1"):
        while True:
            self.tcp = socket.socket()
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp.bind((address, 0))
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(self.tcp.getsockname())
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.port = self.tcp.getsockname()[1]
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.tcp.listen(128)
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # another port of the same host
        self.other.bind((address, 0))
        self.lock, self.seen, self.dead, self.mute, self.later, self.n = threading.Lock(), [], False, False, [], 0
        self.on = None  # a test's own: fn(seen) -> True when it has answered
        threading.Thread(target=self._udp, daemon=True).start()
        threading.Thread(target=self._tcp, daemon=True).start()

    def of(self, name, qtype=None):
        key = dns.name.from_text(name).to_wire().lower()
        with self.lock:
            return [s for s in self.seen if s.key == key and (qtype is None or s.qtype == qtype)]

    def count(self):
        with self.lock:
            return len(self.seen)

    def stop(self):
        self.dead = True
        for s in (self.tcp, self.udp, self.other):
            s.close()

    # --- in and out ---

    def send(self, s, packet, sock=None, after=0.0):
        if after:
            with self.lock:
                self.n += 1
                heapq.heappush(self.later, (time.monotonic() + after, self.n, s, packet, sock))
            return
        try:
            (sock or self.udp).sendto(packet, s.peer)
        except OSError:
            pass

    def _due(self):
        while True:
            with self.lock:
                if not self.later or self.later[0][0] > time.monotonic():
                    return
                _, _, s, packet, sock = heapq.heappop(self.later)
            self.send(s, packet, sock)

    def _udp(self):
        while not self.dead:
            try:
                if select.select([self.udp], [], [], 0.005 if self.later else 0.05)[0]:
                    for _ in range(64):
                        packet, peer = self.udp.recvfrom(4096, socket.MSG_DONTWAIT)
                        self._took(packet, peer)
            except BlockingIOError:
                pass
            except (OSError, ValueError):
                if self.dead:
                    return
            self._due()

    def _took(self, packet, peer):
        try:
            s = Seen(packet, peer, False)
        except (struct.error, IndexError, ValueError):
            return
        with self.lock:
            self.seen.append(s)
        if self.mute or (self.on and self.on(s)):
            return
        for after, sock, reply in self.script(s):
            self.send(s, reply, sock, after)

    def _tcp(self):
        while not self.dead:
            try:
                c, peer = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._conn, args=(c, peer), daemon=True).start()

    def _conn(self, c, peer):
        f = c.makefile("rb")
        try:
            while True:
                head = f.read(2)
                if len(head) < 2:
                    return
                s = Seen(f.read(struct.unpack(">H", head)[0]), peer, True)
                with self.lock:
                    self.seen.append(s)
                if self.mute or s.word == "mute":
                    continue
                for after, _, reply in self.script(s):
                    time.sleep(after)
                    c.sendall(struct.pack(">H", len(reply)) + reply)
        except (OSError, struct.error, IndexError, ValueError):
            pass
        finally:
            c.close()

    # --- what is said ---

    def reply(self, s, answers=(), authority=(), additional=(), rcode=0, flags=0, ident=None, question=None, edns=None):
        counts = (1, sum(len(r) for r in answers), sum(len(r) for r in authority), sum(len(r) for r in additional) + (s.edns if edns is None else edns))
        out = struct.pack(">HHHHHH", s.id if ident is None else ident, 0x8080 | (s.flags & 0x0110) | flags | rcode, *counts) + (question or s.question)
        for section in (answers, authority, additional):
            for rrset in section:
                for rd in rrset:
                    data = rd.to_wire()
                    out += rrset.name.to_wire() + struct.pack(">HHIH", rrset.rdtype, 1, rrset.ttl, len(data)) + data
        if s.edns if edns is None else edns:
            out += b"\0\0\x29\x04\xd0\0\0" + (b"\x80\0" if s.do else b"\0\0") + b"\0\0"
        return out

    def script(self, s):
        """[(seconds from now, socket or None, packet)]"""
        name = dns.name.from_wire(s.wire, 0)[0]
        word, _, arg = s.word.partition("-")
        fn = getattr(self, "w_" + word, None)
        if fn:
            got = fn(s, name, arg)
        else:
            got = self.truth(s, name)
        if isinstance(got, bytes):
            got = [(0, None, got)]
        return got or []

    def truth(self, s, name, ttl=300, address=TRUTH, **kw):
        if s.qtype == 1:
            return self.reply(s, [rr(name, "A", ttl, address)], **kw)
        if s.qtype == 28:
            return self.reply(s, [rr(name, "AAAA", ttl, "2001:db8::1")], **kw)
        if s.qtype == 2:
            return self.reply(s, [rr(name, "NS", ttl, "ns.example.")], **kw)
        return self.reply(s, [], [self.soa(name)], **kw)

    def soa(self, name, ttl=900, minimum=60):
        return rr(name.parent() if len(name) > 1 else name, "SOA", ttl, f"ns.example. root.example. 1 3600 600 86400 {minimum}")

    def lie(self, s, name, **kw):
        return self.reply(s, [rr(name, "A", 3600, LIE)], **kw)

    def w_root(self, s, name, arg):
        return self.reply(s, [rr(".", "NS", 3600, "a.root.example.", "b.root.example.")])

    def w_ttl(self, s, name, arg):
        return self.truth(s, name, int(arg))

    def w_nx(self, s, name, arg):
        return self.reply(s, [], [self.soa(name)], rcode=3)

    def w_nodata(self, s, name, arg):
        return self.reply(s, [], [self.soa(name)])

    def w_nxbare(self, s, name, arg):
        return self.reply(s, rcode=3)

    def w_servfail(self, s, name, arg):
        return self.reply(s, rcode=2)

    def w_refused(self, s, name, arg):
        return self.reply(s, rcode=5)

    def w_noedns(self, s, name, arg):
        if s.edns:
            return struct.pack(">HHHHHH", s.id, 0x8180 | 1, 0, 0, 0, 0)
        return self.truth(s, name)

    def w_mute(self, s, name, arg):
        return []

    def w_slow(self, s, name, arg):
        return [(int(arg) / 1000, None, self.truth(s, name))]

    def w_tc(self, s, name, arg):
        return self.truth(s, name) if s.tcp else self.reply(s, flags=0x0200)

    def w_big(self, s, name, arg):
        if not s.tcp:
            return self.reply(s, flags=0x0200)
        return self.reply(s, [rr(name, "A", 300, *[f"192.0.2.{i}" for i in range(1, 91)])])

    def w_mid(self, s, name, arg):
        return self.reply(s, [rr(name, "A", 300, *[f"192.0.2.{i}" for i in range(1, 41)])])

    def _then_truth(self, s, name, *lies):
        if s.tcp:
            return self.truth(s, name)
        return [(0, sock, p) for sock, p in lies] + [(0.15, None, self.truth(s, name))]

    def w_wrongid(self, s, name, arg):
        return self._then_truth(s, name, *[(None, self.lie(s, name, ident=(s.id + i) & 0xffff)) for i in range(1, 6)])

    def w_wrongq(self, s, name, arg):
        other = dns.name.from_text("elsewhere.example").to_wire() + s.question[-4:]
        return self._then_truth(s, name, (None, self.lie(s, name, question=other)), (None, self.lie(s, name, question=s.question[:-4] + b"\0\x1c\0\1")))

    def w_qr0(self, s, name, arg):
        p = bytearray(self.lie(s, name))
        p[2] &= 0x7f
        return self._then_truth(s, name, (None, bytes(p)))

    def w_wrongport(self, s, name, arg):
        return self._then_truth(s, name, (self.other, self.lie(s, name)))

    def w_garbage(self, s, name, arg):
        return self._then_truth(s, name, (None, b""), (None, s.packet[:7]), (None, struct.pack(">H", s.id ^ 1) + random.randbytes(60)))

    def w_dup(self, s, name, arg):
        return self._then_truth(s, name, (None, self.truth(s, name)), (None, self.truth(s, name)), (None, self.lie(s, name, ident=s.id ^ 7)))

    def w_extra(self, s, name, arg):
        victim = dns.name.from_text("victim-" + arg + ".example")
        return self.reply(s, [rr(name, "A", 300, TRUTH), rr(victim, "A", 3600, LIE)], [rr("example.", "NS", 3600, "evil.example.")],
                          [rr("evil.example.", "A", 3600, LIE), rr(victim, "A", 3600, LIE)])

    def w_chain(self, s, name, arg):
        return self.chain(s, name, 0, int(arg))

    def chain(self, s, name, at, n):
        """From hop `at` of n to the end, whichever name of it is asked for."""
        out, zone = [], name.parent().to_text()
        for i in range(at, n):
            to = dns.name.from_text(f"hop-{i + 1}-{n}.{zone}")
            out.append(rr(name, "CNAME", 300, to.to_text()))
            name = to
        return self.reply(s, out + ([rr(name, "A", 300, TRUTH)] if s.qtype == 1 else []))

    def w_hop(self, s, name, arg):
        return self.chain(s, name, *[int(x) for x in arg.split("-")])

    def w_half(self, s, name, arg):
        """A CNAME, and not where it leads: half-2.x to half-1.x to half-0.x to ok.x; half-a.x and half-b.x to each other."""
        to = {"0": "ok", "a": "half-b", "b": "half-a", "far": "ok.far"}.get(arg) or f"half-{int(arg) - 1}"
        return self.reply(s, [rr(name, "CNAME", 300, f"{to}.{name.parent().to_text()}")])

    def w_loop(self, s, name, arg):
        to = dns.name.from_text("loop." + name.to_text()) if not name.parent().to_text().lower().startswith("loop") else name.parent()
        return self.reply(s, [rr(name, "CNAME", 300, to.to_text()), rr(to, "CNAME", 300, name.to_text())])

    def w_dname(self, s, name, arg):
        if name.labels[1].startswith(b"to-"):
            return self.truth(s, name)
        zone, to = name.parent(), dns.name.from_text("to-" + name.parent().to_text())
        target = dns.name.Name(name.labels[:1] + to.labels)
        out = [rr(zone, "DNAME", 300, to.to_text()), rr(name, "CNAME", 300, target.to_text())]
        return self.reply(s, out + ([rr(target, "A", 300, TRUTH)] if s.qtype == 1 else []))

    def w_sig(self, s, name, arg):
        sig = rr(name, "RRSIG", 300, f"A 8 2 300 20380101000000 20200101000000 1 {name.parent().to_text()} AAAA")
        return self.reply(s, [rr(name, "A", 300, TRUTH)] + ([sig] if s.do else []))

    def w_ad(self, s, name, arg):
        return self.truth(s, name, flags=0x20)

    def w_ede(self, s, name, arg):
        p = self.reply(s, rcode=2)
        return p[:-2] + b"\0\x06\0\x0f\0\x02\0\x06" if s.edns else p

    def w_private(self, s, name, arg):
        return self.reply(s, [rr(name, "A", 300, "192.168.7.7") if s.qtype == 1 else rr(name, "AAAA", 300, "::ffff:10.1.2.3")])

    def w_hint(self, s, name, arg):
        return self.reply(s, [rr(name, "HTTPS", 300, "1 . alpn=h2 ipv4hint=10.0.0.7")])

    def w_mx(self, s, name, arg):
        head = struct.pack(">HHHHHH", s.id, 0x8180, 1, 2, 0, 0) + s.question
        return head + b"\xc0\x0c" + struct.pack(">HHIHH", 15, 1, 300, 9, 10) + b"\4mail\xc0\x0c" + b"\xc0\x0c" + struct.pack(">HHIHH", 15, 1, 300, 4, 20) + b"\xc0\x0c"

    def w_txt(self, s, name, arg):
        return self.reply(s, [rr(name, "TXT", 300, '"one two" "" "\\000\\255three"')])

    def w_raw(self, s, name, arg):
        return self.reply(s, [rr(name, "TYPE65280", 300, "\\# 5 0001c00c02")])

    def w_https(self, s, name, arg):
        return self.reply(s, [rr(name, "HTTPS", 300, "1 . alpn=h2,h3")])

    def w_tctcp(self, s, name, arg):
        return self.reply(s, flags=0x0200)

    def w_lower(self, s, name, arg):
        q = s.wire.lower() + s.question[-4:]
        return self.truth(s, dns.name.from_wire(s.wire.lower(), 0)[0], question=q)

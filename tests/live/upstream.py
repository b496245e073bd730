"""A stub resolver: answers any A with 192.0.2.1, other types with an empty answer, over UDP and TCP, until it is killed.

Names below chain-test steer it: `a.to.b.example.chain-test` style names are spelled by their first label:
  cname-HEX.*      a CNAME to the name whose text is HEX, then its address
  nx.*             NXDOMAIN
  big.*            an answer over 1232 octets: truncated over UDP, whole over TCP
  silent.*         no answer at all
  host-A-B-C-D.*   the address A.B.C.D
"""
import re
import socket
import socketserver
import struct
import sys
import threading


def parse_name(p, at):
    labels = []
    while True:
        n = p[at]
        at += 1
        if n == 0:
            return labels, at
        if n > 63:
            raise ValueError("pointer in a question")
        labels.append(p[at:at + n])
        at += n


HOST = re.compile(rb"host(-[0-9]{1,3}){4}")


def pack_name(text):
    return b"".join(bytes([len(l)]) + l for l in text.encode().split(b".") if l) + b"\0"


def address_record(owner, last=1, octets=None):
    return owner + struct.pack(">HHIH", 1, 1, 300, 4) + (octets or bytes([192, 0, 2, last]))


def answer(p, tcp):
    """The reply to packet p, or None."""
    if len(p) < 17:
        return None
    ident, flags = p[:2], struct.unpack(">H", p[2:4])[0]
    try:
        labels, at = parse_name(p, 12)
    except (IndexError, ValueError):
        return None
    question = p[12:at + 4]
    qtype = struct.unpack(">H", p[at:at + 2])[0]
    first = labels[0].lower() if labels else b""
    rcode, records, tc = 0, [], 0
    if first == b"silent":
        return None
    if first == b"nx":
        rcode = 3
    elif first.startswith(b"cname-"):
        target = pack_name(bytes.fromhex(first[6:].decode()).decode())
        records.append(b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 300, len(target)) + target)
        if qtype == 1:
            records.append(address_record(target))
    elif first == b"big" and qtype == 1:
        if tcp:
            records = [address_record(b"\xc0\x0c", i % 250) for i in range(120)]
        else:
            tc = 0x0200
    elif HOST.fullmatch(first) and qtype == 1:
        records.append(address_record(b"\xc0\x0c", octets=bytes(int(n) % 256 for n in first.split(b"-")[1:])))
    elif qtype == 1:
        records.append(address_record(b"\xc0\x0c"))
    head = ident + struct.pack(">HHHHH", 0x8080 | tc | (flags & 0x0100) | rcode, 1, len(records), 0, 0)
    return head + question + b"".join(records)


class Tcp(socketserver.BaseRequestHandler):
    def read(self, n):
        out = b""
        while len(out) < n:
            more = self.request.recv(n - len(out))
            if not more:
                raise EOFError
            out += more
        return out

    def handle(self):
        try:
            while True:
                n = struct.unpack(">H", self.read(2))[0]
                r = answer(self.read(n), True)
                if r is None:
                    return
                self.request.sendall(struct.pack(">H", len(r)) + r)
        except (EOFError, OSError):
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(port):
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    u.bind(("127.0.0.1", port))
    t = Server(("127.0.0.1", port), Tcp)
    threading.Thread(target=t.serve_forever, daemon=True).start()
    while True:
        p, peer = u.recvfrom(4096)
        r = answer(p, False)
        if r:
            u.sendto(r, peer)


if __name__ == "__main__":
    main(int(sys.argv[1]))

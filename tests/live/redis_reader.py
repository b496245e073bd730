"""An independent reader of versioned sets: RESP to Redis, and the formats of docs/formats/ decoded from their pages alone.

Every digest, chain and checksum is computed again here; a set that does not check raises Corrupt.
"""
import base64
import hashlib
import json
import socket
import struct

import xxhash
import zstandard

NONE16, NONE32 = bytes(16), bytes(32)


class Corrupt(Exception):
    pass


def need(ok, what):
    if not ok:
        raise Corrupt(what)


class Resp:
    """A Redis connection that speaks as much RESP2 as this tier needs."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(30)
        self.s.connect(path)
        self.f = self.s.makefile("rb")

    def call(self, *args):
        parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
        self.s.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.reply()

    def reply(self):
        line = self.f.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("Redis hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ValueError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            n = int(rest)
            return None if n < 0 else self.f.read(n + 2)[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self.reply() for _ in range(int(rest))]
        raise ValueError(f"no RESP: {line!r}")

    def hash(self, key):
        """HGETALL as text; values that are no UTF-8 stay octets."""
        v = self.call("HGETALL", key)

        def text(b):
            try:
                return b.decode()
            except UnicodeDecodeError:
                return b

        return {text(v[i]): text(v[i + 1]) for i in range(0, len(v), 2)}

    def close(self):
        self.f.close()
        self.s.close()


# --- names.md, digest.md ---

def key_of(name):
    return b"" if name == "." else b"".join(l.encode() + b"\0" for l in reversed(name.split(".")))


def name_of(key):
    return ".".join(reversed(key.decode().rstrip("\0").split("\0"))) if key else "."


def h128(data):
    return int.from_bytes(xxhash.xxh3_128_digest(data), "big")


def digest(entries):
    """Of {key: (scope, attributes)}: digest and attrs_digest as 16 octets."""
    d = a = 0
    for k, (scope, attrs) in entries.items():
        d += h128(k + bytes([scope]))
        a += h128(k + attrs)
    return (d % (1 << 128)).to_bytes(16, "big"), (a % (1 << 128)).to_bytes(16, "big")


def checked(data, magic):
    need(data[:4] == magic, f"magic {data[:4]!r}, not {magic!r}")
    need(struct.pack("<Q", xxhash.xxh3_64_intdigest(data[:-8])) == data[-8:], "checksum")
    return data[4:-8]


def varint(p, at):
    v = shift = 0
    while True:
        b = p[at]
        at += 1
        v |= (b & 127) << shift
        if not b & 128:
            return v, at
        shift += 7
        need(shift < 64, "varint")


def unpack(body, size):
    out = zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
    need(len(out) == size, "body size")
    return out


# --- delta.md ---

def decode_delta(data):
    """[(key, old or None, new or None)], tuples as (scope, attributes)."""
    p = checked(data, b"FLD1")
    need(p[0] == 0, "flags")
    n, at = varint(p, 1)
    size, at = varint(p, at)
    body = unpack(p[at:], size)
    out, key, at = [], b"", 0
    for _ in range(n):
        shared, rest = body[at], body[at + 1]
        new_key = key[:shared] + body[at + 2:at + 2 + rest]
        at += 2 + rest
        need(not out or new_key > key, "keys rise")
        key = new_key
        old_scope, new_scope = body[at], body[at + 1]
        at += 2
        old = new = None
        if old_scope:
            old, at = (old_scope, body[at:at + 14]), at + 14
        if new_scope:
            new, at = (new_scope, body[at:at + 14]), at + 14
        need(old != new, "a record that changes nothing")
        out.append((key, old, new))
    need(at == len(body), "octets left over")
    return out


def plain_records(records):
    out = bytearray()
    for key, old, new in records:
        out += bytes([len(key)]) + key
        for t in (old, new):
            out += bytes([t[0]]) + t[1] if t else b"\0"
    return bytes(out)


# --- keyframe.md ---

def decode_block(data):
    p = checked(data, b"FLK1")
    e, at = varint(p, 0)
    size, at = varint(p, at)
    body = unpack(p[at:], size)
    names, key, at = [], b"", 0
    for i in range(e):
        shared, rest = body[at], body[at + 1]
        new_key = key[:shared] + body[at + 2:at + 2 + rest]
        at += 2 + rest
        need(i == 0 or new_key > key, "keys rise in a block")
        key = new_key
        names.append(key)
    need(len(body) - at == 15 * e, "columns")
    scope, conf, cat = body[at:at + e], body[at + e:at + 2 * e], body[at + 2 * e:at + 3 * e]
    first, absent, expires = (body[at + (3 + 4 * i) * e:at + (7 + 4 * i) * e] for i in range(3))
    return [(names[i], (scope[i], bytes([conf[i], cat[i]]) + first[4 * i:4 * i + 4] + absent[4 * i:4 * i + 4] + expires[4 * i:4 * i + 4])) for i in range(e)]


def decode_index(data):
    p = checked(data, b"FLI1")
    rows, at = varint(p, 0)
    size, at = varint(p, at)
    body = unpack(p[at:], size)
    out, key, at = [], b"", 0
    for _ in range(rows):
        shared, rest = body[at], body[at + 1]
        key = key[:shared] + body[at + 2:at + 2 + rest]
        at += 2 + rest
        out.append((key, struct.unpack("<I", body[at:at + 4])[0], body[at + 4:at + 12]))
        at += 12
    need(at == len(body), "octets left over in the index")
    return out


# --- version.md ---

def text16(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<H", len(b)) + b


def u64(n):
    return struct.pack("<Q", int(n))


def source_chain(v):
    return hashlib.sha256(b"FLSRC\0\0\1" + bytes.fromhex(v["parent_chain"]) + bytes.fromhex(v["epoch"]) + u64(v["version"]) + u64(v["parent"]) +
                          bytes.fromhex(v["digest"]) + bytes.fromhex(v["attrs_digest"]) + u64(v["entries"]) + bytes.fromhex(v["delta_sha256"]) +
                          text16(v["cause"]) + text16(v["actor"]) + text16(v["reason"]) + u64(v["at_us"])).hexdigest()


def list_chain(v):
    inputs = v["inputs"].encode()
    over = [e for e in v["recovered_over"].split(",") if e]
    return hashlib.sha256(b"FLLST\0\0\1" + bytes.fromhex(v["parent_chain"]) + bytes.fromhex(v["epoch"]) + u64(v["version"]) + u64(v["parent"]) +
                          text16(v["list"]) + u64(inputs.count(b"\n")) + inputs + u64(v["recovered_version"]) + u64(len(over)) +
                          b"".join(bytes.fromhex(e) for e in over) + text16(v["cause"]) + text16(v["actor"]) + text16(v["reason"]) +
                          u64(v["at_us"])).hexdigest()


def parse_inputs(text):
    rows = [l.split(" ") for l in text.splitlines()]
    need([r[0] for r in rows] == sorted(r[0] for r in rows), "inputs are sorted")
    return {r[0]: {"epoch": r[1], "version": int(r[2]), "chain": r[3], "digest": r[4], "entries": int(r[5]), "flags": r[6]} for r in rows}


class Source:
    """A source's history in the store."""

    def __init__(self, resp, name):
        self.r, self.name, self.base = resp, name, f"{{fl}}:source/{name}"
        self.packs = None

    def head(self):
        return self.r.hash(self.base + ":head")

    def version(self, n):
        v = self.r.hash(f"{self.base}:v:{n}")
        need(v, f"{self.name}@{n} is missing")
        need(int(v["version"]) == int(n), "number")
        need(source_chain(v) == v["chain"], f"chain of {self.name}@{n}")
        return v

    def delta(self, n):
        """Records of the delta to n, or None where the version has none."""
        v = self.version(n)
        if v["has_delta"] != "1":
            return None
        data = self.r.call("GET", f"{self.base}:d:{n}")
        if data is None:
            return None  # in a pack
        need(len(data) == int(v["delta_bytes"]), "delta_bytes")
        records = decode_delta(data)
        need(hashlib.sha256(plain_records(records)).hexdigest() == v["delta_sha256"], "delta_sha256")
        return records

    def keyframe(self, n):
        v = self.version(n)
        if not v["attempt"]:
            return None
        blocks = int(v["blocks"])
        data = [self.r.call("GET", f"{self.base}:k:{n}:{v['attempt']}:{i}") for i in range(blocks)]
        need(all(d is not None for d in data), "a keyframe block is missing")
        need(sum(len(d) for d in data) == int(v["keyframe_bytes"]), "keyframe_bytes")
        rows = decode_index(data[-1])
        need(len(rows) == blocks - 1, "index rows")
        out, last = {}, b""
        for (first, count, check), d in zip(rows, data):
            entries = decode_block(d)
            need(entries[0][0] == first and len(entries) == count and d[-8:] == check, "index row")
            need(not out or first > last, "blocks rise")
            last = entries[-1][0]
            out.update(entries)
        return out

    def entries(self, n):
        """{key: (scope, attributes)} at version n, by keyframe and deltas, checked against its digests."""
        path, v = [], self.version(n)
        target = v
        base = {}
        while True:
            kf = self.keyframe(v["version"])
            if kf is not None:
                base = kf
                break
            path.append(v["version"])
            if int(v["parent"]) == 0:
                break
            parent = self.version(v["parent"])
            need(parent["chain"] == v["parent_chain"], "parent_chain")
            v = parent
        for at in reversed(path):
            records = self.delta(at)
            need(records is not None, f"no delta to {self.name}@{at} on the way")
            apply(base, records)
        need(len(base) == int(target["entries"]), "entries")
        d, a = digest(base)
        need(d.hex() == target["digest"], f"digest of {self.name}@{n}")
        need(a.hex() == target["attrs_digest"], f"attrs_digest of {self.name}@{n}")
        return base


def apply(entries, records):
    for key, old, new in records:
        need(entries.get(key) == old, f"old tuple of {name_of(key)}")
        if new:
            entries[key] = new
        else:
            del entries[key]


def list_version(resp, name, n):
    v = resp.hash(f"{{fl}}:list/{name}:v:{n}")
    need(v, f"{name}@{n} is missing")
    need(list_chain(v) == v["chain"], f"chain of {name}@{n}")
    return v


def event(value):
    """A record of list-events, checked: chain over its content; deltas decode and lead from `from` to the input."""
    e = json.loads(value)
    lines = "".join("{source} {epoch} {version} {chain} {digest} {entries} {f}\n".format(
        f=("p" if i["pinned"] else "") + ("g" if i["gone"] else "") or "-", **i) for i in e["inputs"])
    rec = e["recovered"] or {"version": 0, "over": []}
    chain = list_chain({**e, "inputs": lines, "recovered_version": rec["version"], "recovered_over": ",".join(rec["over"])})
    need(chain == e["chain"], "chain of the event")
    for i in e["inputs"]:
        if i.get("deltas"):
            at = i["from"]["chain"] if i["from"] else NONE32.hex()
            for d in i["deltas"]:
                need(d["parent_chain"] == at, "deltas join")
                decode_delta(base64.b64decode(d["data"]))
                at = d["chain"]
            need(at == i["chain"], "deltas end at the input")
    return e

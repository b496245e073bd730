#!/usr/bin/env python3
"""The examples in docs/formats, computed again from the pages alone: no line of fireline's C takes part, only the
libraries that the pages name. What the C code makes is held against the same examples by tests/unit/model."""
import base64
import ctypes
import hashlib
import json
import re
import struct
import sys

try:
    xxhash = ctypes.CDLL("libxxhash.so.0")
    zstd = ctypes.CDLL("libzstd.so.1")
except OSError as e:
    print(f"SKIP: {e}")
    sys.exit(77)

PAGES = sys.argv[1] + "/docs/formats/"


class Xxh128(ctypes.Structure):
    _fields_ = [("low64", ctypes.c_uint64), ("high64", ctypes.c_uint64)]


for name, result in (("XXH3_128bits", Xxh128), ("XXH3_64bits", ctypes.c_uint64)):
    getattr(xxhash, name).restype = result
    getattr(xxhash, name).argtypes = [ctypes.c_char_p, ctypes.c_size_t]
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


def hash128(b):
    h = xxhash.XXH3_128bits(b, len(b))
    return h.high64 << 64 | h.low64


def hash64(b):
    return xxhash.XXH3_64bits(b, len(b))


def u64(v):
    return struct.pack("<Q", v)


def text(s):
    return struct.pack("<H", len(s.encode())) + s.encode()


def page(name):
    return open(PAGES + name, encoding="utf-8").read()


def blocks(name):
    """The indented blocks of a page's example, white space off."""
    example = page(name).split("## Example")[1]
    return [re.sub(r"\s", "", m) for m in re.findall(r"(?:^    .*\n?)+", example, re.M)]


def varint(b, i):
    v = shift = 0
    while True:
        c = b[i]
        i += 1
        v |= (c & 127) << shift
        shift += 7
        if c < 128:
            return v, i


def frame(b, magic, head):
    """Checks a frame; gives its count and its body."""
    assert b[:4] == magic and b[4:4 + len(head)] == head
    assert struct.unpack("<Q", b[-8:])[0] == hash64(b[:-8])
    count, i = varint(b, 4 + len(head))
    size, i = varint(b, i)
    out = ctypes.create_string_buffer(size or 1)
    assert zstd.ZSTD_decompress(out, size, b[i:-8], len(b) - 8 - i) == size
    return count, out.raw[:size]


def key(name):
    return b"".join(label.encode() + b"\0" for label in reversed(name.split(".")))


def unfront(body, i, previous):
    shared, rest = body[i], body[i + 1]
    return previous[:shared] + body[i + 2:i + 2 + rest], i + 2 + rest


def attrs(confidence=0, category=0, first_seen=0, absent_since=0, expires=0):
    return struct.pack("<BBIII", confidence, category, first_seen, absent_since, expires)


ENTRIES = sorted([(key("example.com"), 3, attrs()), (key("bad.example.com"), 1, attrs(90, 1, 1795442531))])
DIGEST = sum(hash128(k + bytes([s])) for k, s, a in ENTRIES) % 2**128
ATTRS_DIGEST = sum(hash128(k + a) for k, s, a in ENTRIES) % 2**128
PLAIN = b"".join(bytes([len(k)]) + k + b"\0" + bytes([s]) + a for k, s, a in ENTRIES)


def check_digest():
    for v in (DIGEST, ATTRS_DIGEST):
        assert "%032x" % v in page("digest.md")


def check_delta():
    plain, sha, file = blocks("delta.md")
    assert bytes.fromhex(plain) == PLAIN
    assert sha == hashlib.sha256(PLAIN).hexdigest()
    count, body = frame(bytes.fromhex(file), b"FLD1", b"\0")
    i, k, got = 0, b"", []
    for _ in range(count):
        k, i = unfront(body, i, k)
        assert body[i] == 0
        got.append((k, body[i + 1], body[i + 2:i + 16]))
        i += 16
    assert i == len(body) and got == ENTRIES


def check_keyframe():
    data, index = (bytes.fromhex(b) for b in blocks("keyframe.md"))
    n, body = frame(data, b"FLK1", b"")
    i, k, col, got = 0, b"", len(body) - 15 * n, []
    for e in range(n):
        k, i = unfront(body, i, k)
        times = b"".join(body[at + 4 * e:at + 4 * e + 4] for at in (col + 3 * n, col + 7 * n, col + 11 * n))
        got.append((k, body[col + e], bytes([body[col + n + e], body[col + 2 * n + e]]) + times))
    assert i == col and got == ENTRIES
    rows, body = frame(index, b"FLI1", b"")
    first, i = unfront(body, 0, b"")
    assert rows == 1 and first == ENTRIES[0][0]
    assert body[i:] == struct.pack("<I", n) + data[-8:]


def check_version():
    epoch = bytes(range(16))
    chain = hashlib.sha256(
        b"FLSRC\0\0\1" + bytes(32) + epoch + u64(1) + u64(0) + DIGEST.to_bytes(16, "big") + ATTRS_DIGEST.to_bytes(16, "big") +
        u64(2) + hashlib.sha256(PLAIN).digest() + text("feed") + text("ingest") + text("") + u64(1795442531114203)).hexdigest()
    inputs = "urlhaus %s 1 %s %032x 2 -\n" % (epoch.hex(), chain, DIGEST)
    list_chain = hashlib.sha256(
        b"FLLST\0\0\1" + bytes(32) + bytes(range(16, 32)) + u64(7) + u64(0) + text("malware") + u64(1) + inputs.encode() +
        u64(0) + u64(0) + text("sources") + text("publish") + text("") + u64(1795442531200000)).hexdigest()
    for want in (chain, inputs, list_chain):
        assert want in page("version.md")
    event = json.loads(blocks("list-event.md")[0])
    assert event["chain"] == list_chain and event["inputs"][0]["chain"] == chain
    assert base64.b64decode(event["inputs"][0]["deltas"][0]["data"]).hex() == blocks("delta.md")[2]


def check_claim():
    c = json.loads(page("claim.md").split("## Example")[1])
    assert c["id"] == hashlib.sha256("".join(c[k] + "\0" for k in ("source", "finding", "name")).encode()).hexdigest()


def check_query_log():
    q = json.loads(page("query-log.md").split("## Example")[1])
    ref = (hash64(b"ns1") & 255) << 32 | (q["fireline"]["worker"] & 15) << 28 | q["fireline"]["seq"] & 0xfffffff
    assert base64.b32encode(ref.to_bytes(5, "big")).decode().lower() == q["fireline"]["ref"]
    schema = json.loads(page("query-log.schema.json"))
    try:
        import jsonschema
    except ImportError:
        print("SKIP: no jsonschema: the schema itself is not tried")
        sys.exit(77)  # the last of the checks
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    validator.validate(q)
    plain = {k: v for k, v in q.items() if not k.startswith("firewall")}
    plain["fireline"] = dict(q["fireline"], action="NONE", rule=None, list=None, list_version=None, entry=None, scope=None,
                             block_response=None, sources=[])
    validator.validate(plain)
    for bad in (dict(q, x=1), dict(q, srcport=53), dict(q, fireline=dict(q["fireline"], action="ALLOW")),
                dict(q, fireline=dict(q["fireline"], list=None)), dict(q, fireline=dict(q["fireline"], x=1)),
                dict(plain, firewall_rule_group_id="baseline"), {k: v for k, v in q.items() if k != "answers"}):
        assert not validator.is_valid(bad), bad


for check in (check_digest, check_delta, check_keyframe, check_version, check_claim, check_query_log):
    check()
    print("ok", check.__name__[6:])

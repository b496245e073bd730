"""Bad input: the version does not change, the state says why, nobody else is delayed; a bad packet never ends the server; a bad configuration is told with its place."""
import gzip
import json
import os
import random
import socket
import struct

import asker
import harness
from harness import World, wait_until
from servers import Body

HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Please sign in to go on.</p></body></html>\n"
GOOD = "".join(f"n{i}.listed.example\n" for i in range(4000)).encode()

BAD = [
    ("html", Body(HTML, headers={"Content-Type": "text/html"})),
    ("html that says it is text", Body(HTML * 50)),
    ("empty", Body(b"")),
    ("white space", Body(b" \n\n\t\n")),
    ("404", Body(b"gone\n", 404)),
    ("403", Body(b"no\n", 403)),
    ("429", Body(b"slow down\n", 429, {"Retry-After": "3600"})),
    ("500", Body(b"oops\n", 500)),
    ("truncated gzip", Body(GOOD + b"more.example\n", encoding="gzip", truncate=200)),
    ("truncated gzip with its length", Body(gzip.compress(GOOD)[:-300], headers={"Content-Encoding": "gzip"})),
    ("binary", Body(bytes(random.Random(1).randrange(256) for _ in range(20000)))),
    ("an executable", Body(b"\x7fELF\x02\x01\x01" + bytes(9000))),
    ("json", Body(b'{"error": "quota"}\n')),
    ("redirect to itself", Body(b"", 302, {"Location": "/feed"})),
    ("redirect to a file", Body(b"", 302, {"Location": "file:///etc/passwd"})),
    ("mostly refused lines", Body(b"".join(b"not a name at all %d !!\n" % i for i in range(500)) + b"good.example\n")),
    ("collapsed", Body(b"".join(GOOD.splitlines(True)[:2000]))),
    ("all gone but comments", Body(b"# nothing listed today\n")),
    ("a bomb", Body(gzip.compress(bytes(300 << 20), 9), headers={"Content-Encoding": "gzip"})),
]


def test_bad_feeds(shared):
    w = World(shared, "badfeeds", kafka=True)
    ok = False
    try:
        w.feed("feed", format="domains", scope="subtree")
        w.feed("other", format="domains", scope="exact")
        w.feed("endless", format="domains", scope="exact", max_bytes="1MiB", timeout="5s")
        w.write_config()
        w.http.put("/feed", GOOD)
        w.http.put("/other", b"o0.example\n")
        w.http.put("/endless", b"e.example\n")
        w.start()
        w.loaded("feed", "other", "endless")
        w.settle("malware", ["feed", "other", "endless"])
        version = w.source_version("feed")
        for i, (what, body) in enumerate(BAD):
            w.http.put("/feed", body)
            s = w.refresh("feed")
            assert w.source_version("feed") == version, f"{what} made a version"
            assert s["state"] in ("degraded", "held", "stale", "DEGRADED", "HELD", "STALE"), (what, s["state"])
            assert s["reason"] and len(s["reason"]) > 8, (what, s)
            w.http.put("/other", b"o%d.example\n" % (i + 1))
            assert w.refresh("other", seconds=20)["state"] == "ok"
            w.wait_blocked(f"o{i + 1}.example")
            assert w.blocked("n0.listed.example") and w.blocked("a.n3999.listed.example"), what
            print(f"       {what}: {s['state']}: {s['reason'][:110]}")
        w.http.put("/endless", Body(b"", endless=b"x%d.example\n" * 3000, etag=False))
        s = w.refresh("endless", seconds=60)
        assert s["reason"] and w.source_version("endless") == 1, s
        rc, out, _ = w.cli("status")
        assert rc == 3 and "feed" in out, (rc, out)
        rc, out, _ = w.cli("feed", "ls")
        assert rc == 0 and "4 000" in out.replace("\u202f", " "), out
        w.http.put("/feed", GOOD + b"new.listed.example\n")
        w.http.put("/endless", b"e2.example\n")
        assert w.refresh("feed")["state"] == "ok" and w.refresh("endless")["state"] == "ok"
        w.wait_blocked("new.listed.example")
        # what the guard holds, a person can take
        w.http.put("/feed", b"".join(GOOD.splitlines(True)[:2000]))
        assert w.refresh("feed")["state"].lower() == "held"
        rc, out, _ = w.cli("feed", "show", "feed")
        assert rc == 0 and "held" in out and "2001 removed" in out and "fireline feed approve feed" in out, out
        rc, _, err = w.cli("feed", "approve", "other")
        assert rc != 0 and "nothing of feed 'other' is held" in err, err
        assert w.refresh("feed", ask=lambda: w.cli("feed", "approve", "feed", "--reason", "the provider told us"))["state"] == "ok"
        w.wait_blocked("n3999.listed.example", False)
        assert w.blocked("n0.listed.example")
        # and what would block a protected name stays out alone, until a person lets it in
        w.http.put("/other", b"o99.example\nocsp.digicert.com\n")
        assert w.refresh("other")["quarantined"] == 1
        w.wait_blocked("o99.example")
        assert not w.blocked("ocsp.digicert.com")
        assert w.refresh("other", ask=lambda: w.cli("feed", "approve", "other", "ocsp.digicert.com"))["quarantined"] == 0
        w.wait_blocked("ocsp.digicert.com")
        ok = True
    finally:
        w.close(not ok)


def malformed(rng):
    """Packets that break one thing each, and noise."""
    q = asker.pack_question("listed.example", 1, 0x1234)
    yield "empty", b""
    for n in (1, 11, 12, 13, 20):
        yield f"cut at {n}", q[:n]
    yield "a response", q[:2] + b"\x81\x80" + q[4:]
    yield "no question", struct.pack(">HHHHHH", 1, 0x100, 0, 0, 0, 0)
    yield "two questions", struct.pack(">HHHHHH", 1, 0x100, 2, 0, 0, 0) + q[12:28] * 2
    yield "counts that lie", struct.pack(">HHHHHH", 1, 0x100, 1, 65535, 65535, 65535) + q[12:]
    yield "label of 64", struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\x40" + b"a" * 64 + b"\0\0\1\0\1"
    yield "name of 300", struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1"
    yield "pointer to itself", struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1"
    yield "no end", struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\x03abc"
    yield "two OPTs", q[:10] + b"\0\2" + q[12:] + asker.EDNS
    yield "OPT that lies", q[:-2] + b"\xff\xff"
    yield "EDNS version 9", q[:-8] + b"\x04\xd0\0\x09\0\0\0\0"
    yield "opcode UPDATE", q[:2] + b"\x29\0" + q[4:]
    yield "class ANY", q[:-len(asker.EDNS) - 2] + b"\0\xff" + asker.EDNS
    yield "octets left over", q + b"x" * 500
    for i in range(2000 if harness.LONG else 300):
        p = bytearray(q)
        for _ in range(rng.randrange(1, 6)):
            p[rng.randrange(len(p))] = rng.randrange(256)
        yield f"noise {i}", bytes(p[:rng.randrange(1, len(p) + 1)])


def test_bad_packets(shared):
    """FORMERR or silence, never a wrong echo, never the end of the server; UDP and TCP."""
    w = World(shared, "badpackets", kafka=False)
    ok = False
    try:
        w.config = {k: v for k, v in w.config.items() if k in ("state", "runtime", "listen", "upstreams", "node")}
        w.write_config()
        w.start("enforce")
        at, pid = ("127.0.0.1", w.port), w.procs["enforce"].pid
        rng = random.Random(3)
        for what, p in malformed(rng):
            a = asker.exchange(at, p, 0.02 if what.startswith("noise") else 0.3)
            if a is None:
                continue
            assert len(a) >= 12 and a[:2] == p[:2] and a[2] & 0x80, (what, p.hex(), a.hex())
            rcode = a[3] & 15
            if what in ("no question", "two questions", "label of 64", "name of 300", "pointer to itself", "no end", "two OPTs", "OPT that lies", "cut at 13", "cut at 20"):
                assert rcode == asker.FORMERR, (what, rcode)
            if what == "opcode UPDATE":
                assert rcode == 4, (what, rcode)
            if what == "EDNS version 9":
                assert rcode == 0 and a[-11:-8] == b"\0\0\x29" and a[-6] == 1, (what, a.hex())  # BADVERS: 16, its high part in the OPT
            assert what != "a response", "answered a response"
        for p in (b"", b"\0", b"\0\0", b"\xff\xff" + b"x" * 30, struct.pack(">H", 5) + b"abcde"):
            with socket.create_connection(at, 2) as s:
                s.sendall(p)
                s.settimeout(0.2)
                try:
                    s.recv(100)
                except OSError:
                    pass
        assert w.procs["enforce"].alive() and w.procs["enforce"].pid == pid
        assert w.ask("www.example").rcode == 0 and w.ask("www.example", tcp=True).rcode == 0
        ok = True
    finally:
        w.close(not ok)


# a text, what must stand in the diagnostics
CONFIGS = [
    ("unknown key", "version: 1\nlistn: []\n", ["2:1", "did you mean", "listen", "^"]),
    ("unknown key deep", 'rule_groups:\n  - name: g\n    rules:\n      - {name: r, priority: 1, domain_list: operator-block, acton: BLOCK}\n', ["4:", "action", "^"]),
    ("a list that is not there", 'rule_groups:\n  - name: g\n    rules:\n      - {name: r, priority: 1, domain_list: malwear, action: BLOCK}\ndomain_lists: [{name: malware}]\n',
     ["4:", "malwear", "malware"]),
    ("a group that is not there", 'associations: [{name: a, networks: ["0.0.0.0/0"], rule_groups: [{name: nope, priority: 1}]}]\n', ["1:", "nope"]),
    ("duplicate key", "version: 1\nversion: 1\n", ["2:1", "^"]),
    ("bad indent", "node:\n  name: a\n site: b\n", ["3:"]),
    ("not a duration", "startup_grace: fast\n", ["1:16", "fast"]),
    ("out of range", "head_poll: 1ms\n", ["1:12"]),
    ("a word that is none", 'feeds: [{name: f, url: "https://x.example/a", format: rpzz, into: operator-block}]\n', ["rpzz"]),
    ("domains without scope", 'feeds: [{name: f, url: "https://x.example/a", format: domains, into: operator-block}]\n', ["scope"]),
    ("wrong type", "listen: yes\n", ["1:9"]),
    ("no address", 'listen: [{proto: udp, address: "300.0.0.1:53"}]\n', ["300.0.0.1"]),
    ("two feeds of one name", 'domain_lists: [{name: l}]\nfeeds:\n  - {name: f, path: /a, format: hosts, into: l}\n  - {name: f, path: /b, format: hosts, into: l}\n', ["4:", "f"]),
    ("tabs", "node:\n\tname: a\n", ["2:"]),
    ("no YAML at all", "{[}\n", ["1:"]),
]


def test_bad_configurations(shared):
    w = World(shared, "badconfig", kafka=False, redis=False, upstream=False)
    ok = False
    try:
        for what, text, wanted in CONFIGS:
            with open(w.config_path, "w") as f:
                f.write(text)
            rc, out, err = w.cli("config", "check")
            assert rc == 78, f"{what}: exit {rc}: {out}{err}"
            for part in wanted:
                assert part in out + err, f"{what}: {part!r} is not in\n{out}{err}"
            rc, _, err = w.cli("run", "--role", "enforce")
            assert rc == 78, f"{what}: run exits {rc}: {err}"
        w.config["domain_lists"].append({"name": "spare"})
        w.write_config()
        rc, out, err = w.cli("config", "check")
        assert rc == 0, err
        rc, out, _ = w.cli("config", "explain", "feeds.every")
        assert rc == 0 and "how often" in out.lower(), out
        rc, _, err = w.cli("config", "explain", "feeds.evry")
        assert rc != 0 and "every" in err + _, err
        ok = True
    finally:
        w.close(not ok)

"""Feeds whose servers misbehave at length: cut off, endless, slow, replayed, sent elsewhere, without a trusted certificate; and the real accidents of real lists.
Whatever comes, the version stands, the state says why, the failure is counted, another feed is fetched meanwhile, and ingest's memory stays within PEAK."""
import glob
import gzip
import hashlib
import os
import re
import ssl
import subprocess
import time

import harness
from harness import World, wait_until
from servers import Body, FeedServer
from test_series import read

MIB = 1 << 20
# max_bytes (256 MiB, the default) of one body in a buffer that grows by doubling, and the process itself; not the size of what is sent
PEAK = 400 * MIB
GOOD = b"".join(b"n%d.listed.example\n" % i for i in range(4000))
SECOND = "127.0.0.2"  # another host, for all that fireline knows


def lines(n, line=None):
    """A stream of n lines, in blocks of 100,000; without `line` each is another name."""
    block = line * 100_000 if line else b"".join(b"n%05d.@.example\n" % i for i in range(100_000))

    def pieces():
        for i in range(n // 100_000):
            yield block if line else block.replace(b"@", b"%x" % i)

    return pieces


def one_line(megabytes):
    def pieces():
        for _ in range(megabytes):
            yield b"x" * MIB

    return pieces


HALF = GOOD[:len(GOOD) // 2]
# what is served, and a word of the reason
BAD = [
    ("half a file, its length known", Body(HALF, claim=len(GOOD)), "remaining to read"),
    ("half a file, its length unknown", Body(pieces=lambda: [b"".join(GOOD.splitlines(True)[:2000])]), "would remove 2000 of 4000"),
    ("nine tenths, cut within a name", Body(pieces=lambda: [GOOD[:len(GOOD) * 9 // 10 + 3]]), "cut off"),
    ("gzip cut off, its length unknown", Body(pieces=lambda: [gzip.compress(GOOD)[:-9]], headers={"Content-Encoding": "gzip"}), "cut off"),
    ("now in hosts format", Body(b"".join(b"0.0.0.0 " + l for l in GOOD.splitlines(True))), "not a list in format domains"),
    ("now in adblock format", Body(b"[Adblock Plus]\n" + b"".join(b"||" + l[:-1] + b"^\n" for l in GOOD.splitlines(True))), "not a list in format domains"),
    ("a JSON list of the names", Body(b"[" + b",".join(b'"' + l[:-1] + b'"' for l in GOOD.splitlines(True)) + b"]"), "JSON"),
    ("an older copy", Body(GOOD[:-len(b"n3999.listed.example\n")], modified=time.time() - 86400), "older copy"),
    ("a line of 100 MB", Body(pieces=one_line(100)), "cut off"),
    ("a line of 100 MB and a last newline", Body(pieces=lambda: iter([*one_line(100)(), b"\n"])), "not a list"),
    ("100 M lines, all names", Body(pieces=lines(100_000_000), etag=False), "over 268435456 octets"),
    ("100 M lines of two octets", Body(pieces=lines(100_000_000, b"#\n"), etag=False), "over 20000000 lines"),
    ("more names than max_names", Body(b"".join(b"m%d.example\n" % i for i in range(60_000))), "over 50000 names"),
    ("unavailable for quotas (509)", Body(b"over limit\n", 509), "509"),
    ("a redirect to another loopback address", Body(b"", 302, {"Location": "http://%S:%P/trap"}), "127.0.0.2"),
    ("the same, decimal", Body(b"", 302, {"Location": "http://2130706434:%P/trap"}), "127.0.0.2"),
    ("the same, octal", Body(b"", 301, {"Location": "http://0177.0.0.02:%P/trap"}), "127.0.0.2"),
    ("the same, hexadecimal", Body(b"", 307, {"Location": "http://0x7f000002:%P/trap"}), "127.0.0.2"),
    ("the same, IPv4-mapped", Body(b"", 308, {"Location": "http://[::ffff:127.0.0.2]:%P/trap"}), "127.0.0.2"),
    ("a redirect to 0.0.0.0", Body(b"", 302, {"Location": "http://0.0.0.0:%P/trap"}), "0.0.0.0"),
    ("a redirect to metadata", Body(b"", 302, {"Location": "http://169.254.169.254/latest/meta-data/"}), "169.254.169.254"),
    ("a redirect to a private network", Body(b"", 302, {"Location": "http://10.0.0.1/"}), "10.0.0.1"),
]


def counters(w, feed):
    status, text = w.request("ingest", "GET", "/metrics")
    assert status == 200
    found = re.findall(rb'fireline_feed_fetches_total\{feed="%s",result="(\w+)"\} (\d+)' % feed.encode(), text)
    held = re.search(rb'fireline_feed_held\{feed="%s"\} (\d)' % feed.encode(), text)
    return {**{k.decode(): int(v) for k, v in found}, "held": int(held.group(1))}


def tick_other(w, other, i):
    """Another feed, on another server, gets a new name; what it tells is in force at once."""
    other.put("/other", b"o%d.example\n" % i)
    s = w.refresh("other", seconds=30)
    assert s["state"] == "ok", s
    w.wait_blocked(f"o{i}.example")


def stays(w, what, version, word):
    """The fetch fails for a reason with this word, is counted, and nothing else happens."""
    before = counters(w, "feed")
    s = w.refresh("feed")
    after = counters(w, "feed")
    assert w.source_version("feed") == version, f"{what} made a version"
    assert s["state"] in ("degraded", "held"), (what, s["state"])
    assert word in s["reason"], (what, word, s["reason"])
    assert after["failed"] == before["failed"] + 1 and after["changed"] == before["changed"], (what, before, after)
    assert after["held"] or s["state"] != "held", (what, after)  # what is held waits on while fetches fail
    assert w.blocked("n0.listed.example") and w.blocked("a.n3999.listed.example"), what
    return s


def test_misbehaving_servers(shared):
    w = World(shared, "misbehaving")
    ok = False
    try:
        other, trap = w._part(FeedServer()), w._part(FeedServer(SECOND))
        trap.put("/trap", GOOD + b"trapped.example\n")
        w.feed("feed", format="domains", scope="subtree", max_names=50_000)
        w.feed("other", format="domains", scope="exact", url=other.url("/other"))
        w.write_config()
        w.http.put("/feed", GOOD)
        other.put("/other", b"o0.example\n")
        w.start()
        w.loaded("feed", "other")
        w.settle("malware", ["feed", "other"])
        version = w.source_version("feed")
        for i, (what, body, word) in enumerate(BAD):
            if "Location" in body.headers:
                body.headers["Location"] = body.headers["Location"].replace("%S", SECOND).replace("%P", str(trap.port))
            w.http.put("/feed", body)
            s = stays(w, what, version, word)
            tick_other(w, other, i + 1)
            print(f"       {what}: {s['state']}: {s['reason'][:110]}")
        assert not trap.hits, f"a redirect was followed: {trap.hits}"
        peak = w.procs["ingest"].peak_rss()
        print(f"       ingest's peak memory: {peak >> 20} MiB")
        assert peak < PEAK, f"ingest took {peak >> 20} MiB"
        w.http.put("/feed", GOOD + b"new.listed.example\n")
        assert w.refresh("feed")["state"] == "ok" and counters(w, "feed")["held"] == 0
        w.wait_blocked("new.listed.example")
        ok = True
    finally:
        w.close(not ok)


def test_a_slow_drip(shared):
    """An octet now and then: it is ended, and others have their turn before it is."""
    w = World(shared, "drip")
    ok = False
    try:
        other = w._part(FeedServer())
        w.feed("feed", format="domains", scope="subtree", timeout="8s")
        w.feed("other", format="domains", scope="exact", url=other.url("/other"))
        w.write_config()
        w.http.put("/feed", GOOD)
        other.put("/other", b"o0.example\n")
        w.start()
        w.loaded("feed", "other")
        w.settle("malware", ["feed", "other"])
        version, failed = w.source_version("feed"), counters(w, "feed")["failed"]
        w.http.put("/feed", Body(pieces=lambda: (bytes([c]) for c in GOOD), pause=0.2))
        assert w.post("ingest", "/v1/feeds/feed/fetches")[0] == 200
        wait_until(lambda: w.feed_status("feed")["state"] == "fetching", 20, "the drip begins")
        tick_other(w, other, 1)
        assert w.feed_status("feed")["state"] == "fetching", "the other feed came only after the drip"
        s = wait_until(lambda: (lambda f: f if f["state"] != "fetching" else None)(w.feed_status("feed")), 60, "the drip ends")
        assert s["state"] == "degraded" and s["reason"], s
        assert w.source_version("feed") == version and counters(w, "feed")["failed"] == failed + 1
        assert w.blocked("n0.listed.example")
        ok = True
    finally:
        w.close(not ok)


# without allow_private: how a server of this very host may be spelled
SPELLINGS = ("127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0")


def test_private_addresses_are_not_asked(shared):
    """However it is spelled, and by name too: no connection is made, and the reason says where it would have gone."""
    w = World(shared, "private", kafka=False, upstream=False)
    ok = False
    try:
        w.http.put("/trap", GOOD)
        for i, host in enumerate(SPELLINGS):
            w.feed(f"f{i}", format="domains", scope="exact", url=f"http://{host}:{w.http.port}/trap?key=secret", allow_private=False)
        w.write_config()
        w.start("ingest")
        for i, host in enumerate(SPELLINGS):
            s = wait_until(lambda i=i: (lambda f: f if f["failed"] else None)(w.feed_status(f"f{i}")), 30, f"{host} is tried")
            assert s["state"] == "degraded" and "not a public address" in s["reason"] and "secret" not in s["reason"], (host, s)
            assert w.source_version(f"f{i}") == 0
        assert not w.http.hits, w.http.hits
        ok = True
    finally:
        w.close(not ok)


def test_bootstrap_servers(shared):
    """Hosts of feeds are resolved through the servers that are given, and by nothing else; where they lead to is judged as ever, on every hop."""
    w = World(shared, "bootstrap", kafka=False)
    ok = False
    try:
        trap = w._part(FeedServer(SECOND))
        trap.put("/trap", GOOD)
        w.http.put("/list", GOOD)
        w.http.put("/moved", Body(b"", 302, {"Location": f"http://host-127-0-0-1.moved.example:{w.http.port}/list"}))
        w.http.put("/trapped", Body(b"", 302, {"Location": f"http://host-127-0-0-2.trap.example:{trap.port}/trap"}))
        w.http.put("/metadata", Body(b"", 302, {"Location": "http://host-169-254-169-254.trap.example/latest/"}))
        w.config["bootstrap"] = {"servers": ["127.0.0.1:9", w.upstream.address]}  # nobody listens at the first
        # host, path, allow_private, a word of the reason; none: it is taken
        rows = [("host-127-0-0-1.feeds.example", "/list", True, ""), ("host-127-0-0-1.feeds.example", "/moved", True, ""), ("127.0.0.1", "/list", True, ""),
                ("host-127-0-0-1.feeds.example", "/list", False, "not a public address"), ("host-127-0-0-1.feeds.example", "/trapped", True, "127.0.0.2"),
                ("host-127-0-0-1.feeds.example", "/metadata", True, "169.254.169.254"), ("host-10-1-2-3.feeds.example", "/list", False, "10.1.2.3"),
                ("nx.feeds.example", "/list", True, "no such name"), ("big.feeds.example", "/list", False, "192.0.2.")]
        for i, (host, path, allow, _) in enumerate(rows):
            w.feed(f"f{i}", format="domains", scope="exact", url=f"http://{host}:{w.http.port}{path}", allow_private=allow, timeout="3s")
        w.write_config()
        w.start("ingest")
        for i, (host, path, allow, word) in enumerate(rows):
            s = wait_until(lambda i=i: (lambda f: f if f["failed"] + f["changed"] else None)(w.feed_status(f"f{i}")), 60, f"{host}{path} is tried")
            assert (s["state"] == "ok") == (not word) and word in s["reason"], (host, path, allow, s["state"], s["reason"])
            print(f"       {host}{path}: {s['state']}: {s['reason'][:110]}")
        assert not trap.hits, trap.hits
        ok = True
    finally:
        w.close(not ok)


class Certificates:
    """An authority and what it signs, by openssl, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")

    def run(self, *args):
        try:
            subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True, timeout=60)
        except FileNotFoundError as e:
            raise harness.Skip("openssl is not installed") from e

    def path(self, name):
        return os.path.join(self.folder, name)

    def server(self, name, san, signed=True):
        """An SSLContext of a server with that subjectAltName."""
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key") if signed else ()
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}", *signer,
                 "-keyout", f"{name}.key", "-out", f"{name}.pem")
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        return c


def test_certificates(shared):
    """A server that cannot prove its name is told nothing, neither path nor key, and its lists are not taken."""
    w = World(shared, "tls", kafka=False, upstream=False)
    ok = False
    try:
        certs = Certificates(os.path.join(w.folder, "certs"))
        contexts = {"good": certs.server("good", "IP:127.0.0.1"), "stranger": certs.server("stranger", "DNS:elsewhere.example"),
                    "selfmade": certs.server("selfmade", "IP:127.0.0.1", signed=False)}
        servers = {}
        for name, c in contexts.items():
            servers[name] = w._part(FeedServer(tls=c))
            servers[name].put("/list", GOOD)
            w.feed(name, format="domains", scope="exact", url=servers[name].url("/list"), ca_file=certs.path("ca.pem"))
        servers["unknown"] = w._part(FeedServer(tls=contexts["good"]))
        w.feed("unknown", format="domains", scope="exact", url=servers["unknown"].url("/list"))  # by the system's authorities
        w.feed("plain", format="domains", scope="exact", url=servers["good"].url("/list").replace("https", "http"))
        servers["downhill"] = w._part(FeedServer(tls=contexts["good"]))
        servers["downhill"].put("/list", Body(b"", 302, {"Location": w.http.url("/list")}))
        w.http.put("/list", GOOD)
        w.feed("downhill", format="domains", scope="exact", url=servers["downhill"].url("/list"), ca_file=certs.path("ca.pem"))
        w.write_config()
        w.start("ingest")
        w.loaded("good")
        for name, word in (("stranger", "name"), ("selfmade", "certificate"), ("unknown", "certificate"), ("plain", ""), ("downhill", "https to http")):
            s = wait_until(lambda name=name: (lambda f: f if f["failed"] else None)(w.feed_status(name)), 60, f"{name} is tried")
            assert s["state"] == "degraded" and word in s["reason"], (name, s["reason"])
            assert w.source_version(name) == 0
            print(f"       {name}: {s['reason'][:120]}")
        assert not servers["stranger"].hits and not servers["selfmade"].hits and not servers["unknown"].hits and not w.http.hits
        ok = True
    finally:
        w.close(not ok)


def series(name):
    """All days of it, in order."""
    v = sorted(glob.glob(os.path.join(harness.SHARED, "feeds", "series", name, "*")))
    if len(v) < 7:
        raise harness.Skip(f"the series {name} is absent")
    return v


def test_real_accidents(shared):
    """A list that lost all its names by mistake, came back, and then grew sevenfold; and one that was purged of 2.3 % on purpose, which passes."""
    accident, purge = series("blocklistproject-scam-accident"), series("jarelllama-scams")[-2:]
    w = World(shared, "accidents", kafka=False, upstream=False)
    ok = False
    try:
        w.feed("scam", format="hosts")
        w.feed("purged", format="domains", scope="subtree")
        w.write_config()
        w.http.put("/scam", read(accident[0]))
        w.http.put("/purged", read(purge[0]))
        w.start("ingest")
        w.loaded("scam", "purged")
        # number of the file: state, version, a word of the reason
        want = [("ok", 2, ""), ("ok", 3, ""), ("held", 3, "it became empty: all 1275 names would leave"), ("unchanged", 3, ""), ("held", 3, "it would add 7253 names to 1275"),
                ("held", 3, "it would add 7253 names")]
        for path, (state, version, word) in zip(accident[1:], want):
            before = counters(w, "scam")
            w.http.put("/scam", read(path))
            s = w.refresh("scam")
            assert s["state"] == state and w.source_version("scam") == version and word in s["reason"], (path, s)
            after = counters(w, "scam")
            assert after["held"] == (state == "held") and after["failed"] == before["failed"] + (state == "held"), (path, after)
        assert w.feed_status("scam")["names"] == 1275
        n = w.feed_status("purged")["names"]
        w.http.put("/purged", read(purge[1]))
        s = w.refresh("purged")
        assert s["state"] == "ok" and n - s["names"] == 2105 - 409, (n, s)
        ok = True
    finally:
        w.close(not ok)


def content(r):
    """Every key of Redis with its value, or a digest of it; without what a lease is: its key, and its fence in the head."""
    keys = [k for k in r.call("KEYS", "*") if not k.endswith(b":lease")]
    heads = {k: {f: v for f, v in r.hash(k).items() if f != "fence"} for k in keys if k.endswith(b":head")}
    return {**{k: hashlib.sha256(r.call("DUMP", k) or b"").digest() for k in keys if k not in heads}, **heads}


def test_a_million_unchanged_names_write_nothing(shared):
    """Fetched again, by 304, by the same body without validators, by a body that differs in its comments only: not one key of the store differs, and what is sent there are questions, not names."""
    w = World(shared, "million", kafka=False, upstream=False)
    ok = False
    try:
        body = b"# list of today\n" + b"".join(b"n%d.d%d.example\n" % (i, i % 9973) for i in range(1_000_000))
        w.feed("feed", format="domains", scope="exact")
        w.write_config()
        w.http.put("/feed", body)
        w.start("ingest")
        w.loaded("feed", seconds=180)
        assert w.feed_status("feed")["names"] == 1_000_000
        r = w.redis.client()
        before = content(r)
        for what, b in (("304", None), ("no validators", Body(body, etag=False)), ("other comments", Body(body.replace(b"today", b"yesterday"), etag=False))):
            if b:
                w.http.put("/feed", b)
            r.call("CONFIG", "RESETSTAT")
            s = w.refresh("feed")
            sent = int(re.search(rb"total_net_input_bytes:(\d+)", r.call("INFO", "stats")).group(1))
            assert s["state"] == "unchanged" and s["version"] == 1, (what, s)
            after = content(r)
            assert after == before, (what, [k for k in {*after, *before} if after.get(k) != before.get(k)])
            assert sent < 256 << 10, f"{what}: {sent} octets went to Redis"
        assert w.http.not_modified.get("/feed"), "no conditional GET"
        r.close()
        ok = True
    finally:
        w.close(not ok)

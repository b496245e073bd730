"""What may fail (DESIGN.md 8), with the real parts: killed roles, an emptied Redis, a stopped broker, cut connections, reloads; and what a client on the network relies on."""
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

import asker
import harness
import reference
from harness import LONG, Skip, World, wait_until


def listed(n, tag="n"):
    return "".join(f"{tag}{i}.listed.example\n" for i in range(n)).encode()


def base_world(shared, name, n=2000):
    w = World(shared, name)
    w.feed("base", format="domains", scope="subtree")
    w.write_config()
    w.http.put("/base", listed(n))
    w.start()
    w.loaded("base")
    w.settle("malware", ["base"])
    return w


def test_redis_emptied(shared):
    """FLUSHALL under a running enforcer: nothing un-blocks, before or after the roles see it; status says DEGRADED; recover goes on with what there is."""
    w = base_world(shared, "flushed")
    ok = False
    try:
        w.json("finding", "inject", "-", stdin=harness.fixture("01-c2-dns.api.json").decode())
        w.wait_blocked("update.badcdn.example")
        version = w.applied("malware")
        w.redis.client().call("FLUSHALL")
        end = time.monotonic() + 6
        while time.monotonic() < end:
            for n in ("n0.listed.example", "x.n1999.listed.example", "update.badcdn.example"):
                assert w.blocked(n), f"{n} is free after FLUSHALL"
            time.sleep(0.1)
        rc, out, _ = w.cli("status")
        assert rc == 3, (rc, out)
        # a new content, much smaller: without a person no name may go
        w.http.put("/base", listed(1500) + b"fresh.example\n")
        w.refresh("base")
        time.sleep(2)
        assert w.blocked("n1999.listed.example") and w.blocked("update.badcdn.example")
        rc, out, err = w.cli("recover", "malware", "--yes", "--reason", "test")
        assert rc == 0, (rc, out, err)
        w.wait_blocked("fresh.example", seconds=30)
        w.wait_blocked("n1999.listed.example", False, seconds=30)
        assert w.applied("malware") > version, "the recovery's number is above all known ones"
        rc, out, err = w.cli("recover", "findings-block", "--yes", "--reason", "test")
        assert rc == 0, (rc, out, err)
        w.http.put("/base", listed(1500) + b"fresh.example\nfresh2.example\n")
        w.refresh("base")
        w.wait_blocked("fresh2.example", seconds=30)
        ok = True
    finally:
        w.close(not ok)


class Load(threading.Thread):
    """Keeps a feed changing, and the enforcer asked; counts answers that a user would call wrong."""

    def __init__(self, w):
        super().__init__(daemon=True)
        self.w, self.stop_at, self.i, self.wrong, self.asked, self.errors = w, False, 0, [], 0, []

    def body(self):
        return listed(300, "keep") + "".join(f"v{self.i}-{j}.example\n" for j in range(20)).encode()

    def run(self):
        while not self.stop_at:
            self.i += 1
            self.w.http.put("/base", self.body())
            try:
                self.w.post("ingest", "/v1/feeds/base/fetches")
            except (OSError, ValueError):
                pass
            for _ in range(10):
                a = asker.ask(("127.0.0.1", self.w.port), "x.keep7.listed.example", timeout=0.3, tries=1)
                if a is not None:
                    self.asked += 1
                    if not a.blocked:
                        self.wrong.append((self.i, a.rcode))
                time.sleep(0.01)


def test_roles_killed(shared):
    """kill -9 of each role at random moments under a publish load: no answer is ever wrong, and all converge on the newest content."""
    w = World(shared, "killed")
    ok = False
    try:
        w.feed("base", format="domains", scope="subtree")
        w.config["domain_lists"][0]["publish_guard"] = {"max_added_ratio": 100, "max_removed_ratio": 1}
        w.write_config()
        w.http.put("/base", listed(300, "keep"))
        w.start()
        w.loaded("base")
        w.settle("malware", ["base"])
        load = Load(w)
        load.start()
        rng = random.Random(9)
        for _ in range(40 if LONG else 12):
            time.sleep(rng.uniform(0.05, 0.8))
            role = rng.choice(("ingest", "publish", "enforce"))
            w.kill(role)
            time.sleep(rng.uniform(0, 0.2))
            w.start(role)
        load.stop_at = True
        load.join()
        assert not load.wrong, f"{len(load.wrong)} of {load.asked} answers were wrong, as {load.wrong[:5]}"
        assert load.asked > 50
        last = load.body()
        w.http.put("/base", last)
        wait_until(lambda: w.refresh("base")["state"] in ("ok", "unchanged"), 60, "the feed is well")
        w.settle("malware", ["base"])
        names = {n: 3 for n in last.decode().split()}
        q = sorted(names) + [f"v{load.i - k}-{j}.example" for k in range(1, 6) for j in range(20)]
        got = w.verdicts(q)
        wrong = [n for n, r in zip(q, got) if (r == asker.NXDOMAIN) != reference.covered(names, n)]
        assert not wrong, wrong[:5]
        import redis_reader
        r = w.redis.client()
        src = redis_reader.Source(r, "base")
        stored = {redis_reader.name_of(k) for k in src.entries(w.source_version("base"))}
        assert stored == set(names), len(stored ^ set(names))
        ok = True
    finally:
        w.close(not ok)


def test_broker_stopped(shared):
    """SIGSTOP of the broker: versions go on, enforcers find them by Redis, answers are not delayed; after SIGCONT the outbox drains."""
    w = base_world(shared, "stopped")
    ok = False
    try:
        w.kafka.proc.signal(signal.SIGSTOP)
        try:
            w.http.put("/base", listed(2000) + b"while-stopped.example\n")
            assert w.refresh("base")["state"] == "ok"
            w.wait_blocked("while-stopped.example", seconds=30)
            t = time.monotonic()
            for i in range(50):
                assert w.blocked(f"n{i}.listed.example")
            assert time.monotonic() - t < 10
        finally:
            w.kafka.proc.signal(signal.SIGCONT)

        def drained():
            return all(l["outbox"] == 0 for l in w.get("publish", "/v1/status")["lists"])

        wait_until(drained, 90, "the outbox drains")
        w.http.put("/base", listed(2000) + b"after-stop.example\n")
        w.refresh("base")
        w.wait_blocked("after-stop.example", seconds=30)
        ok = True
    finally:
        w.close(not ok)


def test_broker_killed(shared):
    """kill -9 of the broker, versions meanwhile, then a start: events of the time without arrive, once the head at least."""
    w = base_world(shared, "nobroker")
    ok = False
    try:
        w.kafka.kill()
        for i in range(3):
            w.http.put("/base", listed(2000) + b"gone%d.example\n" % i)
            assert w.refresh("base")["state"] == "ok"
            w.wait_blocked(f"gone{i}.example", seconds=30)
        w.kafka.start()
        head = int(w.head("list", "malware")["version"])
        import redis_reader
        c = w.kafka.consumer(w.prefix + "list-events")

        def arrived():
            return any(m.key == b"malware" and redis_reader.event(m.value)["version"] == head for m in c)

        wait_until(arrived, 90, f"the event of malware@{head} arrives")
        c.close()
        ok = True
    finally:
        if not w.kafka.proc.alive():
            w.kafka.start()
        w.close(not ok)


class Cutter:
    """A TCP relay whose connections can be reset."""

    def __init__(self, port):
        self.target, self.socks = port, []
        self.l = socket.create_server(("127.0.0.1", 0))
        self.port = self.l.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.l.accept()
                b = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.socks += [a, b]
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.pump, args=(x, y), daemon=True).start()

    @staticmethod
    def pump(x, y):
        try:
            while True:
                d = x.recv(65536)
                if not d:
                    break
                y.sendall(d)
        except OSError:
            pass
        for s in (x, y):
            try:
                s.close()
            except OSError:
                pass

    def reset(self):
        socks, self.socks = self.socks, []
        for s in socks:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.shutdown(socket.SHUT_RDWR)
                s.close()
            except OSError:
                pass

    def stop(self):
        self.l.close()
        self.reset()


def test_connections_reset(shared):
    """Every connection to Redis is cut again and again while versions are made: none is lost, none is made twice."""
    w = World(shared, "reset")
    ok = False
    try:
        cut = Cutter(w.redis.port)
        w.parts.append(cut)
        w.config["redis"]["url"] = f"redis://127.0.0.1:{cut.port}/0"
        w.feed("base", format="domains", scope="exact")
        w.write_config()
        w.http.put("/base", b"first.example\n")
        w.start()
        w.loaded("base")
        w.wait_blocked("first.example")
        names = ["first.example"]
        rng = random.Random(5)
        for i in range(30 if LONG else 10):
            names.append(f"r{i}.example")
            w.http.put("/base", "\n".join(names).encode() + b"\n")
            w.post("ingest", "/v1/feeds/base/fetches")
            time.sleep(rng.uniform(0, 0.05))
            cut.reset()
            time.sleep(rng.uniform(0, 0.1))
            cut.reset()
        wait_until(lambda: w.refresh("base")["state"] in ("ok", "unchanged"), 60, "the feed is well")
        w.wait_blocked(names[-1], seconds=60)
        w.settle("malware", ["base"])
        for n in names:
            assert w.blocked(n), n
        import redis_reader
        src = redis_reader.Source(w.redis.client(), "base")
        assert {redis_reader.name_of(k) for k in src.entries(w.source_version("base"))} == set(names)
        ok = True
    finally:
        w.close(not ok)


def test_reload(shared):
    """SIGHUP: a good configuration takes over without a lost answer; a bad one is refused whole, and the old policy stays."""
    w = base_world(shared, "reload")
    ok = False
    try:
        w.config["domain_lists"].append({"name": "extra", "entries": ["*.extra.example"]})
        w.config["rule_groups"][0]["rules"].append({"name": "extra", "priority": 150, "domain_list": "extra", "action": "BLOCK", "block_response": "NODATA"})
        w.write_config()
        w.hup()
        wait_until(lambda: (lambda a: a.ede == 15 and a.rcode == 0 and a.an == 0)(w.ask("a.extra.example")), 20, "the new rule blocks")
        assert w.ask("extra.example").an == 1, "*.x is subdomains only"
        assert w.blocked("n0.listed.example")
        good = w.config["rule_groups"][0]["rules"]
        w.config["rule_groups"][0]["rules"] = good + [{"name": "bad", "priority": 160, "domain_list": "nowhere", "action": "BLOCK"}]
        w.write_config()
        w.hup()
        wait_until(lambda: all("refused" in w.log(r) for r in ("ingest", "publish", "enforce")), 10, "every role says that it refuses")
        assert w.blocked("n0.listed.example") and w.ask("a.extra.example").ede == 15
        w.config["rule_groups"][0]["rules"] = [r for r in good if r["name"] != "extra"]
        w.write_config()
        w.hup()
        wait_until(lambda: w.ask("a.extra.example").ede is None, 20, "the rule is gone")
        assert w.blocked("n0.listed.example")
        ok = True
    finally:
        w.close(not ok)


def test_fail_modes(shared):
    """A list that this enforcer never held: fail closed answers SERVFAIL with EDE, fail open passes it over; an empty list is just empty."""
    for fail_open in (False, True):
        w = World(shared, f"failmode{int(fail_open)}")
        ok = False
        try:
            w.config["associations"][0]["fail_open"] = fail_open
            w.write_config()
            w.start("enforce")
            a = w.ask("www.example")
            assert a.rcode == (asker.NOERROR if fail_open else asker.SERVFAIL), (fail_open, a.rcode)
            w.start("ingest", "publish", "api")  # no feed: the lists become known, and are empty
            if not fail_open:
                wait_until(lambda: w.ask("www.example").rcode == asker.NOERROR, 30, "empty lists are empty")
            ok = True
        finally:
            w.close(not ok)


def test_plain_forwarder(shared):
    """run --role enforce with no list, no Redis and no Kafka forwards, over UDP and TCP, with truncation and chains."""
    w = World(shared, "plain", kafka=False, redis=False)
    ok = False
    try:
        w.config = {k: v for k, v in w.config.items() if k in ("state", "runtime", "listen", "upstreams", "node")}
        w.write_config()
        w.start("enforce")
        assert w.ask("www.example").an == 1
        assert w.ask("www.example", tcp=True).an == 1
        assert w.cli("status")[0] == 0, "a forwarder misses no store"
        assert w.ask("nx.example").rcode == asker.NXDOMAIN
        big = w.ask("big.example")
        assert big.tc or len(big.packet) <= 1232, len(big.packet)
        assert w.ask("big.example", tcp=True).an == 120
        chain = w.ask("cname-" + b"target.example".hex() + ".c.example")
        assert chain.an == 2, chain.an
        t = time.monotonic()
        a = w.ask("silent.example", timeout=8, tries=1)
        assert a.rcode == asker.SERVFAIL and time.monotonic() - t < 6, (a.rcode, time.monotonic() - t)
        ok = True
    finally:
        w.close(not ok)


def test_answers_leave_from_the_address_asked(shared):
    """A wildcard listener answers 127.0.0.2 from 127.0.0.2: a connected socket takes nothing else."""
    w = World(shared, "pktinfo", kafka=False, redis=False)
    ok = False
    try:
        w.config = {k: v for k, v in w.config.items() if k in ("state", "runtime", "listen", "upstreams", "node")}
        for l in w.config["listen"]:
            l["address"] = f"0.0.0.0:{w.port}"
        w.write_config()
        w.start("enforce")
        for ip in ("127.0.0.1", "127.0.0.2", "127.9.8.7"):
            for _ in range(2):  # from upstream, then from the cache
                a = asker.ask((ip, w.port), "www.example", timeout=2)
                assert a is not None and a.an == 1, ip
        ok = True
    finally:
        w.close(not ok)


def dig(w, *args):
    r = subprocess.run(["dig", "@127.0.0.1", "-p", str(w.port), "+time=3", "+tries=1", *args], capture_output=True, text=True, timeout=20)
    return r.stdout


def test_dig(shared):
    """What a person sees with dig: status, EDE with its text, TCP, buffer sizes, DO, types, and no EDE for a client without EDNS."""
    if not shutil.which("dig"):
        raise Skip("dig is not installed")
    w = base_world(shared, "dig")
    ok = False
    try:
        for extra in ([], ["+tcp"], ["+bufsize=512"], ["+bufsize=4096"], ["+dnssec"], ["+nocookie"], ["AAAA"], ["HTTPS"], ["ANY"], ["TXT"], ["TYPE65400"]):
            out = dig(w, "www.n1.listed.example", *extra)
            assert "status: NXDOMAIN" in out and "EDE: 15 (Blocked)" in out and "list=malware" in out and "ref=" in out, (extra, out)
            assert "fireline.invalid" in out and "WARNING" not in out and "malformed" not in out, (extra, out)
            assert " aa" not in out.split("flags:")[1].split(";")[0] and " ra" in out.split("flags:")[1].split(";")[0], out
        out = dig(w, "www.n1.listed.example", "+noedns")
        assert "status: NXDOMAIN" in out and "EDE" not in out and "OPT" not in out, out
        out = dig(w, "www.free.example", "+noedns", "+short")
        assert out.strip() == "192.0.2.1", out
        out = dig(w, "www.N1.lIsTeD.eXaMpLe")
        assert "www.N1.lIsTeD.eXaMpLe" in out, "the question's letter case is echoed"
        out = dig(w, "malware.probe.fireline.internal", "TXT", "+short")
        assert str(w.applied("malware")) in out, out
        out = dig(w, "big.free.example", "+short")
        assert len(out.split()) == 120, "dig goes on over TCP"
        ok = True
    finally:
        w.close(not ok)


def test_corrupt_files(shared):
    """Image and journal of the enforcer, damaged while it is down: set aside, named in status, healed from the store; never used."""
    for victim in ("image", "journal"):
        w = base_world(shared, f"corrupt-{victim}")
        ok = False
        try:
            w.json("finding", "inject", "-", stdin=harness.fixture("01-c2-dns.api.json").decode())
            w.wait_blocked("update.badcdn.example")
            w.kill("enforce")
            files = [f for f in os.listdir(w.state) if f.startswith(victim) and "." in f and os.path.getsize(os.path.join(w.state, f)) > 64]
            if victim == "journal":
                assert files, os.listdir(w.state)
            for f in files:
                p = os.path.join(w.state, f)
                with open(p, "r+b") as h:
                    h.seek(os.path.getsize(p) // 2)
                    h.write(bytes(48))
            w.start("enforce")
            w.wait_blocked("n3.listed.example", seconds=30)
            w.wait_blocked("update.badcdn.example", seconds=30)
            wait_until(lambda: w.ask("free.example").rcode == 0, 20, "every list is held again")
            if files:
                assert w.get("enforce", "/v1/status")["follow"]["files_set_aside"] >= 1 or "aside" in w.log("enforce"), w.log("enforce")[-800:]
            ok = True
        finally:
            w.close(not ok)


def test_drains_on_sigterm(shared):
    """SIGTERM ends each role with 0, and what was answered just before is in the query log."""
    w = base_world(shared, "drain")
    ok = False
    try:
        names = [f"d{i}.free.example" for i in range(200)]
        assert None not in w.verdicts(names)
        for role in ("enforce", "publish", "ingest", "api"):
            assert w.term(role) == 0, (role, w.log(role)[-500:])
        import json
        c = w.kafka.consumer(w.prefix + "query-log")
        got = set()
        end = time.monotonic() + 10
        while time.monotonic() < end and not set(names) <= got:
            got |= {json.loads(m.value)["query_name"][:-1] for m in c}
        c.close()
        assert set(names) <= got, len(set(names) - got)
        ok = True
    finally:
        w.close(not ok)

"""From a detection to NXDOMAIN on the wire, by each way that findings come, one by one and ten thousand at once. Start reading at PARTS; bench/README.md says what each figure is."""
import hashlib
import hmac
import json
import os
import selectors
import socket
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))

import figures  # noqa: E402
import asker  # noqa: E402
from figures import Watcher, figure, finding, percentile  # noqa: E402
from harness import World, wait_until  # noqa: E402
from servers import free_port  # noqa: E402
from sqs_double import Queue  # noqa: E402

N = int(os.environ.get("FL_BENCH_FINDINGS", "1000"))
BURST = int(os.environ.get("FL_BENCH_BURST", "10000"))
SECRET = b"a bench, and no secret"
GAP = 0.002  # seconds between one finding's block and the next finding
COLD = 100  # the first ones find connections, caches and the broker's compiler cold, and do not count


class Webhook:
    """Signed requests on kept connections, written and read by one thread: what it costs is not ours."""
    sent = "request written"
    config = {"type": "webhook", "path": "/v1/findings/way"}

    def prepare(self, w):
        path = os.path.join(w.folder, "secret")
        with open(path, "wb") as f:
            f.write(SECRET + b"\n")
        self.port = free_port()
        w.config["findings"]["webhook"] = {"address": f"127.0.0.1:{self.port}", "rate": 1000000}
        self.config = dict(self.config, hmac_secret_file=path)
        self.s = None

    def request(self, body):
        sign = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        return (f"POST {self.config['path']} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"X-Hub-Signature-256: sha256={sign}\r\n\r\n").encode() + body

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def one(self, body):
        if not self.s:
            self.s = self.connect()
        data = self.request(body)
        t = time.perf_counter()
        self.s.sendall(data)
        return t

    def acknowledged(self):
        head = self.s.recv(65536)
        assert head.startswith(b"HTTP/1.1 202"), head[:200]
        return time.perf_counter()

    def burst(self, bodies, connections=200):
        requests = [self.request(b) for b in bodies]
        sel = selectors.DefaultSelector()
        socks = [self.connect() for _ in range(connections)]
        at, done, refused = 0, 0, 0
        t = time.perf_counter()
        for s in socks:
            sel.register(s, selectors.EVENT_READ, None)
            s.sendall(requests[at])
            at += 1
        while done < len(requests):
            for key, _ in sel.select(5):
                head = key.fileobj.recv(65536)
                refused += not head.startswith(b"HTTP/1.1 202")
                done += 1
                if at < len(requests):
                    key.fileobj.sendall(requests[at])
                    at += 1
        assert refused == 0, f"{refused} were not 202"
        self.all_acknowledged = time.perf_counter() - t
        return t


class Sqs:
    sent = "message handed out"
    config = {"type": "sqs", "region": "us-east-1"}

    def prepare(self, w):
        self.queue = Queue()
        os.environ.update(AWS_ACCESS_KEY_ID="AKIDBENCH", AWS_SECRET_ACCESS_KEY="bench")
        self.config = dict(self.config, queue_url=self.queue.url)

    def one(self, body):
        self.body = body.decode()
        self.queue.send([self.body])
        return None

    def received(self):
        return self.queue.handed[self.body]

    def burst(self, bodies):
        t = time.perf_counter()
        self.queue.send([b.decode() for b in bodies])
        return t

    def after(self):
        wait_until(lambda: not self.queue.out and not self.queue.waiting, 30, "every message is deleted")


class Topic:
    sent = "record given to the producer"
    config = {"type": "kafka", "group": "bench"}

    def prepare(self, w):
        from kafka import KafkaAdminClient, KafkaProducer
        from kafka.admin import NewTopic
        self.topic = w.prefix + "soc"
        a = KafkaAdminClient(bootstrap_servers=w.kafka.bootstrap)
        a.create_topics([NewTopic(self.topic, 3, 1)])
        a.close()
        self.config = dict(self.config, topic=self.topic)
        self.p = KafkaProducer(bootstrap_servers=w.kafka.bootstrap, acks=1, linger_ms=0)

    def one(self, body):
        return self._stored(self.p.send(self.topic, body))

    def _stored(self, f):
        t = time.perf_counter()
        f.get(10)
        return t

    def burst(self, bodies):
        t = time.perf_counter()
        for b in bodies:
            self.p.send(self.topic, b)
        self.p.flush(60)
        return t


def hops(w, name_of_set, end):
    """Of the newest version, wall clock, ms: from our receipt (its own stamp) to the set's commit, to the list's, and to `end`."""
    r = w.redis.client()

    def at(kind, name, field):
        n = r.call("HGET", f"{{fl}}:{kind}/{name}:head", "version").decode()
        return int(r.call("HGET", f"{{fl}}:{kind}/{name}:v:{n}", field)) / 1e6

    seen = at("source", name_of_set, "seen_at_us")
    out = [1000 * (t - seen) for t in (at("source", name_of_set, "at_us"), at("list", "findings-block", "at_us"), end)]
    r.close()
    return out


def world(shared, part, way):
    w = World(shared, f"bench-{part}")
    w.config["log"]["level"] = "warn"
    way.prepare(w)
    w.config["findings"]["sources"] = [dict(way.config, name="way")]
    w.write_config()
    w.start()
    wait_until(lambda: w.head("list", "findings-block"), 30, "findings-block has a version")
    return w


def measure(shared, part, way):
    w = world(shared, part, way)
    try:
        watch = Watcher(w.port)
        took, steps = [], []
        for i in range(N + COLD):
            name = f"f{i}-{part}.c2-{i % 97}.example"
            t0 = way.one(finding(i, name))
            end = watch.until_blocked(name, seconds=30)
            wall = time.time() - (time.perf_counter() - end)
            t0 = way.received() if t0 is None else t0
            if i >= COLD:
                took.append(1000 * (end - t0))
                steps.append(hops(w, "way.block", wall))
            if hasattr(way, "acknowledged"):
                way.acknowledged()
            time.sleep(GAP)
        figure(part, "receipt to source version, p50", percentile([s[0] for s in steps], 0.5), "ms", note=f"{len(took)} findings, one by one")
        figure(part, "receipt to list version, p50", percentile([s[1] for s in steps], 0.5), "ms")
        figure(part, "receipt to NXDOMAIN, p50", percentile([s[2] for s in steps], 0.5), "ms", 5)
        figure(part, "receipt to NXDOMAIN, p99", percentile([s[2] for s in steps], 0.99), "ms", 20)
        figure(part, "receipt to NXDOMAIN, worst", max(s[2] for s in steps), "ms")
        figure(part, f"{way.sent} to NXDOMAIN, p50", percentile(took, 0.5), "ms")
        figure(part, f"{way.sent} to NXDOMAIN, p99", percentile(took, 0.99), "ms")
        burst(w, part, way)
        if part == "kafka":
            figures.ceilings(w, "ceilings")
    finally:
        w.close(False)


def burst(w, part, way):
    names = [f"b{i}-{part}.c2-{i % 97}.example" for i in range(BURST)]
    bodies = [finding((1 << 40) + i, n) for i, n in enumerate(names)]
    before = w.get("enforce", "/v1/status")["image"]["names"]
    version = int(w.head("list", "findings-block")["version"])
    import threading
    end = {}

    def watch():
        until = time.monotonic() + 60
        while time.monotonic() < until:
            s = w.get("enforce", "/v1/status")["image"]["names"]
            if s > before and "first" not in end:
                end["first"] = time.perf_counter()
            if s >= before + BURST:
                end["all"] = time.perf_counter()
                return
            time.sleep(0.01)

    t = threading.Thread(target=watch)
    t.start()
    cpu = sum(w.procs[r].cpu() for r in ("ingest", "publish", "enforce"))
    t0 = way.burst(bodies)
    sent = time.perf_counter() - t0
    t.join()
    assert "all" in end, "not all of the burst is enforced"
    wrong = [n for n, v in zip(names, asker.verdicts(("127.0.0.1", w.port), names)) if v != asker.NXDOMAIN]
    assert not wrong, f"{len(wrong)} of the burst are not blocked, as {wrong[0]}"
    if hasattr(way, "after"):
        way.after()
    versions = int(w.head("list", "findings-block")["version"]) - version
    cpu = sum(w.procs[r].cpu() for r in ("ingest", "publish", "enforce")) - cpu
    figure(part, f"{BURST:,} at once: the first enforced", end["first"] - t0, "s")
    figure(part, f"{BURST:,} at once: all enforced", end["all"] - t0, "s", 2, f"{versions} list versions")
    figure(part, "  how long the sender took, in Python", sent, "s")
    figure(part, "  CPU of our processes", cpu, "s")


def part(name, way):
    def go(shared):
        measure(shared, name, way())
    return go


PARTS = {"webhook": part("webhook", Webhook), "sqs": part("sqs", Sqs), "kafka": part("kafka", Topic)}

if __name__ == "__main__":
    sys.exit(figures.run("findings", PARTS))

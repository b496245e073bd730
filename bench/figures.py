"""What the benches written in Python share: figures with their targets, percentiles, a watcher of one name, and the machine. Each bench is a list of parts."""
import json
import os
import socket
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "live"))

import asker  # noqa: E402
import harness  # noqa: E402
from harness import Shared, Skip  # noqa: E402
from servers import Kafka  # noqa: E402

FIGURES = []


def figure(part, name, value, unit, target=None, note=""):
    ok = None if target is None else value <= target
    FIGURES.append({"part": part, "name": name, "value": round(value, 4), "unit": unit, "target": target, "ok": ok, "note": note})
    print(row(FIGURES[-1]), flush=True)


def row(f):
    mark = "" if f["ok"] is None else "ok" if f["ok"] else "MISSED"
    target = "" if f["target"] is None else f"<= {f['target']:g}"
    return f"{f['part']:9} {f['name']:52} {f['value']:>12,.3f} {f['unit']:10} {target:>10} {mark:7} {f['note']}"


def percentile(v, p):
    v = sorted(v)
    return v[min(len(v) - 1, int(len(v) * p))]


class Watcher:
    """Asks one name over and over on one socket, until it is blocked."""

    def __init__(self, port):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.connect(("127.0.0.1", port))
        self.s.settimeout(1)

    def until_blocked(self, name, seconds=10, every=0.0002):
        end = time.monotonic() + seconds
        q = asker.pack_question(name, 1, 7)
        while time.monotonic() < end:
            try:
                self.s.send(q)
                p = self.s.recv(4096)
            except OSError:
                continue
            if p[3] & 15 == asker.NXDOMAIN and p[12:12 + len(name)] == q[12:12 + len(name)]:
                return time.perf_counter()
            time.sleep(every)
        raise AssertionError(f"{name} was not blocked")


def finding(i, name, updated=None):
    when = updated or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"schemaVersion": "2.0", "accountId": "000000000000", "region": "bench", "id": f"{i:032x}", "type": "Backdoor:EC2/C&CActivity.B!DNS",
                       "severity": 8, "createdAt": when, "updatedAt": when,
                       "service": {"serviceName": "guardduty", "archived": False, "count": 1,
                                   "action": {"actionType": "DNS_REQUEST", "dnsRequestAction": {"domain": name}}}}).encode()


def ceilings(w, part):
    """One synced write of this Redis, one acknowledged record of this Kafka: what no finding can be faster than."""
    from kafka import KafkaProducer
    r = w.redis.client()
    took = []
    for i in range(300):
        t = time.perf_counter()
        r.call("SET", "bench:ceiling", str(i))
        took.append(1000 * (time.perf_counter() - t))
    figure(part, "ceiling: one synced Redis write, p50", percentile(took, 0.5), "ms")
    p = KafkaProducer(bootstrap_servers=w.kafka.bootstrap, acks="all", linger_ms=0)
    took = []
    for i in range(300):
        t = time.perf_counter()
        p.send(w.prefix + "dead-letter", b"x" * 800).get(10)
        took.append(1000 * (time.perf_counter() - t))
    p.close()
    figure(part, "ceiling: one acknowledged Kafka record, p50", percentile(took, 0.5), "ms", note="a Python client")


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": os.uname().release}


def run(name, parts):
    """The parts named on the command line, or all; the table, and the same as JSON. 1 when a target was missed or a part skipped."""
    args = sys.argv[1:]
    out = os.path.join(ROOT, "build", "bench", f"{name}.json")
    if "--json" in args:
        i = args.index("--json")
        out = args[i + 1]
        del args[i:i + 2]
    shared = Shared()
    skipped = []
    try:
        shared._kafka = Kafka(os.path.join(shared.folder, "kafka"), jvm=("-Xmx1g",))  # compiled in full: the broker is part of the path
        for part in args or parts:
            try:
                parts[part](shared)
            except Skip as s:
                skipped.append(f"{part}: {s}")
                print(f"SKIP {part}: {s}")
    finally:
        shared.close()
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    with open(out, "w") as f:
        json.dump({"machine": machine(), "binary": harness.binary(), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "figures": FIGURES, "skipped": skipped}, f, indent=1)
        f.write("\n")
    print("\n" + "\n".join(row(f) for f in FIGURES))
    missed = [f["name"] for f in FIGURES if f["ok"] is False]
    print(f"\n{sum(f['ok'] is True for f in FIGURES)} targets met, {len(missed)} missed{': ' + '; '.join(missed) if missed else ''}; JSON in {out}")
    return 1 if missed or skipped else 0

"""The figures of the pipeline, measured on the release binary with real Redis and Kafka. Start reading at PARTS; bench/README.md says what each figure is."""
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))

import figures  # noqa: E402
import asker  # noqa: E402
import harness  # noqa: E402
import redis_reader  # noqa: E402
import zstandard  # noqa: E402
from figures import Watcher, figure, finding, percentile  # noqa: E402
from harness import Skip, World, random_label, wait_until  # noqa: E402


def big_body(day):
    path = os.path.join(harness.SHARED, "feeds", "big", f"maltrail-2026-08-{day}.txt.zst")
    if not os.path.exists(path):
        raise Skip("shared/feeds/big is absent")
    with open(path, "rb") as f:
        return zstandard.ZstdDecompressor().decompressobj().decompress(f.read())


def bench_world(shared, name, **feed):
    w = World(shared, name)
    w.config["domain_lists"][0]["publish_guard"] = {"max_added_ratio": 1000, "max_removed_ratio": 1}
    w.config["log"]["level"] = "warn"
    w.feed("big", format="domains", scope="exact", max_bytes="1GiB", timeout="10m", **feed)
    return w


# --- big, daily ---

def first_load(shared, body, extra):
    """One load into an empty store. The name asked for is part of the body, so that nothing must be decoded while time runs."""
    w = bench_world(shared, "bench-big")
    try:
        name = f"{random_label(random.Random(), 12)}.bench-probe.example"
        w.write_config()
        w.http.put("/big", body + name.encode() + b"\n")
        t0 = time.time()
        w.start()  # the first fetch comes by itself
        end = time.monotonic() + 120
        while not asker.ask(("127.0.0.1", w.port), name, timeout=0.05, tries=1) or not w.blocked(name):
            assert time.monotonic() < end, "the list does not come into force: " + json.dumps(w.feed_status("big"))
            time.sleep(0.005)
        t2 = time.time()
        number = w.source_version("big")
        r = w.redis.client()
        v = redis_reader.Source(r, "big").version(number)
        r.close()
        committed = int(v["at_us"]) / 1e6
        s = w.get("enforce", "/v1/status")
        out = {"body_to_committed": committed - w.http.sent.get("/big", t0), "fetch_to_committed": committed - t0, "committed_to_enforced": t2 - committed,
               "rss": w.procs["ingest"].peak_rss(), "names": int(v["entries"]), "keyframe": int(v["keyframe_bytes"]),
               "image_bytes_a_name": s["image"]["bytes"] / max(1, s["image"]["names"]), "enforce_rss": w.procs["enforce"].peak_rss()}
        if extra:
            out.update(extra(w, number))
        return out
    finally:
        w.close(False)


def one_percent(w, number):
    """The list again with 1 % changed: delta over keyframe."""
    r = w.redis.client()
    src = redis_reader.Source(r, "big")
    names = [redis_reader.name_of(k) for k in src.keyframe(number)]
    rng = random.Random(1)
    n = len(names) // 200
    gone = set(rng.sample(range(len(names)), n))
    kept = [x for i, x in enumerate(names) if i not in gone]
    new = []
    for x in rng.sample(names, n):  # new names look like the old ones, and fall everywhere
        head, _, tail = x.partition(".")
        new.append(f"{head[:20]}{random_label(rng, 4)}.{tail}" if "." in tail else f"{random_label(rng, 4)}{head[:40]}.{tail}")
    w.http.put("/big", "\n".join(kept + new).encode() + b"\n")
    w.procs["ingest"].reset_peak_rss()
    s = w.refresh("big")
    assert s["state"] == "ok", s
    v = src.version(w.source_version("big"))
    w.settle("malware", ["big"])
    r.close()
    return {"delta_bytes": int(v["delta_bytes"]), "changed": int(v["added"]) + int(v["removed"]), "rss_change": w.procs["ingest"].peak_rss()}


def bench_big(shared):
    body = big_body(23)
    t = time.monotonic()
    with tempfile.TemporaryFile() as f:
        f.write(body)
        f.seek(0)
        subprocess.run(["sort", "-u"], stdin=f, stdout=subprocess.DEVNULL, env={"LC_ALL": "C"}, check=True)
    sort_s = time.monotonic() - t
    runs = [first_load(shared, body, one_percent if i == 0 else None) for i in range(3)]

    def median(key):
        return statistics.median(r[key] for r in runs)

    note = f"{runs[0]['names']:,} names, {len(body) / 1e6:.0f} MB"
    figure("big", "body to committed version", median("body_to_committed"), "s", 3, note)
    figure("big", "role started to committed version", median("fetch_to_committed"), "s")
    figure("big", "committed to enforced", median("committed_to_enforced"), "s", 1)
    figure("big", "peak resident memory of ingest", median("rss") / 2**20, "MiB", 300)
    figure("big", "  the same, while 1 % changes", runs[0]["rss_change"] / 2**20, "MiB", 300)
    figure("big", "image octets a name", median("image_bytes_a_name"), "B", 24)
    figure("big", "keyframe octets a name", median("keyframe") / runs[0]["names"], "B")
    figure("big", "peer: sort -u of the same body", sort_s, "s")
    figure("daily", "delta over keyframe, 1 % of the names changed", 100 * runs[0]["delta_bytes"] / median("keyframe"), "%", 3,
           f"{runs[0]['changed']:,} names, {runs[0]['delta_bytes']:,} octets")


# --- change ---

CHANGES = 200  # in a burst, one straight after the other: alone, a change costs hardly more than these processes use at rest meanwhile


def cpu_of(w):
    return [w.procs["publish"].cpu(), w.procs["enforce"].cpu()]


def burst(w, bodies):
    """CPU seconds of publisher and enforcer, how long, and how many versions: 1,000 names come, the same leave, and so on. Nothing is asked meanwhile."""
    r = w.redis.client()
    t, before = time.monotonic(), cpu_of(w)
    version = int(w.head("list", "malware")["version"])
    for i in range(CHANGES):
        source = r.call("HGET", "{fl}:source/small:head", "version")
        w.http.put("/small", bodies[i % 2])
        w.post("ingest", "/v1/feeds/small/fetches")
        end = time.monotonic() + 20
        while r.call("HGET", "{fl}:source/small:head", "version") == source:
            assert time.monotonic() < end, w.feed_status("small")
            time.sleep(0.001)
    time.sleep(0.3)
    made = int(w.head("list", "malware")["version"]) - version
    assert made > CHANGES / 2, f"{made} versions of {CHANGES} changes"
    r.close()
    return [b - a for a, b in zip(before, cpu_of(w))], time.monotonic() - t, made


def change_cost(shared, n, per=1000):
    """For a list of n names: CPU seconds a change of `per` names of publisher and enforcer (median of three bursts), and what they use at rest."""
    w = bench_world(shared, f"bench-change{n}")
    try:
        rng = random.Random(n)
        base = [f"{random_label(rng, 9)}.{random_label(rng, 3)}.example" if i % 3 else f"{random_label(rng, 12)}.com" for i in range(n)]
        names = [f"{random_label(rng, 6)}.{x}" if i % 2 else f"{random_label(rng, 13)}.com" for i, x in enumerate(rng.sample(base, per))]
        bodies = [b"seed.example\n" + "\n".join(names).encode() + b"\n", b"seed.example\n"]
        w.feed("small", format="domains", scope="exact")
        w.write_config()
        w.http.put("/big", ("\n".join(base) + "\n").encode())
        w.http.put("/small", bodies[1])
        del base
        w.start()
        w.loaded("big", "small", seconds=300)
        w.settle("malware", ["big", "small"], seconds=120)
        time.sleep(3)  # what follows a first load in the background is over
        burst(w, bodies)
        costs, rests = [], []
        for _ in range(3):
            t, before = time.monotonic(), cpu_of(w)
            time.sleep(2)
            rest = [(b - a) / (time.monotonic() - t) for a, b in zip(before, cpu_of(w))]
            spent, seconds, made = burst(w, bodies)
            if os.environ.get("FL_BENCH_RAW"):
                print("      ", n, [round(1000 * c, 1) for c in spent], "ms in", round(seconds, 2), "s,", made, "versions; at rest", rest)
            costs.append([(c - r * seconds) / made for c, r in zip(spent, rest)])
            rests.append(rest)
        return {"publish": statistics.median(c[0] for c in costs), "enforce": statistics.median(c[1] for c in costs),
                "rest": [statistics.median(r[i] for r in rests) for i in (0, 1)]}, w.feed_status("big")["names"]
    finally:
        w.close(False)


def bench_change(shared):
    small, n_small = change_cost(shared, 100_000)
    large, n_large = change_cost(shared, 5_000_000)
    figure("change", "at rest: publisher, CPU of one core", 100 * large["rest"][0], "%")
    figure("change", "at rest: enforcer, CPU of one core", 100 * large["rest"][1], "%")
    figure("change", "publisher CPU for 1,000 names at 100 k", 1000 * small["publish"], "ms")
    figure("change", "publisher CPU for 1,000 names at 5 M", 1000 * large["publish"], "ms")
    figure("change", "publisher: 5 M over 100 k", large["publish"] / small["publish"], "x", 1.2, f"{n_large:,} over {n_small:,} names")
    figure("change", "enforcer CPU for 1,000 names at 100 k", 1000 * small["enforce"], "ms")
    figure("change", "enforcer CPU for 1,000 names at 5 M", 1000 * large["enforce"], "ms")
    figure("change", "enforcer: 5 M over 100 k", large["enforce"] / small["enforce"], "x", 1.5)


# --- findings ---

def bench_findings(shared):
    w = World(shared, "bench-findings")
    try:
        w.config["log"]["level"] = "warn"
        w.write_config()
        w.start()
        wait_until(lambda: w.head("list", "findings-block"), 30, "findings-block has a version")
        n = int(os.environ.get("FL_BENCH_FINDINGS", "1000"))
        watch = Watcher(w.port)
        for way in ("file", "socket"):
            took = []
            for i in range(n):
                name = f"f{i}-{way}.c2-{i % 97}.example"
                data = finding(i + (1 << 32 if way == "file" else 0), name)
                if way == "file":
                    tmp = os.path.join(w.folder, "f.tmp")
                    with open(tmp, "wb") as f:
                        f.write(data)
                    t = time.perf_counter()
                    os.rename(tmp, os.path.join(w.findings_dir, f"{i}.json"))
                else:
                    t = time.perf_counter()
                    status, o = w.post("ingest", "/v1/findings", data)
                    assert status == 200 and o["accepted"] == 1, o
                took.append(1000 * (watch.until_blocked(name) - t))
                time.sleep(0.002)
            figure("findings", f"{way} to NXDOMAIN, p50", percentile(took, 0.50), "ms", 10, f"{n} findings, one by one")
            figure("findings", f"{way} to NXDOMAIN, p99", percentile(took, 0.99), "ms", 50)
            figure("findings", f"{way} to NXDOMAIN, worst", max(took), "ms")
        figures.ceilings(w, "findings")
    finally:
        w.close(False)


PARTS = {"big": bench_big, "change": bench_change, "findings": bench_findings}


if __name__ == "__main__":
    sys.exit(figures.run("pipeline", PARTS))

"""Real lists, day after day: over HTTP with ETags into Redis, Kafka and the enforcer; what is answered equals the reference, what is stored equals the set differences."""
import glob
import os
import random
import time

import asker
import harness
import redis_reader
import reference
import zstandard
from harness import LONG, SHARED, PSL, Skip, World, random_label


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    return zstandard.ZstdDecompressor().decompressobj().decompress(data) if path.endswith(".zst") else data


def days(series):
    v = sorted(glob.glob(os.path.join(SHARED, "feeds", "series", series, "*.txt*")))
    if len(v) < 2:
        raise Skip(f"the series {series} is absent")
    return v if LONG else v[:6]


def around(name):
    """The name, a child, a grandchild, its parent."""
    yield name
    yield f"c{len(name)}.{name}"
    yield f"g.c{len(name)}.{name}"
    if name.count(".") > 1:
        yield name.split(".", 1)[1]


def never_listed(rng, near, n):
    """Names no list ever had: some near listed ones (a letter more), some far."""
    for i in range(n):
        if i % 2 and near:
            labels = rng.choice(near).split(".")
            labels[0] = (labels[0] + random_label(rng, 6))[-40:]
            yield ".".join(labels)
        else:
            yield f"{random_label(rng, 12)}.{rng.choice(('com', 'net', 'org', 'example', 'co.uk', 'io'))}"


def questions(rng, changed, sources, want):
    """Every changed name with its relatives, unchanged ones up to half of `want`, and as many names again that were never listed. All are askable."""
    q = []
    for name in sorted(changed):
        q.extend(around(name))
    listed = [n for s in sources for n in s]
    rng.shuffle(listed)
    for name in listed:
        if len(q) >= want // 2:
            break
        q.extend(around(name))
    q.extend(never_listed(rng, listed[:5000], max(len(q), want - len(q))))
    return [n for n in q if len(n) <= 250]


def compare(w, names, expect, label):
    got = w.verdicts(names)
    wrong = []
    for n, rcode in zip(names, got):
        want = asker.NXDOMAIN if expect(n) else asker.NOERROR
        if rcode != want:
            wrong.append((n, rcode, want))
    assert not wrong, f"{label}: {len(wrong)} of {len(names)} verdicts differ, as {wrong[:8]}"


def check_store(src, number, before, after):
    """The stored version holds `after`, and its delta, where it has one, is exactly the difference to `before`."""
    stored = {redis_reader.name_of(k): t[0] for k, t in src.entries(number).items()}
    assert stored == after, f"{src.name}@{number}: {len(set(stored.items()) ^ set(after.items()))} entries differ from the reference"
    v = src.version(number)
    added, removed = [n for n in after if n not in before], [n for n in before if n not in after]
    changed = [n for n in after if n in before and before[n] != after[n]]
    assert (int(v["added"]), int(v["removed"]), int(v["changed"])) == (len(added), len(removed), len(changed)), "added, removed, changed"
    records = src.delta(number)
    if records is None:
        return 0
    diff = {redis_reader.name_of(k): (o[0] if o else 0, n[0] if n else 0) for k, o, n in records}
    want = {n: (before.get(n, 0), after.get(n, 0)) for n in set(before) | set(after) if before.get(n, 0) != after.get(n, 0)}
    assert diff == want, f"the delta to {src.name}@{number} is not the set difference"
    return len(data_of(src, number))


def data_of(src, number):
    return src.r.call("GET", f"{src.base}:d:{number}") or b""


def check_list(w, previous):
    """The head of the list checks, its parent is the last one seen, and its inputs are the sources' heads."""
    r = w.redis.client()
    h = r.hash("{fl}:list/malware:head")
    v = redis_reader.list_version(r, "malware", h["version"])
    for name, i in redis_reader.parse_inputs(v["inputs"]).items():
        if i["version"]:
            sv = redis_reader.Source(r, name).version(i["version"])
            assert (sv["chain"], sv["digest"], int(sv["entries"])) == (i["chain"], i["digest"], i["entries"]), name
    at = v
    while previous and int(at["version"]) > int(previous["version"]):
        at = redis_reader.list_version(r, "malware", at["parent"])
    assert not previous or at["chain"] == previous["chain"], "the new head does not descend from the last one"
    r.close()
    return v


def check_events(w):
    """Read by an independent client: every version has its record, each checks, and the newest is the head."""
    c = w.kafka.consumer(w.prefix + "list-events")
    seen = {}
    end = time.monotonic() + 20
    head = int(w.head("list", "malware")["version"])
    while time.monotonic() < end and head not in seen:
        for m in c:
            if m.key != b"malware" or m.value is None:
                continue
            e = redis_reader.event(m.value)
            headers = dict(m.headers)
            assert headers.get("ce_type") == b"io.fireline.list.version.v1", headers
            assert headers.get("ce_specversion") == b"1.0" and headers.get("content-type") == b"application/json", headers
            seen[e["version"]] = e
    c.close()
    assert head in seen, f"no event of malware@{head}; have {sorted(seen)}"
    r = w.redis.client()
    for n, e in seen.items():
        assert redis_reader.list_version(r, "malware", n)["chain"] == e["chain"], n
    v = head
    while v:
        assert v in seen, f"version {v} has no event"
        v = seen[v]["parent"]
    r.close()


def test_daily_series(shared):
    """Two real lists, one a subtree list, one hosts: verdicts, stored versions, deltas, chains, digests and events after each day."""
    a, b = days("jarelllama-scams"), days("durablenapkin-hosts")
    w = World(shared, "series")
    ok = False
    try:
        w.feed("scams", format="domains", scope="subtree")
        w.feed("napkin", format="hosts")
        w.write_config()
        psl = reference.Psl(PSL)
        rng = random.Random(20241)
        want = 100_000 if LONG else 10_000
        last, asked, list_v = {"scams": {}, "napkin": {}}, 0, None
        w.http.put("/scams", read(a[0]), encoding="gzip")
        w.http.put("/napkin", read(b[0]))
        w.start()
        w.loaded("scams", "napkin")
        for day in range(min(len(a), len(b))):
            texts = {"scams": read(a[day]), "napkin": read(b[day])}
            now = {"scams": reference.parse_domains(texts["scams"].decode(), psl, 3), "napkin": reference.parse_hosts(texts["napkin"].decode(), psl)}
            for name in texts:
                w.http.put(f"/{name}", texts[name], encoding="gzip" if name == "scams" else None)
                before = w.source_version(name) if day else 0
                s = w.refresh(name)
                assert s["state"] in ("ok", "unchanged") and s["reason"] == "", s
                number = w.source_version(name)
                assert s["version"] == number and (number > before) == (now[name] != last[name] or before == 0), (name, s, before, number)
                assert s["names"] == len(now[name]), (name, s["names"], len(now[name]))
                if number > before:
                    r = w.redis.client()
                    check_store(redis_reader.Source(r, name), number, last[name], now[name])
                    r.close()
            w.settle("malware", ["scams", "napkin"])
            list_v = check_list(w, list_v)
            changed = {n for s in now for n in set(now[s]) ^ set(last[s])} | {n for s in now for n in now[s] if last[s].get(n, now[s][n]) != now[s][n]}
            if day == 0 and not LONG:
                changed = set(rng.sample(sorted(changed), 2000))
            q = questions(rng, changed, list(now.values()), want)
            sources = list(now.values())
            compare(w, q, lambda n: reference.blocked(sources, n), f"day {day}")
            asked += len(q)
            last = now
        check_events(w)
        # the same body again: 304, and nothing is written
        before = {n: w.source_version(n) for n in last}
        w.refresh("scams")
        assert w.http.not_modified.get("/scams"), "no conditional GET"
        assert {n: w.source_version(n) for n in last} == before
        assert w.feed_status("scams")["state"] in ("ok", "unchanged")
        print(f"       {asked} verdicts over {day + 1} days")
        ok = True
    finally:
        w.close(not ok)


def test_adblock(shared):
    """A real adblock list with exceptions, denyallow and badfilter answers as the format's own precedence says."""
    path = os.path.join(SHARED, "feeds", "adblock", "adfilt-antimalware-adguardhome.txt")
    if not os.path.exists(path):
        raise Skip("shared feeds are absent")
    w = World(shared, "adblock")
    ok = False
    try:
        w.feed("adfilt", format="adblock")
        w.write_config()
        text = read(path)
        extra = b"\n||top.example^\n@@||ok.top.example^\n||bad.ok.top.example^$important\n@@||fine.bad.ok.top.example^$important\n||deny.example^$denyallow=a.deny.example\n"
        w.http.put("/adfilt", text + extra)
        w.start()
        w.loaded("adfilt")
        w.settle("malware", ["adfilt"])
        ref = reference.Adblock((text + extra).decode(), reference.Psl(PSL))
        rng = random.Random(7)
        listed = sorted(ref.rules)
        if not LONG:
            exceptions = [n for n in listed if any(r[1] or r[3] for r in ref.rules[n])]
            listed = exceptions + rng.sample(listed, 1500)
        q = [n for name in listed for n in around(name)] + list(never_listed(rng, listed, 2000))
        q += ["top.example", "x.top.example", "ok.top.example", "a.ok.top.example", "bad.ok.top.example", "fine.bad.ok.top.example", "deny.example", "a.deny.example"]
        compare(w, [n for n in q if len(n) <= 250], ref.covered, "adblock")
        ok = True
    finally:
        w.close(not ok)

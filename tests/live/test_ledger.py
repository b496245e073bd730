"""What was acknowledged is in force again after a Redis that lost its tail or everything; while Kafka is away this host's file has it, and status says so."""
import json
import os
import shutil
import signal

from harness import World, wait_until


def finding(i, archived=False, tag="f"):
    return json.dumps({"schemaVersion": "2.0", "id": f"{tag}{i:08x}", "type": "Backdoor:EC2/C&CActivity.B!DNS", "severity": 8,
                       "updatedAt": f"2026-06-07T08:0{1 if archived else 0}:00.000Z",
                       "service": {"archived": archived, "action": {"actionType": "DNS_REQUEST", "dnsRequestAction": {"domain": f"{tag}{i}.found.example"}}}})


def name(i, tag="f"):
    return f"{tag}{i}.found.example"


def inject(w, i, **kw):
    o = w.json("finding", "inject", "-", stdin=finding(i, **kw))
    assert o["accepted"] + o["withdrawn"] + o["duplicate"] == 1, o
    return o


def ledger(w):
    return w.get("ingest", "/v1/status")["ledger"]


def world(shared, tag):
    w = World(shared, tag)
    w.write_config()
    w.start()
    wait_until(lambda: (lambda s: s["where"] == "topic" and not s["restoring"])(ledger(w)), 30, "the ledger is read")
    return w


def claimed(w, source):
    """Names on which the store has an active claim."""
    r, out = w.redis.client(), set()
    for key in r.call("KEYS", f"{{fl}}:source/{source}:claim:*"):
        c = json.loads(r.call("HGET", key, "json"))
        if c["state"] == "active":
            out.add(c["name"])
    return out


def recover(w, *lists):
    """A person's part: the lists' own history is gone. Their sources are whole again."""
    for name_ in lists:
        rc, out, err = w.cli("recover", name_, "--yes", "--reason", "test")
        assert rc == 0 or "no list" in err, (rc, out, err)


def older_copy(w):
    copy = os.path.join(w.folder, "older")
    shutil.copytree(w.redis.folder, copy, ignore=shutil.ignore_patterns("*.sock", "*.log"))
    return copy


def put_back(w, copy):
    """Redis ends, and comes back with what its AOF was then."""
    w.redis.kill()
    for f in os.listdir(w.redis.folder):
        p = os.path.join(w.redis.folder, f)
        if os.path.isdir(p):
            shutil.rmtree(p)
    for f in os.listdir(copy):
        if os.path.isdir(os.path.join(copy, f)):
            shutil.copytree(os.path.join(copy, f), os.path.join(w.redis.folder, f))
    w.redis.start()


def in_force(w, on, off, seconds=40):
    for n in on:
        w.wait_blocked(n, seconds=seconds)
    for n in off:
        w.wait_blocked(n, False, seconds=seconds)


def test_redis_emptied(shared):
    """FLUSHALL in the middle of a stream of findings: each that was acknowledged is blocked again on the wire, also by an enforcer that knows nothing; none that was withdrawn."""
    w = world(shared, "ledger-flush")
    ok = False
    try:
        for i in range(20):
            inject(w, i)
        for i in range(0, 20, 4):
            inject(w, i, archived=True)
        w.json("block", "by.hand.example", "--permanent", "--reason", "test")
        w.json("block", "undone.example", "--permanent", "--reason", "test")
        rc, out, err = w.cli("list", "rm", "operator-block", "undone.example", "--reason", "test")
        assert rc == 0, (out, err)
        w.wait_blocked(name(19))
        w.wait_blocked("by.hand.example")
        w.redis.client().call("FLUSHALL")
        for i in range(20, 30):
            inject(w, i)
        want = {name(i) for i in range(30) if i % 4 or i >= 20}
        wait_until(lambda: claimed(w, "cli.block") == want, 20, "the claims are in the store again")
        wait_until(lambda: claimed(w, "operator-block.operator") == {"by.hand.example"}, 20, "the operator's entry is there again")
        o = inject(w, 0)  # the withdrawn finding comes once more
        assert o["duplicate"] == 1 and o["accepted"] == 0, o
        recover(w, "findings-block", "operator-block")
        off = [name(i) for i in range(0, 20, 4)] + ["undone.example"]
        in_force(w, sorted(want) + ["by.hand.example"], off)
        # an enforcer without a past comes to the same
        w.kill("enforce")
        shutil.rmtree(os.path.join(w.state, "image"), ignore_errors=True)
        for f in os.listdir(w.state):
            if f.startswith(("image", "journal", "CURRENT", "offsets")):
                os.unlink(os.path.join(w.state, f))
        w.start("enforce")
        in_force(w, sorted(want) + ["by.hand.example"], off)
        assert ledger(w)["restored"] >= 21, ledger(w)
        # and so does an ingest that starts on an empty store
        w.kill("ingest")
        w.redis.client().call("FLUSHALL")
        w.start("ingest")
        wait_until(lambda: claimed(w, "cli.block") == want, 30, "a new ingest restores them")
        ok = True
    finally:
        w.close(not ok)


def test_older_copy(shared):
    """Redis comes back from an older copy of its AOF: additions, withdrawals and removals since then are made again, before anything new."""
    w = world(shared, "ledger-copy")
    ok = False
    try:
        for i in range(8):
            inject(w, i)
        w.json("block", "stays.example", "--permanent", "--reason", "test")
        w.json("block", "goes.example", "--permanent", "--reason", "test")
        copy = older_copy(w)
        for i in range(8, 14):
            inject(w, i)
        for i in range(3):
            inject(w, i, archived=True)
        rc, out, err = w.cli("list", "rm", "operator-block", "goes.example", "--reason", "test")
        assert rc == 0, (out, err)
        w.wait_blocked(name(13))
        put_back(w, copy)
        want = {name(i) for i in range(3, 14)}
        wait_until(lambda: claimed(w, "cli.block") == want, 40, "the claims are as they were acknowledged")
        wait_until(lambda: claimed(w, "operator-block.operator") == {"stays.example"}, 20, "the removal is made again")
        inject(w, 99)
        recover(w, "findings-block", "operator-block")
        in_force(w, sorted(want) + [name(99), "stays.example"], [name(i) for i in range(3)] + ["goes.example"])
        ok = True
    finally:
        w.close(not ok)


def test_kafka_stopped(shared):
    """Kafka is stopped: findings are acknowledged by the file, quickly from the second on, status names the host; kill -9 and an emptied Redis lose none; all is sent on when Kafka is back."""
    w = world(shared, "ledger-away")
    ok = False
    try:
        inject(w, 0)
        w.kafka.proc.signal(signal.SIGSTOP)
        try:
            for i in range(1, 10):
                inject(w, i)
            inject(w, 3, archived=True)
            s = ledger(w)
            assert s["where"] == "both" and s["pending"] >= 10 and s["host"] == "ns-test", s
            rc, out, _ = w.cli("status")
            assert rc == 3 and "records are held by host ns-test until Kafka is back" in out, (rc, out)
            metrics = w.request("ingest", "GET", "/metrics")[1].decode()
            assert f'fireline_ledger_pending_records{{topic="findings"}} {s["pending"]}' in metrics, metrics[-2000:]
            w.kill("ingest")
            w.redis.client().call("FLUSHALL")
            w.start("ingest")
            want = {name(i) for i in range(1, 10) if i != 3}
            wait_until(lambda: want <= claimed(w, "cli.block"), 30, "what the file has is in the store again")
        finally:
            w.kafka.proc.signal(signal.SIGCONT)
        wait_until(lambda: (lambda l: l["pending"] == 0 and l["where"] == "topic")(ledger(w)), 90, "the records are sent on")
        want.add(name(0))
        wait_until(lambda: claimed(w, "cli.block") == want, 60, "what only the topic had is in the store again")
        c = w.kafka.consumer(w.prefix + "findings")
        seen = {}

        def read():
            for m in c:
                r = json.loads(m.value)
                assert m.key.decode() == r["claim"]["id"] + "@ns-test" and r["node"] == "ns-test"
                seen.setdefault(r["claim"]["name"], set()).add(r["claim"]["state"])
            return len(seen) > len(want)

        wait_until(read, 60, "the topic has them all")
        c.close()
        assert set(seen) == want | {name(3)} and seen[name(3)] == {"active", "withdrawn"}, seen
        ok = True
    finally:
        w.close(not ok)


def test_rollback_forgotten(shared):
    """A rollback that an older copy of Redis forgot is made again by the publisher, and stays in force on the wire throughout."""
    w = World(shared, "ledger-rollback")
    ok = False
    try:
        w.feed("base", format="domains", scope="subtree")
        w.write_config()
        w.http.put("/base", b"good.example\n")
        w.start()
        w.loaded("base")
        w.settle("malware", ["base"])
        w.http.put("/base", b"good.example\npoison.example\n")
        w.refresh("base")
        w.wait_blocked("poison.example")
        wait_until(lambda: w.get("publish", "/v1/status")["ledger"]["where"] == "topic", 30, "the publisher has its ledger")
        copy = older_copy(w)
        o = w.json("rollback", "malware", "--yes", "--reason", "poison")
        rolled = o["version"]["version"]
        w.wait_blocked("poison.example", False)
        put_back(w, copy)

        def again():
            h = w.head("list", "malware")
            v = w.redis.client().hash(f"{{fl}}:list/malware:v:{h['version']}") if h else {}
            return v.get("cause") == "rollback" and int(h["version"]) > rolled

        wait_until(again, 60, "the rollback is made again")
        assert not w.blocked("poison.example") and w.blocked("good.example")
        w.settle("malware", seconds=60)
        assert not w.blocked("poison.example") and w.blocked("good.example")
        assert w.get("publish", "/v1/status")["ledger"]["again"] == 1
        records = [json.loads(m.value) for m in w.kafka.consumer(w.prefix + "audit") if ("ce_type", b"io.fireline.decision.v1") in m.headers]
        assert [r["cause"] for r in records] == ["rollback", "rollback"] and "poison" in records[1]["reason"], records
        ok = True
    finally:
        w.close(not ok)

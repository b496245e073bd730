"""Findings become blocks in milliseconds, through the folder and through the command; they survive the loss of Redis, Kafka and the enforcer at once."""
import json
import os
import time

import harness
from harness import World, fixture, wait_until

# file, names blocked, names alerted, names that stay free (FIXTURES.md, docs/formats/findings.md)
ROWS = [
    ("01-c2-dns", ["update.badcdn.example"], [], ["badcdn.example", "x.update.badcdn.example"]),
    ("02-bitcoin-dns", ["pool.hashrate.example"], [], ["hashrate.example"]),
    ("03-dga", ["q7xv2mzk9p1w.example"], [], ["second-q7xv2mzk9p1w.example"]),
    ("04-dns-exfiltration", [], ["tunnel.example", "48656c6c6f.chunk1.tunnel.example", "other.tunnel.example"], ["tunnelx.example"]),
    ("05-runtime-phishing", ["login.pay-portal.example"], [], ["pay-portal.example"]),
    ("06-abused-domain", [], ["tenant-42.freehost.example"], ["freehost.example", "www.tenant-42.freehost.example"]),
    ("07-api-call-domain-caller", [], [], ["autoscaling.amazonaws.com"]),
    ("08-attack-sequence", ["stage.multi-step.example"], [], ["multi-step.example"]),
]


def verdict(w, name):
    return w.json("explain", name)["verdict"]


def check_row(w, row):
    _, block, alert, free = row
    for n in block:
        w.wait_blocked(n)
        assert w.ask(n).ede == 15
    for n in alert:
        wait_until(lambda n=n: verdict(w, n) == "ALERT", 20, f"{n} alerts")
        assert w.ask(n).rcode == 0, n
    for n in free:
        assert w.ask(n).rcode == 0 and verdict(w, n) not in ("BLOCK", "ALERT"), n


def drop(w, name, data):
    """As a mover would: written aside, then renamed into the folder."""
    tmp = os.path.join(w.folder, name + ".tmp")
    with open(tmp, "wb") as f:
        f.write(data)
    os.rename(tmp, os.path.join(w.findings_dir, name))


def archived(data):
    """The same finding, closed by an operator a day later."""
    d = json.loads(data)

    def walk(o):
        for k, v in list(o.items()):
            if k.lower() == "archived":
                o[k] = True
            elif k.lower() == "updatedat":
                o[k] = "2026-06-07T08:09:10.111Z"
            elif isinstance(v, dict):
                walk(v)
            elif isinstance(v, list):
                for x in v:
                    if isinstance(x, dict):
                        walk(x)

    walk(d)
    return json.dumps(d).encode()


def sample(data):
    d = json.loads(data)
    f = d["Findings"][0]
    f["Id"] = "sample" + f["Id"][6:]
    f["Service"]["AdditionalInfo"] = {"Value": json.dumps({"sample": True}), "Type": "default"}
    f["Service"]["Action"]["DnsRequestAction"]["Domain"] = "sampled.example"
    return json.dumps(d).encode()


def world(shared, name, **kw):
    w = World(shared, name, **kw)
    w.write_config()
    return w


def test_folder_and_command(shared):
    """The eight findings, in the API's form through the command and in the event's form through the folder, each alone."""
    for form, through in (("api", "inject"), ("eventbridge", "folder"), ("api", "folder"), ("eventbridge", "inject")):
        w = world(shared, f"findings-{through}-{form}")
        ok = False
        try:
            w.start()
            for row in ROWS:
                data = fixture(f"{row[0]}.{form}.json")
                assert not any(w.blocked(n) for n in row[1])
                if through == "inject":
                    o = w.json("finding", "inject", "-", stdin=data.decode())
                    assert o["accepted"] == bool(row[1] or row[2]), (row[0], o)
                else:
                    drop(w, row[0] + ".json", data)
                    wait_until(lambda: not os.path.exists(os.path.join(w.findings_dir, row[0] + ".json")), 20, "the file is taken")
                check_row(w, row)
            if through == "folder":
                done = os.listdir(os.path.join(w.findings_dir, "done"))
                assert len(done) == len(ROWS), done
            ok = True
        finally:
            w.close(not ok)


def test_samples_repeats_withdrawal(shared):
    """A sample lists nothing; the same finding twice is one claim; an archived one takes its name back, unless another source has it; malformed ones are refused by name."""
    w = world(shared, "findings-life")
    ok = False
    try:
        w.start()
        data = fixture("01-c2-dns.api.json")
        rc, said, err = w.cli("--json", "finding", "inject", "--dry-run", "-", stdin=data.decode())
        dry = json.loads(said)
        assert rc == 0 and dry["entry"] == "update.badcdn.example" and dry["action"] == "block" and dry["list"] == "findings-block", (said, err)
        time.sleep(0.3)
        assert not w.blocked("update.badcdn.example"), "--dry-run committed"
        o = w.json("finding", "inject", "-", stdin=sample(data).decode())
        assert o["accepted"] == 0, o
        assert not w.blocked("sampled.example")
        w.json("finding", "inject", "-", stdin=data.decode())
        w.wait_blocked("update.badcdn.example")
        version = w.source_version("cli.block")
        again = w.json("finding", "inject", "-", stdin=data.decode())
        assert again["accepted"] == 0 and again["duplicate"] == 1, again
        assert w.source_version("cli.block") == version, "a repeat made a version"
        drop(w, "two.json", data)  # the same name from a second source
        wait_until(lambda: w.source_version("drop.block"), 20, "the folder's claim is committed")
        o = w.json("finding", "inject", "-", stdin=archived(data).decode())
        assert o["withdrawn"] == 1, o
        time.sleep(0.5)
        w.settle("findings-block", ["cli.block", "drop.block"])
        assert w.blocked("update.badcdn.example"), "another source still claims it"
        drop(w, "closed.json", archived(data))
        w.wait_blocked("update.badcdn.example", False)
        # an add that comes late never revives what was withdrawn
        w.json("finding", "inject", "-", stdin=data.decode())
        time.sleep(0.5)
        assert not w.blocked("update.badcdn.example"), "a withdrawn claim was revived"
        rc, _, err = w.cli("finding", "inject", "-", stdin='{"no": "finding"}')
        assert rc != 0 and "FL" in err, (rc, err)
        rc, _, err = w.cli("finding", "inject", "-", stdin="<html>")
        assert rc != 0, err
        drop(w, "broken.json", b"\x00\x01 not json")
        wait_until(lambda: not os.path.exists(os.path.join(w.findings_dir, "broken.json")), 20, "a broken file is set aside")
        w.json("finding", "inject", "-", stdin=fixture("02-bitcoin-dns.api.json").decode())
        w.wait_blocked("pool.hashrate.example")
        ok = True
    finally:
        w.close(not ok)


def test_everything_down(shared):
    """Redis and Kafka gone, enforcer killed -9 and started: it blocks what it blocked, the newest finding included. All come back, and go on."""
    w = world(shared, "findings-down")
    ok = False
    try:
        w.feed("base", format="domains", scope="subtree")
        w.write_config()
        w.http.put("/base", "".join(f"n{i}.listed.example\n" for i in range(3000)).encode())
        w.start()
        w.loaded("base")
        w.settle("malware", ["base"])
        for row in ROWS[:2]:
            w.json("finding", "inject", "-", stdin=fixture(row[0] + ".api.json").decode())
        w.wait_blocked("pool.hashrate.example")
        w.redis.kill()
        w.kafka.kill()
        w.kill("enforce")
        w.start("enforce")
        for n in ("n7.listed.example", "deep.n7.listed.example", "update.badcdn.example", "pool.hashrate.example"):
            assert w.blocked(n), f"{n} is free after kill -9 with everything down"
        assert w.ask("free.example").rcode == 0
        rc, _, _ = w.cli("status")
        assert rc == 3, f"status exits {rc} with store and bus down"
        rc, _, err = w.cli("finding", "inject", "-", stdin=fixture("03-dga.api.json").decode())
        assert rc in (69, 75), (rc, err)  # never acknowledged, since it is not durable
        w.redis.start()
        w.kafka.start()
        w.json("finding", "inject", "-", stdin=fixture("05-runtime-phishing.api.json").decode())
        w.wait_blocked("login.pay-portal.example", seconds=60)
        drop(w, "03.json", fixture("03-dga.api.json"))
        w.wait_blocked("q7xv2mzk9p1w.example", seconds=60)
        assert w.blocked("update.badcdn.example") and w.blocked("n7.listed.example")
        wait_until(lambda: w.cli("status")[0] == 0, 60, "status is well again")
        ok = True
    finally:
        if w.kafka and not w.kafka.proc.alive():
            w.kafka.start()
        w.close(not ok)

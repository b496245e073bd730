"""The life of a finding, as people and resolvers see it: blocked, dismissed, resolvable again and so over later updates; extended; expired by itself; quarantined and let in; told by ls, show,
explain and the topic audit."""
import json
import os
import time

import jsonschema

from harness import World, wait_until
from servers import ROOT

TYPE = "Backdoor:EC2/C&CActivity.B!DNS"


def finding(ident, name, day=1, archived=False, kind=TYPE):
    return json.dumps({"schemaVersion": "2.0", "id": ident, "type": kind, "severity": 8, "updatedAt": f"2026-09-{day:02d}T00:00:00Z",
                       "service": {"archived": archived, "action": {"dnsRequestAction": {"domain": name}}}})


def inject(w, *args, **kw):
    return w.json("finding", "inject", "-", stdin=finding(*args, **kw))


def rows(w, *args):
    return w.json("finding", "ls", *args)["items"]


def test_finding_life(shared):
    w = World(shared, "finding-life")
    ok = False
    try:
        w.config["protected"] = {"names": ["*.kept.example"]}
        w.write_config()
        w.start()
        dismissed(w)
        moved(w)
        extended(w)
        quarantined(w)
        sampled(w)
        refusals(w)
        audited(w)
        ok = True
    finally:
        w.close(not ok)


def dismissed(w):
    inject(w, "f-one", "bad.example")
    w.wait_blocked("bad.example")
    shown = w.json("finding", "show", "f-one")
    assert [c["state"] for c in shown["claims"]] == ["active"], shown
    claim = shown["claims"][0]
    assert claim["list"] == "findings-block" and claim["source"] == "cli.block" and claim["version"] == claim["first_version"] >= 1, claim
    assert w.json("finding", "show", claim["id"][:12])["finding"] == "f-one"
    told = w.json("explain", "bad.example")
    k = told["because"][0]["claims"][0]
    assert (k["finding"], k["type"], k["severity"]) == ("f-one", TYPE, 8.0) and k["seen"] and k["updated"] and k["expires"], k
    rc, out, err = w.cli("finding", "dismiss", "f-one", "--reason", "our own scanner")
    assert rc == 0 and "active -> dismissed" in out and "undo: fireline finding dismiss 'f-one' --undo" in out, (rc, out, err)
    w.wait_blocked("bad.example", False)
    assert w.ask("bad.example").rcode == 0
    for day, name, kind in ((2, "bad.example", TYPE), (3, "bad.example", "Impact:EC2/AbusedDomainRequest.Reputation"), (4, "other.example", TYPE)):
        o = inject(w, "f-one", name, day, kind=kind)
        assert o["duplicate"] == 1 and not o["version"] and "dismissed" in o["reason"], o
    w.settle("findings-block", ["cli.block"])
    assert not w.blocked("bad.example") and not w.blocked("other.example")
    past = w.json("explain", "bad.example")["past"]
    assert [(p["finding"], p["state"], p["reason"]) for p in past] == [("f-one", "dismissed", "our own scanner")] and past[0]["actor"] and past[0]["changed"], past
    rc, out, _ = w.cli("explain", "bad.example")
    assert rc == 0 and "f-one" in out and "dismissed" in out and "our own scanner" in out, out
    assert [r["finding"] for r in rows(w, "--state", "dismissed")] == ["f-one"]
    assert w.cli("finding", "dismiss", "f-one", "--undo", "--reason", "it is bad after all")[0] == 0
    w.wait_blocked("bad.example")


def moved(w):
    inject(w, "f-two", "first.example", 1)
    w.wait_blocked("first.example")
    o = inject(w, "f-two", "second.example", 2)
    assert (o["accepted"], o["withdrawn"]) == (1, 1), o
    w.wait_blocked("second.example")
    w.wait_blocked("first.example", False)
    inject(w, "f-two", "second.example", 3, kind="Impact:EC2/AbusedDomainRequest.Reputation")
    w.wait_blocked("second.example", False)
    wait_until(lambda: w.json("explain", "second.example")["verdict"] == "ALERT", 20, "it alerts")
    inject(w, "f-two", "second.example", 4, archived=True)
    wait_until(lambda: w.json("explain", "second.example")["verdict"] != "ALERT", 20, "it is withdrawn in the other set")
    states = {(c["name"], c["source"]): c["state"] for c in w.json("finding", "show", "f-two")["claims"]}
    assert set(states.values()) == {"withdrawn"} and len(states) == 3, states


def extended(w):
    end = time.time() + 3
    w.json("finding", "inject", "-", stdin=json.dumps({"id": "f-short", "domain": "short.example", "expires_at": end}))
    w.json("finding", "inject", "-", stdin=json.dumps({"id": "f-long", "domain": "long.example", "expires_at": end}))
    w.wait_blocked("short.example")
    rc, out, err = w.cli("finding", "extend", "f-long", "--for", "1h", "--reason", "still looking")
    assert rc == 0 and "undo: fireline finding extend 'f-long' --until" in out, (out, err)
    w.wait_blocked("short.example", False)
    assert w.blocked("long.example")
    assert w.json("finding", "show", "f-short")["claims"][0]["state"] == "expired"
    v = w.json("log", "findings-block")["items"][0]
    assert v["version"], v
    rc, out, _ = w.cli("finding", "extend", "f-long", "--for", "30m", "--reason", "enough")
    assert rc == 0 and "SHORTER" in out, out
    assert w.cli("finding", "extend", "f-short", "--for", "1h", "--reason", "too late")[0] == 1
    assert w.cli("finding", "extend", "f-long", "--permanent", "--reason", "for ever")[0] == 0
    assert w.json("finding", "show", "f-long")["claims"][0]["expires"] is None


def quarantined(w):
    o = inject(w, "arn:aws:x/y f-kept", "www.kept.example")
    assert o["refused"] == 1 and o["accepted"] == 0 and "protected" in o["reason"], o
    assert not w.blocked("www.kept.example")
    row = rows(w, "--state", "quarantined")[0]
    assert row["finding"] == "arn:aws:x/y f-kept" and "kept.example" in row["reason"], row
    rc, out, err = w.cli("finding", "approve", "arn:aws:x/y f-kept", "--reason", "it is really taken over")
    assert rc == 0 and "quarantined -> active" in out, (out, err)
    w.wait_blocked("www.kept.example")
    inject(w, "arn:aws:x/y f-kept", "www.kept.example", 2)
    w.settle("findings-block", ["cli.block"])
    assert w.blocked("www.kept.example")
    assert rows(w, "--name", "www.kept.example")[0]["state"] == "active"


def sampled(w):
    rc, text, _ = w.cli("finding", "sample", TYPE)
    assert rc == 0 and json.loads(text)["detail"]["type"] == TYPE
    o = w.json("finding", "inject", "-", stdin=text)
    assert o["accepted"] == 0 and o["refused"] == 1 and "sample" in o["reason"], o
    rc, text, _ = w.cli("finding", "sample", TYPE, "--real", "--name", "drill.example")
    assert w.json("finding", "inject", "-", stdin=text)["accepted"] == 1
    w.wait_blocked("drill.example")
    rc, _, err = w.cli("finding", "sample", "Nonsense")
    assert rc == 64 and TYPE in err, err


def refusals(w):
    assert w.cli("finding", "dismiss", "f-one")[0] == 64
    assert w.cli("finding", "dismiss", "nothing-of-this-id", "--reason", "x")[0] == 1
    assert w.cli("finding", "show", "nothing-of-this-id")[0] == 1
    assert w.cli("finding", "ls", "--state", "odd")[0] == 64
    assert w.cli("finding", "extend", "f-one", "--for", "1h", "--permanent", "--reason", "x")[0] == 64
    assert w.cli("finding", "approve", "f-one", "--reason", "x")[0] == 1
    page = w.json("finding", "ls", "--limit", "2")
    seen = [r["id"] for r in page["items"]]
    while page["next"]:
        page = w.json("finding", "ls", "--limit", "2", "--after", page["next"])
        seen += [r["id"] for r in page["items"]]
    everything = [r["id"] for r in rows(w, "--limit", "1000")]
    assert seen == everything and len(set(seen)) == len(seen) >= 7, (seen, everything)
    rc, out, err = w.cli("finding", "ls")
    assert rc == 0 and out.splitlines()[0].split() == ["CLAIM", "STATE", "NAME", "SOURCE", "SEEN", "EXPIRES", "TYPE"], out
    # without an api role ingest answers
    w.term("api")
    assert [r["id"] for r in rows(w, "--limit", "1000")] == everything
    assert w.json("finding", "show", "f-one")["finding"] == "f-one"
    assert w.cli("finding", "dismiss", "f-one", "--reason", "by ingest's own socket")[0] == 0
    w.term("ingest")
    assert w.cli("finding", "ls")[0] == 69
    w.start("ingest", "api")


def audited(w):
    assert w.cli("block", "urgent.example", "--for", "1h", "--reason", "call from the desk")[0] == 0
    w.wait_blocked("urgent.example")
    assert w.cli("hold", "malware", "--reason", "let us look")[0] in (0, 1)
    want = {"finding.inject", "finding.dismiss", "finding.restore", "finding.extend", "finding.approve", "list.add"}
    got = {}

    c = w.kafka.consumer(w.prefix + "audit")

    def read():
        for m in c:
            got[json.loads(m.value)["action"]] = (m.key.decode(), json.loads(m.value))
        return want <= set(got)

    wait_until(read, 30, "the audit topic has all decisions")
    c.close()
    with open(os.path.join(ROOT, "docs", "formats", "audit.schema.json")) as f:
        schema = jsonschema.Draft202012Validator(json.load(f))
    for key, r in got.values():
        schema.validate(r)
        assert key == r["actor"], (key, r)
    got = {k: r for k, (_, r) in got.items()}
    d = got["finding.approve"]
    assert d["object"] == "arn:aws:x/y f-kept" and d["reason"] == "it is really taken over" and d["actor"] and d["at"] and d["node"] == "ns-test", d
    assert d["results"][0]["set"] == "source/cli.block" and d["results"][0]["version"] > 0, d
    assert got["list.add"]["object"] == "operator-block: urgent.example", got["list.add"]

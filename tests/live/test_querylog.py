"""The query log, read by an independent Kafka client: every question has exactly one record, of the published schema, with the reference that the answer carried."""
import json
import os
import time

import asker
import harness
from harness import ROOT, World, wait_until


def schema():
    import jsonschema
    with open(os.path.join(ROOT, "docs", "formats", "query-log.schema.json")) as f:
        s = json.load(f)
    jsonschema.Draft202012Validator.check_schema(s)
    return jsonschema.Draft202012Validator(s, format_checker=jsonschema.FormatChecker())


def records(w, want, seconds=30):
    """All records, once `want` distinct ones are there and no more come for a moment."""
    c = w.kafka.consumer(w.prefix + "query-log")
    out, end = [], time.monotonic() + seconds
    while time.monotonic() < end and len({ident(r) for r in out}) < want:
        out.extend(json.loads(m.value) for m in c)
    out.extend(json.loads(m.value) for m in c)
    c.close()
    return out


def ident(r):
    f = r["fireline"]
    return f["enforcer"], f["boot"], f["worker"], f["seq"]


def listed_world(shared, name):
    w = World(shared, name)
    w.feed("base", format="domains", scope="subtree")
    w.config["domain_lists"] += [{"name": "watch", "entries": ["watched.example"]}, {"name": "good", "entries": ["good.listed.example"]}]
    w.config["rule_groups"][0]["rules"] += [{"name": "watch", "priority": 400, "domain_list": "watch", "action": "ALERT"},
                                            {"name": "good", "priority": 10, "domain_list": "good", "action": "ALLOW"}]
    w.config["upstreams"][0]["retries"] = 0
    w.write_config()
    w.http.put("/base", b"listed.example\nother.example\n")
    w.start()
    w.loaded("base")
    w.settle("malware", ["base"])
    w.wait_blocked("listed.example")
    wait_until(lambda: w.json("explain", "watched.example")["verdict"] == "ALERT", 20, "watch is in force")
    wait_until(lambda: w.json("explain", "good.listed.example")["verdict"] == "ALLOW", 20, "good is in force")
    return w


def check_shape(r):
    """What AWS's readers rely on, beside the schema."""
    assert r["query_name"].endswith(".") and r["query_name"] == r["query_name"].lower(), r
    assert isinstance(r["srcport"], str) and r["srcaddr"] == "127.0.0.1", r
    action = r["fireline"]["action"]
    assert ("firewall_rule_action" in r) == (action in ("ALERT", "BLOCK")), r
    if action in ("ALERT", "BLOCK"):
        assert r["firewall_rule_action"] == action and r["firewall_domain_list_id"] == r["fireline"]["list"], r


def test_one_record_a_question(shared):
    w = listed_world(shared, "qlog")
    ok = False
    try:
        n = 20_000 if harness.LONG else 3000
        names = []
        for i in range(n):
            names.append((f"q{i}.listed.example", f"q{i}.free.example", f"q{i}.other.example", f"q{i}.neutral.example")[i % 4])
        names += [f"t{i}.listed.example" for i in range(40)] + [f"t{i}.free.example" for i in range(40)]
        assert None not in w.verdicts(names[:n], window=64)
        for name in names[n:]:
            assert w.ask(name, tcp=True) is not None
        w.ask("watched.example")
        w.ask("good.listed.example")
        got = records(w, len(names) + 2)
        check = schema()
        by_name = {}
        for r in got:
            check.validate(r)
            check_shape(r)
            by_name.setdefault(r["query_name"][:-1], []).append(r)
        assert len({ident(r) for r in got}) == len(got), "a record came twice"
        missing = [x for x in names if x not in by_name]
        double = [x for x in names if len(by_name.get(x, [])) > 1]
        # a question that was asked again because its answer was lost on the way is two questions
        assert not missing and len(double) <= n // 100, (missing[:5], len(missing), double[:5])
        for x in names[n:]:
            assert by_name[x][0]["transport"] == "TCP", x
        for x in names:
            want = "BLOCK" if ".listed." in x or ".other." in x else "NONE"
            r = by_name[x][0]
            assert r["fireline"]["action"] == want and r["rcode"] == ("NXDOMAIN" if want == "BLOCK" else "NOERROR"), r
            if want == "BLOCK":
                f = r["fireline"]
                assert (f["list"], f["rule"], f["scope"], f["hop"], f["sources"]) == ("malware", "malware", "subtree", 0, ["base"]), f
                assert f["entry"] in x and f["list_version"] >= 1 and f["block_response"] == "NXDOMAIN", f
            else:
                assert r["answers"] == [{"Rdata": "192.0.2.1", "Type": "A", "Class": "IN"}], r
        assert by_name["watched.example"][0]["fireline"]["action"] == "ALERT"
        good = by_name["good.listed.example"][0]
        assert good["fireline"]["action"] == "ALLOW" and good["fireline"]["list"] == "good", good
        numbered = {}
        for r in got:
            numbered.setdefault(ident(r)[:3], []).append(ident(r)[3])
        for thread, seqs in numbered.items():
            assert sorted(seqs) == list(range(min(seqs), min(seqs) + len(seqs))), f"numbers of {thread} have a hole"
        ok = True
    finally:
        w.close(not ok)


def test_reference_is_the_same(shared):
    """The EDE's reference, the record's, and what explain says of it; a chain's block names the hop."""
    w = listed_world(shared, "qlogref")
    ok = False
    try:
        hop = "cname-" + b"evil.listed.example".hex() + ".chain.example"
        asked = {n: w.ask(n) for n in ("a.listed.example", "b.other.example", hop)}
        for n, a in asked.items():
            assert a.blocked and a.ref, (n, a.ede_text)
            assert "list=malware" in a.ede_text, a.ede_text
        got = {r["query_name"][:-1]: r for r in records(w, 4)}
        for n, a in asked.items():
            assert got[n]["fireline"]["ref"] == a.ref, n
            e = w.json("explain", a.ref)
            assert a.ref in json.dumps(e) and n in json.dumps(e), e
        assert got[hop]["fireline"]["hop"] == 1 and got[hop]["fireline"]["entry"] == "listed.example", got[hop]
        assert got["a.listed.example"]["fireline"]["hop"] == 0
        ok = True
    finally:
        w.close(not ok)


def test_records_survive_the_enforcer(shared):
    """What was answered before a kill -9 is delivered by the next start."""
    w = listed_world(shared, "qlogkill")
    ok = False
    try:
        w.kafka.proc.signal(harness.signal.SIGSTOP)  # nothing can be delivered
        names = [f"k{i}.listed.example" for i in range(500)]
        try:
            assert None not in w.verdicts(names)
            w.kill("enforce")
        finally:
            w.kafka.proc.signal(harness.signal.SIGCONT)
        w.start("enforce")
        assert w.blocked("listed.example")
        got = {r["query_name"][:-1] for r in records(w, 500)}
        missing = [n for n in names if n not in got]
        assert len(missing) <= 1, f"{len(missing)} records of the killed enforcer are lost, as {missing[:5]}"  # one a thread may be
        ok = True
    finally:
        w.close(not ok)

"""Every command of the table: its --json, its exit codes, and what it is for; demo, embedded mode, metrics."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

import asker
import harness
from harness import World, binary, wait_until
from servers import Proc, free_port

COMMANDS = ["demo", "run", "config check", "config explain", "feed ls", "feed presets", "feed show", "feed approve", "feed reject", "feed add", "feed test", "feed refresh", "feed purge", "list ls", "list show", "list names",
            "list add", "list rm", "list purge", "log", "diff", "export", "rollback", "hold", "unhold", "recover", "block", "allow", "bypass on", "bypass off", "bypass status", "policy show", "policy test", "finding inject", "explain", "status", "tail",
            "canon", "version", "help"]
METRICS = ["fireline_dns_responses_total", "fireline_policy_decisions_total", "fireline_list_published_version", "fireline_list_applied_version",
           "fireline_feed_last_success_timestamp_seconds", "fireline_outbox_records", "fireline_propagation_duration_seconds", "fireline_querylog_records_total",
           "fireline_matcher_bytes", "fireline_policy_bypass_active", "fireline_config_last_reload_successful", "fireline_build_info"]


def rich_world(shared, name):
    w = World(shared, name)
    w.feed("a", format="domains", scope="subtree")
    w.feed("b", format="hosts")
    w.config["domain_lists"].append({"name": "spare", "entries": ["spare.example"]})
    w.write_config()
    w.http.put("/a", b"one.example\ntwo.example\nparent.example\nchild.parent.example\n")
    w.http.put("/b", b"0.0.0.0 two.example\n0.0.0.0 host.example\n")
    w.start()
    w.loaded("a", "b")
    w.settle("malware", ["a", "b"])
    wait_until(lambda: w.head("list", "spare"), 20, "spare has a version")
    return w


def test_help_and_usage(shared):
    w = World(shared, "help", kafka=False, redis=False, upstream=False)
    ok = False
    try:
        rc, out, _ = w.cli("help")
        assert rc == 0
        for c in COMMANDS:
            assert c in out, c
            rc, text, err = w.cli(*c.split(), "--help")
            assert rc == 0 and "Usage:" in text, (c, rc, text, err)
        assert w.cli("nonsense")[0] == 64
        assert w.cli("list", "shw", "malware")[0] == 64
        assert w.cli("list", "show")[0] == 64
        assert w.cli("status", "--no-such-option")[0] == 64
        w.write_config()
        assert w.cli("status")[0] == 69, "no daemon"
        assert w.cli("list", "ls")[0] == 69
        assert w.cli("version")[0] == 0
        rc, out, _ = w.cli("canon", stdin="  WWW.Example.COM. \nhttps://User@Bücher.example:8443/x\n1.2.3.4\nlocalhost\nbad..name\n")
        assert rc == 0 and out.splitlines()[:2] == ["www.example.com", "xn--bcher-kva.example"], out
        assert all(l.startswith("!") for l in out.splitlines()[2:]) and len(out.splitlines()) == 5, out
        rc, out, _ = w.cli("canon", "--registrable", stdin="a.b.example.co.uk\n")
        assert out.strip() == "example.co.uk", out
        p = os.path.join(w.folder, "list.txt")
        with open(p, "w") as f:
            f.write("good.example\n1.2.3.4\nbad name here x\nwww.other.example\n")
        o = w.json("feed", "test", p, "--format", "domains", "--scope", "exact")
        assert o["names"] == 2 and o["rejected"] == 2 and not o["refused"], o
        rc, out, _ = w.cli("feed", "test", p, "--format", "domains", "--scope", "exact", "--entries")
        assert rc == 0 and "exact\tgood.example" in out, out
        rc, out, _ = w.cli("feed", "test", p, "--format", "domains", "--scope", "exact", "--rejects")
        assert rc == 0 and re.search(r"^2\taddress\t1\.2\.3\.4$", out, re.M), out
        assert w.cli("feed", "test", os.path.join(w.folder, "absent.txt"))[0] == 66
        rc, out, _ = w.cli("feed", "add", "extra", "--url", "https://x.example/l.txt", "--into", "malware", "--format", "domains", "--scope", "exact")
        assert rc == 0 and "name: extra" in out, out
        conf_d = os.path.join(w.folder, "conf.d")
        os.makedirs(conf_d)
        rc, out, err = w.cli("feed", "add", "extra", "--url", "https://x.example/l.txt", "--into", "malware", "--format", "domains", "--scope", "exact", "--write", conf_d)
        assert rc == 0 and os.path.exists(os.path.join(conf_d, "feed-extra.yaml")), err
        assert w.cli("config", "check")[0] == 0, w.cli("config", "check")
        assert w.cli("feed", "add", "extra", "--path", "/x", "--scope", "exact", "--into", "malware", "--write", conf_d)[0] == 73
        ok = True
    finally:
        w.close(not ok)


def test_reading_commands(shared):
    w = rich_world(shared, "reading")
    ok = False
    try:
        feeds = {f["feed"]: f for f in w.json("feed", "ls")["items"]}
        assert feeds["a"]["names"] == 4 and feeds["b"]["names"] == 2
        lists = {l["list"]: l for l in w.json("list", "ls")["items"]}
        assert {"malware", "spare", "operator-allow", "operator-block", "findings-block", "findings-alert"} <= set(lists)
        show = w.json("list", "show", "malware")
        assert {i["source"] for i in show["inputs"]} >= {"a", "b"} and len(show["chain"]) == 64, show
        names = w.json("list", "names", "malware")["items"]
        assert {(n["name"], n["scope"], n["source"]) for n in names} == {
            ("one.example", "subtree", "a"), ("two.example", "subtree", "a"), ("parent.example", "subtree", "a"), ("child.parent.example", "subtree", "a"),
            ("two.example", "exact", "b"), ("host.example", "exact", "b")}, names
        assert [n["name"] for n in w.json("list", "names", "malware", "--grep", "host")["items"]] == ["host.example"]
        first = show["version"]
        w.http.put("/a", b"one.example\nchild.parent.example\nthree.example\n")
        w.refresh("a")
        w.settle("malware", ["a"])
        log = w.json("log", "malware")["items"]
        assert log[0]["version"] > first and log[0]["cause"] and [v["version"] for v in log] == sorted((v["version"] for v in log), reverse=True)
        assert len(w.json("log", "malware", "-n", "1")["items"]) == 1
        d = {(c["op"], c["name"]) for c in w.json("diff", "malware")["items"]}
        assert d == {("remove", "two.example"), ("remove", "parent.example"), ("add", "three.example")}, d
        assert w.cli("diff", "malware", f"{first}..{first}", "--exit-code")[0] == 0
        assert w.cli("diff", "malware", f"{first}..{log[0]['version']}", "--exit-code")[0] == 20
        back = {(c["op"], c["name"]) for c in w.json("diff", "malware", f"{log[0]['version']}..{first}")["items"]}
        assert back == {("add", "two.example"), ("add", "parent.example"), ("remove", "three.example")}, back
        assert len(w.json("list", "names", f"malware@{first}")["items"]) == 6, "an older version is readable"
        assert w.cli("list", "show", "malware@999999")[0] == 1
        assert w.cli("list", "show", "nowhere")[0] in (1, 66)
        # an ancestor left by delta: the child is blocked still; the hosts feed still has two.example
        w.wait_blocked("three.example")
        assert w.blocked("x.child.parent.example") and not w.blocked("parent.example") and w.blocked("two.example") and not w.blocked("x.two.example")
        e = w.json("explain", "x.child.parent.example")
        assert e["verdict"] == "BLOCK" and e["matched"]["entry"] == "child.parent.example" and e["matched"]["scope"] == "subtree", e
        assert e["rule"]["list"] == "malware" and e["rule"]["list_version"] == log[0]["version"], e
        assert [(b["source"], bool(b["since"])) for b in e["because"]] == [("a", True)], e
        assert w.cli("explain", "x.child.parent.example", "--exit-code")[0] == 10
        assert w.cli("explain", "free.example", "--exit-code")[0] == 0
        assert w.cli("explain", "bad..name")[0] == 64
        assert w.cli("explain", "aaaaaaaa")[0] in (1, 66), "no such reference"
        rc, out, _ = w.cli("status")
        assert rc == 0, out
        assert w.json("status")["roles"]["enforce"]["role"] == "enforce"
        tail = Proc([w.exe, "-c", w.config_path, "--json", "tail", "--action", "BLOCK", "-n", "2"], os.path.join(w.folder, "tail.log"))
        try:
            end = time.monotonic() + 20
            while tail.alive() and time.monotonic() < end:
                w.ask("free.example")
                w.ask("one.example")
                time.sleep(0.1)
            assert not tail.alive(), "tail -n 2 does not end"
        finally:
            if tail.alive():
                tail.kill()
        with open(tail.log) as f:
            rows = [json.loads(l) for l in f if l.strip()]
        assert len(rows) == 2 and all(r["query_name"] == "one.example." for r in rows), rows
        ok = True
    finally:
        w.close(not ok)


def test_changing_commands(shared):
    w = rich_world(shared, "changing")
    ok = False
    try:
        # block and allow stand before all rules, with an expiry or an explicit --permanent
        assert w.cli("block", "now.example")[0] == 64, "neither --for nor --permanent"
        w.json("block", "now.example", "--for", "1h", "--reason", "incident 7")
        w.wait_blocked("now.example")
        e = w.json("explain", "now.example")
        assert e["rule"]["list"] == "operator-block" and "incident 7" in json.dumps(e), e
        w.json("allow", "one.example", "--permanent", "--reason", "false positive")
        w.wait_blocked("one.example", False)
        assert w.json("explain", "one.example")["verdict"] == "ALLOW"
        w.json("allow", "one.example", "--remove")
        w.wait_blocked("one.example")
        w.json("block", "short.example", "--for", "2s", "--reason", "soon over")
        w.wait_blocked("short.example")
        w.wait_blocked("short.example", False, seconds=30)
        w.json("list", "add", "malware", "*.added.example", "plain.example", "--reason", "by hand")
        w.wait_blocked("x.added.example")
        assert w.blocked("plain.example") and not w.blocked("added.example") and not w.blocked("x.plain.example")
        w.json("list", "rm", "malware", "plain.example")
        w.wait_blocked("plain.example", False)
        assert w.cli("list", "add", "malware", "bad..name")[0] in (64, 66)
        assert w.cli("list", "add", "nowhere", "x.example")[0] != 0
        # rollback is a new version; the feeds stay pinned until unhold, operator entries stay
        good = w.settle("malware", ["a", "b", "malware.operator"])
        w.http.put("/a", b"one.example\ntwo.example\nparent.example\nchild.parent.example\noutage.example\n")
        w.refresh("a")
        w.wait_blocked("outage.example")
        dry = w.json("rollback", "malware", "--to", str(good), "--dry-run")
        assert dry["dry_run"] and dry["would_remove"] == 1, dry
        assert w.blocked("outage.example")
        o = w.json("rollback", "malware", "--to", str(good), "--reason", "payroll outage")
        w.wait_blocked("outage.example", False)
        assert o["version"]["version"] > good and w.json("log", "malware", "-n", "1")["items"][0]["cause"] == "rollback"
        assert w.blocked("x.added.example")
        w.http.put("/a", b"one.example\noutage.example\noutage2.example\ntwo.example\nparent.example\nchild.parent.example\n")
        w.refresh("a")
        time.sleep(2)
        assert not w.blocked("outage.example") and not w.blocked("outage2.example"), "the pinned feed moved the list"
        w.json("unhold", "malware")
        w.wait_blocked("outage2.example")
        w.json("hold", "malware", "--reason", "freeze")
        w.http.put("/a", b"one.example\ntwo.example\nparent.example\nchild.parent.example\nfrozen.example\n")
        w.refresh("a")
        time.sleep(2)
        assert not w.blocked("frozen.example")
        w.json("unhold", "malware")
        w.wait_blocked("frozen.example")
        assert w.cli("rollback", "malware", "--to", "99999")[0] != 0
        assert w.cli("recover", "malware")[0] == 64, "a decision without a terminal needs --yes"
        ok = True
    finally:
        w.close(not ok)


def lists_world(shared):
    """Ingest and api over a real store; a is in all of b's list, c feeds another."""
    w = World(shared, "feeds", kafka=False, upstream=False)
    w.config["domain_lists"].append({"name": "other"})
    w.config["protected"] = {"names": ["*.bank.example"]}
    key = os.path.join(w.folder, "key")
    with open(key, "w") as f:
        f.write("hunter2\n")
    w.feed("a", format="domains", scope="exact", licence="CC0-1.0", min_names=2, headers_file={"Auth-Key": key})
    w.feed("b", format="hosts")
    w.feed("c", format="domains", scope="subtree", into="other")
    w.write_config()
    w.http.put("/a", b"one.example\ntwo.example\nthree.example\nfour.example\n")
    w.http.put("/b", b"0.0.0.0 two.example\n0.0.0.0 host.example\n")
    w.http.put("/c", b"three.example\nonly.example\n")
    return w


def test_feed_show(shared):
    """What a feed is now, its versions, and what it has that no other has."""
    w = lists_world(shared)
    ok = False
    try:
        w.start("ingest", "api")
        w.loaded("a", "b", "c")
        w.http.put("/a", b"one.example\ntwo.example\nthree.example\nfive.example\nsix.example\n")
        w.refresh("a")
        o = w.json("feed", "show", "a")
        assert [(v["version"], v["added"], v["removed"], v["names"]) for v in o["history"]] == [(2, 2, 1, 5), (1, 4, 0, 4)], o["history"]
        assert all(v["cause"] and v["at"] for v in o["history"]), o["history"]
        assert o["overlap"]["complete"] and o["overlap"]["unique"] == 4, o["overlap"]  # all but two: c is of another list
        assert {(x["source"], x["shared"], x["names"]) for x in o["overlap"]["with"] if x["kind"] == "feed"} == {("b", 1, 2), ("c", 1, 2)}, o["overlap"]
        rc, out, _ = w.cli("feed", "show", "a", "-n", "1")
        assert rc == 0 and re.search(r"^  history +@2 .* \+2 +-1 +5 names", out, re.M) and "@1 " not in out, out
        assert re.search(r"^  unique +4 of 5 names \(80\.0 %\) are in no other source of malware$", out, re.M), out
        assert re.search(r"^  overlap +c +1 \(20\.0 %\) of its 2 names +-> other$", out, re.M), out
        assert w.cli("feed", "show", "nowhere")[0] == 1
        w.term("api")  # what it is now stays readable from the role itself; the rest says why it is not known
        rc, out, _ = w.cli("feed", "show", "a")
        assert rc == 0 and out.startswith("a -> malware") and "overlap    not known: no answer" in out, (rc, out)
        ok = True
    finally:
        w.close(not ok)


def test_feed_test(shared):
    """What would come of a body, in a deployment and without one."""
    w = lists_world(shared)
    ok = False
    try:
        body = b"one.example\nhost.example\nonly.example\nnew.example\nlogin.bank.example\n1.2.3.4\nbad name\n5.6.7.8\n"
        w.http.put("/new", body)
        new = ["feed", "test", w.http.url("/new"), "--allow-private", "--format", "domains", "--scope", "exact"]
        o = w.json(*new)
        assert not o["overlap"]["known"] and "no answer" in o["overlap"]["why"] and o["guard"]["verdict"] == "take", o
        w.start("ingest", "api")
        w.loaded("a", "b", "c")
        o = w.json(*new)
        assert o["names"] == 5 and o["feed"] is None, o
        assert {(r["reason"], r["count"], r["first"][0]["line"]) for r in o["rejects"]} == {("address", 2, 6), ("extra_fields", 1, 7)}, o["rejects"]
        assert o["protected"]["hits"] == 1 and o["protected"]["entries"][0]["entry"] == "login.bank.example", o["protected"]
        assert o["overlap"]["known"] and o["overlap"]["new"] == 1, o["overlap"]
        assert {(f["feed"], f["shared"]) for f in o["overlap"]["feeds"]} == {("a", 1), ("b", 1), ("c", 1)}, o["overlap"]
        assert o["guard"]["against"] == "" and o["guard"]["after"] == 4, o["guard"]
        rc, out, _ = w.cli(*new)
        assert rc == 0 and "line 6: 1.2.3.4" in out and "line 8: 5.6.7.8" in out and "adds 1 names that no other feed has" in out, out
        # the URL of a configured feed, or --feed: judged as its next version, by its own settings
        w.http.put("/a", b"one.example\ntwo.example\nnine.example\n")
        o = w.json("feed", "test", w.http.url("/a"))
        assert w.http.headers["/a"].get("Auth-Key") == "hunter2"
        w.cli(*new, "--feed", "a")
        assert "Auth-Key" not in w.http.headers["/new"], "a feed's key goes to its own URL alone"
        assert o["feed"] == "a" and o["licence"] == "CC0-1.0" and o["scope"] == "exact", o
        assert (o["guard"]["verdict"], o["guard"]["before"], o["guard"]["added"], o["guard"]["removed"]) == ("take", 4, 1, 2), o["guard"]
        assert {f["feed"] for f in o["overlap"]["feeds"]} == {"b", "c"}, "not against itself"
        p = os.path.join(w.folder, "next.txt")
        with open(p, "w") as f:
            f.write("one.example\n")
        o = w.json("feed", "test", p, "--feed", "a", code=1)
        assert o["refused"] and o["guard"]["verdict"] == "refused" and "min_names 2" in o["guard"]["reason"], o
        assert w.cli("feed", "test", p, "--feed", "nowhere")[0] == 64
        big = [f"n{i:04}.example" for i in range(3000)]
        w.http.put("/a", "\n".join(big).encode())
        w.refresh("a")
        w.post("ingest", "/v1/feeds/a/approve", {"names": []})
        with open(p, "w") as f:
            f.write("\n".join(big[:1500]))
        wait_until(lambda: w.feed_status("a")["names"] == 3000, 20, "the large version is accepted")
        o = w.json("feed", "test", p, "--feed", "a", code=2)
        assert o["guard"]["verdict"] == "held" and o["guard"]["removed"] == 1500 and "1500 of 3000" in o["guard"]["reason"], o["guard"]
        # filters: a line an entry and group of bits, or a refusal
        rc, out, _ = w.cli("feed", "test", "-", "--format", "adblock", "--entries", stdin="||x.example^\n@@|x.example^\n||*.y.example^\n@@||z.example^\n|v.example^\n")
        assert rc == 0 and out.splitlines() == ["exact\tv.example", "subdomains\tx.example", "except-exact\tx.example", "subdomains\ty.example",
                                                "except-subtree\tz.example"], out
        rc, out, _ = w.cli("feed", "test", "-", "--format", "domains", "--scope", "exact", "--rejects", stdin="a.example\n\x1b[31m?\n??\n1.2.3.4\n")
        assert rc == 1 and out.splitlines() == ["2\tpattern\t?[31m?", "3\tpattern\t??", "4\taddress\t1.2.3.4"], (rc, out)
        rows = [json.loads(l) for l in w.cli("--json", "feed", "test", p, "--format", "domains", "--scope", "subtree", "--entries")[1].splitlines()]
        assert len(rows) == 1500 and rows[0] == {"scope": "subtree", "name": "n0000.example"}, rows[:2]
        ok = True
    finally:
        w.close(not ok)


def test_presets(shared):
    """The catalogue, and a feed by preset whose own keys stand above it."""
    w = World(shared, "presets", kafka=False, redis=False, upstream=False)
    ok = False
    try:
        rows = {p["preset"]: p for p in w.json("feed", "presets")["items"]}
        assert len(rows) >= 30 and all(p["licence"] and p["every"] and p["url"].startswith("https://") and p["min_names"] > 0 for p in rows.values())
        assert not any(p["default"] for p in rows.values() if p["terms"] in ("non-commercial", "key", "unclear")), "none whose terms forbid it is on"
        w.config["domain_lists"].append({"name": "tracking"})
        w.write_config()
        conf_d = os.path.join(w.folder, "conf.d")
        os.makedirs(conf_d)
        for name, p in rows.items():
            rc, out, err = w.cli("feed", "add", name, "--preset", name, "--write", conf_d)
            assert rc == (0 if p["readable"] else 1), (name, rc, err)
            path = os.path.join(conf_d, f"feed-{name}.yaml")
            text = open(path).read()
            if "KEY" in p["url"]:  # a key of one's own stands there, or the check says so
                with open(path, "w") as f:
                    f.write(text.replace("KEY/", "k123/").replace("=KEY", "=k123"))
        w.config["domain_lists"].append({"name": "policy"})
        w.write_config()
        rc, out, err = w.cli("config", "check")
        assert rc == 0, err
        ok = True
    finally:
        w.close(not ok)


def keys(w, pattern):
    return w.redis.client().call("KEYS", pattern)


def test_purge(shared):
    """What the configuration no longer names is an orphan; a purge leaves a deleting version's head and nothing else."""
    w = rich_world(shared, "purge")
    ok = False
    try:
        assert w.cli("list", "purge", "malware", "--yes")[0] != 0, "a configured list is not purged"
        w.config["feeds"] = [f for f in w.config["feeds"] if f["name"] != "b"]
        w.config["domain_lists"] = [l for l in w.config["domain_lists"] if l["name"] != "spare"]
        w.write_config()
        w.hup()
        wait_until(lambda: {"spare"} <= set(w.json("status", code=w.cli("status")[0])["orphans"]["lists"]), 20, "spare is an orphan")
        w.wait_blocked("host.example", False)
        assert w.cli("list", "purge", "spare")[0] == 64, "without --yes and a terminal"
        w.json("list", "purge", "spare", "--yes", "--reason", "not wanted")
        for name in ("b", "spare.config", "spare.operator"):
            if w.head("source", name):
                w.json("feed", "purge", name, "--yes")
        for base in ("source/b", "list/spare", "source/spare.config"):
            left = {k.decode().split(":", 2)[2] for k in keys(w, f"{{fl}}:{base}:*")}
            if "outbox" in left:  # the deletion's event is sent; an empty stream may stay
                wait_until(lambda base=base: w.redis.client().call("XLEN", f"{{fl}}:{base}:outbox") == 0, 10, "the deletion is sent")
                left.remove("outbox")
            left.discard("lease")
            versions = {k.split(":")[1] for k in left if k.startswith(("v:", "d:", "k:"))}  # the deleting version reads alone
            heads = {k for k in left if k in ("head", "lineage") or k.startswith(("v:", "d:", "k:"))}
            assert left <= heads and len(versions) <= 1, (base, left)
        wait_until(lambda: w.json("status", code=w.cli("status")[0])["orphans"] == {"lists": [], "sources": []}, 20, "no orphans are left")
        assert w.blocked("one.example")
        ok = True
    finally:
        w.close(not ok)


def test_metrics(shared):
    w = rich_world(shared, "metrics")
    ok = False
    try:
        for n in ("one.example", "free.example"):
            w.ask(n)

        def text():
            with urllib.request.urlopen(f"http://127.0.0.1:{w.metrics_port}/metrics", timeout=10) as r:
                return r.read().decode()

        t = wait_until(text, 10, "metrics")
        for m in METRICS:
            assert re.search(rf"^# TYPE {m} ", t, re.M) and re.search(rf"^{m}(_bucket|_sum)?(\{{[^}}]*\}})? [0-9.e+-]+$", t, re.M), m
        assert re.search(r'fireline_list_applied_version\{domain_list="malware"\} %d$' % w.applied("malware"), t, re.M), t
        assert re.search(r'^fireline_policy_decisions_total\{[^}]*action="BLOCK"[^}]*\} [1-9]', t, re.M)
        types = re.findall(r"^# TYPE (\S+) ", t, re.M)
        assert len(types) == len(set(types)), "a family stands twice"
        for line in t.splitlines():
            assert line.startswith("#") or re.match(r'^[a-z_]+(\{([a-z_]+="[^"\n]*",?)*\})? (NaN|[+-]?Inf|[0-9.e+-]+)$', line), line
        ok = True
    finally:
        w.close(not ok)


def test_demo_once(shared):
    """demo --once proves itself, keeps its records, and leaves nothing behind."""
    folder = tempfile.mkdtemp(prefix="fireline-demo-test-")
    try:
        log = os.path.join(folder, "records.ndjson")
        before = {f for f in os.listdir("/tmp") if f.startswith("fireline-once-")}
        r = subprocess.run([binary(), "demo", "--once", "--query-log", log], capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
        assert r.returncode == 0 and "all proven" in r.stdout, (r.returncode, r.stdout, r.stderr[-1500:])
        with open(log) as f:
            rows = [json.loads(l) for l in f]
        assert sorted(x["fireline"]["action"] for x in rows) == ["BLOCK", "BLOCK", "NONE"], rows
        assert {f for f in os.listdir("/tmp") if f.startswith("fireline-once-")} == before, "a folder is left behind"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def port_is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", port))
    return True


def test_embedded_survives_restart(shared):
    """run --embedded: one process tree; a block stays after SIGTERM and start, and after kill -9 of the parent; the local query log is there."""
    w = World(shared, "embedded", kafka=False, redis=False)
    ok = False
    try:
        w.write_config()

        def start():
            w.procs["parent"] = Proc([w.exe, "run", "--embedded", "-c", w.config_path], w.log_path("parent"))
            wait_until(lambda: w.get("enforce", "/v1/status") and w.get("ingest", "/v1/status") and w.get("api", "/v1/status"), 40, "embedded answers")

        start()
        w.json("block", "kept.example", "--permanent", "--reason", "test")
        w.wait_blocked("kept.example")
        assert w.term("parent") == 0
        start()
        w.wait_blocked("kept.example", seconds=30)
        w.json("finding", "inject", "-", stdin=harness.fixture("01-c2-dns.api.json").decode())
        w.wait_blocked("update.badcdn.example")
        w.kill("parent")
        wait_until(lambda: port_is_free(w.port), 20, "the children end with their parent")
        start()
        for n in ("kept.example", "update.badcdn.example"):
            w.wait_blocked(n, seconds=30)
        path = os.path.join(w.state, "query.jsonl")
        wait_until(lambda: os.path.getsize(path) > 0, 10, "the local query log is written")
        # a role killed under the parent comes back, and the socket never closes
        pid = next(int(l.split()[1]) for l in subprocess.run(["ps", "-o", "ppid=,pid=,args="] + ["-e"], capture_output=True, text=True).stdout.splitlines()
                   if l.split()[0] == str(w.procs["parent"].pid) and "--role enforce" in l)
        os.kill(pid, 9)
        assert w.ask("kept.example", timeout=10, tries=1).blocked, "the question waited in the socket"
        assert w.term("parent") == 0
        ok = True
    finally:
        w.close(not ok)

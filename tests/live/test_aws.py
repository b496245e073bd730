"""Findings from SQS and GuardDuty: our signed calls against doubles that check the signature; nothing is lost and nothing claimed twice when ingest is killed again and again."""
import contextlib
import hashlib
import json
import os
import random
import time

import aws_double
import harness
from harness import World, fixture, wait_until

FINDINGS = 5000 if harness.LONG else 400
KILLS = 25 if harness.LONG else 5


def finding(i, name):
    d = json.loads(fixture("01-c2-dns.eventbridge.json"))
    d["detail"]["id"] = hashlib.md5(str(i).encode()).hexdigest()
    d["detail"]["service"]["action"]["dnsRequestAction"]["domain"] = name
    return json.dumps(d)


def keys_file(w, key, secret, name="aws"):
    path = os.path.join(w.folder, name)
    with open(path + ".tmp", "w") as f:
        f.write(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    os.rename(path + ".tmp", path)
    return path


def source(w, queue, moto, keys, **kw):
    s = {"name": "gd-queue", "type": "sqs", "queue_url": queue, "region": aws_double.REGION, "endpoint": moto.url, "wait": "2s", "visibility": "10s",
         "credentials_file": keys_file(w, *keys)}
    s.update(kw)
    w.config["findings"]["sources"].append(s)
    return s


def state(w, name="gd-queue"):
    return next(s for s in w.get("ingest", "/v1/status")["sources"] if s["name"] == name)


def waits(sqs, queue):
    a = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])["Attributes"]
    return sum(map(int, a.values()))


def send(sqs, queue, bodies):
    """The ids of the messages, in this order."""
    ids = []
    for at in range(0, len(bodies), 10):
        r = sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": b} for i, b in enumerate(bodies[at:at + 10])])
        assert not r.get("Failed"), r
        ids += [e["MessageId"] for e in sorted(r["Successful"], key=lambda e: int(e["Id"]))]
    return ids


def stored(w, name):
    """Names of the source's newest version, and how often a version added one, in all."""
    import redis_reader
    r = w.redis.client()
    src = redis_reader.Source(r, name)
    newest = w.source_version(name)
    return {redis_reader.name_of(k) for k in src.entries(newest)}, sum(int(src.version(n)["added"]) for n in range(1, newest + 1))


def claims(w, name):
    r, n, cursor = w.redis.client(), 0, "0"
    while True:
        cursor, keys = r.call("SCAN", cursor, "MATCH", f"{{fl}}:source/{name}:claim:*", "COUNT", 10000)
        n += len(keys)
        if cursor in (b"0", "0"):
            return n


def test_killed_and_killed(shared):
    """5,000 findings (quick: 400), ingest ended by kill -9 at random moments: all are claims, each once, and the queue is empty."""
    w = World(shared, "aws-kill", upstream=False)
    ok = False
    try:
        moto = w._part(aws_double.Moto(w.folder))
        queue = moto.queue("findings")
        keys = moto.user("fireline", "sqs:*")
        moto.lock()
        source(w, queue, moto, keys)
        w.write_config()
        names = [f"n{i}.bad{i % 97}.example" for i in range(FINDINGS)]
        sqs = aws_double.client("sqs", moto.url, *keys)
        w.start("ingest", "publish")
        rng = random.Random(harness.now())
        bodies = [finding(i, n) for i, n in enumerate(names)]
        part, ids = len(bodies) // KILLS + 1, []
        for at in range(0, len(bodies), part):  # sent while ingest dies
            ids += send(sqs, queue, bodies[at:at + part])
            time.sleep(rng.uniform(0, 0.7))
            w.kill("ingest")
            w.start("ingest")
        wait_until(lambda: waits(sqs, queue) == 0, 600, "the queue is empty", every=0.5)
        assert moto.deleted() == set(ids), f"{len(set(ids) - moto.deleted())} messages left the queue without being deleted"
        held, added = stored(w, "gd-queue.block")
        assert held == set(names), (len(held), len(names), sorted(set(names) - held)[:5])
        assert added == len(names), f"{added} additions of {len(names)} names"
        assert claims(w, "gd-queue.block") == len(names)
        s = wait_until(lambda: (lambda v: v if v["state"] == "ok" and v["in_flight"] == 0 else None)(state(w)), 30, "the source is well")
        assert not s["reason"] and s["credentials"].startswith("profile default"), s
        ok = True
    finally:
        w.close(not ok)


def test_states(shared):
    """A wrong secret, an unknown key, a user without permission, a queue that is not there: each is said, and ends when it is mended, without a restart."""
    w = World(shared, "aws-states", upstream=False)
    ok = False
    try:
        moto = w._part(aws_double.Moto(w.folder))
        queue = moto.queue("findings")
        key, secret = moto.user("fireline", "sqs:*")
        nobody = moto.user("nobody")
        moto.lock()
        s = source(w, queue, moto, (key, "wrong" + secret))
        w.write_config()
        sqs = aws_double.client("sqs", moto.url, key, secret)
        send(sqs, queue, [finding(1, "one.bad.example")])
        w.start()

        def said(*words):
            return wait_until(lambda: (lambda v: v if v["state"] == "failed" and all(x in v["reason"] for x in words) else None)(state(w)), 60, f"it says {words}: {state(w)}")

        v = said("signature does not fit", "SignatureDoesNotMatch")
        assert secret not in json.dumps(v)
        rc, out, _ = w.cli("status")
        assert rc == 3 and "sqs source gd-queue failed: the signature does not fit" in out, (rc, out)
        keys_file(w, "AKIAUNKNOWN000000000", secret)
        said("does not know this access key")
        keys_file(w, *nobody)
        said("not permitted")
        keys_file(w, key, secret)
        w.wait_blocked("one.bad.example", seconds=90)
        wait_until(lambda: state(w)["state"] == "ok" and waits(sqs, queue) == 0, 30, "it is well")
        s["queue_url"] = queue + "-absent"
        w.write_config()
        w.hup("ingest")
        said("no such queue")
        s["queue_url"] = queue
        w.write_config()
        w.hup("ingest")
        wait_until(lambda: state(w)["state"] == "ok", 30, "it is well again")
        assert secret not in w.log("ingest")
        metrics = w.request("ingest", "GET", "/metrics")[1].decode()
        assert 'fireline_findings_aws_up{source="gd-queue"} 1' in metrics, metrics[-2000:]
        ok = True
    finally:
        w.close(not ok)


def test_poison_and_stop(shared):
    """What cannot be read goes to dead-letter after its receives and leaves the queue; a stop gives back what is held at once."""
    w = World(shared, "aws-poison", upstream=False)
    ok = False
    try:
        moto = w._part(aws_double.Moto(w.folder))
        queue = moto.queue("findings")
        keys = moto.user("fireline", "sqs:*")
        moto.lock()
        source(w, queue, moto, keys, max_receives=2, visibility="10s")
        w.write_config()
        sqs = aws_double.client("sqs", moto.url, *keys)
        send(sqs, queue, ["<html>no finding", finding(1, "one.bad.example")])
        w.start()
        w.wait_blocked("one.bad.example")
        wait_until(lambda: waits(sqs, queue) == 0, 60, "the queue is empty")
        c = w.kafka.consumer(w.prefix + "dead-letter")
        m = wait_until(lambda: next(iter(c), None), 30, "a dead letter")
        assert m.value == b"<html>no finding" and m.key == b"gd-queue", m
        h = dict(m.headers)
        assert h["origin"].startswith(queue.encode()) and h["reason"], h
        v = state(w)
        assert v["set_aside"] == 1 and v["unreadable"] == 2, v
        # without the store nothing is taken; the stop gives it back
        w.redis.kill()
        send(sqs, queue, [finding(2, "two.bad.example")])
        wait_until(lambda: state(w)["in_flight"] == 1, 30, "the message is held")
        assert w.term("ingest") == 0, w.log("ingest")[-800:]
        a = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
        assert a["ApproximateNumberOfMessages"] == "1", a
        w.redis.start()
        w.start("ingest")
        w.wait_blocked("two.bad.example", seconds=60)
        ok = True
    finally:
        w.close(not ok)


@contextlib.contextmanager
def environment(**kw):
    before = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("AWS_")}
    home = os.environ.get("HOME")
    os.environ.update(kw)
    try:
        yield
    finally:
        for k in kw:
            os.environ.pop(k, None)
        os.environ.update(before)
        if home is not None:
            os.environ["HOME"] = home


def api_finding(i, name, at, is_archived=False):
    f = json.loads(fixture("01-c2-dns.api.json"))["Findings"][0]
    f["Id"] = hashlib.md5(str(i).encode()).hexdigest()
    f["UpdatedAt"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"
    f["Service"]["Action"]["DnsRequestAction"]["Domain"] = name
    f["Service"]["Archived"] = is_archived
    return f


def test_guardduty_and_the_machines_role(shared):
    """Findings by polling, signed with a machine's temporary keys: pages, archived ones, keys that expire, ingest killed between."""
    w = World(shared, "aws-guardduty")
    ok = False
    try:
        d = w._part(aws_double.Double())
        w.config["findings"]["sources"].append({"name": "gd-api", "type": "guardduty", "detector_id": "aa11", "region": aws_double.REGION, "endpoint": d.url, "every": "1s"})
        w.write_config()
        n, t = 230, time.time() - 5000
        for i in range(n):
            f = api_finding(i, f"g{i}.bad.example", t + i)
            d.findings[f["Id"]] = f
        with environment(AWS_EC2_METADATA_SERVICE_ENDPOINT=d.url, HOME=w.folder):
            w.start("ingest")
            time.sleep(random.uniform(0, 0.5))
            w.kill("ingest")
            w.start()
            wait_until(lambda: state(w, "gd-api")["state"] == "ok", 60, "the first round")
            held, added = stored(w, "gd-api.block")
            assert held == {f"g{i}.bad.example" for i in range(n)} and added == n, (len(held), added)
            w.wait_blocked("g7.bad.example")
            # archived: it withdraws
            f = api_finding(7, "g7.bad.example", time.time(), True)
            d.findings[f["Id"]] = f
            w.wait_blocked("g7.bad.example", False, seconds=30)
            # the keys end: new ones are asked for, and all goes on
            handed = d.handed
            d.valid_from = handed + 1
            f = api_finding("new", "new.bad.example", time.time())
            d.findings[f["Id"]] = f
            w.wait_blocked("new.bad.example", seconds=30)
            assert d.handed == handed + 1 and d.refused == 1, (d.handed, handed, d.refused)
            # those of the machine have all ended: that is said
            d.valid_from = 1 << 30
            v = wait_until(lambda: (lambda s: s if s["state"] == "failed" else None)(state(w, "gd-api")), 30, "it says so")
            assert "credentials have expired" in v["reason"] and "role fireline-ingest" in v["reason"], v
            rc, out, _ = w.cli("status")
            assert rc == 3 and "guardduty source gd-api failed: the credentials have expired" in out, out
            d.valid_from = 1
            wait_until(lambda: state(w, "gd-api")["state"] == "ok", 90, "it is well again")
            assert d.signed > 10 and "secret/" not in w.log("ingest") and "token/" not in w.log("ingest")
            # the position outlives the process: what is old is not asked for again
            w.kill("ingest")
            w.start("ingest")
            wait_until(lambda: state(w, "gd-api")["state"] == "ok", 60, "it is well after a restart")
            assert state(w, "gd-api")["received"] < n, state(w, "gd-api")
        ok = True
    finally:
        w.close(not ok)

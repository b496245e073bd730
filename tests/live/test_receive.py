"""Findings that other systems send: webhooks and a Kafka topic. Nobody hears 202, and no offset is committed, before it is durable; nothing is lost, nothing is taken twice."""
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import time

from harness import ROOT, World, fixture, free_port, wait_until

SECRET = "a secret of the live tier"
PATH = "/v1/findings/soar"


def webhook_world(shared, name, **webhook):
    w = World(shared, name)
    w.secret = os.path.join(w.folder, "secret")
    with open(w.secret, "w") as f:
        f.write(SECRET + "\n")
    w.hook_port = free_port()
    w.config["findings"]["webhook"] = {"address": f"127.0.0.1:{w.hook_port}", **webhook}
    w.config["findings"]["sources"].append({"name": "soar", "type": "webhook", "path": PATH, "hmac_secret_file": w.secret})
    w.write_config()
    return w


def sign(body, secret=SECRET):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(w, body, path=PATH, headers=None, context=None, timeout=40):
    """(status, headers, document)"""
    if context:
        c = http.client.HTTPSConnection("127.0.0.1", w.hook_port, timeout=timeout, context=context)
    else:
        c = http.client.HTTPConnection("127.0.0.1", w.hook_port, timeout=timeout)
    try:
        c.request("POST", path, body, headers if headers is not None else {"X-Fireline-Signature": sign(body)})
        r = c.getresponse()
        return r.status, r.headers, json.loads(r.read())
    finally:
        c.close()


def plain(i, domain=None):
    return json.dumps({"id": f"case-{i}", "domain": domain or f"n{i}.received.example", "severity": 8, "type": "soc", "updated_at": "2026-06-07T08:09:10Z"}).encode()


def claims(w, source):
    return w.redis.client().call("KEYS", f"{{fl}}:source/{source}:claim:*")


def source(w, name):
    return next(s for s in w.get("ingest", "/v1/status")["sources"] if s["name"] == name)


def added(w, name):
    """Names added by all versions of a source: more than its claims would be a name taken twice."""
    r, n = w.redis.client(), 0
    for v in range(1, w.source_version(name) + 1):
        n += int(r.hash(f"{{fl}}:source/{name}:v:{v}").get("added", 0))
    return n


def test_webhook(shared):
    """A signed finding is 202 and blocked on the wire; what is not signed, not known or not JSON is told so and changes nothing."""
    w = webhook_world(shared, "receive-webhook")
    ok = False
    try:
        w.start()
        data = fixture("01-c2-dns.eventbridge.json")
        assert not w.blocked("update.badcdn.example")
        status, _, o = post(w, data)
        assert status == 202 and o["accepted"] == 1 and o["findings"] == 1, (status, o)
        w.wait_blocked("update.badcdn.example")
        version = w.source_version("soar.block")
        status, _, o = post(w, data, headers={"X-Hub-Signature-256": sign(data)})
        assert status == 202 and o["accepted"] == 0 and o["duplicate"] == 1, (status, o)
        assert w.source_version("soar.block") == version, "a repeat made a version"
        for headers in ({}, {"X-Fireline-Signature": sign(data, "another secret, also long")}, {"X-Fireline-Signature": sign(data + b" ")}):
            status, _, o = post(w, data, headers=headers)
            assert status == 401 and o["code"] == "FL1303", (status, o)
        old = str(int(time.time()) - 400)
        status, _, _ = post(w, data, headers={"X-Fireline-Timestamp": old, "X-Fireline-Signature": sign(old.encode() + b"." + data)})
        assert status == 401, status
        assert post(w, data, path="/v1/findings/../findings/soar")[0] == 404
        status, _, o = post(w, b"<html>")
        assert status == 400 and o["detail"], (status, o)
        status, _, o = post(w, json.dumps({"Type": "SubscriptionConfirmation", "SubscribeURL": "http://127.0.0.1:9/", "Token": "x"}).encode())
        assert status == 400 and "SNS" in o["detail"], (status, o)
        status, _, o = post(w, json.dumps({"id": "low", "domain": "low.example", "severity": 1}).encode())
        assert status == 202 and o["refused"] == 1 and o["reason"], (status, o)
        assert post(w, b" " * (2 << 20))[0] == 413
        s = source(w, "soar")
        assert s["state"] == "ok" and s["taken"] == 3 and s["unsigned"] == 4 and s["unreadable"] == 2 and s["unfit"] == 1 and s["under_way"] == 0, s
        metrics = w.request("ingest", "GET", "/metrics")[1].decode()
        assert 'fireline_findings_source_total{source="soar",result="taken"} 3' in metrics
        assert "fireline_findings_webhook_unknown_path_total 1" in metrics
        # many at once: all are taken, in fewer versions
        before, got = w.source_version("soar.block"), []
        threads = [threading.Thread(target=lambda i=i: got.append(post(w, plain(i))[0])) for i in range(100)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert got == [202] * 100, got
        assert w.source_version("soar.block") - before <= 100
        w.wait_blocked("n99.received.example")
        w.wait_blocked("n0.received.example")
        ok = True
    finally:
        w.close(not ok)


def test_webhook_store_stops(shared):
    """Redis stands still: 503 and no 202; the same again once it goes on is 202, and one claim."""
    w = webhook_world(shared, "receive-stopped")
    ok = False
    try:
        w.start()
        assert post(w, plain("before"))[0] == 202
        w.redis.proc.signal(signal.SIGSTOP)
        try:
            status, headers, o = post(w, plain("while"))
            assert status == 503 and int(headers["Retry-After"]) > 0 and o["code"].startswith("FL31"), (status, o)
        finally:
            w.redis.proc.signal(signal.SIGCONT)

        def again():
            status, _, o = post(w, plain("while"))
            assert status in (202, 503), (status, o)
            return status == 202

        wait_until(again, 60, "it is taken")
        w.wait_blocked("nwhile.received.example")
        assert post(w, plain("while"))[2]["duplicate"] == 1
        assert len(claims(w, "soar.block")) == 2 == added(w, "soar.block"), (claims(w, "soar.block"), added(w, "soar.block"))
        ok = True
    finally:
        w.close(not ok)


def test_webhook_tls_and_secrets(shared):
    """Over TLS; a secret that is changed without a restart; a path that a reload brings."""
    w = webhook_world(shared, "receive-tls")
    ok = False
    try:
        cert, key = os.path.join(w.folder, "cert.pem"), os.path.join(w.folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        w.config["findings"]["webhook"].update(cert_file=cert, key_file=key)
        w.write_config()
        w.start()
        tls = ssl.create_default_context(cafile=cert)
        assert post(w, plain(1), context=tls)[0] == 202
        w.wait_blocked("n1.received.example")
        try:
            post(w, plain(2), timeout=10)
            raise AssertionError("answered without TLS")
        except (http.client.HTTPException, OSError):
            pass
        new = "another secret of the live tier"
        with open(w.secret + ".next", "w") as f:
            f.write(SECRET + "\n" + new + "\n")
        os.rename(w.secret + ".next", w.secret)
        wait_until(lambda: post(w, plain(3), headers={"X-Fireline-Signature": sign(plain(3), new)}, context=tls)[0] == 202, 20, "the new secret is known")
        assert post(w, plain(4), context=tls)[0] == 202, "the old one still holds"
        with open(w.secret, "w") as f:
            f.write("short\n")
        wait_until(lambda: source(w, "soar")["state"] == "failed", 20, "a secret that cannot be used is said")
        assert post(w, plain(5), context=tls)[0] == 503
        rc, out, _ = w.cli("status")
        assert rc == 3 and "soar" in out, (rc, out)
        with open(w.secret, "w") as f:
            f.write(new + "\n")
        w.config["findings"]["sources"].append({"name": "second", "type": "webhook", "path": "/second", "hmac_secret_file": w.secret})
        w.write_config()
        w.hup("ingest")
        body = plain(6)
        wait_until(lambda: post(w, body, path="/second", headers={"X-Fireline-Signature": sign(body, new)}, context=tls)[0] == 202, 20, "the new path is there")
        assert post(w, plain(4), context=tls)[0] == 401, "the old secret is gone"
        ok = True
    finally:
        w.close(not ok)


def test_webhook_page(shared):
    """The commands of the senders' page, as they stand."""
    w = webhook_world(shared, "receive-page")
    ok = False
    try:
        w.start()
        with open(os.path.join(ROOT, "docs", "findings-webhook.md")) as f:
            blocks = re.findall(r"```sh\n(.*?)```", f.read(), re.S)
        assert len(blocks) == 2
        for block in blocks:
            r = subprocess.run(["sh", "-euc", block], capture_output=True, text=True, timeout=30,
                               env={**os.environ, "SECRET_FILE": w.secret, "URL": f"http://127.0.0.1:{w.hook_port}{PATH}"})
            assert r.returncode == 0 and json.loads(r.stdout)["accepted"] == 1, (r.stdout, r.stderr)
        w.wait_blocked("login.pay-portal.example")
        w.wait_blocked("cdn.pay-portal.example")
        ok = True
    finally:
        w.close(not ok)


# --- Kafka ---

def topic_world(shared, name, partitions=3):
    from kafka import KafkaAdminClient
    from kafka.admin import NewTopic
    w = World(shared, name)
    w.topic, w.group = w.prefix + "soc", w.prefix + "group"
    a = KafkaAdminClient(bootstrap_servers=w.kafka.bootstrap)
    a.create_topics([NewTopic(w.topic, partitions, 1)])
    a.close()
    w.config["findings"]["sources"].append({"name": "siem", "type": "kafka", "topic": w.topic, "group": w.group})
    w.write_config()
    return w


def producer(w):
    from kafka import KafkaProducer
    return KafkaProducer(bootstrap_servers=w.kafka.bootstrap, acks="all", linger_ms=5)


def behind(w):
    """Records that the group has not committed, by an independent client; None: it has committed nothing."""
    from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
    c = KafkaConsumer(bootstrap_servers=w.kafka.bootstrap)
    a = KafkaAdminClient(bootstrap_servers=w.kafka.bootstrap)
    try:
        parts = [TopicPartition(w.topic, p) for p in c.partitions_for_topic(w.topic)]
        ends = c.end_offsets(parts)
        at = a.list_group_offsets({w.group: None})[w.group] if hasattr(a, "list_group_offsets") else a.list_consumer_group_offsets(w.group)
        return sum(ends[p] - (at[p].offset if p in at else 0) for p in parts)
    finally:
        c.close()
        a.close()


def test_topic(shared):
    """500 records by an independent producer, ingest killed -9 again and again among them: none lost, none twice, and the group ends at the end of the topic."""
    w = topic_world(shared, "receive-topic")
    ok = False
    try:
        w.start()
        p = producer(w)
        for i in range(500):
            p.send(w.topic, plain(i), key=str(i % 7).encode())
            if i in (120, 260, 380):
                p.flush()
                # in the middle: some are claimed, not all
                wait_until(lambda i=i: len(claims(w, "siem.block")) > i // 2, 60, "some are taken")
                w.kill("ingest")
                w.start("ingest")
        p.flush()
        wait_until(lambda: len(claims(w, "siem.block")) == 500, 90, "all are taken")
        wait_until(lambda: behind(w) == 0, 60, "the group is at the end", every=0.5)
        assert int(w.head("source", "siem.block")["entries"]) == 500 == added(w, "siem.block")
        w.settle("findings-block", ["siem.block"])
        assert all(w.blocked(f"n{i}.received.example") for i in range(0, 500, 17))
        s = source(w, "siem")
        assert s["state"] == "ok" and s["under_way"] == 0, s
        ok = True
    finally:
        w.close(not ok)


def test_topic_poison(shared):
    """What cannot be read goes to dead-letter, with reason and origin; what is empty is passed; both are committed, and what follows is taken."""
    w = topic_world(shared, "receive-poison", partitions=1)
    ok = False
    try:
        w.start()
        p = producer(w)
        for value in (plain(1), b"\x00\xff no json", None, b"", json.dumps({"no": "finding"}).encode(), plain(2)):
            p.send(w.topic, value, key=b"k")
        p.flush()
        w.wait_blocked("n1.received.example")
        w.wait_blocked("n2.received.example")
        wait_until(lambda: behind(w) == 0, 30, "all is committed", every=0.5)
        letters = {m.value: dict(m.headers) for m in w.kafka.consumer(w.prefix + "dead-letter")}
        assert set(letters) == {b"\x00\xff no json", b'{"no": "finding"}'}, letters
        assert letters[b"\x00\xff no json"]["origin"].decode() == f"{w.topic}/0/1" and letters[b"\x00\xff no json"]["reason"]
        s = source(w, "siem")
        assert (s["received"], s["taken"], s["unreadable"], s["empty"]) == (6, 2, 2, 2) and s["state"] == "ok", s
        # Redis stands still: nothing is committed; it goes on: all is
        w.redis.proc.signal(signal.SIGSTOP)
        try:
            p.send(w.topic, plain(3), key=b"k").get(20)
            time.sleep(4)
            assert behind(w) == 1
        finally:
            w.redis.proc.signal(signal.SIGCONT)
        w.wait_blocked("n3.received.example", seconds=60)
        wait_until(lambda: behind(w) == 0, 60, "all is committed", every=0.5)
        assert len(claims(w, "siem.block")) == 3 == added(w, "siem.block")
        ok = True
    finally:
        w.close(not ok)

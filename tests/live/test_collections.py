"""Feeds of many documents: a MISP feed and a TAXII collection, served as the real ones are, with real events and pages where they are at hand."""
import http.server
import json
import os
import threading
import urllib.parse

from harness import SHARED, World, wait_until

FEEDS = os.path.join(SHARED, "feeds")


class Taxii:
    """One collection. Pages of two objects: by `next`, or without it, so that the client goes on by date."""

    def __init__(self, with_next):
        self.objects, self.with_next, self.asked, self.lock = [], with_next, [], threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a):
                pass

            def do_GET(self):
                outer.serve(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/collections/c1/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, date, obj):
        with self.lock:
            self.objects.append((date, obj))

    def serve(self, h):
        u = urllib.parse.urlsplit(h.path)
        q = {k: v[0] for k, v in urllib.parse.parse_qs(u.query).items()}
        status, headers, answer = 200, {}, {}
        with self.lock:
            self.asked.append(q)
            if u.path != "/api/collections/c1/objects/":
                status = 404
            elif h.headers.get("Accept") != "application/taxii+json;version=2.1":
                status = 406
            else:
                rest = [(d, o) for d, o in self.objects if d > q.get("added_after", "") and o["type"] == q.get("match[type]", o["type"])]
                start = int(q.get("next", "0"))
                page = rest[start:start + 2]
                answer = {"objects": [o for _, o in page]} if page else {}
                if start + 2 < len(rest):
                    answer["more"] = True
                    if self.with_next:
                        answer["next"] = str(start + 2)
                if page:
                    headers["X-TAXII-Date-Added-First"], headers["X-TAXII-Date-Added-Last"] = page[0][0], page[-1][0]
        data = json.dumps(answer).encode()
        h.send_response(status)
        h.send_header("Content-Type", "application/taxii+json;version=2.1")
        h.send_header("Content-Length", str(len(data)))
        for k, v in headers.items():
            h.send_header(k, v)
        h.end_headers()
        h.wfile.write(data)


def indicator(n, name, modified="2026-01-01T00:00:00Z", **kw):
    return dict({"type": "indicator", "id": f"indicator--{n}", "modified": modified, "pattern_type": "stix", "pattern": f"[domain-name:value = '{name}']"}, **kw)



def test_taxii(shared):
    for with_next in (True, False):
        t = Taxii(with_next)
        for i in range(5):
            t.add(f"2026-01-0{i + 1}T00:00:00Z", indicator(i, f"p{i}.taxii.example"))
        w = World(shared, "taxii", kafka=True)
        ok = False
        try:
            w.feed("tx", format="taxii2", url=t.url)
            w.write_config()
            w.start()
            w.loaded("tx")
            for i in range(5):
                w.wait_blocked(f"p{i}.taxii.example")
            before = len(t.asked)
            assert w.refresh("tx")["state"] == "unchanged" and len(t.asked) == before + 1, t.asked
            assert t.asked[-1]["added_after"] == "2026-01-05T00:00:00Z", t.asked[-1]
            t.add("2026-01-06T00:00:00Z", indicator(9, "new.taxii.example"))
            t.add("2026-01-07T00:00:00Z", indicator(1, "p1.taxii.example", "2026-01-07T00:00:00Z", revoked=True))
            assert w.refresh("tx")["state"] == "ok"
            w.wait_blocked("new.taxii.example")
            w.wait_blocked("p1.taxii.example", False)
            assert w.blocked("p0.taxii.example")
            w.kill("ingest")  # the file has what was fetched
            w.start("ingest")
            wait_until(lambda: w.feed_status("tx")["unchanged"] or w.feed_status("tx")["changed"], 20, "ingest asks again")
            assert t.asked[-1].get("added_after") == "2026-01-07T00:00:00Z", t.asked[-1]
            assert w.blocked("new.taxii.example") and not w.blocked("p1.taxii.example")
            ok = True
        finally:
            w.close(not ok)
            t.server.shutdown()


def test_misp(shared):
    folder = os.path.join(FEEDS, "misp", "tweetfeed-feed")
    real = sorted(f for f in os.listdir(folder) if f != "manifest.json") if os.path.isdir(folder) else []
    events = {f[:-5]: open(os.path.join(folder, f), "rb").read() for f in real}
    own = "11111111-2222-4333-8444-555555555555"
    events[own] = json.dumps({"Event": {"Attribute": [{"type": "domain", "to_ids": True, "value": "own.misp.example"}]}}).encode()
    stamps = {u: 1755989538 for u in events}
    w = World(shared, "misp", kafka=True)
    ok = False

    def manifest():
        w.http.put("/misp/manifest.json", json.dumps({u: {"info": "x", "timestamp": str(s)} for u, s in stamps.items()}).encode())

    try:
        w.feed("mf", path="/misp", format="misp")
        w.write_config()
        manifest()
        for u, body in events.items():
            w.http.put(f"/misp/{u}.json", body)
        w.start()
        w.loaded("mf")
        w.wait_blocked("own.misp.example")
        first = w.feed_status("mf")["names"]
        assert first >= 1 + 20 * len(real), first
        assert w.refresh("mf")["state"] == "unchanged"
        assert w.http.asked(f"/misp/{own}.json") == 1  # and the manifest was not even read
        stamps[own] += 1
        w.http.put(f"/misp/{own}.json", events[own].replace(b"own.misp", b"next.misp"))
        manifest()
        assert w.refresh("mf")["state"] == "ok"
        w.wait_blocked("next.misp.example")
        w.wait_blocked("own.misp.example", False)
        for u in events:
            assert w.http.asked(f"/misp/{u}.json") == (2 if u == own else 1)
        # an event that cannot be had: the version stays
        stamps[own] += 1
        manifest()
        w.http.put(f"/misp/{own}.json", b"no\n", status=500)
        s = w.refresh("mf")
        assert s["state"] == "degraded" and "500" in s["reason"] and s["names"] == first, s
        assert w.blocked("next.misp.example")
        ok = True
    finally:
        w.close(not ok)

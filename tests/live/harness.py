"""One deployment of fireline for a test: a private folder, real Redis, the shared real broker, feeds over HTTP, a stub upstream, and the roles as separate processes.

Start reading at World. A World's roles are started and ended one by one; `close` ends what is left, by pid. Its folder is kept when a test fails.
"""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import asker
from servers import HERE, ROOT, Ended, FeedServer, Kafka, Proc, Redis, Skip, Upstream, free_port, wait_until  # noqa: F401

SHARED = os.environ.get("FL_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
LONG = os.environ.get("FL_LONG") == "1"
PSL = "/usr/share/publicsuffix/public_suffix_list.dat"
ROLES = ("ingest", "publish", "enforce", "api")


def binary():
    b = os.environ.get("FIRELINE", os.path.join(ROOT, "build", "debug", "fireline"))
    if not os.access(b, os.X_OK):
        raise Skip(f"no binary at {b}")
    return b


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Shared:
    """What a run of the tier shares: one broker, and what tests of one file keep here. Made when first wanted, closed at the end."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="fireline-live-")
        self._kafka, self._why = None, None
        self._kept = {}

    def once(self, name, make):
        """make(), the first time this name is asked for; it is closed at the end of the run."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def kafka(self):
        if self._why:
            raise Skip(self._why)
        if not self._kafka:
            try:
                self._kafka = Kafka(os.path.join(self.folder, "kafka"))
            except Skip as s:
                self._why = str(s)
                raise
        if not self._kafka.proc.alive():
            self._kafka.start()
        return self._kafka

    def close(self):
        for kept in self._kept.values():
            kept.close(False)
        if self._kafka:
            self._kafka.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class World:
    def __init__(self, shared, name, kafka=True, redis=True, upstream=True):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix=f"fireline-{name}-")
        self.prefix = f"t{os.getpid()}-{name}-{random.randrange(1 << 24):06x}."
        self.procs, self.parts = {}, []
        self.exe = binary()
        self.redis = self.kafka = self.upstream = None
        try:
            if kafka:
                self.kafka = shared.kafka()
            if redis:
                self.redis = self._part(Redis(os.path.join(self.folder, "redis")))
            if upstream:
                self.upstream = self._part(Upstream(self.folder))
            self.http = self._part(FeedServer())
        except BaseException:
            self.close(False)
            raise
        self.port = free_port()
        self.config_path = os.path.join(self.folder, "fireline.yaml")
        self.runtime, self.state = os.path.join(self.folder, "run"), os.path.join(self.folder, "state")
        self.findings_dir = os.path.join(self.folder, "findings")
        os.makedirs(self.findings_dir)
        self.metrics_port = free_port()
        self.config = self._base_config()

    def _part(self, p):
        self.parts.append(p)
        return p

    def _base_config(self):
        c = {
            "version": 1, "state": self.state, "runtime": self.runtime, "psl_file": PSL, "head_poll": "1s", "startup_grace": "0s",
            "node": {"name": "ns-test"},
            "listen": [{"proto": "udp", "address": f"127.0.0.1:{self.port}", "workers": 1}, {"proto": "tcp", "address": f"127.0.0.1:{self.port}"}],
            "upstreams": [{"name": "default", "servers": [self.upstream.address if self.upstream else "127.0.0.1:9"], "timeout": "1s", "retries": 1}],
            "domain_lists": [{"name": "malware"}],
            "feeds": [],
            "findings": {"sources": [{"name": "drop", "type": "directory", "path": self.findings_dir}]},
            "rule_groups": [{"name": "baseline", "rules": [
                {"name": "findings", "priority": 100, "domain_list": "findings-block", "action": "BLOCK"},
                {"name": "malware", "priority": 200, "domain_list": "malware", "action": "BLOCK"},
                {"name": "findings-alert", "priority": 300, "domain_list": "findings-alert", "action": "ALERT"}]}],
            "associations": [{"name": "all", "networks": ["0.0.0.0/0", "::/0"], "rule_groups": [{"name": "baseline", "priority": 1}]}],
            "admin": {"metrics": {"address": f"127.0.0.1:{self.metrics_port}"}},
            "log": {"level": "info", "format": "json"},
        }
        if self.redis:
            c["redis"] = {"url": self.redis.url}
        if self.kafka:
            c["kafka"] = {"brokers": [self.kafka.bootstrap], "topic_prefix": self.prefix, "create_topics": "create"}
        return c

    def feed(self, name, path=None, into="malware", **kw):
        """Add a feed that this world's HTTP server serves at /NAME; it is fetched when asked to be."""
        f = {"name": name, "url": self.http.url(path or f"/{name}"), "into": into, "every": "1d", "jitter": "0%", "allow_private": True}
        f.update(kw)
        self.config["feeds"].append(f)
        return f

    def write_config(self):
        text = json.dumps(self.config, indent=1)  # JSON is YAML
        with open(self.config_path, "w") as f:
            f.write(text + "\n")

    # --- roles ---

    def log_path(self, role):
        return os.path.join(self.folder, f"{role}.log")

    def log(self, role):
        with open(self.log_path(role), errors="replace") as f:
            return f.read()

    def start(self, *roles):
        for role in roles or ROLES:
            assert role not in self.procs or not self.procs[role].alive(), f"{role} runs already"
            self.procs[role] = Proc([self.exe, "run", "--role", role, "-c", self.config_path], self.log_path(role))
        for role in roles or ROLES:
            self.wait_role(role)
        return self

    def wait_role(self, role, seconds=20):
        def up():
            if not self.procs[role].alive():
                raise Ended(f"role {role} ended with {self.procs[role].p.returncode}: {self.log(role)[-600:]}")
            return self.get(role, "/v1/status")

        wait_until(up, seconds, f"role {role} answers")

    def kill(self, role):
        self.procs[role].kill()

    def term(self, role):
        return self.procs[role].term()

    def hup(self, *roles):
        for role in roles or self.procs:
            self.procs[role].signal(signal.SIGHUP)

    # --- speaking to it ---

    def request(self, role, method, target, body=None, timeout=40):
        c = UnixConnection(os.path.join(self.runtime, f"{role}.sock" if role != "api" else "admin.sock"), timeout)
        try:
            c.request(method, target, body if body is None or isinstance(body, (bytes, str)) else json.dumps(body))
            r = c.getresponse()
            data = r.read()
            return r.status, data
        finally:
            c.close()

    def get(self, role, target):
        status, data = self.request(role, "GET", target)
        assert status == 200, (role, target, status, data[:300])
        return json.loads(data)

    def post(self, role, target, body=None):
        status, data = self.request(role, "POST", target, body)
        return status, json.loads(data) if data else None

    def cli(self, *args, stdin=None, timeout=60, env=None):
        """A command as a user types it: (exit code, stdout, stderr)."""
        e = {k: v for k, v in os.environ.items() if not k.startswith("FIRELINE")}
        e.update(env or {})
        r = subprocess.run([self.exe, "-c", self.config_path, *args], input=stdin, capture_output=True, text=True, timeout=timeout, env=e,
                           stdin=None if stdin is not None else subprocess.DEVNULL)
        return r.returncode, r.stdout, r.stderr

    def json(self, *args, code=0, **kw):
        """The data of a command's --json envelope."""
        rc, out, err = self.cli("--json", *args, **kw)
        assert rc == code, f"fireline {' '.join(args)}: exit {rc}, not {code}: {err or out}"
        return json.loads(out)["data"]

    # --- the main path ---

    def feed_status(self, name):
        return next(f for f in self.get("ingest", "/v1/feeds")["items"] if f["feed"] == name)

    def refresh(self, name, seconds=120, ask=None):
        """Fetch now, or do what `ask` does to have it fetched; the feed's status once this fetch has ended, whatever came of it."""
        before = self.feed_status(name)
        n = before["changed"] + before["unchanged"] + before["failed"]
        if ask:
            ask()
        else:
            status, o = self.post("ingest", f"/v1/feeds/{name}/fetches")
            assert status == 200, o

        def ended():
            s = self.feed_status(name)
            return s if s["changed"] + s["unchanged"] + s["failed"] > n and s["state"] != "fetching" else None

        return wait_until(ended, seconds, f"the fetch of {name} ends")

    def loaded(self, *names, seconds=60):
        """Feeds are fetched at the start; wait for what comes of it, and insist that it is good."""
        for name in names:
            s = wait_until(lambda name=name: (lambda f: f if f["changed"] + f["failed"] and f["state"] != "fetching" else None)(self.feed_status(name)), seconds,
                           f"the first fetch of {name}")
            assert s["state"] in ("ok", "unchanged") and not s["reason"], s

    def head(self, kind, name):
        """A set's head as the store has it."""
        h = self.redis.client().hash(f"{{fl}}:{kind}/{name}:head")
        return h or None

    def source_version(self, name):
        h = self.head("source", name)
        return int(h.get("version", 0)) if h else 0

    def list_inputs(self, name):
        v = self.get("api", f"/v1/domain-lists/{name}")
        return {i["source"]: i["version"] for i in v["inputs"]}, v["version"]

    def applied(self, name):
        return next((l["applied_version"] for l in self.get("enforce", "/v1/status")["lists"] if l["list"] == name), 0)

    def list_state(self, name):
        return next(l for l in self.get("enforce", "/v1/status")["lists"] if l["list"] == name)

    def settle(self, list_name="malware", sources=None, seconds=60):
        """Wait until the list names the newest version of its sources, and the enforcer applies that."""
        def done():
            h = self.head("list", list_name)
            if not h:
                return None
            v = int(h["version"])
            inputs = {i["source"]: i["version"] for i in json.loads(self.request("api", "GET", f"/v1/domain-lists/{list_name}")[1])["inputs"]} if sources else {}
            for s in sources or ():
                if inputs.get(s) != self.source_version(s):
                    return None
            return v if self.applied(list_name) == v else None

        return wait_until(done, seconds, f"{list_name} is in force")

    def ask(self, name, qtype=1, **kw):
        a = asker.ask(("127.0.0.1", self.port), name, qtype, **kw)
        assert a is not None, f"no answer for {name}"
        return a

    def blocked(self, name, **kw):
        return self.ask(name, **kw).blocked

    def wait_blocked(self, name, want=True, seconds=20):
        wait_until(lambda: self.blocked(name) == want, seconds, f"{name} {'blocked' if want else 'free'}", every=0.002)

    def verdicts(self, names, **kw):
        return asker.verdicts(("127.0.0.1", self.port), names, **kw)

    def close(self, keep):
        for p in self.procs.values():
            if p.alive():
                p.signal(signal.SIGCONT)
                p.kill()
        for p in reversed(self.parts):
            p.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def fixture(name):
    p = os.path.join(SHARED, "fixtures", "guardduty", name)
    if not os.path.exists(p):
        raise Skip("shared fixtures are absent")
    with open(p, "rb") as f:
        return f.read()


def random_label(rng, n=10):
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(n))


def now():
    return time.monotonic()

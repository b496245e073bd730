"""The parts fireline leans on, started for a test and stopped by their own pid: Redis, a Kafka broker, a feed server, an upstream resolver."""
import base64
import ctypes
import gzip
import hashlib
import http.client
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


class Skip(Exception):
    """A part that a test needs is absent."""


class Ended(Exception):
    """A process that should run has ended: waiting longer is of no use."""


def free_port():
    """A port that is free for TCP and UDP on loopback."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as t, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            t.bind(("127.0.0.1", 0))
            port = t.getsockname()[1]
            try:
                u.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def wait_until(fn, seconds=30, what="", every=0.02):
    """The first true value of fn(); AssertionError when none comes in time."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            v = fn()
            if v:
                return v
            last = v
        except (AssertionError, OSError, ValueError, KeyError, TypeError, StopIteration, http.client.HTTPException, subprocess.SubprocessError) as e:
            last = repr(e)
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or fn} (last: {last})")
        time.sleep(every)


_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a runner that is killed leaves nothing behind


class Proc:
    """A child process with its output in a file; every end is by its own pid."""

    def __init__(self, argv, log, env=None, cwd=None):
        self.argv, self.log = argv, log
        self.out = open(log, "ab")
        self.p = subprocess.Popen(argv, stdout=self.out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, cwd=cwd,
                                  preexec_fn=_die_with_parent)

    @property
    def pid(self):
        return self.p.pid

    def alive(self):
        return self.p.poll() is None

    def signal(self, sig):
        if self.alive():
            self.p.send_signal(sig)

    def kill(self):
        """kill -9, and reap."""
        self.signal(signal.SIGKILL)
        self.p.wait()
        self.out.close()
        return self.p.returncode

    def term(self, seconds=15):
        """SIGTERM; the exit code. A process that does not end is killed, and that is an error."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv[:4]} did not end {seconds} s after SIGTERM; log: {self.log}")
        self.out.close()
        return self.p.returncode

    def peak_rss(self):
        """VmHWM in octets."""
        with open(f"/proc/{self.pid}/status") as f:
            for line in f:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) * 1024
        return 0

    def reset_peak_rss(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as f:
            f.write("5")

    def cpu(self):
        """User and system seconds so far, of all threads, also of those that have ended: the kernel's clock of that process, in nanoseconds."""
        return time.clock_gettime((~self.pid << 3) | 2)


class Redis:
    def __init__(self, folder, fsync="always"):
        if not shutil.which("redis-server"):
            raise Skip("redis-server is not installed")
        self.folder, self.fsync = folder, fsync
        os.makedirs(folder, exist_ok=True)
        self.port = free_port()
        self.socket = os.path.join(folder, "r.sock")
        self.proc = None
        self.start()

    def start(self):
        self.proc = Proc(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket, "--dir", self.folder, "--save", "",
                          "--appendonly", "yes", "--appendfsync", self.fsync, "--maxmemory-policy", "noeviction", "--daemonize", "no"],
                         os.path.join(self.folder, "redis.log"))
        wait_until(lambda: self.client().call("PING") == b"PONG", 20, "Redis answers")

    def client(self):
        from redis_reader import Resp
        return Resp(self.socket)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def kill(self):
        self.proc.kill()

    def stop(self):
        if self.proc.alive():
            self.proc.kill()


class Kafka:
    """One broker, KRaft, on loopback; shared by the tests of a run, each with its own topic prefix."""

    def __init__(self, folder, jvm=("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")):
        self.jars = os.path.join(ROOT, ".cache", "kafka")
        if not shutil.which("java"):
            raise Skip("java is not installed")
        if not os.path.exists(os.path.join(self.jars, ".complete")):
            raise Skip("no Kafka jars: run tests/live/fetch_kafka.sh")
        self.folder, self.jvm = folder, list(jvm)
        os.makedirs(folder, exist_ok=True)
        self.port, self.controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.config = os.path.join(folder, "server.properties")
        with open(self.config, "w") as f:
            f.write(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.controller}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
num.io.threads=2
""")
        self._java("kafka.tools.StorageTool", "format", "-t", _kafka_uuid(), "-c", self.config)
        self.proc = None
        self.start()

    def _argv(self, *rest):
        return ["java", *self.jvm, "-cp", self.jars + "/*", *rest]

    def _java(self, *rest):
        subprocess.run(self._argv(*rest), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)

    def start(self, wait=True):
        self.proc = Proc(self._argv("kafka.Kafka", self.config), os.path.join(self.folder, "kafka.log"))
        if wait:
            self.wait()

    def wait(self):
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        def answers():
            if not self.proc.alive():
                raise Ended(f"the broker ended; log: {self.proc.log}")
            try:
                a = KafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5000)
                a.list_topics()
                a.close()
                return True
            except (KafkaError, ValueError):
                return False

        wait_until(answers, 90, "the broker answers", every=0.3)

    def kill(self):
        self.proc.kill()

    def stop(self):
        if self.proc and self.proc.alive():
            self.proc.kill()

    def consumer(self, topic):
        """All partitions from their beginnings, without a group."""
        from kafka import KafkaConsumer, TopicPartition
        c = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", consumer_timeout_ms=200)
        parts = wait_until(lambda: c.partitions_for_topic(topic), 20, f"topic {topic} exists")
        c.assign([TopicPartition(topic, p) for p in sorted(parts)])
        c.seek_to_beginning()
        return c


def _kafka_uuid():
    """22 characters of base64; one that starts with a hyphen would be taken for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if text[0] != "-":
            return text


# --- the feed server ---

class Body:
    """What a path answers: status, headers, octets. `endless` streams without an end, `truncate` cuts the encoded body; of `claim` octets
    in Content-Length fewer may come; `pieces` are sent one by one, `pause` seconds apart, without a length; `modified` is a time of day."""

    def __init__(self, data=b"", status=200, headers=None, etag=True, encoding=None, truncate=0, endless=None, delay=0.0, claim=None, pieces=None, pause=0.0,
                 modified=None):
        self.data, self.status, self.headers = data, status, dict(headers or {})
        self.etag = '"' + hashlib.sha256(data).hexdigest()[:16] + '"' if etag else None
        self.encoding, self.truncate, self.endless, self.delay = encoding, truncate, endless, delay
        self.claim, self.pieces, self.pause = claim, pieces, pause
        self.modified = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(modified))


class FeedServer:
    """Bodies by path with ETag and Last-Modified; counts what was asked, and how often 304 was enough."""

    def __init__(self, address="127.0.0.1", tls=None):
        self.bodies, self.hits, self.not_modified, self.sent, self.lock = {}, {}, {}, {}, threading.Lock()
        self.headers = {}  # of the last request for a path
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a):
                pass

            def do_GET(self):
                outer.serve(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):  # a client that hangs up is the test's wish
                pass

        self.server = Server((address, 0), Handler)
        self.address, self.port, self.scheme = address, self.server.server_address[1], "https" if tls else "http"
        if tls:  # an SSLContext; the handshake is the handler thread's
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path):
        return f"{self.scheme}://{self.address}:{self.port}{path}"

    def put(self, path, body, **kw):
        with self.lock:
            self.bodies[path] = body if isinstance(body, Body) else Body(body, **kw)

    def asked(self, path):
        with self.lock:
            return self.hits.get(path, 0)

    def serve(self, h):
        path = h.path
        with self.lock:
            b = self.bodies.get(path)
            self.hits[path] = self.hits.get(path, 0) + 1
            self.headers[path] = dict(h.headers.items())
        if b is None:
            b = Body(b"not here\n", 404, etag=False)
        if b.delay:
            time.sleep(b.delay)
        if b.status == 200 and b.etag and h.headers.get("If-None-Match") == b.etag:
            with self.lock:
                self.not_modified[path] = self.not_modified.get(path, 0) + 1
            h.send_response(304)
            h.send_header("ETag", b.etag)
            h.send_header("Content-Length", "0")
            h.end_headers()
            return
        data = gzip.compress(b.data, 6) if b.encoding == "gzip" else b.data
        h.send_response(b.status)
        if b.etag:
            h.send_header("ETag", b.etag)
            h.send_header("Last-Modified", b.modified)
        if b.encoding:
            h.send_header("Content-Encoding", b.encoding)
        for k, v in b.headers.items():
            h.send_header(k, v)
        if "Content-Type" not in b.headers:
            h.send_header("Content-Type", "text/plain")
        if b.endless is not None:
            h.send_header("Connection", "close")
            h.end_headers()
            h.close_connection = True
            try:
                while True:
                    h.wfile.write(b.endless)
            except OSError:
                return
        if b.pieces is not None:
            h.send_header("Connection", "close")
            h.end_headers()
            h.close_connection = True
            try:
                for piece in b.pieces():
                    h.wfile.write(piece)
                    time.sleep(b.pause)
            except OSError:
                pass
            return
        if b.truncate:
            data = data[:-b.truncate]
            h.send_header("Connection", "close")
            h.close_connection = True
        else:
            h.send_header("Content-Length", str(b.claim or len(data)))
            if b.claim:
                h.close_connection = True
        h.end_headers()
        try:
            h.wfile.write(data)
            self.sent[path] = time.time()
        except OSError:
            pass

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Upstream:
    """The stub resolver of upstream.py, as a process of its own."""

    def __init__(self, folder):
        self.port = free_port()
        self.folder = folder
        self.proc = None
        self.start()

    def start(self):
        self.proc = Proc([sys.executable, os.path.join(HERE, "upstream.py"), str(self.port)], os.path.join(self.folder, "upstream.log"))

        def up():
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True

        wait_until(up, 20, "the upstream listens")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def stop(self):
        if self.proc.alive():
            self.proc.kill()

#!/usr/bin/env python3
"""Policy as people meet it: `fireline run --embedded` on loopback, asked and told by the commands, with questions on the wire between. policy show and test, OVERRIDE with an
address, a bypass that survives kill -9 of the enforcer, is audited, logged and ended, and mutation_protection against SIGHUP. Needs FL_BINARY; without Redis it is a skip."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

BINARY = os.environ.get("FL_BINARY", "")
WAIT = 60
CONFIG = """
state: {folder}/state
runtime: {folder}/run
node: {{name: ns1}}
startup_grace: 0s
listen:
  - {{proto: udp, address: "127.0.0.1:{port}", workers: 1}}
  - {{proto: tcp, address: "127.0.0.1:{port}"}}
upstreams: [{{name: none, servers: ["127.0.0.1:{dead}"], timeout: 100ms, retries: 0}}]
cache: {{size: 1MiB}}
query_log: {{ring: 64KiB}}
domain_lists:
  - {{name: ads, entries: ["*.ads.example"]}}
  - {{name: sink, entries: ["sink.example"]}}
rule_groups:
  - name: base
    rules:
      - {{name: ads, priority: 10, domain_list: ads, action: BLOCK, q_type: [A, TYPE65400]}}
      - {{name: sink, priority: 20, domain_list: sink, action: BLOCK, block_response: OVERRIDE, block_override_address: "192.0.2.80", block_override_ttl: 0}}
associations:
  - {{name: lo, networks: ["{network}"], rule_groups: [{{name: base, priority: 1}}], mutation_protection: {protection}}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class World:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="fl-policy-")
        self.port, self.dead = free_port(), free_port()
        self.file = os.path.join(self.folder, "fireline.yaml")
        self.write()
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.parent = subprocess.Popen([BINARY, "run", "--embedded", "-c", self.file], stdout=self.log, stderr=self.log)

    def write(self, network="127.0.0.0/8", protection="true"):
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(folder=self.folder, port=self.port, dead=self.dead, network=network, protection=protection))

    def close(self):
        self.parent.terminate()
        self.parent.wait(WAIT)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *args):
        return subprocess.run([BINARY, "-c", self.file, *args], capture_output=True, text=True, timeout=WAIT, check=False)

    def json(self, *args, code=0):
        p = self.run("--json", *args)
        assert p.returncode == code, (args, p.returncode, p.stderr)
        return json.loads(p.stdout)["data"]

    def until(self, what, say):
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            if what():
                return
            time.sleep(0.1)
        raise AssertionError(say)

    def ask(self, name, qtype=1):
        """rcode, answers: [(type, ttl, data)]"""
        q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0" + struct.pack(">2H", qtype, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(10)
            for _ in range(3):
                s.sendto(q, ("127.0.0.1", self.port))
                try:
                    a = s.recv(4096)
                    break
                except socket.timeout:
                    continue
            else:
                raise AssertionError("no answer: " + name)
        at, answers = len(q), []
        for _ in range(struct.unpack(">H", a[6:8])[0]):
            rtype, _, ttl, n = struct.unpack(">2HIH", a[at + 2:at + 12])
            answers.append((rtype, ttl, a[at + 12:at + 12 + n]))
            at += 12 + n
        return a[3] & 15, answers

    def enforcer(self):
        """Its pid, by the file system: the child of the parent that runs this role."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                    parent = int(f.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if parent == self.parent.pid and b"enforce" in words:
                return int(pid)
        return 0

    def problems(self):
        p = self.run("--json", "status")
        return [] if p.returncode not in (0, 3) else [x for x in json.loads(p.stdout)["data"]["problems"] if x["what"] in ("bypass", "config")]


NXDOMAIN, SERVFAIL = 3, 2


def check(w):
    w.until(lambda: w.ask("www.ads.example")[0] == NXDOMAIN and w.run("status", "-q").returncode == 0, "it does not come up")

    # OVERRIDE with an address, and the question type of a rule
    assert w.ask("sink.example") == (0, [(1, 0, bytes([192, 0, 2, 80]))])
    assert w.ask("sink.example", 28) == (0, [])
    assert w.ask("www.ads.example", 65400)[0] == NXDOMAIN
    assert w.ask("www.ads.example", 28)[0] == SERVFAIL  # not for this rule: forwarded, and nobody is there

    # policy show, policy test
    p = w.json("policy", "show", "--client", "127.0.0.9")
    assert p["network"] == "127.0.0.0/8" and [r["rule"] for r in p["items"][0]["rules"]] == [None, None, "ads", "sink"]
    assert p["items"][0]["rules"][2]["q_type"] == ["A", "TYPE65400"] and p["items"][0]["rules"][3]["override"] == {"type": "A", "data": ["192.0.2.80"], "ttl": 0}
    assert p["items"][0]["mutation_protection"] is True
    assert [s["association"] for s in w.json("policy", "show")["items"]] == ["lo", None]
    assert w.json("policy", "show", "--client", "192.0.2.1")["items"][0]["association"] is None
    t = w.json("policy", "test", "WWW.ads.example.", "--client", "127.0.0.1", "--exit-code", code=10)
    assert (t["verdict"], t["response"], t["enforced"]) == ("BLOCK", "NXDOMAIN", True)
    assert [s["result"] for s in t["steps"]][-2:] == ["matched", "not reached"]
    assert w.json("policy", "test", "www.ads.example", "--client", "127.0.0.1", "--qtype", "AAAA", "--exit-code")["verdict"] == "NONE"
    assert w.run("policy", "test", "www.ads.example").returncode == 64 and w.run("policy", "test", "x.example", "--client", "nobody").returncode == 64
    assert "ads" in w.run("policy", "show").stdout and "matched" in w.run("policy", "test", "www.ads.example", "--client", "127.0.0.1").stdout

    # bypass: what cannot be, on, in force, shown, over kill -9, off
    assert w.run("bypass", "on", "--for", "5m").returncode == 64 and w.run("bypass", "on", "--reason", "x").returncode == 64
    assert w.run("bypass", "on", "--for", "8d", "--reason", "x").returncode == 64
    assert w.run("bypass", "on", "--association", "nobody", "--for", "5m", "--reason", "x").returncode == 1
    assert w.run("bypass", "off").returncode == 1
    p = w.run("bypass", "on", "--association", "lo", "--for", "5m", "--reason", "captive portal")
    assert p.returncode == 0 and "undo: fireline bypass off --association lo" in p.stdout, p
    assert w.ask("www.ads.example")[0] == SERVFAIL  # forwarded
    assert [b["reason"] for b in w.json("bypass", "status")["items"]] == ["captive portal"]
    assert [x["hint"] for x in w.problems()] == ["fireline bypass off --association lo"]
    t = w.json("policy", "test", "www.ads.example", "--client", "127.0.0.1")
    assert t["verdict"] == "BLOCK" and t["enforced"] is False and t["bypass"]["reason"] == "captive portal"
    pid = w.enforcer()
    os.kill(pid, signal.SIGKILL)
    w.until(lambda: w.enforcer() not in (0, pid) and w.run("bypass", "status").returncode == 0, "the enforcer does not come back")
    assert w.ask("www.ads.example")[0] == SERVFAIL
    assert len(w.json("bypass", "status")["items"]) == 1
    assert w.run("bypass", "off", "--association", "lo").returncode == 0
    assert w.ask("www.ads.example")[0] == NXDOMAIN
    assert w.problems() == [] and w.json("bypass", "status")["items"] == []
    assert w.run("bypass", "on", "--for", "1s", "--reason", "short").returncode == 0
    w.until(lambda: w.ask("www.ads.example")[0] == NXDOMAIN, "a bypass does not end by itself")

    # the query log
    def records():
        with open(os.path.join(w.folder, "state/query.jsonl"), encoding="utf-8") as f:
            return [json.loads(l) for l in f if l.endswith("\n") and "www.ads.example" in l]
    w.until(lambda: [r for r in records() if r["fireline"]["bypass"] and r["fireline"]["would"] == "BLOCK"], "no record of a bypassed question")
    r = [r for r in records() if r["fireline"]["bypass"] and r["fireline"]["would"] == "BLOCK"][0]
    assert r["firewall_rule_action"] == r["fireline"]["action"] == "ALERT" and r["fireline"]["list"] == "ads" and r["fireline"]["block_response"] is None

    # mutation_protection
    w.write(network="127.0.0.0/9")
    w.parent.send_signal(signal.SIGHUP)
    w.until(lambda: any("mutation_protection" in x["text"] for x in w.problems()), "a refused reload is not shown")
    assert w.json("policy", "show", "--client", "127.0.0.9")["network"] == "127.0.0.0/8"
    w.write(protection="false")
    w.parent.send_signal(signal.SIGHUP)
    w.until(lambda: w.problems() == [], "the protection cannot be switched off alone")
    w.write(network="127.0.0.0/9", protection="false")
    w.parent.send_signal(signal.SIGHUP)
    w.until(lambda: w.json("policy", "show", "--client", "127.0.0.9")["network"] == "127.0.0.0/9", "the change is not taken")


def main():
    if not BINARY or not os.path.exists(BINARY):
        print("skip: no binary")
        return 77
    if not any(shutil.which(x) for x in ("redis-server", "valkey-server", "redis-check-rdb")):
        print("skip: redis-tools are missing")
        return 77
    w = World()
    try:
        check(w)
    except BaseException:
        with open(os.path.join(w.folder, "log"), encoding="utf-8", errors="replace") as f:
            print(f.read()[-4000:])
        raise
    finally:
        w.close()
    print("policy: all as said")
    return 0


if __name__ == "__main__":
    sys.exit(main())

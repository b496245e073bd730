"""Exports in the servers they are for: unbound, BIND and dnsmasq load the file and are asked the same names as fireline; what fireline blocks they block, and nothing else."""
import os
import random
import shutil
import subprocess

import asker
from harness import SHARED, World, wait_until
from servers import Proc, Skip, free_port

UPSTREAM = b"\xc0\x00\x02\x01"  # 192.0.2.1: what the stub says of every name

# No name of .test: unbound has a zone of its own for that. Shapes that real lists seldom have together. Nearest wins: exceptions within blocks, blocks within them, names far below wildcards.
TRICKY = """||tree.example^
@@||free.tree.example^
||back.free.tree.example^$important
@@|self.deep.er.tree.example^
@@||*.under.tree.example^
|only.example^
||*.star.example^
@@||a.b.c.d.star.example^
||*.2o7.net^
||bcbsks.com.102.112.2o7.net^
||x.y.z.gap.example^
||gap2.example^
@@||very.long.way.down.gap2.example^
||under_score.example^
||-hyphen.example^
||xn--mnchen-3ya.example^
"""


def program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Skip(f"{name} is not installed")
    return found


def read_real(*parts):
    path = os.path.join(SHARED, "feeds", *parts)
    if not os.path.exists(path):
        raise Skip(f"no real list at {path}")
    with open(path, "rb") as f:
        return f.read()


class Exported:
    """A fireline with one list of four sources, and what it says of a few thousand names."""

    def __init__(self, shared):
        self.w = World(shared, "export", kafka=False, redis=False)
        try:
            self._load()
        except BaseException as why:
            self.w.close(not isinstance(why, Skip))
            raise

    def _load(self):
        w = self.w
        for name, fmt, body in (("nordic", "adblock", read_real("adblock", "adfilt-nordic-adguardhome.txt")), ("tricky", "adblock", TRICKY.encode()),
                                ("o7", "hosts", read_real("hosts", "fademind-add.2o7net.txt")), ("scam", "domains", read_real("plain", "shadowwhisperer-scam.txt"))):
            w.feed(name, format=fmt, **({"scope": "subtree"} if fmt == "domains" else {}))
            w.http.put(f"/{name}", body)
        w.write_config()
        w.procs["parent"] = Proc([w.exe, "run", "--embedded", "-c", w.config_path], w.log_path("parent"))
        wait_until(lambda: w.get("enforce", "/v1/status") and w.get("ingest", "/v1/status") and w.get("api", "/v1/status"), 60, "embedded answers")
        w.loaded("nordic", "tricky", "o7", "scam")
        first = wait_until(self._settled, 60, "the list has all sources and is in force")
        w.json("list", "add", "malware", "added.example")
        self.version = wait_until(lambda: self._settled() if self._settled() != first else None, 60, "a further version is in force")
        self.entries = w.json("list", "names", "malware")["items"]
        self.names = self._questions()
        self.blocked = self.ask(w.port, blocked=lambda p: p[3] & 15 == asker.NXDOMAIN)
        assert 1000 < sum(self.blocked.values()) < len(self.names) - 1000, "both verdicts are met"

    def _settled(self):
        v = self.w.get("api", "/v1/domain-lists/malware")
        inputs = {i["source"]: i["version"] for i in v["inputs"]}
        return v["version"] if all(inputs.get(s) for s in ("nordic", "tricky", "o7", "scam")) and self.w.applied("malware") == v["version"] else None

    def _questions(self):
        rng = random.Random(4)
        listed = [e["name"] for e in self.entries]
        tricky = [e["name"] for e in self.entries if e["source"] == "tricky" or e["scope"].startswith("except")]
        names = set(listed)
        for n in tricky + rng.sample(listed, 900):
            labels = n.split(".")
            for i in range(len(labels) - 1):
                at = ".".join(labels[i:])
                names.update((at, "zz." + at, "a." + at, "0-x.zz." + at, "a.b.c." + at))
        names.update(f"{w}{i}.free{i % 7}.example" for i in range(300) for w in ("a", "www."))
        return sorted(n for n in names if len(n) < 180 and n.split(".")[0] not in ("nx", "big", "silent") and not n.startswith("cname-"))

    def ask(self, port, blocked=lambda p: UPSTREAM not in p):
        """{name: is it blocked}; blocked means that what the upstream says does not come through."""
        got = asker.verdicts(("127.0.0.1", port), self.names, window=64, of=blocked)
        assert None not in got, "every question is answered"
        return dict(zip(self.names, got))

    def export(self, fmt, file, *more, code=0):
        rc, out, err = self.w.cli("export", "malware", "--format", fmt, "--file", file, *more)
        assert rc == code and out == "", (rc, out, err)
        assert f"malware@{self.version} as {fmt}: " in err, err
        return err

    def same(self, who, got, excused=frozenset()):
        wrong = [(n, "blocked" if got[n] else "free") for n in self.names if n not in excused and got[n] != self.blocked[n]]
        assert not wrong, f"{who}: {len(wrong)} of {len(self.names)} names differ: {wrong[:12]}"

    def close(self, keep):
        self.w.close(keep)


def exported(shared):
    """One for all tests of this file."""
    return shared.once("export", lambda: Exported(shared))


class Server:
    """A server on loopback. `loaded` is a text of its log that says that the policy is in force: named answers before that."""

    def __init__(self, e, name, argv, config, loaded=""):
        self.loaded = loaded
        self.folder = os.path.join(e.w.folder, name)
        os.makedirs(self.folder, exist_ok=True)
        self.port = free_port()
        self.conf = os.path.join(self.folder, "server.conf")
        with open(self.conf, "w") as f:
            f.write(config.format(folder=self.folder, port=self.port, upstream=e.w.upstream.port))
        self.proc = Proc([program(argv[0]), *argv[1:], self.conf], os.path.join(self.folder, "log"))
        try:
            wait_until(self._up, 60, f"{name} answers")
        except BaseException:
            self.stop()
            raise

    def _up(self):
        assert self.proc.alive(), self.log()[-2000:]
        return self.loaded in self.log() and asker.exchange(("127.0.0.1", self.port), asker.pack_question("up.example"), 0.5)

    def log(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as f:
            return f.read()

    def stop(self):
        if self.proc.alive():
            self.proc.kill()


UNBOUND = """server:
 interface: 127.0.0.1@{port}
 chroot: ""
 username: ""
 pidfile: ""
 directory: "{folder}"
 use-syslog: no
 do-daemonize: no
 do-not-query-localhost: no
 num-threads: 1
 module-config: "respip iterator"
%s
forward-zone:
 name: "."
 forward-addr: 127.0.0.1@{upstream}
"""
NAMED = """options {{
 directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key"; managed-keys-directory "{folder}"; lock-file none;
 listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; allow-query {{ 127.0.0.1; }}; recursion yes; empty-zones-enable no;
 forwarders {{ 127.0.0.1 port {upstream}; }}; forward only; dnssec-validation no;
 response-policy {{ zone "rpz.test"; }} qname-wait-recurse no;
}};
controls {{ }};
zone "rpz.test" {{ type primary; file "%s"; notify no; }};
"""
DNSMASQ = """port={port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
user=root
cache-size=0
dns-forward-max=2000
server=127.0.0.1#{upstream}
%s
"""


def served(e, name, argv, config, excused=frozenset(), check=None):
    s = Server(e, name, argv, config, "rpz.test: reload done" if argv[0] == "named" else "")
    try:
        got = e.ask(s.port)
        if check:
            check(got)
        else:
            e.same(name, got, excused)
    finally:
        s.stop()


def path(e, name):
    return os.path.join(e.w.folder, name)


def test_rpz_in_bind(shared):
    program("named")
    e = exported(shared)
    f = path(e, "malware.rpz")
    e.export("rpz", f, "--zone", "rpz.test", "--exit-code")
    r = subprocess.run([program("named-checkzone"), "rpz.test", f], capture_output=True, text=True)
    assert r.returncode == 0 and f"loaded serial {e.version}" in r.stdout, r.stdout + r.stderr
    served(e, "named", ["named", "-g", "-n", "1", "-c"], NAMED % f)


def test_rpz_in_unbound(shared):
    program("unbound")
    e = exported(shared)
    f = path(e, "unbound.rpz")
    e.export("rpz", f)
    served(e, "unbound-rpz", ["unbound", "-d", "-c"], UNBOUND % f'rpz:\n name: "rpz.test."\n zonefile: "{f}"')


def test_rpz_trap(shared):
    """The teeth of these tests: the same names as most exporters write them let names below the wildcard through."""
    program("named")
    e = exported(shared)
    f = path(e, "naive.rpz")
    with open(f, "w") as out:
        out.write("$TTL 30\n@ IN SOA a. a. 1 1 1 1 1\n@ IN NS a.\n*.2o7.net CNAME .\nbcbsks.com.102.112.2o7.net CNAME .\n")

    def check(got):
        for n in ("112.2o7.net", "zz.112.2o7.net", "102.112.2o7.net", "zz.102.112.2o7.net"):
            assert e.blocked[n] and not got[n], n

    served(e, "naive", ["named", "-g", "-n", "1", "-c"], NAMED % f, check=check)


def test_unbound_zones(shared):
    program("unbound")
    e = exported(shared)
    f = path(e, "malware.conf")
    err = e.export("unbound", f)
    assert "widened" in err and "narrowed" in err, err
    # one entry a name and its scope, for the names whose two parts differ: what the report speaks of
    apex = {x["name"] for x in e.entries if x["scope"] == "subdomains"}
    narrowed = {x["name"] for x in e.entries if x["scope"] == "except-exact"}
    excused = apex | {n for n in e.names if any(n.endswith("." + x) for x in narrowed)}
    served(e, "unbound-zones", ["unbound", "-d", "-c"], UNBOUND % f'include: "{f}"', excused)


def test_dnsmasq(shared):
    program("dnsmasq")
    e = exported(shared)
    f = path(e, "malware.dnsmasq")
    e.export("dnsmasq", f, "--exit-code")
    served(e, "dnsmasq", ["dnsmasq", "--keep-in-foreground", "-C"], DNSMASQ % f"conf-file={f}")


def test_hosts(shared):
    """Exact names only: each listed name that fireline blocks, and no other; both address families."""
    program("dnsmasq")
    e = exported(shared)
    f = path(e, "malware.hosts")
    e.export("hosts", f, "--exit-code", code=20)
    listed = {x["name"] for x in e.entries}

    def check(got):
        wrong = [n for n in e.names if got[n] != (n in listed and e.blocked[n])]
        assert not wrong, wrong[:12]

    served(e, "dnsmasq-hosts", ["dnsmasq", "--keep-in-foreground", "-C"], DNSMASQ % f"addn-hosts={f}", check=check)


def test_adblock_read_back(shared):
    """fireline reads its own adblock export into another list, with the same verdicts; and a domains export, but for the exceptions."""
    e = exported(shared)
    w = e.w
    rc, text, err = w.cli("export", "malware", "--format", "adblock", "--exit-code")
    assert rc == 0, (rc, err)
    back = World(shared, "export-back", kafka=False, redis=False)
    ok = False
    try:
        back.feed("again", format="adblock")
        back.http.put("/again", text.encode())
        back.write_config()
        back.procs["parent"] = Proc([back.exe, "run", "--embedded", "-c", back.config_path], back.log_path("parent"))
        wait_until(lambda: back.get("enforce", "/v1/status") and back.get("ingest", "/v1/status") and back.get("api", "/v1/status"), 60, "embedded answers")
        back.loaded("again")
        wait_until(lambda: back.applied("malware"), 30, "the list is in force")
        e.same("adblock, read back", e.ask(back.port))
        ok = True
    finally:
        back.close(not ok)


def test_versions_and_reports(shared):
    """An older version, the same octets twice, the report as JSON, the API's text, and what is refused."""
    e = exported(shared)
    w = e.w
    texts = {at: w.cli("export", f"malware@{at}", "--format", "domains", "-q") for at in (e.version, e.version, -1)}
    assert all(rc == 0 and err == "" for rc, _, err in texts.values()), texts
    again = w.cli("export", "malware", "--format", "domains", "-q")[1]
    assert again == texts[e.version][1] != texts[-1][1]
    assert texts[-1][1].startswith("# list malware@") and f"malware@{e.version} " not in texts[-1][1]
    status, body = w.request("api", "GET", "/v1/domain-lists/malware/export?format=domains")
    assert status == 200 and body.decode() == again
    r = w.json("export", "malware", "--format", "hosts")
    assert r["names"] == r["said"] + r["covered"] + r["lost"] and r["lost"] == sum(l["count"] for l in r["losses"]) > 0, r
    assert r["names"] == len({x["name"] for x in e.entries}) and {"below"} <= {l["reason"] for l in r["losses"]}, r
    for argv, code in ((("malware", "--format", "bind"), 64), (("malware", "--format", "hosts", "--zone", "x.example"), 64), (("nolist", "--format", "rpz"), 1),
                       (("malware@99999", "--format", "rpz"), 1), (("malware", "--format", "rpz", "--zone", "a..b"), 64)):
        rc, out, err = w.cli("export", *argv)
        assert (rc, out) == (code, "") and "error FL" in err, (argv, rc, out, err)
    kept = path(e, "kept")
    with open(kept, "w") as f:
        f.write("as it was\n")
    assert w.cli("export", "nolist", "--format", "rpz", "--file", kept)[0] == 1
    with open(kept) as f:
        assert f.read() == "as it was\n"
    assert not [n for n in os.listdir(w.folder) if n.startswith("kept.")], "no temporary file is left"

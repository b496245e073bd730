#!/usr/bin/env python3
"""How the program starts, and does not: a run that cannot come up says so by its exit code, a demo that proved nothing does not say that all is proven, and of two demos at once the second keeps
its hands off the first one's folder. Needs neither Kafka nor a network; what needs a redis-server or a /tmp of its own is skipped without."""
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BINARY = os.environ.get("FL_BINARY", "build/ci/fireline")
FD = os.open(BINARY, os.O_RDONLY)  # it may lie below /tmp, which is hidden later
FOLDER = "/tmp/fireline-demo-%d" % os.geteuid()
CANNOT_RUN, CANNOT_CREATE = 69, 73
CLONE_NEWNS, MS_REC_PRIVATE = 0x20000, 0x4000 | 0x40000


def spawn(*args, path="/nonexistent", **more):
    return subprocess.Popen(["fireline", *args], executable="/proc/self/fd/%d" % FD, pass_fds=[FD], env={"PATH": path}, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **more)


def run(*args, **more):
    p = spawn(*args, **more)
    out, _ = p.communicate(timeout=120)
    return p.returncode, out


def private_tmp():
    """A /tmp that no other process sees: the demo's folder is one a user."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0 and libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, why, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.02)


def embedded(folder, binary):
    """A configuration whose private Redis is a program of ours."""
    path = os.path.join(folder, "fireline.yaml")
    with open(path, "w") as f:
        f.write("state: %s/state\nruntime: %s/run\nredis: {binary: %s}\nlisten:\n  - {proto: udp, address: \"127.0.0.1:%d\"}\n" % (folder, folder, binary, free_port()))
    return path


def script(folder, text):
    path = os.path.join(folder, "server")
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def test_a_demo_that_cannot_run():
    code, out = run("demo", "--once")
    assert code == CANNOT_RUN, (code, out)
    assert "no redis-server" in out and "not all was proven" in out, out
    assert not re.search(r"^all proven", out, re.M), out
    folder = re.search(r"state in (\S+)", out).group(1)
    assert not os.path.exists(folder), "its folder stays behind"


def test_a_run_whose_store_cannot_run():
    with tempfile.TemporaryDirectory() as d:
        code, out = run("run", "--embedded", "-c", embedded(d, script(d, "exit 69\n")))
        assert code == CANNOT_RUN, (code, out)
        assert "does not come up" in out, out


def test_told_to_end_while_coming_up():
    """That is no failure."""
    with tempfile.TemporaryDirectory() as d:
        p = spawn("run", "--embedded", "-c", embedded(d, script(d, "echo >%s/up\nexec /bin/sleep 1000\n" % d)))
        try:
            wait_until(lambda: os.path.exists(d + "/up") or p.poll() is not None, "the store is never started")
            p.send_signal(signal.SIGTERM)
            out, _ = p.communicate(timeout=60)
        finally:
            p.kill()
        assert p.returncode == 0, (p.returncode, out)


def test_a_store_that_needs_a_second_start():
    """A prerequisite that ends is started again."""
    with tempfile.TemporaryDirectory() as d:
        p = spawn("run", "--embedded", "-c", embedded(d, script(d, "echo x >>%s/starts\n[ \"$(/usr/bin/wc -l <%s/starts)\" -ge 3 ] && exec /bin/sleep 1000\nexit 1\n" % (d, d))))
        try:
            wait_until(lambda: (os.path.exists(d + "/starts") and len(open(d + "/starts").readlines()) >= 3) or p.poll() is not None, "it is not started again")
            assert p.poll() is None, p.communicate()[0]
            p.send_signal(signal.SIGTERM)
            p.communicate(timeout=60)
        finally:
            p.kill()


def test_the_folder_of_another():
    """Locked by a demo that lives: refused, untouched. Left by one that was killed: cleared and used."""
    os.mkdir(FOLDER, 0o700)
    held = os.open(FOLDER, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    open(FOLDER + "/precious", "w").close()
    code, out = run("demo", "--port", str(free_port()))
    assert code == CANNOT_CREATE and "running already" in out, (code, out)
    assert os.listdir(FOLDER) == ["precious"], "the folder of a living demo was touched"
    os.close(held)
    code, out = run("demo", "--port", str(free_port()))
    assert code == CANNOT_RUN, (code, out)  # there is no redis-server on its PATH; the folder was no obstacle
    assert not os.path.exists(FOLDER)
    os.symlink("/etc", FOLDER)  # never through a link
    code, out = run("demo", "--port", str(free_port()))
    assert code == CANNOT_CREATE and os.path.islink(FOLDER), (code, out)
    os.unlink(FOLDER)


def test_two_demos():
    port = str(free_port())
    first = spawn("demo", "--port", port, path=os.environ["PATH"])
    try:
        line = ""
        while "Ctrl-C ends it" not in line:
            line = first.stdout.readline()
            assert line, "the first demo ended with %s" % first.wait()
        code, out = run("demo", "--port", str(free_port()), path=os.environ["PATH"])
        assert code == CANNOT_CREATE and "running already" in out, (code, out)
        assert first.poll() is None
        code, out = run("status", "-s", FOLDER + "/run/admin.sock")
        assert "blocked" in out, (code, out)  # the first one still answers
        first.send_signal(signal.SIGINT)
        out, _ = first.communicate(timeout=60)
        assert first.returncode == 0, (first.returncode, out)
        assert not os.path.exists(FOLDER)
    finally:
        if first.poll() is None:
            first.send_signal(signal.SIGTERM)
            first.communicate(timeout=60)


def main():
    mine = private_tmp()
    missing = {"test_the_folder_of_another": None if mine else "no /tmp of its own (unshare)",
               "test_two_demos": "no /tmp of its own (unshare)" if not mine else None if shutil.which("redis-server") else "no redis-server"}
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        if missing.get(name):
            print("SKIP %s: %s" % (name, missing[name]))
            counts["failed" if os.environ.get("FL_REQUIRE_ALL") == "1" else "skipped"] += 1
            continue
        try:
            test()
            counts["passed"] += 1
        except (AssertionError, subprocess.TimeoutExpired, OSError) as e:
            print("FAIL %s: %s" % (name, e))
            counts["failed"] += 1
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 1 if counts["failed"] else 0


sys.exit(main())

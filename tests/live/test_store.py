"""What this Redis must be: one that never throws keys away."""
import subprocess

from harness import World


def run_role(w, role):
    return subprocess.run([w.exe, "run", "--role", role, "-c", w.config_path], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)


def test_an_evicting_redis_is_refused(shared):
    """A policy other than noeviction could eat versions: publish and ingest end with 69 and say why; no AOF is only warned about."""
    w = World(shared, "evicting", upstream=False)
    ok = False
    try:
        w.write_config()
        w.redis.client().call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        for role in ("publish", "ingest"):
            r = run_role(w, role)
            assert r.returncode == 69 and "noeviction" in r.stderr, (role, r.returncode, r.stderr)
        w.redis.client().call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        w.redis.client().call("CONFIG", "SET", "appendonly", "no")
        w.start("publish")
        assert "append-only" in w.log("publish"), w.log("publish")
        assert w.term("publish") == 0
        ok = True
    finally:
        w.close(not ok)

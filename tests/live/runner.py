"""Runs test_*.py: every function test_* takes the Shared of the run. Prints one line a test, and at the end 'N passed, N failed, N skipped'."""
import importlib
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


def tests(wanted):
    for f in sorted(os.listdir(HERE)):
        if f.startswith("test_") and f.endswith(".py"):
            yield from of_module(f[:-3], wanted)


def of_module(name, wanted):
    m = importlib.import_module(name)
    for attr, fn in list(vars(m).items()):
        if attr.startswith("test_") and callable(fn) and getattr(fn, "__module__", "") == name:
            label = f"{name[5:]}.{attr[5:]}"
            if not wanted or any(w in label for w in wanted):
                yield label, fn


def main():
    args = sys.argv[1:]
    if "--long" in args:
        os.environ["FL_LONG"] = "1"
    wanted = [a for a in args if not a.startswith("-")]
    require = os.environ.get("FL_REQUIRE_ALL") == "1"
    try:
        import harness
        found = list(tests(wanted))
    except ModuleNotFoundError as e:
        print(f"SKIP all: {e}; run tests/live/setup.sh")
        print("0 passed, 1 failed, 0 skipped" if require else "0 passed, 0 failed, 1 skipped")
        return 1 if require else 0
    if "--list" in args:
        print("\n".join(label for label, _ in found))
        return 0
    shared = harness.Shared()
    count = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        for label, fn in found:
            count[one(label, fn, shared, harness.Skip, require)] += 1
    finally:
        shared.close()
    print(", ".join(f"{n} {k}" for k, n in count.items()))
    return 1 if count["failed"] else 0


def one(label, fn, shared, skip, require):
    t = time.monotonic()
    try:
        fn(shared)
        result, why = "passed", ""
    except skip as e:
        result, why = ("failed", f"required, but: {e}") if require else ("skipped", str(e))
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # noqa: B902 - whatever a test throws is its failure
        result, why = "failed", f"{type(e).__name__}: {str(e)[:2000]}"
        traceback.print_exc()
    word = {"passed": "ok", "failed": "FAILED", "skipped": "SKIP"}[result]
    print(f"{word:6} {label:40} {time.monotonic() - t:7.1f} s  {why}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())

"""The bus door's contract, which its twin and the mock broker pass in the unit tiers, against the real broker."""
import os
import subprocess

import harness


def test_bus_on_a_real_broker(shared):
    """Needs the contract test built beside the binary."""
    exe = os.path.join(os.path.dirname(harness.binary()), "contract_bus")
    if not os.access(exe, os.X_OK):
        raise harness.Skip(f"no {os.path.basename(exe)} beside the binary: a build without tests")
    kafka = shared.kafka()
    env = dict(os.environ, FL_KAFKA=kafka.bootstrap)
    r = subprocess.run([exe], env=env, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-3000:]

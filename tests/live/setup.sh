#!/bin/sh
# Makes .venv with the Python packages of the live tier. Idempotent: returns at once when nothing is missing.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
stamp="$root/.venv/.live-requirements"
if [ -f "$stamp" ] && cmp -s "$stamp" "$root/tests/live/requirements.txt"; then
	exit 0
fi
[ -x "$root/.venv/bin/python" ] || python3 -m venv "$root/.venv"
"$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$root/tests/live/requirements.txt"
cp "$root/tests/live/requirements.txt" "$stamp"

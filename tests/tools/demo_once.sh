#!/usr/bin/env bash
# The release build, and the demo as a user runs it: ./try --once must prove a block, an allowed answer, a finding, and their log records.
cd "$(dirname "$0")/../.." || exit 1
log=$(mktemp) rec=$(mktemp)
trap 'rm -f "$log" "$rec"' EXIT
ok=0 bad=0
if ./try --once --query-log "$rec" >"$log" 2>&1; then ok=1; else bad=1; fi
cat "$log"
if [ "$(wc -l <"$rec")" -eq 3 ] && grep -q '"action":"BLOCK"' "$rec"; then ok=$((ok + 1)); else
	echo "the kept query log has not the three records"
	bad=$((bad + 1))
fi
echo "$ok passed, $bad failed"
[ "$bad" -eq 0 ]

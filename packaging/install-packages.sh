#!/usr/bin/env bash
# install-packages.sh FILE...: installs those Debian packages named in the files that are missing. sudo only when not root.
set -euo pipefail
missing=()
for f in "$@"; do
	while read -r p; do
		[ -n "$p" ] || continue
		dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
	done <"$f"
done
[ ${#missing[@]} -eq 0 ] && exit 0
run=()
[ "$(id -u)" -eq 0 ] || run=(sudo)
echo "installing: ${missing[*]}" >&2
# installing redis-server must not start a service: fireline and its tests start their own
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | "${run[@]}" tee $policy >/dev/null
	"${run[@]}" chmod 755 $policy
	made=1
fi
trap '[ -z "$made" ] || "${run[@]}" rm -f $policy' EXIT
"${run[@]}" apt-get update -qq
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2

#!/usr/bin/env bash
# fetch-debs.sh DEST PACKAGE: unpacks a Debian package, with those of its dependencies that are not installed on
# this machine, into DEST/root. DEST must be an empty folder.
#
# The system is not changed: apt runs on lists and a cache of its own, with this machine's sources and its list
# of installed packages. apt verifies the index's signature and each package's hash. What goes wrong goes to
# standard error.
set -euo pipefail
export LC_ALL=C
# shellcheck source=../../compose/parts/private-apt.sh
. "$(dirname "$0")/../../compose/parts/private-apt.sh"

[ $# -eq 2 ] || { echo "usage: fetch-debs.sh DEST PACKAGE" >&2; exit 2; }
DEST=$(cd "$1" && pwd)
for tool in apt-get dpkg-deb timeout; do
  command -v "$tool" >/dev/null || { echo "'$tool' is not there: $2 is fetched on Debian and Ubuntu only" >&2; exit 1; }
done

A=$DEST/.apt
mkdir -p "$DEST/.debs" "$DEST/root"
private_apt "$A" /var/lib/dpkg/status
apt_get() { timeout --kill-after=5 "$1" apt-get -c "$A/apt.conf" -qq "${@:2}"; }

echo "reading the signed package index"
apt_get 300 update >&2
# A line for each package that is not installed: 'address' name_version_architecture.deb size hash
NAMES=$({ apt_get 60 -y --print-uris install "$2" | sed -nE "s/^'[^']+' ([a-z0-9][a-z0-9.+-]+)_.*/\1/p"; echo "$2"; } | sort -u)
echo "downloading $(wc -l <<<"$NAMES") packages"
# shellcheck disable=SC2086
(cd "$DEST/.debs" && apt_get 600 download $NAMES >&2)
for deb in "$DEST"/.debs/*.deb; do timeout 120 dpkg-deb -x "$deb" "$DEST/root"; done
rm -rf "$A" "$DEST/.debs"

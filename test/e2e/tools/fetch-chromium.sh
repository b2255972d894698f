#!/usr/bin/env bash
# fetch-chromium.sh DEST: unpacks Debian's chromium-headless-shell into the folder DEST, which must be empty.
#
# The system is not changed: apt runs on lists and a cache of its own, with this machine's sources and its
# list of installed packages, so that it brings what is missing here and no more. apt verifies the index's
# signature and each package's hash. DEST/chromium starts it. What goes wrong goes to standard error.
set -euo pipefail
export LC_ALL=C

[ $# -eq 1 ] || { echo "usage: fetch-chromium.sh DEST" >&2; exit 2; }
DEST=$(cd "$1" && pwd)
for tool in apt-get dpkg dpkg-deb timeout; do
  command -v "$tool" >/dev/null || { echo "'$tool' is not there: Chromium is fetched on Debian only" >&2; exit 1; }
done
case $(dpkg --print-architecture) in
  amd64) TRIPLET=x86_64-linux-gnu ;;
  arm64) TRIPLET=aarch64-linux-gnu ;;
  *) echo "no Chromium is fetched for this architecture" >&2; exit 1 ;;
esac

A=$DEST/.apt
mkdir -p "$A/state/lists/partial" "$A/cache/archives/partial" "$DEST/.debs" "$DEST/root"
cat >"$A/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "$A/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$A/cache";
Dir::Log "$A";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
CONF
apt_get() { timeout --kill-after=5 "$1" apt-get -c "$A/apt.conf" -qq "${@:2}"; }

echo "reading the signed package index"
apt_get 300 update >&2
# A line for each package that is not installed: 'address' name_version_architecture.deb size hash
NAMES=$(apt_get 60 -y --print-uris install chromium-headless-shell | sed -nE "s/^'[^']+' ([a-z0-9][a-z0-9.+-]+)_.*/\1/p")
[ -n "$NAMES" ] || { echo "this release has no chromium-headless-shell, or it is installed" >&2; exit 1; }
echo "downloading $(wc -l <<<"$NAMES") packages"
# shellcheck disable=SC2086
(cd "$DEST/.debs" && apt_get 600 download $NAMES >&2)
for deb in "$DEST"/.debs/*.deb; do timeout 120 dpkg-deb -x "$deb" "$DEST/root"; done
rm -rf "$A" "$DEST/.debs"

PROGRAM=$(find "$DEST/root/usr/lib" -type f \( -name headless_shell -o -name chromium-headless-shell -o -name headless-shell \) -perm -u+x | head -1)
[ -n "$PROGRAM" ] || { echo "the packages hold no headless_shell" >&2; exit 1; }
cat >"$DEST/chromium" <<WRAPPER
#!/bin/sh
R=\$(PATH=/usr/bin:/bin; dirname "\$(readlink -f "\$0")")
D="\$R/root/usr/lib/$TRIPLET"
export LD_LIBRARY_PATH="\$D:\$D/pulseaudio:\$R/root/lib/$TRIPLET"
exec "\$R/${PROGRAM#"$DEST"/}" "\$@"
WRAPPER
chmod 755 "$DEST/chromium"
"$DEST/chromium" --version

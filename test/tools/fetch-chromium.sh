#!/usr/bin/env bash
# fetch-chromium.sh DEST: unpacks Debian's chromium-headless-shell into the folder DEST, which must be empty.
# DEST/chromium starts it. What goes wrong goes to standard error.
set -euo pipefail
export LC_ALL=C

[ $# -eq 1 ] || { echo "usage: fetch-chromium.sh DEST" >&2; exit 2; }
DEST=$(cd "$1" && pwd)
command -v dpkg >/dev/null || { echo "'dpkg' is not there: Chromium is fetched on Debian only" >&2; exit 1; }
case $(dpkg --print-architecture) in
  amd64) TRIPLET=x86_64-linux-gnu ;;
  arm64) TRIPLET=aarch64-linux-gnu ;;
  *) echo "no Chromium is fetched for this architecture" >&2; exit 1 ;;
esac
bash "$(dirname "$0")/fetch-debs.sh" "$DEST" chromium-headless-shell

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

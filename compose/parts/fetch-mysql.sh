#!/usr/bin/env bash
# fetch-mysql.sh DEST: puts MySQL (server with Group Replication and clone, clients) into the folder DEST.
#
# Debian's unstable suite is the one place that packages a current LTS server for both architectures and is
# on a mirror that a Debian machine already uses. Nothing of the system is touched: apt runs on a database,
# cache and sources list of its own; the index's signature and each package's hash are verified; the packages
# are unpacked, not installed; and the programs run with the dynamic loader and libraries they came with, so
# that the age of the host's own libc does not matter.
#
# Does nothing if DEST is complete. Two runs at once are fine (flock). An interrupted run removes what it made;
# what a killed one left is removed by the next. Progress goes to standard output. A failure goes to standard
# error as "error [CODE]: …" and "hint: …", which fetch-mysql.ts reads.
#
# Environment: MYSQL_DEB_MIRROR  a Debian mirror (default: the first one of this machine's apt sources)
#              MYSQL_DEB_SUITE   default sid
#              MYSQL_DEB_KEYRING default /usr/share/keyrings/debian-archive-keyring.gpg
set -euo pipefail
export LC_ALL=C
# shellcheck source=private-apt.sh
. "$(dirname "$0")/private-apt.sh"

say() { printf '%s\n' "$*"; }
die() { printf 'error [%s]: %s\nhint: %s\n' "$1" "$2" "$3" >&2; exit 1; }

TMP=
CHILD=
clean_up() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP PIPE
  if [ -n "$CHILD" ]; then kill "$CHILD" 2>/dev/null || true; wait "$CHILD" 2>/dev/null || true; fi
  if [ -n "$TMP" ]; then rm -rf "$TMP"; fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# start SECONDS COMMAND…: in the background, for bash acts on a signal only between foreground commands.
start() { timeout --kill-after=5 "$@" & CHILD=$!; }
finish() { local status=0; wait "$CHILD" || status=$?; CHILD=; return "$status"; }
bounded() { start "$@"; finish; }

# ---- what is needed -------------------------------------------------------------------------------------------
[ $# -eq 1 ] || die USAGE "usage: fetch-mysql.sh DEST" "name the folder that is to hold MySQL"
SUITE=${MYSQL_DEB_SUITE:-sid}
KEYRING=${MYSQL_DEB_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
OWN="or install MySQL 8.4 or newer yourself and set MYSQL_HOME to its folder"
for tool in apt-get dpkg dpkg-deb flock sha256sum timeout; do
  command -v "$tool" >/dev/null || die TOOL_MISSING "'$tool' is not there" "this needs a Debian or Ubuntu host; $OWN"
done
[ -r "$KEYRING" ] || die TOOL_MISSING "no Debian signing keys at $KEYRING" \
  "run \"apt-get install debian-archive-keyring\" (Ubuntu has that package too); $OWN"
ARCH=$(dpkg --print-architecture)
case $ARCH in
  amd64) TRIPLET=x86_64-linux-gnu LOADER=ld-linux-x86-64.so.2 ;;
  arm64) TRIPLET=aarch64-linux-gnu LOADER=ld-linux-aarch64.so.1 ;;
  *) die PLATFORM_UNSUPPORTED "no MySQL is fetched for the architecture $ARCH" "use amd64 or arm64; $OWN" ;;
esac

mkdir -p "$(dirname "$1")"
DEST=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
exec 9>>"$DEST.lock"
if ! flock -n 9; then
  say "waiting for another start that is fetching MySQL"
  bounded 900 flock 9 || die LOCK_TIMEOUT "another fetch has held $DEST.lock for 15 minutes" \
    "see what holds it (fuser $DEST.lock), end that process, and start again"
fi
if [ -f "$DEST/.complete" ] && "$DEST/bin/mysqld" --version >/dev/null 2>&1; then
  say "MySQL is there already"
  exit 0
fi
rm -rf "$DEST".tmp.* # whoever made these is dead: we hold the lock
TMP=$(mktemp -d "$DEST.tmp.XXXXXX")

# ---- the mirror -----------------------------------------------------------------------------------------------
# One-line sources and deb822 sources; "mirror+file:" is what Debian's cloud images use. Neither security nor
# third-party archives match, nor Ubuntu's: its packages are not Debian's.
machine_mirrors() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ ! -r "$file" ] || sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' "$file"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [ ! -r "$file" ] || sed -nE 's/^URIs:[[:space:]]*//Ip' "$file" | tr -s '[:space:]' '\n'
  done
}
MIRROR=${MYSQL_DEB_MIRROR:-$(machine_mirrors | awk '!n && (/\/debian\/?$/ || /^mirror\+file:.*\/debian\.list$/) { print; n = 1 }')}
[ -n "$MIRROR" ] || die MIRROR_UNKNOWN "no Debian mirror in this machine's apt sources" \
  "set MYSQL_DEB_MIRROR to a Debian mirror (its address ends in /debian; an Ubuntu mirror will not do); $OWN"
case $MIRROR in *[[:space:]]*) die MIRROR_UNKNOWN "the mirror's address has a space in it" "set MYSQL_DEB_MIRROR to one address" ;; esac

# ---- the signed index -----------------------------------------------------------------------------------------
A=$TMP/apt
mkdir -p "$A/empty"
: >"$A/status"
say "deb [signed-by=$KEYRING arch=$ARCH] $MIRROR $SUITE main" >"$A/sources.list"
private_apt "$A" "$A/status"
cat >>"$A/apt.conf" <<CONF
Dir::Etc::sourcelist "$A/sources.list";
Dir::Etc::sourceparts "$A/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$A/empty";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "$A/empty";
APT::Architecture "$ARCH";
APT::Architectures { "$ARCH"; };
APT::Default-Release "";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
CONF
apt_get() { bounded "$1" apt-get -c "$A/apt.conf" -qq "${@:2}"; }

say "reading the signed package index of Debian $SUITE"
if ! apt_get 300 update >"$TMP/log" 2>&1; then
  cat "$TMP/log" >&2
  # A mirror that answers with an error is called "not signed" by apt as well.
  if ! grep -q 'Failed to fetch' "$TMP/log" && grep -qiE 'not signed|NO_PUBKEY|BADSIG|EXPKEYSIG|signature.*(invalid|could not be verified)' "$TMP/log"; then
    die SIGNATURE_REFUSED "the index of $SUITE is not signed by a key of $KEYRING" \
      "bring debian-archive-keyring up to date, or set MYSQL_DEB_MIRROR to a Debian mirror you trust; $OWN"
  fi
  die FETCH_FAILED "the index of $SUITE could not be fetched" \
    "see whether \"apt-get update\" works on this machine (network, proxy), or set MYSQL_DEB_MIRROR; $OWN"
fi
if command -v gpgv >/dev/null; then # apt has verified it; a machine whose apt was told to be lax is not believed
  release=$(find "$A/state/lists" -name '*_InRelease')
  [ -n "$release" ] && gpgv -q --keyring "$KEYRING" "$release" 2>"$TMP/log" || { cat "$TMP/log" >&2
    die SIGNATURE_REFUSED "the index's signature does not verify" "set MYSQL_DEB_MIRROR to a Debian mirror you trust; $OWN"; }
fi

# ---- the packages ---------------------------------------------------------------------------------------------
# Dependencies of maintainer scripts, of Perl tools and of authentication plugins that are not kept below. Should
# one of them be needed after all by a later version, the second round takes everything.
unneeded() {
  case $1 in
    perl | perl-base | perl-modules-* | libperl* | libdb5* | libgdbm* | libcrypt1 | libbz2* | libc-gconv* | gcc-*-base) ;;
    openssl-provider-legacy | libtirpc-common | libcurl* | libbrotli* | libssh2* | libldap* | libsasl2* | libngtcp2*) ;;
    libnghttp* | libpsl* | libidn2* | libunistring* | libmecab* | mecab-* | libfido2* | libcbor* | libudev1) ;;
    libprotobuf[0-9]*) ;;
    *) return 1 ;;
  esac
}
apt_get 60 -y --print-uris install mysql-server-core mysql-client-core >"$TMP/wanted" 2>"$TMP/log" || { cat "$TMP/log" >&2
  die FETCH_FAILED "$SUITE offers no installable mysql-server-core at present" \
    "it may be in a transition: try again tomorrow, or set MYSQL_DEB_MIRROR to a snapshot; $OWN"; }
NAMES=$(sed -nE "s/^'[^']+' ([a-z0-9][a-z0-9.+-]+)_[^ ]+ [0-9]+ .*/\1/p" "$TMP/wanted")
[ -n "$NAMES" ] && [ "$(wc -l <<<"$NAMES")" = "$(grep -c . "$TMP/wanted")" ] || { cat "$TMP/wanted" >&2
  die FETCH_FAILED "apt answered with something that this script does not understand" "report it with the lines above; $OWN"; }

# fetch NAME…: packages into $TMP/debs, each with the size and SHA-256 that the signed index gives it.
fetch() {
  mkdir -p "$TMP/debs"
  apt_get 60 --print-uris download "$@" >"$TMP/uris" 2>"$TMP/log" || { cat "$TMP/log" >&2; die FETCH_FAILED "apt cannot name the packages" "$OWN"; }
  sed -nE "s/^'[^']+' [^ ]+ ([0-9]+) SHA256:([0-9a-f]{64})$/\1 \2/p" "$TMP/uris" >"$TMP/sums"
  [ "$(wc -l <"$TMP/sums")" = $# ] || { cat "$TMP/uris" >&2
    die FETCH_FAILED "apt answered with something that this script does not understand" "report it with the lines above; $OWN"; }
  local total have shown=0
  total=$(awk '{ n += $1 } END { printf "%d", n / 1e6 + 0.5 }' "$TMP/sums")
  say "downloading $# packages, $total MB"
  cd "$TMP/debs"
  start 900 apt-get -c "$A/apt.conf" -qq download "$@" >"$TMP/log" 2>&1
  while sleep 0.5 && kill -0 "$CHILD" 2>/dev/null; do
    have=$(du -sm . | cut -f1)
    if [ "$have" -ge $((shown + 10)) ]; then shown=$have; say "downloaded $have of $total MB"; fi
  done
  finish || { cat "$TMP/log" >&2; die FETCH_FAILED "the packages could not be downloaded" "see the lines above (network, proxy, disk), and start again; $OWN"; }
  # Sorted sets of hashes: apt's rules for naming a file differ between its versions.
  sha256sum ./*.deb | cut -d' ' -f1 | sort >"$TMP/got"
  cut -d' ' -f2 "$TMP/sums" | sort | cmp -s - "$TMP/got" ||
    die HASH_REFUSED "a package differs from the signed index" "something on the way alters downloads (proxy, mirror): set MYSQL_DEB_MIRROR"
  cd /
}

# ---- what is kept ---------------------------------------------------------------------------------------------
U=$TMP/unpacked
OUT=$TMP/out
CLIENTS="mysql mysqldump mysqlbinlog mysqladmin"
PLUGINS="group_replication mysql_clone component_reference_cache component_keyring_file component_validate_password
  component_group_replication_elect_prefers_most_updated component_group_replication_flow_control_stats
  component_log_sink_json component_connection_control semisync_source semisync_replica"

# assemble: from $U into $OUT. Libraries that are in no unpacked package are listed in $TMP/missing.
assemble() {
  local name program
  rm -rf "$OUT"
  mkdir -p "$OUT/bin" "$OUT/libexec" "$OUT/lib" "$OUT/plugin" "$OUT/share/mysql"
  cp "$U/usr/sbin/mysqld" "$OUT/libexec/"
  for name in $CLIENTS; do cp "$U/usr/bin/$name" "$OUT/libexec/"; done
  for name in $PLUGINS; do [ ! -f "$U/usr/lib/mysql/plugin/$name.so" ] || cp "$U/usr/lib/mysql/plugin/$name.so" "$OUT/plugin/"; done
  [ -f "$OUT/plugin/group_replication.so" ] && [ -f "$OUT/plugin/mysql_clone.so" ] ||
    die FETCHED_PART_BROKEN "the packages hold no group_replication or no mysql_clone plugin" "$OWN"
  cp -r "$U/usr/share/mysql/english" "$U/usr/share/mysql/charsets" "$OUT/share/mysql/"
  cp -L "$U/usr/lib/$TRIPLET/$LOADER" "$OUT/lib/"
  for program in "$OUT"/libexec/* "$OUT"/plugin/*.so; do
    "$OUT/lib/$LOADER" --library-path "$U/usr/lib/$TRIPLET" --list "$program"
  done >"$TMP/libraries"
  awk '/not found/ { print $1 }' "$TMP/libraries" | sort -u >"$TMP/missing"
  awk -v from="$U/" '$2 == "=>" && index($0, from) { sub(/^.* => /, ""); sub(/ \(0x[0-9a-f]+\)$/, ""); print }' "$TMP/libraries" |
    sort -u | while read -r name; do cp -L "$name" "$OUT/lib/"; done
}

# wrap NAME FLAG…: bin/NAME starts libexec/NAME with our loader. A leading --defaults… must stay the first argument.
wrap() {
  cat >"$OUT/bin/$1" <<WRAPPER
#!/bin/sh
R=\$(PATH=/usr/bin:/bin; dirname "\$(dirname "\$(readlink -f "\$0")")")
first=
case "\${1-}" in --defaults-*|--no-defaults|--print-defaults|--login-path=*) first=\$1; shift ;; esac
exec "\$R/lib/$LOADER" --argv0 "\$R/libexec/$1" --library-path "\$R/lib" "\$R/libexec/$1" \${first:+"\$first"} ${*:2} "\$@"
WRAPPER
  chmod 755 "$OUT/bin/$1"
}

unpack() { mkdir -p "$U"; local deb; for deb in "$TMP"/debs/*.deb; do bounded 120 dpkg-deb -x "$deb" "$U"; done; }

lean=()
all=()
for name in $NAMES; do all+=("$name"); unneeded "$name" || lean+=("$name"); done
fetch "${lean[@]}"
say "unpacking"
unpack
assemble
if [ -s "$TMP/missing" ]; then
  say "missing: $(tr '\n' ' ' <"$TMP/missing"); taking all packages"
  rm -rf "$TMP/debs" "$U"
  fetch "${all[@]}"
  unpack
  assemble
  [ ! -s "$TMP/missing" ] || die FETCHED_PART_BROKEN "in no package that MySQL depends on: $(tr '\n' ' ' <"$TMP/missing")" "$OWN"
fi

CHARSETS='--character-sets-dir="$R/share/mysql/charsets"'
wrap mysqld '--basedir="$R"' '--lc-messages-dir="$R/share/mysql"' "$CHARSETS" '--plugin-dir="$R/plugin"'
for name in $CLIENTS; do wrap "$name" "$CHARSETS"; done
# Lets a data directory choose a keyring by a mysqld.my and component_keyring_file.cnf of its own.
printf '{"read_local_manifest": true}\n' >"$OUT/libexec/mysqld.my"
printf '{"read_local_config": true}\n' >"$OUT/plugin/component_keyring_file.cnf"
chmod 444 "$OUT/libexec/mysqld.my" "$OUT/plugin/component_keyring_file.cnf"
for name in mysqld $CLIENTS; do
  "$OUT/bin/$name" --no-defaults --version >"$TMP/log" 2>&1 || { cat "$TMP/log" >&2
    die FETCHED_PART_BROKEN "the unpacked $name does not start on this machine" "report it with the lines above; $OWN"; }
done

# ---- into place -----------------------------------------------------------------------------------------------
cp "$TMP/sums" "$OUT/packages.sha256"
"$OUT/bin/mysqld" --no-defaults --version >"$OUT/.complete"
[ ! -e "$DEST" ] || mv "$DEST" "$TMP/old"
mv "$OUT" "$DEST"
say "MySQL is in place, $(du -sm "$DEST" | cut -f1) MB"

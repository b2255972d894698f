# Sourced by what fetches Debian packages without root (fetch-mysql.sh here, test/tools/fetch-debs.sh).

# private_apt DIR STATUS: makes DIR/apt.conf and the folders that it names: apt then works on lists and a cache of its
# own, takes only what is signed, and knows the packages of the list STATUS as installed. Read after the machine's own
# configuration (apt-get -c), which so keeps its proxies but not its hooks. More may be appended.
private_apt() {
  mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
  cat >"$1/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "$1/state";
Dir::State::status "$2";
Dir::Cache "$1/cache";
Dir::Log "$1";
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
}

# shellcheck shell=bash
# What each purpose needs from Debian, once, and how what is missing gets installed. Sourced.
#
# On a machine that has everything this costs one dpkg-query and touches neither apt nor network.

build_packages=(
  g++ cmake ninja-build pkg-config
  libuv1-dev libssl-dev libxxhash-dev libspdlog-dev libfmt-dev
  libpg-query-dev libprotobuf-c-dev libtomlplusplus-dev libidn-dev libcli11-dev libcpp-httplib-dev
  nlohmann-json3-dev
  libgtest-dev libgmock-dev
)
# The server brings psql, pgbench and pg_dump; setpriv starts it as another user than root.
run_packages=(postgresql util-linux)
bench_packages=(python3 python3-psycopg)
orm_packages=("${bench_packages[@]}" python3-django python3-psycopg2 ruby-activerecord ruby-pg)
# PostgreSQL's own suites are fetched as its source package, and a part of them compiled.
conformance_packages=("${bench_packages[@]}" dpkg-dev gcc libc6-dev bzip2)
test_packages=(
  "${conformance_packages[@]}" python3-asyncpg python3-yaml openssl valgrind
  libpostgresql-jdbc-java openjdk-17-jdk-headless
)

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}

is_installed() {
  [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo "$@"
  fi
}

# What apt says is only worth reading when it fails.
apt_quietly() {
  local log status=0
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 "$@" \
    >"$log" 2>&1 || status=$?
  ((status == 0)) || tail -n 30 "$log" >&2
  rm -f "$log"
  ((status == 0)) || die "this failed: apt-get $*"
}

apt_install() { apt_quietly install --no-install-recommends "$@"; }

# Debian's server package creates and starts a cluster "main" when it is installed. Nobody asked
# for one: switch that off for the time of this installation, and leave the setting as it was.
install_postgresql() {
  local conf=/etc/postgresql-common/createcluster.conf keep status=0
  is_installed postgresql-common || apt_install postgresql-common
  keep=$(mktemp)
  cp "$conf" "$keep"
  echo 'create_main_cluster = false' | as_root tee -a "$conf" >/dev/null
  (apt_install postgresql) || status=$?
  as_root cp "$keep" "$conf"
  rm -f "$keep"
  return "$status"
}

# Debian's packages start a service when they are installed, unless policy-rc.d forbids it. Nobody asked
# for one: forbid it for the time of this installation, if nothing else says what to do.
install_without_service() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [[ -e "$policy" ]]; then
    apt_install "$1"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  (apt_install "$1") || status=$?
  as_root rm -f "$policy"
  return "$status"
}

# Usage: require_packages NAME... installs those that are missing.
require_packages() {
  local package missing=()
  command -v dpkg-query >/dev/null || die "this needs Debian 12: dpkg-query was not found"
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "these packages are missing: ${missing[*]}; install them as root, or install sudo"
  fi
  say "installing: ${missing[*]}"
  apt_quietly update
  for package in "${missing[@]}"; do
    case $package in
      postgresql) install_postgresql ;;
      pgbouncer | pgpool2 | redis-server) install_without_service "$package" ;;
    esac
  done
  apt_install "${missing[@]}"
}

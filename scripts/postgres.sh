# shellcheck shell=bash
# A private PostgreSQL: own data directory, loopback only, ended by its pid. Sourced after
# packages.sh. Durability is off: the data lives as long as the script that started it.
#
# start_private_postgres DIRECTORY [CONF_LINE...] sets postgres_pid, postgres_port and
# postgres_password, and makes a role and a database "app".

postgres_pid=
postgres_port=
postgres_password=

postgres_bin() {
  local bin
  bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)
  [[ -x "$bin/postgres" ]] || die "no PostgreSQL server under /usr/lib/postgresql"
  printf '%s' "$bin"
}

# PostgreSQL refuses to run as root, so root becomes the package's own user. setpriv and setsid
# exec: the pid stays the one that we started. A session of its own keeps Ctrl-C for the script,
# which then ends everything in order.
as_postgres() {
  if ((EUID == 0)); then
    exec setsid setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
  else
    exec setsid "$@"
  fi
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port
  while :; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    port_is_free "$port" && break
  done
  printf '%s' "$port"
}

# Waits for the server that postgres_pid names; false if it ended or takes longer than 30 s.
wait_for_postgres() {
  local attempt
  for attempt in {1..300}; do
    kill -0 "$postgres_pid" 2>/dev/null || return 1
    "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$postgres_port" && return 0
    sleep 0.1
  done
  return 1
}

start_private_postgres() {
  local directory=$1 bin line
  shift
  bin=$(postgres_bin)
  postgres_password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s\n' "$postgres_password" >"$directory/password"
  if ((EUID == 0)); then
    chmod 711 "$directory"
    install -d -o postgres -g postgres -m 700 "$directory/data"
    chown postgres "$directory/password"
  else
    install -d -m 700 "$directory/data"
  fi
  (as_postgres "$bin/initdb" -D "$directory/data" -U postgres --pwfile="$directory/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync) \
    >"$directory/initdb.log" 2>&1 || {
    cat "$directory/initdb.log" >&2
    die "initdb failed"
  }
  for line in "listen_addresses = '127.0.0.1'" "unix_socket_directories = ''" \
    'fsync = off' 'full_page_writes = off' 'max_wal_size = 2GB' "$@"; do
    printf '%s\n' "$line"
  done >>"$directory/data/postgresql.conf"

  # Somebody may take the port between our look and the server's bind: then try another.
  local attempt
  for attempt in 1 2 3; do
    postgres_port=$(free_port)
    as_postgres "$bin/postgres" -D "$directory/data" -p "$postgres_port" \
      >"$directory/postgres.log" 2>&1 &
    postgres_pid=$!
    wait_for_postgres && break
    postgres_pid=
  done
  if [[ -z "$postgres_pid" ]]; then
    tail -n 20 "$directory/postgres.log" >&2
    die "the private PostgreSQL did not start"
  fi
  PGPASSWORD=$postgres_password psql -X -q -h 127.0.0.1 -p "$postgres_port" -U postgres \
    -v password="$postgres_password" postgres <<'SQL'
CREATE ROLE app LOGIN PASSWORD :'password';
CREATE DATABASE app OWNER app;
SQL
}

stop_process() {
  local pid=$1 signal=$2 attempt
  [[ -n "$pid" ]] || return 0
  kill -s "$signal" "$pid" 2>/dev/null || return 0
  for attempt in {1..100}; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -s KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# SIGINT is PostgreSQL's fast shutdown: open sessions are ended.
stop_private_postgres() {
  stop_process "$postgres_pid" INT
  postgres_pid=
}

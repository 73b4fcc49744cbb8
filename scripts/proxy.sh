# shellcheck shell=bash
# Starting the proxy and waiting until it is of use. Sourced after packages.sh and postgres.sh.
#
# start_proxy LOG FLAG... sets proxy_pid and proxy_address.

proxy_pid=
proxy_address=

start_proxy() {
  local log=$1 attempt status
  shift
  setsid build/pgsidecar "$@" 2>"$log" &
  proxy_pid=$!
  for attempt in {1..100}; do
    proxy_address=$(sed -n '/http/d;s/.*listening on \([^ ]*:[0-9]*\)$/\1/p' "$log" | head -n 1)
    [[ -z "$proxy_address" ]] || return 0
    if ! kill -0 "$proxy_pid" 2>/dev/null; then
      status=0
      wait "$proxy_pid" || status=$?
      proxy_pid=
      cat "$log" >&2
      exit "$status"
    fi
    sleep 0.1
  done
  cat "$log" >&2
  die "the proxy did not start to listen within 10 seconds"
}

# Until a database's catalog has been read nothing in it is cached.
wait_for_catalog() {
  local log=$1 database=$2 attempt
  for attempt in {1..200}; do
    grep -Eq "catalog loaded .*database=$database( |\$)" "$log" && return 0
    kill -0 "$proxy_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$log" >&2
  die "the proxy did not read the catalog of database $database"
}

stop_proxy() {
  stop_process "$proxy_pid" TERM
  proxy_pid=
}

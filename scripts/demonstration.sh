# shellcheck shell=bash
# A heavy query twice, an UPDATE, and the query twice more: what each cost, and what the proxy says
# that it did. One psql session does it all, as an application would. Sourced.

demonstrate() {
  local url=$1 heavy update
  heavy="SELECT b.bid, count(*), sum(a.abalance), max(md5(a.filler || a.aid::text))
           FROM pgbench_accounts a JOIN pgbench_branches b USING (bid)
          GROUP BY b.bid ORDER BY b.bid"
  update='UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = 1'

  printf '\n%-32s %12s   %s\n' 'statement' 'ms' 'SHOW pgsidecar.last'
  {
    printf '%s\n' '\timing on'
    step 'heavy query' "$heavy"
    step 'the same again' "$heavy"
    step 'UPDATE: invalidates the answer' "$update"
    step 'the heavy query after that' "$heavy"
    step 'the same again' "$heavy"
  } | psql -X -q -A -t -v ON_ERROR_STOP=1 "$url" | awk -F'\t' '
    /^STEP\t/ { name = $2; timed = 0; next }
    /^Time: / { split($0, word, " "); if (!timed) { ms = word[2]; timed = 1 } next }
    /^LAST$/  { last = 1; next }
    last      { printf "%-32s %12s   %s\n", name, ms, $0; last = 0 }'
  printf '\n'
}

# psql's own commands for one step. The answer itself goes to /dev/null; \o does not hide \timing.
step() {
  printf '\\echo %s\n' "'STEP	$1'"
  printf '\\o /dev/null\n%s;\n\\o\n' "$2"
  printf '\\echo LAST\nSHOW pgsidecar.last;\n'
}

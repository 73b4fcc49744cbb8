#!/usr/bin/env python3
"""Writes catalog/trusted_functions_pure.inc: the names in pg_catalog that may be trusted as pure.

Usage: generate_trusted_functions.py [psql arguments] > catalog/trusted_functions_pure.inc

A name is a candidate if every overload is IMMUTABLE, written in C or SQL by PostgreSQL itself, and
takes and returns values that a statement can hold. NOT_PURE then takes out by hand what is
declared IMMUTABLE and still depends on catalogs, on the cluster's state or on the clock, and what
exists for the system's own use. Everything that is not pure is classed by hand in
catalog/trusted_functions_other.inc.
"""

import re
import subprocess
import sys

CANDIDATES = """
SELECT p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 11 AND p.oid < 16384
 GROUP BY 1
HAVING bool_and(p.provolatile = 'i' AND l.lanname IN ('internal', 'sql')
                AND p.prokind IN ('f', 'a', 'w')
                AND p.prorettype NOT IN (SELECT oid FROM pg_type
                      WHERE typname IN ('internal', 'cstring', 'trigger', 'event_trigger', 'void')
                         OR typname LIKE '%handler')
                AND NOT p.proargtypes::oid[] && ARRAY(SELECT oid FROM pg_type
                      WHERE typname IN ('internal', 'cstring')))
 ORDER BY 1
"""

NOT_PURE = re.compile(
    r"""^(
      .*(send|recv|typmodin|typmodout|_handler|_validator|_transfn|_canonical|_subdiff)
    | .*_(accum|accum_inv|combine|statefunc|progress_phasename)
    # With one argument these are casts, of text too: the text may say today.
    | (date|ts|tstz)(multi)?range
    | xml.* | xpath.*
    | btequalimage | btvarstrequalimage | spg_.* | gin_.*
    | pg_visible_in_snapshot | txid_visible_in_snapshot | pg_partition_root
    | pg_walfile_name.* | querytree | satisfies_hash_partition | pg_encoding_max_length
    )$""",
    re.VERBOSE,
)


def main():
    answer = subprocess.run(
        ["psql", "-XAt", "-c", CANDIDATES] + sys.argv[1:],
        check=True, capture_output=True, text=True)
    names = [name for name in answer.stdout.split("\n") if name and not NOT_PURE.match(name)]
    print("// Written by catalog/generate_trusted_functions.py; sorted.")
    line = ""
    for name in names:
        item = f'"{name}", '
        if len(line) + len(item) > 100:
            print(line.rstrip())
            line = ""
        line += item
    print(line.rstrip())


if __name__ == "__main__":
    main()

# shellcheck shell=bash
# Builds the release preset into build/. Sourced after packages.sh, in the root of the tree.
#
# Quiet when it works; when it fails, the compiler's words are the last thing on the screen.

build_release() {
  local log=build/build.log
  mkdir -p build
  say "building (the compiler's words go to $log)"
  if ! { cmake --preset release && cmake --build --preset release; } >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    die "the build failed; everything it said is in $log"
  fi
}

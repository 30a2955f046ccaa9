#!/usr/bin/env bash
# Every test: Rust's (units, properties, the tables on SQLite and on a real PostgreSQL, the whole system through sockets),
# examples in the documentation, stock JavaScript clients on an installation of separate processes, what the documents tell a
# reader to type, and the browser client in a real browser. Each part runs even if one before it failed; the last lines say
# what became of each.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

# Test builds can make a room panic; the release binary cannot.
features=(--features orrery/fault-hooks)
scripts/ui.sh
# One build for everything: a release build beside it would take longer than all the tests.
cargo build --workspace --all-targets "${features[@]}"
export ORRERY_BIN="$PWD/target/debug/orrery"

# A server of our own for as long as the tests run.
postgres=$(mktemp -d /tmp/orrery-postgres.XXXXXX)
stop_postgres() {
  scripts/postgres.sh stop "$postgres" || true
  rm -rf "$postgres"
}
engine=$(mktemp -d /tmp/orrery-engine.XXXXXX)
stop_engine() {
  scripts/docker.sh stop "$engine" || true
  rm -rf "$engine"
}
trap 'stop_postgres; stop_engine' EXIT
ORRERY_TEST_POSTGRES=$(scripts/postgres.sh start "$postgres")
export ORRERY_TEST_POSTGRES

results=()
failed=0
# Containers need an engine. Without one their tests are skipped, which in CI is a failure of each.
if ! scripts/docker.sh start "$engine"; then
  results+=('SKIPPED what needs a container engine: none answers, and none could be started')
fi
# What has our labels before there was a test is somebody else's.
labelled() {
  scripts/docker.sh labelled 2>/dev/null | sort || true
}
labelled >"$engine/before"
# A name, then the command. In CI, what fails is tried once more, and told of; Rust's tests each for itself (see
# .config/nextest.toml).
part() {
  local name=$1
  shift
  if "$@"; then
    results+=("ok      $name")
  elif [ -n "${CI:-}" ] && [ "$1" != rust ] && "$@"; then
    results+=("FLAKY   $name: failed once, see above")
  else
    results+=("FAILED  $name")
    failed=1
  fi
}

rust() {
  local profile=default
  [ -z "${CI:-}" ] || profile=ci
  cargo nextest run --workspace "${features[@]}" --profile "$profile"
}

# Stock clients in node. A skipped test counts as a failure in CI: there, everything can be had.
clients() {
  local log=target/clients.log
  node --test --test-reporter=spec tests/clients/*.test.mjs | tee "$log" || return 1
  [ -z "${CI:-}" ] || grep -q 'skipped 0$' "$log"
}

# People in a real browser, on the binary with the client inside.
stories() {
  node --test --test-reporter=spec tests/browser/*.test.mjs
}

# What the README and the documents tell a reader to type, and the files of deploy/.
documents() {
  cargo build --quiet -p orrery-note
  node --test --test-reporter=spec tests/docs/*.test.mjs
}

left() {
  labelled | comm -13 "$engine/before" -
}

# Tests take their containers and networks along. What somebody else has there at this moment may go yet.
nothing_left() {
  local tries
  for tries in $(seq 60); do
    [ -n "$(left)" ] || return 0
    sleep 1
  done
  echo 'left on the container engine:'
  left
  return 1
}

part 'client units' npm --prefix web/ui run --silent test
part 'documentation examples' cargo test --doc --workspace "${features[@]}" --quiet
part 'stock clients' clients
part 'documents and deployment' documents
part 'browser' stories
part 'generated requests' scripts/openapi/run.sh
part 'rust tests' rust
part 'nothing left on the engine' nothing_left

printf '%s\n' "${results[@]}"
exit "$failed"

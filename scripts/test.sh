#!/usr/bin/env bash
# Every test: Rust's (units, properties, the tables on SQLite and on a real PostgreSQL, the whole system through sockets),
# examples in the documentation, and the stock JavaScript clients. Each part runs even if one before it failed; the last
# lines say what became of each.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh test
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

# Test builds can make a room panic; the release binary cannot.
features=(--features orrery/fault-hooks)
cargo build --release -p orrery
export ORRERY_BIN="$PWD/target/release/orrery"

# A server of our own for as long as the tests run.
postgres=$(mktemp -d /tmp/orrery-postgres.XXXXXX)
stop_postgres() {
  scripts/postgres.sh stop "$postgres" || true
  rm -rf "$postgres"
}
trap stop_postgres EXIT
ORRERY_TEST_POSTGRES=$(scripts/postgres.sh start "$postgres")
export ORRERY_TEST_POSTGRES

results=()
failed=0
# A name, then the command.
part() {
  local name=$1
  shift
  if "$@"; then
    results+=("ok      $name")
  else
    results+=("FAILED  $name")
    failed=1
  fi
}

# Stock clients in node. A skipped test counts as a failure in CI: there, everything can be had.
clients() {
  local log=target/clients.log
  node --test --test-reporter=spec tests/clients/*.test.mjs | tee "$log" || return 1
  [ -z "${CI:-}" ] || grep -q 'skipped 0$' "$log"
}

part 'documentation examples' cargo test --doc --workspace "${features[@]}" --quiet
if compgen -G 'tests/clients/*.test.mjs' >/dev/null; then
  part 'stock clients' clients
fi
part 'generated requests' scripts/openapi/run.sh
part 'rust tests' cargo nextest run --workspace "${features[@]}"

printf '%s\n' "${results[@]}"
exit "$failed"

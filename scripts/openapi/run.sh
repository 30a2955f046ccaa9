#!/usr/bin/env bash
# The server against its own description: generated requests, good and bad, for a bounded time. A server error, an undocumented
# status, content type or body is a failure, and so is an operation that was never answered well. Prints the seed with which a
# failure comes again.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${ORRERY_BIN:?the binary}"
seconds=${OPENAPI_SECONDS:-90}
seed=${OPENAPI_SEED:-$RANDOM}

folder=$(mktemp -d)
server=
world=
finish() {
  local status=$?
  [ "$status" = 0 ] || tail -n 40 "$folder/log" >&2
  [ -z "$world" ] || kill "$world" 2>/dev/null || true
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT

# Requests come faster than people send them.
rates=(ADDRESS_PER_MINUTE SIGN_IN_PER_MINUTE FAILED_SIGN_IN_PER_MINUTE USER_PER_MINUTE KEY_PER_MINUTE)
environment=()
for rate in "${rates[@]}"; do environment+=("ORRERY_LIMITS_RATES_$rate=10000000"); done
env -u ORRERY_BIN -u ORRERY_TEST_POSTGRES "${environment[@]}" ORRERY_PASSWORDS_MEMORY_KIB=64 ORRERY_PASSWORDS_ITERATIONS=1 \
  ORRERY_ENGINE_ENABLED=off "$ORRERY_BIN" up --listen 127.0.0.1:0 --slots 2 --data "$folder/data" >"$folder/url" 2>"$folder/log" &
server=$!
# Waits until a process has written a line that begins so, and prints it.
first_line() {
  local line=
  for _ in $(seq 300); do
    line=$(grep -sm1 "^$1" "$2" || true)
    [ -z "$line" ] || break
    kill -0 "$3" || return 1
    read -rt 0.1 <> <(:) || true
  done
  [ -n "$line" ] || return 1
  printf '%s' "$line"
}
url=$(first_line http "$folder/url" "$server")
node scripts/openapi/world.mjs "$url" >"$folder/world.json" 2>>"$folder/log" &
world=$!
first_line '{' "$folder/world.json" "$world" >/dev/null
touch "$folder/seen"

echo "openapi: $seconds s, seed $seed"
export SCHEMATHESIS_HOOKS=$PWD/scripts/openapi/hooks.py OPENAPI_WORLD=$folder/world.json OPENAPI_SEEN=$folder/seen
# Orders are answered by gateway processes alone.
generated() {
  target/python/bin/st run "$url/openapi.json" --url "$url" --exclude-tag orders --exclude-path-regex '^/metrics$' \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
    --seed "$seed" --no-color --generation-database none --continue-on-failure --warnings off "$@"
}
# What is to be asked in any case, however slow the machine is; then by chance for as long as there is time.
SECONDS=0
generated --phases examples,coverage
rest=$((seconds - SECONDS))
[ "$rest" -lt 1 ] || generated --phases fuzzing --max-examples 25 --max-time "$rest"
# A server that fell over would have answered nothing more, and nor would the gateway that was played.
kill -0 "$server" "$world"
node scripts/openapi/seen.mjs "$url" "$folder/seen"

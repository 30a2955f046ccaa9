#!/usr/bin/env bash
# The people's API against its own description: generated requests, good and bad, for a bounded time. A server error, an
# undocumented status, content type or body is a failure. Prints the seed with which a failure comes again.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${ORRERY_BIN:?the binary}"
seconds=${OPENAPI_SECONDS:-60}
seed=${OPENAPI_SEED:-$RANDOM}

folder=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT

# Requests come faster than people send them.
rates=(ADDRESS_PER_MINUTE SIGN_IN_PER_MINUTE FAILED_SIGN_IN_PER_MINUTE USER_PER_MINUTE KEY_PER_MINUTE)
environment=()
for rate in "${rates[@]}"; do environment+=("ORRERY_LIMITS_RATES_$rate=10000000"); done
env -u ORRERY_BIN -u ORRERY_TEST_POSTGRES "${environment[@]}" ORRERY_PASSWORDS_MEMORY_KIB=64 ORRERY_PASSWORDS_ITERATIONS=1 \
  "$ORRERY_BIN" up --listen 127.0.0.1:0 --data "$folder/data" >"$folder/url" 2>"$folder/log" &
server=$!
url=
for _ in $(seq 300); do
  url=$(grep -m1 '^http' "$folder/url" || true)
  [ -z "$url" ] || break
  kill -0 "$server" || { cat "$folder/log"; exit 1; }
  read -rt 0.1 <> <(:) || true
done
key=$(node scripts/openapi/key.mjs "$url")

# Not JSON; and what only a gateway in a process of its own is ordered.
elsewhere='^/(metrics|collab/(start|stop|refresh))$'
echo "openapi: $seconds s, seed $seed"
target/python/bin/st run "$url/openapi.json" --url "$url" -H "Authorization: Bearer $key" \
  --phases examples,coverage,fuzzing --max-examples 25 --max-time "$seconds" --seed "$seed" --no-color --generation-database none \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
  --exclude-path-regex "$elsewhere" --continue-on-failure --warnings off
# A server that fell over would have answered nothing more.
kill -0 "$server"

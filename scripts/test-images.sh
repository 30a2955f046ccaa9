#!/usr/bin/env bash
# Builds the images that Orrery brings along and tries each as a member does: made by a command, visited through its URL and
# the sign-in gate, deleted. Takes minutes the first time.
#
#   scripts/test-images.sh [MODULE...]   folders of images/ that have a Dockerfile; all of them if none is named
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
[ "$#" -gt 0 ] || set -- $(cd images && for file in */Dockerfile; do dirname "$file"; done)

engine=$(mktemp -d /tmp/orrery-engine.XXXXXX)
stop_engine() {
  scripts/docker.sh stop "$engine" || true
  rm -rf "$engine"
}
trap stop_engine EXIT
scripts/docker.sh start "$engine"
scripts/images.sh "$@"
if [ -z "${ORRERY_BIN:-}" ]; then
  scripts/ui.sh
  cargo build --release -p orrery
  export ORRERY_BIN="$PWD/target/release/orrery"
fi
ORRERY_MODULES="$*" node --test --test-reporter=spec tests/images/*.test.mjs

#!/usr/bin/env bash
# Builds what is measured and the loads, starts the container engine if none answers, and runs the loads; arguments go on to
# `orrery-benches run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh bench
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin"

cargo build --release -p orrery -p orrery-benches
# In one command with them, the engine that is none would be in the binary too.
cargo build --release -p orrery-actors --example reconcile

engine=$(mktemp -d /tmp/orrery-engine.XXXXXX)
trap 'scripts/docker.sh stop "$engine" || true; rm -rf "$engine"' EXIT
scripts/docker.sh start "$engine" || echo 'bench: no container engine answers; loads that need one will say so' >&2
target/release/orrery-benches run "$@"

#!/bin/sh
# Installs the servers that Orrery is measured beside, each into this folder. What cannot be installed is named with its
# error and left out of the table; it does not stop the others. Run again, it does only what is missing.
set -u
cd "$(dirname "$0")" || exit 1
export CARGO_TARGET_DIR="$PWD/.build"
failed=""

attempt() {
    name=$1
    shift
    echo "peers: installing $name"
    if ! log=$("$@" 2>&1); then
        printf '%s\n' "$log" | tail -n 15
        echo "peers: $name could not be installed (above); it will be missing from the table"
        failed="$failed $name"
    fi
}

yrs_warp() {
    cargo build --quiet --release --locked --manifest-path yrs-warp/Cargo.toml &&
        mkdir -p .bin/bin && cp .build/release/orrery-benches-yrs-warp .bin/bin/yrs-warp
}

pycrdt() {
    python3 -m venv .venv && .venv/bin/pip install --quiet -r pycrdt/requirements.txt
}

if ! [ -d node/node_modules/@hocuspocus/server ]; then
    attempt "y-websocket-server and Hocuspocus (npm)" npm install --prefix node --no-audit --no-fund
fi
if ! [ -x .bin/bin/y-sweet ]; then
    attempt "y-sweet (crates.io)" cargo install --quiet --locked --root .bin --version 0.9.1 y-sweet
fi
if ! [ -x .bin/bin/yrs-warp ]; then
    attempt "yrs-warp (crates.io)" yrs_warp
fi
if ! .venv/bin/python -c 'import pycrdt.websocket, hypercorn' 2>/dev/null; then
    attempt "pycrdt-websocket (PyPI)" pycrdt
fi

[ -z "$failed" ] || echo "peers: missing:$failed"
exit 0

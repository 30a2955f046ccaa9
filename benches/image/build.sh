#!/usr/bin/env bash
# The image of what is behind a proxy that is measured, built from nothing: the program of the loads, as PROGRAM names it, and
# the libraries that it is linked with. Does nothing where the image is there already.
set -euo pipefail
program=${1:?PROGRAM}
name=orrery-bench/upstream:1

sum=$(cat "${BASH_SOURCE[0]}" "$program" | sha256sum | cut -d ' ' -f 1)
known=$(docker image inspect --format '{{index .Config.Labels "orrery-bench.sum"}}' "$name" 2>/dev/null || true)
[ "$known" != "$sum" ] || exit 0

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp --dereference "$program" "$root/program"
ldd "$program" | grep -o '/[^ ]*' | xargs cp --dereference --parents --target-directory="$root"
tar -C "$root" --mode=a+rx -c . | docker import \
  --change 'ENTRYPOINT ["/program"]' --change 'USER 1000' --change "LABEL orrery-bench.sum=$sum" - "$name" >/dev/null

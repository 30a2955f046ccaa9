#!/usr/bin/env bash
# Builds the images that Orrery brings along, where no registry has them: a base by debootstrap, the others from it. Needs
# Docker, debootstrap and root.
#
#   scripts/images.sh [MODULE...]    folders of images/ that have a Dockerfile; all of them if none is named
set -euo pipefail
cd "$(dirname "$0")/.."
base=orrery/base:bookworm
mirror=${ORRERY_DEBIAN_MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d /tmp/orrery-images.XXXXXX)
trap 'rm -rf "$work"' EXIT

# A field of a module's definition.
field() { sed -n "s/^$2 = \"\(.*\)\"$/\1/p" "images/$1/image.toml" | head -n 1; }

# Debian, with the certificates that this host trusts: behind a proxy that opens TLS, nothing is fetched without them.
build_base() {
  docker image inspect "$base" >/dev/null 2>&1 && return
  echo "images: building $base (some minutes)"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/root" "$mirror" >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2; exit 1; }
  rm -rf "$work/root/var/cache/apt/archives/"*.deb "$work/root/var/lib/apt/lists/"*
  cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt"
  tar -C "$work/root" --numeric-owner -c . | docker import - "$base" >/dev/null
}

# By the host's network and with the host's certificates, which stay out of what the image says of itself.
build() {
  local module=$1 name
  name="$(field "$module" uri):$(field "$module" tag)"
  echo "images: building $name"
  docker build --quiet --network host --build-arg BASE="$base" \
    --build-arg PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    --build-arg NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    --tag "$name" "images/$module"
}

[ "$#" -gt 0 ] || set -- $(cd images && for file in */Dockerfile; do dirname "$file"; done)
build_base
for module in "$@"; do
  build "$module"
done

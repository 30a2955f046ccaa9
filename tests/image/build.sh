#!/usr/bin/env bash
# The image that tests make containers from, built from nothing: a static busybox, as Debian packages it, and one script that
# is the program. Does nothing where the image is there already. The engine is the one that `docker` asks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
name=orrery-test/program:1
applets=(sh httpd sleep usleep dd nc head tr id grep hostname wget env cat)

busybox=$(command -v busybox) || {
  echo 'busybox-static is not installed' >&2
  exit 1
}
sum=$(cat build.sh program.sh "$busybox" | sha256sum | cut -d ' ' -f 1)
known=$(docker image inspect --format '{{index .Config.Labels "orrery-test.sum"}}' "$name" 2>/dev/null || true)
[ "$known" != "$sum" ] || exit 0

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,www,dev/shm,tmp,proc,sys}
cp "$busybox" "$root/bin/busybox"
cp program.sh "$root/program"
echo 'the container' >"$root/www/index.html"
for applet in "${applets[@]}"; do
  ln -s busybox "$root/bin/$applet"
done
tar -C "$root" --mode=a+rx -c . | docker import \
  --change 'ENTRYPOINT ["/bin/sh", "/program"]' --change 'USER 1000' --change "LABEL orrery-test.sum=$sum" - "$name" >/dev/null

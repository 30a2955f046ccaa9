#!/usr/bin/env bash
# The images that tests make containers from, built from nothing: a static busybox, as Debian packages it, and one script that
# is the program. `1` is told what to do; `web` and `bare` serve by themselves, and only `web` says at which port. Does nothing
# where the images are there already. The engine is the one that `docker` asks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
name=orrery-test/program
applets=(sh httpd sleep usleep dd nc head tr id grep hostname wget env cat)

busybox=$(command -v busybox) || {
  echo 'busybox-static is not installed' >&2
  exit 1
}
sum=$(cat build.sh program.sh "$busybox" | sha256sum | cut -d ' ' -f 1)
is_there() {
  [ "$(docker image inspect --format '{{index .Config.Labels "orrery-test.sum"}}' "$name:$1" 2>/dev/null || true)" = "$sum" ]
}
# The last one that is made says that all are.
! is_there 1 || exit 0

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,www,dev/shm,tmp,proc,sys}
cp "$busybox" "$root/bin/busybox"
cp program.sh "$root/program"
echo 'the container' >"$root/www/index.html"
for applet in "${applets[@]}"; do
  ln -s busybox "$root/bin/$applet"
done
import() {
  local tag=$1
  shift
  tar -C "$root" --mode=a+rx -c . | docker import --change 'ENTRYPOINT ["/bin/sh", "/program"]' --change 'USER 1000' \
    --change "LABEL orrery-test.sum=$sum" "$@" - "$name:$tag" >/dev/null
}
import web --change 'CMD ["serve", "8080"]' --change 'EXPOSE 8080/tcp 53/udp'
import bare --change 'CMD ["serve", "8080"]'
import 1

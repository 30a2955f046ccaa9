#!/bin/busybox sh
# The program of the test image: what the engine that is none understands too, and what only a real one can show.
PATH=/bin
say() { echo "$*"; }
case "$1" in
  serve) exec httpd -f -p "$2" -h /www ;;
  deaf | idle) exec sleep 1000000 ;;
  exit)
    say 'first line'
    say 'second line' >&2
    usleep "$(($3 * 1000))"
    exit "$2"
    ;;
  # A file in memory counts as memory.
  eat) exec dd if=/dev/zero of=/dev/shm/all bs=1M ;;
  stubborn)
    trap '' TERM
    while :; do sleep 1; done
    ;;
  # Whether each HOST:PORT is reached, one line each.
  reach)
    shift
    for target; do
      if nc -w 2 "${target%:*}" "${target##*:}" </dev/null >/dev/null 2>&1; then say "$target yes"; else say "$target no"; fi
    done
    ;;
  long) head -c 100000 /dev/zero | tr '\0' x && echo ;;
  who) id -u && grep -E '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/self/status && hostname ;;
  *) exec "$@" ;;
esac

#!/bin/busybox sh
# The program of the test image: what the engine that is none understands too, and what only a real one can show.
PATH=/bin
say() { echo "$*"; }
case "$1" in
  serve) exec httpd -f -p "$2" -h /www ;;
  # Says that it lives, and where a service of it listens, as a program does that knows its token.
  report)
    tell() {
      wget -q -O- --header "Authorization: Bearer $ORRERY_TOKEN" --header 'Content-Type: application/json' \
        --post-data "{\"event\":{\"type\":$1}}" "$ORRERY_URL/collab/event" || say "refused: $1"
    }
    httpd -p "$2" -h /www
    tell "\"user-container:map-http-service\",\"name\":\"extra\",\"port\":$2"
    while :; do
      tell '"user-container:watchdog","system":{"cpu_count":2}'
      sleep 1
    done
    ;;
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

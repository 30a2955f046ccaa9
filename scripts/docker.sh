#!/usr/bin/env bash
# The container engine of this machine, for tests: what answers is used, what is installed is started.
#
#   scripts/docker.sh installed      whether its programs are there
#   scripts/docker.sh start FOLDER   starts it if none answers; fails if it does not come. FOLDER holds its log and its number
#   scripts/docker.sh stop FOLDER    ends it, if it was started so
#   scripts/docker.sh labelled       names whatever bears an organization's label, one a line
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

have() { command -v "$1" >/dev/null 2>&1; }

installed() { have docker && have busybox && have ip && { answers || { have dockerd && have iptables; }; }; }

answers() { docker version >/dev/null 2>&1; }

start() {
  local folder=$1 tries
  answers && return
  [ "$(id -u)" = 0 ] || return 1
  dockerd --pidfile "$folder/pid" >"$folder/log" 2>&1 &
  for tries in $(seq 300); do
    answers && return
    kill -0 $! 2>/dev/null || break
    sleep 0.2
  done
  tail -n 20 "$folder/log" >&2
  return 1
}

stop() {
  [ -f "$1/pid" ] && kill "$(cat "$1/pid")"
}

labelled() {
  local filter=(--filter label=orrery.org)
  docker ps --all "${filter[@]}" --format 'container {{.Names}} {{.ID}}'
  docker network ls "${filter[@]}" --format 'network {{.Name}} {{.ID}}'
}

"$@"

#!/usr/bin/env bash
# A PowerDNS server for tests: its own folder and data base, on ports of its own of 127.0.0.1. The folder is to be removed
# afterwards.
#
#   scripts/pdns.sh installed              whether its programs are there
#   scripts/pdns.sh start FOLDER [PORTS]   prints the API's URL, its key, and the port for questions. PORTS: "API DNS"
#   scripts/pdns.sh stop FOLDER            ends it; it may be started again
set -euo pipefail

schema=/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql
export PATH="$PATH:/usr/sbin:/sbin"

have() { command -v "$1" >/dev/null 2>&1; }

installed() { have pdns_server && have dig && have sqlite3 && [ -f "$schema" ]; }

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# Ports that were free may be taken before the server has them.
start() {
  local folder=$1 ports=${2:-} attempts=1
  if [ -z "$ports" ]; then attempts=3; fi
  while [ "$attempts" -gt 0 ]; do
    if start_on "$folder" "${ports:-$(free_port) $(free_port)}"; then return; fi
    attempts=$((attempts - 1))
  done
  cat "$folder/log" >&2
  return 1
}

start_on() {
  local folder=$1 api dns key tries
  read -r api dns <<<"$2"
  key=$(cat "$folder/key" 2>/dev/null || od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  echo "$key" >"$folder/key"
  [ -f "$folder/pdns.sqlite3" ] || sqlite3 "$folder/pdns.sqlite3" <"$schema"
  cat >"$folder/pdns.conf" <<CONF
launch=gsqlite3
gsqlite3-database=$folder/pdns.sqlite3
gsqlite3-pragma-synchronous=0
local-address=127.0.0.1
local-port=$dns
socket-dir=$folder
api=yes
api-key=$key
webserver=yes
webserver-address=127.0.0.1
webserver-port=$api
webserver-allow-from=127.0.0.1
cache-ttl=0
negquery-cache-ttl=0
query-cache-ttl=0
zone-cache-refresh-interval=0
receiver-threads=1
distributor-threads=1
daemon=no
guardian=no
CONF
  # As somebody who may do nothing else, if this is root.
  local as=()
  if [ "$(id -u)" = 0 ]; then
    chown -R nobody "$folder"
    as=(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups --)
  fi
  "${as[@]}" pdns_server --config-dir="$folder" >"$folder/log" 2>&1 </dev/null &
  echo $! >"$folder/pid"
  for ((tries = 0; tries < 200; tries++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$api") 2>/dev/null; then
      echo "http://127.0.0.1:$api $key $dns"
      return
    fi
    kill -0 "$(cat "$folder/pid")" 2>/dev/null || break
    sleep 0.05
  done
  stop "$folder"
  return 1
}

stop() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 0
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$1/pid"
}

case ${1:-} in
  installed) installed ;;
  start) start "${@:2}" ;;
  stop) stop "$2" ;;
  *)
    echo "pdns.sh: installed, start FOLDER [PORTS] or stop FOLDER" >&2
    exit 2
    ;;
esac

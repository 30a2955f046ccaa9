#!/usr/bin/env bash
# A PostgreSQL server for tests: its own cluster in a folder, reached by a socket in that folder only. The folder is to be
# removed afterwards.
#
#   scripts/postgres.sh installed        whether its programs are there
#   scripts/postgres.sh start FOLDER     prints the URL
#   scripts/postgres.sh stop FOLDER
set -euo pipefail

# Where initdb and pg_ctl are: Debian keeps them out of PATH, one folder a version.
programs() {
  local found
  found=$(command -v initdb || ls -1 /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
  [ -n "$found" ] && dirname "$(readlink -f "$found")"
}

# PostgreSQL refuses to run as root.
unprivileged() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups -- "${@:2}"
  else
    "${@:2}"
  fi
}

account() {
  if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

start() {
  local folder=$1 user bin
  user=$(account)
  bin=$(programs) || return 1
  [ "$(id -u)" != 0 ] || chown "$user" "$folder"
  unprivileged "$user" "$bin/initdb" --pgdata "$folder/data" --username orrery --auth trust --encoding UTF8 \
    --locale C --no-sync >"$folder/log" 2>&1 || { cat "$folder"/*log >&2; return 1; }
  # What a crash of the machine would lose is of no interest here.
  unprivileged "$user" "$bin/pg_ctl" --pgdata "$folder/data" --wait --log "$folder/server.log" --silent \
    --options "-k '$folder' -c listen_addresses= -c fsync=off -c max_connections=300" start >/dev/null \
    || { cat "$folder"/*log >&2; return 1; }
  echo "postgres:///postgres?host=$folder&user=orrery"
}

stop() {
  local bin
  bin=$(programs) || return 1
  [ ! -d "$1/data" ] || unprivileged "$(account)" "$bin/pg_ctl" --pgdata "$1/data" --mode immediate --silent stop
}

case ${1:-} in
  installed) programs >/dev/null ;;
  start) cd / && start "$2" ;;
  stop) cd / && stop "$2" ;;
  *)
    echo "postgres.sh: installed, start FOLDER or stop FOLDER" >&2
    exit 2
    ;;
esac

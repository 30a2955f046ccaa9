#!/usr/bin/env bash
# Everything that can be said of the sources without running them. Stops at the first fault.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh check
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

step() {
  echo "check: $*"
  "$@"
}

step scripts/invariants.sh
step cargo fmt --all --check
step cargo clippy --workspace --all-targets --features orrery/fault-hooks --quiet -- -D warnings
# Private items are documented too, so links to them resolve.
RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' step cargo doc --workspace --no-deps --document-private-items --quiet

step cargo deny --log-level error check licenses bans sources
# The list of advisories comes from another host than the crates do, which may be out of reach.
if timeout 60 cargo deny --log-level off fetch db 2>/dev/null; then
  step cargo deny --log-level error check --disable-fetch advisories
else
  echo 'check: SKIPPED advisories: their database cannot be reached from here'
fi

mapfile -t javascript < <(scripts/javascript.sh)
lint=scripts/lint/node_modules/.bin
step $lint/prettier --config scripts/lint/.prettierrc.json --log-level warn --check "${javascript[@]}"
step $lint/eslint --config scripts/lint/eslint.config.mjs --max-warnings 0 "${javascript[@]}"
step npm --prefix web/ui run --silent lint
step npm --prefix web/ui run --silent check
echo 'check: all is well'

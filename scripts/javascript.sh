#!/usr/bin/env bash
# The JavaScript that is ours to format and lint.
set -euo pipefail
cd "$(dirname "$0")/.."
find tests/clients tests/browser tests/docs tests/image tests/images images examples scripts -name node_modules -prune -o -name '*.mjs' -print | sort

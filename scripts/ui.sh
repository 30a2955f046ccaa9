#!/usr/bin/env bash
# Builds the browser client into `web/ui/dist`, from where the binary takes it when it is compiled. Does nothing if nothing
# that goes into it has changed since: cargo compiles anew whenever a file there is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh ui

cd web/ui
stamp=node_modules/.built
sources=$(find src build index.html package-lock.json tsconfig.json vite.config.ts -type f -print0 | sort -z | xargs -0 sha256sum)
if [ -f dist/index.html ] && [ "$sources" = "$(cat "$stamp" 2>/dev/null)" ]; then
  exit 0
fi
echo 'ui: building the browser client'
rm -f "$stamp"
node_modules/.bin/vite build --logLevel warn
printf '%s\n' "$sources" >"$stamp"

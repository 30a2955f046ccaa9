#!/usr/bin/env bash
# Rules of the architecture that no compiler checks. Each prints the lines that break it.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

# A rule, and the lines that break it.
rule() {
  [ -z "$2" ] && return
  printf 'invariant broken: %s\n%s\n' "$1" "$2" >&2
  failed=1
}

# Production sources: no tests, no measurements.
production() {
  git ls-files --cached --others --exclude-standard -- 'src/*.rs' 'protocol/src/*.rs' 'actors/src/*.rs' \
    'ganymede/src/*.rs' 'web/src/*.rs' | grep -vE '(^|/)tests(\.rs|/)|_tests\.rs$'
}

# Lines that match, outside the files that may and the test module at the end of a file.
lines() {
  local pattern=$1 allowed=${2:-^$} file
  production | grep -vE "$allowed" | while read -r file; do
    sed '/^#\[cfg(test)\]$/,$d' "$file" | { grep -nE "$pattern" || true; } | { grep -vE '^[0-9]+: *//' || true; } |
      sed "s|^|$file:|"
  done
}

# Lines that match in tracked files of a pattern.
tracked() { git grep -nE "$2" -- "$1" || true; }

# Pairs of crates, of which the first depends on the second in production, by its own manifest.
dependencies() {
  cargo metadata --format-version 1 --no-deps --offline |
    node -e '
      const { packages } = JSON.parse(require("fs").readFileSync(0, "utf8"))
      for (const { name, dependencies } of packages)
        for (const dependency of dependencies) if (dependency.kind === null) console.log(name, dependency.name)'
}

rule 'only the document module talks to yrs' "$(lines '\byrs::' '^protocol/src/document(\.rs|/)')"
rule 'only the Docker runtime talks to the container engine' \
  "$(lines '\bbollard::' '^actors/src/engine/docker(\.rs|/)')"
rule 'protocol does no I/O and reads no clock' \
  "$(lines 'std::(fs|net|process|thread|env)|\b(Instant|SystemTime)\b|\btokio::' '^(src|actors|ganymede|web)/')"
rule 'status codes of refusals stand in one file' \
  "$(lines 'StatusCode::(([A-RT-Z]|S[A-VX-Z])[A-Z_]*)' '^web/src/error\.rs$|^(src|protocol|actors|ganymede)/' | grep -vE 'StatusCode::(OK|CREATED|NO_CONTENT)\b' || true)"
rule 'one file reads the environment' "$(lines '\benv::(var|vars)' '^src/config/environment\.rs$')"
rule 'one file writes results' "$(lines '\bstdout\(\)' '^src/output\.rs$')"
rule 'subprocesses are started by argument vector' "$(lines 'Command::new\("(/bin/)?(sh|bash|dash)"\)')"
rule 'no test is ignored' "$(tracked '*.rs' '^\s*#\[ignore')"
rule 'lock files name no download host' "$(tracked '*package-lock.json' '"resolved":')"

edges=$(dependencies)
among() { grep -E "$1" <<<"$edges" || true; }
rule 'protocol stays pure' "$(among '^orrery-protocol (tokio|rand|orrery-.*)$')"
rule 'dependencies point one way' "$(among '^orrery-(actors|ganymede) orrery-(actors|ganymede|web)$')"
rule 'only protocol depends on yrs' "$(among '^orrery(-actors|-ganymede|-web)? yrs$')"

exit "$failed"

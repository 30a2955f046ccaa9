#!/usr/bin/env bash
# Each fuzz target for some seconds. New inputs go to target/fuzz, so that the committed corpus stays small.
set -euo pipefail
cd "$(dirname "$0")/../protocol"
seconds=${1:?how many seconds for each target}
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
for path in fuzz/fuzz_targets/*.rs; do
  target=$(basename "$path" .rs)
  found="../target/fuzz/$target"
  mkdir -p "$found" "fuzz/corpus/$target"
  # The instrumentation is unstable, the compiler is not; without a sanitizer, because the code is free of unsafe.
  RUSTC_BOOTSTRAP=1 cargo fuzz run -O -s none "$target" "$found" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=5
done

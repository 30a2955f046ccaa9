# Measurements. BENCH takes further arguments, for example BENCH="--runs 1 --loads fan-out,idle --servers orrery,floor".
BENCH ?=
MINUTES ?= 30

.PHONY: bench bench-peers bench-board soak

# Ours and the kernel's floor.
bench:
	benches/run.sh --servers orrery,floor --json target/bench/bench.json $(BENCH)

# Ours beside everybody else's, in one run; installs what is missing.
bench-peers:
	benches/peers/install.sh
	benches/run.sh --json target/bench/bench-peers.json $(BENCH)

# How soon a large board is there, in a real browser.
bench-board:
	scripts/setup.sh bench
	scripts/ui.sh
	cargo build --release -p orrery
	node tests/browser/bench.mjs

# 2,000 connections with steady edits for MINUTES: memory, descriptors and threads stay flat.
soak:
	scripts/setup.sh up
	cargo build --release -p orrery -p orrery-benches
	target/release/orrery-benches soak --minutes $(MINUTES)

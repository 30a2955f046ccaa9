# Measurements. BENCH takes further arguments, for example BENCH="--runs 1 --loads fan-out,idle --servers orrery,floor".
BENCH ?=
MINUTES ?= 30

.PHONY: bench bench-peers soak

# Ours and the kernel's floor.
bench:
	cargo build --release -p orrery -p orrery-benches
	target/release/orrery-benches run --servers orrery,floor --json target/bench/bench.json $(BENCH)

# Ours beside everybody else's, in one run; installs what is missing.
bench-peers:
	benches/peers/install.sh
	cargo build --release -p orrery -p orrery-benches
	target/release/orrery-benches run --json target/bench/bench-peers.json $(BENCH)

# 2,000 connections with steady edits for MINUTES: memory, descriptors and threads stay flat.
soak:
	cargo build --release -p orrery -p orrery-benches
	target/release/orrery-benches soak --minutes $(MINUTES)

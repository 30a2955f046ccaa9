# Everything a developer and CI do. Each target does the set-up it needs and says what it installs.

ARGS ?=
FUZZ_SECONDS ?= 60

.PHONY: help up test check format fuzz

help:
	@echo 'make up      build the binary and run it (ARGS="--listen 127.0.0.1:7001" and so on)'
	@echo 'make test    every test'
	@echo 'make check   formatting, lints, documentation, licences, invariants'
	@echo 'make format  rewrite the sources in their one format'
	@echo 'make bench   our loads beside the kernel floor; make bench-peers: beside other servers'
	@echo 'make fuzz    each fuzz target for FUZZ_SECONDS (now $(FUZZ_SECONDS))'

up:
	scripts/setup.sh up
	cargo build --release -p orrery
	exec target/release/orrery up $(ARGS)

test:
	scripts/test.sh

check:
	scripts/check.sh

format:
	scripts/setup.sh format
	cargo fmt --all
	scripts/lint/node_modules/.bin/prettier --config scripts/lint/.prettierrc.json --write $$(scripts/javascript.sh)

fuzz:
	scripts/setup.sh fuzz
	scripts/fuzz.sh $(FUZZ_SECONDS)

-include benches/bench.mk

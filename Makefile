# Everything a developer and CI do. Each target does the set-up it needs and says what it installs.

# What scripts/setup.sh brings because the machine's own is missing or too old.
export PATH := $(CURDIR)/target/node/bin:$(PATH)

ARGS ?=
FUZZ_SECONDS ?= 60

.PHONY: help up ui test test-images chaos check format openapi fuzz

help:
	@echo 'make up      build the binary and run it (ARGS="--listen 127.0.0.1:7001" and so on)'
	@echo 'make ui      build the browser client, which the next build of the binary takes in'
	@echo 'make test    every test'
	@echo 'make test-images  build the images that we bring along, and try them (minutes)'
	@echo 'make check   formatting, lints, documentation, licences, invariants'
	@echo 'make format  rewrite the sources in their one format'
	@echo 'make openapi renew docs/openapi.json, the copy of what the server says of itself'
	@echo 'make bench   our loads beside the kernel floor; make bench-peers: beside other servers; make bench-board: a browser'
	@echo 'make soak    2,000 connections with steady edits for MINUTES; make chaos: every fault while people type, and containers run'
	@echo 'make fuzz    each fuzz target for FUZZ_SECONDS (now $(FUZZ_SECONDS))'

up:
	scripts/setup.sh up
	scripts/ui.sh
	cargo build --release -p orrery
	exec target/release/orrery up $(ARGS)

ui:
	scripts/ui.sh

test:
	scripts/test.sh

# Goes on for MINUTES; `ORRERY_TEST_SEED` plays one again.
chaos:
	scripts/setup.sh test
	ORRERY_CHAOS_MINUTES=$(MINUTES) cargo test --features fault-hooks --test system chaos -- --nocapture

test-images:
	scripts/setup.sh test-images
	scripts/test-images.sh

check:
	scripts/check.sh

format:
	scripts/setup.sh format
	cargo fmt --all
	scripts/lint/node_modules/.bin/prettier --config scripts/lint/.prettierrc.json --write $$(scripts/javascript.sh)
	npm --prefix web/ui run --silent format

openapi:
	scripts/setup.sh up
	ORRERY_RENEW_OPENAPI=1 cargo test --quiet -p orrery-web the_copy_in_the_documentation

fuzz:
	scripts/setup.sh fuzz
	scripts/fuzz.sh $(FUZZ_SECONDS)

-include benches/bench.mk

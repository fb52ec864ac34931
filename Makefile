# The commands of this project. `make demo` and `make test` do all the set-up on a fresh machine.
SHELL := /bin/bash
MODEL ?= all-MiniLM-L6-v2
JOBS ?= $(shell nproc)
TREBLE := build/release/bin/treble

.PHONY: demo test differential differential-store bench bench-peers bench-scaling soak lint fuzz sanitize build setup docs install clean

setup:
	@tools/setup.sh $(SETUP_OPTIONS)

build: setup
	@mkdir -p build
	@cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@cmake --build --preset release -j $(JOBS)

models/%: tools/fetch_model.py
	@.venv/bin/python tools/fetch_model.py $*
	@touch $@

## Embeds real text of this machine, shows how length changes the vectors, says what to run next.
demo: build models/$(MODEL)
	@tools/demo.sh models/$(MODEL)

## Everything that is tested: unit, golden, real models, programs, the installed package.
test: SETUP_OPTIONS := --browser
test: build models/all-MiniLM-L6-v2
	@tools/fetch_test_models.sh
	@ctest --preset release -j $(JOBS)

## SEEDS random configurations against sentence-transformers, from seed START on; about ten minutes. docs/differential.md
SEEDS ?= 300
START ?= 0
differential: build
	@tools/setup_golden.sh
	@.venv-golden/bin/python tools/run_differential.py --seeds $(SEEDS) --start $(START) --jobs $(JOBS)

## Rewrites the slice of it that `make test` checks.
differential-store: build
	@tools/setup_golden.sh
	@.venv-golden/bin/python tools/run_differential.py --store

## Tokens per second against sentence-transformers, same texts, same threads, one run.
bench: build models/$(MODEL)
	@tools/setup_golden.sh
	@.venv-golden/bin/python benchmarks/bench_embed.py --model models/$(MODEL)

## Against six other engines, all models and workloads, small: writes docs/benchmarks.md. FULL=1 for the whole texts.
bench-peers: setup
	@tools/setup_peers.sh
	@for model in all-MiniLM-L6-v2 bge-small-en-v1.5 all-mpnet-base-v2; do $(MAKE) --no-print-directory models/$$model; done
	@cmake --preset release -DTREBLE_BUILD_BENCHMARKS=ON >/dev/null && cmake --build --preset release -j $(JOBS)
	@.venv-peers/bin/python benchmarks/bench_peers.py $(if $(FULL),,--quick)

## How cost grows with length, texts, threads and options: writes docs/scaling.md.
bench-scaling: setup models/all-MiniLM-L6-v2
	@tools/setup_peers.sh
	@cmake --preset release -DTREBLE_BUILD_BENCHMARKS=ON >/dev/null && cmake --build --preset release -j $(JOBS)
	@.venv-peers/bin/python benchmarks/bench_scaling.py

## Memory over MINUTES of texts of mixed lengths; fails when it grows.
MINUTES ?= 10
soak: setup models/$(MODEL)
	@cmake --preset release -DTREBLE_BUILD_BENCHMARKS=ON >/dev/null && cmake --build --preset release -j $(JOBS)
	@python3 benchmarks/soak.py --model models/$(MODEL) --minutes $(MINUTES)

## Formatting, static checks, clippy. `pre-commit install` runs the quick ones at each commit.
lint: build
	@tools/lint.sh

## The API reference, build/docs/api/index.html; a public name without documentation is an error.
docs:
	@tools/setup.sh --docs
	@mkdir -p build/docs
	@TREBLE_VERSION=$$(sed -n 's/^project(treble VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt) doxygen docs/Doxyfile

## AddressSanitizer with UBSan, then ThreadSanitizer, over the C++ tests.
sanitize: setup
	@for preset in asan-ubsan tsan; do \
	  cmake --preset $$preset >/dev/null && cmake --build --preset $$preset -j $(JOBS) && \
	  ctest --preset $$preset -j $(JOBS) -LE lint || exit 1; done

## Each fuzz target for a minute.
fuzz:
	@tools/setup.sh --fuzz
	@cmake --preset fuzz >/dev/null && cmake --build --preset fuzz -j $(JOBS)
	@tools/fuzz.sh 60

install: build
	@cmake --install build/release --prefix $(or $(PREFIX),/usr/local)

clean:
	@rm -rf build

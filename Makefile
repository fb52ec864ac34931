# The commands of this project. `make demo` and `make test` do all the set-up on a fresh machine.
SHELL := /bin/bash
MODEL ?= all-MiniLM-L6-v2
JOBS ?= $(shell nproc)
TREBLE := build/release/bin/treble
STEP = @printf '\n== %s\n'

.PHONY: demo program test test-integrations differential differential-store bench bench-peers bench-server bench-scaling study state-capacity soak lint \
  fuzz sanitize build setup docs install wheel dist deb container clean

setup:
	@tools/setup.sh $(SETUP_OPTIONS) $(BROWSER_OPTION)

# Program and tests share build/release; a folder that has been configured is left as it is by the one and completed by the
# other, so neither compiles anew what the other has compiled.
configure = mkdir -p build && { cmake --preset release $(1) >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }; }

## The program, its manual page and completions alone: what `make demo` builds.
program: setup
	@[ -f build/release/build.ninja ] || { $(call configure,-DTREBLE_BUILD_TESTS=OFF); }
	$(STEP) "Building the program: C++, and the tokenizer in Rust beside it. The first time takes minutes, later only what changed"
	@NINJA_STATUS='[%f of %t, %e s] ' cmake --build --preset release -j $(JOBS) --target treble_reference

## Program and tests.
build: SETUP_OPTIONS := --tests
build: setup
	@$(call configure,-DTREBLE_BUILD_TESTS=ON -DTREBLE_BUILD_PYTHON=ON)
	@cmake --build --preset release -j $(JOBS)

models/%: tools/fetch_model.py
	@.venv/bin/python tools/fetch_model.py $*
	@touch $@

## Embeds real text of this machine, shows how length changes the vectors, says what to run next.
demo:
	$(STEP) "Setting up: Debian packages, oneDNN, crates. On a fresh machine a minute or two, depending on the network"
	@tools/setup.sh
	$(STEP) "Model $(MODEL): some 90 MB, once, beside the next step"
	@$(MAKE) --no-print-directory -j 2 program models/$(MODEL)
	@tools/demo.sh models/$(MODEL)

## Everything that is tested: unit, golden, real models, programs, the installed package.
test: BROWSER_OPTION := --browser
test: build models/all-MiniLM-L6-v2
	@tools/fetch_test_models.sh
	@ctest --preset release -j $(JOBS)

## The wheel in a clean environment, and the Python package with what people use it with: PyTorch, mteb, LangChain,
## LlamaIndex, vector stores, Ray, Spark; clients of other servers against `treble serve`. Minutes, and an environment of
## some gigabytes.
test-integrations: wheel models/all-MiniLM-L6-v2
	@tools/setup.sh --java
	@tools/try_wheel.sh
	@tools/setup_golden.sh .venv-integrations tools/requirements-integrations.txt
	@PYTHONPATH=$(CURDIR)/build/release/python TREBLE=$(abspath $(TREBLE)) .venv-integrations/bin/python -m pytest -q \
	  bindings/python/tests/integrations bindings/python/tests/pytorch
	@TREBLE=$(abspath $(TREBLE)) .venv-integrations/bin/python -m pytest -q tests/integrations

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
bench: program models/$(MODEL)
	@tools/setup_golden.sh
	@.venv-golden/bin/python benchmarks/bench_embed.py --model models/$(MODEL)

## Against six other engines, all models and workloads, small: writes docs/benchmarks.md. FULL=1 for the whole texts.
bench-peers: SETUP_OPTIONS := --tests
bench-peers: setup
	@tools/setup_peers.sh
	@for model in all-MiniLM-L6-v2 bge-small-en-v1.5 all-mpnet-base-v2; do $(MAKE) --no-print-directory models/$$model; done
	@cmake --preset release -DTREBLE_BUILD_BENCHMARKS=ON >/dev/null && cmake --build --preset release -j $(JOBS)
	@.venv-peers/bin/python benchmarks/bench_peers.py $(if $(FULL),,--quick)

## `treble serve` beside other embedding servers: writes the section of docs/benchmarks.md about servers. Some minutes.
bench-server: SETUP_OPTIONS := --tests
bench-server: setup models/all-MiniLM-L6-v2
	@tools/setup_peers.sh
	@cmake --preset release -DTREBLE_BUILD_BENCHMARKS=ON >/dev/null && cmake --build --preset release -j $(JOBS)
	@.venv-peers/bin/python benchmarks/bench_server.py

## How cost grows with length, texts, threads and options: writes docs/scaling.md.
bench-scaling: SETUP_OPTIONS := --tests
bench-scaling: setup models/all-MiniLM-L6-v2
	@tools/setup_peers.sh
	@cmake --preset release -DTREBLE_BUILD_BENCHMARKS=ON >/dev/null && cmake --build --preset release -j $(JOBS)
	@.venv-peers/bin/python benchmarks/bench_scaling.py

## The study behind docs/evidence.md on the sets of the folder STUDY_DATA: hours, and it continues where it was
## (STUDY_OPTIONS='--minutes 60 --only MiniLM'). Answers are kept in build/study. studies/evidence/README.md
study: program
	@[ -n "$(STUDY_DATA)" ] || { echo "make study: say where the sets are: make study STUDY_DATA=FOLDER" >&2; exit 2; }
	@tools/fetch_test_models.sh
	@.venv/bin/python studies/evidence/run.py --data $(STUDY_DATA) $(STUDY_OPTIONS)
	@$(MAKE) --no-print-directory build/study-venv/bin/python
	@build/study-venv/bin/python studies/evidence/report.py --keep --markdown docs/evidence-tables.md --plots docs/images

build/study-venv/bin/python:
	@python3 -m venv build/study-venv
	@build/study-venv/bin/pip install --quiet --requirement studies/evidence/requirements.txt

## How much a small Mamba-2 remembers and when its state collapses: trains twenty models on one core, about an hour and a half,
## and continues where it was. studies/state_capacity/README.md
state-capacity:
	@tools/setup_golden.sh
	@.venv-golden/bin/python studies/state_capacity/grid.py
	@.venv-golden/bin/python studies/state_capacity/measure_model.py
	@$(MAKE) --no-print-directory build/study-venv/bin/python
	@build/study-venv/bin/python studies/state_capacity/report.py --plots docs/images

## Memory over MINUTES of texts of mixed lengths; fails when it grows.
MINUTES ?= 10
soak: SETUP_OPTIONS := --tests
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
sanitize: SETUP_OPTIONS := --tests
sanitize: setup
	@for preset in asan-ubsan tsan; do \
	  cmake --preset $$preset >/dev/null && cmake --build --preset $$preset -j $(JOBS) && \
	  ctest --preset $$preset -j $(JOBS) -LE lint || exit 1; done

## Each fuzz target for a minute.
fuzz:
	@tools/setup.sh --tests --fuzz
	@cmake --preset fuzz >/dev/null && cmake --build --preset fuzz -j $(JOBS)
	@tools/fuzz.sh 60

install: program
	@cmake --build --preset release --target treble_licenses
	@cmake --install build/release --prefix $(or $(PREFIX),/usr/local)

## build/dist/treble-VERSION.tar.gz: the sources with the page of reports built, for those who have no Node.js.
dist:
	@tools/make_dist.sh

## dist/treble-VERSION-….whl: the Python package with the library, oneDNN and the program in it.
wheel: build
	@tools/make_wheel.sh

## build/release/package/treble_VERSION_ARCH.deb.
deb: program
	@cmake --build --preset release --target treble_licenses
	@cd build/release && cpack -G DEB

## An image with the program alone, by podman or docker (Containerfile).
container:
	@commit=$$([ ! -e .git ] || git rev-parse --short=12 HEAD) && \
	  $$(command -v podman || command -v docker) build --tag treble --build-arg COMMIT=$$commit --file Containerfile .

clean:
	@rm -rf build

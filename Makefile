# The front door. Every target installs what it needs (tools/packages), configures build/<preset> once and builds what changed.
.DEFAULT_GOAL := help
.NOTPARALLEL:  # Ninja and ctest use all cores themselves; two of them in one folder would collide under make -j.
.PHONY: help chat mini build needs-of-tests test debug tsan fuzz bench format lint clean

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 600

sources = git ls-files 'src/*.cpp' 'src/*.h' 'src/*.cu' 'src/*.cuh' 'tests/*.cpp' 'tests/*.h' 'bench/*.cpp' 'bench/*.h' 'fuzz/*.cpp' 'fuzz/*.h'

help:
	@echo 'make chat           talk with the model that ships, or MODEL=M: a folder, or a hub name (DEVICE=, DTYPE=, THREADS= as in poro chat --help)'
	@echo 'make mini           make the model that ships, from its data on (DEVICE=, PORO_TEST_DATA=; docs/recipe.md)'
	@echo 'make test           build and run every test'
	@echo 'make build          build/release/poro, nothing else'
	@echo 'make bench          measure this machine and poro on it (MODEL=, DTYPE=, THREADS=)'
	@echo 'make debug | tsan   the tests under address and undefined-behaviour, or thread, sanitizers'
	@echo 'make fuzz           every parser against random input, FUZZ_SECONDS=$(FUZZ_SECONDS) each'
	@echo 'make format | lint  rewrite the sources in the house style | check them'
	@echo 'make clean          remove build/'
	@echo 'Each installs the Debian packages it needs (tools/packages), with sudo when you are not root.'

build:
	@tools/install-packages build
	@test -f build/release/build.ninja || cmake --preset release -DPORO_TESTS=OFF
	@cmake --build build/release -j $(JOBS) --target poro

options = $(if $(DEVICE),--device $(DEVICE)) $(if $(DTYPE),--dtype $(DTYPE)) $(if $(THREADS),--threads $(THREADS))

ifdef MODEL
chat: build
	@build/release/poro chat --model '$(MODEL)' $(options)
else ifneq ($(wildcard models/poro-mini/config.json),)
chat: build  # With the model that ships.
	@build/release/poro chat $(options)
else
chat:
	@echo 'Name a model: a folder in Hugging Face layout, or a hub name that is fetched once.'
	@echo
	@echo '  make chat MODEL=/path/to/folder'
	@echo
	@echo 'Poro 2, for Finnish and English (8B: 16 GB to fetch; memory 17 GB as bf16, 9 GB as int8, 6 GB as int4):'
	@echo
	@echo '  make build'
	@echo '  build/release/poro pull LumiOpen/Llama-Poro-2-8B-Instruct'
	@echo '  make chat MODEL=LumiOpen/Llama-Poro-2-8B-Instruct DTYPE=int4'
endif

# Every stage, or those named: make mini STAGES='export card'.
mini: build
	@tools/install-packages mini
	@tools/install-eval-data
	@cmake --build build/release -j $(JOBS) --target mini_quality kneser_ney
	@DEVICE='$(DEVICE)' recipes/mini/run $(STAGES)

needs-of-tests:
	@tools/install-packages build test
	@tools/install-eval-data || echo 'The tests that need it skip, and say so.' >&2

test: build needs-of-tests
	@grep -qs '^PORO_TESTS:BOOL=ON' build/release/CMakeCache.txt || cmake --preset release -DPORO_TESTS=ON
	@cmake --build build/release -j $(JOBS)
	@ctest --preset release -j $(JOBS)

# The sanitizers slow the program down five to fifteen times; the same tests, another build folder each.
debug tsan: needs-of-tests
	@test -f build/$@/build.ninja || cmake --preset $@
	@cmake --build build/$@ -j $(JOBS)
	@ctest --preset $@ -j $(JOBS)

fuzz:
	@tools/install-packages build fuzz
	@test -f build/fuzz/build.ninja || cmake --preset fuzz
	@cmake --build build/fuzz -j $(JOBS) --target fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/run-fuzzers

bench: build
	@build/release/poro bench ops
	@build/release/poro bench decode --model $(or $(MODEL),shape:1b) $(if $(DTYPE),--dtype $(DTYPE)) $(if $(THREADS),--threads $(THREADS))
	@build/release/poro bench prefill --model $(or $(MODEL),shape:1b) $(if $(DTYPE),--dtype $(DTYPE)) $(if $(THREADS),--threads $(THREADS))

format:
	@tools/install-packages lint
	@$(sources) | xargs clang-format-14 -i

lint:
	@tools/install-packages build test lint
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build build/release --target poro_version
	@tools/lint

clean:
	@rm -rf build

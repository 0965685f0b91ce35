# The front door. Meson does the building; each target here is one call of it or of a script.
#   make build             release build: build/muster
#   make demo              install what is missing, build, run the demonstration
#   make check             everything a commit must pass; ends with "N passed, N failed"
#   make lint | fmt        the checks of the sources alone | lay them out
#   make torture           fail every fallible call in turn
#   make fuzz              each fuzz target for FUZZ_SECONDS (20)
#   make sim SEEDS=1000    the runtime in virtual time, so many seeds for every flow; MUSTER_SEED=n begins there
#   make soak MINUTES=60   what a commit cannot afford; resumable
#   make bench             tables of speed and size
#   make coverage          lines covered, by folder
#   make install PREFIX=/usr/local
#   make clean

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 20
MINUTES ?= 60
SEEDS ?= 1000

.PHONY: build demo check lint fmt torture fuzz sim soak bench coverage install clean
build: build/build.ninja
	@ninja -C build

build/build.ninja:
	@scripts/install --check build
	@meson setup build --buildtype=release -Dwerror=false -Dtests=disabled

demo:
	@scripts/install build run
	@$(MAKE) --no-print-directory build
	@build/muster demo

check:
	@scripts/check

lint:
	@scripts/install build run check
	@scripts/lint

fmt:
	@find src tests fuzz bench -name '*.[ch]' -exec clang-format -i {} +

torture:
	@scripts/install build run check
	@scripts/torture

fuzz:
	@scripts/install build run check
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

sim:
	@scripts/install build run check
	@scripts/stage build
	@. scripts/env && MUSTER_SEEDS=$(SEEDS) meson test -C build-asan --suite sim --timeout-multiplier 0 --verbose

soak:
	@scripts/install build run check
	@scripts/soak $(MINUTES)

bench: build-bench/build.ninja
	@meson test -C build-bench --benchmark --verbose

build-bench/build.ninja:
	@scripts/install build run
	@meson setup build-bench --buildtype=release -Dwerror=false -Dtests=disabled -Dbench=true

coverage:
	@scripts/install build run check
	@scripts/coverage

install: build
	@meson configure build -Dprefix=$(abspath $(PREFIX))
	@meson install -C build --strip

clean:
	rm -rf build build-*

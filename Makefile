# SPDX-License-Identifier: MIT
# Each part's rules stand in its own .mk file; all outputs lie under build/. `make help` lists what there is.
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := image
.DELETE_ON_ERROR:
.SUFFIXES:

MULLION_VERSION := 0.1.0
# Once a tree was built with WERROR=1 (`make test` does) it stays so, lest each command rebuild what the last one built.
WERROR ?= $(shell sed -n 's/.*werror=//p' build/flags 2>/dev/null)
WERROR_FLAG := $(if $(filter 1,$(WERROR)),-Werror)
PYTHON := /usr/bin/python3
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 20
SOAK_SECONDS ?= 3600
SUITE ?= bookworm
GOALS ?= run check
UNIT_TARGETS :=
FUZZERS :=

# Installing what the system lacks comes before everything else: make builds an included file first, then starts
# over. Only the goals that need compilers ask for it.
goals := $(or $(MAKECMDGOALS),$(.DEFAULT_GOAL))
ifneq ($(filter-out help clean,$(goals)),)
ifeq ($(or $(MULLION_CACHE),$(XDG_CACHE_HOME),$(HOME)),)
$(error HOME is not set, so there is no place for downloads; name a folder: make MULLION_CACHE=/path ...)
endif
include build/packages-build.mk
ifeq ($(MAKELEVEL)$(MAKE_RESTARTS)$(wildcard build/mullion-demo.img)$(filter-out all image,$(goals)),0)
$(info image: first build: fetching and compiling, ten to twenty minutes, most of it for the driver VM's kernel)
endif
$(shell tools/stamp "version=$(MULLION_VERSION) cc=$(CC) werror=$(WERROR)")
endif
ifneq ($(filter test bench check lint size soak fuzz unit system mutants bochs cleanroom,$(goals)),)
include build/packages-test.mk
endif

FLAGS_STAMP := build/flags
build/packages-%.mk: tools/packages third_party/packages.bookworm third_party/packages.trixie
	@mkdir -p $(@D)
	@tools/packages $*
	@touch $@

-include drivervm/module.mk tools/module.mk
-include vmm/module.mk mgmt-agent/module.mk image/module.mk tests/module.mk tests/guests/module.mk tests/system/vmx.mk

.PHONY: help run test check soak size lint clean cleanroom unit checks fuzz system mutants all fetched bochs

help:
	@echo 'make              build/mullion.img and build/mullion-demo.img, as `make image`'
	@echo 'make run          build the demo image and boot it in QEMU (ONCE=1: exit after the status block;'
	@echo '                  ACCEL=kvm: hardware virtualisation instead of emulation)'
	@echo 'make test         everything: build, lint, check, fuzz, system tests (25 min warm, 70 min cold on 2 cores)'
	@echo 'make check        host only: unit tests, sizes, documents (under a minute after the first build)'
	@echo 'make unit         the unit tests alone         make fuzz    the fuzzers, FUZZ_SECONDS=20 each'
	@echo 'make system       the system tests alone (TESTS="-k name" for some)'
	@echo 'make mutants      seeds faults into the VMM, each of which the tests must find (MUTANTS=5: as many, at random)'
	@echo 'make bench        what an exit, a checksum and a first touch cost, against the bare machine'
	@echo 'make soak         fuzzers for SOAK_SECONDS=3600 each, then the system tests, again and again until one fails'
	@echo 'make manifest-lint manifest-docs   a program that checks manifests; docs/ from the schema'
	@echo 'make size         sizes of the image by part, and of the VMM in lines of code'
	@echo 'make sbom notice sources   what the image is made of (SPDX), all licences, the source of its GPL parts'
	@echo 'make lint         formatter and static analysis'
	@echo 'make cleanroom    SUITE=bookworm|trixie: build and check in a minimal Debian of its own'
	@echo '                  (GOALS="run check": what to make there besides the image)'
	@echo 'make reproduce    build the image twice, as two strangers would, and compare (COLD=1: without any cache)'
	@echo 'make clean        remove build/ (downloads stay in the cache, see third_party/fetch)'

all: image

fetched:
	@third_party/fetch --unpack musl kernel busybox grub lwip mbedtls h2o linux bochs bochsbios >/dev/null
	@third_party/qemu 7 >/dev/null
	@third_party/qemu 10 >/dev/null

# The emulator with VMX is built once, into the cache (three minutes of one core).
bochs:
	@third_party/bochs >/dev/null

run:
	@exec env $(foreach name,ONCE ACCEL DEADLINE HTTPS_PORT HTTP_PORT,$(if $($(name)),$(name)=$($(name)))) \
		$(PYTHON) tools/run

test:
	@exec $(PYTHON) tools/test-driver

unit: $(UNIT_TARGETS)

fuzz: $(FUZZERS)
	@tests/fuzz/run $(FUZZ_SECONDS) $^

check: unit checks

checks: agent agent-crash manifest-lint vmm-faulty
	@tools/check

system: image guests agent agent-crash build/agent/https-wire bochs
	@exec tests/system/run $(TESTS)

mutants:
	@exec tools/mutants $(if $(MUTANTS),--random $(MUTANTS)) $(if $(SEED),--seed $(SEED))

soak:
	@exec tools/soak $(SOAK_SECONDS)

size: image
	@tools/check-size --report

lint: build/agent/gen/dsdt.h build/agent/lib-host.path
	@exec $(PYTHON) tools/lint

clean:
	rm -rf build

cleanroom:
	@exec nice -n 19 tools/cleanroom $(SUITE) $(GOALS)

# SPDX-License-Identifier: MIT
# The agent: the unikernel's image, the same sources as a Linux process, their unit tests and fuzzers.
#   agent          build/agent/agent.bin, build/agent/agent-linux, build/agent/https-server
#   agent-crash    build/agent/agent-crash.bin: a test image with the command `crash-agent`
#   manifest-lint  build/agent/manifest-lint: checks manifests without a box
#   manifest-docs  writes the parts of docs/ that come from the manifest's schema
#   agent-unit     builds and runs tests/unit/agent_*.c with ASan and UBSan

MULLION_VERSION ?= 0.1.0
AGENT_CC ?= gcc
AGENT_FUZZ_CC ?= clang

agent_out := build/agent
agent_warn := -Wall -Wextra $(WERROR_FLAG) -Wconversion -Wshadow
agent_def := -Ivmm/include -Idrivervm/include -Imgmt-agent -DMULLION_VERSION='"$(MULLION_VERSION)"'
agent_common := -std=c17 -D_POSIX_C_SOURCE=200809L $(agent_warn) $(agent_def) -MMD -MP

agent_parts := model loader store ui api driver http serial tls
agent_src := $(wildcard $(agent_parts:%=mgmt-agent/%/*.c))
agent_net_src := $(wildcard mgmt-agent/net/*.c)
agent_model_src := $(wildcard mgmt-agent/os/linux/model*.c) mgmt-agent/os/linux/random.c
agent_dsdt := $(agent_out)/gen/dsdt.h
agent_os_src := $(wildcard mgmt-agent/os/*.c)

.PHONY: agent agent-crash agent-unit
agent: $(agent_out)/agent.bin $(agent_out)/agent-linux $(agent_out)/https-server
agent-crash: $(agent_out)/agent-crash.bin

# ---- musl, cached outside the tree ----
$(agent_out)/musl.path: third_party/musl mgmt-agent/os/musl/syscall_arch.h third_party/pins
	@mkdir -p $(@D)
	CC=$(AGENT_CC) third_party/musl unikernel >$@.new && mv $@.new $@

# ---- lwIP, mbedTLS and picohttpparser, cached likewise; lib-VARIANT is a link to libagent.a and include/ ----
agent_library_options := mgmt-agent/net/lwip/lwipopts.h mgmt-agent/net/lwip/arch/cc.h mgmt-agent/tls/mbedtls_config.h
agent_library_cc = $(if $(filter fuzz,$*),$(AGENT_FUZZ_CC),$(AGENT_CC))
$(agent_out)/lib-%.path: mgmt-agent/os/libraries.sh $(agent_library_options) third_party/pins
	@mkdir -p $(@D)
	CC=$(agent_library_cc) mgmt-agent/os/libraries.sh $(CURDIR) $* >$@.new && mv $@.new $@
	@ln -sfn "$$(cat $@)" $(agent_out)/lib-$*
.PRECIOUS: $(agent_out)/lib-%.path

# ---- the virtual machine's DSDT, compiled into an array; its numbers come from mullion/machine.h ----
$(agent_dsdt): mgmt-agent/loader/dsdt.asl vmm/include/mullion/machine.h mgmt-agent/loader/embed.py \
		mgmt-agent/loader/asl_values.py
	@mkdir -p $(@D)
	$(AGENT_CC) -E -P -x c -Ivmm/include $< | mgmt-agent/loader/asl_values.py >$(@D)/dsdt.asl
	iasl -p $(@D)/dsdt $(@D)/dsdt.asl >$(@D)/dsdt.log || { cat $(@D)/dsdt.log; exit 1; }
	mgmt-agent/loader/embed.py dsdt_aml $(@D)/dsdt.aml >$@

# ---- the unikernel ----
# No red zone: exceptions use stacks of their own, but nothing relies on it. No SSE restriction: there are no
# interrupts, and exceptions never return.
agent_uk_flags = $(agent_common) -Os -g -mno-red-zone -fno-pic -fno-pie -fcf-protection=none \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -nostdinc \
	-isystem $$(cat $(agent_out)/musl.path)/include -isystem $(agent_out)/lib-unikernel/include \
	-DMBEDTLS_CONFIG_FILE='<mbedtls_config.h>' -isystem $$($(AGENT_CC) -print-file-name=include)
agent_uk_link = -nostdlib -static -no-pie -Wl,-T,mgmt-agent/os/agent.ld -Wl,--gc-sections -Wl,--build-id=none \
	-Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments

# $(1) = object directory, $(2) = extra flags, $(3) = image without suffix
define agent_image
$(1)/os/%.o: mgmt-agent/os/%.c $(agent_out)/musl.path $(agent_out)/lib-unikernel.path $(FLAGS_STAMP)
	@mkdir -p $$(@D)
	$$(AGENT_CC) $$(agent_uk_flags) -fno-stack-protector $(2) -c $$< -o $$@
$(1)/os/%.o: mgmt-agent/os/%.S
	@mkdir -p $$(@D)
	$$(AGENT_CC) -c $$< -o $$@
$(1)/%.o: mgmt-agent/%.c $(agent_out)/musl.path $(agent_out)/lib-unikernel.path $(FLAGS_STAMP) | $(agent_dsdt)
	@mkdir -p $$(@D)
	$$(AGENT_CC) $$(agent_uk_flags) -I$(agent_out)/gen -fstack-protector-strong $(2) -c $$< -o $$@
$(3).elf: $(patsubst mgmt-agent/%.c,$(1)/%.o,$(agent_os_src) $(agent_src) $(agent_net_src) mgmt-agent/main.c) $(1)/os/boot.o \
		mgmt-agent/os/agent.ld
	$$(AGENT_CC) $$(agent_uk_link) -o $$@ $$(filter %.o,$$^) \
		-Wl,--start-group $(agent_out)/lib-unikernel/libagent.a $$$$(cat $(agent_out)/musl.path)/lib/libc.a \
		-Wl,--end-group -lgcc
	@! objdump -d $$@ | grep -w syscall || \
		{ echo "$$@: musl was to call os_syscall; see mgmt-agent/os/musl/"; rm $$@; exit 1; }
$(3).bin: $(3).elf mgmt-agent/os/seal.py
	objcopy -O binary $$< $$@.flat
	mgmt-agent/os/seal.py $$@.flat $$@
	@rm $$@.flat
endef
$(eval $(call agent_image,$(agent_out)/obj,,$(agent_out)/agent))
$(eval $(call agent_image,$(agent_out)/obj-crash,-DMULLION_PLANTED_CRASH=1,$(agent_out)/agent-crash))

# ---- the Linux process ----
agent_host_include = -isystem $(agent_out)/lib-host/include -DMBEDTLS_CONFIG_FILE='<mbedtls_config.h>'
agent_host_library := $(agent_out)/lib-host/libagent.a
agent_linux_flags = $(agent_common) -D_GNU_SOURCE -I$(agent_out)/gen $(agent_host_include) -O1 -g -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
agent_linux_objects := $(patsubst mgmt-agent/%.c,$(agent_out)/obj-linux/%.o,$(agent_src) $(agent_model_src))

$(agent_out)/obj-linux/main.o: agent_linux_flags += -Dmain=agent_main
$(agent_out)/obj-linux/%.o: mgmt-agent/%.c $(agent_out)/lib-host.path $(FLAGS_STAMP) | $(agent_dsdt)
	@mkdir -p $(@D)
	$(AGENT_CC) $(agent_linux_flags) -c $< -o $@
$(agent_out)/agent-linux: $(agent_linux_objects) $(agent_out)/obj-linux/os/linux/start.o \
		$(agent_out)/obj-linux/os/linux/sockets.o $(agent_out)/obj-linux/main.o
	$(AGENT_CC) -fsanitize=address,undefined -o $@ $^ $(agent_host_library)

# ---- the manifest library as a tool of its own, with a reader of YAML ----
manifest_lint_objects := $(patsubst %,$(agent_out)/obj-linux/model/%.o,address json json_write problem schema schema_near \
	schema_pattern memory manifest manifest_claims manifest_facts manifest_formats manifest_images manifest_layout manifest_later manifest_references manifest_schema manifest_schema_partition \
	manifest_schema_site manifest_select manifest_slots plan plan_compare plan_links plan_order site) $(patsubst mgmt-agent/%.c,$(agent_out)/obj-linux/%.o,$(wildcard mgmt-agent/lint/*.c))
$(agent_out)/manifest-lint: $(manifest_lint_objects)
	$(AGENT_CC) -fsanitize=address,undefined -o $@ $^ $(agent_host_library) -lyaml
.PHONY: manifest-lint manifest-docs
manifest-lint: $(agent_out)/manifest-lint
manifest-docs: $(agent_out)/manifest-lint
	@tools/manifest-docs

# ---- the HTTPS server alone, with a handler of its test's own ----
agent_https_objects := $(filter $(agent_out)/obj-linux/http/% $(agent_out)/obj-linux/tls/%,$(agent_linux_objects)) \
	$(agent_out)/obj-linux/os/linux/sockets.o $(agent_out)/obj-linux/os/linux/random.o
$(agent_out)/https-server: tests/system/https_server.c $(agent_https_objects)
	$(AGENT_CC) $(agent_linux_flags) -o $@ $(filter %.c %.o,$^) $(agent_host_library)

# The same over the agent's own TCP/IP, with frames in datagrams.
agent_wire_objects := $(filter-out %/sockets.o,$(agent_https_objects)) $(agent_out)/obj-linux/os/linux/wire.o \
	$(agent_net_src:mgmt-agent/%.c=$(agent_out)/obj-linux/%.o)
$(agent_out)/https-wire: tests/system/https_server.c $(agent_wire_objects)
	$(AGENT_CC) $(agent_linux_flags) -o $@ $(filter %.c %.o,$^) $(agent_host_library)

# ---- unit tests ----
agent_tests := $(patsubst tests/unit/%.c,build/unit/%,$(wildcard tests/unit/agent_*.c))
build/unit/agent_%: tests/unit/agent_%.c tests/unit/agent_test.h $(agent_linux_objects) $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(AGENT_CC) $(agent_linux_flags) -o $@ $(filter %.c %.o,$^) $(agent_host_library) -lcmocka
build/unit/agent_os: $(agent_out)/obj-linux/os/heap.o $(agent_out)/obj-linux/os/virtio.o
agent-unit: $(agent_tests)
	@failed=0; for test in $^; do ASAN_OPTIONS=detect_leaks=0 $$test || failed=1; done; exit $$failed
UNIT_TARGETS += agent-unit

# Broken manifests and what is said about them; `make manifest-golden GOLDEN=--write` takes what is said now.
.PHONY: manifest-golden
manifest-golden: $(agent_out)/manifest-lint
	@tests/unit/golden/run $(GOLDEN)
UNIT_TARGETS += manifest-golden

# Random mutations of the manifests in configs/, with the JSON Schema as a second opinion.
MUTATIONS ?= 10000
.PHONY: manifest-mutations
manifest-mutations: $(agent_out)/manifest-lint
	@tests/unit/golden/mutate $(MUTATIONS)
fuzz: | manifest-mutations

# ---- fuzzers ----
agent_fuzzers := build/fuzz/fuzz_manifest build/fuzz/fuzz_loader build/fuzz/fuzz_rpc build/fuzz/fuzz_api build/fuzz/fuzz_http build/fuzz/fuzz_dhcp \
	build/fuzz/fuzz_yaml build/fuzz/fuzz_byte_link
agent_fuzz_flags := $(agent_common) -D_GNU_SOURCE -I$(agent_out)/gen -O1 -g -isystem $(agent_out)/lib-fuzz/include \
	-DMBEDTLS_CONFIG_FILE='<mbedtls_config.h>' -fno-sanitize-recover=undefined -fsanitize=address,undefined
$(agent_out)/obj-fuzz/%.o: mgmt-agent/%.c $(agent_out)/lib-fuzz.path $(FLAGS_STAMP) | $(agent_dsdt)
	@mkdir -p $(@D)
	$(AGENT_FUZZ_CC) $(agent_fuzz_flags) -fsanitize=fuzzer-no-link -c $< -o $@
$(agent_fuzzers): build/fuzz/%: tests/fuzz/%.c $(patsubst mgmt-agent/%.c,$(agent_out)/obj-fuzz/%.o,$(agent_src) $(agent_model_src))
	@mkdir -p $(@D)
	$(AGENT_FUZZ_CC) $(agent_fuzz_flags) -fsanitize=fuzzer -o $@ $(filter %.c %.o,$^) $(agent_out)/lib-fuzz/libagent.a $(agent_fuzz_library)
build/fuzz/fuzz_dhcp: $(agent_out)/obj-fuzz/net/lease.o $(agent_out)/obj-fuzz/net/probe.o
build/fuzz/fuzz_yaml: $(agent_out)/obj-fuzz/lint/yaml.o
build/fuzz/fuzz_yaml: agent_fuzz_library := -lyaml
FUZZERS += $(agent_fuzzers)

-include $(wildcard $(agent_out)/https-*.d $(agent_out)/obj*/*.d $(agent_out)/obj*/*/*.d $(agent_out)/obj*/*/*/*.d)

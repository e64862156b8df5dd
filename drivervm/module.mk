# SPDX-License-Identifier: MIT
# The driver VM: Linux from source, one static program as its init.
#   drivervm       build/drivervm/kernel (bzImage) and build/drivervm/initramfs.cpio
#   drivervm-unit  builds and runs tests/unit/drivervm_*.c with ASan and UBSan

FUZZ_SECONDS ?= 20
DRIVERVM_CC ?= gcc
DRIVERVM_FUZZ_CC ?= clang

drivervm_out := build/drivervm
drivervm_src := $(wildcard drivervm/init/*.c drivervm/net/*.c)
drivervm_common := -std=c17 -D_GNU_SOURCE -Wall -Wextra $(WERROR_FLAG) -Wconversion -Wshadow -MMD -MP \
	-Ivmm/include -Idrivervm/include -Idrivervm/init -Idrivervm/net

.PHONY: drivervm drivervm-unit
drivervm: $(drivervm_out)/kernel $(drivervm_out)/initramfs.cpio

# ---- the kernel and init's C library, cached outside the tree ----
$(drivervm_out)/kernel: drivervm/linux/build.sh drivervm/linux/config third_party/pins
	@mkdir -p $(@D)
	CC=$(DRIVERVM_CC) drivervm/linux/build.sh $(CURDIR) >$@.path
	cp "$$(cat $@.path)/bzImage" $@.new && chmod 644 $@.new && mv $@.new $@

$(drivervm_out)/linux.path: third_party/pins third_party/fetch
	@mkdir -p $(@D)
	third_party/fetch --unpack linux >$@.new && mv $@.new $@

$(drivervm_out)/musl.path: third_party/musl third_party/pins
	@mkdir -p $(@D)
	CC=$(DRIVERVM_CC) third_party/musl linux >$@.new && mv $@.new $@

# ---- init. The kernel's interface headers come last, from the system: they are constants and never change. ----
drivervm_init_flags = $(drivervm_common) -Os -g -fno-pic -fno-pie -fstack-protector-strong -ffunction-sections \
	-fdata-sections -fno-asynchronous-unwind-tables -nostdinc -isystem $$(cat $(drivervm_out)/musl.path)/include \
	-isystem $$($(DRIVERVM_CC) -print-file-name=include) -idirafter /usr/include \
	-idirafter /usr/include/x86_64-linux-gnu -ffile-prefix-map=$(CURDIR)=.

$(drivervm_out)/obj/%.o: drivervm/%.c $(drivervm_out)/musl.path $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(DRIVERVM_CC) $(drivervm_init_flags) -c $< -o $@

$(drivervm_out)/init: $(patsubst drivervm/%.c,$(drivervm_out)/obj/%.o,$(drivervm_src))
	lib=$$(cat $(drivervm_out)/musl.path)/lib && $(DRIVERVM_CC) -nostdlib -static -no-pie -Wl,--gc-sections \
		-Wl,--build-id=none -Wl,-z,noexecstack -s -o $@ $$lib/crt1.o $$lib/crti.o $^ $$lib/libc.a -lgcc $$lib/crtn.o

# ---- the initramfs, by the kernel's own tool: the same bytes for the same init ----
$(drivervm_out)/gen_init_cpio: $(drivervm_out)/linux.path
	$(DRIVERVM_CC) -O1 -o $@ "$$(cat $<)/usr/gen_init_cpio.c"

$(drivervm_out)/initramfs.cpio: drivervm/init/initramfs.list $(drivervm_out)/gen_init_cpio $(drivervm_out)/init
	$(drivervm_out)/gen_init_cpio -t 0 $< >$@.new && mv $@.new $@

# The system tests boot it alone, too.
system: drivervm

# ---- unit tests: each links what it names beside itself, and fakes the rest ----
drivervm_test_frame := init/frame
drivervm_test_server := init/frame init/server
drivervm_test_devices := init/frame init/sysfs init/kernel_log init/jack init/functions net/ports
drivervm_test_switch := init/frame net/switch
drivervm_test_offload := init/frame net/offload
drivervm_test_names := frame server devices switch offload
drivervm_tests := $(drivervm_test_names:%=build/unit/drivervm_%)
drivervm_test_flags = $(drivervm_common) -Idrivervm -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
UNIT_TARGETS += drivervm-unit
FUZZERS += build/fuzz/fuzz_driver_rpc

define drivervm_test
build/unit/drivervm_$(1): tests/unit/drivervm_$(1).c tests/unit/drivervm_test.h $(drivervm_test_$(1):%=drivervm/%.c) \
		$(wildcard drivervm/*/*.h) drivervm/include/mullion/driver_rpc.h $(FLAGS_STAMP)
	@mkdir -p $$(@D)
	$$(DRIVERVM_CC) $$(drivervm_test_flags) -MF $$@.d -o $$@ $$(filter %.c,$$^) -lcmocka
endef
$(foreach name,$(drivervm_test_names),$(eval $(call drivervm_test,$(name))))

drivervm-unit: $(drivervm_tests)
	@tests/unit/run $@ $(drivervm_tests)

# ---- the fuzzer ----
build/fuzz/fuzz_driver_rpc: tests/fuzz/fuzz_driver_rpc.c drivervm/init/frame.c drivervm/init/server.c \
		$(wildcard drivervm/*/*.h) drivervm/include/mullion/driver_rpc.h $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(DRIVERVM_FUZZ_CC) $(drivervm_common) -MF $@.d -Idrivervm -O1 -g -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -o $@ $(filter %.c,$^)

-include $(wildcard $(drivervm_out)/obj/*/*.d)

# SPDX-License-Identifier: MIT
# Unit tests and fuzzers of the VMM's pure logic, on the host.
#   vmm-unit       builds and runs tests/unit/*_test.c (but agent_*) with ASan and UBSan
#   link-race      two threads on one link, RACE_FRAMES each way, with the thread sanitizer

VMM_UNIT_CC ?= gcc
VMM_FUZZ_CC ?= clang

vmm_unit_out := build/unit
vmm_unit_flags := -std=c17 -D_GNU_SOURCE -O1 -g -Wall -Wextra $(WERROR_FLAG) -Wconversion -Wshadow -Wno-unused-parameter \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-Ivmm -Ivmm/include -Idrivervm/include -Itests/unit \
	-DMULLION_VERSION='"unit"' -MMD -MP

# ---- what each test links beside itself --------------------------------------------------------------------
vmm_unit_insn := vmm/x86/insn.o tests/unit/insn_cases.o
vmm_unit_x2apic := vmm/dev/x2apic.o
vmm_unit_ioapic := vmm/dev/ioapic.o
vmm_unit_uart := vmm/dev/uart.o
vmm_unit_pci := vmm/dev/pci.o
vmm_unit_msix := vmm/dev/msix.o
vmm_unit_passthrough := vmm/x86/passthrough.o vmm/x86/npt.o vmm/core/pool.o vmm/dev/pci.o vmm/dev/msix.o \
	tests/unit/fake_log.o
vmm_unit_power := vmm/dev/power.o
vmm_unit_npt := vmm/x86/npt.o vmm/core/pool.o tests/unit/fake_log.o
vmm_unit_paging := vmm/x86/npt.o vmm/core/pool.o tests/unit/fake_log.o
vmm_unit_pool := vmm/core/pool.o tests/unit/fake_log.o
vmm_unit_frames := vmm/core/frames.o tests/unit/fake_log.o
vmm_unit_multiboot2 := vmm/boot/multiboot2.o
vmm_unit_console :=
vmm_unit_lib :=
vmm_unit_share := vmm/core/share.o
vmm_unit_run := vmm/core/share.o vmm/dev/x2apic.o tests/unit/fake_log.o
vmm_unit_svm_exits := vmm/x86/svm/exits.o
vmm_unit_svm := vmm/core/pool.o tests/unit/fake_log.o
vmm_unit_fpu := tests/unit/fake_log.o
vmm_unit_core_agent := tests/unit/fake_log.o
vmm_unit_interrupt := vmm/core/interrupt.o vmm/dev/x2apic.o vmm/dev/ioapic.o
vmm_unit_cpuid := tests/unit/fake_hvm.o
vmm_unit_msr := vmm/x86/msr.o vmm/dev/x2apic.o tests/unit/fake_hvm.o
vmm_unit_port := vmm/core/port.o vmm/dev/uart.o vmm/dev/pci.o vmm/dev/power.o
vmm_unit_mmio := vmm/core/mmio.o vmm/dev/ioapic.o vmm/dev/pci.o vmm/x86/insn.o tests/unit/fake_hvm.o
vmm_link := vmm/dev/link vmm/dev/virtio vmm/dev/virtqueue vmm/dev/msix vmm/dev/pci tests/unit/fake_link
vmm_unit_virtio := vmm/dev/virtio.o vmm/dev/msix.o vmm/dev/pci.o
vmm_unit_ports := vmm/core/ports.o vmm/dev/virtio.o vmm/dev/msix.o vmm/dev/pci.o
vmm_unit_link := $(vmm_link:%=%.o)
vmm_unit_link_model := $(vmm_unit_link)
vmm_unit_link_fence := vmm/dev/virtio.o vmm/dev/msix.o vmm/dev/pci.o tests/unit/fake_link.o
vmm_unit_exits := vmm/core/exits.o tests/unit/fake_hvm.o
vmm_unit_guest_walk := vmm/x86/guest_walk.o vmm/x86/insn.o tests/unit/fake_hvm.o
vmm_unit_pvclock := vmm/x86/pvclock.o
vmm_unit_partition_memory := vmm/core/partition_memory.o vmm/core/frames.o vmm/core/pool.o vmm/x86/npt.o \
	tests/unit/fake_hvm.o tests/unit/fake_log.o
vmm_box := vmm/core/hypercall vmm/core/partition vmm/core/partition_memory vmm/core/loading vmm/core/event \
	vmm/core/interrupt vmm/core/frames vmm/core/pool vmm/x86/npt vmm/dev/uart vmm/dev/ioapic vmm/dev/pci \
	vmm/dev/power vmm/dev/x2apic vmm/dev/msix vmm/core/ports vmm/dev/link vmm/dev/virtio vmm/dev/virtqueue tests/unit/fake_box tests/unit/fake_hvm
vmm_unit_hypercall := $(vmm_box:%=%.o) tests/unit/fake_log.o
vmm_unit_port_calls := $(filter-out vmm/core/ports.o,$(vmm_unit_hypercall))

vmm_unit_names := insn x2apic ioapic uart pci msix passthrough power npt paging pool frames lib svm_exits cpuid msr port mmio guest_walk \
	pvclock partition_memory multiboot2 console hypercall exits share run virtio link link_model link_fence ports svm fpu \
	core_agent interrupt port_calls
include tests/unit/vmx.mk
vmm_unit_bins := $(vmm_unit_names:%=$(vmm_unit_out)/%_test)

.PHONY: vmm-unit
UNIT_TARGETS += vmm-unit
.SECONDARY:

$(vmm_unit_out)/obj/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(VMM_UNIT_CC) $(vmm_unit_flags) -c $< -o $@

$(vmm_unit_out)/obj/%.o: %.S
	@mkdir -p $(@D)
	$(VMM_UNIT_CC) -c $< -o $@

define vmm_unit_rule
$(vmm_unit_out)/$(1)_test: $(vmm_unit_out)/obj/tests/unit/$(1)_test.o $(addprefix $(vmm_unit_out)/obj/,$(vmm_unit_$(1)))
	$$(VMM_UNIT_CC) -fsanitize=address,undefined $$^ -lcmocka -o $$@
endef
$(foreach name,$(vmm_unit_names),$(eval $(call vmm_unit_rule,$(name))))

# Two threads: another sanitizer, so objects of its own. The sanitizer does not know fences; what they order is atomic.
RACE_FRAMES ?= 5000
$(vmm_unit_out)/link_race_test: tests/unit/link_race_test.c $(vmm_link:%=%.c) $(wildcard vmm/*/*.h tests/unit/*.h) $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(VMM_UNIT_CC) $(filter-out -M%,$(vmm_unit_flags)) -fno-sanitize=all -fsanitize=thread -Wno-tsan $(filter %.c,$^) -lcmocka -o $@

.PHONY: link-race
link-race: $(vmm_unit_out)/link_race_test
	@$< $(RACE_FRAMES)

vmm-unit: $(vmm_unit_bins) $(vmm_unit_out)/link_race_test $(vmm_unit_out)/obj/tests/unit/layout.o
	@tests/unit/run $@ $(vmm_unit_bins) $(vmm_unit_out)/link_race_test

# ---- fuzzers -------------------------------------------------------------------------------------------------
vmm_fuzz_out := build/fuzz
vmm_fuzz_flags := -std=gnu17 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Wno-unused-parameter $(WERROR_FLAG) \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Ivmm -Ivmm/include -Itests/unit \
	-DMULLION_VERSION='"fuzz"'

$(vmm_fuzz_out)/fuzz_insn: tests/fuzz/fuzz_insn.c vmm/x86/insn.c vmm/x86/insn.h $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(VMM_FUZZ_CC) $(vmm_fuzz_flags) $(filter %.c,$^) -o $@

$(vmm_fuzz_out)/fuzz_hypercall: tests/fuzz/fuzz_hypercall.c $(vmm_box:%=%.c) $(wildcard vmm/*/*.h tests/unit/*.h) $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(VMM_FUZZ_CC) $(vmm_fuzz_flags) $(filter %.c,$^) -o $@

$(vmm_fuzz_out)/fuzz_link: tests/fuzz/fuzz_link.c $(vmm_link:%=%.c) $(wildcard vmm/*/*.h tests/unit/*.h) $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(VMM_FUZZ_CC) $(vmm_fuzz_flags) -DFAKE_RAM_BYTES=0x40000u $(filter %.c,$^) -o $@

FUZZERS += $(vmm_fuzz_out)/fuzz_insn $(vmm_fuzz_out)/fuzz_hypercall $(vmm_fuzz_out)/fuzz_link

-include $(wildcard $(vmm_unit_out)/obj/*/*/*.d $(vmm_unit_out)/obj/*/*/*/*.d)

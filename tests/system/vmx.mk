# SPDX-License-Identifier: MIT
# A VMM whose first entries into guests fail, for tests/system/test_vm_entry.py.
VMM_FAULTY := build/vmm-faulty/mullion.elf

.PHONY: vmm-faulty
vmm-faulty: $(VMM_FAULTY) build/vmm/mullion.elf
system: vmm-faulty

build/vmm-faulty/vmcs_fault.o: tests/system/vmcs_fault.c vmm/module.mk $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(VMM_CFLAGS) -MMD -MP -c $< -o $@

$(VMM_FAULTY): build/vmm-faulty/vmcs_fault.o $(VMM_OBJECTS) vmm/boot/link.ld
	$(CC) -nostdlib -static -no-pie -Wl,-T,vmm/boot/link.ld -Wl,-z,max-page-size=4096 -Wl,--build-id=none \
		-Wl,-z,noexecstack -Wl,--wrap=vmx_switch -o $@ $(filter %.o,$^)

-include build/vmm-faulty/vmcs_fault.d

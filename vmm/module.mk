# SPDX-License-Identifier: MIT
# build/vmm/mullion.elf: the VMM, freestanding.
VMM_CFLAGS := -std=gnu17 -ffreestanding -ffile-prefix-map=$(CURDIR)=. -fno-pic -fno-pie -mcmodel=small -mno-red-zone -mgeneral-regs-only -O2 -g \
	-fstack-protector-strong -mstack-protector-guard=global -fcf-protection=none -fno-asynchronous-unwind-tables \
	-mindirect-branch=thunk -mindirect-branch-register -fno-strict-aliasing -fno-delete-null-pointer-checks \
	-Wall -Wextra -Wno-unused-parameter -Wconversion -Wshadow $(WERROR_FLAG) -Ivmm -Ivmm/include -DMULLION_VERSION='"$(MULLION_VERSION)"'
VMM_SOURCES := $(sort $(wildcard vmm/*/*.c vmm/*/*.S vmm/x86/svm/*.c vmm/x86/svm/*.S vmm/x86/vmx/*.c vmm/x86/vmx/*.S))
VMM_OBJECTS := $(patsubst vmm/%,build/vmm/%.o,$(VMM_SOURCES))

build/vmm/%.c.o: vmm/%.c vmm/module.mk $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(VMM_CFLAGS) -MMD -MP -c $< -o $@

build/vmm/%.S.o: vmm/%.S vmm/module.mk $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(VMM_CFLAGS) -MMD -MP -c $< -o $@

build/vmm/mullion.elf: $(VMM_OBJECTS) vmm/boot/link.ld
	$(CC) -nostdlib -static -no-pie -Wl,-T,vmm/boot/link.ld -Wl,-z,max-page-size=4096 -Wl,--build-id=none \
		-Wl,-z,noexecstack -o $@ $(VMM_OBJECTS)

-include $(VMM_OBJECTS:.o=.d)

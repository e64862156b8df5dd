# SPDX-License-Identifier: MIT
# The hostile guest: a freestanding PVH kernel that runs one attack after the other.

HOSTILE_DIR := tests/guests/hostile
HOSTILE_SOURCES := $(wildcard $(HOSTILE_DIR)/*.c) $(wildcard $(HOSTILE_DIR)/*.S)
HOSTILE_OBJECTS := $(patsubst $(HOSTILE_DIR)/%,$(GUESTS)/hostile/%.o,$(HOSTILE_SOURCES))
HOSTILE_CFLAGS := -std=c17 -O2 -ffreestanding -fno-pic -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
	-fcf-protection=none -fno-asynchronous-unwind-tables -Wall -Wextra $(WERROR_FLAG) -Wconversion -Wshadow

$(GUESTS)/hostile/%.o: $(HOSTILE_DIR)/% $(wildcard $(HOSTILE_DIR)/*.h $(HOSTILE_DIR)/*.inc) vmm/include/mullion/abi.h \
		vmm/include/mullion/machine.h
	@mkdir -p $(@D)
	$(CC) $(HOSTILE_CFLAGS) -Ivmm/include -c -o $@ $<

$(GUESTS)/hostile.elf: $(HOSTILE_OBJECTS) $(HOSTILE_DIR)/link.ld
	$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -s \
		-T $(HOSTILE_DIR)/link.ld -o $@ $(HOSTILE_OBJECTS)

# SPDX-License-Identifier: MIT
# The guests of the demo and of the tests: Debian's stock kernel, a busybox initramfs, the hostile guest.

GUESTS := build/guests
MUSL_CC ?= musl-gcc

.PHONY: guests
guests: $(GUESTS)/vmlinux $(GUESTS)/bzImage $(GUESTS)/bzImage-6.12 $(GUESTS)/initramfs.cpio $(GUESTS)/hostile.elf

$(GUESTS)/kernel.path $(GUESTS)/kernel612.path $(GUESTS)/busybox.path: $(GUESTS)/%.path: third_party/pins third_party/fetch
	@mkdir -p $(@D)
	third_party/fetch --unpack $* > $@.new && mv $@.new $@

$(GUESTS)/bzImage-6.12: $(GUESTS)/kernel612.path
$(GUESTS)/bzImage: $(GUESTS)/kernel.path
$(GUESTS)/bzImage $(GUESTS)/bzImage-6.12:
	cp "$$(ls "$$(cat $<)"/boot/vmlinuz-*)" $@.new && chmod 644 $@.new && mv $@.new $@

$(GUESTS)/vmlinux: $(GUESTS)/bzImage tests/guests/extract-vmlinux
	tests/guests/extract-vmlinux $< $@

$(GUESTS)/bin/%: tests/guests/%.c
	@mkdir -p $(@D)
	$(MUSL_CC) -std=c17 -O2 -static -s -Wall -Wextra $(WERROR_FLAG) -Wconversion -Wshadow -o $@ $<

$(GUESTS)/bin/guestbench: tests/bench/guestbench.c
	@mkdir -p $(@D)
	$(MUSL_CC) -std=c17 -O2 -static -s -Wall -Wextra $(WERROR_FLAG) -Wconversion -Wshadow -o $@ $<

$(GUESTS)/initramfs.cpio: tests/guests/make-initramfs $(wildcard tests/guests/root/*) $(GUESTS)/kernel.path \
		$(GUESTS)/busybox.path $(GUESTS)/bin/guestbench $(GUESTS)/bin/heartbeat $(GUESTS)/bin/netbench $(GUESTS)/bin/registers
	tests/guests/make-initramfs --kernel "$$(cat $(GUESTS)/kernel.path)" \
		--busybox "$$(cat $(GUESTS)/busybox.path)" --output $@ \
		$(GUESTS)/bin/guestbench $(GUESTS)/bin/heartbeat $(GUESTS)/bin/netbench $(GUESTS)/bin/registers

include tests/guests/hostile/module.mk

# The system tests boot an agent that can be made to crash, too.
system: agent-crash

.PHONY: bench
bench: image guests
	@tests/bench/bench
	@tests/bench/network

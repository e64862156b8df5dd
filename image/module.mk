# SPDX-License-Identifier: MIT
# The two images. mullion.img is the product: no guests, a manifest without partitions.

image_tools := $(wildcard image/*.py image/*.cfg) image/build third_party/pins
image_parts := build/vmm/mullion.elf build/agent/agent.bin build/drivervm/kernel build/drivervm/initramfs.cpio \
	build/NOTICE.txt configs/site.json
demo_guests := vmlinux=build/guests/vmlinux initramfs.cpio=build/guests/initramfs.cpio
demo_files := $(foreach guest,$(demo_guests),$(lastword $(subst =, ,$(guest))))

.PHONY: image
image: build/mullion.img build/mullion-demo.img

build/mullion.img: $(image_parts) configs/empty.json $(image_tools)
	image/build --out $@ --manifest configs/empty.json --product --report >$@.sizes

build/mullion-demo.img: $(image_parts) configs/demo.json configs/site-demo.json $(demo_files) $(image_tools)
	image/build --out $@ --site configs/site-demo.json --manifest configs/demo.json $(addprefix --image ,$(demo_guests)) --report >$@.sizes

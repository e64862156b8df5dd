# SPDX-License-Identifier: MIT
# What goes with an image: its bill of materials, the notice with all licences, the source of its GPL parts.

.PHONY: sbom notice sources reproduce
sbom: image drivervm
	tools/sbom --out build/sbom/mullion.spdx.json

notice: build/NOTICE.txt

build/NOTICE.txt: tools/notice third_party/parts.toml third_party/pins LICENSE
	@mkdir -p $(@D)
	tools/notice --texts >$@.new && mv $@.new $@

sources:
	tools/sources --out build/sources

# Two strangers build the image; COLD=1: each with a cache of its own, so that the driver VM's kernel is built twice.
reproduce:
	@tools/reproduce $(if $(COLD),--cold)

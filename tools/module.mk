# SPDX-License-Identifier: MIT
# What goes with an image: its bill of materials, the notice with all licences, the source of its GPL parts.

.PHONY: sbom notice sources
sbom: image drivervm
	tools/sbom --out build/sbom/mullion.spdx.json

notice:
	@mkdir -p build
	tools/notice --texts >build/NOTICE.txt.new && mv build/NOTICE.txt.new build/NOTICE.txt

sources:
	tools/sources --out build/sources

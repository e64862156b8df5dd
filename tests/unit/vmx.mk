# SPDX-License-Identifier: MIT
# The VMX back end: each test includes the file that it is about, with the privileged instructions led to itself.
vmm_unit_vmx_exits := tests/unit/fake_hvm.o tests/unit/fake_vmcs.o
vmm_unit_vmx_capabilities := tests/unit/fake_log.o
vmm_unit_vmx := tests/unit/fake_vmcs.o tests/unit/vmx_cpu.o vmm/core/pool.o vmm/x86/npt.o
vmm_unit_names += vmx_exits vmx_capabilities vmx_speculation vmx

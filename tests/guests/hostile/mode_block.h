/* SPDX-License-Identifier: MIT */
/* Where mode_switch.S lies in low memory, so that 16-bit code reaches it: shared by C and assembly. */
#ifndef MODE_BLOCK_H
#define MODE_BLOCK_H

#define BLOCK_BASE      0xa000
#define BLOCK_BUFFER    0xc000 /* operand of string instructions */
#define BLOCK_CODE      0xd000 /* the instruction under test */
#define BLOCK_V86_STACK 0xe800
#define BLOCK_STACK     0xf000

#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA32 0x10
#define SELECTOR_CODE32 0x18
#define SELECTOR_CODE16 0x20
#define SELECTOR_DATA16 0x28
#define SELECTOR_IOAPIC 0x50 /* data, with the IO-APIC as its base */
#define SELECTOR_ECAM   0x58
#define SELECTOR_TSS32  0x60
#define SELECTOR_TSS_TO 0x68 /* a task to switch to */
#define SELECTOR_GATE   0x70 /* a task gate to it */

#define VECTOR_END    0x41 /* INT of the block's code that says: done */
#define BLOCK_VECTORS 0x42

/* How mode_go() enters the code. */
#define ENTER_LONG      0
#define ENTER_PROTECTED 1
#define ENTER_REAL      2
#define ENTER_V86       3

#endif

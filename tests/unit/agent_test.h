/* SPDX-License-Identifier: MIT */
/* What the agent's unit tests share: cmocka, and small kernels made by hand. */
#ifndef AGENT_TEST_H
#define AGENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define TEST_PVH_LOAD   0x1000000u
#define TEST_PVH_BYTES  4096u /* of the file */
#define TEST_PVH_MEMORY 8192u
#define TEST_BZ_BYTES   (5u * 512u + 0x1000u)

/* An ELF file with one segment at 16 MiB and a PVH note that names its first byte. */
static inline void test_pvh_make(uint8_t file[TEST_PVH_BYTES])
{
    memset(file, 0, TEST_PVH_BYTES);
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_EXEC,
                         .e_machine = EM_X86_64,
                         .e_phoff = sizeof(Elf64_Ehdr),
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 2};
    const Elf64_Phdr segments[2] = {{.p_type = PT_LOAD,
                                     .p_offset = 2048,
                                     .p_paddr = TEST_PVH_LOAD,
                                     .p_filesz = 2048,
                                     .p_memsz = TEST_PVH_MEMORY},
                                    {.p_type = PT_NOTE, .p_offset = 1024, .p_filesz = 24, .p_memsz = 24}};
    const uint32_t note[6] = {4, 8, 18, 0x006e6558 /* "Xen" */, TEST_PVH_LOAD, 0};
    memcpy(file, &header, sizeof(header));
    memcpy(file + sizeof(header), segments, sizeof(segments));
    memcpy(file + 1024, note, sizeof(note));
    memset(file + 2048, 0xab, 2048);
}

/* A bzImage with four setup sectors and 4 KiB of kernel. */
static inline void test_bzimage_make(uint8_t file[TEST_BZ_BYTES])
{
    memset(file, 0, TEST_BZ_BYTES);
    file[0x1f1] = 4;
    const struct {
        unsigned at, bytes;
        uint64_t value;
    } fields[] = {{0x1f4, 4, 0x1000 / 16}, {0x1fe, 2, 0xaa55}, {0x200, 2, 0x6aeb},     {0x202, 4, 0x53726448},
                  {0x206, 2, 0x020f},      {0x211, 1, 1},      {0x22c, 4, 0x7fffffff}, {0x230, 4, 0x200000},
                  {0x236, 2, 0x3f},        {0x238, 4, 2047},   {0x258, 8, 0x1000000},  {0x260, 4, 0x800000}};
    for (size_t i = 0; i < COUNT(fields); i++) {
        memcpy(file + fields[i].at, &fields[i].value, fields[i].bytes);
    }
    memset(file + 5 * 512, 0xcd, 0x1000);
}

#endif

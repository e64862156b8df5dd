/* SPDX-License-Identifier: MIT */
/* The loader with good and damaged kernels, and the memory that partitions get. */
#include "agent_test.h"
#include "loader/loader.h"
#include "model/memory.h"
#include "mullion/machine.h"
#include "os/linux/model.h"

#define GUEST_BYTES (64ull << 20)
#define MIB         (1ull << 20)

static uint8_t *memory;
static struct loader_request request;
static struct mullion_partition_start entry;
static struct loader_why why;
static uint8_t pvh[TEST_PVH_BYTES];
static uint8_t bzimage[TEST_BZ_BYTES];
static const uint8_t initramfs[5000] = {1, 2, 3};

static int prepare(void **state)
{
    (void)state;
    memory = calloc(1, GUEST_BYTES);
    test_pvh_make(pvh);
    test_bzimage_make(bzimage);
    request = (struct loader_request){.guest = guest_layout((uintptr_t)memory, GUEST_BYTES),
                                      .kernel = pvh,
                                      .kernel_bytes = sizeof(pvh),
                                      .initramfs = initramfs,
                                      .initramfs_bytes = sizeof(initramfs),
                                      .cmdline = "console=ttyS0",
                                      .vcpu_count = 2};
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static uint32_t at32(uint64_t gpa)
{
    uint32_t value;
    memcpy(&value, memory + gpa, sizeof(value));
    return value;
}

static uint64_t at64(uint64_t gpa)
{
    uint64_t value;
    memcpy(&value, memory + gpa, sizeof(value));
    return value;
}

static void loader_pvh_enters_with_start_info(void **state)
{
    (void)state;
    memset(memory + TEST_PVH_LOAD, 0xff, TEST_PVH_MEMORY);
    assert_int_equal(loader_load(&request, &entry, &why), 0);
    assert_int_equal(entry.mode, MULLION_ENTRY_PROTECTED32);
    assert_int_equal(entry.rip, TEST_PVH_LOAD);
    assert_int_equal(entry.rbx, LOADER_START_INFO);
    assert_int_equal(entry.cr3, 0);
    assert_int_equal(memory[TEST_PVH_LOAD + 2047], 0xab);
    assert_int_equal(memory[TEST_PVH_LOAD + 2048], 0); /* .bss is cleared, whatever was there */
    assert_int_equal(at32(LOADER_START_INFO), 0x336ec578);
    assert_int_equal(at32(LOADER_START_INFO + 12), 1);
    assert_string_equal((char *)memory + at64(LOADER_START_INFO + 24), "console=ttyS0");
    assert_memory_equal(memory + at64(LOADER_START_INFO + 32), "RSD PTR ", 8);
    uint64_t module = at64(LOADER_START_INFO + 16);
    assert_int_equal(at64(module + 8), sizeof(initramfs));
    assert_memory_equal(memory + at64(module), initramfs, sizeof(initramfs));
    assert_int_equal(at64(module) % 4096, 0);
    uint64_t map = at64(LOADER_START_INFO + 40);
    assert_int_equal(at32(LOADER_START_INFO + 48), 4);
    assert_int_equal(at64(map + 3 * 24), 0x100000);
    assert_int_equal(at64(map + 3 * 24 + 8), GUEST_BYTES - 0x100000);
}

static void loader_pvh_note_may_be_cut_after_its_low_half(void **state)
{
    (void)state;
    pvh[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_filesz)] = 20;
    assert_int_equal(loader_load(&request, &entry, &why), 0);
    assert_int_equal(entry.rip, TEST_PVH_LOAD);
}

static void loader_bzimage_enters_at_its_64_bit_entry(void **state)
{
    (void)state;
    request.kernel = bzimage;
    request.kernel_bytes = sizeof(bzimage);
    assert_int_equal(loader_load(&request, &entry, &why), 0);
    assert_int_equal(entry.mode, MULLION_ENTRY_LONG64);
    assert_int_equal(entry.rip, 0x1000200);
    assert_int_equal(entry.rsi, LOADER_BOOT_PARAMS);
    assert_int_equal(memory[0x1000000], 0xcd);
    assert_int_equal(memory[LOADER_BOOT_PARAMS + 0x210], 0xff);
    assert_int_equal(at32(LOADER_BOOT_PARAMS + 0x228), LOADER_CMDLINE);
    assert_int_equal(at32(LOADER_BOOT_PARAMS + 0x21c), sizeof(initramfs));
    assert_memory_equal(memory + at32(LOADER_BOOT_PARAMS + 0x218), initramfs, sizeof(initramfs));
    assert_int_equal(at64(LOADER_BOOT_PARAMS + 0x70), LOADER_ACPI);
    assert_int_equal(memory[LOADER_BOOT_PARAMS + 0x1e8], 4);
    /* Page tables: 4 GiB identity. */
    uint64_t pdpt = at64(entry.cr3) & ~0xfffull;
    uint64_t last = at64(pdpt + 3 * 8) & ~0xfffull;
    assert_int_equal(at64(last + 511 * 8), 0xffe00083);
    assert_int_equal(at64(pdpt + 4 * 8), 0);
}

static void loader_reset_vector_writes_the_reset_register(void **state)
{
    static const uint8_t code[] = {0xba, MACHINE_PORT_RESET & 0xff, MACHINE_PORT_RESET >> 8, 0xb0, 1, 0xee,
                                   0xf4};
    (void)state;
    assert_int_equal(loader_load(&request, &entry, &why), 0);
    assert_memory_equal(memory + 0xffff0, code, sizeof(code));
}

static void refuse(const char *reason)
{
    assert_int_equal(loader_load(&request, &entry, &why), -1);
    assert_string_equal(why.text, reason);
}

static void put(uint8_t *file, size_t at, uint64_t value, size_t bytes)
{
    memcpy(file + at, &value, bytes);
}

static void loader_refuses_damaged_elf(void **state)
{
    const size_t load = sizeof(Elf64_Ehdr);
    const size_t note = load + sizeof(Elf64_Phdr);
    static const char cut[] =
        "segment 0 of the kernel lies outside its file: it is damaged or cut short, replace it";
    static const char wrong[] =
        "segment 0 of the kernel has a wrong size or address: the file is damaged, replace it";
    const struct {
        size_t at;
        uint64_t value;
        size_t bytes;
        const char *reason;
    } cases[] = {
        {EI_CLASS, ELFCLASS32, 1,
         "the kernel is an ELF file, but not for x86-64: take one built for this machine"},
        {offsetof(Elf64_Ehdr, e_phnum), 999, 2,
         "the ELF header names 999 program headers of 56 bytes: the file is damaged, replace it"},
        {offsetof(Elf64_Ehdr, e_phentsize), 32, 2,
         "the ELF header names 2 program headers of 32 bytes: the file is damaged, replace it"},
        {offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX - 8, 8,
         "the ELF program headers lie outside the file: it is damaged or cut short, replace it"},
        {load + offsetof(Elf64_Phdr, p_offset), UINT64_MAX, 8, cut},
        {load + offsetof(Elf64_Phdr, p_filesz), UINT64_MAX, 8, cut},
        {load + offsetof(Elf64_Phdr, p_filesz), 2049, 8, cut},
        {load + offsetof(Elf64_Phdr, p_memsz), 100, 8, wrong},
        {load + offsetof(Elf64_Phdr, p_paddr), 0x7000, 8, wrong},
        {load + offsetof(Elf64_Phdr, p_memsz), 60 * MIB, 8,
         "the kernel needs memory up to 77 MiB: give the partition more than its 64 MiB"},
        {note + offsetof(Elf64_Phdr, p_type), PT_NULL, 4,
         "the ELF kernel has no PVH entry note: build it with CONFIG_PVH, or give its bzImage"},
        {1024, UINT32_MAX, 4,
         "the ELF kernel has no PVH entry note: build it with CONFIG_PVH, or give its bzImage"},
        {1024 + 16, 0x2000000, 4,
         "the PVH entry 0x2000000 is not inside the kernel: the file is damaged, replace it"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        test_pvh_make(pvh);
        put(pvh, cases[i].at, cases[i].value, cases[i].bytes);
        refuse(cases[i].reason);
    }
}

static void loader_refuses_segments_that_overlap(void **state)
{
    (void)state;
    Elf64_Phdr segment;
    memcpy(&segment, pvh + sizeof(Elf64_Ehdr), sizeof(segment));
    segment.p_memsz = 40 * MIB;
    pvh[offsetof(Elf64_Ehdr, e_phnum)] = 3;
    memcpy(pvh + sizeof(Elf64_Ehdr), &segment, sizeof(segment));
    memcpy(pvh + sizeof(Elf64_Ehdr) + 2 * sizeof(segment), &segment, sizeof(segment));
    refuse("segments of the kernel overlap: the file is damaged, replace it");
}

static void loader_refuses_damaged_bzimage(void **state)
{
    static const char contradicts[] =
        "the bzImage's header contradicts itself (init_size, pref_address): it is damaged, replace it";
    const struct {
        size_t at;
        uint64_t value;
        size_t bytes;
        const char *reason;
    } cases[] = {
        {0x202, 0, 4,
         "the kernel's file is neither a bzImage nor an ELF file: it is damaged or something else, replace "
         "it"},
        {0x1fe, 0, 2,
         "the kernel's file is neither a bzImage nor an ELF file: it is damaged or something else, replace "
         "it"},
        {0x206, 0x0209, 2, "the bzImage has boot protocol 2.09: take Linux 3.8 or newer (2.12)"},
        {0x236, 0, 2, "the bzImage has no 64-bit entry: take a kernel built for x86-64"},
        {0x1f4, 0x200, 4,
         "the bzImage says that it has 10752 bytes, the file has 6656: it is cut short, replace it"},
        {0x1f4, 1, 4,
         "the bzImage says that it has 2576 bytes, the file has 6656: it is cut short, replace it"},
        {0x230, 0, 4, contradicts},
        {0x258, 0x1000, 8, contradicts},
        {0x258, 0x1000001, 8, contradicts},
        {0x260, 16, 4, contradicts},
        {0x260, 60 * MIB, 4, "the kernel needs memory up to 77 MiB: give the partition more than its 64 MiB"},
        {0x238, 4, 4, "the command line has 13 bytes, the kernel takes 4: shorten it"},
    };
    (void)state;
    request.kernel = bzimage;
    request.kernel_bytes = sizeof(bzimage);
    for (size_t i = 0; i < COUNT(cases); i++) {
        test_bzimage_make(bzimage);
        put(bzimage, cases[i].at, cases[i].value, cases[i].bytes);
        refuse(cases[i].reason);
    }
}

static void loader_refuses_what_does_not_fit(void **state)
{
    (void)state;
    request.kernel_bytes = 100;
    refuse("the kernel's file has only 100 bytes: replace it by a bzImage or a vmlinux");
    request.kernel_bytes = sizeof(pvh);
    request.initramfs_bytes = 60 * MIB;
    refuse("the initramfs (61440 KiB) does not fit between the kernel's end (16 MiB) and 64 MiB: give the "
           "partition more "
           "memory");
    request.guest = guest_layout((uintptr_t)memory, 8 * MIB);
    refuse("the partition has less than 16 MiB of memory: give it more");
}

static void loader_large_guests_have_a_hole_below_4_gib(void **state)
{
    (void)state;
    struct guest guest = guest_layout(0x1000, 5ull << 30);
    struct loader_range map[LOADER_MAX_MAP];
    assert_int_equal(loader_memory_map(&guest, map), 5);
    assert_int_equal(map[3].base + map[3].bytes, MACHINE_LOW_RAM_END);
    assert_int_equal(map[4].base, MACHINE_HIGH_RAM_BASE);
    assert_int_equal(map[4].bytes, 2ull << 30);
    assert_null(guest_at(&guest, MACHINE_LOW_RAM_END - 1, 2));
    assert_non_null(guest_at(&guest, MACHINE_LOW_RAM_END - 2, 2));
    assert_null(guest_at(&guest, UINT64_MAX, 2));
}

/* ---- memory
 * ------------------------------------------------------------------------------------------------ */

static void memory_lowest_run_that_holds_all(void **state)
{
    const struct mullion_memory_info runs[] = {
        {.owner = MULLION_OWNER_FREE, .hpa = 4 * MIB, .bytes = 8 * MIB},
        {.owner = MULLION_OWNER_VMM, .hpa = 12 * MIB, .bytes = 2 * MIB},
        {.owner = MULLION_OWNER_FREE, .hpa = 14 * MIB, .bytes = 10 * MIB},
        {.owner = MULLION_OWNER_DIRTY, .hpa = 24 * MIB, .bytes = 10 * MIB},
        {.owner = MULLION_OWNER_FREE, .hpa = 100 * MIB, .bytes = 64 * MIB},
    };
    struct memory_choice choice;
    (void)state;
    assert_int_equal(memory_choose(runs, COUNT(runs), 8 * MIB, &choice), 0);
    assert_int_equal(choice.count, 1);
    assert_int_equal(choice.ranges[0].hpa, 4 * MIB);
    assert_false(choice.dirty);
    /* Clean and dirty neighbours are one run. */
    assert_int_equal(memory_choose(runs, COUNT(runs), 16 * MIB, &choice), 0);
    assert_int_equal(choice.ranges[0].hpa, 14 * MIB);
    assert_true(choice.dirty);
    /* In pieces: the largest first, then in ascending order. */
    assert_int_equal(memory_choose(runs, COUNT(runs), 70 * MIB, &choice), 0);
    assert_int_equal(choice.count, 2);
    assert_int_equal(choice.ranges[0].hpa, 14 * MIB);
    assert_int_equal(choice.ranges[0].bytes, 6 * MIB);
    assert_int_equal(choice.ranges[1].gpa, 6 * MIB);
    assert_int_equal(memory_choose(runs, COUNT(runs), 94 * MIB, &choice), -MULLION_E_MEMORY_BUSY);
}

static void memory_above_3_gib_continues_at_4_gib(void **state)
{
    const struct mullion_memory_info runs[] = {
        {.owner = MULLION_OWNER_FREE, .hpa = 8ull << 30, .bytes = 8ull << 30}};
    struct memory_choice choice;
    (void)state;
    assert_int_equal(memory_choose(runs, 1, 4ull << 30, &choice), 0);
    assert_int_equal(choice.count, 2);
    assert_int_equal(choice.ranges[0].bytes, MACHINE_LOW_RAM_END);
    assert_int_equal(choice.ranges[1].gpa, MACHINE_HIGH_RAM_BASE);
    assert_int_equal(choice.ranges[1].hpa, (8ull << 30) + MACHINE_LOW_RAM_END);
}

static void memory_in_too_many_pieces_is_refused(void **state)
{
    static struct mullion_memory_info runs[40];
    struct memory_choice choice;
    (void)state;
    for (unsigned i = 0; i < COUNT(runs); i++) {
        runs[i] =
            (struct mullion_memory_info){.owner = MULLION_OWNER_FREE, .hpa = i * 4 * MIB, .bytes = 2 * MIB};
    }
    assert_int_equal(memory_choose(runs, COUNT(runs), 32 * MIB, &choice), 0);
    assert_int_equal(memory_choose(runs, COUNT(runs), 34 * MIB, &choice), -MULLION_E_RANGE_LIMIT);
}

#define WITH_GUEST(test) cmocka_unit_test_setup_teardown(test, prepare, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_GUEST(loader_pvh_enters_with_start_info),
        WITH_GUEST(loader_pvh_note_may_be_cut_after_its_low_half),
        WITH_GUEST(loader_bzimage_enters_at_its_64_bit_entry),
        WITH_GUEST(loader_reset_vector_writes_the_reset_register),
        WITH_GUEST(loader_refuses_damaged_elf),
        WITH_GUEST(loader_refuses_segments_that_overlap),
        WITH_GUEST(loader_refuses_damaged_bzimage),
        WITH_GUEST(loader_refuses_what_does_not_fit),
        cmocka_unit_test(loader_large_guests_have_a_hole_below_4_gib),
        cmocka_unit_test(memory_lowest_run_that_holds_all),
        cmocka_unit_test(memory_above_3_gib_continues_at_4_gib),
        cmocka_unit_test(memory_in_too_many_pieces_is_refused),
    };
    return cmocka_run_group_tests_name("agent_loader", tests, NULL, NULL);
}

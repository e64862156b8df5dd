/* SPDX-License-Identifier: MIT */
/* The VMM's own address space: nothing is writable and executable, nothing but the windows is open to user
 * mode. */
#include "core/pool.h"
#include "unit.h"
#include "x86/asm.h"

#include <sys/mman.h>

/* Privileged instructions stay out of the test. */
#define invlpg(address)      ((void)(address))
#define wrmsr(number, value) ((void)(value))
#define write_cr3(value)     ((void)(value))
#include "x86/paging.c"
#undef invlpg
#undef wrmsr
#undef write_cr3

/* An image of 2 pages of text, 1 of constants, 3 of data. */
__asm__(".pushsection .data\n"
        ".balign 4096\n"
        ".globl vmm_image_start, vmm_text_end, vmm_rodata_end, vmm_image_end\n"
        "vmm_image_start: .skip 8192\n"
        "vmm_text_end: .skip 4096\n"
        "vmm_rodata_end: .skip 12288\n"
        "vmm_image_end:\n"
        ".popsection\n");

#define POOL_BYTES  (512 * PAGE_BYTES)
#define POOL_PLACE  ((void *)0x300000000000) /* as in the VMM: not in the windows' half TiB */
#define LARGE       BIT(7)
#define PTE_USER    BIT(2)
#define PTE_ADDRESS 0x000ffffffffff000ull
#define DEVICE      0xfec00000ull
#define FRAMEBUFFER 0xfd000000ull

static uint8_t *pool_block;

static int build(void **state)
{
    (void)state;
    pool_block = mmap(POOL_PLACE, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_equal(pool_block, POOL_PLACE);
    pool_init(pool_block, POOL_BYTES);
    paging_init();
    return 0;
}

static int drop(void **state)
{
    (void)state;
    return munmap(pool_block, POOL_BYTES);
}

/* What the CPU finds: the AND of write and user rights, the OR of NX, over all levels. */
struct found {
    bool present, writable, user, executable;
    uint64_t entry, address;
};

static struct found walk(uint64_t at)
{
    const uint64_t *table_at = (const uint64_t *)paging_root();
    struct found f = {.present = true, .writable = true, .user = true, .executable = true};
    for (unsigned shift = 39; f.present; shift -= 9) {
        f.entry = table_at[at >> shift & 511];
        f.present = f.entry & PTE_PRESENT;
        f.writable &= (f.entry & PTE_WRITE) != 0;
        f.user &= (f.entry & PTE_USER) != 0;
        f.executable &= (f.entry & PTE_NX) == 0;
        f.address = (f.entry & PTE_ADDRESS & ~(BIT(shift) - 1)) | (at & (BIT(shift) - 1));
        if (shift == 12 || (f.present && (f.entry & LARGE)))
            break;
        table_at = (const uint64_t *)(f.entry & PTE_ADDRESS);
    }
    return f;
}

static void expect(const void *at, bool writable, bool executable)
{
    struct found f = walk((uint64_t)(uintptr_t)at);
    assert_true(f.present);
    assert_int_equal(f.writable, writable);
    assert_int_equal(f.executable, executable);
    assert_false(f.user);
    assert_true(f.address == (uint64_t)(uintptr_t)at);
}

static void each_part_of_the_image_has_its_rights(void **state)
{
    (void)state;
    expect(vmm_image_start, false, true);
    expect(vmm_image_start + 2 * PAGE_BYTES - 1, false, true);
    expect(vmm_text_end, false, false);
    expect(vmm_image_start + 3 * PAGE_BYTES - 1, false, false);
    expect(vmm_rodata_end, true, false);
    expect(vmm_image_start + 6 * PAGE_BYTES - 1, true, false);
    assert_false(walk((uint64_t)(uintptr_t)vmm_image_start - 1).present);
    assert_false(walk((uint64_t)(uintptr_t)vmm_image_end).present);
}

static void the_pool_is_data(void **state)
{
    (void)state;
    expect(pool_block, true, false);
    expect(pool_block + POOL_BYTES - 1, true, false);
    assert_false(walk(0).present);
}

static void a_guard_page_is_a_hole_of_one_page(void **state)
{
    (void)state;
    uint8_t *guard = pool_block + 100 * PAGE_BYTES;
    paging_unmap_page(guard);
    assert_false(walk((uint64_t)(uintptr_t)guard).present);
    expect(guard - 1, true, false);
    expect(guard + PAGE_BYTES, true, false);
}

static void devices_are_uncached_and_the_screen_is_write_combining(void **state)
{
    (void)state;
    paging_map(DEVICE + 0x20, 0x10, PAGING_DEVICE);
    paging_map(FRAMEBUFFER, 2 * FRAME_BYTES + 5, PAGING_WRITE_COMBINING);
    expect((void *)DEVICE, true, false);
    assert_true((walk(DEVICE).entry & (PTE_PCD | PTE_PWT)) == (PTE_PCD | PTE_PWT));
    assert_false(walk(DEVICE + PAGE_BYTES).present);
    expect((void *)(FRAMEBUFFER + 2 * FRAME_BYTES), true, false);
    assert_true((walk(FRAMEBUFFER).entry & (PTE_PCD | PTE_PWT)) == PTE_PWT);
    assert_false(walk(FRAMEBUFFER + 2 * FRAME_BYTES + PAGE_BYTES).present);
}

static void modules_are_read_only(void **state)
{
    (void)state;
    paging_map(0x10001234, 3 * FRAME_BYTES, PAGING_READ);
    for (uint64_t at = 0x10001000; at < 0x10001234 + 3 * FRAME_BYTES; at += PAGE_BYTES)
        expect((void *)at, false, false);
    assert_false(walk(0x10000fff).present);
}

static void a_window_is_absent_until_it_is_filled(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < WINDOW_COUNT; i += 37)
        assert_false(walk(WINDOW_BASE + i * FRAME_BYTES).present);
    *paging_window_entry(515) = 0x40000000 | PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_NX | LARGE;
    struct found f = walk(WINDOW_BASE + 515 * FRAME_BYTES + 5);
    assert_true(f.present && f.user && f.writable && !f.executable);
    assert_true(f.address == 0x40000005);
    assert_false(walk(WINDOW_BASE + 514 * FRAME_BYTES).present);
    expect_assert_failure(paging_window_entry(WINDOW_COUNT));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, build, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_part_of_the_image_has_its_rights),
        TEST(the_pool_is_data),
        TEST(a_guard_page_is_a_hole_of_one_page),
        TEST(devices_are_uncached_and_the_screen_is_write_combining),
        TEST(modules_are_read_only),
        TEST(a_window_is_absent_until_it_is_filled),
    };
    return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}

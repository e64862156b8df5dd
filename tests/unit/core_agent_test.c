/* SPDX-License-Identifier: MIT */
/* What the VMM does with the agent: which images it starts, in which memory, and when again. */
#include "core/agent.c" // NOLINT(bugprone-suspicious-include)
#include "unit.h"

#include <string.h>

#define IMAGE_BYTES 0x900u
#define FILE_BYTES  0x1000u
#define LOAD_GPA    0x100000u
#define HOST        0x40000000ull
#define CODE_AT     0x800u

struct platform platform;

static struct {
    struct mullion_agent_header header;
    uint8_t rest[FILE_BYTES - sizeof(struct mullion_agent_header)];
} file;

static struct partition partition;
static struct vcpu vcpu;
static unsigned scrubs, starts, flushes, writes;
static uint64_t mapped_writable, mapped_read_only; /* bytes */
static uint64_t written_gpa, written_bytes;
static struct mullion_partition_start started;
static bool window_closed;
static uint64_t time_unit; /* ticks of a microsecond */

/* ---- what agent.c asks of others ---- */

uint32_t crc32(uint32_t crc, const void *data, size_t count)
{
    const uint8_t *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

bool text_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

void text_copy(char *to, const char *from, size_t bytes)
{
    strncpy(to, from, bytes - 1);
}

void paging_map(uint64_t start, uint64_t bytes, enum paging_rights rights)
{
    (void)start;
    (void)bytes;
    assert_int_equal(rights, PAGING_READ);
}

struct partition *partition_create_agent(void)
{
    return &partition;
}

hpa_t frames_take(uint64_t bytes, uint64_t limit, enum mullion_owner owner, uint32_t id)
{
    (void)limit;
    assert_int_equal(owner, MULLION_OWNER_PARTITION);
    assert_int_equal(id, MULLION_AGENT_ID);
    return hpa(bytes == AGENT_RAM_BYTES ? HOST : HOST + AGENT_RAM_BYTES);
}

int npt_map(struct npt *npt, gpa_t at, hpa_t to, uint64_t bytes, bool writable)
{
    (void)npt;
    (void)at;
    (void)to;
    *(writable ? &mapped_writable : &mapped_read_only) += bytes;
    return 0;
}

void window_scrub(hpa_t frame)
{
    assert_true(frame.v >= HOST && frame.v < HOST + AGENT_RAM_BYTES + AGENT_STATE_BYTES);
    scrubs++;
}

int partition_write(const struct partition *p, gpa_t to, const void *from, size_t bytes)
{
    (void)p;
    written_gpa = to.v;
    written_bytes = bytes;
    assert_memory_equal(from, &file, bytes);
    writes++;
    return 0;
}

int partition_start(struct partition *p, const struct mullion_partition_start *entry)
{
    started = *entry;
    starts++;
    p->state = MULLION_STATE_RUNNING;
    p->start_tsc = rdtsc();
    return 0;
}

int loading_close(struct partition *p)
{
    assert_null(p);
    window_closed = true;
    return 0;
}

void ports_reset(struct partition *p)
{
    (void)p;
}

uint64_t tsc_from_us(uint64_t microseconds)
{
    return microseconds * time_unit;
}

static void flush(struct vcpu *of)
{
    assert_ptr_equal(of, &vcpu);
    flushes++;
}

static const struct hvm_ops ops = {.vcpu_flush = flush};
const struct hvm_ops *hvm = &ops;

/* ---- an image ---- */

static void seal(void)
{
    file.header.crc32 = 0;
    file.header.crc32 = crc32(0, &file, file.header.image_bytes);
}

static void make_image(void)
{
    memset(&file, 0x5a, sizeof file);
    file.header = (struct mullion_agent_header){.magic = MULLION_AGENT_MAGIC,
                                                .abi_version = MULLION_ABI_VERSION,
                                                .load_gpa = LOAD_GPA,
                                                .image_bytes = IMAGE_BYTES,
                                                .memory_bytes = 0x4000,
                                                .entry_offset = CODE_AT};
    seal();
    platform.boot.module_count = 1;
    platform.boot.modules[0] = (struct boot_module){.start = (uint64_t)(uintptr_t)&file, .bytes = FILE_BYTES};
    strcpy(platform.boot.modules[0].text, MULLION_MODULE_AGENT);
}

static int begin(void **state)
{
    (void)state;
    memset(&platform, 0, sizeof platform);
    memset(&partition, 0, sizeof partition);
    partition.vcpus[0] = &vcpu;
    module_count = generation = quick_deaths = 0;
    restart_at = 0;
    started_once = window_closed = false;
    scrubs = starts = flushes = writes = 0;
    mapped_writable = mapped_read_only = 0;
    time_unit = 0;
    make_image();
    return 0;
}

/* ---- tests ---- */

static void a_good_image_is_started_in_scrubbed_memory(void **state)
{
    (void)state;
    agent_init();
    assert_int_equal(scrubs, (AGENT_RAM_BYTES + AGENT_STATE_BYTES) / FRAME_BYTES);
    assert_int_equal(mapped_writable, AGENT_RAM_BYTES + AGENT_STATE_BYTES);
    agent_look_after();
    assert_int_equal(starts, 1);
    assert_int_equal(written_gpa, LOAD_GPA);
    assert_int_equal(written_bytes, IMAGE_BYTES);
    assert_int_equal(started.rip, LOAD_GPA + CODE_AT);
    assert_int_equal(started.rbx, MULLION_ABI_VERSION);
    assert_int_equal(flushes, 1);
}

static void a_changed_bit_anywhere_is_fatal(void **state)
{
    (void)state;
    agent_init();
    for (size_t i = 0; i < IMAGE_BYTES; i += 7) {
        ((uint8_t *)&file)[i] ^= 0x10;
        expect_assert_failure(find_image());
        ((uint8_t *)&file)[i] ^= 0x10;
    }
    find_image(); /* what lies behind the image in its file does not count */
    file.rest[sizeof file.rest - 1] ^= 0x10;
    find_image();
}

static void refused(const char *why)
{
    seal();
    const char *error = image_error(&platform.boot.modules[0]);
    assert_non_null(error);
    assert_non_null(strstr(error, why));
    make_image();
}

static void headers_that_make_no_sense_are_refused_whatever_their_checksum(void **state)
{
    (void)state;
    find_image();
    assert_null(image_error(&platform.boot.modules[0]));
    file.header.magic++;
    refused("not an agent image");
    file.header.abi_version++;
    refused("another version");
    file.header.zero = 1;
    refused("another version");
    file.header.load_gpa = 0;
    refused("damaged");
    file.header.load_gpa = FRAME_BYTES;
    refused("damaged");
    file.header.load_gpa = LOAD_GPA + 8;
    refused("damaged");
    file.header.memory_bytes = AGENT_RAM_BYTES - LOAD_GPA + 1;
    refused("damaged");
    file.header.memory_bytes = IMAGE_BYTES - 1;
    refused("damaged");
    file.header.entry_offset = IMAGE_BYTES;
    refused("damaged");
    file.header.image_bytes = sizeof file.header - 1;
    refused("damaged");
    platform.boot.modules[0].bytes =
        IMAGE_BYTES - 1; /* cut short, though what was there still lies behind it */
    refused("cut short");
    platform.boot.modules[0].bytes = sizeof file.header - 1;
    refused("not an agent image");
}

static void other_modules_can_be_read_only(void **state)
{
    (void)state;
    platform.boot.modules[1] = (struct boot_module){.start = HOST + 0x10, .bytes = 0x1000};
    strcpy(platform.boot.modules[1].text, "image kernel");
    platform.boot.module_count = 2;
    agent_init();
    assert_int_equal(mapped_read_only, 2 * PAGE_BYTES);
    struct mullion_module_info info = {.index = 0};
    assert_int_equal(agent_module_info(&info), 0);
    assert_int_equal(info.gpa, AGENT_MODULES_GPA + 0x10);
    assert_int_equal(info.bytes, 0x1000);
    info.index = 1;
    assert_int_equal(agent_module_info(&info), -MULLION_E_RANGE);
}

static void die(void)
{
    partition.state = MULLION_STATE_STOPPED;
    agent_look_after(); /* notes it */
    agent_look_after();
}

static void a_new_agent_finds_nothing_of_the_last_but_the_state(void **state)
{
    (void)state;
    agent_init();
    agent_look_after();
    scrubs = 0;
    die();
    assert_int_equal(starts, 2);
    assert_int_equal(writes, 2);
    assert_int_equal(scrubs, AGENT_RAM_BYTES / FRAME_BYTES);
    assert_int_equal(flushes, 2);
    assert_true(window_closed);
    assert_int_equal(agent_generation(), 1);
}

static void an_agent_that_dies_again_and_again_stays_down(void **state)
{
    (void)state;
    agent_init();
    agent_look_after();
    time_unit = 1u << 30; /* no life is long */
    for (unsigned i = 0; i < 2 * RESTART_LIMIT; i++) {
        partition.state = MULLION_STATE_STOPPED;
        agent_look_after();
        if (restart_at != TSC_NEVER)
            restart_at = 1; /* the time has come */
        agent_look_after();
    }
    assert_int_equal(starts, 1 + RESTART_LIMIT);
    assert_true(restart_at == TSC_NEVER);
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_image_is_started_in_scrubbed_memory),
        TEST(a_changed_bit_anywhere_is_fatal),
        TEST(headers_that_make_no_sense_are_refused_whatever_their_checksum),
        TEST(other_modules_can_be_read_only),
        TEST(a_new_agent_finds_nothing_of_the_last_but_the_state),
        TEST(an_agent_that_dies_again_and_again_stays_down),
    };
    return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}

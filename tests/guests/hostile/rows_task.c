/* SPDX-License-Identifier: MIT */
/*
 * Hardware task switches, which a VMM would have to emulate: every way that leads to one, in 32-bit protected
 * mode.
 */
#include "hostile.h"
#include "mode_block.h"

#define TSS_WORDS    26u
#define TSS_ACCESS   0x89ull
#define GATE_ACCESS  0xe5ull
#define VECTOR_GATE  0x3fu
#define DESTINATION  (BLOCK_CODE + 0x40) /* where the new task begins: INT VECTOR_END */
#define DATA_FIRST   18u                 /* ES, CS, SS, DS, FS, GS */
#define DATA_LAST    23u
#define FLAGS_ALWAYS 2u

static uint32_t task[TSS_WORDS] __attribute__((aligned(128)));

static void task_prepare(void)
{
    const uint64_t base = (uint64_t)task;
    task[8] = DESTINATION;
    task[9] = FLAGS_ALWAYS;
    task[14] = BLOCK_STACK;
    for (unsigned i = DATA_FIRST; i <= DATA_LAST; i++) {
        task[i] = SELECTOR_DATA32;
    }
    task[DATA_FIRST + 1] = SELECTOR_CODE32;
    gdt[SELECTOR_TSS_TO / 8] =
        (sizeof task - 1) | (base & 0xffffff) << 16 | TSS_ACCESS << 40 | (base >> 24) << 56;
    gdt[SELECTOR_GATE / 8] = (uint64_t)SELECTOR_TSS_TO << 16 | GATE_ACCESS << 40;
    *(volatile uint16_t *)DESTINATION = 0xcd | VECTOR_END << 8;
}

static void task_run(const uint8_t *code, size_t bytes)
{
    mode_prepare_protected32();
    task_prepare();
    mode_gate_protected32(VECTOR_GATE, gdt[SELECTOR_GATE / 8]);
    mode_gate_protected32(VECTOR_UD, gdt[SELECTOR_GATE / 8]);
    mode_run_protected32(code, bytes);
}

static void row_task_jump(void)
{
    static const uint8_t code[] = {0xea, 0, 0, 0, 0, SELECTOR_TSS_TO, 0};
    task_run(code, sizeof code);
}

static void row_task_call(void)
{
    static const uint8_t code[] = {0x9a, 0, 0, 0, 0, SELECTOR_TSS_TO, 0};
    task_run(code, sizeof code);
}

static void row_task_gate(void)
{
    static const uint8_t code[] = {0x9a, 0, 0, 0, 0, SELECTOR_GATE, 0};
    task_run(code, sizeof code);
}

static void row_task_interrupt(void)
{
    static const uint8_t code[] = {0xcd, VECTOR_GATE};
    task_run(code, sizeof code);
}

static void row_task_exception(void)
{
    static const uint8_t code[] = {0x0f, 0x0b};
    task_run(code, sizeof code);
}

const struct row rows_task[] = {
    {"task-jump", row_task_jump, true},           {"task-call", row_task_call, true},
    {"task-gate", row_task_gate, true},           {"task-interrupt", row_task_interrupt, true},
    {"task-exception", row_task_exception, true},
};
const size_t rows_task_count = ARRAY_COUNT(rows_task);

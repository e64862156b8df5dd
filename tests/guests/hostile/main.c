/* SPDX-License-Identifier: MIT */
/* Runs the rows named on the command line (row=NAME), then those typed on the console. */
#include "hostile.h"

#define LINE_BYTES         1024
#define START_INFO_MAGIC   0x336ec578u
#define START_INFO_CMDLINE 24 /* offset in struct hvm_start_info */

static const struct {
    const struct row *rows;
    const size_t *count;
} tables[] = {
    {rows_cpu, &rows_cpu_count},   {rows_control, &rows_control_count}, {rows_msr, &rows_msr_count},
    {rows_port, &rows_port_count}, {rows_memory, &rows_memory_count},   {rows_apic, &rows_apic_count},
    {rows_mode, &rows_mode_count}, {rows_table, &rows_table_count},     {rows_task, &rows_task_count},
    {rows_ring, &rows_ring_count},
};

void hostile_main(void) __attribute__((noreturn));

static bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static void row_run(const struct row *row)
{
    console_start_row(row->name);
    row->run();
    if (row->stops) {
        report("survived", "the partition should have been stopped");
    }
}

static bool rows_run_named(const char *name, bool all, bool list)
{
    bool found = false;
    for (size_t t = 0; t < ARRAY_COUNT(tables); t++) {
        for (size_t i = 0; i < *tables[t].count; i++) {
            const struct row *row = &tables[t].rows[i];
            if (list) {
                print("LIST %s %s\n", row->name, row->stops ? "stops" : "survives");
            } else if ((all && !row->stops) || text_equal(row->name, name)) {
                row_run(row);
                found = true;
            }
        }
    }
    return found;
}

static void word_run(const char *word)
{
    if (text_equal(word, "list")) {
        rows_run_named("", false, true);
    } else if (text_equal(word, "all")) {
        rows_run_named("", true, false);
    } else if (text_equal(word, "keep")) {
        memory_keep();
    } else if (text_equal(word, "kept")) {
        print("KEPT wrong=%lu\n", memory_wrong());
    } else if (!rows_run_named(word, false, false)) {
        print("HOSTILE no row %s\n", word);
    }
    print("HOSTILE done %s\n", word);
}

/* Names of rows, separated by spaces, each of which becomes a string of its own. */
static void command_run(char *command)
{
    while (*command != '\0') {
        char *word = command;
        while (*command != '\0' && *command != ' ') {
            command++;
        }
        if (*command == ' ') {
            *command++ = '\0';
        }
        if (*word != '\0') {
            word_run(word);
        }
    }
}

/* Copies the value of row= from the loader's command line; empty if there is none. */
static void command_line_row(char *name)
{
    const uint8_t *info = (const uint8_t *)start_info;
    const char *text = NULL;
    if (info != NULL && *(const uint32_t *)info == START_INFO_MAGIC) {
        text = (const char *)*(const uint64_t *)(info + START_INFO_CMDLINE);
    }
    size_t count = 0;
    for (; text != NULL && *text != '\0'; text++) {
        if (text[0] == 'r' && text[1] == 'o' && text[2] == 'w' && text[3] == '=') {
            for (text += 4; *text > ' ' && count + 1 < LINE_BYTES; text++) {
                name[count++] = *text;
            }
            break;
        }
    }
    name[count] = '\0';
}

void hostile_main(void)
{
    static char line[LINE_BYTES];
    trap_init();
    command_line_row(line);
    print("HOSTILE ready\n");
    if (line[0] != '\0') {
        command_run(line);
    }
    for (;;) {
        console_read_line(line, sizeof line);
        if (line[0] != '\0') {
            command_run(line);
        }
    }
}

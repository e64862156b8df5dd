/* SPDX-License-Identifier: MIT */
/* ACPI tables: checksums, contents, and iasl's own opinion of them. */
#include "agent_test.h"
#include "loader/acpi.h"
#include "mullion/abi.h"
#include "mullion/machine.h"

#define BASE 0xe0000u

static uint8_t tables[ACPI_MAX_BYTES];

static uint64_t get(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

static uint8_t sum(const uint8_t *at, size_t bytes)
{
    uint8_t total = 0;
    while (bytes-- > 0) {
        total = (uint8_t)(total + *at++);
    }
    return total;
}

static uint8_t *at_gpa(uint64_t gpa)
{
    assert_true(gpa >= BASE && gpa < BASE + ACPI_MAX_BYTES);
    return tables + (gpa - BASE);
}

/* The table with this signature, found through RSDP and XSDT as a guest does. */
static uint8_t *table(const char *signature)
{
    const uint8_t *xsdt = at_gpa(get(tables + 24, 8));
    for (size_t at = 36; at < get(xsdt + 4, 4); at += 8) {
        uint8_t *found = at_gpa(get(xsdt + at, 8));
        if (memcmp(found, signature, 4) == 0) {
            return found;
        }
    }
    fail_msg("no table %s", signature);
    return NULL;
}

static int build(void **state)
{
    (void)state;
    assert_true(acpi_build(tables, BASE, 2) < sizeof(tables));
    return 0;
}

static void acpi_checksums_are_zero(void **state)
{
    (void)state;
    static const char *const names[] = {"FACP", "APIC", "MCFG"};
    assert_memory_equal(tables, "RSD PTR ", 8);
    assert_int_equal(sum(tables, 20), 0);
    assert_int_equal(sum(tables, 36), 0);
    const uint8_t *xsdt = at_gpa(get(tables + 24, 8));
    assert_int_equal(sum(xsdt, get(xsdt + 4, 4)), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        const uint8_t *found = table(names[i]);
        assert_int_equal(sum(found, get(found + 4, 4)), 0);
    }
    const uint8_t *dsdt = at_gpa(get(table("FACP") + 140, 8));
    assert_memory_equal(dsdt, "DSDT", 4);
    assert_int_equal(sum(dsdt, get(dsdt + 4, 4)), 0);
}

static void acpi_fadt_is_hardware_reduced(void **state)
{
    (void)state;
    const uint8_t *fadt = table("FACP");
    assert_int_equal(get(fadt + 4, 4), 276);
    assert_int_equal(fadt[8], 6);
    assert_int_equal(get(fadt + 109, 2) & 2, 0); /* no 8042 */
    assert_int_equal(get(fadt + 109, 2) & 4, 4); /* no VGA */
    uint32_t flags = (uint32_t)get(fadt + 112, 4);
    assert_true((flags & 1u << 20) != 0);
    assert_true((flags & 1u << 10) != 0);
    assert_int_equal(get(fadt + 120, 8), MACHINE_PORT_RESET);
    assert_int_equal(fadt[128], MACHINE_RESET_VALUE);
    assert_int_equal(get(fadt + 248, 8), MACHINE_PORT_SLEEP_CONTROL);
    assert_int_equal(get(fadt + 260, 8), MACHINE_PORT_SLEEP_STATUS);
}

static void acpi_madt_has_one_entry_per_vcpu_and_no_8259(void **state)
{
    (void)state;
    for (uint32_t vcpus = 1; vcpus <= MULLION_MAX_VCPUS; vcpus++) {
        assert_true(acpi_build(tables, BASE, vcpus) <= sizeof(tables));
        const uint8_t *madt = table("APIC");
        assert_int_equal(get(madt + 40, 4), 0);
        const uint8_t *at = madt + 44;
        for (uint32_t i = 0; i < vcpus; i++, at += 8) {
            const uint8_t wanted[8] = {0, 8, (uint8_t)i, (uint8_t)i, 1};
            assert_memory_equal(at, wanted, 8);
        }
        assert_int_equal(at[0], 1);
        assert_int_equal(at[2], MACHINE_IOAPIC_ID);
        assert_int_equal(get(at + 4, 4), MACHINE_IOAPIC_BASE);
        assert_int_equal(at + 12 - madt, get(madt + 4, 4));
    }
}

static void acpi_mcfg_names_ecam(void **state)
{
    (void)state;
    const uint8_t *mcfg = table("MCFG");
    assert_int_equal(get(mcfg + 44, 8), MACHINE_ECAM_BASE);
    assert_int_equal(get(mcfg + 52, 8), 0); /* segment 0, bus 0 to 0 */
}

/* Disassembles one table; fails on any error or warning that iasl finds. The text is returned. */
static const char *disassemble(const uint8_t *at, const char *name)
{
    static char text[65536];
    char command[256];
    char path[128];
    snprintf(path, sizeof(path), "build/unit/acpi-%s.aml", name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(at, 1, get(at + 4, 4), file);
    fclose(file);
    snprintf(command, sizeof(command), "iasl -d %s 2>&1 && cat build/unit/acpi-%s.dsl", path, name);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t bytes = fread(text, 1, sizeof(text) - 1, pipe);
    text[bytes] = 0;
    assert_int_equal(pclose(pipe), 0);
    assert_null(strstr(text, "rror"));
    assert_null(strstr(text, "Invalid"));
    return text;
}

static void has_all(const char *text, const char *const *wanted)
{
    for (; *wanted != NULL; wanted++) {
        if (strstr(text, *wanted) == NULL) {
            fail_msg("iasl does not show: %s", *wanted);
        }
    }
}

static void acpi_iasl_reads_the_tables_back(void **state)
{
    static const char *const fadt[] = {"Hardware Reduced (V5) : 1",
                                       "Reset Register Supported (V2) : 1",
                                       "8042 Present on ports 60/64 (V2) : 0",
                                       "VGA Not Present (V4) : 1",
                                       "CMOS RTC Not Present (V5) : 1",
                                       NULL};
    static const char *const madt[] = {"[Processor Local APIC]", "[I/O APIC]", "PC-AT Compatibility : 0",
                                       NULL};
    static const char *const mcfg[] = {"Base Address : 00000000E0000000", "End Bus Number : 00", NULL};
    static const char *const dsdt[] = {"Name (_S5, Package (0x04)",
                                       "\"PNP0A08\"",
                                       "\"PNP0501\"",
                                       "\"ACPI0013\"",
                                       "\"PNP0C0C\"",
                                       "\"PNP0C02\"",
                                       "_EVT",
                                       "0xE0100000",
                                       "0xFEBFFFFF",
                                       "Notify (PWRB, 0x80)",
                                       NULL};
    (void)state;
    has_all(disassemble(table("FACP"), "fadt"), fadt);
    has_all(disassemble(table("APIC"), "madt"), madt);
    has_all(disassemble(table("MCFG"), "mcfg"), mcfg);
    const char *text = disassemble(at_gpa(get(table("FACP") + 140, 8)), "dsdt");
    has_all(text, dsdt);
    assert_null(strstr(text, "_PRT"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(acpi_checksums_are_zero, build),
        cmocka_unit_test_setup(acpi_fadt_is_hardware_reduced, build),
        cmocka_unit_test_setup(acpi_madt_has_one_entry_per_vcpu_and_no_8259, build),
        cmocka_unit_test_setup(acpi_mcfg_names_ecam, build),
        cmocka_unit_test_setup(acpi_iasl_reads_the_tables_back, build),
    };
    return cmocka_run_group_tests_name("agent_acpi", tests, NULL, NULL);
}

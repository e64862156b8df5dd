/* SPDX-License-Identifier: MIT */
#include "driver/build.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "loader/loader.h"
#include "model/identity.h"
#include "model/memory.h"
#include "model/ports.h"
#include "model/words.h"
#include "os/os.h"

#define CMDLINE       "console=ttyS0 quiet panic=-1 reboot=t"
#define CLASS_NETWORK 0x02u

int driver_fail(struct driver *driver, const char *format, ...)
{
    int used = snprintf(driver->trouble, sizeof(driver->trouble), "driver VM: ");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(driver->trouble + used, sizeof(driver->trouble) - (size_t)used, format, arguments);
    va_end(arguments);
    return -1;
}

/* ---- ports
 * ------------------------------------------------------------------------------------------------------- */

static long port_create(const struct machine *machine, uint32_t id, uint32_t slot,
                        enum mullion_port_kind kind, const char *name)
{
    struct mullion_port_create create = {.id = id, .slot = slot, .kind = kind};
    if (kind == MULLION_PORT_NET) {
        identity_mac(machine->seed, name, slot, create.mac);
    }
    return os_hypercall(MULLION_CALL_PORT_CREATE, &create);
}

/* They outlive the agent, so they may be there already. */
void driver_agent_ports(struct machine *machine)
{
    port_create(machine, MULLION_AGENT_ID, DRIVER_SLOT_RPC, MULLION_PORT_CONSOLE, "agent");
    if (machine->seed_kind != IDENTITY_NONE) {
        port_create(machine, MULLION_AGENT_ID, DRIVER_SLOT_AGENT, MULLION_PORT_NET, "agent");
    }
    for (uint32_t slot = DRIVER_SLOT_AGENT; slot <= DRIVER_SLOT_RPC && machine->driver.id != 0; slot++) {
        struct mullion_port_connect connect = {.slot = slot, .peer = machine->driver.id, .peer_slot = slot};
        connect.flags = slot == DRIVER_SLOT_AGENT ? MULLION_LINK_ACKNOWLEDGED : 0;
        os_hypercall(MULLION_CALL_PORT_CONNECT, &connect);
    }
}

static int ports_plug_in(struct machine *machine)
{
    struct driver *driver = &machine->driver;
    long error = 0;
    for (uint32_t slot = DRIVER_SLOT_AGENT; slot < DRIVER_SLOT_FUNCTIONS && error == 0; slot++) {
        enum mullion_port_kind kind = slot == DRIVER_SLOT_RPC ? MULLION_PORT_CONSOLE : MULLION_PORT_NET;
        error = port_create(machine, driver->id, slot, kind, DRIVER_NAME);
    }
    return error == 0 ? 0 : driver_fail(driver, "cannot have its ports: %s", words_error(error));
}

/* ---- functions
 * --------------------------------------------------------------------------------------------------- */

static bool is_usable(uint32_t use)
{
    return use == MULLION_PCI_USABLE || use == MULLION_PCI_NO_RESET;
}

static void function_note(struct driver *driver, const struct mullion_pci_info *info, uint32_t slot)
{
    driver->functions[driver->function_count++] = (struct driver_function){
        .index = info->index, .segment = info->segment, .bdf = info->bdf, .slot = slot};
}

static void function_assign(struct machine *machine, const struct mullion_pci_info *info)
{
    struct driver *driver = &machine->driver;
    struct mullion_pci_assign assign = {
        .id = driver->id, .slot = DRIVER_SLOT_FUNCTIONS + driver->function_count, .index = info->index};
    long error = os_hypercall(MULLION_CALL_PCI_ASSIGN, &assign);
    if (error == 0) {
        function_note(driver, info, assign.slot);
        return;
    }
    char path[ADDRESS_PCI_TEXT];
    address_write_pci(info->segment, info->bdf, path);
    problem_add(&machine->problems, "PCI function %s: the driver VM cannot have it: %s", path,
                words_error(error));
}

/* One function that cannot be given away is no reason to have no network. */
static void functions_assign(struct machine *machine)
{
    for (uint32_t i = 0; i < machine->box.platform.pci_count; i++) {
        struct mullion_pci_info info = {.index = i};
        bool known = os_hypercall(MULLION_CALL_PCI_INFO, &info) == 0;
        bool wanted =
            known && info.class_code >> 16 == CLASS_NETWORK && is_usable(info.use) && info.owner == 0;
        if (wanted && machine->driver.function_count < DRIVER_MAX_FUNCTIONS) {
            function_assign(machine, &info);
        } else if (wanted) {
            problem_add(
                &machine->problems,
                "PCI functions: the box has more network functions than the driver VM has slots (%u): the "
                "rest is not used: name the uplink's among the first",
                DRIVER_MAX_FUNCTIONS);
            return;
        }
    }
}

/* ---- create
 * ------------------------------------------------------------------------------------------------------ */

static int memory_give(struct driver *driver, uint64_t hpa)
{
    /* One frame for the first MiB, where no device ever does DMA; the rest where host and guest agree. */
    struct mullion_partition_add_memory parts[] = {
        {.id = driver->id, .gpa = 0, .hpa = hpa, .bytes = MULLION_FRAME_BYTES},
        {.id = driver->id,
         .gpa = hpa + MULLION_FRAME_BYTES,
         .hpa = hpa + MULLION_FRAME_BYTES,
         .bytes = DRIVER_MEMORY_BYTES - MULLION_FRAME_BYTES},
    };
    driver->block_base = hpa + MULLION_FRAME_BYTES;
    for (unsigned i = 0; i < 2; i++) {
        long error = os_hypercall(MULLION_CALL_PARTITION_ADD_MEMORY, &parts[i]);
        if (error != 0) {
            return driver_fail(driver, "cannot have the memory at %#" PRIx64 ": %s", parts[i].failed_hpa,
                               words_error(error));
        }
    }
    return 0;
}

static int claim(struct driver *driver)
{
    struct mullion_partition_create create = {
        .name = DRIVER_NAME, .vcpu_count = 1, .flags = MULLION_CREATE_SHARES_CPU0};
    long error = os_hypercall(MULLION_CALL_PARTITION_CREATE, &create);
    if (error != 0) {
        return driver_fail(driver, "cannot be created: %s", words_error(error));
    }
    driver->id = create.id;
    return 0;
}

static void discard(struct driver *driver)
{
    struct mullion_partition_ref ref = {.id = driver->id};
    if (os_hypercall(MULLION_CALL_PARTITION_DESTROY, &ref) == 0) {
        driver->id = 0;
        driver->function_count = 0;
    }
}

int driver_create(struct machine *machine)
{
    struct driver *driver = &machine->driver;
    uint64_t hpa;
    bool dirty;
    box_refresh(&machine->box);
    if (memory_choose_block(machine->box.runs, machine->box.run_count, DRIVER_MEMORY_BYTES, &hpa, &dirty) !=
        0) {
        return driver_fail(driver,
                           "wants %" PRIu64
                           " MiB in one piece below 3 GiB: the box has none: no network: give it more memory",
                           DRIVER_MEMORY_BYTES >> 20);
    }
    if (dirty) {
        return 1;
    }
    int error = claim(driver);
    if (error != 0) {
        return error;
    }
    error = memory_give(driver, hpa);
    error = error != 0 ? error : ports_plug_in(machine);
    if (error != 0) {
        discard(driver);
        return error;
    }
    functions_assign(machine);
    driver_agent_ports(machine);
    ports_link_driver(machine);
    return 0;
}

/* ---- load and start
 * ---------------------------------------------------------------------------------------------- */

static int load(struct machine *machine, struct mullion_partition_start *entry)
{
    struct driver *driver = &machine->driver;
    const struct box_module *kernel = box_module(&machine->box, MULLION_MODULE_DRIVER, "kernel");
    const struct box_module *initramfs = box_module(&machine->box, MULLION_MODULE_DRIVER, "initramfs");
    struct loader_request request = {
        .guest = guest_layout_identity(machine->box.platform.window_gpa, driver->block_base,
                                       DRIVER_MEMORY_BYTES - MULLION_FRAME_BYTES),
        .kernel = kernel->data,
        .kernel_bytes = kernel->bytes,
        .initramfs = initramfs->data,
        .initramfs_bytes = initramfs->bytes,
        .cmdline = CMDLINE,
        .vcpu_count = 1,
    };
    struct loader_why why = {.text = ""};
    if (loader_load(&request, entry, &why) != 0) {
        return driver_fail(driver, "its kernel cannot be loaded: %s", why.text);
    }
    entry->id = driver->id;
    return 0;
}

int driver_load_and_start(struct machine *machine)
{
    struct driver *driver = &machine->driver;
    struct mullion_partition_ref ref = {.id = driver->id};
    struct mullion_partition_start entry;
    long error = os_hypercall(MULLION_CALL_WINDOW_OPEN, &ref);
    if (error != 0) {
        return driver_fail(driver, "its memory cannot be opened for loading: %s", words_error(error));
    }
    if (load(machine, &entry) != 0) {
        os_hypercall(MULLION_CALL_WINDOW_CLOSE, &ref);
        return -1;
    }
    error = os_hypercall(MULLION_CALL_PARTITION_START, &entry);
    if (error == -MULLION_E_PCI_UNUSABLE) {
        return driver_fail(
            driver, "cannot be started again: one of its network functions cannot be reset: no network: "
                    "restart the box");
    }
    return error == 0 ? 0 : driver_fail(driver, "cannot be started: %s", words_error(error));
}

void driver_survey(struct machine *machine, const struct mullion_partition_info *info)
{
    struct driver *driver = &machine->driver;
    driver->id = info->id;
    driver->block_base = info->ranges[1].gpa;
    for (uint32_t i = 0; i < machine->box.platform.pci_count; i++) {
        struct mullion_pci_info function = {.index = i};
        if (os_hypercall(MULLION_CALL_PCI_INFO, &function) == 0 && function.owner == driver->id &&
            driver->function_count < DRIVER_MAX_FUNCTIONS) {
            function_note(driver, &function, function.slot);
        }
    }
}

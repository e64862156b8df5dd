/* SPDX-License-Identifier: MIT */
/* A box for tests that need an agent with a driver VM: modules, manifest, events. */
#ifndef AGENT_BOX_H
#define AGENT_BOX_H

#include "agent_test.h"
#include "model/machine.h"
#include "model/ports.h"
#include "os/linux/model.h"
#include "os/os.h"
#include "ui/console.h"

#define BOX_HEAD  "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":["
#define BOX_ALPHA "{\"name\":\"alpha\",\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"}"
#define BOX_BETA  "{\"name\":\"beta\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"}"
#define BOX_NIC   ",\"nics\":[{\"network\":\"uplink\"}]"
#define BOX_LINK  "],\"links\":[{\"kind\":\"net\",\"between\":[\"alpha\",\"beta\"]}]}"
#define BOX_BOTH  BOX_HEAD BOX_ALPHA BOX_NIC "}," BOX_BETA "}" BOX_LINK
#define BOX_UUID  "uuid=12345678-1234-5678-9abc-def012345678"
#define BOX_SITE  "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\"}"

#define VIRTIO_FEATURES 0x100000020ull

static struct machine machine;
static char announced[8192];

static inline void box_announce(const char *line)
{
    size_t used = strlen(announced);
    snprintf(announced + used, sizeof(announced) - used, "%s\n", line);
}

static inline void box_agent_begin(void)
{
    memset(&machine, 0, sizeof(machine));
    announced[0] = 0;
    console_start(1000000);
    machine_read(&machine, box_announce);
    machine_bring_up(&machine);
    model_advance(100); /* the driver VM's devices come to rest */
}

/* One turn of the main loop. */
static inline void box_turn(void)
{
    struct mullion_event_wait wait;
    console_wait(0, &wait);
    machine_event(&machine, &wait);
    machine_tick(&machine);
}

static inline void box_turns(unsigned count)
{
    for (; count > 0; count--) {
        box_turn();
    }
    if (machine_deadline(&machine) <= os_tsc()) { /* the second word: something fell due just now */
        box_turn();
        assert_true(machine_deadline(&machine) > os_tsc());
    }
}

/* `words`: of the site module's line, after "site ". */
static inline void box_make(const char *manifest, const char *words, const char *site)
{
    static uint8_t pvh[TEST_PVH_BYTES];
    static uint8_t bzimage[TEST_BZ_BYTES];
    static char line[MULLION_TEXT_BYTES];
    test_pvh_make(pvh);
    test_bzimage_make(bzimage);
    bzimage[0x234] = 1; /* relocatable */
    snprintf(line, sizeof(line), "site %s", words);
    model_boot(4);
    model_add_module("image vmlinux", pvh, sizeof(pvh));
    model_add_module("driver kernel", bzimage, sizeof(bzimage));
    model_add_module("driver initramfs", "initramfs", 9);
    model_add_module("manifest", manifest, strlen(manifest));
    model_add_module(line, site, strlen(site));
    model_add_pci(0x18, 0x1af4, 0x1041, 0x020000, MULLION_PCI_USABLE);
}

static inline void box_boot(void)
{
    box_make(BOX_BOTH, BOX_UUID, BOX_SITE);
    box_agent_begin();
    box_turns(20);
}

static inline struct mullion_port_info box_port(uint32_t id, uint32_t slot)
{
    struct mullion_port_info info = {.id = id, .slot = slot};
    assert_int_equal(os_hypercall(MULLION_CALL_PORT_INFO, &info), 0);
    return info;
}

static inline bool box_link_is_up(uint32_t id, uint32_t slot)
{
    return (box_port(id, slot).status & MULLION_PORT_LINK_UP) != 0;
}

/* All virtio drivers of the driver VM come up. */
static inline void box_driver_probes(void)
{
    for (uint32_t slot = DRIVER_SLOT_AGENT; slot < DRIVER_SLOT_FUNCTIONS; slot++) {
        if (slot != DRIVER_SLOT_RPC) {
            model_port_driver(machine.driver.id, slot, VIRTIO_FEATURES);
        }
    }
}

#endif

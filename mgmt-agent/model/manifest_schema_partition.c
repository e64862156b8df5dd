/* SPDX-License-Identifier: MIT */
/* The tables of one partition. */
#include <inttypes.h>
#include <string.h>

#include "model/manifest.h"
#include "model/manifest_formats.h"
#include "model/manifest_schema.h"
#include "model/schema_rows.h"

#define CPU_MAX     255
#define SLOT_MIN_US 100u /* a switch takes a part of each slot */
#define VLAN_MAX    4094

/* ---- cpus -------------------------------------------------------------------------------------------------
 */

static const struct schema_field slot_fields[] = {
    {.name = "at",
     .value = FORM(format_moment, 10),
     .otherwise = "\"0ms\"",
     .example = "\"4ms\"",
     .text = "when it begins in the frame",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "for",
     .required = true,
     .value = FORM(format_duration, 10),
     .example = "\"2ms\"",
     .text = "how long it is, at least 100us",
     .effect = EFFECT_RESTART_PARTITION},
};

const struct schema_object schema_slot = {"Slot", "A part of a shared CPU's frame.", FIELDS(slot_fields),
                                          NULL};
static const struct schema_value slot_value = OBJECT(schema_slot);

static const struct schema_word idle_words[] = {
    {"keep", "it is nobody's: the next slot begins when it is due"},
    {"give", "the next slot may begin earlier"},
    {NULL, NULL},
};

static const struct schema_field time_slots_fields[] = {
    {.name = "cpu",
     .required = true,
     .value = WHOLE(1, CPU_MAX),
     .example = "3",
     .text = "the CPU that is shared",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "frame",
     .required = true,
     .value = FORM(format_duration, 10),
     .example = "\"10ms\"",
     .text = "after this time the schedule begins anew; the same for all who share the CPU",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "slots",
     .required = true,
     .value = LIST(1, 16, slot_value),
     .example = "[{\"at\": \"4ms\", \"for\": \"2ms\"}]",
     .text = "when in each frame it is this partition's turn, ascending",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "idle",
     .value = CHOICE(idle_words),
     .otherwise = "\"keep\"",
     .example = "\"give\"",
     .text = "what becomes of time that the guest does not use",
     .effect = EFFECT_RESTART_PARTITION},
};

static void check_time_slots(struct json *json, const struct json_node *node)
{
    uint64_t frame = format_duration_us(json_member(node, "frame")->string);
    uint64_t end = 0;
    for (const struct json_node *slot = json_member(node, "slots")->child; slot != NULL; slot = slot->next) {
        const struct json_node *begin = json_member(slot, "at");
        uint64_t at = begin != NULL ? format_duration_us(begin->string) : 0;
        if (at < end) {
            json_complain(json, slot,
                          "this slot begins at %" PRIu64 " us, before the one above it ends at %" PRIu64
                          " us; let it begin later, or make that one shorter",
                          at, end);
            return;
        }
        uint64_t length = format_duration_us(json_member(slot, "for")->string);
        if (length < SLOT_MIN_US) {
            json_complain(json, slot,
                          "this slot is %" PRIu64 " us long; wanted at least %u us: each switch takes time",
                          length, SLOT_MIN_US);
            return;
        }
        end = at + length;
        if (end > frame) {
            json_complain(json, slot,
                          "this slot ends at %" PRIu64 " us, the frame at %" PRIu64
                          " us; make it shorter, or the frame longer",
                          end, frame);
            return;
        }
    }
}

const struct schema_object schema_time_slots = {
    "TimeSlots", "A share of one CPU: a fixed schedule that repeats. Such a partition has one vCPU.",
    FIELDS(time_slots_fields), check_time_slots};

static const struct schema_value cpu_value = {
    .kind = SCHEMA_INTEGER, .least = 1, .most = CPU_MAX, .hint = "; CPU 0 is the agent's"};
static const struct schema_value cpus_forms[] = {
    WHOLE(1, MULLION_MAX_VCPUS),
    SET(1, MULLION_MAX_VCPUS, cpu_value),
    OBJECT(schema_time_slots),
};

static const struct schema_word smt_words[] = {
    {"own-cores", "no other partition runs on the same cores; not yet on a box, which takes each thread for "
                  "a CPU of its own"},
    {"share-cores",
     "a core's other threads may run partitions that say so, too: they can observe each other"},
    {NULL, NULL},
};

static const struct schema_word numa_words[] = {
    {"node-of-cpus", "memory of the CPUs' NUMA node, or none"},
    {"any-node", "memory of another node where that one has too little: slower"},
    {NULL, NULL},
};

/* ---- boot -------------------------------------------------------------------------------------------------
 */

static const struct schema_word firmware_words[] = {{"uefi", "UEFI firmware, which boots from a disk"},
                                                    {NULL, NULL}};

static const struct schema_field boot_fields[] = {
    {.name = "kernel",
     .required = true,
     .value = FORM(format_image, MANIFEST_IMAGE_BYTES - 1),
     .example = "\"vmlinux\"",
     .text = "name of a file in `images/`: a Linux bzImage (boot protocol 2.12 or later), or an ELF kernel "
             "with a PVH entry note, for example an uncompressed vmlinux",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "initramfs",
     .value = FORM(format_image, MANIFEST_IMAGE_BYTES - 1),
     .example = "\"initramfs.cpio\"",
     .text = "name of a file in `images/`",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "cmdline",
     .value = TEXT(0, MANIFEST_CMDLINE_BYTES - 1),
     .otherwise = "\"\"",
     .example = "\"console=ttyS0\"",
     .text = "the kernel's command line; `console=ttyS0` shows its messages on the partition's console",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "firmware",
     .value = CHOICE(firmware_words),
     .example = "\"uefi\"",
     .text = "boot by firmware instead of a kernel",
     .effect = EFFECT_RESTART_PARTITION},
};

const struct schema_object schema_boot = {"Boot", "What a partition starts with.", FIELDS(boot_fields), NULL};

/* ---- devices ----------------------------------------------------------------------------------------------
 */

static const struct schema_value vlan_value = WHOLE(1, VLAN_MAX);

static const struct schema_field nic_fields[] = {
    {.name = "network",
     .required = true,
     .value = FORM(format_name, MULLION_NAME_BYTES - 1),
     .example = "\"uplink\"",
     .text = "where the port leads: a network's name, or `uplink`, the bridge that one port of the box joins",
     .since = "0.1",
     .effect = EFFECT_LIVE},
    {.name = "mac",
     .value = FORM(format_mac, 17),
     .example = "\"02:00:00:00:00:01\"",
     .text = "the card's MAC address; derived if not given. No two nics may have the same",
     .since = "0.1",
     .effect = EFFECT_LIVE},
    {.name = "vlan",
     .value = WHOLE(1, VLAN_MAX),
     .example = "20",
     .text = "access port: the guest's frames belong to this 802.1Q VLAN, and have no tag at the guest",
     .effect = EFFECT_LIVE},
    {.name = "trunk",
     .value = SET(1, 64, vlan_value),
     .example = "[10, 20]",
     .text = "trunk port: the guest sends and receives tagged frames of these VLANs, no others",
     .effect = EFFECT_LIVE},
    {.name = "rateMbps",
     .value = WHOLE(1, 400000),
     .unit = "Mbit/s",
     .example = "100",
     .text = "the port carries no more than this in each direction",
     .effect = EFFECT_LIVE},
};

static void check_nic(struct json *json, const struct json_node *nic)
{
    const struct json_node *trunk = json_member(nic, "trunk");
    if (trunk != NULL && json_member(nic, "vlan") != NULL) {
        json_complain_key(json, trunk,
                          "a port is either an access port or a trunk; remove \"vlan\" or \"trunk\"");
    }
}

const struct schema_object schema_nic = {"Nic", "A virtio-net card.", FIELDS(nic_fields), check_nic};
static const struct schema_value nic_value = OBJECT(schema_nic);

static const struct schema_field disk_fields[] = {
    {.name = "volume",
     .required = true,
     .value = TEXT(1, 63),
     .example = "\"root\"",
     .text = "name of a volume",
     .effect = EFFECT_RESTART_PARTITION},
};

const struct schema_object schema_disk = {"Disk", "A virtio-blk disk.", FIELDS(disk_fields), NULL};
static const struct schema_value disk_value = OBJECT(schema_disk);

static const struct schema_field device_fields[] = {
    {.name = "function",
     .required = true,
     .value = FORM(format_function, 12),
     .example = "\"0000:01:00.0\"",
     .text = "PCI address of the function",
     .effect = EFFECT_RESTART_PARTITION},
};

const struct schema_object schema_device = {"Device", "A PCI function of the box for one partition alone.",
                                            FIELDS(device_fields), NULL};
static const struct schema_value device_value = OBJECT(schema_device);

/* ---- life -------------------------------------------------------------------------------------------------
 */

static const struct schema_word policy_words[] = {
    [POLICY_STOP] = {"stop", "leave it stopped"},
    [POLICY_RESTART] = {"restart", "load it again and start it"},
    {NULL, NULL},
};

static const struct schema_word power_words[] = {
    {"on", "it is to run"}, {"off", "it is to stand still; CPUs and memory stay its own"}, {NULL, NULL}};

static const struct schema_word drift_words[] = {
    {"report", "say what differs"}, {"reconcile", "say it, and put it right"}, {NULL, NULL}};

static const struct schema_word watchdog_words[] = {
    {"restart", "load it again and start it"},
    {"stop", "stop it"},
    {"report", "say so, and let it run"},
    {NULL, NULL},
};

static const struct schema_field watchdog_fields[] = {
    {.name = "timeout",
     .required = true,
     .value = FORM(format_duration, 10),
     .example = "\"30s\"",
     .text = "the guest must give a sign of life within this time",
     .effect = EFFECT_LIVE},
    {.name = "action",
     .value = CHOICE(watchdog_words),
     .otherwise = "\"restart\"",
     .example = "\"report\"",
     .text = "what happens if it does not",
     .effect = EFFECT_LIVE},
    {.name = "maxRestarts",
     .value = WHOLE(1, 100),
     .otherwise = "5",
     .example = "3",
     .text = "more restarts than this in `window`, and it is left stopped",
     .effect = EFFECT_LIVE},
    {.name = "window",
     .value = FORM(format_duration, 10),
     .otherwise = "\"10min\"",
     .example = "\"1h\"",
     .text = "the time in which restarts are counted",
     .effect = EFFECT_LIVE},
};

const struct schema_object schema_watchdog = {"Watchdog", "Notices a guest that hangs.",
                                              FIELDS(watchdog_fields), NULL};

static const struct schema_field console_fields[] = {
    {.name = "panicPattern",
     .required = true,
     .value = TEXT(1, 63),
     .example = "\"Kernel panic - not syncing\"",
     .text = "when the guest writes this to its console, it counts as crashed",
     .effect = EFFECT_LIVE},
};

const struct schema_object schema_console = {"Console", "What is read from the guest's console.",
                                             FIELDS(console_fields), NULL};

static const struct schema_value after_value = FORM(format_name, MULLION_NAME_BYTES - 1);

/* ---- the partition ----------------------------------------------------------------------------------------
 */

static const struct schema_field partition_fields[] = {
    {.name = "name",
     .required = true,
     .value = FORM(format_name, MULLION_NAME_BYTES - 1),
     .example = "\"alpha\"",
     .text = "unique; commands use it. `driver` and `agent` are taken. Another name is another partition",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "cpus",
     .required = true,
     .value = EITHER(cpus_forms),
     .example = "[2, 3]",
     .text = "CPUs of its own, as a list of numbers or as a count (then the agent chooses), or time slots of "
             "a shared CPU. CPU 0 is the agent's",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "memory",
     .required = true,
     .value = FORM(format_memory, 10),
     .example = "\"256MiB\"",
     .text = "a multiple of 2 MiB, at least 16 MiB; never shared and never overcommitted",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "boot",
     .required = true,
     .value = OBJECT(schema_boot),
     .example = "{\"kernel\": \"vmlinux\"}",
     .text = "what it starts with",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "smt",
     .value = CHOICE(smt_words),
     .otherwise = "\"own-cores\"",
     .example = "\"share-cores\"",
     .text = "whether threads of one core may belong to this partition and to others",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "numa",
     .value = CHOICE(numa_words),
     .otherwise = "\"node-of-cpus\"",
     .example = "\"any-node\"",
     .text = "where its memory lies",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "nics",
     .value = LIST(0, MANIFEST_MAX_NICS, nic_value),
     .otherwise = "[]",
     .example = "[{\"network\": \"uplink\"}]",
     .text = "its network ports, at most 32 on one box",
     .since = "0.1",
     .effect = EFFECT_LIVE},
    {.name = "disks",
     .value = LIST(0, 16, disk_value),
     .otherwise = "[]",
     .example = "[{\"volume\": \"root\"}]",
     .text = "its disks",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "devices",
     .value = LIST(0, 16, device_value),
     .otherwise = "[]",
     .example = "[{\"function\": \"0000:01:00.0\"}]",
     .text = "PCI functions of the box that are its own",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "console",
     .value = OBJECT(schema_console),
     .example = "{\"panicPattern\": \"Kernel panic - not syncing\"}",
     .text = "what is read from its console",
     .effect = EFFECT_LIVE},
    {.name = "watchdog",
     .value = OBJECT(schema_watchdog),
     .example = "{\"timeout\": \"30s\"}",
     .text = "what happens when its guest hangs",
     .effect = EFFECT_LIVE},
    {.name = "power",
     .value = CHOICE(power_words),
     .otherwise = "\"on\"",
     .example = "\"off\"",
     .text = "whether it is to run after the manifest was applied",
     .effect = EFFECT_LIVE},
    {.name = "autostart",
     .value = FLAG,
     .otherwise = "true",
     .example = "false",
     .text = "start it when the box boots; else it waits for `start NAME`. Its CPUs and memory are reserved "
             "all the same",
     .since = "0.1",
     .effect = EFFECT_NONE},
    {.name = "startOrder",
     .value = WHOLE(0, 999),
     .otherwise = "500",
     .example = "10",
     .text = "at boot those with lower numbers are started first; among equals, in the order of the file",
     .effect = EFFECT_NONE},
    {.name = "after",
     .value = SET(0, 16, after_value),
     .otherwise = "[]",
     .example = "[\"alpha\"]",
     .text = "partitions that must run before this one is started",
     .effect = EFFECT_NONE},
    {.name = "onReboot",
     .value = CHOICE(policy_words),
     .otherwise = "\"restart\"",
     .example = "\"stop\"",
     .text = "when its guest restarts. One that runs for less than a second counts as a crash does; from the "
             "second restart on without a minute of running between, it waits 100 ms, twice as long each "
             "time, up to 10 s",
     .since = "0.1",
     .effect = EFFECT_LIVE},
    {.name = "onCrash",
     .value = CHOICE(policy_words),
     .otherwise = "\"stop\"",
     .example = "\"restart\"",
     .text = "when it crashed: leave it for inspection, or start it again, at most five times in a row; a "
             "minute of running, or `start NAME`, ends the row",
     .since = "0.1",
     .effect = EFFECT_LIVE},
    {.name = "onPowerOff",
     .value = CHOICE(policy_words),
     .otherwise = "\"stop\"",
     .example = "\"restart\"",
     .text = "when its guest powers itself off",
     .effect = EFFECT_LIVE},
    {.name = "drift",
     .value = CHOICE(drift_words),
     .otherwise = "\"report\"",
     .example = "\"reconcile\"",
     .text = "when it is no longer as the manifest says",
     .effect = EFFECT_LIVE},
};

const struct schema_object schema_partition = {
    "Partition", "CPUs, memory and devices, and what runs on them.", FIELDS(partition_fields), NULL};

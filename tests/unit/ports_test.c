/* SPDX-License-Identifier: MIT */
/* How a partition's CPU goes round its ports: links are played, each with as much to do as a test says. */
#include "core/event.h"
#include "core/interrupt.h"
#include "core/pool.h"
#include "core/ports.h"
#include "core/window.h"
#include "dev/link.h"
#include "unit.h"
#include "x86/smp.h"
#include "x86/tsc.h"

#include <asm/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct partition partition;
static struct cpu cpu;
static struct vcpu vcpu = {.partition = &partition, .cpu = &cpu};
static struct link_end *ends[MACHINE_SLOTS];
static unsigned work[MACHINE_SLOTS];   /* pumps until a link is done */
static unsigned pumped[MACHINE_SLOTS]; /* how often each was pumped */

/* ---- what ports.c asks of others ---- */

bool link_pump(struct link_end *from)
{
    for (unsigned slot = 0; slot < MACHINE_SLOTS; slot++) {
        if (ends[slot] == from) {
            pumped[slot]++;
            return work[slot] != 0 && work[slot]-- > 1;
        }
    }
    return false;
}

void link_init(struct link_end *end, const struct partition *ram, const struct mullion_port_create *port,
               uint64_t patience)
{
    *end = (struct link_end){.ram = ram, .patience = patience, .out = {.due = LINK_NEVER}};
    ends[port->slot] = end;
}

void link_connect(struct link_end *end, struct link_end *peer, bool must_acknowledge)
{
    (void)must_acknowledge;
    end->peer = peer;
    peer->peer = end;
}

void link_disconnect(struct link_end *end)
{
    end->peer = NULL;
}

void link_acknowledge(struct link_end *end, uint64_t features)
{
    end->acknowledged = features;
}

void link_run(struct link_end *end)
{
    end->running = true;
}

void link_reset(struct link_end *end)
{
    end->running = false;
}

void link_halt(struct link_end *end, bool halted)
{
    end->halted = halted;
}

void link_info(struct link_end *end, struct mullion_port_info *info)
{
    *info = end->out.counters;
}

void *pool_alloc(uint64_t pages)
{
    return calloc(pages, PAGE_BYTES);
}

void window_close(void)
{
}

uint64_t tsc_from_us(uint64_t microseconds)
{
    return microseconds;
}

struct partition *partition_find(uint32_t id)
{
    return id == 1 ? &partition : NULL;
}

void event_post(uint64_t events)
{
    (void)events;
}

void event_post_port(uint32_t id)
{
    (void)id;
}

void interrupt_deliver_msi(const struct partition *p, uint64_t address, uint32_t data)
{
    (void)p, (void)address, (void)data;
}

void smp_kick(const struct cpu *target)
{
    (void)target;
}

/* ---- rounds ---- */

static int begin(void **state)
{
    (void)state;
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu) != 0) /* this_cpu() */
        return -1;
    cpu.self = &cpu;
    partition = (struct partition){
        .id = 1, .state = MULLION_STATE_DEFINED, .vcpus = {&vcpu}, .vcpu_count = 1, .ports_due = LINK_NEVER};
    memset(work, 0, sizeof(work));
    memset(pumped, 0, sizeof(pumped));
    for (uint32_t slot = 1; slot <= 3; slot++) {
        const struct mullion_port_create create = {.id = 1, .slot = slot, .kind = MULLION_PORT_NET};
        if (port_create(&partition, &create) != 0)
            return -1;
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (uint32_t slot = 1; slot <= 3; slot++)
        free(ends[slot]);
    return 0;
}

static void notify(uint32_t slot)
{
    ports_notify(&partition, slot * MACHINE_PORT_NOTIFY_BYTES, VIRTIO_TX);
}

static void expect_pumped(unsigned one, unsigned two, unsigned three)
{
    assert_int_equal(pumped[1], one);
    assert_int_equal(pumped[2], two);
    assert_int_equal(pumped[3], three);
}

static void notified_ports_are_served_in_one_turn_while_there_is_little_to_do(void **state)
{
    (void)state;
    for (uint32_t slot = 1; slot <= 3; slot++)
        notify(slot);
    assert_int_equal(ports_due(&vcpu), 0);
    ports_work(&vcpu);
    expect_pumped(1, 1, 1);
    assert_true(ports_due(&vcpu) == LINK_NEVER);
}

static void a_turn_ends_with_a_port_that_is_full_and_the_next_begins_behind_it(void **state)
{
    (void)state;
    work[1] = work[2] = 100;
    for (uint32_t slot = 1; slot <= 3; slot++)
        notify(slot);
    ports_work(&vcpu);
    expect_pumped(1, 0, 0);
    assert_int_equal(ports_due(&vcpu), 0);
    assert_true(partition.ports_due != LINK_NEVER); /* a guest that does not exit does not keep the rest */
    notify(1);
    ports_work(&vcpu);
    expect_pumped(1, 1, 0);
    notify(2);
    ports_work(&vcpu);
    expect_pumped(2, 1, 1);
    ports_work(&vcpu);
    expect_pumped(2, 2, 1);
    assert_true(ports_due(&vcpu) != 0);
}

static void what_is_due_takes_its_turn_like_what_was_notified(void **state)
{
    (void)state;
    work[1] = 2;
    for (uint32_t slot = 1; slot <= 3; slot++)
        ends[slot]->out.due = slot < 3 ? 1 : LINK_NEVER - 1;
    partition.ports_due = 1;
    ports_work(&vcpu);
    expect_pumped(1, 0, 0);
    ends[1]->out.due = LINK_NEVER;
    ports_work(&vcpu);
    expect_pumped(1, 1, 0);
}

static void receivers_and_senders_alternate(void **state)
{
    (void)state;
    link_connect(ends[1], ends[2], false);
    work[1] = work[2] = 100;
    for (unsigned turn = 0; turn < 10; turn++) {
        notify(1);
        ports_notify(&partition, MACHINE_PORT_NOTIFY_BYTES, VIRTIO_RX); /* what the peer sends */
        ports_work(&vcpu);
    }
    expect_pumped(5, 5, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(notified_ports_are_served_in_one_turn_while_there_is_little_to_do),
        TEST(a_turn_ends_with_a_port_that_is_full_and_the_next_begins_behind_it),
        TEST(what_is_due_takes_its_turn_like_what_was_notified),
        TEST(receivers_and_senders_alternate),
    };
    return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "store/state.h"

#include <string.h>

#include "store/crc32.h"

#define MAGIC       0x32455441545341ull /* "ASTATE2" */
#define COPY_STRIDE (STATE_AREA_BYTES / 2)

/* One copy as it lies in the area. */
struct copy {
    uint64_t magic;
    uint64_t generation;
    struct agent_state state;
    uint32_t zero;
    uint32_t crc; /* of everything before it */
};
_Static_assert(sizeof(struct copy) <= COPY_STRIDE, "two copies fit the area");
_Static_assert(offsetof(struct copy, crc) + 4 == sizeof(struct copy), "the CRC comes last");

#define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)

AT(copy, magic, 0);
AT(copy, generation, 8);
AT(copy, state, 16);
AT(copy, zero, 5224);
AT(copy, crc, 5228);
AT(agent_state, boot_ms, 0);
AT(agent_state, count, 8);
AT(agent_state, identity_bytes, 12);
AT(agent_state, token, 16);
AT(agent_state, seed, 56);
AT(agent_state, seed_kind, 72);
AT(agent_state, ending, 76);
AT(agent_state, driver_attempts, 80);
AT(agent_state, driver_deaths, 84);
AT(agent_state, identity, 88);
AT(agent_state, partitions, 2136);
AT(state_partition, name, 0);
AT(state_partition, id, 32);
AT(state_partition, desired, 36);
AT(state_partition, crash_restarts, 40);
AT(state_partition, attempts, 44);

static bool is_terminated(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

static bool is_sane(const struct agent_state *state)
{
    if (state->count > MULLION_MAX_PARTITIONS || state->identity_bytes > STATE_IDENTITY_BYTES ||
        state->seed_kind >= STATE_SEED_KINDS || state->ending >= STATE_ENDINGS ||
        !is_terminated(state->token, sizeof(state->token))) {
        return false;
    }
    for (uint32_t i = 0; i < state->count; i++) {
        const struct state_partition *p = &state->partitions[i];
        if (!is_terminated(p->name, sizeof(p->name)) || p->id >= MULLION_MAX_PARTITIONS ||
            p->desired >= DESIRED_COUNT) {
            return false;
        }
    }
    return true;
}

static bool copy_read(const uint8_t *area, unsigned index, struct copy *copy)
{
    memcpy(copy, area + (size_t)index * COPY_STRIDE, sizeof(*copy));
    return copy->magic == MAGIC && copy->crc == crc32_add(0, copy, offsetof(struct copy, crc)) &&
           is_sane(&copy->state);
}

/* Index of the newest valid copy, -1 if there is none. */
static int newest(const uint8_t *area, struct copy *copy)
{
    static struct copy second;
    bool first_valid = copy_read(area, 0, copy);
    bool second_valid = copy_read(area, 1, &second);
    if (second_valid && (!first_valid || second.generation > copy->generation)) {
        *copy = second;
        return 1;
    }
    return first_valid ? 0 : -1;
}

bool state_load(const uint8_t *area, struct agent_state *state)
{
    static struct copy copy;
    bool found = newest(area, &copy) >= 0;
    *state = found ? copy.state : (struct agent_state){.count = 0};
    return found;
}

/* The area is scrubbed at box reset and the first record goes to copy 0. */
bool state_is_used(const uint8_t *area)
{
    static struct copy second;
    memcpy(&second, area + COPY_STRIDE, sizeof(second));
    return second.magic != 0;
}

void state_save(uint8_t *area, const struct agent_state *state)
{
    static struct copy copy;
    int index = newest(area, &copy);
    uint64_t generation = index >= 0 ? copy.generation + 1 : 1;
    memset(&copy, 0, sizeof(copy));
    copy.magic = MAGIC;
    copy.generation = generation;
    copy.state = *state;
    copy.crc = crc32_add(0, &copy, offsetof(struct copy, crc));
    memcpy(area + (size_t)(index == 0 ? 1 : 0) * COPY_STRIDE, &copy, sizeof(copy));
}

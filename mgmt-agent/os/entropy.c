/* SPDX-License-Identifier: MIT */
/*
 * Randomness for keys: RDSEED and RDRAND, both where the CPU has both, and the jitter of the time they take.
 * A CPU that has neither, or whose generator is stuck, gives none: then no key is made.
 */
#include <string.h>

#include "cpu.h"
#include "os.h"

#define LEAF_1_ECX_RDRAND (1u << 30)
#define LEAF_7_EBX_RDSEED (1u << 18)
#define RDRAND_TRIES      10u /* Intel's guide: a working generator does not fail ten times in a row */
#define RDSEED_TRIES      200u

static bool rdrand(uint64_t *value)
{
    for (unsigned i = 0; i < RDRAND_TRIES; i++) {
        bool good;
        __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good));
        if (good) {
            return true;
        }
    }
    return false;
}

static bool rdseed(uint64_t *value)
{
    for (unsigned i = 0; i < RDSEED_TRIES; i++) {
        bool good;
        __asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(good));
        if (good) {
            return true;
        }
        __asm__ volatile("pause");
    }
    return false;
}

/* A generator that repeats itself is stuck: some have been seen to answer all ones for ever. */
static bool fresh(uint64_t value, uint64_t *last)
{
    bool is_fresh = value != *last;
    *last = value;
    return is_fresh;
}

static bool word(uint64_t *to)
{
    static uint64_t last_seed;
    static uint64_t last_random;
    static uint64_t jitter;
    uint64_t seed = 0;
    uint64_t random = 0;
    bool has_seed = cpu_id(0).eax >= 7 && (cpu_id(7).ebx & LEAF_7_EBX_RDSEED) != 0 && rdseed(&seed);
    bool has_random = (cpu_id(1).ecx & LEAF_1_ECX_RDRAND) != 0 && rdrand(&random);
    if ((has_seed && !fresh(seed, &last_seed)) || (has_random && !fresh(random, &last_random))) {
        return false;
    }
    jitter = (jitter ^ cpu_rdtsc()) * 0x9e3779b97f4a7c15ull; /* mixed in, never relied on */
    *to = seed ^ random ^ jitter;
    return has_seed || has_random;
}

int os_random(void *to, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        uint64_t value;
        size_t piece = bytes - done < sizeof(value) ? bytes - done : sizeof(value);
        if (!word(&value)) {
            return -1;
        }
        memcpy((uint8_t *)to + done, &value, piece);
        done += piece;
    }
    return 0;
}

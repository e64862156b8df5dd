/* SPDX-License-Identifier: MIT */
/*
 * guestbench: fixed work whose cost is counted in TSC ticks; prints lines `name value unit`.
 *
 * Run it with the emulator counting instructions (1 tick = 1 instruction), once without a hypervisor and once
 * in a partition. The workloads are those for which figures of KVM and Xen are known: CPUID exits, SHA-256
 * over 64 MiB, first touch of 4 KiB pages.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define CPUID_ROUNDS 20000
#define HASH_BYTES   (1u << 20)
#define HASH_ROUNDS  64
#define TOUCH_BYTES  (128ull << 20)
#define PAGE_BYTES   4096u

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint64_t tsc(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static uint32_t rotated(uint32_t value, unsigned bits)
{
    return value >> bits | value << (32 - bits);
}

static void schedule_expand(uint32_t w[64], const uint8_t *block)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t word;
        memcpy(&word, block + 4 * i, sizeof word);
        w[i] = __builtin_bswap32(word);
    }
    for (unsigned i = 16; i < 64; i++) {
        const uint32_t low = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3;
        const uint32_t high = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
}

/* One SHA-256 compression. The eight variables take turns instead of moving: the same work as in the peers'
 * runs. */
static void hash_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    schedule_expand(w, block);
    for (unsigned i = 0; i < 64; i++) {
        const uint32_t sum1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
        const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
        const uint32_t sum0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
        const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t mixed[8] = {a, b, c, d, e, f, g, h};
    for (unsigned i = 0; i < 8; i++) {
        state[i] += mixed[i];
    }
}

static void bench_cpuid(void)
{
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    __cpuid(0, a, b, c, d);
    const uint64_t start = tsc();
    for (unsigned i = 0; i < CPUID_ROUNDS; i++) {
        __cpuid(0, a, b, c, d);
    }
    const uint64_t ticks = tsc() - start;
    printf("cpuid %.1f ticks\n", (double)ticks / CPUID_ROUNDS);
}

static void bench_sha256(void)
{
    static uint8_t data[HASH_BYTES];
    uint32_t state[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    memset(data, 0x5a, sizeof data);
    const uint64_t start = tsc();
    for (unsigned round = 0; round < HASH_ROUNDS; round++) {
        for (unsigned i = 0; i < sizeof data; i += 64) {
            hash_block(state, data + i);
        }
    }
    const uint64_t ticks = tsc() - start;
    printf("sha256_64mib %llu ticks\n", (unsigned long long)ticks);
    printf("# sha256 state %08x\n", state[0]);
}

static int bench_first_touch(void)
{
    const uint64_t start = tsc();
    volatile uint8_t *memory =
        mmap(NULL, TOUCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        printf("# first touch: no memory; give the guest 256 MiB\n");
        return -1;
    }
    madvise((void *)memory, TOUCH_BYTES, MADV_NOHUGEPAGE);
    for (uint64_t i = 0; i < TOUCH_BYTES; i += PAGE_BYTES) {
        memory[i] = 1;
    }
    const uint64_t ticks = tsc() - start;
    printf("first_touch_4k %.1f ticks/page\n", (double)ticks * PAGE_BYTES / (double)TOUCH_BYTES);
    return 0;
}

int main(void)
{
    bench_cpuid();
    bench_sha256();
    const int result = bench_first_touch();
    printf("GUESTBENCH-DONE\n");
    return result == 0 ? 0 : 1;
}

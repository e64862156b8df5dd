/* SPDX-License-Identifier: MIT */
/*
 * registers SECONDS: keeps patterns in all vector and x87 registers and in MXCSR while it spins, and looks
 * whether they are still there. Whoever else runs on the CPU meanwhile must not show. Prints `REGISTERS kept
 * N rounds VECTOR` or which one was lost.
 */
#define _POSIX_C_SOURCE 200809L
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPINS       200000UL
#define VECTORS     16
#define STACK_DEPTH 8
#define MS_PER_S    1000u
#define OSXSAVE_AVX ((1u << 27) | (1u << 28)) /* CPUID 1 ECX */

/* What one round loads, or finds afterwards. */
struct contents {
    uint8_t vector[VECTORS][32];
    int64_t x87[STACK_DEPTH];
    uint32_t mxcsr, unused;
};

#define EACH_VECTOR(DO)                                                                                      \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)
#define LOAD_YMM(n)  "vmovdqu 32*" #n "(%0), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovdqu %%ymm" #n ", 32*" #n "(%1)\n"
#define LOAD_XMM(n)  "movdqu 32*" #n "(%0), %%xmm" #n "\n"
#define STORE_XMM(n) "movdqu %%xmm" #n ", 32*" #n "(%1)\n"
#define CLOBBERED(n) "xmm" #n,
#define X87_LOAD                                                                                             \
    "fninit\n fildll 512(%0)\n fildll 520(%0)\n fildll 528(%0)\n fildll 536(%0)\n"                           \
    "fildll 544(%0)\n fildll 552(%0)\n fildll 560(%0)\n fildll 568(%0)\n ldmxcsr 576(%0)\n"
#define X87_STORE                                                                                            \
    "fistpll 568(%1)\n fistpll 560(%1)\n fistpll 552(%1)\n fistpll 544(%1)\n"                                \
    "fistpll 536(%1)\n fistpll 528(%1)\n fistpll 520(%1)\n fistpll 512(%1)\n stmxcsr 576(%1)\n"
#define SPIN "mov %2, %%rcx\n 1: dec %%rcx\n jnz 1b\n"
#define ROUND(load, store)                                                                                   \
    __asm__ volatile(EACH_VECTOR(load) X87_LOAD SPIN X87_STORE EACH_VECTOR(store)                            \
                     :                                                                                       \
                     : "r"(put), "r"(found), "r"(SPINS)                                                      \
                     : EACH_VECTOR(CLOBBERED) "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",    \
                       "st(7)", "rcx", "cc", "memory")

static int has_avx(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & OSXSAVE_AVX) == OSXSAVE_AVX;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Rounding and masks differ from round to round; no exception is unmasked. */
static void fill(struct contents *put, unsigned vector_bytes)
{
    memset(put, 0, sizeof(*put));
    for (unsigned i = 0; i < VECTORS; i++) {
        for (unsigned byte = 0; byte < vector_bytes; byte++) {
            put->vector[i][byte] = (uint8_t)rand();
        }
    }
    for (unsigned i = 0; i < STACK_DEPTH; i++) {
        put->x87[i] = rand();
    }
    put->mxcsr = 0x1f80u | (uint32_t)(rand() & 3) << 13;
}

static void say_lost(const struct contents *put, const struct contents *found, unsigned long round)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        if (memcmp(put->vector[i], found->vector[i], sizeof(put->vector[i])) != 0) {
            printf("REGISTERS lost vector %u in round %lu\n", i, round);
        }
    }
    printf("REGISTERS lost in round %lu: x87 %s, MXCSR %s\n", round,
           memcmp(put->x87, found->x87, sizeof(put->x87)) != 0 ? "lost" : "kept",
           put->mxcsr != found->mxcsr ? "lost" : "kept");
}

/* Returns how many rounds fit into a time, or 0 if something was lost. */
static unsigned long keep_for(uint64_t ms)
{
    static struct contents contents[2];
    struct contents *const put = &contents[0];
    struct contents *const found = &contents[1];
    const int avx = has_avx();
    const uint64_t end = now_ms() + ms;
    unsigned long round = 0;
    do {
        fill(put, avx ? 32 : 16);
        memset(found, 0, sizeof(*found));
        if (avx) {
            ROUND(LOAD_YMM, STORE_YMM);
        } else {
            ROUND(LOAD_XMM, STORE_XMM);
        }
        if (memcmp(put, found, sizeof(*put)) != 0) {
            say_lost(put, found, round);
            return 0;
        }
        round++;
    } while (now_ms() < end);
    printf("REGISTERS kept %lu rounds %s\n", round, avx ? "AVX" : "SSE");
    fflush(stdout);
    return round;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return keep_for(strtoull(argv[1], NULL, 10) * MS_PER_S) != 0 ? 0 : 1;
    }
    while (keep_for(MS_PER_S) != 0) {
    }
    return 1;
}

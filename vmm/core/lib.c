/* SPDX-License-Identifier: MIT */
#include "core/lib.h"

void *memcpy(void *to, const void *from, size_t count) {
    void *start = to;
    size_t words = count / 8, rest = count % 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t count) {
    if ((uintptr_t)to - (uintptr_t)from >= count) { return memcpy(to, from, count); }
    for (size_t i = count; i-- > 0;) { ((uint8_t *)to)[i] = ((const uint8_t *)from)[i]; }
    return to;
}

void *memset(void *to, int value, size_t count) {
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t count) {
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < count; i++) {
        if (x[i] != y[i]) { return x[i] < y[i] ? -1 : 1; }
    }
    return 0;
}

size_t strlen(const char *text) {
    size_t count = 0;
    while (text[count] != 0) { count++; }
    return count;
}

bool text_equal(const char *a, const char *b) {
    size_t count = strlen(a) + 1;
    return count == strlen(b) + 1 && memcmp(a, b, count) == 0;
}

void text_copy(char *to, const char *from, size_t bytes) {
    size_t i = 0;
    for (; i + 1 < bytes && from[i] != 0; i++) { to[i] = from[i]; }
    to[i] = 0;
}

struct output {
    char *to;
    size_t bytes, used;
};

static void put(struct output *out, char c) {
    if (out->used + 1 < out->bytes) { out->to[out->used++] = c; }
}

static void put_number(struct output *out, uint64_t value, unsigned base) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0) { put(out, digits[--count]); }
}

static void put_text(struct output *out, const char *text) {
    while (*text != 0) { put(out, *text++); }
}

size_t text_format(char *to, size_t bytes, const char *format, va_list arguments) {
    struct output out = {to, bytes, 0};
    for (const char *f = format; *f != 0; f++) {
        if (*f != '%') {
            put(&out, *f);
            continue;
        }
        bool wide = *++f == 'l';
        f += wide;
        switch (*f) {
        case 's': put_text(&out, va_arg(arguments, const char *)); break;
        case 'u':
        case 'x':
            put_number(&out, wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned), *f == 'u' ? 10 : 16);
            break;
        default: put(&out, *f); break;
        }
    }
    to[out.used] = 0;
    return out.used;
}

uint32_t crc32(uint32_t crc, const void *data, size_t count) {
    const uint8_t *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) { crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1))); }
    }
    return ~crc;
}

uint64_t mul_div(uint64_t a, uint64_t b, uint64_t divisor) {
    uint64_t low, high;
    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "rm"(b) : "cc");
    __asm__("divq %2" : "+a"(low), "+d"(high) : "rm"(divisor) : "cc");
    return low;
}

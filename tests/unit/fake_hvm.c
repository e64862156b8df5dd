/* SPDX-License-Identifier: MIT */
#include "fake_hvm.h"

struct fake_hvm fake_hvm;

void fake_hvm_reset(void)
{
    fake_hvm = (struct fake_hvm){0};
}

static uint64_t read_register(const struct vcpu *vcpu, enum hvm_register r)
{
    (void)vcpu;
    return fake_hvm.registers[r];
}

static void write_register(struct vcpu *vcpu, enum hvm_register r, uint64_t value)
{
    (void)vcpu;
    fake_hvm.registers[r] = value;
}

static struct hvm_code code(const struct vcpu *vcpu)
{
    (void)vcpu;
    return fake_hvm.code;
}

static unsigned known_length(const struct vcpu *vcpu)
{
    (void)vcpu;
    return fake_hvm.length;
}

static void skip(struct vcpu *vcpu, unsigned length)
{
    (void)vcpu;
    fake_hvm.skipped += length;
}

static void flush(struct vcpu *vcpu)
{
    (void)vcpu;
    fake_hvm.flushes++;
}

static const struct hvm_ops ops = {
    .name = "fake",
    .read = read_register,
    .write = write_register,
    .code = code,
    .known_length = known_length,
    .skip = skip,
    .vcpu_flush = flush,
};

const struct hvm_ops *hvm = &ops;

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

static int vcpu_create(struct vcpu *vcpu)
{
    (void)vcpu;
    return fake_hvm.refuse_create ? -MULLION_E_POOL : 0;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
    (void)vcpu;
}

static void vcpu_reset(struct vcpu *vcpu, const struct hvm_entry *entry)
{
    (void)vcpu;
    fake_hvm.entry = *entry;
}

static void vcpu_release(struct vcpu *vcpu)
{
    (void)vcpu;
}

static bool nmi_blocked(const struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

static const struct hvm_ops ops = {
    .name = "fake",
    .read = read_register,
    .write = write_register,
    .code = code,
    .known_length = known_length,
    .skip = skip,
    .vcpu_flush = flush,
    .vcpu_create = vcpu_create,
    .vcpu_destroy = vcpu_destroy,
    .vcpu_reset = vcpu_reset,
    .vcpu_release = vcpu_release,
    .nmi_blocked = nmi_blocked,
};

const struct hvm_ops *hvm = &ops;

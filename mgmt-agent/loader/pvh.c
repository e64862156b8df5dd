/* SPDX-License-Identifier: MIT */
/*
 * ELF kernels with a PVH entry: the note XEN_ELFNOTE_PHYS32_ENTRY names a 32-bit entry point, which finds a
 * hvm_start_info through RBX (Xen, public/arch-x86/hvm/start_info.h).
 */
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "loader/bytes.h"
#include "loader/loader.h"

#define START_MAGIC        0x336ec578u
#define START_VERSION      1u
#define NOTE_PHYS32_ENTRY  18u
#define MAX_PROGRAM_HEADER 64u
#define MAX_NOTE_BYTES     0x10000u /* searched per segment; Linux has less than 1 KiB */
#define MODULE_LIST        (LOADER_START_INFO + 0x100u)
#define MEMORY_MAP         (LOADER_START_INFO + 0x200u)

struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t module_list, cmdline, rsdp, memory_map;
    uint32_t memory_map_count, zero;
};
_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info v1");

struct module_entry {
    uint64_t address, bytes, cmdline, zero;
};
_Static_assert(sizeof(struct module_entry) == 32, "hvm_modlist_entry");

struct map_entry {
    uint64_t base, bytes;
    uint32_t type, zero;
};
_Static_assert(sizeof(struct map_entry) == 24, "hvm_memmap_table_entry");

#define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)

AT(start_info, magic, 0);
AT(start_info, version, 4);
AT(start_info, flags, 8);
AT(start_info, module_count, 12);
AT(start_info, module_list, 16);
AT(start_info, cmdline, 24);
AT(start_info, rsdp, 32);
AT(start_info, memory_map, 40);
AT(start_info, memory_map_count, 48);
AT(start_info, zero, 52);
AT(module_entry, address, 0);
AT(module_entry, bytes, 8);
AT(module_entry, cmdline, 16);
AT(module_entry, zero, 24);
AT(map_entry, base, 0);
AT(map_entry, bytes, 8);
AT(map_entry, type, 16);
AT(map_entry, zero, 20);

/* What the ELF file said. */
struct elf_image {
    Elf64_Phdr headers[MAX_PROGRAM_HEADER];
    unsigned count;
    uint64_t end;   /* guest-physical address after the last segment */
    uint64_t bytes; /* of memory, all segments */
    uint64_t entry; /* from the note, 0 if there is none */
};

static int header_check(const struct loader_request *r, struct elf_image *image, struct loader_why *why)
{
    Elf64_Ehdr header;
    memcpy(&header, r->kernel, sizeof(header));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64) {
        return loader_refuse(
            why, "the kernel is an ELF file, but not for x86-64: take one built for this machine");
    }
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
        header.e_phnum > MAX_PROGRAM_HEADER) {
        return loader_refuse(
            why, "the ELF header names %u program headers of %u bytes: the file is damaged, replace it",
            header.e_phnum, header.e_phentsize);
    }
    uint64_t table_bytes = (uint64_t)header.e_phnum * sizeof(Elf64_Phdr);
    if (header.e_phoff > r->kernel_bytes || table_bytes > r->kernel_bytes - header.e_phoff) {
        return loader_refuse(
            why, "the ELF program headers lie outside the file: it is damaged or cut short, replace it");
    }
    memcpy(image->headers, r->kernel + header.e_phoff, table_bytes);
    image->count = header.e_phnum;
    return 0;
}

static bool in_file(const struct loader_request *r, const Elf64_Phdr *header)
{
    return header->p_offset <= r->kernel_bytes && header->p_filesz <= r->kernel_bytes - header->p_offset;
}

/*
 * Looks for the entry note in one PT_NOTE segment. Sizes are rounded to 4 (ELF gABI, "Note Section"). The
 * address has 32 significant bits, in 4 or 8 bytes; Linux 6.1's linker cuts the last note's upper 4 bytes off
 * the segment.
 */
static uint64_t note_entry(const uint8_t *data, uint64_t bytes)
{
    while (bytes >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, data, sizeof(note));
        uint64_t value = sizeof(note) + round_up(note.n_namesz, 4);
        uint64_t total = value + round_up(note.n_descsz, 4);
        if (value + 4 <= bytes && note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
            note.n_descsz >= 4 && memcmp(data + sizeof(note), "Xen", 4) == 0) {
            return get32(data + value);
        }
        if (total > bytes) {
            return 0;
        }
        data += total;
        bytes -= total;
    }
    return 0;
}

static int segment_check(const struct loader_request *r, const Elf64_Phdr *header, unsigned index,
                         struct loader_why *why)
{
    if (!in_file(r, header)) {
        return loader_refuse(
            why, "segment %u of the kernel lies outside its file: it is damaged or cut short, replace it",
            index);
    }
    if (header->p_type != PT_LOAD || header->p_memsz == 0) {
        return 0;
    }
    if (header->p_filesz > header->p_memsz || header->p_paddr < LOADER_KERNEL_FLOOR) {
        return loader_refuse(
            why, "segment %u of the kernel has a wrong size or address: the file is damaged, replace it",
            index);
    }
    if (guest_at(&r->guest, header->p_paddr, header->p_memsz) == NULL) {
        return loader_refuse(
            why, "the kernel needs memory up to %llu MiB: give the partition more than its %llu MiB",
            (unsigned long long)((header->p_paddr + header->p_memsz) >> 20) + 1,
            (unsigned long long)(guest_bytes(&r->guest) + GUEST_MAIN_FLOOR) >> 20);
    }
    return 0;
}

static int segments_check(const struct loader_request *r, struct elf_image *image, struct loader_why *why)
{
    for (unsigned i = 0; i < image->count; i++) {
        const Elf64_Phdr *header = &image->headers[i];
        int error = segment_check(r, header, i, why);
        if (error != 0) {
            return error;
        }
        if (header->p_type == PT_NOTE && image->entry == 0) {
            uint64_t bytes = header->p_filesz < MAX_NOTE_BYTES ? header->p_filesz : MAX_NOTE_BYTES;
            image->entry = note_entry(r->kernel + header->p_offset, bytes);
        }
        if (header->p_type == PT_LOAD && header->p_memsz > 0) {
            uint64_t end = header->p_paddr + header->p_memsz;
            image->end = end > image->end ? end : image->end;
            image->bytes += header->p_memsz;
        }
    }
    /* Without overlaps they cannot be larger than the memory that holds them; this also bounds the copying.
     */
    if (image->bytes > guest_bytes(&r->guest)) {
        return loader_refuse(why, "segments of the kernel overlap: the file is damaged, replace it");
    }
    return 0;
}

static bool entry_is_loaded(const struct elf_image *image)
{
    for (unsigned i = 0; i < image->count; i++) {
        const Elf64_Phdr *header = &image->headers[i];
        if (header->p_type == PT_LOAD && image->entry >= header->p_paddr &&
            image->entry - header->p_paddr < header->p_filesz) {
            return image->entry <= UINT32_MAX;
        }
    }
    return false;
}

static void segments_copy(const struct loader_request *r, const struct elf_image *image)
{
    for (unsigned i = 0; i < image->count; i++) {
        const Elf64_Phdr *header = &image->headers[i];
        if (header->p_type != PT_LOAD || header->p_memsz == 0) {
            continue;
        }
        uint8_t *to = guest_at(&r->guest, header->p_paddr, header->p_memsz);
        memcpy(to, r->kernel + header->p_offset, header->p_filesz);
        memset(to + header->p_filesz, 0, header->p_memsz - header->p_filesz);
    }
}

static unsigned memory_map_write(const struct loader_request *r)
{
    struct loader_range map[LOADER_MAX_MAP];
    unsigned count = loader_memory_map(&r->guest, map);
    struct map_entry *to = guest_at(&r->guest, MEMORY_MAP, sizeof(*to) * LOADER_MAX_MAP);
    for (unsigned i = 0; i < count; i++) {
        to[i] = (struct map_entry){.base = map[i].base, .bytes = map[i].bytes, .type = map[i].type};
    }
    return count;
}

static void start_info_write(const struct loader_request *r, uint64_t initramfs)
{
    struct start_info *info = guest_at(&r->guest, LOADER_START_INFO, sizeof(*info));
    struct module_entry *module = guest_at(&r->guest, MODULE_LIST, sizeof(*module));
    *module = (struct module_entry){.address = initramfs, .bytes = r->initramfs_bytes};
    *info = (struct start_info){
        .magic = START_MAGIC,
        .version = START_VERSION,
        .module_count = initramfs != 0 ? 1 : 0,
        .module_list = initramfs != 0 ? MODULE_LIST : 0,
        .cmdline = LOADER_CMDLINE,
        .rsdp = LOADER_ACPI,
        .memory_map = MEMORY_MAP,
        .memory_map_count = memory_map_write(r),
    };
}

int pvh_load(const struct loader_request *r, struct mullion_partition_start *entry, struct loader_why *why)
{
    struct elf_image image = {.count = 0};
    int error = header_check(r, &image, why);
    error = error != 0 ? error : segments_check(r, &image, why);
    if (error != 0) {
        return error;
    }
    if (image.entry == 0) {
        return loader_refuse(
            why, "the ELF kernel has no PVH entry note: build it with CONFIG_PVH, or give its bzImage");
    }
    if (!entry_is_loaded(&image)) {
        return loader_refuse(why,
                             "the PVH entry %#llx is not inside the kernel: the file is damaged, replace it",
                             (unsigned long long)image.entry);
    }
    segments_copy(r, &image);
    uint64_t initramfs = 0;
    if (r->initramfs != NULL) {
        initramfs = loader_place_initramfs(r, image.end, UINT32_MAX, why);
        if (initramfs == 0) {
            return -1;
        }
    }
    start_info_write(r, initramfs);
    entry->mode = MULLION_ENTRY_PROTECTED32;
    entry->rip = image.entry;
    entry->rbx = LOADER_START_INFO;
    return 0;
}

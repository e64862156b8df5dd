/* SPDX-License-Identifier: MIT */
#include "model/manifest_formats.h"

#include <inttypes.h>
#include <string.h>

#include "model/address.h"
#include "model/manifest.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEX2     "[0-9a-fA-F]{2}"
#define QUAD     "[0-9]{1,3}(\\.[0-9]{1,3}){3}"
#define MAC      "[0-9a-fA-F][02468aceACE](:" HEX2 "){5}"
#define FUNCTION "[0-9a-fA-F]{4}:" HEX2 ":[01][0-9a-fA-F]\\.[0-7]"

struct unit {
    const char *name;
    uint64_t worth;
};

/* A whole number without leading zero and a unit of the list; 0 if the text is something else. */
static uint64_t quantity(const char *text, const struct unit *units, size_t count)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t value = 0;
    if (digits == 0 || digits > 7 || text[0] == '0') {
        return 0;
    }
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text + digits, units[i].name) == 0) {
            return value * units[i].worth;
        }
    }
    return 0;
}

uint64_t format_memory_bytes(const char *text)
{
    static const struct unit units[] = {{"MiB", UINT64_C(1) << 20}, {"GiB", UINT64_C(1) << 30}};
    return quantity(text, units, COUNT(units));
}

uint64_t format_duration_us(const char *text)
{
    static const struct unit units[] = {
        {"us", 1}, {"ms", 1000}, {"s", 1000000}, {"min", 60000000}, {"h", UINT64_C(3600000000)}};
    return quantity(text, units, COUNT(units));
}

static void check_memory(struct json *json, const struct json_node *value)
{
    uint64_t bytes = format_memory_bytes(value->string);
    if (bytes < MANIFEST_MEMORY_MIN) {
        json_complain(json, value, "\"%s\" is too little for a kernel; wanted at least 16 MiB",
                      value->string);
    } else if (bytes % MANIFEST_MEMORY_UNIT != 0) {
        json_complain(json, value,
                      "\"%s\" is no multiple of 2 MiB, the unit in which memory is divided; take \"%" PRIu64
                      "MiB\"",
                      value->string, (bytes + MANIFEST_MEMORY_UNIT - 1) / MANIFEST_MEMORY_UNIT * 2);
    }
}

static void check_mac(struct json *json, const struct json_node *value)
{
    if (strcmp(value->string, "00:00:00:00:00:00") == 0) {
        json_complain(json, value, "this MAC address belongs to nobody; wanted another one");
    }
}

static void check_ipv4(struct json *json, const struct json_node *value)
{
    uint8_t address[4];
    if (!address_read_ipv4(value->string, address) || !address_is_host(address, 31)) {
        json_complain(json, value,
                      "\"%s\" is no address of a host; wanted four numbers, for example \"192.0.2.1\"",
                      value->string);
    }
}

static void check_ipv4_prefix(struct json *json, const struct json_node *value)
{
    uint8_t address[4];
    unsigned prefix;
    if (!address_read_ipv4_prefix(value->string, address, &prefix)) {
        json_complain(json, value, "\"%s\" is no %s; wanted %s, for example \"%s\"", value->string,
                      format_ipv4_prefix.noun, format_ipv4_prefix.wanted, format_ipv4_prefix.example);
    } else if (!address_is_host(address, prefix)) {
        json_complain(json, value, "no host can have the address \"%s\"; give one of the site's network",
                      value->string);
    }
}

const struct schema_format format_name = {
    .noun = "name",
    .pattern = "[a-z0-9][a-z0-9-]*",
    .wanted = "letters a-z, digits and '-', not beginning with '-'",
    .example = "alpha",
};

const struct schema_format format_image = {
    .noun = "name of an image",
    .pattern = "[a-zA-Z0-9_][a-zA-Z0-9_.+~@=-]*",
    .wanted = "letters, digits and the signs _.+~@=-, beginning with a letter, a digit or _",
    .example = "vmlinux",
};

const struct schema_format format_memory = {
    .noun = "memory size",
    .pattern = "[1-9][0-9]{0,6}(MiB|GiB)",
    .wanted = "a whole number and the unit MiB or GiB",
    .example = "256MiB",
    .check = check_memory,
};

const struct schema_format format_mac = {
    .noun = "MAC address of a single port",
    .pattern = MAC,
    .wanted = "six bytes in hexadecimal, the first one even",
    .example = "02:00:00:00:00:01",
    .check = check_mac,
};

const struct schema_format format_ipv4 = {
    .noun = "IPv4 address",
    .pattern = QUAD,
    .wanted = "four numbers",
    .example = "192.0.2.1",
    .check = check_ipv4,
};

const struct schema_format format_ipv4_prefix = {
    .noun = "address with prefix",
    .pattern = QUAD "/[0-9]{1,2}",
    .wanted = "four numbers and the network's prefix of 1 to 30",
    .example = "192.0.2.10/24",
    .check = check_ipv4_prefix,
};

const struct schema_format format_port = {
    .noun = "network port of the box",
    .pattern = MAC "|" FUNCTION,
    .wanted = "its MAC address or its PCI address like \"0000:00:03.0\"",
    .example = "52:54:00:12:34:56",
};

const struct schema_format format_function = {
    .noun = "PCI address",
    .pattern = FUNCTION,
    .wanted = "segment, bus, device and function in hexadecimal",
    .example = "0000:01:00.0",
};

const struct schema_format format_duration = {
    .noun = "duration",
    .pattern = "[1-9][0-9]{0,6}(us|ms|s|min|h)",
    .wanted = "a whole number above 0 and the unit us, ms, s, min or h",
    .example = "10ms",
};

const struct schema_format format_moment = {
    .noun = "time",
    .pattern = "(0|[1-9][0-9]{0,6})(us|ms|s|min|h)",
    .wanted = "a whole number and the unit us, ms, s, min or h",
    .example = "0ms",
};

const struct schema_format format_sha256 = {
    .noun = "SHA-256",
    .pattern = "[0-9a-f]{64}",
    .wanted = "64 digits in hexadecimal, as sha256sum prints them",
    .example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
};

const struct schema_format format_uuid = {
    .noun = "UUID",
    .pattern = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    .wanted = "32 digits in hexadecimal, in five groups",
    .example = "564d1a2b-0000-1111-2222-333344445555",
};

const struct schema_format format_server = {
    .noun = "server",
    .pattern = "[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?",
    .wanted = "a host name or an IPv4 address",
    .example = "ntp.example.net",
};

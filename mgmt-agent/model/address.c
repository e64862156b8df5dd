/* SPDX-License-Identifier: MIT */
#include "model/address.h"

#include <stdio.h>
#include <string.h>

/* The value of a hexadecimal digit, 16 for anything else. */
static unsigned digit(char c)
{
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
           : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                  : 16;
}

/* Reads exactly `digits` hexadecimal digits; NULL if there are fewer. */
static const char *hex_read(const char *at, unsigned digits, unsigned *value)
{
    *value = 0;
    for (unsigned i = 0; i < digits; i++, at++) {
        if (digit(*at) > 15) {
            return NULL;
        }
        *value = *value << 4 | digit(*at);
    }
    return at;
}

bool address_read_mac(const char *text, uint8_t mac[ADDRESS_MAC_BYTES])
{
    for (unsigned i = 0; i < ADDRESS_MAC_BYTES; i++) {
        unsigned byte;
        text = hex_read(text, 2, &byte);
        if (text == NULL || *text != (i + 1 < ADDRESS_MAC_BYTES ? ':' : 0)) {
            return false;
        }
        text++;
        mac[i] = (uint8_t)byte;
    }
    return true;
}

/* A decimal number without leading zeros, up to `limit`; NULL if there is none. */
static const char *decimal_read(const char *at, unsigned limit, unsigned *value)
{
    const char *begin = at;
    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        *value = *value * 10 + (unsigned)(*at - '0');
        if (*value > limit) {
            return NULL;
        }
    }
    return at == begin || (at > begin + 1 && *begin == '0') ? NULL : at;
}

/* Reads four numbers; NULL if they are not there, else what follows them. */
static const char *quad_read(const char *text, uint8_t address[4])
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned byte;
        text = decimal_read(text, 255, &byte);
        if (text == NULL || (i < 3 && *text != '.')) {
            return NULL;
        }
        text += i < 3 ? 1 : 0;
        address[i] = (uint8_t)byte;
    }
    return text;
}

bool address_read_ipv4(const char *text, uint8_t address[4])
{
    const char *end = quad_read(text, address);
    return end != NULL && *end == 0;
}

bool address_read_ipv4_prefix(const char *text, uint8_t address[4], unsigned *prefix)
{
    const char *end = quad_read(text, address);
    if (end == NULL || *end != '/') {
        return false;
    }
    end = decimal_read(end + 1, 30, prefix);
    return end != NULL && *end == 0 && *prefix > 0;
}

bool address_is_host(const uint8_t address[4], unsigned prefix)
{
    uint32_t number =
        (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
    uint32_t host = number & (UINT32_MAX >> prefix);
    bool edge = prefix < 31 && (host == 0 || host == UINT32_MAX >> prefix);
    return address[0] != 0 && address[0] != 127 && address[0] < 224 && !edge;
}

bool address_read_pci(const char *text, uint16_t *segment, uint16_t *bdf)
{
    unsigned domain;
    unsigned bus;
    unsigned device;
    const char *at = hex_read(text, 4, &domain);
    at = at != NULL && *at == ':' ? hex_read(at + 1, 2, &bus) : NULL;
    at = at != NULL && *at == ':' ? hex_read(at + 1, 2, &device) : NULL;
    if (at == NULL || device > 31 || at[0] != '.' || at[1] < '0' || at[1] > '7' || at[2] != 0) {
        return false;
    }
    *segment = (uint16_t)domain;
    *bdf = (uint16_t)(bus << 8 | device << 3 | (unsigned)(at[1] - '0'));
    return true;
}

bool address_read_uuid(const char *text, uint8_t uuid[16])
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned byte;
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        if (dash && *text++ != '-') {
            return false;
        }
        text = hex_read(text, 2, &byte);
        if (text == NULL) {
            return false;
        }
        uuid[i] = (uint8_t)byte;
    }
    return *text == 0;
}

void address_write_mac(const uint8_t mac[ADDRESS_MAC_BYTES], char text[ADDRESS_MAC_TEXT])
{
    snprintf(text, ADDRESS_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

void address_write_ipv4(const uint8_t address[4], char text[ADDRESS_IPV4_TEXT])
{
    snprintf(text, ADDRESS_IPV4_TEXT, "%u.%u.%u.%u", address[0], address[1], address[2], address[3]);
}

void address_write_pci(uint16_t segment, uint16_t bdf, char text[ADDRESS_PCI_TEXT])
{
    snprintf(text, ADDRESS_PCI_TEXT, "%04x:%02x:%02x.%x", segment, bdf >> 8, bdf >> 3 & 0x1fu, bdf & 7u);
}

/* SPDX-License-Identifier: MIT */
/* Addresses as text: Ethernet, IPv4, PCI. Each reader wants the whole text to be one and returns whether it
 * is. */
#ifndef MODEL_ADDRESS_H
#define MODEL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_MAC_BYTES 6u
#define ADDRESS_MAC_TEXT  18u
#define ADDRESS_IPV4_TEXT 16u
#define ADDRESS_PCI_TEXT  16u

/** Like "52:54:00:12:34:56", either case. */
bool address_read_mac(const char *text, uint8_t mac[ADDRESS_MAC_BYTES]);

/** Like "10.0.2.15". */
bool address_read_ipv4(const char *text, uint8_t address[4]);

/** Like "10.0.2.15/24", prefix 1 to 30. */
bool address_read_ipv4_prefix(const char *text, uint8_t address[4], unsigned *prefix);

/** @return whether a host can have this address: not one of another class, nor the network's first or last */
bool address_is_host(const uint8_t address[4], unsigned prefix);

/** Like "0000:00:03.0". */
bool address_read_pci(const char *text, uint16_t *segment, uint16_t *bdf);

/** Like 564d1a2b-0000-1111-2222-333344445555. */
bool address_read_uuid(const char *text, uint8_t uuid[16]);

void address_write_mac(const uint8_t mac[ADDRESS_MAC_BYTES], char text[ADDRESS_MAC_TEXT]);
void address_write_ipv4(const uint8_t address[4], char text[ADDRESS_IPV4_TEXT]);
void address_write_pci(uint16_t segment, uint16_t bdf, char text[ADDRESS_PCI_TEXT]);

#endif

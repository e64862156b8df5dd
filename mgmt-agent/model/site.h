/* SPDX-License-Identifier: MIT */
/* The site configuration (docs/manifest.md): the box's name and how it is reached. */
#ifndef MODEL_SITE_H
#define MODEL_SITE_H

#include "model/address.h"
#include "model/json.h"
#include "mullion/abi.h"

/** Which of the box's network ports joins the bridge. */
enum site_uplink {
    UPLINK_ANY = 0, /* the first that works */
    UPLINK_MAC,
    UPLINK_PCI,
};

struct site {
    char name[MULLION_NAME_BYTES]; /* empty: none given */
    bool dhcp;                     /* ask for an address; the static one is for when nobody answers */
    bool has_address, has_gateway;
    bool is_closed; /* nobody can say where it may be managed: then it is not, but by its console */
    uint8_t address[4], gateway[4];
    unsigned prefix;
    enum site_uplink uplink;
    uint8_t uplink_mac[ADDRESS_MAC_BYTES];
    uint16_t uplink_segment, uplink_bdf;
};

/** What a box without a site configuration does: DHCP on the first port that works. */
void site_default(struct site *site);

/** Reads and checks a site configuration; what has an error keeps its default. @return whether there is none
 */
bool site_read(struct json *json, const char *text, size_t bytes, struct site *site,
               struct problem_list *problems);

/** As site_read, from a document that has been parsed. */
bool site_take(struct site *site, struct json *json, const struct json_node *root);

#endif

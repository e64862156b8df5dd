/* SPDX-License-Identifier: MIT */
/* The network interface: frames between port and lwIP, and which IPv4 address it has, from whom. */
#include "net/net.h"

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/init.h>
#include <lwip/prot/dhcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <stdio.h>
#include <string.h>

#include "net/lease.h"
#include "net/probe.h"
#include "net/tcp.h"
#include "os/os.h"

#define FRAMES_PER_TURN 256u   /* so that a flood of frames does not hold up the rest of the agent */
#define LINK_CHECK_MS   1000u  /* a change of the link comes as an event; this is for one that was missed */
#define TAKEN_MS        10000u /* an address that another station has is not asked about again so soon */
#define REPORT_MS       60000u /* how long what was heard stays a problem */
#define MTU             1500u

/* For what the address in question is meant. */
enum purpose {
    FOR_NOTHING,
    FOR_STATIC,
    FOR_LEASE, /* `held`, the server's message, goes to lwIP if the address is free */
};

static struct netif netif;
static struct net_config config;
static struct net_status status;
static uint64_t khz = 1;
static struct probe probe; /* asks about an address that is not ours yet */
static struct probe guard; /* listens for another owner of the one that is */
static enum purpose purpose;
static uint8_t held[OS_FRAME_BYTES];
static size_t held_bytes;
static bool more_frames; /* the last turn left some */
static uint64_t fallback_ms, link_check_ms;
static struct {
    uint8_t address[4];
    uint64_t until_ms;
} taken; /* by another station */
static struct {
    uint64_t until_ms;
    char text[NET_PROBLEM_BYTES];
} heard; /* a conflict, or a lease that was refused */

static uint64_t now_ms(void)
{
    return os_tsc() / khz;
}

/* ---- what lwIP asks of us ---- */

u32_t sys_now(void)
{
    return (u32_t)now_ms();
}

uint32_t net_random(void)
{
    uint32_t value;
    if (os_random(&value, sizeof(value)) != 0) {
        static uint32_t weak; /* no secret hangs on it: without entropy there is no HTTPS */
        value = weak = weak * 1664525u + (uint32_t)os_tsc();
    }
    return value;
}

void net_library_failed(const char *text)
{
    os_die(text);
}

static err_t transmit(struct netif *n, struct pbuf *p)
{
    (void)n;
    static uint8_t frame[OS_FRAME_BYTES];
    if (p->tot_len > sizeof(frame)) {
        return ERR_BUF;
    }
    pbuf_copy_partial(p, frame, p->tot_len, 0);
    return os_net_send(frame, p->tot_len) == 0 ? ERR_OK : ERR_MEM;
}

static err_t interface_start(struct netif *n)
{
    n->name[0] = 'e';
    n->name[1] = 'n';
    n->output = etharp_output;
    n->output_ip6 = ethip6_output;
    n->linkoutput = transmit;
    n->mtu = MTU;
    n->hwaddr_len = 6;
    n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_MLD6;
    return ERR_OK;
}

/* ---- addresses ---- */

static void report(const char *text)
{
    snprintf(heard.text, sizeof(heard.text), "%s", text);
    heard.until_ms = now_ms() + REPORT_MS;
}

static void report_conflict(const struct probe *of)
{
    char text[NET_PROBLEM_BYTES];
    const uint8_t *address = of->address;
    const uint8_t *m = of->other;
    snprintf(text, sizeof(text),
             "network: duplicate address: %u.%u.%u.%u is also used by the station "
             "%02x:%02x:%02x:%02x:%02x:%02x: give one of "
             "them another address",
             address[0], address[1], address[2], address[3], m[0], m[1], m[2], m[3], m[4], m[5]);
    report(text);
}

static void report_lease(const struct lease *lease)
{
    char text[NET_PROBLEM_BYTES];
    snprintf(text, sizeof(text),
             "network: DHCP server %u.%u.%u.%u: offer of %u.%u.%u.%u refused: %s: correct the server, or use "
             "a static "
             "address",
             lease->server[0], lease->server[1], lease->server[2], lease->server[3], lease->address[0],
             lease->address[1], lease->address[2], lease->address[3], lease->why);
    report(text);
}

static bool has_address(void)
{
    return !ip4_addr_isany(netif_ip4_addr(&netif));
}

static bool has_lease(void)
{
    return has_address() && dhcp_supplied_address(&netif) != 0;
}

static void static_use(void)
{
    ip4_addr_t address;
    ip4_addr_t mask;
    ip4_addr_t gateway;
    const uint8_t *a = config.address;
    const uint8_t *g = config.gateway;
    IP4_ADDR(&address, a[0], a[1], a[2], a[3]);
    ip4_addr_set_u32(&mask, lwip_htonl(UINT32_MAX << (32 - config.prefix)));
    ip4_addr_set_zero(&gateway);
    if (config.has_gateway) {
        IP4_ADDR(&gateway, g[0], g[1], g[2], g[3]);
    }
    netif_set_addr(&netif, &address, &mask, &gateway);
}

static bool is_taken(const uint8_t address[4], uint64_t now)
{
    return now < taken.until_ms && memcmp(taken.address, address, 4) == 0;
}

static void ask_about(const uint8_t address[4], enum purpose what_for)
{
    purpose = what_for;
    probe_start(&probe, netif.hwaddr, address, now_ms());
}

/* The static address is asked about when it is wanted and nothing better is under way. */
static void static_pursue(uint64_t now)
{
    bool late = config.dhcp && now >= fallback_ms;
    bool wanted = config.has_address && (!config.dhcp || late);
    if (wanted && status.link && !has_address() && purpose == FOR_NOTHING && !is_taken(config.address, now)) {
        ask_about(config.address, FOR_STATIC);
    }
}

static void pass(const uint8_t *frame, size_t bytes)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_POOL);
    if (p == NULL) {
        return;
    }
    pbuf_take(p, frame, (u16_t)bytes);
    tcp_make_room();
    if (netif.input(p, &netif) != ERR_OK) {
        pbuf_free(p);
    }
}

/* Nobody else has the address. */
static void address_free(void)
{
    enum purpose what_for = purpose;
    purpose = FOR_NOTHING;
    if (what_for == FOR_LEASE) {
        pass(held, held_bytes);
    } else if (what_for == FOR_STATIC && !has_lease()) {
        static_use();
    }
}

static void address_taken(void)
{
    report_conflict(&probe);
    memcpy(taken.address, probe.address, sizeof(taken.address));
    taken.until_ms = now_ms() + TAKEN_MS;
    purpose = FOR_NOTHING;
    probe.state = PROBE_IDLE;
}

static void probe_proceed(uint64_t now)
{
    uint8_t frame[PROBE_FRAME_BYTES];
    if (probe_turn(&probe, now, frame)) {
        os_net_send(frame, sizeof(frame));
    }
    if (purpose != FOR_NOTHING && probe.state == PROBE_FREE) {
        address_free();
    } else if (purpose != FOR_NOTHING && probe.state == PROBE_TAKEN) {
        address_taken();
    }
}

/* ---- frames ---- */

static void guard_follow(void)
{
    uint32_t address = ip4_addr_get_u32(netif_ip4_addr(&netif));
    if (memcmp(guard.address, &address, sizeof(address)) != 0 || guard.state == PROBE_IDLE) {
        probe_start(&guard, netif.hwaddr, (const uint8_t *)&address, 0);
        guard.state = PROBE_FREE;
    }
}

/* An address in use is defended by saying once more whose it is; the other station sees it too. */
static void listen_for_others(const uint8_t *frame, size_t bytes)
{
    probe_hears(&probe, frame, bytes);
    if (!has_address()) {
        return;
    }
    guard_follow();
    if (probe_hears(&guard, frame, bytes) && now_ms() >= heard.until_ms) {
        report_conflict(&guard);
        etharp_gratuitous(&netif);
    }
}

/* lwIP waits for just this message. Anybody can send others. */
static bool is_awaited(const struct lease *lease)
{
    const struct dhcp *dhcp = netif_dhcp_data(&netif);
    if (dhcp == NULL || lease->exchange != dhcp->xid) {
        return false;
    }
    switch (dhcp->state) {
    case DHCP_STATE_SELECTING:
        return lease->is_offer;
    case DHCP_STATE_REQUESTING:
    case DHCP_STATE_REBOOTING:
    case DHCP_STATE_RENEWING:
    case DHCP_STATE_REBINDING:
        return !lease->is_offer;
    default:
        return false;
    }
}

/* Nobody else has it: it is ours, on this wire, or was asked about just now. */
static bool is_known_free(const uint8_t address[4])
{
    bool stays = has_address() && netif_dhcp_data(&netif)->state != DHCP_STATE_REBOOTING;
    return (stays && memcmp(netif_ip4_addr(&netif), address, 4) == 0) ||
           (probe.state == PROBE_FREE && memcmp(probe.address, address, 4) == 0);
}

/* @return whether lwIP may see the frame now */
static bool admit(const uint8_t *frame, size_t bytes)
{
    struct lease lease;
    enum lease_verdict verdict = lease_check(frame, bytes, netif.hwaddr, &lease);
    if (verdict == LEASE_NONE) {
        return true;
    }
    if (lease.is_fragment || !is_awaited(&lease)) {
        return false;
    }
    if (verdict == LEASE_REFUSED) {
        report_lease(&lease);
        return false;
    }
    if (is_known_free(lease.address)) {
        return true;
    }
    if (purpose == FOR_NOTHING && !is_taken(lease.address, now_ms())) {
        memcpy(held, frame, bytes);
        held_bytes = bytes;
        ask_about(lease.address, FOR_LEASE);
    }
    return false; /* one question at a time: lwIP asks its server again */
}

static bool frames_take(void)
{
    static uint8_t frame[OS_FRAME_BYTES];
    unsigned count = 0;
    for (size_t bytes; count < FRAMES_PER_TURN && (bytes = os_net_receive(frame)) > 0; count++) {
        listen_for_others(frame, bytes);
        if (admit(frame, bytes)) {
            pass(frame, bytes);
        }
    }
    more_frames = count == FRAMES_PER_TURN;
    return count > 0;
}

/* ---- link and status ---- */

static void link_set(bool up, uint64_t now)
{
    status.link = up;
    status.generation++;
    probe.state = PROBE_IDLE; /* another wire may have other stations on it */
    purpose = FOR_NOTHING;
    taken.until_ms = now;
    if (up) {
        fallback_ms = now + (uint64_t)config.fallback_s * 1000;
        netif_set_link_up(&netif); /* with DHCP under way lwIP asks for its lease again */
    } else {
        netif_set_link_down(&netif);
        if (!config.dhcp || !has_lease()) {
            netif_set_addr(&netif, NULL, NULL, NULL); /* a static address is asked about anew */
        }
    }
}

static void link_check(bool cable, uint64_t now)
{
    link_check_ms = now + LINK_CHECK_MS;
    bool up = os_net_link() && cable;
    if (up != status.link) {
        link_set(up, now);
    }
}

/* Time without lease counts from the moment at which there was none. */
static void fallback_count(uint64_t now)
{
    static bool had;
    bool has = has_lease();
    if (had && !has) {
        fallback_ms = now + (uint64_t)config.fallback_s * 1000;
    }
    had = has;
}

static void write_ipv4(struct net_status *to)
{
    to->source = !has_address() ? NET_NO_ADDRESS : has_lease() ? NET_FROM_DHCP : NET_STATIC;
    if (to->source == NET_NO_ADDRESS) {
        return;
    }
    uint32_t mask = lwip_ntohl(ip4_addr_get_u32(netif_ip4_netmask(&netif)));
    char text[IP4ADDR_STRLEN_MAX];
    snprintf(to->address, sizeof(to->address), "%s/%d",
             ip4addr_ntoa_r(netif_ip4_addr(&netif), text, sizeof(text)), __builtin_popcount(mask));
    if (!ip4_addr_isany(netif_ip4_gw(&netif))) {
        snprintf(to->gateway, sizeof(to->gateway), "%s",
                 ip4addr_ntoa_r(netif_ip4_gw(&netif), text, sizeof(text)));
    }
}

/* lwIP writes capitals; RFC 5952, 4.3 wants small letters. */
static void write_ipv6(s8_t index, char text[NET_TEXT_BYTES])
{
    ip6addr_ntoa_r(netif_ip6_addr(&netif, index), text, NET_TEXT_BYTES);
    for (; *text != 0; text++) {
        *text = (char)(*text >= 'A' && *text <= 'F' ? *text + ('a' - 'A') : *text);
    }
}

static void write_all_ipv6(struct net_status *to)
{
    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES && to->ipv6_count < NET_IPV6_ADDRESSES; i++) {
        if (ip6_addr_isvalid(netif_ip6_addr_state(&netif, i))) {
            write_ipv6(i, to->ipv6[to->ipv6_count++]);
        }
    }
}

/* An IPv6 address that lwIP has given up because another station answered for it; -1: none. */
static s8_t ipv6_duplicate(void)
{
    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (ip6_addr_isduplicated(netif_ip6_addr_state(&netif, i))) {
            return i;
        }
    }
    return -1;
}

static void write_problem(struct net_status *to, uint64_t now)
{
    s8_t duplicate = ipv6_duplicate();
    if (now < heard.until_ms) {
        snprintf(to->problem, sizeof(to->problem), "%s", heard.text);
    } else if (to->link && config.dhcp && now >= fallback_ms && to->source != NET_FROM_DHCP) {
        snprintf(to->problem, sizeof(to->problem), "network: no DHCP server has answered within %u s: %s",
                 config.fallback_s,
                 to->source == NET_STATIC
                     ? "the static address is used: correct the server, or ask for no lease"
                     : "the box has no IPv4 address: give it one in the site configuration");
    } else if (duplicate >= 0) {
        char address[NET_TEXT_BYTES];
        write_ipv6(duplicate, address);
        snprintf(to->problem, sizeof(to->problem),
                 "network: duplicate address: %s is also used by another station: the box does without it: "
                 "look for a second box with the same MAC address",
                 address);
    }
}

static bool is_same(const struct net_status *a, const struct net_status *b)
{
    bool same = a->link == b->link && a->source == b->source && a->ipv6_count == b->ipv6_count &&
                strcmp(a->address, b->address) == 0 && strcmp(a->gateway, b->gateway) == 0 &&
                strcmp(a->problem, b->problem) == 0;
    for (unsigned i = 0; i < NET_IPV6_ADDRESSES; i++) {
        same = same && strcmp(a->ipv6[i], b->ipv6[i]) == 0;
    }
    return same;
}

static void status_update(uint64_t now)
{
    struct net_status fresh = {
        .link = status.link, .https_port = NET_HTTPS_PORT, .generation = status.generation + 1};
    write_ipv4(&fresh);
    write_all_ipv6(&fresh);
    write_problem(&fresh, now);
    if (!is_same(&fresh, &status)) {
        status = fresh;
    }
}

/* ---- the interface ---- */

int net_start(const struct net_config *wanted, uint64_t tsc_khz, net_accept *accept)
{
    config = *wanted;
    khz = tsc_khz;
    int error = os_net_open(NET_PORT_SLOT, netif.hwaddr);
    if (error != 0) {
        return error;
    }
    lwip_init();
    uint8_t mac[6];
    memcpy(mac, netif.hwaddr, sizeof(mac));
    netif_add(&netif, NULL, NULL, NULL, NULL, interface_start, ethernet_input);
    memcpy(netif.hwaddr, mac, sizeof(mac));
    netif_set_hostname(&netif, config.host_name[0] != 0 ? config.host_name : NULL);
    netif_create_ip6_linklocal_address(&netif, 1);
    netif.ip6_autoconfig_enabled = 1;
    netif_set_default(&netif);
    netif_set_up(&netif);
    if (config.dhcp && dhcp_start(&netif) != ERR_OK) {
        return -MULLION_E_RANGE;
    }
    return tcp_serve(accept);
}

void net_poll(bool cable)
{
    if (!netif_is_up(&netif)) {
        return;
    }
    bool received = frames_take();
    uint64_t now = now_ms();
    if (!received || now >= link_check_ms) {
        link_check(cable, now);
    }
    probe_proceed(now);
    fallback_count(now);
    static_pursue(now);
    sys_check_timeouts();
    status_update(now);
    tcp_hand_over();
}

uint64_t net_deadline(void)
{
    if (!netif_is_up(&netif)) {
        return UINT64_MAX;
    }
    uint64_t now = now_ms();
    uint64_t at = now + sys_timeouts_sleeptime();
    uint64_t others[] = {probe_deadline(&probe), link_check_ms};
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        at = others[i] < at ? others[i] : at;
    }
    return more_frames ? 0 : at * khz;
}

const struct net_status *net_status(void)
{
    return &status;
}

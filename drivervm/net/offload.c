/* SPDX-License-Identifier: MIT */
#include "offload.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAMES_MAX  128u
#define BLOCKS_MAX (NAMES_MAX / 32u)
#define BIT(n)     (1ull << (n))

/* Feature bits of VIRTIO 1.2, 5.1.3, by what the guest accepts, against the names that Linux gives to what it
 * sends. */
static const struct {
    const char *name;
    uint64_t features;
} offloads[] = {
    {"tx-checksum-ip-generic", BIT(1)},                  /* GUEST_CSUM */
    {"tx-tcp-segmentation", BIT(1) | BIT(7)},            /* GUEST_TSO4 */
    {"tx-tcp6-segmentation", BIT(1) | BIT(8)},           /* GUEST_TSO6 */
    {"tx-tcp-ecn-segmentation", BIT(1) | BIT(9)},        /* GUEST_ECN */
    {"tx-udp-segmentation", BIT(1) | BIT(54) | BIT(55)}, /* GUEST_USO4, GUEST_USO6 */
};

/* The kernel's list of names, and its sets of bits by place in that list, as the ioctl wants them. */
struct names {
    struct ethtool_gstrings head;
    char names[NAMES_MAX][ETH_GSTRING_LEN];
};

struct wanted {
    struct ethtool_sfeatures head;
    struct ethtool_set_features_block blocks[BLOCKS_MAX];
};

struct present {
    struct ethtool_gfeatures head;
    struct ethtool_get_features_block blocks[BLOCKS_MAX];
};

bool offload_suits(const char *name, uint64_t features, bool *is_ours)
{
    for (unsigned i = 0; i < sizeof offloads / sizeof offloads[0]; i++) {
        if (strcmp(name, offloads[i].name) == 0) {
            *is_ours = true;
            return (features & offloads[i].features) == offloads[i].features;
        }
    }
    *is_ours = false;
    return true;
}

static int ethtool(int socket_fd, const char *interface, void *command)
{
    struct ifreq request = {.ifr_data = command};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    return ioctl(socket_fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static int read_names(int socket_fd, const char *interface, struct names *names)
{
    struct {
        struct ethtool_sset_info head;
        uint32_t count;
    } info = {.head = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = BIT(ETH_SS_FEATURES)}};
    const int error = ethtool(socket_fd, interface, &info);
    if (error || info.count > NAMES_MAX) {
        return error ? error : -E2BIG;
    }
    names->head = (struct ethtool_gstrings){ETHTOOL_GSTRINGS, ETH_SS_FEATURES, info.count};
    return ethtool(socket_fd, interface, names);
}

static int change(int socket_fd, const char *interface, const struct names *names, uint64_t features)
{
    struct wanted wanted = {.head = {ETHTOOL_SFEATURES, (names->head.len + 31) / 32}};
    for (uint32_t i = 0; i < names->head.len; i++) {
        bool is_ours;
        const bool suits = offload_suits(names->names[i], features, &is_ours);
        if (is_ours) {
            wanted.blocks[i / 32].valid |= 1u << i % 32;
            wanted.blocks[i / 32].requested |= (uint32_t)suits << i % 32;
        }
    }
    return ethtool(socket_fd, interface, &wanted);
}

static int verify(int socket_fd, const char *interface, const struct names *names, uint64_t features)
{
    struct present present = {.head = {ETHTOOL_GFEATURES, (names->head.len + 31) / 32}};
    const int error = ethtool(socket_fd, interface, &present);
    if (error) {
        return error;
    }
    for (uint32_t i = 0; i < names->head.len; i++) {
        bool is_ours;
        if ((present.blocks[i / 32].active >> i % 32 & 1) &&
            !offload_suits(names->names[i], features, &is_ours)) {
            return -EOPNOTSUPP;
        }
    }
    return 0;
}

int offload_set(const char *interface, uint64_t features)
{
    static struct names names;
    const int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) {
        return -errno;
    }
    int error = read_names(socket_fd, interface, &names);
    error = error ? error : change(socket_fd, interface, &names, features);
    error = error ? error : verify(socket_fd, interface, &names, features);
    close(socket_fd);
    return error;
}

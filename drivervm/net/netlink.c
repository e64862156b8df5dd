/* SPDX-License-Identifier: MIT */
#include "netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request under way. The longest, for the bridge, takes about 100 bytes of attributes. */
struct request {
    struct nlmsghdr header;
    struct ifinfomsg link;
    _Alignas(NLMSG_ALIGNTO) uint8_t attributes[256];
};

static int asking = -1;

static void request_start(struct request *request, uint16_t type, uint16_t flags)
{
    *request = (struct request){.header = {.nlmsg_len = NLMSG_LENGTH(sizeof request->link),
                                           .nlmsg_type = type,
                                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags}};
}

/* @return where the attribute begins, for nest_end() */
static struct rtattr *attribute(struct request *request, uint16_t type, const void *value, size_t bytes)
{
    struct rtattr *at =
        (struct rtattr *)(void *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));
    at->rta_type = type;
    at->rta_len = (uint16_t)RTA_LENGTH(bytes);
    if (bytes > 0) {
        memcpy(RTA_DATA(at), value, bytes);
    }
    request->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_SPACE(bytes));
    return at;
}

static struct rtattr *nest_start(struct request *request, uint16_t type)
{
    return attribute(request, type, NULL, 0);
}

static void nest_end(const struct request *request, struct rtattr *nest)
{
    const uint8_t *end = (const uint8_t *)request + request->header.nlmsg_len;
    nest->rta_len = (uint16_t)(end - (const uint8_t *)nest);
}

/* Sends the request and waits for the kernel's verdict, which the call to send() has already produced. */
static int ask(const struct request *request)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr verdict;
        uint8_t rest[512];
    } reply;
    if (send(asking, request, request->header.nlmsg_len, 0) < 0) {
        return -errno;
    }
    const ssize_t got = recv(asking, &reply, sizeof reply, 0);
    if (got < 0) {
        return -errno;
    }
    const bool is_verdict =
        (size_t)got >= NLMSG_LENGTH(sizeof reply.verdict) && reply.header.nlmsg_type == NLMSG_ERROR;
    return is_verdict ? reply.verdict.error : -EPROTO;
}

static int open_socket(uint32_t groups, int flags)
{
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        return -errno;
    }
    return fd;
}

int netlink_open(void)
{
    asking = open_socket(0, 0);
    return asking < 0 ? asking : open_socket(RTMGRP_LINK, SOCK_NONBLOCK);
}

void netlink_drain(int news)
{
    uint8_t message[256];
    while (recv(news, message, sizeof message, 0) >= 0 || errno == ENOBUFS || errno == EINTR) {
    }
}

int netlink_add_bridge(const char *name, const uint8_t mac[6])
{
    static const uint32_t none;
    struct request request;
    request_start(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
    attribute(&request, IFLA_ADDRESS, mac, 6);
    struct rtattr *info = nest_start(&request, IFLA_LINKINFO);
    attribute(&request, IFLA_INFO_KIND, "bridge", sizeof "bridge");
    struct rtattr *data = nest_start(&request, IFLA_INFO_DATA);
    attribute(&request, IFLA_BR_FORWARD_DELAY, &none, sizeof none);
    attribute(&request, IFLA_BR_STP_STATE, &none, sizeof none);
    nest_end(&request, data);
    nest_end(&request, info);
    return ask(&request);
}

int netlink_set_up(unsigned interface, bool up)
{
    struct request request;
    request_start(&request, RTM_NEWLINK, 0);
    request.link.ifi_index = (int)interface;
    request.link.ifi_change = IFF_UP;
    request.link.ifi_flags = up ? IFF_UP : 0;
    return ask(&request);
}

int netlink_set_master(unsigned interface, unsigned bridge)
{
    struct request request;
    request_start(&request, RTM_NEWLINK, 0);
    request.link.ifi_index = (int)interface;
    attribute(&request, IFLA_MASTER, &bridge, sizeof bridge);
    return ask(&request);
}

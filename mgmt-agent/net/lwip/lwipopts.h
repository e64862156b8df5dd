/* SPDX-License-Identifier: MIT */
/*
 * lwIP as the agent uses it: one thread, raw API, tables of fixed size, so that no sender can make it take
 * more memory than stands here. The rules between the figures are checked at the end.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#include <stdint.h>

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define LWIP_RAW             0
#define LWIP_STATS           0
#define LWIP_TIMERS          1

#define LWIP_IPV4           1
#define LWIP_ICMP           1
#define LWIP_UDP            1
#define LWIP_TCP            1
#define LWIP_DHCP           1
#define LWIP_DNS            0
#define LWIP_AUTOIP         0
#define LWIP_IGMP           0
#define IP_FORWARD          0
#define IP_OPTIONS_ALLOWED  0
#define LWIP_NETIF_HOSTNAME 1
#define ETHARP_TRUST_IP_MAC 0
#define ETHARP_SUPPORT_VLAN 0

/* net/probe.c looks for another owner of an address, in a quarter of a second; lwIP's way takes 7 s. */
#define LWIP_ACD                 0
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define DHCP_DOES_ARP_CHECK      0

#define LWIP_IPV6                     1
#define LWIP_ICMP6                    1
#define LWIP_IPV6_MLD                 1
#define LWIP_IPV6_AUTOCONFIG          1
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 1
#define LWIP_IPV6_NUM_ADDRESSES       3
#define LWIP_IPV6_FORWARD             0
#define LWIP_IPV6_DHCP6               0
#define LWIP_ND6_NUM_NEIGHBORS        32
#define IPV6_FRAG_COPYHEADER          1 /* pointers are wider than lwIP's header fields */

#define LWIP_NETIF_STATUS_CALLBACK 1

#define MEM_ALIGNMENT   8
#define MEM_LIBC_MALLOC 1 /* segments on their way out: bounded by TCP_SND_BUF per connection */
#define MEMP_MEM_MALLOC 0

#define TCP_MSS             1460
#define TCP_WND             (16 * TCP_MSS)
#define TCP_SND_BUF         (16 * TCP_MSS)
#define TCP_SND_QUEUELEN    64
#define TCP_QUEUE_OOSEQ     1
#define TCP_OOSEQ_MAX_PBUFS 8
#define TCP_LISTEN_BACKLOG  1
#define LWIP_WND_SCALE      0

#define MEMP_NUM_TCP_PCB        384
#define MEMP_NUM_TCP_PCB_LISTEN 2
#define MEMP_NUM_TCP_SEG        7168 /* see STRANGER_SEGMENTS in net/tcp.c */
#define MEMP_NUM_PBUF           512
#define MEMP_NUM_UDP_PCB        4
#define MEMP_NUM_REASSDATA      4
#define IP_REASS_MAX_PBUFS      16
#define PBUF_POOL_SIZE          512
#define ARP_TABLE_SIZE          32

/* Sequence numbers that nobody can guess. */
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) net_random()

#if LWIP_DHCP_DOES_ACD_CHECK && !LWIP_ACD
#error "LWIP_DHCP_DOES_ACD_CHECK needs LWIP_ACD; set it to 0: net/probe.c does this check"
#endif
#if TCP_SND_QUEUELEN < 2 * (TCP_SND_BUF / TCP_MSS)
#error "TCP_SND_QUEUELEN is too small for TCP_SND_BUF: raise it to twice TCP_SND_BUF / TCP_MSS"
#endif
#if MEMP_NUM_TCP_SEG < TCP_SND_QUEUELEN
#error "MEMP_NUM_TCP_SEG is smaller than one connection's TCP_SND_QUEUELEN: raise it"
#endif
#if PBUF_POOL_SIZE * 1400 < 8 * TCP_WND
#error "PBUF_POOL_SIZE holds less than eight receive windows: raise it or lower TCP_WND"
#endif
#if LWIP_IPV6 && UINTPTR_MAX > 0xffffffff && !IPV6_FRAG_COPYHEADER
#error "IPV6_FRAG_COPYHEADER must be 1 where pointers have 64 bits"
#endif
#if MEM_LIBC_MALLOC && MEMP_MEM_MALLOC
#error "MEMP_MEM_MALLOC would let a sender allocate without bound: set it to 0"
#endif

#endif

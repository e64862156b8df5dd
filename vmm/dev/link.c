/* SPDX-License-Identifier: MIT */
#include "dev/link.h"

#include "core/lib.h"

enum { ETHERNET_HEADER = 14, NEEDS_CSUM = 1, GSO_NONE = 0, GSO_TCP4 = 1, GSO_TCP6 = 4 };
#define FRAME_MAX      (65536u + ETHERNET_HEADER + 4u) /* a segment of TSO, with a VLAN tag */
#define GSO_PIECES_MAX 1024u /* Linux cuts 64 KiB into at most 745; more would be an attack on who has to cut */

/** Virtio 1.2, section 5.1.6. */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t header_bytes, gso_bytes, csum_start, csum_offset, buffers;
};

/* MOVED: the chain is done; MOVED_PART: go on with the same one; WAIT: it stays until the receiver has buffers. */
enum outcome { MOVED, MOVED_PART, WAIT, DROP_FULL, DROP_FEATURES, DROP_INVALID, RECEIVER_BROKEN };

/** Taken before the two directions' locks by whoever wants both. */
static struct spinlock both_lock;

/** One call's work. */
struct turn {
    struct link_end *from, *to, *broken; /* broken: whose ring makes no sense; nothing more is done */
    uint64_t bytes;                      /* moved so far */
    struct virtqueue_list source, target;
};

/** A place in the memory of a list. */
struct cursor {
    const struct virtqueue_list *list;
    uint32_t segment, offset;
};

/* ---- moving bytes ---- */

static uint32_t room(struct cursor *c) {
    while (c->offset == c->list->segment[c->segment].bytes) {
        c->segment++;
        c->offset = 0;
    }
    return c->list->segment[c->segment].bytes - c->offset;
}

static uint64_t advance(struct cursor *c, uint32_t bytes) {
    uint64_t at = c->list->segment[c->segment].at + c->offset;
    c->offset += bytes;
    return at;
}

static uint32_t smaller(uint64_t a, uint64_t b) { return (uint32_t)(a < b ? a : b); }

/* The callers know that the lists hold as many bytes as they move. */

enum local { READ, WRITE, SKIP };

/** Between a list and the VMM's own memory. */
static void local(struct cursor *c, const struct partition *ram, enum local what, void *data, uint64_t bytes) {
    for (uint32_t step, done = 0; bytes != 0; bytes -= step, done += step) {
        step = smaller(room(c), bytes);
        uint64_t at = advance(c, step);
        if (what == READ) { ram_read(ram, at, (uint8_t *)data + done, step); }
        if (what == WRITE) { ram_write(ram, at, (const uint8_t *)data + done, step); }
    }
}

static void move(struct turn *t, struct cursor *to, struct cursor *from, uint64_t bytes) {
    t->bytes += bytes;
    t->from->out.counters.bytes += bytes;
    for (uint32_t step; bytes != 0; bytes -= step) {
        step = smaller(smaller(room(from), room(to)), bytes);
        ram_copy(t->to->ram, advance(to, step), t->from->ram, advance(from, step), step);
        t->from->out.counters.copies++;
    }
}

/* ---- net ---- */

/** Leaves of the header what is known and makes sense for a frame of `bytes`. */
static bool clean_header(struct net_header *h, uint64_t bytes) {
    bool csum = (h->flags & NEEDS_CSUM) != 0, gso = h->gso_type != GSO_NONE;
    bool known = h->gso_type == GSO_TCP4 || h->gso_type == GSO_TCP6;
    if (csum && (h->csum_start < ETHERNET_HEADER || h->csum_start + h->csum_offset + 2ull > bytes)) { return false; }
    if (gso && (!known || !csum || h->gso_bytes == 0 || h->header_bytes > bytes)) { return false; }
    if (gso && bytes / h->gso_bytes > GSO_PIECES_MAX) { return false; }
    if (!csum) { h->csum_start = h->csum_offset = 0; }
    if (!gso) { h->header_bytes = h->gso_bytes = 0; }
    h->flags &= NEEDS_CSUM;
    return true;
}

static bool receiver_takes(const struct net_header *h, uint64_t features) {
    uint64_t needed = (h->flags & NEEDS_CSUM) != 0 ? VIRTIO_NET_F_GUEST_CSUM : 0;
    needed |= h->gso_type == GSO_TCP4 ? VIRTIO_NET_F_GUEST_TSO4 : 0;
    needed |= h->gso_type == GSO_TCP6 ? VIRTIO_NET_F_GUEST_TSO6 : 0;
    return (features & needed) == needed;
}

/** The receiver has too few buffers. Once the limit has passed frames are dropped at once, until one gets through. */
static enum outcome wait_for_buffers(struct turn *t) {
    struct link_direction *d = &t->from->out;
    if (virtqueue_ask(&t->to->virtio.queues[VIRTIO_RX], t->to->ram)) { /* there are new ones: another turn */
        __atomic_store_n(&d->again, true, __ATOMIC_SEQ_CST);
        return WAIT;
    }
    uint64_t now = link_clock();
    if (d->stalled_since == 0) { d->stalled_since = now; }
    return link_waits_for(t->to) && now - d->stalled_since < t->from->patience ? WAIT : DROP_FULL;
}

/** Finds buffers for so many bytes; they stay in the receiver's ring. */
static enum outcome collect(struct turn *t, uint64_t bytes) {
    struct virtqueue_list *list = &t->target;
    uint32_t most = (t->to->virtio.features & VIRTIO_NET_F_MRG_RXBUF) != 0 ? VIRTQUEUE_CHAINS_MAX : 1;
    list->chains = list->segments = 0;
    for (uint64_t found = 0; found < bytes; found += list->chain[list->chains - 1].bytes) {
        if (list->chains == most || list->segments + VIRTQUEUE_CHAIN_MAX > VIRTQUEUE_SEGMENTS_MAX) { return DROP_FULL; }
        enum virtqueue_result next = virtqueue_fetch(&t->to->virtio.queues[VIRTIO_RX], t->to->ram, true, list);
        if (next != VIRTQUEUE_FETCHED) { return next == VIRTQUEUE_NONE ? wait_for_buffers(t) : RECEIVER_BROKEN; }
    }
    return MOVED;
}

static void return_buffers(struct turn *t, uint64_t bytes) {
    struct virtqueue *rx = &t->to->virtio.queues[VIRTIO_RX];
    for (uint32_t i = 0; i < t->target.chains; i++) {
        uint32_t written = smaller(t->target.chain[i].bytes, bytes);
        virtqueue_return(rx, t->to->ram, t->target.chain[i].head, written);
        bytes -= written;
    }
    virtqueue_publish(rx, t->to->ram);
    t->from->out.stalled_since = 0;
}

/** Sends the frame in t->source. */
static enum outcome send_frame(struct turn *t) {
    struct net_header header;
    uint64_t bytes = t->source.chain[0].bytes;
    if (bytes < sizeof header + ETHERNET_HEADER || bytes > sizeof header + FRAME_MAX) { return DROP_INVALID; }
    struct cursor from = {.list = &t->source}, to = {.list = &t->target};
    local(&from, t->from->ram, READ, &header, sizeof header);
    if (!clean_header(&header, bytes - sizeof header)) { return DROP_INVALID; }
    if (!receiver_takes(&header, t->to->virtio.features)) { return DROP_FEATURES; }
    enum outcome outcome = collect(t, bytes);
    if (outcome != MOVED) { return outcome; }
    header.buffers = (uint16_t)t->target.chains;
    local(&to, t->to->ram, WRITE, &header, sizeof header);
    move(t, &to, &from, bytes - sizeof header);
    return_buffers(t, bytes);
    return MOVED;
}

/* ---- console: bytes are dropped like frames, since Linux waits for its console with interrupts off ---- */

/** Sends as much of the bytes in t->source as the next buffer takes. */
static enum outcome send_bytes(struct turn *t) {
    struct link_direction *d = &t->from->out;
    uint64_t all = t->source.chain[0].bytes;
    if (d->offset >= all) { return MOVED; }
    enum outcome outcome = collect(t, 1);
    if (outcome != MOVED) { return outcome; }
    struct cursor from = {.list = &t->source}, to = {.list = &t->target};
    uint32_t bytes = smaller(smaller(all - d->offset, t->target.chain[0].bytes), LINK_CALL_BYTES);
    local(&from, t->from->ram, SKIP, NULL, d->offset);
    move(t, &to, &from, bytes);
    return_buffers(t, bytes);
    d->offset += bytes;
    return d->offset < all ? MOVED_PART : MOVED;
}

/* ---- a turn ---- */

static bool spent(const struct turn *t) {
    return t->bytes >= LINK_CALL_BYTES || t->source.descriptors + t->target.descriptors >= LINK_CALL_DESCRIPTORS;
}

static bool needs_reset(const struct link_end *end) {
    return __atomic_load_n(&end->virtio.needs_reset, __ATOMIC_ACQUIRE);
}

static void break_end(struct link_end *end) {
    __atomic_fetch_add(&end->out.counters.broken, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&end->virtio.needs_reset, true, __ATOMIC_RELEASE);
    __atomic_fetch_add(&end->virtio.generation, 1, __ATOMIC_RELEASE);
    link_interrupt(end, end->virtio.common.config_vector);
}

/** The next chain of the sender: it is sent, dropped, or stays. @return false if there is no more to do now */
static bool serve_chain(struct turn *t, uint64_t *due) {
    struct link_direction *d = &t->from->out;
    struct virtqueue *tx = &t->from->virtio.queues[VIRTIO_TX];
    bool net = t->from->virtio.kind == MULLION_PORT_NET;
    t->source.chains = t->source.segments = 0;
    switch (virtqueue_fetch(tx, t->from->ram, false, &t->source)) {
    case VIRTQUEUE_FETCHED: break;
    case VIRTQUEUE_NONE: t->source.descriptors++; return virtqueue_ask(tx, t->from->ram);
    case VIRTQUEUE_BROKEN: t->broken = t->from; return false;
    }
    switch (!d->up ? DROP_FULL : net ? send_frame(t) : send_bytes(t)) {
    case MOVED: d->counters.frames++; break;
    case DROP_FULL: d->counters.dropped_full++; break;
    case DROP_FEATURES: d->counters.dropped_features++; break;
    case DROP_INVALID: d->counters.dropped_invalid++; break;
    case MOVED_PART: return true;
    case WAIT: *due = d->stalled_since != 0 ? d->stalled_since + t->from->patience : LINK_NEVER; return false;
    case RECEIVER_BROKEN: t->broken = t->to; return false;
    }
    d->offset = 0;
    virtqueue_return(tx, t->from->ram, t->source.chain[0].head, 0);
    virtqueue_publish(tx, t->from->ram);
    return true;
}

static void interrupt_if_wanted(struct link_end *end, unsigned queue) {
    struct virtqueue *q = &end->virtio.queues[queue];
    if (virtqueue_wants_interrupt(q, end->ram)) { link_interrupt(end, q->regs.vector); }
}

static void serve(struct turn *t, uint64_t start) {
    struct link_direction *d = &t->from->out;
    uint64_t due = LINK_NEVER;
    if (!d->live || needs_reset(t->from) || (d->up && needs_reset(t->to))) { return; }
    while (!spent(t) && serve_chain(t, &due)) {}
    interrupt_if_wanted(t->from, VIRTIO_TX);
    if (d->up) { interrupt_if_wanted(t->to, VIRTIO_RX); }
    if (t->broken != NULL) { break_end(t->broken); }
    /* The sender's guest first gets as long as this took: a flood has at most half of a CPU for its copying. */
    if (spent(t)) { due = 2 * link_clock() - start; }
    __atomic_store_n(&d->due, due, __ATOMIC_SEQ_CST);
    if (due != LINK_NEVER) { link_wake(t->from); }
}

/** For whoever held a direction's lock without moving anything: those who found it taken meanwhile have left their
 * work. The port is there as long as it is live: the caller holds both_lock, or is the CPU that takes ports away. */
static void leave(struct link_end *end) {
    struct link_direction *d = &end->out;
    bool live = d->live;
    spin_unlock(&d->lock);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* whoever found the lock taken has set `again` before */
    if (live && __atomic_load_n(&d->again, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&d->due, 0, __ATOMIC_SEQ_CST);
        link_wake(end);
    }
}

/* ---- up and down ---- */

static bool runs(const struct link_end *end) { return end->running && !end->halted && !needs_reset(end); }

static bool is_acknowledged(const struct link_end *end) {
    return !end->must_acknowledge || end->acknowledged == end->virtio.features;
}

static void show(struct link_end *end, bool up) {
    struct link_direction *d = &end->out;
    bool live = runs(end), changed = d->up != up;
    if (!changed && d->live == live) { return; }
    d->live = live;
    d->up = up;
    d->stalled_since = 0;
    __atomic_store_n(&d->due, live ? 0 : LINK_NEVER, __ATOMIC_SEQ_CST); /* what waits can go now, or be dropped */
    if (changed) {
        __atomic_store_n(&end->virtio.link_up, up, __ATOMIC_RELEASE);
        __atomic_fetch_add(&end->virtio.generation, 1, __ATOMIC_RELEASE);
        if (live) { link_interrupt(end, end->virtio.common.config_vector); }
    }
    if (live) { link_wake(end); }
    link_report(end);
}

/** Something has changed: is the link up now? */
static void settle(struct link_end *end) {
    struct link_end *peer = end->peer;
    bool up = peer != NULL && runs(end) && runs(peer) && is_acknowledged(end) && is_acknowledged(peer);
    show(end, up);
    if (peer != NULL) { show(peer, up); }
}

static struct link_end *begin_change(struct link_end *end) {
    spin_lock(&both_lock);
    spin_lock(&end->out.lock);
    if (end->peer != NULL) { spin_lock(&end->peer->out.lock); }
    return end->peer;
}

static void end_change(struct link_end *end, struct link_end *peer) {
    settle(end);
    if (peer != NULL) { leave(peer); }
    leave(end);
    spin_unlock(&both_lock);
}

/** Clears no more than what is looked at first: the lists are large. */
static void begin(struct turn *t, struct link_end *from) {
    t->from = from;
    t->bytes = t->source.descriptors = t->target.descriptors = 0;
    t->broken = NULL;
}

bool link_pump(struct link_end *from) {
    struct link_direction *d = &from->out;
    uint64_t start = link_clock();
    struct turn t;
    begin(&t, from);
    __atomic_store_n(&d->again, true, __ATOMIC_SEQ_CST);
    while (t.broken == NULL && !spent(&t) && __atomic_load_n(&d->again, __ATOMIC_SEQ_CST) && spin_try_lock(&d->lock)) {
        __atomic_store_n(&d->again, false, __ATOMIC_SEQ_CST);
        t.source.descriptors++;
        t.to = from->peer;
        serve(&t, start);
        spin_unlock(&d->lock);
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* whoever found the lock taken has set `again` before */
    }
    if (t.broken != NULL) { end_change(from, begin_change(from)); }
    return spent(&t);
}

void link_init(struct link_end *end, const struct partition *ram, const struct mullion_port_create *port,
               uint64_t patience) {
    spin_lock(&end->out.lock);
    virtio_init(&end->virtio, port);
    end->ram = ram;
    end->patience = patience;
    end->running = end->halted = end->must_acknowledge = false;
    end->out.live = end->out.up = false;
    end->acknowledged = end->out.offset = 0;
    end->out.due = LINK_NEVER;
    end->out.counters = (struct mullion_port_info){.id = 0};
    spin_unlock(&end->out.lock);
}

void link_connect(struct link_end *end, struct link_end *peer, bool must_acknowledge) {
    begin_change(end);
    spin_lock(&peer->out.lock);
    end->peer = peer;
    peer->peer = end;
    end->must_acknowledge = must_acknowledge;
    end_change(end, peer);
}

void link_disconnect(struct link_end *end) {
    struct link_end *peer = begin_change(end);
    if (peer != NULL) {
        peer->peer = end->peer = NULL;
        peer->must_acknowledge = end->must_acknowledge = false;
        peer->acknowledged = end->acknowledged = 0;
        settle(peer);
    }
    end_change(end, peer);
}

void link_acknowledge(struct link_end *end, uint64_t features) {
    struct link_end *peer = begin_change(end);
    end->acknowledged = features;
    end_change(end, peer);
}

void link_run(struct link_end *end) {
    struct link_end *peer = begin_change(end);
    const struct virtqueue *queues = end->virtio.queues;
    end->running = virtqueue_fits(&queues[VIRTIO_RX], end->ram) && virtqueue_fits(&queues[VIRTIO_TX], end->ram);
    if (!end->running) { break_end(end); }
    end_change(end, peer);
}

void link_reset(struct link_end *end) {
    struct link_end *peer = begin_change(end);
    virtio_reset(&end->virtio);
    end->running = false;
    end->out.offset = 0;
    if (peer != NULL) { peer->acknowledged = 0; } /* it was this end's driver that set itself up for them */
    end_change(end, peer);
}

void link_halt(struct link_end *end, bool halted) {
    struct link_end *peer = begin_change(end);
    end->halted = halted;
    end_change(end, peer);
}

void link_info(struct link_end *end, struct mullion_port_info *info) {
    uint32_t id = info->id, slot = info->slot;
    spin_lock(&end->out.lock);
    *info = end->out.counters;
    info->status = (end->peer != NULL ? MULLION_PORT_CONNECTED : 0) | (end->running ? MULLION_PORT_DRIVER_OK : 0) |
                   (needs_reset(end) ? MULLION_PORT_NEEDS_RESET : 0) | (end->out.up ? MULLION_PORT_LINK_UP : 0);
    info->features = end->running ? end->virtio.features : 0;
    leave(end);
    info->id = id;
    info->slot = slot;
    info->kind = end->virtio.kind;
}

/* SPDX-License-Identifier: MIT */
#include "http/connection.h"

#include <stdlib.h>
#include <string.h>

#include "http/error.h"
#include "http/response.h"

#define ROUNDS     16u /* steps in one turn, so that one client cannot hold up the others */
#define FIRST_ROOM 2048u
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

/* How a step went. */
enum step {
    STEP_AGAIN, /* the phase may have changed: go on */
    STEP_IDLE,  /* nothing to do until something happens */
    STEP_END,   /* the client is gone */
};

static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

void connection_open(struct connection *c, struct stream *stream, uint64_t now_ms)
{
    *c = (struct connection){
        .phase = CONNECTION_HEAD, .stream = stream, .opened_ms = now_ms, .since_ms = now_ms};
}

static void release(struct connection *c, bool abort)
{
    stream_close(c->stream, abort);
    free(c->input);
    free(c->response.body);
    *c = (struct connection){.phase = CONNECTION_FREE};
}

void connection_drop(struct connection *c)
{
    release(c, true);
}

static void enter(struct connection *c, enum connection_phase phase, uint64_t now_ms)
{
    c->phase = phase;
    c->since_ms = now_ms;
    c->sent = 0;
}

/* Makes room for `needed` bytes of input. */
static bool make_room(struct connection *c, size_t needed)
{
    if (needed <= c->room) {
        return true;
    }
    char *larger = realloc(c->input, needed);
    if (larger == NULL) {
        return false;
    }
    c->input = larger;
    c->room = needed;
    return true;
}

/* Reads until `limit` bytes are there. STEP_AGAIN: some came. */
static enum step fill(struct connection *c, size_t limit)
{
    if (c->used >= limit) {
        return STEP_IDLE;
    }
    if (c->used == c->room) {
        size_t room = c->room == 0 ? FIRST_ROOM : 2 * c->room;
        if (!make_room(c, room < limit ? room : limit)) {
            return STEP_END;
        }
    }
    size_t room = (c->room < limit ? c->room : limit) - c->used;
    long bytes = stream_read(c->stream, c->input + c->used, room);
    if (bytes == STREAM_END) {
        return STEP_END;
    }
    c->used += (size_t)bytes;
    return bytes > 0 ? STEP_AGAIN : STEP_IDLE;
}

/* The answer is complete: puts its head before it. */
static void answer(struct connection *c, uint64_t now_ms)
{
    struct http_response *response = &c->response;
    if (response->overflow) {
        http_error(response, 500, "answer-too-large", "ask for less at once, for example with a limit",
                   "the answer does not fit the server's memory");
    }
    struct response_frame frame = {
        .close = c->close, .http_1_0 = c->head.http_1_0, .head_only = c->head.method == HTTP_HEAD};
    if (!response_join(response, &frame)) {
        response->body_bytes = 0; /* no memory even for a head: the client sees the connection end */
        c->close = true;
    }
    enter(c, CONNECTION_WRITE, now_ms);
}

/* What the client sends after this is not to be understood: the connection ends with the answer. */
static enum step refuse(struct connection *c, struct connection_service *service, enum parse_result why,
                        uint64_t now_ms)
{
    service->counters.rejected[why]++;
    c->close = true;
    parse_refuse(why, &c->response);
    answer(c, now_ms);
    return STEP_AGAIN;
}

static enum step step_head(struct connection *c, struct connection_service *service, uint64_t now_ms)
{
    bool was_empty = c->used == 0;
    enum step step = fill(c, PARSE_HEAD_MAX);
    if (step == STEP_END || c->used == 0) {
        return step;
    }
    if (was_empty) {
        c->since_ms = now_ms;
    }
    enum parse_result result = parse_head(c->input, c->used, &c->head);
    if (result == PARSE_MORE) {
        return step;
    }
    if (result != PARSE_OK) {
        return refuse(c, service, result, now_ms);
    }
    c->close = !c->head.keep_alive;
    bool asks =
        c->head.expects_continue && !c->head.http_1_0 && c->used < c->head.head_bytes + c->head.body_bytes;
    enter(c, asks ? CONNECTION_CONTINUE : CONNECTION_BODY, now_ms);
    return STEP_AGAIN;
}

/* Writes on; STEP_AGAIN: all is written. */
static enum step write_out(struct connection *c, const char *data, size_t bytes, uint64_t now_ms)
{
    while (c->sent < bytes) {
        long taken = stream_write(c->stream, data + c->sent, bytes - c->sent);
        if (taken == STREAM_END) {
            return STEP_END;
        }
        if (taken == 0) {
            stream_flush(c->stream);
            return STEP_IDLE;
        }
        c->sent += (size_t)taken;
        c->since_ms = now_ms;
    }
    stream_flush(c->stream);
    return STEP_AGAIN;
}

static enum step step_continue(struct connection *c, struct connection_service *service, uint64_t now_ms)
{
    (void)service;
    enum step step = write_out(c, go_on, sizeof(go_on) - 1, now_ms);
    if (step == STEP_AGAIN) {
        enter(c, CONNECTION_BODY, now_ms);
    }
    return step;
}

static enum step step_body(struct connection *c, struct connection_service *service, uint64_t now_ms)
{
    size_t whole = c->head.head_bytes + c->head.body_bytes;
    if (c->used < whole) {
        return make_room(c, whole) ? fill(c, whole) : STEP_END;
    }
    if (!parse_finish(c->input, &c->head, &c->request)) {
        return refuse(c, service, PARSE_TARGET, now_ms);
    }
    service->counters.requests++;
    c->asked = false;
    enter(c, CONNECTION_HANDLE, now_ms);
    return STEP_AGAIN;
}

static void take_trust(struct connection *c, struct connection_service *service)
{
    if (c->request.bearer[0] == 0) {
        return;
    }
    if (c->response.status == 401) {
        service->counters.unauthorized++;
    } else if (!c->trusted) {
        c->trusted = true;
        stream_keep(c->stream);
    }
}

/* While a request waits, the next one may come, as far as there is room for it; so does the client's end. */
static enum step keep_waiting(struct connection *c)
{
    return c->used < c->room && fill(c, c->room) == STEP_END ? STEP_END : STEP_IDLE;
}

static enum step step_handle(struct connection *c, struct connection_service *service, uint64_t now_ms)
{
    uint64_t limit = c->response.wait_limit_ms;
    c->request.waited_ms = c->asked ? now_ms - c->since_ms + 1 : 0;
    bool is_last = c->asked && c->request.waited_ms > limit;
    c->asked = true;
    c->response.body_bytes = 0;
    if (service->handler(service->context, &c->request, &c->response) == HTTP_WAIT) {
        if (!is_last || c->response.wait_limit_ms > limit) {
            return keep_waiting(c);
        }
        http_error(&c->response, 503, "no-answer", "try again",
                   "nothing happened within the time that was asked for");
    }
    take_trust(c, service);
    answer(c, now_ms);
    return STEP_AGAIN;
}

/* The request has been answered: what came after it moves to the front. */
static void forget_request(struct connection *c)
{
    size_t whole = c->head.head_bytes + c->head.body_bytes;
    c->used -= whole;
    memmove(c->input, c->input + whole, c->used);
    c->served++;
    if (c->used == 0) {
        free(c->input);
        c->input = NULL;
        c->room = 0;
    }
}

static enum step step_write(struct connection *c, struct connection_service *service, uint64_t now_ms)
{
    (void)service;
    enum step step = write_out(c, c->response.body, c->response.body_bytes, now_ms);
    if (step != STEP_AGAIN) {
        return step;
    }
    free(c->response.body);
    c->response = (struct http_response){.status = 0};
    if (c->close) {
        stream_finish(c->stream);
        enter(c, CONNECTION_LINGER_PHASE, now_ms);
    } else {
        forget_request(c);
        enter(c, CONNECTION_HEAD, now_ms);
    }
    return STEP_AGAIN;
}

static enum step step_linger(struct connection *c, struct connection_service *service, uint64_t now_ms)
{
    (void)service, (void)now_ms;
    static char sink[4096];
    long bytes = stream_read(c->stream, sink, sizeof(sink));
    if (bytes == STREAM_END) {
        return STEP_END;
    }
    c->thrown_away += (size_t)bytes;
    return c->thrown_away > CONNECTION_LINGER ? STEP_END : bytes > 0 ? STEP_AGAIN : STEP_IDLE;
}

static enum step (*const steps[CONNECTION_PHASE_COUNT])(struct connection *, struct connection_service *,
                                                        uint64_t) = {
    [CONNECTION_HEAD] = step_head,   [CONNECTION_CONTINUE] = step_continue,
    [CONNECTION_BODY] = step_body,   [CONNECTION_HANDLE] = step_handle,
    [CONNECTION_WRITE] = step_write, [CONNECTION_LINGER_PHASE] = step_linger,
};

/* A client that was slow with a request is told so; one that asked nothing, or does not read, is not. */
static void time_out(struct connection *c, struct connection_service *service, uint64_t now_ms)
{
    bool has_asked = (c->phase == CONNECTION_HEAD && c->used > 0) || c->phase == CONNECTION_BODY;
    service->counters.timeouts += c->phase != CONNECTION_LINGER_PHASE;
    if (!has_asked) {
        bool stuck = c->phase == CONNECTION_WRITE;
        if (!stuck) {
            stream_finish(c->stream); /* so that the client can tell this end from a cut wire */
        }
        release(c, stuck);
        return;
    }
    c->close = true;
    http_error(&c->response, 408, "request-timeout", "send the whole request at once",
               "the request did not come within %u s",
               (c->phase == CONNECTION_HEAD ? CONNECTION_HEAD_MS : CONNECTION_BODY_MS) / 1000);
    answer(c, now_ms);
    c->more = true;
}

void connection_turn(struct connection *c, struct connection_service *service, uint64_t now_ms)
{
    enum step step = STEP_AGAIN;
    for (unsigned round = 0; round < ROUNDS && step == STEP_AGAIN; round++) {
        step = steps[c->phase](c, service, now_ms);
    }
    c->more = step == STEP_AGAIN || c->stream->hungry;
    if (step == STEP_END) {
        release(c, false);
    } else if (c->phase != CONNECTION_HANDLE && now_ms >= connection_deadline(c) && !c->more) {
        time_out(c, service, now_ms);
    }
}

static uint64_t limit_ms(const struct connection *c)
{
    switch (c->phase) {
    case CONNECTION_HEAD:
        return c->used > 0 ? CONNECTION_HEAD_MS : c->served == 0 ? CONNECTION_FIRST_MS : CONNECTION_IDLE_MS;
    case CONNECTION_BODY:
        return CONNECTION_BODY_MS;
    case CONNECTION_HANDLE:
        return c->response.wait_limit_ms;
    case CONNECTION_CONTINUE:
    case CONNECTION_WRITE:
        return c->trusted ? CONNECTION_WRITE_MS : CONNECTION_DEAF_MS;
    case CONNECTION_LINGER_PHASE:
        return CONNECTION_LINGER_MS;
    case CONNECTION_FREE:
    case CONNECTION_PHASE_COUNT:
        break;
    }
    return CONNECTION_NEVER;
}

uint64_t connection_deadline(const struct connection *c)
{
    uint64_t limit = limit_ms(c);
    return c->more ? 0 : limit == CONNECTION_NEVER ? limit : c->since_ms + limit;
}

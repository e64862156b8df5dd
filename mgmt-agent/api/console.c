/* SPDX-License-Identifier: MIT */
/* Output that grows: partitions' consoles and the VMM's log, read from an offset on. */
#include <string.h>

#include "api/call.h"
#include "model/words.h"
#include "os/os.h"

#define PIECE_BYTES WRITER_TEXT_BYTES
#define FOLLOW_MS   25000u /* then an empty answer, so that no proxy between gives up */

/* What was asked for, and what there was. */
struct reading {
    uint64_t wanted, offset; /* first byte wanted; first byte read */
    size_t bytes;
    bool follow, base64;
};

static char piece[PIECE_BYTES];

static bool parameters_read(struct call *call, struct reading *reading)
{
    static const char *const known[] = {"offset", "follow", "encoding", NULL};
    char encoding[16] = "text";
    uint64_t follow;
    if (!call_query_check(call, known) ||
        !call_query_number(call, "offset", 0, UINT64_MAX, &reading->wanted) ||
        !call_query_number(call, "follow", 0, 1, &follow)) {
        return false;
    }
    call_query_text(call, "encoding", encoding, sizeof(encoding));
    reading->follow = follow != 0;
    reading->base64 = strcmp(encoding, "base64") == 0;
    if (!reading->base64 && strcmp(encoding, "text") != 0) {
        http_error(call->response, 400, "bad-parameter", "leave it out, or give `text` or `base64`",
                   "\"%s\" is no value for the parameter \"encoding\"", encoding);
        return false;
    }
    return true;
}

static long piece_read(enum mullion_call number, uint32_t id, struct reading *reading)
{
    struct mullion_buffer request = {
        .id = id, .offset = reading->wanted, .gpa = os_gpa(piece), .bytes = PIECE_BYTES};
    long error = os_hypercall(number, &request);
    if (error != 0 || request.bytes > PIECE_BYTES) {
        return error != 0 ? error : -MULLION_E_RANGE;
    }
    reading->offset = request.bytes > 0 ? request.offset : reading->wanted;
    reading->bytes = request.bytes;
    return 0;
}

/* Bytes at the end that may be the beginning of a UTF-8 sequence: they are left for the next reading. */
static size_t unfinished(const char *data, size_t bytes)
{
    for (size_t back = 1; back <= 3 && back < bytes; back++) {
        unsigned char c = (unsigned char)data[bytes - back];
        size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if (c >= 0x80 && c < 0xc0) {
            continue;
        }
        return length > back ? back : 0;
    }
    return 0;
}

static enum http_outcome answer(struct call *call, struct reading *reading)
{
    struct writer *json = &call->json;
    if (!reading->base64) {
        reading->bytes -= unfinished(piece, reading->bytes);
    }
    call_begin(call, 200);
    json_number(json, "offset", reading->offset);
    json_number(json, "next", reading->offset + reading->bytes);
    json_number(json, "lost", reading->offset > reading->wanted ? reading->offset - reading->wanted : 0);
    if (reading->base64) {
        json_base64(json, "base64", piece, reading->bytes);
    } else {
        json_bytes(json, "text", piece, reading->bytes);
    }
    return call_end(call);
}

/* Whether to wait for more instead of saying that there is nothing. */
static bool waits(const struct call *call, const struct reading *reading, bool may_grow)
{
    call->response->wait_limit_ms = FOLLOW_MS;
    return reading->follow && may_grow && reading->bytes == 0 && call->request->waited_ms < FOLLOW_MS;
}

static enum http_outcome read_and_answer(struct call *call, enum mullion_call number, uint32_t id,
                                         bool may_grow)
{
    struct reading reading;
    if (!parameters_read(call, &reading)) {
        return HTTP_DONE;
    }
    long error = piece_read(number, id, &reading);
    if (error != 0) {
        http_error(call->response, 500, "internal", "report this as a defect", "the VMM refused to read: %s",
                   words_error(error));
        return HTTP_DONE;
    }
    return waits(call, &reading, may_grow) ? HTTP_WAIT : answer(call, &reading);
}

enum http_outcome api_console(struct call *call)
{
    struct partition *p = call_partition(call);
    if (p == NULL) {
        return HTTP_DONE;
    }
    if (p->id == 0) {
        http_error(call->response, 409, "not-created", "start it first",
                   "partition \"%s\" does not exist now, so it has no console", call->name);
        return HTTP_DONE;
    }
    return read_and_answer(call, MULLION_CALL_CONSOLE_READ, p->id, p->phase == PHASE_RUNNING);
}

enum http_outcome api_log(struct call *call)
{
    return read_and_answer(call, MULLION_CALL_LOG_READ, 0, true);
}

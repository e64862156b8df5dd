/* SPDX-License-Identifier: MIT */
/* What the files of api/ share: one request on its way to its answer. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/writer.h"
#include "http/error.h"
#include "model/machine.h"

#define CALL_NAME_BYTES 64u

struct call {
    struct machine *machine;
    const struct http_request *request;
    struct http_response *response;
    struct writer json;                                  /* the answer's body */
    char name[CALL_NAME_BYTES], action[CALL_NAME_BYTES]; /* of the path, where its pattern has them */
};

/** Handles one kind of request. */
typedef enum http_outcome call_handler(struct call *call);

/** Begins an answer: status, and the object that is its body. */
void call_begin(struct call *call, unsigned status);

/** Ends it. */
enum http_outcome call_end(struct call *call);

/** @return the partition named in the path; else NULL, and the answer is 404 */
struct partition *call_partition(struct call *call);

/** Checks that the query holds only parameters of this NULL-terminated list; else the answer is 400. */
bool call_query_check(struct call *call, const char *const *known);

/** Reads a parameter of the query. @return false if it is not there */
bool call_query_text(const struct call *call, const char *name, char *text, size_t size);

/** Reads a number from the query, `otherwise` if it is not there. @return false if it is none: the answer is
 * 400 */
bool call_query_number(struct call *call, const char *name, uint64_t otherwise, uint64_t limit,
                       uint64_t *value);

call_handler api_root, api_system, api_partitions, api_partition, api_partition_action, api_console,
    api_hardware, api_log, api_box_action;

/** Writes the members of a partition: all, or what a list shows. */
void api_write_partition(struct call *call, struct partition *p, bool all);

/** Writes the counters of ports as an array. */
void api_write_ports(struct call *call, const struct partition *p);

#endif

/* SPDX-License-Identifier: MIT */
/* What can be done to a partition and to the box. */
#include <string.h>

#include "api/call.h"
#include "model/schema.h"

/** The body of a request, read. */
struct options {
    bool force;
};

struct action {
    const char *name;
    int (*carry_out)(struct machine *machine, struct partition *p, struct failure *failure);
    bool takes_force;
};

static const struct action actions[] = {
    {"start", partition_start, false}, {"stop", partition_stop_gracefully, true},
    {"pause", partition_pause, false}, {"resume", partition_resume, false},
    {"reset", partition_reset, false},
};

/* ---- the body
 * ------------------------------------------------------------------------------------------------------ */

static const struct schema_field stop_fields[] = {{
    .name = "force",
    .value = {.kind = SCHEMA_BOOLEAN},
    .otherwise = "false",
    .example = "true",
    .text = "stop it at once, without asking the guest",
    .since = "0.1",
}};
static const struct schema_object stop_body = {"Stop", "How to stop a partition.", stop_fields, 1, NULL};
static const struct schema_object empty_body = {"Empty", "Nothing to say.", NULL, 0, NULL};

/* Reads the body, which may be empty. @return false if it is wrong: the answer is 400 */
static bool options_read(struct call *call, bool takes_force, struct options *options)
{
    static struct json json;
    static struct problem_list problems;
    const struct http_request *request = call->request;
    *options = (struct options){.force = false};
    if (request->body_bytes == 0) {
        return true;
    }
    memset(&problems, 0, sizeof(problems));
    const struct json_node *root = json_parse(&json, "body", request->body, request->body_bytes, &problems);
    if (root != NULL) {
        schema_check(&json, root, takes_force ? &stop_body : &empty_body);
    }
    if (root != NULL && !root->faulty) {
        options->force = takes_force && schema_flag(&stop_body, root, "force");
        return true;
    }
    http_error(call->response, 400, "bad-body",
               takes_force ? "send {\"force\": true}, or no body" : "send no body, or {}", "%s",
               problems.count > 0 ? problems.text[0] : "the body is no JSON object");
    return false;
}

/* ---- answers
 * ------------------------------------------------------------------------------------------------------- */

/* "what: why: remedy" of the model, taken apart. */
static enum http_outcome conflict(struct call *call, const struct failure *failure)
{
    char text[PROBLEM_BYTES];
    memcpy(text, failure->text, sizeof(text));
    char *remedy = NULL;
    for (char *at = strstr(text, ": "); at != NULL; at = strstr(at + 2, ": ")) {
        remedy = at;
    }
    if (remedy != NULL) {
        *remedy = 0;
    }
    http_error(call->response, 409, "conflict", remedy != NULL ? remedy + 2 : "see its state", "%s", text);
    return HTTP_DONE;
}

static enum http_outcome action_answer(struct call *call, struct partition *p, bool stops_later)
{
    call_begin(call, stops_later ? 202 : 200);
    json_text(&call->json, "action", call->action);
    json_text(&call->json, "partition", p->spec->name);
    json_text(&call->json, "state", machine_phase_name(p->phase));
    if (stops_later) {
        json_text(&call->json, "message",
                  "its power button was pressed; it is stopped by force if it still runs then");
        json_number(&call->json, "forcedAfterMs", PARTITION_STOP_MS);
    }
    return call_end(call);
}

static const struct action *action_find(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            return &actions[i];
        }
    }
    return NULL;
}

static enum http_outcome no_action(struct call *call, const char *known)
{
    http_error(call->response, 404, "no-such-action", known, "there is no action \"%s\"", call->action);
    return HTTP_DONE;
}

enum http_outcome api_partition_action(struct call *call)
{
    const struct action *action = action_find(call->action);
    struct partition *p = call_partition(call);
    struct failure failure = {.text = ""};
    struct options options;
    if (p == NULL || action == NULL) {
        return p == NULL ? HTTP_DONE : no_action(call, "use one of start, stop, pause, resume, reset");
    }
    if (p == &call->machine->driver_view) {
        http_error(call->response, 409, "conflict",
                   "leave it to the agent, which restarts it when that is needed",
                   "the driver VM is the agent's own");
        return HTTP_DONE;
    }
    if (!options_read(call, action->takes_force, &options)) {
        return HTTP_DONE;
    }
    bool forced = action->takes_force && options.force;
    int error =
        forced ? partition_stop(call->machine, p, &failure) : action->carry_out(call->machine, p, &failure);
    return error != 0 ? conflict(call, &failure) : action_answer(call, p, p->stop_by_ms != 0);
}

enum http_outcome api_box_action(struct call *call)
{
    bool reboots = strcmp(call->action, "reboot") == 0;
    struct failure failure = {.text = ""};
    struct options options;
    if (!reboots && strcmp(call->action, "poweroff") != 0) {
        return no_action(call, "use reboot or poweroff");
    }
    if (!options_read(call, false, &options)) {
        return HTTP_DONE;
    }
    if (machine_end(call->machine, reboots ? BOX_REBOOTS : BOX_POWERS_OFF, &failure) != 0) {
        return conflict(call, &failure);
    }
    call_begin(call, 202);
    json_text(&call->json, "action", call->action);
    json_text(&call->json, "message", "all partitions are stopped first, by force if they do not react");
    json_number(&call->json, "forcedAfterMs", PARTITION_STOP_MS);
    return call_end(call);
}

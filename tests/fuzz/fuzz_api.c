/* SPDX-License-Identifier: MIT */
/* Any method, path, query and body, with the right token: an answer with a known status; JSON that the
 * agent's own strict reader takes; errors with all three members. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "model/json.h"
#include "model/machine.h"
#include "os/linux/model.h"
#include "ui/console.h"

#define MANIFEST                                                                                             \
    "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":[{\"name\":\"alpha\",\"cpus\":[1],"  \
    "\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"},\"autostart\":false}]}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine machine;
static struct json json;

static void announce(const char *line)
{
    (void)line;
}

static void prepare(void)
{
    model_boot(4);
    model_add_module("image vmlinux", "k", 1);
    model_add_module("manifest", MANIFEST, sizeof(MANIFEST) - 1);
    console_start(1000000);
    machine_read(&machine, announce);
    machine_bring_up(&machine);
}

static void check(const struct http_response *response)
{
    static struct problem_list problems;
    if (response->status < 200 || response->status > 599 || response->overflow) {
        abort();
    }
    if (strcmp(response->content_type, "application/json") != 0) {
        return;
    }
    memset(&problems, 0, sizeof(problems));
    const struct json_node *root =
        json_parse(&json, "answer", response->body, response->body_bytes, &problems);
    if (root == NULL || (response->status >= 400 &&
                         (json_member(root, "code") == NULL || json_member(root, "message") == NULL ||
                          json_member(root, "remedy") == NULL))) {
        abort();
    }
}

/* The next zero-terminated text of the input. */
static const char *text_take(char **at, const char *end)
{
    const char *text = *at;
    *at += strlen(*at) + (*at < end ? 1 : 0);
    *at = *at < end ? *at : (char *)end;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (machine.token[0] == 0) {
        prepare();
    }
    if (size == 0) {
        return 0;
    }
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = 0;
    char *at = copy + 1;
    const char *end = copy + size;
    struct http_request request = {.method = (enum http_method)(data[0] % (HTTP_OTHER + 1)),
                                   .bearer = machine.token};
    request.path = text_take(&at, end);
    request.query = text_take(&at, end);
    request.body = at;
    request.body_bytes = (size_t)(end - at);
    request.waited_ms = 60000;
    struct http_response response = {.status = 0};
    if (api_handle(&machine, &request, &response) == HTTP_DONE) {
        check(&response);
    }
    free(response.body);
    free(copy);
    machine.ending = BOX_STAYS;
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* manifest-lint: says what a box would say about a manifest or a site configuration, without the box. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lint/box.h"
#include "lint/print.h"
#include "lint/yaml.h"
#include "model/json_write.h"
#include "model/manifest.h"
#include "model/manifest_layout.h"
#include "model/plan.h"
#include "model/site.h"

enum {
    EXIT_VALID = 0,
    EXIT_WRONG = 1,
    EXIT_USAGE = 2,
};

enum output {
    OUTPUT_VERDICT,
    OUTPUT_JSON,
    OUTPUT_MAP,
    OUTPUT_LAYOUT,
    OUTPUT_PLAN,
};

static struct json json, box_json, now_json;
static struct problem_list problems;
static struct manifest manifest;
static struct layout layout;
static struct facts facts;
static struct manifest_self self;
static const struct facts *box;     /* NULL: none was named */
static const struct json_node *now; /* what is to be compared with; NULL: nothing */

static void usage(void)
{
    fputs(
        "usage: manifest-lint [--box BOX.json] [--json | --map | --layout | --plan NOW.json] FILE...\n"
        "       manifest-lint --schema      prints the JSON Schema\n"
        "       manifest-lint --reference   prints the reference part of docs/manifest.md\n"
        "Checks manifests and site configurations. FILE is JSON, or YAML if it ends in .yaml or .yml; - is\n"
        "standard input, as JSON.\n"
        "--box     checks whether they fit the box that the file describes\n"
        "--layout  shows which partition would get what of that box\n"
        "--plan    shows the steps from one manifest to another, and what they cost\n"
        "--json    writes a file that is right as canonical JSON, which is what a box reads\n"
        "--map     shows where each value of such a file stands, to find what a box complains about:\n"
        "          pointer, line, column\n"
        "Exit status: 0 all are right, 1 some are not, 2 something could not be read.\n",
        stderr);
    exit(EXIT_USAGE);
}

static size_t file_read(const char *path, char *text, size_t size)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "manifest-lint: %s: cannot be read\n", path);
        exit(EXIT_USAGE);
    }
    size_t bytes = fread(text, 1, size, file);
    if (file != stdin) {
        fclose(file);
    }
    return bytes;
}

static bool is_yaml(const char *path)
{
    const char *suffix = strrchr(path, '.');
    return suffix != NULL && (strcmp(suffix, ".yaml") == 0 || strcmp(suffix, ".yml") == 0);
}

static bool is_site(const struct json_node *root)
{
    const struct json_node *kind = root->type == JSON_OBJECT ? json_member(root, "kind") : NULL;
    return kind != NULL && kind->type == JSON_STRING && strcmp(kind->string, "Site") == 0;
}

static void document_check(const struct json_node *root)
{
    struct site site;
    layout.count = 0;
    if (is_site(root) && now == NULL) {
        site_take(&site, &json, root);
        return;
    }
    manifest_take(&manifest, &json, root, box != NULL ? &self : NULL);
    if (box != NULL) {
        layout_check(&layout, &manifest, &json, box);
    }
}

static void print_part(void *to, const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, to);
}

/* Nodes lie in the order of the text. */
static void print_map(void)
{
    char buffer[JSON_POINTER_BYTES];
    for (uint32_t i = 0; i < json.node_count; i++) {
        struct json_place place = json_place(&json, json.nodes[i].offset);
        printf("%s %u %u\n", json_pointer(&json.nodes[i], buffer), place.line, place.column);
    }
}

static void print_layout(void)
{
    for (unsigned i = 0; i < layout.count; i++) {
        const struct layout_part *part = &layout.parts[i];
        printf("%s: cpus", part->name);
        for (unsigned k = 0; k < part->cpu_count; k++) {
            printf(" %" PRIu32, part->cpus[k]);
        }
        printf("; memory");
        for (unsigned k = 0; k < part->memory.count; k++) {
            printf(" %#" PRIx64 "+%" PRIu64 "MiB", part->memory.ranges[k].hpa,
                   part->memory.ranges[k].bytes >> 20);
        }
        printf("\n");
    }
}

static void print_plan(const struct json_node *root)
{
    static struct plan plan;
    const struct plan_now in_force = {.root = now, .running = UINT64_MAX};
    plan_make(&plan, &in_force, root);
    for (unsigned i = 0; i < plan.count; i++) {
        const struct plan_step *step = &plan.steps[i];
        printf("%s %s [%s]: %s\n", plan_action_name(step->action), step->name, plan_effect_name(step->effect),
               step->reason);
    }
    printf("%u steps; effect: %s%s\n", plan.count, plan_effect_name(plan.effect),
           plan.can_cut_off ? "; can cut you off: try it" : "");
}

static int print_problems(const char *path)
{
    for (unsigned i = 0; i < problems.count; i++) {
        printf("%s\n", problems.text[i]);
    }
    if (problems.dropped > 0) {
        printf("%s: %u more errors; correct these first\n", path, problems.dropped);
    }
    return EXIT_WRONG;
}

static int report(const char *path, const struct json_node *root, enum output output)
{
    if (problems.count > 0) {
        return print_problems(path);
    }
    switch (output) {
    case OUTPUT_JSON:
        json_write(root, print_part, stdout);
        printf("\n");
        break;
    case OUTPUT_MAP:
        print_map();
        break;
    case OUTPUT_LAYOUT:
        print_layout();
        break;
    case OUTPUT_PLAN:
        print_plan(root);
        break;
    default:
        printf("%s: valid\n", path);
    }
    return EXIT_VALID;
}

static int file_check(const char *path, enum output output)
{
    static char text[JSON_MAX_BYTES + 1];
    size_t bytes = file_read(path, text, sizeof(text));
    memset(&problems, 0, sizeof(problems));
    const struct json_node *root = is_yaml(path) ? yaml_parse(&json, path, text, bytes, &problems)
                                                 : json_parse(&json, path, text, bytes, &problems);
    if (root != NULL) {
        document_check(root);
    }
    return report(path, root, output);
}

static void box_load(const char *path)
{
    static char text[JSON_MAX_BYTES + 1];
    size_t bytes = file_read(path, text, sizeof(text));
    const struct json_node *root = json_parse(&box_json, path, text, bytes, &problems);
    if (root == NULL || !box_take(&facts, &self, &box_json, root)) {
        print_problems(path);
        exit(EXIT_USAGE);
    }
    box = &facts;
}

static void now_load(const char *path)
{
    static char text[JSON_MAX_BYTES + 1];
    size_t bytes = file_read(path, text, sizeof(text));
    now = json_parse(&now_json, path, text, bytes, &problems);
    if (now != NULL) {
        manifest_take(&manifest, &now_json, now, NULL);
    }
    if (problems.count > 0) {
        print_problems(path);
        exit(EXIT_USAGE);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"box", required_argument, NULL, 'b'},  {"json", no_argument, NULL, 'j'},
        {"map", no_argument, NULL, 'm'},        {"layout", no_argument, NULL, 'l'},
        {"schema", no_argument, NULL, 's'},     {"reference", no_argument, NULL, 'r'},
        {"plan", required_argument, NULL, 'p'}, {0}};
    enum output output = OUTPUT_VERDICT;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'b':
            box_load(optarg);
            break;
        case 'j':
            output = OUTPUT_JSON;
            break;
        case 'm':
            output = OUTPUT_MAP;
            break;
        case 'l':
            output = OUTPUT_LAYOUT;
            break;
        case 'p':
            now_load(optarg);
            output = OUTPUT_PLAN;
            break;
        case 's':
            print_schema();
            return EXIT_VALID;
        case 'r':
            print_reference();
            return EXIT_VALID;
        default:
            usage();
        }
    }
    if (optind == argc || (output == OUTPUT_LAYOUT && box == NULL)) {
        usage();
    }
    int worst = EXIT_VALID;
    for (int i = optind; i < argc; i++) {
        int result = file_check(argv[i], output);
        worst = result > worst ? result : worst;
    }
    return worst;
}

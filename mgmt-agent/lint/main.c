/* SPDX-License-Identifier: MIT */
/* manifest-lint: says what a box would say about a manifest or a site configuration, without the box. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lint/print.h"
#include "lint/yaml.h"
#include "model/json_write.h"
#include "model/manifest.h"
#include "model/manifest_schema.h"
#include "model/site.h"

enum {
    EXIT_VALID = 0,
    EXIT_WRONG = 1,
    EXIT_USAGE = 2,
};

static struct json json;
static struct problem_list problems;
static struct manifest manifest;

static void usage(void)
{
    fprintf(stderr, "usage: manifest-lint [--json] FILE...   checks manifests and site configurations\n"
                    "       manifest-lint --schema           prints the JSON Schema\n"
                    "       manifest-lint --reference        prints the reference part of docs/manifest.md\n"
                    "FILE is JSON, or YAML if it ends in .yaml or .yml; - is standard input, as JSON.\n"
                    "--json writes a file that is right as canonical JSON, which is what a box reads.\n"
                    "Exit status: 0 all are right, 1 some are not, 2 something could not be read.\n");
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
    if (is_site(root)) {
        site_take(&site, &json, root);
    } else {
        manifest_take(&manifest, &json, root);
    }
}

static void print_part(void *to, const char *text, size_t bytes)
{
    fwrite(text, 1, bytes, to);
}

static int report(const char *path, const struct json_node *root, bool as_json)
{
    for (unsigned i = 0; i < problems.count; i++) {
        printf("%s\n", problems.text[i]);
    }
    if (problems.dropped > 0) {
        printf("%s: %u more errors; correct these first\n", path, problems.dropped);
    }
    if (problems.count == 0 && as_json) {
        json_write(root, print_part, stdout);
        printf("\n");
    } else if (problems.count == 0) {
        printf("%s: valid\n", path);
    }
    return problems.count == 0 ? EXIT_VALID : EXIT_WRONG;
}

static int file_check(const char *path, bool as_json)
{
    static char text[JSON_MAX_BYTES + 1];
    size_t bytes = file_read(path, text, sizeof(text));
    memset(&problems, 0, sizeof(problems));
    const struct json_node *root = is_yaml(path) ? yaml_parse(&json, path, text, bytes, &problems)
                                                 : json_parse(&json, path, text, bytes, &problems);
    if (root != NULL) {
        document_check(root);
    }
    return report(path, root, as_json);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"schema", no_argument, NULL, 's'},
                                            {"reference", no_argument, NULL, 'r'},
                                            {0}};
    bool as_json = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'j':
            as_json = true;
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
    if (optind == argc) {
        usage();
    }
    int worst = EXIT_VALID;
    for (int i = optind; i < argc; i++) {
        int result = file_check(argv[i], as_json);
        worst = result > worst ? result : worst;
    }
    return worst;
}

/* SPDX-License-Identifier: MIT */
/* The agent as a process: agent-linux [-c CPUS] 'WORDS=FILE'..., for example manifest=configs/demo.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/linux/model.h"

int agent_main(void);

static void module_load(const char *argument)
{
    char words[MULLION_TEXT_BYTES];
    const char *path = strchr(argument, '=');
    FILE *file = path != NULL ? fopen(path + 1, "rb") : NULL;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "agent-linux: %s: wanted WORDS=FILE, with a file that can be read\n", argument);
        exit(2);
    }
    size_t bytes = (size_t)ftell(file);
    void *data = malloc(bytes + 1);
    rewind(file);
    if (data == NULL || fread(data, 1, bytes, file) != bytes) {
        fprintf(stderr, "agent-linux: %s: cannot be read\n", argument);
        exit(2);
    }
    fclose(file);
    snprintf(words, sizeof(words), "%.*s", (int)(path - argument), argument);
    model_add_module(words, data, bytes);
}

int main(int argc, char **argv)
{
    unsigned cpus = 4;
    int option;
    while ((option = getopt(argc, argv, "c:")) == 'c') {
        cpus = (unsigned)strtoul(optarg, NULL, 10);
    }
    if (option != -1 || cpus < 1 || cpus > MODEL_MAX_CPUS) {
        fprintf(stderr, "usage: agent-linux [-c CPUS] WORDS=FILE...   (CPUS 1..%u)\n", MODEL_MAX_CPUS);
        return 2;
    }
    model_boot(cpus);
    model_use_terminal();
    for (int i = optind; i < argc; i++) {
        module_load(argv[i]);
    }
    return agent_main();
}

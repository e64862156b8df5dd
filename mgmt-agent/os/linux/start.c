/* SPDX-License-Identifier: MIT */
/* The agent as a process: agent-linux [-c CPUS] [-l PORT] 'WORDS=FILE'..., for example
 * manifest=configs/demo.json. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/linux/model.h"
#include "os/linux/sockets.h"

int agent_main(void);

static void module_load(const char *argument)
{
    char words[MULLION_TEXT_BYTES];
    const char *path = strrchr(argument, '=');
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

static void usage(void)
{
    fprintf(stderr,
            "usage: agent-linux [-c CPUS] [-l PORT | --listen PORT] WORDS=FILE...\n"
            "  CPUS 1..%u; PORT: the API answers at https://127.0.0.1:PORT/, 0: any free port\n",
            MODEL_MAX_CPUS);
    exit(2);
}

static void network_listen(const char *argument)
{
    int port = sockets_listen((uint16_t)strtoul(argument, NULL, 10));
    if (port < 0) {
        fprintf(stderr, "agent-linux: port %s: cannot listen on it: name another one\n", argument);
        exit(2);
    }
    fprintf(stderr, "agent-linux: listening on port %d\n", port);
    model_watch(sockets_descriptor());
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {{"listen", required_argument, NULL, 'l'}, {0}};
    unsigned cpus = 4;
    const char *port = NULL;
    for (int option; (option = getopt_long(argc, argv, "c:l:", long_options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            cpus = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'l':
            port = optarg;
            break;
        default:
            usage();
        }
    }
    if (cpus < 1 || cpus > MODEL_MAX_CPUS) {
        usage();
    }
    model_boot(cpus);
    model_use_terminal();
    for (int i = optind; i < argc; i++) {
        module_load(argv[i]);
    }
    if (port != NULL) {
        network_listen(port);
    }
    return agent_main();
}

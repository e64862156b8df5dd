/* SPDX-License-Identifier: MIT */
#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int root_fd = -1;

int sysfs_start(const char *root)
{
    const int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (root_fd >= 0) {
        close(root_fd);
    }
    root_fd = fd;
    return 0;
}

bool sysfs_text(const char *path, char *text, size_t bytes)
{
    text[0] = '\0';
    const int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const ssize_t got = read(fd, text, bytes - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return got >= 0;
}

uint64_t sysfs_number(const char *path, uint64_t otherwise)
{
    char text[32];
    if (!sysfs_text(path, text, sizeof text) || text[0] < '0' || text[0] > '9') {
        return otherwise;
    }
    char *end;
    errno = 0;
    const uint64_t number = strtoull(text, &end, 0);
    return *end || errno ? otherwise : number;
}

bool sysfs_link(const char *path, char *target, size_t bytes)
{
    const ssize_t length = readlinkat(root_fd, path, target, bytes);
    const bool fits = length >= 0 && (size_t)length < bytes;
    target[fits ? length : 0] = '\0';
    return fits;
}

void sysfs_link_name(const char *path, char *name, size_t bytes)
{
    char target[256];
    sysfs_link(path, target, sizeof target);
    const char *slash = strrchr(target, '/');
    snprintf(name, bytes, "%s", slash ? slash + 1 : target);
}

static size_t read_names(DIR *directory, char names[][32], size_t max)
{
    size_t count = 0;
    for (const struct dirent *entry; count < max && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < sizeof names[0]) {
            memcpy(names[count++], entry->d_name, strlen(entry->d_name) + 1);
        }
    }
    return count;
}

size_t sysfs_names(const char *path, char names[][32], size_t max)
{
    const int fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory) {
        return 0;
    }
    const size_t count = read_names(directory, names, max);
    closedir(directory);
    return count;
}

int sysfs_slot(const char *address)
{
    unsigned domain, bus, device, function;
    int length = 0;
    if (sscanf(address, "%4x:%2x:%2x.%1o%n", &domain, &bus, &device, &function, &length) != 4 ||
        length != 12 || address[length] || domain || bus || device > 31) {
        return -1;
    }
    return (int)(device << 3 | function);
}

/* For LD_PRELOAD: while the file $FAULT_DISK exists, writing files of an application.db through to the disk fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
    const char *when = getenv("FAULT_DISK");
    char link[64], path[4096];
    if (!when || access(when, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, "application.db") != NULL;
}

int fdatasync(int fd) {
    static int (*next)(int);
    if (fails(fd)) { errno = EIO; return -1; }
    if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return next(fd);
}

int fsync(int fd) {
    static int (*next)(int);
    if (fails(fd)) { errno = EIO; return -1; }
    if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return next(fd);
}

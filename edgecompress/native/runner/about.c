/* What a device has for the runner, told without a model: whether the runtime's library will find what it needs. */
#define _GNU_SOURCE
#include "about.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "counters.h"
#include "session.h"

/* What the runtimes' libraries need beyond the C library, and small systems lack. */
static const char *const NEEDED[] = {"libstdc++.so.6", "libgcc_s.so.1"};

int tell_about(const struct options *options) {
    struct utsname system;
    int missing = 0;
    printf("{\"glibc\": ");
    print_string(gnu_get_libc_version());
    printf(", \"machine\": ");
    print_string(uname(&system) ? "" : system.machine);
    printf(", \"cores\": %llu, \"missing\": [", (unsigned long long)allowed_cores());
    for (size_t i = 0; i < sizeof NEEDED / sizeof *NEEDED; i++)
        if (!dlopen(NEEDED[i], RTLD_NOW)) {
            printf("%s", missing++ ? ", " : "");
            print_string(NEEDED[i]);
        }
    printf("]}\n");
    if (!missing && options->library)
        open_library("runtime", options->library); /* or refuse, in the place of the line */
    return fflush(stdout) != 0;
}

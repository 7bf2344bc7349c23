/* What a device has for the runner. */
#ifndef EDGECOMPRESS_ABOUT_H
#define EDGECOMPRESS_ABOUT_H

#include "options.h"

/* Print one JSON line: the C library's version, the machine, a mask of cores, and which libraries are missing. With
   --library the runtime is loaded, too, or one line says why it cannot be. Returns the exit status. */
int tell_about(const struct options *options);

#endif

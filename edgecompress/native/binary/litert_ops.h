/* TFLite files with Larq Compute Engine's operators in LiteRT, on the kernels of this library.

   LiteRT calls a kernel by its operator's name and does not say for which operator it calls, so the operators of a
   file are given names of their own, in a copy: open the file, create LiteRT's model from the copy, register the
   kernels with the options that it is compiled with, any number of times. Close it after all that was compiled. */
#ifndef EDGECOMPRESS_LITERT_OPS_H
#define EDGECOMPRESS_LITERT_OPS_H

#include <stddef.h>

#include "export.h"

struct edgecompress_litert;

/* Returns NULL, and a sentence in `why` of at least 256 bytes, for a file whose binary operators are not sound. A file
   without any is left as it is. `threads` are for a convolution. */
BINARY_EXPORT struct edgecompress_litert *edgecompress_litert_open(const void *file, size_t size_bytes, size_t threads,
                                                                   char *why);

/* The copy, aligned to 64 bytes; it lives until it is closed. */
BINARY_EXPORT const void *edgecompress_litert_model(const struct edgecompress_litert *litert, size_t *size_bytes);

/* How many binary operators it has. */
BINARY_EXPORT size_t edgecompress_litert_operators(const struct edgecompress_litert *litert);

/* What an operator is called in the file, by its name in the copy; NULL where it is not binary. */
BINARY_EXPORT const char *edgecompress_litert_name(const struct edgecompress_litert *litert, const char *name);

/* Add a kernel for each to `options`, a LiteRtOptions; `library` is LiteRT's, from dlopen. Returns 0 or a status. */
BINARY_EXPORT int edgecompress_litert_register(struct edgecompress_litert *litert, void *library, void *options);

/* How many runs of an operator came to nothing because LiteRT had a tensor of another shape than the file; their outputs
   are no numbers, or bits of 0. LiteRT itself does not look. */
BINARY_EXPORT size_t edgecompress_litert_failures(const struct edgecompress_litert *litert);

BINARY_EXPORT void edgecompress_litert_close(struct edgecompress_litert *litert);

#endif

/* Unpacks the packed files that edgecompress writes, bit by bit the same as its Python decoder.

   The input is read strictly from its beginning to its end, and so are the files inside written: a device can unpack
   while it downloads. Nothing but the C library is needed (malloc, free, memcpy and their like). No state is shared:
   any number of threads may unpack at once. Compile with -ffp-contract=off.

   What `edgecompress pack` writes takes 2 MiB for a segment, as much for its packed bytes, up to twice as much for what
   is in the making, and 0.3 MiB of tables: below 9 MiB, whatever the size of a model. (Context mixing takes 4.5 MiB,
   which are given back before the segment is made.) Only where a model is one stream of LZMA, because that is smallest,
   it takes as much as the model and its packed file together, at most 64 MiB each. The format's limits (a head of 4 MiB,
   64 MiB of a packed segment and of a stream, 16 MiB that arrays expand to) keep any file, however it came about, below
   160 MiB. The stack takes less than 16 KiB. */
#ifndef EDGECOMPRESS_UNPACK_H
#define EDGECOMPRESS_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ecz_status {
    ECZ_OK,
    ECZ_NOT_PACKED, /* the input does not begin as a packed file does */
    ECZ_VERSION,    /* it is of a version that this decoder does not know */
    ECZ_DAMAGED,    /* it is cut short, too long, or contradicts itself */
    ECZ_TOO_LARGE,  /* its files are larger than the limit */
    ECZ_MEMORY,     /* malloc returned NULL */
    ECZ_READ,       /* `read` failed */
    ECZ_WRITE       /* `begin_file`, `write` or `end_file` failed */
};

#define ECZ_READ_FAILED SIZE_MAX

struct ecz_io {
    /* Put at most `size` of the next bytes at `to` and return how many, at least one; 0 at the end of the input;
       ECZ_READ_FAILED where it cannot be read. */
    size_t (*read)(void *user, void *to, size_t size);

    /* These return 0, or anything else to stop. A name is UTF-8 without control characters, a relative path with
       slashes that never goes up; where none was kept it is empty, or `.tflite` or `.onnx`. No two files have the same. */
    int (*begin_file)(void *user, const char *name, uint64_t size_bytes);
    int (*write)(void *user, const void *data, size_t size);
    int (*end_file)(void *user); /* called only if all of the file was written and its hash is right */

    void *user;
};

/* Unpack one packed file of at most `limit_bytes` (all files inside together), the model first. Use what was written
   only if the result is ECZ_OK: what is wrong may be found at the very end. */
enum ecz_status ecz_unpack(const struct ecz_io *io, uint64_t limit_bytes);

/* Say what a status means, in a sentence without its full stop. */
const char *ecz_status_text(enum ecz_status status);

#ifdef __cplusplus
}
#endif

#endif

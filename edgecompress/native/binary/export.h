/* The library is compiled with hidden symbols; what others find in it says so. */
#ifndef EDGECOMPRESS_BINARY_EXPORT_H
#define EDGECOMPRESS_BINARY_EXPORT_H

#define BINARY_EXPORT __attribute__((visibility("default")))

#endif

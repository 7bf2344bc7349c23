/* All of the packed format as one translation unit, in the order in which its parts need each other; to be taken along
   as one file, which scripts/unpack_source.py writes. The format itself is described in edgecompress/packing
   (header.py, segment.py, generated.py, codings).

   Every function that can fail returns 0 then; `status` says why. No length is believed: all bounds are checked before
   memory is taken or time is spent. */
#include "unpack.h"

#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ && __BYTE_ORDER__ != __ORDER_BIG_ENDIAN__
#error "the order of bytes in a word is not known"
#endif

#define INLINE inline __attribute__((always_inline)) /* where speed depends on it */

enum {
    MAGIC_BYTES = 8,
    COMPACT_MAGIC_BYTES = 3,
    VERSION = 1,
    START_BYTES = 13, /* magic, version, length of the head */
    HASH_BYTES = 16,
    CHECK_BYTES = 4,
    MAX_HEAD_BYTES = 1 << 22,
    MAX_FILES = 1 << 12,
    MAX_NAME_BYTES = 512,
    MAX_SEGMENT_BYTES = 1 << 21,
    MAX_SOLID_BYTES = 1 << 26,
    MAX_PACKED_BYTES = MAX_SOLID_BYTES + 1,
    MAX_PIECES = 1 << 14,
    MAX_BYTES = 1 << 22,       /* that one coding expands to */
    MAX_SPENT_BYTES = 1 << 24, /* that all codings of a segment expand to together */
    FREE_STEPS = 1 << 20,      /* of the entropy coder in a file, and one more for so many bytes of it */
    BYTES_PER_STEP = 8,
    MAX_MIXED_BYTES = 1 << 15,
    MIXED_STEPS_PER_BYTE = 4,
    MAX_NUMBER_BYTES = 9,
    MAX_DEPTH = 4,
    MAX_ELEMENT_BYTES = 16,
    PADDING_BYTES = 1024 /* behind packed bytes: decoders look a step ahead, and only then whether they might */
};

enum { STORED, CODED, GENERATED, SOLID, MIXED, BARE = 16 };
enum { NOT_COMPRESSED = 255, MIXED_FORM = 254 };
enum { RAW, FILL, PLANES, SYMBOLS, CODEBOOK, SPARSE, SCALED, SHARED_BYTES, PRODUCT, SCALED_CODEBOOK };

enum {
    PROBABILITY_BITS = 14,
    ONE = 1 << PROBABILITY_BITS, /* the frequencies of a context add up to this */
    BUCKET_SLOTS = 4,                  /* that share an entry of a table, which fits the fastest cache then */
    BUCKETS = ONE / BUCKET_SLOTS + 16, /* with room for what is filled in beyond the end */
    INCREMENT = 8,
    COUNT_LIMIT = (1 << 18) - 1,
    FIRST_UPDATE = 64,
    LAST_UPDATE = 8192,
    UPDATE_SHARE = 4,
    MAX_ALPHABET = 256,
    MAX_LANES = 256,
    MAX_LANES_BITS = 8,
    MAX_CONTEXTS = 16,
    MAX_THRESHOLD = (1 << 12) - 1,
    MAX_INITIAL = 0xff00,
    LOWEST = 1 << 16,
    SCALE_BITS = 8,
    LEVEL_BITS = 4,
    RATIO_BITS = 36,
    ROW_PRIOR = 16,
    DRIFT = 3
};

enum { VECTORS, HASHED, MAX_AXES = 6, MAX_SIDE = 1 << 24, MAX_WORDS = 256, MAX_STAGES = 16, CHUNK_FLOATS = 1 << 14 };

enum { LZMA_STATES = 12, LZMA_LENGTHS = 2 + 2 * 16 * 8 + 256, LZMA_LITERALS = 0x300 << 4 };

static const uint64_t MAX_NUMBER = UINT64_MAX >> 1;
static const uint64_t MAX_SIZE_BYTES = UINT64_C(1) << 40;
static const uint64_t MAX_GENERATED_BYTES = UINT64_C(1) << 32;
static const uint8_t MAGIC[MAGIC_BYTES] = {0x89, 'E', 'C', 'Z', '\r', '\n', 0x1a, '\n'};
static const uint8_t COMPACT_MAGIC[COMPACT_MAGIC_BYTES - 1] = {0x89, 'E'}; /* and a letter for the suffix */

struct bytes {
    const uint8_t *at, *end;
};

struct block {
    struct block *before;
    uint64_t data[]; /* as wide as anything that is kept there */
};

struct hash {
    uint64_t state[8], size_bytes;
    size_t held;
    uint8_t buffer[128];
};

struct array {
    uint8_t *data;
    size_t size, taken, place;
    uint32_t pieces;
    int is_product;
};

/* How a sequence of symbols is coded: channel_contexts.py and symbol_coder.py describe each. */
struct symbols {
    uint32_t alphabet, lanes, contexts, shift, by_row, initial;
    size_t width;
    struct bytes stream;
    uint16_t thresholds[MAX_CONTEXTS - 1];
};

struct unpacker {
    const struct ecz_io *io;
    enum ecz_status status;
    struct block *last; /* of the blocks in use */

    struct bytes files, segments; /* what of the head is still to come */
    uint64_t files_left, segments_left;
    int is_open;
    uint64_t file_left;
    struct hash hash;
    uint8_t expected_hash[HASH_BYTES];
    size_t hash_bytes; /* of it that are known */
    char name[MAX_NAME_BYTES + 1];

    struct bytes parameters, payloads; /* of the segment, or of the generator's arrays */
    struct array *arrays;              /* of the segment */
    size_t array_count;                /* that are decoded */
    int64_t left_bytes, left_steps;
    int depth, products;

    uint32_t counts[MAX_CONTEXTS * MAX_ALPHABET], sums[MAX_CONTEXTS];
    uint32_t ranges[MAX_CONTEXTS * MAX_ALPHABET]; /* frequency, and 2^16 times where it starts */
    uint8_t buckets[MAX_CONTEXTS * BUCKETS];      /* the symbol of the first slot of each bucket */
    uint8_t levels[MAX_THRESHOLD + 1];            /* the context of each expectation */
    uint32_t splits[MAX_CONTEXTS];                /* where the second of two symbols starts */
    uint32_t states[MAX_LANES], row_sum, decay;
    uint64_t factor; /* of an average, which makes the expectation */
    uint16_t moved[MAX_ALPHABET];
    uint8_t magnitudes[MAX_ALPHABET];

    uint16_t lzma_match[LZMA_STATES << 4], lzma_rep[LZMA_STATES], lzma_rep0[LZMA_STATES], lzma_rep1[LZMA_STATES],
        lzma_rep2[LZMA_STATES], lzma_rep0_long[LZMA_STATES << 4], lzma_slot[4 << 6], lzma_special[128], lzma_align[16],
        lzma_length[2][LZMA_LENGTHS], lzma_literal[LZMA_LITERALS];

    uint32_t crc_table[8][256];
    float chunk[CHUNK_FLOATS];
};

#include "bytes.inc"
#include "hashes.inc"
#include "files.inc"
#include "lzma.inc"
#include "lzma2.inc"
#include "context_mixing.inc"
#include "entropy_coder.inc"
#include "codings.inc"
#include "value_codings.inc"
#include "segments.inc"
#include "generators.inc"
#include "head.inc"

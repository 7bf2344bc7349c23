/* Head, segments, codings, entropy coder, context mixing, LZMA, BLAKE2b and CRC-32: all of the packed format in one
   file, so that it is easily taken along. Its parts come in the order in which each needs those before it; the format
   itself is described in edgecompress/packing (header.py, segment.py, generated.py, codings).

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

/* ---- memory and bytes ---- */

static int fail(struct unpacker *u, enum ecz_status status) {
    if (!u->status)
        u->status = status;
    return 0;
}

static int damaged(struct unpacker *u) {
    return fail(u, ECZ_DAMAGED);
}

/* Returns memory that lasts until `give_back` to an earlier mark, or NULL. */
static void *take(struct unpacker *u, size_t size) {
    struct block *block = malloc(sizeof *block + size);
    if (!block) {
        fail(u, ECZ_MEMORY);
        return NULL;
    }
    block->before = u->last;
    u->last = block;
    return block->data;
}

static void give_back(struct unpacker *u, const struct block *mark) {
    while (u->last != mark) {
        struct block *block = u->last;
        u->last = block->before;
        free(block);
    }
}

static inline uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static inline uint16_t load16(const uint8_t *from) {
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap16(value);
}

static inline uint32_t load32(const uint8_t *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap32(value);
}

static inline uint64_t load64(const uint8_t *from) {
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap64(value);
}

static inline void store16(uint8_t *to, uint16_t value) {
    value = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap16(value);
    memcpy(to, &value, sizeof value);
}

static inline void store32(uint8_t *to, uint32_t value) {
    value = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
}

static inline void store64(uint8_t *to, uint64_t value) {
    value = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
}

static inline float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static size_t left(const struct bytes *reader) {
    return (size_t)(reader->end - reader->at);
}

/* Cuts the next bytes off. */
static int cut(struct unpacker *u, struct bytes *reader, uint64_t size, struct bytes *part) {
    if (size > left(reader))
        return damaged(u);
    *part = (struct bytes){reader->at, reader->at + size};
    reader->at += size;
    return 1;
}

static int read_byte(struct unpacker *u, struct bytes *reader, uint32_t most, uint32_t *value) {
    if (reader->at == reader->end || *reader->at > most)
        return damaged(u);
    *value = *reader->at++;
    return 1;
}

/* Seven bits a byte, the lowest first. */
static int read_number(struct unpacker *u, struct bytes *reader, uint64_t most, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; reader->at < reader->end && shift < 7 * MAX_NUMBER_BYTES; shift += 7) {
        uint8_t part = *reader->at++;
        *value |= (uint64_t)(part & 0x7f) << shift;
        if (part < 0x80)
            return *value <= most ? 1 : damaged(u);
    }
    return damaged(u);
}

static int read_size(struct unpacker *u, struct bytes *reader, size_t most, size_t *value) {
    uint64_t number;
    if (!read_number(u, reader, most, &number))
        return 0;
    *value = (size_t)number;
    return 1;
}

/* ---- check sum and hash ---- */

static void prepare_crc(struct unpacker *u) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
        u->crc_table[0][i] = value;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++)
            u->crc_table[k][i] = u->crc_table[k - 1][i] >> 8 ^ u->crc_table[0][u->crc_table[k - 1][i] & 0xff];
}

/* CRC-32 as in zlib; `before` is that of the bytes before, or 0. */
static uint32_t crc32(const struct unpacker *u, uint32_t before, const uint8_t *data, size_t size) {
    const uint32_t(*table)[256] = u->crc_table;
    uint32_t crc = ~before;
    for (; size >= 8; data += 8, size -= 8) {
        uint32_t low = load32(data) ^ crc, high = load32(data + 4);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
              table[3][high & 0xff] ^ table[2][high >> 8 & 0xff] ^ table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
    }
    for (; size; data++, size--)
        crc = crc >> 8 ^ table[0][(crc ^ *data) & 0xff];
    return ~crc;
}

static const uint64_t BLAKE_START[8] = {
    UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b),
    UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
    UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179),
};
static const uint8_t BLAKE_ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t turned(uint64_t value, int bits) {
    return value >> bits | value << (64 - bits);
}

#define MIX(a, b, c, d, x, y)       \
    do {                            \
        a += b + (x);               \
        d = turned(d ^ a, 32);      \
        c += d;                     \
        b = turned(b ^ c, 24);      \
        a += b + (y);               \
        d = turned(d ^ a, 16);      \
        c += d;                     \
        b = turned(b ^ c, 63);      \
    } while (0)
#define WORD(round, place) message[BLAKE_ORDER[(round) % 10][place]]
#define ROUND(r)                                                        \
    do {                                                                \
        MIX(v0, v4, v8, v12, WORD(r, 0), WORD(r, 1));                   \
        MIX(v1, v5, v9, v13, WORD(r, 2), WORD(r, 3));                   \
        MIX(v2, v6, v10, v14, WORD(r, 4), WORD(r, 5));                  \
        MIX(v3, v7, v11, v15, WORD(r, 6), WORD(r, 7));                  \
        MIX(v0, v5, v10, v15, WORD(r, 8), WORD(r, 9));                  \
        MIX(v1, v6, v11, v12, WORD(r, 10), WORD(r, 11));                \
        MIX(v2, v7, v8, v13, WORD(r, 12), WORD(r, 13));                 \
        MIX(v3, v4, v9, v14, WORD(r, 14), WORD(r, 15));                 \
    } while (0)

/* The compression function of BLAKE2b (RFC 7693), with all rounds written out: a loop takes half as long again. */
static void compress(struct hash *hash, const uint8_t *block, uint64_t is_last) {
    uint64_t message[16], *h = hash->state;
    for (int i = 0; i < 16; i++)
        message[i] = load64(block + 8 * i);
    uint64_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
    uint64_t v8 = BLAKE_START[0], v9 = BLAKE_START[1], v10 = BLAKE_START[2], v11 = BLAKE_START[3];
    uint64_t v12 = BLAKE_START[4] ^ hash->size_bytes, v13 = BLAKE_START[5];
    uint64_t v14 = BLAKE_START[6] ^ (0 - is_last), v15 = BLAKE_START[7];
    ROUND(0);
    ROUND(1);
    ROUND(2);
    ROUND(3);
    ROUND(4);
    ROUND(5);
    ROUND(6);
    ROUND(7);
    ROUND(8);
    ROUND(9);
    ROUND(10);
    ROUND(11);
    h[0] ^= v0 ^ v8;
    h[1] ^= v1 ^ v9;
    h[2] ^= v2 ^ v10;
    h[3] ^= v3 ^ v11;
    h[4] ^= v4 ^ v12;
    h[5] ^= v5 ^ v13;
    h[6] ^= v6 ^ v14;
    h[7] ^= v7 ^ v15;
}

static void begin_hash(struct hash *hash) {
    memcpy(hash->state, BLAKE_START, sizeof hash->state);
    hash->state[0] ^= 0x01010000 ^ HASH_BYTES;
    hash->size_bytes = hash->held = 0;
}

static void add_to_hash(struct hash *hash, const uint8_t *data, size_t size) {
    while (size) {
        if (hash->held == sizeof hash->buffer) { /* only now is it known not to be the last */
            hash->size_bytes += sizeof hash->buffer;
            compress(hash, hash->buffer, 0);
            hash->held = 0;
        }
        for (; !hash->held && size > sizeof hash->buffer; data += sizeof hash->buffer, size -= sizeof hash->buffer) {
            hash->size_bytes += sizeof hash->buffer;
            compress(hash, data, 0);
        }
        size_t room = sizeof hash->buffer - hash->held, part = size < room ? size : room;
        memcpy(hash->buffer + hash->held, data, part);
        hash->held += part;
        data += part;
        size -= part;
    }
}

static int hash_is(struct hash *hash, const uint8_t *expected, size_t size) {
    uint8_t found[HASH_BYTES];
    memset(hash->buffer + hash->held, 0, sizeof hash->buffer - hash->held);
    hash->size_bytes += hash->held;
    compress(hash, hash->buffer, 1);
    store64(found, hash->state[0]);
    store64(found + 8, hash->state[1]);
    return !memcmp(found, expected, size);
}

/* ---- input and output ---- */

/* Returns 1 if so many bytes came; a cut is no damage yet where `got` is asked for. */
static int read_input(struct unpacker *u, uint8_t *to, size_t size, size_t *got) {
    size_t have = 0;
    while (have < size) {
        size_t part = u->io->read(u->io->user, to + have, size - have);
        if (!part)
            break;
        if (part > size - have)
            return fail(u, ECZ_READ);
        have += part;
    }
    if (got)
        *got = have;
    return got || have == size ? 1 : damaged(u);
}

static int begin_file(struct unpacker *u) {
    begin_hash(&u->hash);
    u->is_open = 1;
    return u->io->begin_file(u->io->user, u->name, u->file_left) ? fail(u, ECZ_WRITE) : 1;
}

static int open_file(struct unpacker *u) {
    struct bytes name, hash;
    uint64_t name_bytes;
    if (!read_number(u, &u->files, MAX_NAME_BYTES, &name_bytes) || !cut(u, &u->files, name_bytes, &name) ||
        !read_number(u, &u->files, MAX_SIZE_BYTES, &u->file_left) || !cut(u, &u->files, HASH_BYTES, &hash))
        return 0;
    memcpy(u->name, name.at, name_bytes);
    u->name[name_bytes] = 0;
    memcpy(u->expected_hash, hash.at, HASH_BYTES);
    u->hash_bytes = HASH_BYTES;
    u->files_left--;
    return begin_file(u);
}

static int close_file(struct unpacker *u) {
    u->is_open = 0;
    if (!hash_is(&u->hash, u->expected_hash, u->hash_bytes))
        return damaged(u);
    return u->io->end_file(u->io->user) ? fail(u, ECZ_WRITE) : 1;
}

/* Writes the next bytes of the files one after another; the sizes in the head were compared with the segments'. */
static int deliver(struct unpacker *u, const uint8_t *data, size_t size) {
    while (size) {
        if (u->is_open && !u->file_left && !close_file(u))
            return 0;
        if (!u->is_open) {
            if (!open_file(u))
                return 0;
            continue;
        }
        size_t part = size < u->file_left ? size : (size_t)u->file_left;
        add_to_hash(&u->hash, data, part);
        if (u->io->write(u->io->user, data, part))
            return fail(u, ECZ_WRITE);
        u->file_left -= part;
        data += part;
        size -= part;
    }
    return 1;
}

/* ---- LZMA, after the LZMA specification ---- */

/* All that takes one of these is inlined, so that it stays in registers. */
struct range {
    const uint8_t *at;
    uint32_t range, code;
};

static INLINE void normalize(struct range *r) {
    if (r->range < 1u << 24) {
        r->range <<= 8;
        r->code = r->code << 8 | *r->at++;
    }
}

static INLINE uint32_t bit(struct range *r, uint16_t *probability) {
    normalize(r);
    uint32_t bound = (r->range >> 11) * *probability;
    if (r->code < bound) {
        r->range = bound;
        *probability = (uint16_t)(*probability + ((2048 - *probability) >> 5));
        return 0;
    }
    r->range -= bound;
    r->code -= bound;
    *probability = (uint16_t)(*probability - (*probability >> 5));
    return 1;
}

static INLINE uint32_t tree(struct range *r, uint16_t *probabilities, unsigned bits) {
    uint32_t node = 1;
    for (unsigned i = 0; i < bits; i++)
        node = node << 1 | bit(r, probabilities + node);
    return node - (1u << bits);
}

static INLINE uint32_t reverse_tree(struct range *r, uint16_t *probabilities, unsigned bits) {
    uint32_t node = 1, value = 0;
    for (unsigned i = 0; i < bits; i++) {
        uint32_t one = bit(r, probabilities + node);
        node = node << 1 | one;
        value |= one << i;
    }
    return value;
}

static INLINE uint32_t match_length(struct range *r, uint16_t *p, uint32_t position) {
    if (!bit(r, p))
        return 2 + tree(r, p + 2 + 8 * position, 3);
    if (!bit(r, p + 1))
        return 10 + tree(r, p + 2 + 16 * 8 + 8 * position, 3);
    return 18 + tree(r, p + 2 + 2 * 16 * 8, 8);
}

static INLINE uint32_t match_distance(struct unpacker *u, struct range *r, uint32_t length) {
    uint32_t slot = tree(r, u->lzma_slot + 64 * least(length - 2, 3), 6);
    if (slot < 4)
        return slot;
    unsigned bits = (slot >> 1) - 1;
    uint32_t distance = (2 | (slot & 1)) << bits;
    if (slot < 14)
        return distance + reverse_tree(r, u->lzma_special + distance - slot, bits);
    for (unsigned i = bits; i-- > 4;) {
        normalize(r);
        r->range >>= 1;
        uint32_t one = r->code >= r->range;
        r->code -= one ? r->range : 0;
        distance += one << i;
    }
    return distance + reverse_tree(r, u->lzma_align, 4);
}

static void reset_probabilities(uint16_t *probabilities, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes / sizeof *probabilities; i++)
        probabilities[i] = 1024;
}
#define RESET(probabilities) reset_probabilities((uint16_t *)(probabilities), sizeof(probabilities))

static INLINE uint8_t literal(struct range *r, uint16_t *p, int is_matched, uint32_t match) {
    uint32_t node = 1;
    if (is_matched)
        while (node < 0x100) {
            uint32_t expected = match >> 7 & 1;
            match <<= 1;
            uint32_t one = bit(r, p + ((1 + expected) << 8) + node);
            node = node << 1 | one;
            if (one != expected)
                break;
        }
    while (node < 0x100)
        node = node << 1 | bit(r, p + node);
    return (uint8_t)node;
}

struct lzma {
    uint32_t state, before[4], context_bits, place_bits, position_bits;
};

static int begin_lzma(struct unpacker *u, struct lzma *z, uint32_t properties) {
    z->context_bits = properties % 9;
    z->place_bits = properties / 9 % 5;
    z->position_bits = properties / 45;
    return z->context_bits + z->place_bits > 4 || z->position_bits > 4 ? damaged(u) : 1;
}

static void reset_lzma(struct unpacker *u, struct lzma *z) {
    RESET(u->lzma_match);
    RESET(u->lzma_rep);
    RESET(u->lzma_rep0);
    RESET(u->lzma_rep1);
    RESET(u->lzma_rep2);
    RESET(u->lzma_rep0_long);
    RESET(u->lzma_slot);
    RESET(u->lzma_special);
    RESET(u->lzma_align);
    RESET(u->lzma_length);
    reset_probabilities(u->lzma_literal, sizeof *u->lzma_literal * (0x300u << (z->context_bits + z->place_bits)));
    z->state = 0;
    memset(z->before, 0, sizeof z->before);
}

static struct range begin_range(const uint8_t *at) {
    return (struct range){at + 4, UINT32_MAX, (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]};
}

/* Makes the bytes of `out` from `done` up to `size`, and reads no symbol that begins behind `limit`. Behind that are
   more bytes than a symbol takes. A match may reach beyond `size` where `is_cut`. */
static int run_lzma(struct unpacker *u, struct lzma *z, struct range *range, const uint8_t *limit, uint8_t *out,
                    size_t done, size_t size, int is_cut) {
    struct range r = *range;
    uint32_t state = z->state, before[4], context_bits = z->context_bits;
    uint32_t position_mask = (1u << z->position_bits) - 1, place_mask = (1u << z->place_bits) - 1;
    memcpy(before, z->before, sizeof before);
    while (done < size && r.at <= limit) {
        uint32_t position = (uint32_t)done & position_mask, length;
        if (!bit(&r, u->lzma_match + (state << 4) + position)) {
            uint32_t last = done ? out[done - 1] : 0;
            uint32_t which = (((uint32_t)done & place_mask) << context_bits) + (last >> (8 - context_bits));
            int is_matched = state >= 7;
            if (is_matched && before[0] >= done)
                return damaged(u);
            out[done] = literal(&r, u->lzma_literal + 0x300 * which, is_matched,
                                is_matched ? out[done - before[0] - 1] : 0);
            done++;
            state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
            continue;
        }
        if (!bit(&r, u->lzma_rep + state)) {
            length = match_length(&r, u->lzma_length[0], position);
            uint32_t distance = match_distance(u, &r, length);
            before[3] = before[2];
            before[2] = before[1];
            before[1] = before[0];
            before[0] = distance; /* an end mark is beyond all that there is */
            state = state < 7 ? 7 : 10;
        } else {
            length = 0;
            if (bit(&r, u->lzma_rep0 + state)) {
                uint32_t which = bit(&r, u->lzma_rep1 + state) ? 2 + bit(&r, u->lzma_rep2 + state) : 1;
                uint32_t distance = before[which];
                for (; which; which--)
                    before[which] = before[which - 1];
                before[0] = distance;
            } else if (!bit(&r, u->lzma_rep0_long + (state << 4) + position)) {
                length = 1;
            }
            state = state >= 7 ? 11 : length ? 9 : 8;
            if (!length)
                length = match_length(&r, u->lzma_length[1], position);
        }
        if (before[0] >= done || (length > size - done && !is_cut))
            return damaged(u);
        length = length < size - done ? length : (uint32_t)(size - done);
        for (const uint8_t *from = out + done - before[0] - 1; length; length--)
            out[done++] = *from++;
    }
    *range = r;
    z->state = state;
    memcpy(z->before, before, sizeof before);
    return done == size && r.at <= limit ? 1 : damaged(u);
}

/* A bare stream: without the first byte, which is always 0, and without all that is not needed at its end. */
static int decode_bare(struct unpacker *u, uint32_t properties, struct bytes in, uint8_t *out, size_t size) {
    struct lzma z;
    uint8_t *data = take(u, left(&in) + PADDING_BYTES);
    if (!data || !begin_lzma(u, &z, properties))
        return 0;
    memcpy(data, in.at, left(&in));
    memset(data + left(&in), 0, PADDING_BYTES);
    reset_lzma(u, &z);
    struct range r = begin_range(data);
    return run_lzma(u, &z, &r, data + left(&in), out, 0, size, 1);
}

/* ---- LZMA2: chunks of LZMA or of bytes as they are, after the .xz format's description ---- */

enum { LZMA2_END, LZMA2_STORED_ANEW, LZMA2_STORED, LZMA2_CODED = 0x80, LZMA2_STATE = 0xa0, LZMA2_BITS = 0xc0,
       LZMA2_ANEW = 0xe0 };

static int read_big(struct unpacker *u, struct bytes *reader, uint32_t *value) {
    uint32_t high, low;
    if (!read_byte(u, reader, 255, &high) || !read_byte(u, reader, 255, &low))
        return 0;
    *value = (high << 8 | low) + 1;
    return 1;
}

/* Makes one chunk of LZMA, and checks that its bytes are used up. */
static int decode_chunk(struct unpacker *u, struct lzma *z, struct bytes in, uint8_t *out, size_t done, size_t size) {
    if (left(&in) < 5 || *in.at)
        return damaged(u);
    struct range r = begin_range(in.at + 1);
    if (!run_lzma(u, z, &r, in.end, out, done, size, 0))
        return 0;
    normalize(&r);
    return r.at == in.end && !r.code ? 1 : damaged(u);
}

/* All of `in` must make exactly `size` bytes. Behind it are PADDING_BYTES. */
static int decode_lzma2(struct unpacker *u, struct bytes in, uint8_t *out, size_t size) {
    struct lzma z = {0};
    struct bytes chunk;
    size_t done = 0, first = 0; /* where what matches may refer to begins */
    int is_begun = 0, has_bits = 0;
    for (;;) {
        uint32_t control, length, packed, properties;
        if (!read_byte(u, &in, 255, &control))
            return 0;
        if (control == LZMA2_END)
            return !left(&in) && done == size ? 1 : damaged(u);
        if (control == LZMA2_STORED_ANEW || control >= LZMA2_ANEW) {
            is_begun = 1;
            has_bits = 0;
            first = done;
        }
        if (!is_begun || (control > LZMA2_STORED && control < LZMA2_CODED) || !read_big(u, &in, &length))
            return damaged(u);
        length += control & LZMA2_CODED ? (control & 0x1f) << 16 : 0;
        if (length > size - done)
            return damaged(u);
        if (control < LZMA2_CODED) {
            if (!cut(u, &in, length, &chunk))
                return 0;
            memcpy(out + done, chunk.at, length);
            done += length;
            continue;
        }
        if (!read_big(u, &in, &packed))
            return 0;
        if (control >= LZMA2_BITS) {
            if (!read_byte(u, &in, 255, &properties) || !begin_lzma(u, &z, properties))
                return 0;
            has_bits = 1;
        } else if (!has_bits) {
            return damaged(u);
        }
        if (control >= LZMA2_STATE)
            reset_lzma(u, &z);
        if (!cut(u, &in, packed, &chunk) ||
            !decode_chunk(u, &z, chunk, out + first, done - first, done - first + length))
            return 0;
        done += length;
    }
}

/* ---- context mixing: as numerics/codecs/context_mixing.py, integer by integer ---- */

static const uint8_t PRIMER[] = /* of mixed_streams.py */
    "\34\0\0\0TFL3\24\0 \0\34\0\30\0\24\0\20\0\14\0\0\0\10\0\4\0\24\0\0\0\34\0\0\0\220\0\0\0\20\1\0\0\3\0\0\0\1\0\0\0"
    "\20\0\0\0\0\0\n\0\20\0\14\0\10\0\4\0\n\0\0\0\14\0\0\0\34\0\0\08\0\0\0\17\0\0\0serving_default\0\1\0\0\0\4\0\0\0p"
    "\377\377\377\21\0\0\0\4\0\0\0\7\0\0\0softmax\0\1\0\0\0\4\0\0\0\3\0\0\0\4\0\0\0\13\0\0\0input_layer\0\25\0\0\0\4\0"
    "\0\0\21\0\0\0edgecompress.json\0\0\0\334\377\377\377\24\0\0\0\4\0\0\0\23\0\0\0CONVERSION_METADATA\0\10\0\14\0\10"
    "\0\4\0\10\0\0\0\23\0\0\0\4\0\0\0\23\0\0\0min_runtime_version\0\26\0\0\0\24\5\0\0\14\5\0\0\374\4\0\0\364\4\0\0\4\0"
    "\0\0000\0\0\0{\"target\":\"tflite:float32\",\"preprocessing\":null}\4\0\0\0\20\0\0\0001.14.0\0\0\0\0\0\0\0\0\0\0"
    "\14\366\377\377\20\366\377\377\17\0\0\0MLIR Converted.\0\1\0\0\0\24\0\0\0\0\0\16\0\30\0\24\0\20\0\14\0\10\0\4\0"
    "\16\0\0\0\24\0\0\0\34\0\0\0\0\1\0\0\4\1\0\0\10\1\0\0\4\0\0\0main\0\0\0\0\10\0\0\0\34\0\0\0\0\0\0\11\34\0\0\0 \0\0"
    "\0\4\0\0\0\0\0\6\0\10\0\4\0\6\0\0\0\0\0\200?\1\0\0\0\21\0\0\0\1\0\0\0\20\0\0\0\306\376\377\377\0\0\0\1\24\0\0\0"
    "\24\0\0\0\3\0\0\0\330\366\377\377\1\0\0\0\20\0\0\0\3\0\0\0\17\0\0\0\5\0\0\0\377\377\377\377\202\376\377\377\0\0\0"
    "\1\20\0\0\0\20\0\0\0\4\0\0\0(\0\0\0P\376\377\377\31\0\0\0model/conv2d_1/Conv2D\0\0\0\4\0\0\0\20\0\0\0\1\0\0\0\1\0"
    "\0\0\10\0\0\0\26\377\377\377\0\0\0\1\20\0\0\0\20\0\0\0\5\0\0\0(\0\0\0\240\376\377\377\31\0\0\0\4\0\0\0\1\0\0\0\3"
    "\0\0\0\3\0\0\0\10\0\0\0\0\0\26\0\30\0\24\0\0\0\20\0\14\0\10\0\0\0\0\0\7\0\26\0\0\0\0\1\24\0\0\0\24\0\0\0\1\0\0\0"
    "\34\0\0\0\4\0\4\0\4\0\0\0\5\0\0\0input\0\0\0\4\0\0\0\1\0\0\0 \0\0\0 \0\0\0\3\0\0\0\3\0\0\0\350\377\377\377\31\0\0"
    "\0\0\0\0\31\364\377\377\377\4\0\0\0\0\0\0\4\14\0\14\0\13\0\0\0\0\0\4\0\14\0\0\0\3\0\0\0\0\0\0\3StatefulPartitione"
    "dCall:0\0serving_default_input_1:0\0sequential/dense/MatMul;sequential/dense/BiasAdd/ReadVariableOp\0model/re_lu_"
    "1/Relu6;model/batch_normalization/FusedBatchNormV3;model/depthwise_conv2d/depthwise;model/conv2d/Conv2D\0tfl.pseu"
    "do_qconst\0arith.constant1\0weight bias scale zero_point running_mean running_var layers.0. MaxPool AveragePool R"
    "eshape Transpose Concat MatMul Add Mul Sub Div Relu Sigmoid Tanh LeakyRelu HardSwish BatchNormalization Identity "
    "Cast Gather Unsqueeze Squeeze Flatten Slice ReduceMean Resize QuantizeLinear DequantizeLinear \10\10\22\7pytorch"
    "\32\0032.1:\370\2\n\246\1\n\5input\n\14conv1.weight\n\nconv1.bias\22\23/conv/Conv_output_0\32\n/conv/Conv\"\4Conv"
    "*\22\n\11dilations@\1@\1\240\1\7*\14\n\5group\30\1\240\1\2*\25\n\14kernel_shape@\3@\3\240\1\7*\21\n\4pads@\1@\1@"
    "\1@\1\240\1\7*\20\n\7strides@\2@\2\240\1\7\n\34\n\1x\22\1y\"\7Softmax*\13\n\4axis\30\1\240\1\2\n%\22\0011\"\10Con"
    "stant*\26\n\5value*\n\10\3\20\1J\4\0\0\200?\240\1\4\n4\n\1x\n\1y\22\6output\"\4Gemm*\17\n\5alpha\25\0\0\200?\240"
    "\1\1*\15\n\6transB\30\1\240\1\2\22\nmain_graphZ\33\n\1x\22\26\n\24\10\1\22\20\n\2\10\1\n\2\10\3\n\2\10 \n\2\10 Z"
    "\17\n\1y\22\n\n\10\10\1\22\4\n\2\10\2b\30\n\6output\22\16\n\14\10\1\22\10\n\2\10\1\n\2\10\nB\4\n\0\20\15";

enum { MIXED_CONTEXTS = 6, MIXED_INPUTS = MIXED_CONTEXTS + 2, SLOT_BITS = 22, PLACE_BITS = 16, HISTORIES = 256,
       MOST_COUNTED = 127, MOST_LOGIT = 2047, LOGIT_STEP = 67503234, FIRST_WEIGHT = 20000, BIAS = 256, RATE_BITS = 14,
       LONG = 16, LONGEST = 32, PRIMER_BYTES = sizeof PRIMER - 1 };

struct mixer {
    uint8_t slots[1 << SLOT_BITS];    /* the last seven bits behind a one, by context */
    uint32_t places[1 << PLACE_BITS]; /* where it went on the last time, by the last four bytes */
    uint8_t seen[PRIMER_BYTES + MAX_MIXED_BYTES], counts[MIXED_CONTEXTS + 1][HISTORIES];
    uint16_t chances[MIXED_CONTEXTS + 1][HISTORIES], squashed[2 * MOST_LOGIT + 1]; /* the last of what goes on */
    int16_t logits[1 << 12];
    int64_t weights[3][MIXED_INPUTS];
    int32_t rates[MOST_COUNTED + 1];
    uint64_t recent;
    uint32_t word, match, length, size;
    uint8_t *found[MIXED_CONTEXTS]; /* the slots of the next four bits */
    struct bytes in;
    uint32_t range, code;
};

static void begin_chances(struct mixer *m) {
    for (uint32_t i = 0; i < HISTORIES; i++) {
        uint32_t chance = 1 << 15;
        for (int bit = i > 1 ? 30 - __builtin_clz(i) : -1; bit >= 0; bit--)
            chance = i >> bit & 1 ? chance + ((65536 - chance) >> 1) : chance - (chance >> 1);
        for (int k = 0; k < MIXED_CONTEXTS; k++)
            m->chances[k][i] = (uint16_t)chance;
        uint32_t rest = 65536 / (i / 2 * 2 + 5);
        m->chances[MIXED_CONTEXTS][i] = (uint16_t)(i < 2 ? 1 << 15 : i & 1 ? 65536 - rest : rest);
    }
}

static void begin_mixer(struct mixer *m) {
    uint64_t odds = 1 << 20;
    memset(m, 0, sizeof *m);
    memset(m->slots, 1, sizeof m->slots);
    m->squashed[MOST_LOGIT] = 1 << 15;
    for (int i = 1; i <= MOST_LOGIT; i++) {
        odds = odds * LOGIT_STEP >> 26;
        m->squashed[MOST_LOGIT + i] = (uint16_t)((odds << 16) / (odds + (1 << 20)));
        m->squashed[MOST_LOGIT - i] = (uint16_t)(65536 - m->squashed[MOST_LOGIT + i]);
    }
    for (int i = 0, logit = 0; i < 1 << 12; i++) {
        while (logit < 2 * MOST_LOGIT && m->squashed[logit] < 16 * i + 8)
            logit++;
        m->logits[i] = (int16_t)(logit - MOST_LOGIT);
    }
    for (int32_t i = 0; i <= MOST_COUNTED; i++)
        m->rates[i] = (2 << 16) / (2 * i + 5);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < MIXED_INPUTS; k++)
            m->weights[i][k] = FIRST_WEIGHT;
    begin_chances(m);
}

static void find_slots(struct mixer *m, uint32_t byte) {
    uint64_t recent = m->recent;
    uint32_t contexts[MIXED_CONTEXTS] = {recent & 0xff, recent & 0xffff, recent & 0xffffff, m->word,
                                         (recent >> 16 & 0xff00) | recent >> 56, recent >> 8 & 0xff};
    for (uint32_t i = 0; i < MIXED_CONTEXTS; i++) {
        uint32_t mixed = contexts[i] * 0x9e3779b1u + (i << 8 | byte) * 0x85ebca6bu;
        mixed = (mixed ^ mixed >> 15) * 0xc2b2ae35u;
        m->found[i] = m->slots + (mixed >> (32 - SLOT_BITS) & ~15u);
    }
}

static INLINE uint32_t next_byte(struct mixer *m) {
    return m->in.at < m->in.end ? *m->in.at++ : 0;
}

/* Reads a bit whose chance to be one is that of 2^16; behind the last byte are zeros. */
static INLINE uint32_t coded_bit(struct mixer *m, uint32_t chance) {
    uint32_t bound = (uint32_t)((uint64_t)m->range * chance >> 16), one = m->code < bound;
    m->code -= one ? 0 : bound;
    m->range = one ? bound : m->range - bound;
    while (m->range < 1u << 24) {
        m->code = m->code << 8 | next_byte(m);
        m->range <<= 8;
    }
    return one;
}

/* Expects a bit, where a match of `length` bytes says `match`, and learns: from the one that is `known`, or where that
   is NULL from the next one of the stream. */
static INLINE uint32_t mixed_bit(struct mixer *m, uint32_t node, uint32_t length, uint32_t match,
                                 const uint32_t *known) {
    uint32_t histories[MIXED_CONTEXTS + 1];
    int64_t *weights = m->weights[(length > 0) + (length >= LONG)];
    int32_t inputs[MIXED_INPUTS];
    int64_t sum = 0;
    for (int i = 0; i < MIXED_CONTEXTS; i++)
        histories[i] = m->found[i][node];
    histories[MIXED_CONTEXTS] = length ? 2 * length + match : 0;
    for (int i = 0; i <= MIXED_CONTEXTS; i++)
        inputs[i] = m->logits[m->chances[i][histories[i]] >> 4];
    inputs[MIXED_INPUTS - 1] = BIAS;
    for (int i = 0; i < MIXED_INPUTS; i++)
        sum += weights[i] * inputs[i];
    sum >>= 16;
    sum = sum < -MOST_LOGIT ? -MOST_LOGIT : sum > MOST_LOGIT ? MOST_LOGIT : sum;
    uint32_t chance = m->squashed[sum + MOST_LOGIT], one = known ? *known : coded_bit(m, chance);
    int32_t aim = (int32_t)one << 16, error = aim - (int32_t)chance;
    for (int i = 0; i < MIXED_INPUTS; i++)
        weights[i] += (inputs[i] * error + (1 << (RATE_BITS - 1))) >> RATE_BITS;
    for (int i = 0; i < MIXED_CONTEXTS; i++) {
        uint8_t *slot = m->found[i] + node;
        *slot = (uint8_t)(*slot < 128 ? *slot << 1 | one : 128 | (*slot << 1 & 127) | one);
    }
    for (int i = 0; i <= MIXED_CONTEXTS; i++) {
        uint16_t *learned = &m->chances[i][histories[i]];
        uint8_t *count = &m->counts[i][histories[i]];
        *learned = (uint16_t)(*learned + ((aim - *learned) * m->rates[*count] >> 16));
        *count += *count < MOST_COUNTED;
    }
    return one;
}

/* Takes in a byte: what the next one depends on. */
static void add_byte(struct mixer *m, uint8_t byte) {
    uint32_t letter = byte | 32;
    int is_in_word = byte > 127 || (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9');
    m->word = is_in_word ? (m->word + letter) * 0x9e3779b1u : 0;
    m->recent = m->recent << 8 | byte;
    m->length = m->length && m->seen[m->match] == byte ? least(m->length + 1, LONGEST) : 0;
    m->match++;
    m->seen[m->size++] = byte;
    uint32_t *place = m->places + ((uint32_t)m->recent * 0x9e3779b1u >> (32 - PLACE_BITS));
    if (!m->length) {
        m->match = *place;
        m->length = m->match > 0;
    }
    *place = m->size;
}

static void mixed_byte(struct mixer *m, const uint8_t *known) {
    uint32_t byte = 1, node = 1, length = m->length, match = length ? m->seen[m->match] | 0x100u : 0;
    for (int place = 7; place >= 0; place--) {
        uint32_t bit = known ? *known >> place & 1u : 0;
        if (place == 7 || place == 3) {
            find_slots(m, byte);
            node = 1;
        }
        if (match >> (place + 1) != byte)
            length = 0;
        bit = mixed_bit(m, node, length, match >> place & 1, known ? &bit : NULL);
        byte = byte << 1 | bit;
        node = node << 1 | bit;
    }
    add_byte(m, (uint8_t)byte);
}

static int decode_mixed(struct unpacker *u, struct bytes in, uint8_t *out, size_t size) {
    if (size > MAX_MIXED_BYTES || size * MIXED_STEPS_PER_BYTE > (uint64_t)u->left_steps)
        return damaged(u);
    u->left_steps -= (int64_t)(size * MIXED_STEPS_PER_BYTE);
    const struct block *mark = u->last;
    struct mixer *m = take(u, sizeof *m);
    if (!m)
        return 0;
    begin_mixer(m);
    for (size_t i = 0; i < PRIMER_BYTES; i++)
        mixed_byte(m, PRIMER + i);
    m->in = in;
    m->range = UINT32_MAX;
    for (int i = 0; i < 4; i++)
        m->code = m->code << 8 | next_byte(m);
    for (size_t i = 0; i < size; i++)
        mixed_byte(m, NULL);
    memcpy(out, m->seen + PRIMER_BYTES, size);
    give_back(u, mark);
    return 1;
}

/* ---- the entropy coder ---- */

/* Makes the frequencies of a context out of its counts, and the tables that symbols are looked up in. */
static void rebuild(struct unpacker *u, uint32_t context, uint32_t alphabet) {
    uint32_t *counts = u->counts + context * MAX_ALPHABET, *ranges = u->ranges + context * MAX_ALPHABET;
    uint8_t *buckets = u->buckets + context * BUCKETS;
    uint32_t sum = 0, total = 0, best = 0, start = 0;
    for (uint32_t i = 0; i < alphabet; i++)
        sum += counts[i];
    while (sum > COUNT_LIMIT) {
        sum = 0;
        for (uint32_t i = 0; i < alphabet; i++)
            sum += counts[i] = (counts[i] + 1) >> 1;
    }
    u->sums[context] = sum;
    /* floor(n / sum) = floor(n reciprocal / 2^50) for all n < 2^32, since 1 / sum is more than n / 2^50 */
    uint64_t reciprocal = (UINT64_C(1) << 50) / sum + 1;
    for (uint32_t i = 0; i < alphabet; i++) {
        ranges[i] = 1 + (uint32_t)(counts[i] * (ONE - alphabet) * reciprocal >> 50);
        total += ranges[i];
        best = counts[i] > counts[best] ? i : best;
    }
    ranges[best] += ONE - total;
    u->splits[context] = ranges[0];
    for (uint32_t i = 0; i < alphabet; i++) {
        uint32_t first = (start + BUCKET_SLOTS - 1) / BUCKET_SLOTS, frequency = ranges[i];
        ranges[i] = start << 16 | frequency;
        start += frequency;
        uint32_t end = (start + BUCKET_SLOTS - 1) / BUCKET_SLOTS;
        if (alphabet > 2) { /* two symbols are told apart by `splits` */
            memset(buckets + first, (int)i, 16); /* what goes too far, the next symbols overwrite */
            for (uint32_t at = first + 16; at < end; at += 16)
                memset(buckets + at, (int)i, 16);
        }
    }
}

static void rebuild_changed(struct unpacker *u, const struct symbols *s) {
    for (uint32_t context = 0; context < s->contexts; context++) {
        const uint32_t *counts = u->counts + context * MAX_ALPHABET;
        uint32_t sum = 0;
        for (uint32_t i = 0; i < s->alphabet; i++)
            sum += counts[i];
        if (sum != u->sums[context])
            rebuild(u, context, s->alphabet);
    }
}

/* Returns r so that floor(A B / 16 G) = floor(A r / 2^36) for all averages, which are at most 255 * 256: what r has too
   much stays below A / 2^36, and that below 1 / 16 G. */
static inline uint64_t ratio(uint64_t so_far, uint32_t row_average) {
    return (so_far << (RATIO_BITS - LEVEL_BITS)) / row_average + 1;
}

/* Takes a symbol out of each of the first `count` lanes; returns where the next words are. The ways to do so are
   functions of their own, so that each has all registers. A branch that depends on the data would be guessed wrong too
   often; but that a bucket begins with another symbol is rare. */
static INLINE const uint8_t *step(struct unpacker *u, const uint8_t *words,
                                                                 uint8_t *restrict out, uint16_t *restrict averages,
                                                                 uint32_t count, int contexts, int by_row, int binary) {
    uint32_t magnitudes = 0, decay = u->decay;
    uint64_t factor = u->factor;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t state = u->states[i], slot = state & (ONE - 1), context = 0;
        if (contexts) {
            uint64_t level = averages[i] * factor >> RATIO_BITS;
            context = u->levels[level < MAX_THRESHOLD ? level : MAX_THRESHOLD];
        }
        uint32_t symbol =
            binary ? slot >= u->splits[context] : u->buckets[context * BUCKETS + slot / BUCKET_SLOTS];
        uint32_t at = context * MAX_ALPHABET + symbol, range = u->ranges[at], offset = slot - (range >> 16);
        while (!binary && offset >= (range & 0xffff)) {
            range = u->ranges[++at];
            offset = slot - (range >> 16);
        }
        symbol = at % MAX_ALPHABET;
        uint32_t next = (range & 0xffff) * (state >> PROBABILITY_BITS) + offset;
        uint32_t is_short = 0 - (uint32_t)(next < LOWEST);
        u->states[i] = next << (is_short & 16) | (load16(words) & is_short);
        words += is_short & 2;
        u->counts[at] += INCREMENT;
        out[i] = (uint8_t)symbol;
        if (contexts)
            averages[i] = (uint16_t)(averages[i] - (averages[i] * decay >> 16) + u->moved[symbol]);
        if (by_row)
            magnitudes += u->magnitudes[symbol];
    }
    u->row_sum += magnitudes;
    return words;
}

#define STEP(name, contexts, by_row, binary)                                                                          \
    static __attribute__((noinline)) const uint8_t *name(struct unpacker *u, const uint8_t *words, uint8_t *out,      \
                                                         uint16_t *averages, uint32_t count) {                        \
        return step(u, words, out, averages, count, contexts, by_row, binary);                                        \
    }
STEP(step_alone, 0, 0, 0)
STEP(step_alone_binary, 0, 0, 1)
STEP(step_contexts, 1, 0, 0)
STEP(step_contexts_binary, 1, 0, 1)
STEP(step_by_row, 1, 1, 0)
STEP(step_by_row_binary, 1, 1, 1)

typedef const uint8_t *step_function(struct unpacker *, const uint8_t *, uint8_t *, uint16_t *, uint32_t);

static int decode_rows(struct unpacker *u, const struct symbols *s, uint8_t *out, size_t count, uint16_t *averages) {
    static step_function *const steps[][2] = {
        {step_alone, step_alone_binary}, {step_contexts, step_contexts_binary}, {step_by_row, step_by_row_binary}};
    int contexts = s->contexts > 1, by_row = contexts && s->by_row;
    step_function *take_symbols = steps[contexts + by_row][s->alphabet == 2];
    const uint8_t *words = s->stream.at + 4 * s->lanes;
    size_t due = FIRST_UPDATE;
    uint32_t row_average = s->initial;
    u->decay = (1u << 16) >> s->shift;
    u->factor = UINT64_C(1) << (RATIO_BITS - LEVEL_BITS);
    for (size_t row = 0; row < count; row += s->width) {
        size_t width = count - row < s->width ? count - row : s->width;
        u->row_sum = 0;
        for (size_t column = 0; column < width; column += s->lanes) {
            uint32_t lanes = width - column < s->lanes ? (uint32_t)(width - column) : s->lanes;
            if (by_row) {
                uint64_t so_far = ((uint64_t)u->row_sum << SCALE_BITS) + row_average * ROW_PRIOR;
                u->factor = ratio(so_far / (column + ROW_PRIOR), row_average ? row_average : 1);
            }
            words = take_symbols(u, words, out + row + column, averages ? averages + column : NULL, lanes);
            if (words > s->stream.end)
                return damaged(u);
            size_t last = row + column + lanes;
            if (last >= due && last < count) {
                size_t more = last / UPDATE_SHARE;
                rebuild_changed(u, s);
                due = last + (more < FIRST_UPDATE ? FIRST_UPDATE : more > LAST_UPDATE ? LAST_UPDATE : more);
            }
        }
        uint32_t mean = (uint32_t)(((uint64_t)u->row_sum << SCALE_BITS) / width);
        row_average += (mean >> DRIFT) - (row_average >> DRIFT);
    }
    return words == s->stream.end ? 1 : damaged(u);
}

static int run_coder(struct unpacker *u, const struct symbols *s, uint8_t *out, size_t count, uint16_t *averages) {
    if (s->alphabet > 1)
        return decode_rows(u, s, out, count, averages);
    memset(out, 0, count); /* an only symbol tells nothing, and moves no state */
    return left(&s->stream) == 4 * s->lanes ? 1 : damaged(u);
}

/* Returns the channels' averages, or NULL. */
static uint16_t *prepare_contexts(struct unpacker *u, const struct symbols *s, uint32_t origin, size_t width) {
    uint16_t *averages = take(u, width * sizeof *averages);
    for (size_t i = 0; averages && i < width; i++)
        averages[i] = (uint16_t)s->initial;
    uint32_t above = s->alphabet - 1 > origin ? s->alphabet - 1 - origin : 0;
    uint32_t farthest = origin > above ? origin : above;
    for (uint32_t i = 0; i < s->alphabet; i++) {
        uint32_t distance = i > origin ? i - origin : origin - i;
        u->magnitudes[i] = (uint8_t)least(255, distance * (255 / (farthest ? farthest : 1)));
        u->moved[i] = (uint16_t)((uint32_t)u->magnitudes[i] << SCALE_BITS >> s->shift);
    }
    memset(u->levels, 0, sizeof u->levels);
    for (uint32_t t = 0; t + 1 < s->contexts; t++)
        memset(u->levels + s->thresholds[t], (int)t + 1, sizeof u->levels - s->thresholds[t]);
    return averages;
}

static int decode_stream(struct unpacker *u, const struct symbols *s, uint32_t prior, uint32_t origin, uint8_t *out,
                         size_t count) {
    size_t size = left(&s->stream), width = s->width < count ? s->width : count;
    if (size < 4 * s->lanes || size % 2)
        return damaged(u);
    for (uint32_t i = 0; i < s->lanes; i++)
        if ((u->states[i] = load32(s->stream.at + 4 * i)) < LOWEST)
            return damaged(u);
    uint32_t first = INCREMENT * prior / s->alphabet;
    for (uint32_t i = 0; i < s->contexts * MAX_ALPHABET; i++)
        u->counts[i] = first ? first : 1;
    for (uint32_t context = 0; context < s->contexts; context++)
        rebuild(u, context, s->alphabet);
    uint16_t *averages = NULL;
    if (s->contexts > 1 && !(averages = prepare_contexts(u, s, origin, width)))
        return 0;
    if (!run_coder(u, s, out, count, averages))
        return 0;
    for (uint32_t i = 0; i < s->lanes; i++)
        if (u->states[i] != LOWEST)
            return damaged(u);
    return 1;
}

/* ---- codings: each puts `size` bytes at `out` ---- */

static int decode(struct unpacker *u, uint8_t *out, size_t size);

static int spend(struct unpacker *u, uint64_t size, uint64_t steps) {
    if (size > MAX_BYTES || (int64_t)size > u->left_bytes || steps > (uint64_t)u->left_steps)
        return damaged(u);
    u->left_bytes -= (int64_t)size;
    u->left_steps -= (int64_t)steps;
    return 1;
}

static int begin_coding(struct unpacker *u, uint64_t size, uint32_t *kind) {
    return spend(u, size, 0) && read_byte(u, &u->parameters, SCALED_CODEBOOK, kind) && (u->depth <= MAX_DEPTH || damaged(u));
}

/* Returns the bytes of a coding inside of another, or NULL: those that are stored as they are stay where they are. */
static const uint8_t *inner(struct unpacker *u, uint64_t size) {
    struct bytes stored;
    if (size > MAX_BYTES) {
        damaged(u);
        return NULL;
    }
    if (left(&u->parameters) && *u->parameters.at == RAW) {
        uint32_t kind;
        return begin_coding(u, size, &kind) && cut(u, &u->payloads, size, &stored) ? stored.at : NULL;
    }
    uint8_t *out = take(u, (size_t)size);
    return out && decode(u, out, (size_t)size) ? out : NULL;
}

static int decode_raw(struct unpacker *u, uint8_t *out, size_t size) {
    struct bytes stored;
    if (!cut(u, &u->payloads, size, &stored))
        return 0;
    memcpy(out, stored.at, size);
    return 1;
}

static int decode_fill(struct unpacker *u, uint8_t *out, size_t size) {
    uint32_t length;
    struct bytes element;
    if (!read_byte(u, &u->parameters, MAX_ELEMENT_BYTES, &length))
        return 0;
    if (!length || size % length)
        return damaged(u);
    if (!cut(u, &u->parameters, length, &element))
        return 0;
    if (length == 1)
        memset(out, *element.at, size);
    else
        for (size_t i = 0; i < size; i += length)
            memcpy(out + i, element.at, length);
    return 1;
}

static void join2(uint8_t *out, const uint8_t *const *planes, size_t count, int rotated) {
    for (size_t i = 0; i < count; i++) {
        uint16_t element = (uint16_t)(planes[0][i] << 8 | planes[1][i]);
        store16(out + 2 * i, rotated ? (uint16_t)(element >> 1 | element << 15) : element);
    }
}

static void join4(uint8_t *out, const uint8_t *const *planes, size_t count, int rotated) {
    const uint8_t *a = planes[0], *b = planes[1], *c = planes[2], *d = planes[3];
    for (size_t i = 0; i < count; i++) {
        uint32_t element = (uint32_t)a[i] << 24 | (uint32_t)b[i] << 16 | (uint32_t)c[i] << 8 | d[i];
        store32(out + 4 * i, rotated ? element >> 1 | element << 31 : element);
    }
}

static void join8(uint8_t *out, const uint8_t *const *planes, size_t count, int rotated) {
    for (size_t i = 0; i < count; i++) {
        uint64_t element = 0;
        for (int plane = 0; plane < 8; plane++)
            element = element << 8 | planes[plane][i];
        store64(out + 8 * i, rotated ? element >> 1 | element << 63 : element);
    }
}

static int decode_planes(struct unpacker *u, uint8_t *out, size_t size) {
    const uint8_t *planes[8];
    uint32_t first;
    if (!read_byte(u, &u->parameters, 255, &first))
        return 0;
    uint32_t width = first & 0x7f, rotated = first >> 7;
    if ((width != 2 && width != 4 && width != 8) || size % width)
        return damaged(u);
    for (uint32_t i = 0; i < width; i++)
        if (!(planes[i] = inner(u, size / width)))
            return 0;
    if (width == 2)
        join2(out, planes, size / width, (int)rotated);
    else if (width == 4)
        join4(out, planes, size / width, (int)rotated);
    else
        join8(out, planes, size / width, (int)rotated);
    return 1;
}

enum { TRANSPOSED = 1, BITMAP = 2, BY_ROW = 4, CONTEXTS = 8, BITMAP_BYTES = 32, TILE = 16 };

static int read_alphabet(struct unpacker *u, uint32_t flags, uint8_t *values, uint32_t *count) {
    uint32_t first, more;
    struct bytes bitmap;
    *count = 0;
    memset(values, 0, MAX_ALPHABET);
    if (flags & BITMAP) {
        if (!cut(u, &u->parameters, BITMAP_BYTES, &bitmap))
            return 0;
        for (uint32_t i = 0; i < MAX_ALPHABET; i++)
            if (bitmap.at[i / 8] >> i % 8 & 1)
                values[(*count)++] = (uint8_t)i;
        return 1;
    }
    if (!read_byte(u, &u->parameters, 255, &first) || !read_byte(u, &u->parameters, 255, &more))
        return 0;
    for (uint32_t value = first; value <= least(first + more, 255); value++)
        values[(*count)++] = (uint8_t)value;
    return 1;
}

static int read_contexts(struct unpacker *u, struct symbols *s, uint32_t *origin) {
    uint32_t count, threshold = 0;
    uint64_t number;
    if (!read_byte(u, &u->parameters, MAX_CONTEXTS - 1, &count) || !read_byte(u, &u->parameters, 255, origin) ||
        !read_byte(u, &u->parameters, 7, &s->shift) || !read_number(u, &u->parameters, MAX_INITIAL, &number))
        return 0;
    s->initial = (uint32_t)number;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_number(u, &u->parameters, MAX_THRESHOLD, &number))
            return 0;
        threshold = least(MAX_THRESHOLD, threshold + (uint32_t)number);
        s->thresholds[i] = (uint16_t)threshold;
    }
    s->contexts = count + 1;
    return 1;
}

/* Turns indices into values; `low` holds the lowest bits of each. Returns the highest index. */
static uint32_t look_up(uint8_t *data, size_t size, const uint8_t *values, const uint8_t *low, uint32_t low_bits) {
    uint32_t highest = 0, mask = (1u << low_bits) - 1;
    for (size_t i = 0; i < size; i += 8, low += low_bits) {
        uint64_t bits = load64(low);
        size_t end = size - i < 8 ? size - i : 8;
        for (size_t k = 0; k < end; k++, bits >>= low_bits) {
            uint32_t index = (uint32_t)data[i + k] << low_bits | ((uint32_t)bits & mask);
            highest = index > highest ? index : highest;
            data[i + k] = values[index];
        }
    }
    return highest;
}

static void transpose(uint8_t *out, const uint8_t *in, size_t rows, size_t columns) {
    for (size_t row = 0; row < rows; row += TILE)
        for (size_t column = 0; column < columns; column += TILE) {
            size_t row_end = row + TILE < rows ? row + TILE : rows;
            size_t column_end = column + TILE < columns ? column + TILE : columns;
            for (size_t c = column; c < column_end; c++)
                for (size_t r = row; r < row_end; r++)
                    out[c * rows + r] = in[r * columns + c];
        }
}

static int decode_symbols(struct unpacker *u, uint8_t *out, size_t size) {
    struct symbols s = {.contexts = 1};
    uint8_t values[MAX_ALPHABET];
    uint32_t flags, count, low_bits, lanes_bits, prior, origin = 0;
    uint64_t stream_bytes;
    struct bytes low;
    if (!read_byte(u, &u->parameters, 15, &flags) || !read_alphabet(u, flags, values, &count) ||
        !read_byte(u, &u->parameters, 7, &low_bits) || !read_size(u, &u->parameters, MAX_BYTES, &s.width) ||
        !read_byte(u, &u->parameters, MAX_LANES_BITS, &lanes_bits) || !read_byte(u, &u->parameters, 255, &prior))
        return 0;
    if (flags & CONTEXTS && !read_contexts(u, &s, &origin))
        return 0;
    if (!count || !s.width || s.width > size || (flags & TRANSPOSED && size % s.width))
        return damaged(u);
    s.alphabet = ((count - 1) >> low_bits) + 1;
    s.lanes = 1u << lanes_bits;
    s.by_row = flags & BY_ROW;
    uint64_t rows = (size + s.width - 1) / s.width, in_row = s.width < size ? s.width : size;
    if (!spend(u, 0, rows * ((in_row + s.lanes - 1) / s.lanes)) ||
        !read_number(u, &u->parameters, MAX_BYTES, &stream_bytes) || !cut(u, &u->payloads, stream_bytes, &s.stream) ||
        !cut(u, &u->payloads, ((uint64_t)size * low_bits + 7) / 8, &low))
        return 0;
    int is_turned = flags & TRANSPOSED && rows > 1 && s.width > 1;
    uint8_t *ordered = is_turned ? take(u, size) : out;
    if (!ordered || !decode_stream(u, &s, prior, origin, ordered, size))
        return 0;
    if (low_bits) {
        if (look_up(ordered, size, values, low.at, low_bits) >= count)
            return damaged(u);
    } else if (values[count - 1] - values[0] == (int)count - 1) {
        for (size_t i = 0; i < size; i++)
            ordered[i] = (uint8_t)(ordered[i] + values[0]);
    } else {
        for (size_t i = 0; i < size; i++)
            ordered[i] = values[ordered[i]];
    }
    if (is_turned)
        transpose(out, ordered, (size_t)rows, s.width);
    return 1;
}

static int read_width(struct unpacker *u, size_t size, uint32_t *width) {
    if (!read_byte(u, &u->parameters, MAX_ELEMENT_BYTES, width))
        return 0;
    return *width && !(*width & (*width - 1)) && !(size % *width) ? 1 : damaged(u);
}

static INLINE void pick(uint8_t *out, const uint8_t *values, const uint8_t *indices,
                                                       size_t count, size_t width) {
    for (size_t i = 0; i < count; i++)
        memcpy(out + i * width, values + indices[i] * width, width);
}

static int decode_codebook(struct unpacker *u, uint8_t *out, size_t size) {
    uint32_t width, last, highest = 0;
    if (!read_width(u, size, &width) || !read_byte(u, &u->parameters, 255, &last))
        return 0;
    const uint8_t *values = inner(u, (last + 1) * width), *indices = values ? inner(u, size / width) : NULL;
    if (!indices)
        return 0;
    for (size_t i = 0; i < size / width; i++)
        highest = indices[i] > highest ? indices[i] : highest;
    if (highest > last)
        return damaged(u);
    switch (width) {
    case 1:
        pick(out, values, indices, size, 1);
        break;
    case 2:
        pick(out, values, indices, size / 2, 2);
        break;
    case 4:
        pick(out, values, indices, size / 4, 4);
        break;
    case 8:
        pick(out, values, indices, size / 8, 8);
        break;
    default:
        pick(out, values, indices, size / 16, 16);
    }
    return 1;
}

/* The pointer is chosen, not the way, which could not be foreseen. */
static INLINE void put_sparse(uint8_t *out, const uint8_t *mask, const uint8_t *holes,
                                                             uint32_t hole_count, const uint8_t *values, size_t count,
                                                             size_t width) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = mask[i] == hole_count ? values : holes + mask[i] * width;
        memcpy(out + i * width, from, width);
        values += mask[i] == hole_count ? width : 0;
    }
}

static int decode_sparse(struct unpacker *u, uint8_t *out, size_t size) {
    uint32_t width, hole_count, highest = 0;
    uint64_t count;
    size_t filled = 0;
    struct bytes holes;
    if (!read_width(u, size, &width) || !read_byte(u, &u->parameters, 2, &hole_count) ||
        !cut(u, &u->parameters, hole_count * width, &holes) ||
        !read_number(u, &u->parameters, size / width, &count))
        return 0;
    const uint8_t *mask = inner(u, size / width), *values = mask ? inner(u, count * width) : NULL;
    if (!values)
        return 0;
    for (size_t i = 0; i < size / width; i++) {
        filled += mask[i] == hole_count;
        highest = mask[i] > highest ? mask[i] : highest;
    }
    if (filled != count || highest > hole_count)
        return damaged(u);
    switch (width) {
    case 1:
        put_sparse(out, mask, holes.at, hole_count, values, size, 1);
        break;
    case 2:
        put_sparse(out, mask, holes.at, hole_count, values, size / 2, 2);
        break;
    case 4:
        put_sparse(out, mask, holes.at, hole_count, values, size / 4, 4);
        break;
    case 8:
        put_sparse(out, mask, holes.at, hole_count, values, size / 8, 8);
        break;
    default:
        put_sparse(out, mask, holes.at, hole_count, values, size / 16, 16);
    }
    return 1;
}

static int decode_shared_bytes(struct unpacker *u, uint8_t *out, size_t size) {
    uint32_t bits;
    if (!read_byte(u, &u->parameters, 4, &bits))
        return 0;
    if (bits != 2 && bits != 4)
        return damaged(u);
    const uint8_t *n = inner(u, (uint64_t)size * 8 / bits);
    if (!n)
        return 0;
    for (size_t i = 0; i < size; i++)
        out[i] = bits == 4 ? (uint8_t)((n[2 * i] & 15) | n[2 * i + 1] << 4)
                           : (uint8_t)((n[4 * i] & 3) | (n[4 * i + 1] & 3) << 2 | (n[4 * i + 2] & 3) << 4 |
                                       n[4 * i + 3] << 6);
    return 1;
}

/* What is below the normal range is 0 with its sign, and what is not finite is 0: so all machines agree. */
static inline uint32_t product_bits(float value, float factor) {
    uint32_t bits = bits_of(value * factor), exponent = bits & 0x7f800000u;
    return !exponent ? bits & 0x80000000u : exponent != 0x7f800000u ? bits : 0;
}

static inline uint32_t stepped(uint32_t bits, uint8_t by) {
    return bits + (uint32_t)(int32_t)(int8_t)by;
}

static int decode_scaled(struct unpacker *u, uint8_t *out, size_t size) {
    size_t places = size / 4, channels, in_channel;
    if (!read_size(u, &u->parameters, places, &channels) || !read_size(u, &u->parameters, places, &in_channel))
        return 0;
    uint64_t block = (uint64_t)channels * in_channel;
    if (size % 4 || !block || places % block)
        return damaged(u);
    const uint8_t *scales = inner(u, (uint64_t)channels * 4), *integers = scales ? inner(u, places) : NULL;
    const uint8_t *steps = integers ? inner(u, places) : NULL;
    if (!steps)
        return 0;
    for (size_t i = 0; i < places;)
        for (size_t channel = 0; channel < channels; channel++) {
            float scale = float_of(load32(scales + 4 * channel));
            for (size_t end = i + in_channel; i < end; i++)
                store32(out + 4 * i, stepped(product_bits((float)(int8_t)integers[i], scale), steps[i]));
        }
    return 1;
}

static int decode_scaled_codebook(struct unpacker *u, uint8_t *out, size_t size) {
    size_t places = size / 4, channels, in_channel;
    uint32_t last, highest = 0;
    if (!read_size(u, &u->parameters, places, &channels) || !read_size(u, &u->parameters, places, &in_channel))
        return 0;
    uint64_t block = (uint64_t)channels * in_channel;
    if (size % 4 || !block || places % block)
        return damaged(u);
    if (!read_byte(u, &u->parameters, 255, &last))
        return 0;
    size_t count = last + 1;
    const uint8_t *scales = inner(u, (uint64_t)channels * 4), *values = scales ? inner(u, count * 4) : NULL;
    const uint8_t *steps = values ? inner(u, (uint64_t)channels * count) : NULL;
    const uint8_t *indices = steps ? inner(u, places) : NULL;
    uint8_t *table = indices ? take(u, channels * count * 4) : NULL;
    if (!table)
        return 0;
    for (size_t i = 0; i < places; i++)
        highest = indices[i] > highest ? indices[i] : highest;
    if (highest > last)
        return damaged(u);
    for (size_t channel = 0; channel < channels; channel++)
        for (size_t i = 0; i < count; i++) {
            uint32_t bits = product_bits(float_of(load32(values + 4 * i)), float_of(load32(scales + 4 * channel)));
            store32(table + 4 * (channel * count + i), stepped(bits, steps[channel * count + i]));
        }
    for (size_t i = 0; i < places;)
        for (size_t channel = 0; channel < channels; channel++) {
            const uint8_t *own = table + 4 * channel * count;
            for (size_t end = i + in_channel; i < end; i++)
                memcpy(out + 4 * i, own + 4 * indices[i], 4);
        }
    return 1;
}

static int decode_product(struct unpacker *u, uint8_t *out, size_t size) {
    uint64_t index, factors;
    size_t done = 0, count, start;
    struct bytes number;
    if (!read_number(u, &u->parameters, MAX_NUMBER, &index))
        return 0;
    if (index >= u->array_count || size % 4 || !size || u->arrays[index].is_product || u->arrays[index].size % 4 ||
        u->products++)
        return damaged(u);
    const uint8_t *reference = u->arrays[index].data;
    size_t most = u->arrays[index].size / 4;
    if (!read_number(u, &u->parameters, left(&u->parameters), &factors))
        return 0;
    if (!factors)
        return damaged(u);
    for (; factors; factors--) {
        if (!read_size(u, &u->parameters, most, &count) || !read_size(u, &u->parameters, most, &start) ||
            !cut(u, &u->parameters, 4, &number))
            return 0;
        if (start + count > most || count > size / 4 - done)
            return damaged(u);
        float factor = float_of(load32(number.at));
        for (size_t i = 0; i < count; i++)
            store32(out + 4 * (done + i), product_bits(float_of(load32(reference + 4 * (start + i))), factor));
        done += count;
    }
    if (done != size / 4)
        return damaged(u);
    const uint8_t *steps = inner(u, size / 4);
    if (!steps)
        return 0;
    for (size_t i = 0; i < size / 4; i++)
        store32(out + 4 * i, stepped(load32(out + 4 * i), steps[i]));
    return 1;
}

static int decode(struct unpacker *u, uint8_t *out, size_t size) {
    static int (*const kinds[])(struct unpacker *, uint8_t *, size_t) = {
        [RAW] = decode_raw,           [FILL] = decode_fill,
        [PLANES] = decode_planes,     [SYMBOLS] = decode_symbols,
        [CODEBOOK] = decode_codebook, [SPARSE] = decode_sparse,
        [SCALED] = decode_scaled,     [SHARED_BYTES] = decode_shared_bytes,
        [PRODUCT] = decode_product,   [SCALED_CODEBOOK] = decode_scaled_codebook,
    };
    uint32_t kind;
    const struct block *mark = u->last;
    if (!begin_coding(u, size, &kind))
        return 0;
    u->depth++;
    int is_right = kinds[kind](u, out, size);
    u->depth--;
    give_back(u, mark);
    return is_right;
}

static void begin_codings(struct unpacker *u, struct bytes parameters, struct bytes payloads) {
    u->parameters = parameters;
    u->payloads = payloads;
    u->array_count = 0;
    u->left_bytes = MAX_SPENT_BYTES;
    u->products = 0;
    u->depth = 0;
}

/* ---- segments ---- */

struct layout {
    uint64_t pieces, arrays;
    struct bytes listed; /* the pieces, to be read again when their arrays are there */
};

static int read_piece(struct unpacker *u, struct bytes *reader, size_t most, uint64_t *gap, uint64_t *array,
                      size_t *length) {
    return read_number(u, reader, MAX_NUMBER, gap) && read_number(u, reader, MAX_NUMBER, array) &&
           read_size(u, reader, most, length);
}

/* Finds where each array goes: an only piece is decoded in its place in `out`, several in memory of their own. */
static int read_layout(struct unpacker *u, struct bytes *directory, uint8_t *out, size_t coded, size_t rest,
                       struct layout *layout) {
    uint64_t gap, array;
    size_t length, place = 0, total = 0;
    int is_scattered = 0;
    if (!read_number(u, directory, MAX_PIECES, &layout->pieces) ||
        !read_number(u, directory, layout->pieces, &layout->arrays) ||
        !(u->arrays = take(u, (size_t)layout->arrays * sizeof *u->arrays)))
        return 0;
    memset(u->arrays, 0, (size_t)layout->arrays * sizeof *u->arrays);
    layout->listed = *directory;
    for (uint64_t i = 0; i < layout->pieces; i++) {
        if (!read_piece(u, directory, coded, &gap, &array, &length))
            return 0;
        if (array >= layout->arrays || gap > rest || length > coded - total)
            return damaged(u);
        rest -= (size_t)gap;
        place += (size_t)gap;
        u->arrays[array].size += length;
        u->arrays[array].place = place;
        is_scattered |= u->arrays[array].pieces++ > 0;
        place += length;
        total += length;
    }
    if (total != coded)
        return damaged(u);
    uint8_t *apart = is_scattered ? take(u, total) : out;
    if (!apart)
        return 0;
    for (uint64_t i = 0; i < layout->arrays; i++) {
        struct array *each = u->arrays + i;
        if (!each->size)
            return damaged(u);
        each->data = each->pieces == 1 ? out + each->place : apart;
        apart += each->pieces == 1 ? 0 : each->size;
    }
    return 1;
}

/* Puts the rest between the arrays, and the pieces of those that have several. */
static int put_together(struct unpacker *u, struct layout *layout, const uint8_t *rest, size_t rest_bytes,
                        uint8_t *out) {
    uint64_t gap, index;
    size_t length;
    for (uint64_t i = 0; i < layout->pieces; i++) {
        if (!read_piece(u, &layout->listed, SIZE_MAX, &gap, &index, &length))
            return 0;
        struct array *array = u->arrays + index;
        memcpy(out, rest, (size_t)gap);
        rest += gap;
        rest_bytes -= (size_t)gap;
        out += gap;
        if (array->pieces > 1)
            memcpy(out, array->data + array->taken, length);
        array->taken += length;
        out += length;
    }
    memcpy(out, rest, rest_bytes);
    return 1;
}

/* A directory with the rest: by LZMA, mixed, or as it is. */
static const uint8_t *plain_bytes(struct unpacker *u, uint32_t form, struct bytes packed, size_t size) {
    if (form == NOT_COMPRESSED) {
        if (left(&packed) != size)
            damaged(u);
        return left(&packed) == size ? packed.at : NULL;
    }
    uint8_t *decoded = take(u, size);
    if (!decoded)
        return NULL;
    return (form == MIXED_FORM ? decode_mixed(u, packed, decoded, size) : decode_bare(u, form, packed, decoded, size))
               ? decoded
               : NULL;
}

static int unpack_coded(struct unpacker *u, struct bytes packed, size_t size) {
    size_t directory_bytes, rest_bytes;
    uint32_t form;
    uint64_t stream_bytes;
    struct bytes stream, directory;
    struct layout layout;
    const uint8_t *plain;
    if (!read_size(u, &packed, MAX_SEGMENT_BYTES, &directory_bytes))
        return 0;
    if (!read_size(u, &packed, size, &rest_bytes) || !read_byte(u, &packed, 255, &form) ||
        !read_number(u, &packed, left(&packed), &stream_bytes) || !cut(u, &packed, stream_bytes, &stream))
        return 0;
    plain = plain_bytes(u, form, stream, directory_bytes + rest_bytes);
    if (!plain)
        return 0;
    directory = (struct bytes){plain, plain + directory_bytes};
    uint8_t *out = take(u, size);
    if (!out || !read_layout(u, &directory, out, size - rest_bytes, rest_bytes, &layout))
        return 0;
    begin_codings(u, directory, packed);
    for (; u->array_count < layout.arrays; u->array_count++) {
        struct array *array = u->arrays + u->array_count;
        array->is_product = left(&u->parameters) && *u->parameters.at == PRODUCT;
        if (!decode(u, array->data, array->size))
            return 0;
    }
    if (left(&u->parameters) || left(&u->payloads))
        return damaged(u);
    return put_together(u, &layout, plain + directory_bytes, rest_bytes, out) && deliver(u, out, size);
}

struct axis {
    uint32_t length, strides[2];
};

struct generator {
    uint32_t kind;
    uint64_t rows, columns; /* of its matrix */
    uint32_t stages, spaces, words, length, seed, buckets;
    const uint8_t *values, *indices;
};

/* Reads the generator's arrays, of so many bytes each. */
static int read_arrays(struct unpacker *u, struct bytes *packed, size_t count, const uint64_t *sizes,
                       uint8_t **arrays) {
    uint64_t directory_bytes;
    struct bytes directory;
    if (!read_number(u, packed, MAX_BYTES, &directory_bytes) || !cut(u, packed, directory_bytes, &directory))
        return 0;
    begin_codings(u, directory, *packed);
    for (size_t i = 0; i < count; i++)
        if (!(arrays[i] = take(u, (size_t)sizes[i])) || !decode(u, arrays[i], (size_t)sizes[i]))
            return 0;
    return left(&u->parameters) || left(&u->payloads) ? damaged(u) : 1;
}

static int read_vectors(struct unpacker *u, struct bytes *packed, struct generator *g) {
    static const uint32_t most[] = {MAX_STAGES, MAX_SIDE, MAX_WORDS, MAX_SIDE, MAX_SIDE};
    uint64_t n[5], sizes[2];
    uint8_t *arrays[2];
    for (int i = 0; i < 5; i++)
        if (!read_number(u, packed, most[i], &n[i]))
            return 0;
    sizes[0] = 4 * n[0] * n[1] * n[2] * n[3]; /* below 2^63 */
    sizes[1] = n[0] * n[1] * n[4];
    if (!sizes[0] || !sizes[1] || sizes[0] > MAX_BYTES || sizes[1] > MAX_BYTES)
        return damaged(u);
    if (!read_arrays(u, packed, 2, sizes, arrays))
        return 0;
    for (uint64_t i = 0; i < sizes[1]; i++)
        if (arrays[1][i] >= n[2])
            return damaged(u);
    *g = (struct generator){.kind = VECTORS, .rows = n[1] * n[3], .columns = n[4], .stages = (uint32_t)n[0],
                            .spaces = (uint32_t)n[1], .words = (uint32_t)n[2], .length = (uint32_t)n[3],
                            .values = arrays[0], .indices = arrays[1]};
    return 1;
}

static int read_hashed(struct unpacker *u, struct bytes *packed, struct generator *g) {
    uint64_t seed, buckets, size;
    uint8_t *weights;
    if (!read_number(u, packed, UINT32_MAX, &seed) || !read_number(u, packed, MAX_BYTES / 4, &buckets))
        return 0;
    if (!buckets)
        return damaged(u);
    size = 4 * buckets;
    if (!read_arrays(u, packed, 1, &size, &weights))
        return 0;
    *g = (struct generator){.kind = HASHED, .rows = MAX_SIDE, .columns = MAX_SIDE, .seed = (uint32_t)seed,
                            .buckets = (uint32_t)buckets, .values = weights};
    return 1;
}

static inline int is_nan(uint32_t bits) {
    return (bits & 0x7fffffffu) > 0x7f800000u;
}

/* A sum that is no number has the bits that SSE gives it, on every machine. */
static inline uint32_t sum_bits(uint32_t a, uint32_t b) {
    uint32_t sum = bits_of(float_of(a) + float_of(b));
    if (!is_nan(sum))
        return sum;
    return is_nan(a) ? a | 0x400000u : is_nan(b) ? b | 0x400000u : 0xffc00000u;
}

static uint32_t vectors_element(const struct generator *g, uint32_t row, uint32_t column) {
    uint32_t space = row / g->length, place = row % g->length, sum = 0;
    for (uint32_t stage = 0; stage < g->stages; stage++) {
        size_t book = (size_t)stage * g->spaces + space;
        uint32_t word = g->indices[book * g->columns + column];
        uint32_t bits = load32(g->values + 4 * ((book * g->words + word) * g->length + place));
        sum = stage ? sum_bits(sum, bits) : bits;
    }
    return sum;
}

/* XXH32 of three words (the xxHash specification). */
static inline uint32_t hash_place(uint32_t tag, uint32_t row, uint32_t column, uint32_t seed) {
    uint32_t hash = seed + 374761393u + 12, words[3] = {tag, row, column};
    for (int i = 0; i < 3; i++) {
        hash += words[i] * 3266489917u;
        hash = (hash << 17 | hash >> 15) * 668265263u;
    }
    hash = (hash ^ hash >> 15) * 2246822519u;
    hash = (hash ^ hash >> 13) * 3266489917u;
    return hash ^ hash >> 16;
}

static uint32_t hashed_element(const struct generator *g, uint32_t row, uint32_t column) {
    uint32_t bits = load32(g->values + 4 * (hash_place(0, row, column, g->seed) % g->buckets));
    uint32_t is_positive = hash_place(1, row, column, g->seed) & 1;
    return is_nan(bits) ? bits | 0x400000u : bits ^ (is_positive ? 0 : 0x80000000u); /* times 1 or -1 */
}

/* Writes all elements, the last axis fastest. */
static int generate(struct unpacker *u, const struct generator *g, const struct axis *axes, uint32_t rank) {
    uint32_t at[MAX_AXES] = {0}, row = 0, column = 0;
    uint8_t *to = (uint8_t *)u->chunk, *const end = to + sizeof u->chunk;
    for (uint32_t axis = 0; axis < rank;) {
        store32(to, g->kind == HASHED ? hashed_element(g, row, column) : vectors_element(g, row, column));
        to += 4;
        for (axis = rank; axis-- > 0;) { /* the next place; where all axes are at their end, there is none */
            row += axes[axis].strides[0];
            column += axes[axis].strides[1];
            if (++at[axis] < axes[axis].length)
                break;
            row -= axes[axis].length * axes[axis].strides[0];
            column -= axes[axis].length * axes[axis].strides[1];
            at[axis] = 0;
        }
        if (to == end || axis >= rank) {
            if (!deliver(u, (uint8_t *)u->chunk, (size_t)(to - (uint8_t *)u->chunk)))
                return 0;
            to = (uint8_t *)u->chunk;
        }
    }
    return 1;
}

static int unpack_generated(struct unpacker *u, struct bytes packed, uint64_t size) {
    struct axis axes[MAX_AXES];
    struct generator generator = {0};
    uint32_t kind, rank;
    uint64_t count = 1, reach[2] = {0};
    if (!read_byte(u, &packed, HASHED, &kind) || !read_byte(u, &packed, MAX_AXES, &rank))
        return 0;
    for (uint32_t i = 0; i < rank; i++) {
        uint64_t length, strides[2];
        if (!read_number(u, &packed, MAX_SIDE, &length) || !read_number(u, &packed, MAX_SIDE, &strides[0]) ||
            !read_number(u, &packed, MAX_SIDE, &strides[1]))
            return 0;
        axes[i] = (struct axis){(uint32_t)length, {(uint32_t)strides[0], (uint32_t)strides[1]}};
        count *= length;
        if (!length || 4 * count > size)
            return damaged(u);
        reach[0] += (length - 1) * strides[0];
        reach[1] += (length - 1) * strides[1];
    }
    if (!rank || 4 * count != size || !(kind ? read_hashed : read_vectors)(u, &packed, &generator))
        return damaged(u);
    if (reach[0] >= generator.rows || reach[1] >= generator.columns)
        return damaged(u);
    return generate(u, &generator, axes, rank);
}

static int unpack_solid(struct unpacker *u, struct bytes packed, size_t size) {
    uint32_t delta;
    uint8_t *out = take(u, size);
    if (!out || !read_byte(u, &packed, 255, &delta) || !decode_lzma2(u, packed, out, size))
        return 0;
    if (delta)
        for (size_t i = delta; i < size; i++)
            out[i] = (uint8_t)(out[i] + out[i - delta]);
    return deliver(u, out, size);
}

/* Behind `packed` are PADDING_BYTES zeros. */
static int unpack_body(struct unpacker *u, struct bytes packed, uint64_t size) {
    uint32_t kind;
    if (!read_byte(u, &packed, 255, &kind))
        return 0;
    if (kind == GENERATED)
        return unpack_generated(u, packed, size);
    if ((kind > MIXED && kind < BARE) || size > (kind == STORED || kind == SOLID ? MAX_SOLID_BYTES : MAX_SEGMENT_BYTES))
        return damaged(u);
    if (kind >= MIXED) {
        uint8_t *out = take(u, (size_t)size);
        if (!out || !(kind == MIXED ? decode_mixed(u, packed, out, (size_t)size)
                                    : decode_bare(u, kind - BARE, packed, out, (size_t)size)))
            return 0;
        return deliver(u, out, (size_t)size);
    }
    if (kind == CODED)
        return unpack_coded(u, packed, (size_t)size);
    if (kind == SOLID)
        return unpack_solid(u, packed, (size_t)size);
    return left(&packed) == size ? deliver(u, packed.at, (size_t)size) : damaged(u);
}

static int unpack_segment(struct unpacker *u) {
    uint64_t size;
    size_t packed_bytes;
    struct bytes check;
    if (!read_number(u, &u->segments, MAX_GENERATED_BYTES, &size) ||
        !read_size(u, &u->segments, MAX_PACKED_BYTES, &packed_bytes) || !cut(u, &u->segments, CHECK_BYTES, &check))
        return 0;
    uint8_t *data = take(u, packed_bytes + PADDING_BYTES);
    if (!data || !read_input(u, data, packed_bytes, NULL))
        return 0;
    memset(data + packed_bytes, 0, PADDING_BYTES);
    if (crc32(u, 0, data, packed_bytes) != load32(check.at))
        return damaged(u);
    return unpack_body(u, (struct bytes){data, data + packed_bytes}, size);
}

/* ---- the head ---- */

static int is_printable(uint32_t code) {
    /* Control characters, separators other than the space, formats, surrogates, private use. */
    static const uint32_t unprintable[][2] = {
        {0x0, 0x1f},         {0x7f, 0xa0},         {0xad, 0xad},         {0x600, 0x605},       {0x61c, 0x61c},
        {0x6dd, 0x6dd},      {0x70f, 0x70f},       {0x890, 0x891},       {0x8e2, 0x8e2},       {0x1680, 0x1680},
        {0x180e, 0x180e},    {0x2000, 0x200f},     {0x2028, 0x202f},     {0x205f, 0x206f},     {0x3000, 0x3000},
        {0xd800, 0xf8ff},    {0xfdd0, 0xfdef},     {0xfeff, 0xfeff},     {0xfff9, 0xfffb},     {0x110bd, 0x110bd},
        {0x110cd, 0x110cd},  {0x13430, 0x13438},   {0x1bca0, 0x1bca3},   {0x1d173, 0x1d17a},   {0xe0000, 0xe00ff},
        {0xe01f0, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof unprintable / sizeof *unprintable; i++)
        if (code >= unprintable[i][0] && code <= unprintable[i][1])
            return 0;
    return (code & 0xfffe) != 0xfffe;
}

/* UTF-8 (RFC 3629) of printable characters; never two of the same by another length. */
static int is_text(struct bytes name) {
    while (name.at < name.end) {
        uint32_t code = *name.at++, more = code < 0x80 ? 0 : code < 0xe0 ? 1 : code < 0xf0 ? 2 : 3;
        if ((code >= 0x80 && code < 0xc2) || code > 0xf4 || more > left(&name))
            return 0;
        code &= more ? 0x3fu >> more : 0x7f;
        for (uint32_t i = 0; i < more; i++, name.at++) {
            if ((*name.at & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (*name.at & 0x3f);
        }
        if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) || !is_printable(code))
            return 0;
    }
    return 1;
}

/* A relative path that stays where it is put, written in the one usual way. */
static int is_safe(struct bytes name) {
    size_t size = left(&name);
    if (!size)
        return 1;
    if (memchr(name.at, '\\', size) || memchr(name.at, ':', size))
        return 0;
    for (const uint8_t *part = name.at;; part++) {
        const uint8_t *slash = memchr(part, '/', (size_t)(name.end - part)), *end = slash ? slash : name.end;
        if (end == part || (end - part == 1 && part[0] == '.') || (end - part == 2 && part[0] == '.' && part[1] == '.'))
            return 0;
        if (!slash)
            return is_text(name);
        part = slash;
    }
}

static int check_files(struct unpacker *u, struct bytes *body, uint64_t *size) {
    struct bytes hash;
    uint64_t name_bytes, file_bytes;
    if (!read_number(u, body, MAX_FILES, &u->files_left))
        return 0;
    u->files = *body;
    const struct block *mark = u->last;
    struct bytes *names = take(u, (size_t)u->files_left * sizeof *names);
    if (!names)
        return 0;
    for (uint64_t i = 0; i < u->files_left; i++) {
        if (!read_number(u, body, MAX_NAME_BYTES, &name_bytes) || !cut(u, body, name_bytes, &names[i]) ||
            !read_number(u, body, MAX_SIZE_BYTES, &file_bytes) || !cut(u, body, HASH_BYTES, &hash))
            return 0;
        *size += file_bytes;
        if (!is_safe(names[i]))
            return damaged(u);
        for (uint64_t k = 0; k < i; k++)
            if (left(&names[k]) == name_bytes && !memcmp(names[k].at, names[i].at, name_bytes))
                return damaged(u);
    }
    give_back(u, mark);
    return u->files_left && *size <= MAX_SIZE_BYTES ? 1 : damaged(u);
}

static int check_segments(struct unpacker *u, struct bytes *body, size_t head_bytes, uint64_t size) {
    uint64_t raw, packed;
    struct bytes check;
    if (!read_number(u, body, head_bytes, &u->segments_left))
        return 0;
    u->segments = *body;
    for (uint64_t i = 0; i < u->segments_left; i++) {
        if (!read_number(u, body, MAX_GENERATED_BYTES, &raw) ||
            !read_number(u, body, raw + 1 < MAX_PACKED_BYTES ? raw + 1 : MAX_PACKED_BYTES, &packed) ||
            !cut(u, body, CHECK_BYTES, &check))
            return 0;
        if (!raw || !packed || raw > size)
            return damaged(u);
        size -= raw;
    }
    return size || left(body) ? damaged(u) : 1;
}

static int read_head(struct unpacker *u, const uint8_t *start, size_t got, uint64_t limit_bytes) {
    uint64_t size = 0;
    if (got < MAGIC_BYTES || memcmp(start, MAGIC, MAGIC_BYTES))
        return fail(u, ECZ_NOT_PACKED);
    if (got > MAGIC_BYTES && start[MAGIC_BYTES] != VERSION)
        return fail(u, ECZ_VERSION);
    size_t head_bytes = load32(start + MAGIC_BYTES + 1);
    if (got < START_BYTES || head_bytes > MAX_HEAD_BYTES)
        return damaged(u);
    uint8_t *data = take(u, head_bytes + CHECK_BYTES);
    if (!data || !read_input(u, data, head_bytes + CHECK_BYTES, NULL))
        return 0;
    if (crc32(u, crc32(u, 0, start, START_BYTES), data, head_bytes) != load32(data + head_bytes))
        return damaged(u);
    struct bytes body = {data, data + head_bytes};
    if (!check_files(u, &body, &size) || !check_segments(u, &body, head_bytes, size))
        return 0;
    u->left_steps = (int64_t)(FREE_STEPS + size / BYTES_PER_STEP);
    return size <= limit_bytes ? 1 : fail(u, ECZ_TOO_LARGE);
}

static const char *compact_name(const uint8_t *start) {
    switch (start[COMPACT_MAGIC_BYTES - 1]) {
    case 't':
        return ".tflite";
    case 'o':
        return ".onnx";
    case 'z':
        return "";
    }
    return NULL;
}

/* A file of whose name the suffix is known, of one segment up to the end of the input, behind its size and the beginning of its hash,
   exclusive-or the CRC-32 of all else. */
static int unpack_compact(struct unpacker *u, const uint8_t *start, size_t got, uint64_t limit_bytes) {
    struct bytes head = {start + COMPACT_MAGIC_BYTES, start + got}, hash;
    uint8_t more;
    if (!read_number(u, &head, MAX_GENERATED_BYTES, &u->file_left) || !cut(u, &head, CHECK_BYTES, &hash))
        return 0;
    uint64_t size = u->file_left;
    if (size > limit_bytes)
        return fail(u, ECZ_TOO_LARGE);
    strcpy(u->name, compact_name(start));
    u->hash_bytes = CHECK_BYTES;
    u->left_steps = (int64_t)(FREE_STEPS + size / BYTES_PER_STEP);
    size_t most = size < MAX_PACKED_BYTES ? (size_t)size + !!size : MAX_PACKED_BYTES, have = left(&head);
    uint32_t check = crc32(u, 0, start, got - have - CHECK_BYTES);
    uint8_t *data = have <= most ? take(u, most + PADDING_BYTES) : NULL;
    if (!data)
        return have <= most ? 0 : damaged(u);
    memcpy(data, head.at, have);
    if (!read_input(u, data + have, most - have, &got))
        return 0;
    have += got;
    memset(data + have, 0, PADDING_BYTES);
    if (have == most && (!read_input(u, &more, 1, &got) || got))
        return damaged(u);
    store32(u->expected_hash, load32(hash.at) ^ crc32(u, check, data, have));
    if (!size)
        return begin_file(u) && close_file(u);
    return begin_file(u) && unpack_body(u, (struct bytes){data, data + have}, size) ? close_file(u) : 0;
}

static int unpack_all(struct unpacker *u, uint64_t limit_bytes) {
    uint8_t start[START_BYTES] = {0}, more;
    size_t got;
    if (!read_input(u, start, sizeof start, &got))
        return 0;
    if (got >= COMPACT_MAGIC_BYTES && !memcmp(start, COMPACT_MAGIC, sizeof COMPACT_MAGIC) && compact_name(start))
        return unpack_compact(u, start, got, limit_bytes);
    if (!read_head(u, start, got, limit_bytes))
        return 0;
    const struct block *mark = u->last;
    for (; u->segments_left; u->segments_left--) {
        if (!unpack_segment(u))
            return 0;
        give_back(u, mark);
    }
    while (u->is_open || u->files_left) /* the last file, and empty ones behind it */
        if (!(u->is_open ? close_file(u) : open_file(u)))
            return 0;
    if (!read_input(u, &more, 1, &got))
        return 0;
    return got ? damaged(u) : 1;
}

enum ecz_status ecz_unpack(const struct ecz_io *io, uint64_t limit_bytes) {
    struct unpacker *u = calloc(1, sizeof *u);
    if (!u)
        return ECZ_MEMORY;
    u->io = io;
    prepare_crc(u);
    unpack_all(u, limit_bytes);
    enum ecz_status status = u->status;
    give_back(u, NULL);
    free(u);
    return status;
}

const char *ecz_status_text(enum ecz_status status) {
    switch (status) {
    case ECZ_OK:
        return "all files were unpacked";
    case ECZ_NOT_PACKED:
        return "this is not a packed file";
    case ECZ_VERSION:
        return "this packed file is of another version";
    case ECZ_DAMAGED:
        return "the packed file is damaged or cut short";
    case ECZ_TOO_LARGE:
        return "the files are larger than the limit";
    case ECZ_MEMORY:
        return "there is not enough memory";
    case ECZ_READ:
        return "the packed file cannot be read";
    case ECZ_WRITE:
        return "the files cannot be written";
    }
    return "there is no such status";
}

/* Feeds damaged packed files to the decoder, to be built with sanitizers.

   unpack_fuzz SEED COUNT FOLDER EVERY FILE...

   Makes COUNT inputs out of the files, unpacks each, and says how often each status came. Every EVERY-th input goes to
   the folder with what came of it (status, size and hash of all that was written), so that another decoder can be
   compared. Half of the inputs have their check sums put right, so that what lies behind is reached. */
#include "unpack.c" /* for its hash and check sum */

#include <inttypes.h>
#include <stdio.h>

enum { MAX_SEEDS = 256, MAX_INPUT_BYTES = 1 << 21, STATUSES = ECZ_WRITE + 1 };

static const uint64_t LIMIT_BYTES = 64u << 20;

struct input {
    uint8_t *data;
    size_t size;
};

static uint64_t random_state;

static uint64_t any(uint64_t below) { /* xorshift64* (Vigna 2016) */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % below;
}

/* What an unpacking sees and leaves. */
struct run {
    struct bytes in;
    uint64_t announced, written; /* of the file */
    uint64_t all;
    struct hash hash;
    int is_open;
};

static void require(int is_true, const char *what) {
    if (!is_true) {
        fprintf(stderr, "the decoder broke its promise: %s\n", what);
        abort();
    }
}

static size_t read_some(void *user, void *to, size_t size) {
    struct run *run = user;
    size_t most = size < left(&run->in) ? size : left(&run->in), part = most && any(2) ? 1 + any(most) : most;
    memcpy(to, run->in.at, part);
    run->in.at += part;
    return part;
}

static int begin(void *user, const char *name, uint64_t size_bytes) {
    struct run *run = user;
    require(!run->is_open && strlen(name) <= MAX_NAME_BYTES && *name != '/', "a file begins");
    run->announced = size_bytes;
    run->written = 0;
    run->is_open = 1;
    return 0;
}

static int write_some(void *user, const void *data, size_t size) {
    struct run *run = user;
    require(run->is_open && size && size <= run->announced - run->written, "a file is as large as announced");
    add_to_hash(&run->hash, data, size); /* reads all of it */
    run->written += size;
    run->all += size;
    return 0;
}

static int end(void *user) {
    struct run *run = user;
    require(run->is_open && run->written == run->announced, "a file ends when it is whole");
    run->is_open = 0;
    return 0;
}

static void put_at(struct input *input, size_t at, const uint8_t *data, size_t size) {
    if (input->size + size > MAX_INPUT_BYTES)
        return;
    memmove(input->data + at + size, input->data + at, input->size - at);
    memcpy(input->data + at, data, size);
    input->size += size;
}

static void take_out(struct input *input, size_t at, size_t size) {
    memmove(input->data + at, input->data + at + size, input->size - at - size);
    input->size -= size;
}

static void mutate(struct input *input, const struct input *other) {
    static const uint8_t extremes[][10] = {
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, {0xff, 0xff, 0xff, 0xff, 0x0f},
        {0x80, 0x80, 0x80, 0x80, 0x10}, {0x80, 0x80, 0x40}, {0x80, 0x80, 0x80, 0x08}, {0x80, 0x00},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}};
    static const uint8_t sizes[] = {9, 5, 5, 3, 4, 2, 10};
    size_t head_bytes = input->size > START_BYTES ? START_BYTES + load32(input->data + MAGIC_BYTES + 1) : 0;
    int has_rest = head_bytes && head_bytes < input->size;
    size_t begins = has_rest && any(4) ? head_bytes : 0, ends = has_rest && !begins ? head_bytes : input->size;
    size_t at = begins + any(ends - begins), space = input->size - at; /* mostly behind the head */
    size_t few = 1 + any(space < 32 ? space : 32), from = any(other->size), kind = any(12);
    size_t copied = 1 + any(other->size - from), number = any(sizeof sizes);
    if (kind < 3)
        input->data[at] ^= (uint8_t)(1 << any(8));
    else if (kind < 5)
        input->data[at] = (uint8_t)any(256);
    else if (kind < 6)
        input->data[at] = (uint8_t)(input->data[at] + (any(2) ? 1 : -1));
    else if (kind == 6)
        take_out(input, at, few);
    else if (kind == 7)
        put_at(input, at, other->data + from, copied < 64 ? copied : 64);
    else if (kind == 8)
        memcpy(input->data + at, other->data + from, space < copied ? space : copied);
    else if (kind == 9)
        put_at(input, at, extremes[number], sizes[number]);
    else if (kind == 10 && space > sizes[number])
        memcpy(input->data + at, extremes[number], sizes[number]);
    else if (!any(4))
        input->size = at + 1;
    else
        memset(input->data + at, (int)any(256), few);
}

/* Puts the check sums right, as far as the head can be read. */
static void repair(struct unpacker *u, struct input *input) {
    uint64_t count, skipped, raw, packed;
    struct bytes part, body = {input->data + START_BYTES, input->data + input->size};
    if (input->size < START_BYTES + CHECK_BYTES)
        return;
    memcpy(input->data, MAGIC, MAGIC_BYTES);
    input->data[MAGIC_BYTES] = VERSION;
    size_t head_bytes = load32(input->data + MAGIC_BYTES + 1);
    if (head_bytes > input->size - START_BYTES - CHECK_BYTES)
        return;
    body.end = body.at + head_bytes;
    uint8_t *end = input->data + START_BYTES + head_bytes, *at = end + CHECK_BYTES;
    int is_right = read_number(u, &body, MAX_FILES, &count);
    for (; is_right && count; count--)
        is_right = read_number(u, &body, MAX_NAME_BYTES, &skipped) && cut(u, &body, skipped, &part) &&
                   read_number(u, &body, MAX_NUMBER, &skipped) && cut(u, &body, HASH_BYTES, &part);
    is_right = is_right && read_number(u, &body, head_bytes, &count);
    for (; is_right && count; count--) {
        size_t space = (size_t)(input->data + input->size - at);
        is_right = read_number(u, &body, MAX_NUMBER, &raw) && read_number(u, &body, MAX_NUMBER, &packed) &&
                   cut(u, &body, CHECK_BYTES, &part) && packed <= space;
        if (is_right) {
            store32(input->data + (part.at - input->data), crc32(u, 0, at, (size_t)packed));
            at += packed;
        }
    }
    store32(end, crc32(u, 0, input->data, START_BYTES + head_bytes));
}

static void keep(const char *folder, size_t index, const struct input *input, enum ecz_status status, struct run *run) {
    char path[4096];
    uint8_t none[HASH_BYTES] = {0};
    snprintf(path, sizeof path, "%s/%06zu.ecz", folder, index);
    FILE *file = fopen(path, "wb");
    require(file && fwrite(input->data, 1, input->size, file) == input->size && !fclose(file), "an input is kept");
    hash_is(&run->hash, none, sizeof none);
    snprintf(path, sizeof path, "%s/%06zu.txt", folder, index);
    file = fopen(path, "w");
    require(file != NULL, "an outcome is kept");
    fprintf(file, "%d %" PRIu64 " %016" PRIx64 "%016" PRIx64 "\n", (int)status, run->all,
            __builtin_bswap64(run->hash.state[0]), __builtin_bswap64(run->hash.state[1]));
    fclose(file);
}

static struct input load(const char *path) {
    struct input input = {malloc(MAX_INPUT_BYTES), 0};
    FILE *file = fopen(path, "rb");
    require(file && input.data, "a file can be read");
    input.size = fread(input.data, 1, MAX_INPUT_BYTES, file);
    require(input.size > 0 && input.size < MAX_INPUT_BYTES, "a file is not empty, nor too large");
    fclose(file);
    return input;
}

int main(int count, char **words) {
    static struct input seeds[MAX_SEEDS];
    static struct unpacker tables;
    size_t statuses[STATUSES] = {0}, seed_count = 0;
    require(count > 5 && count - 5 <= MAX_SEEDS, "usage: unpack_fuzz SEED COUNT FOLDER EVERY FILE...");
    random_state = strtoull(words[1], NULL, 10) * 2 + 1;
    size_t inputs = strtoull(words[2], NULL, 10), every = strtoull(words[4], NULL, 10);
    for (int i = 5; i < count; i++)
        seeds[seed_count++] = load(words[i]);
    struct input input = {malloc(MAX_INPUT_BYTES), 0};
    require(input.data && every, "there is memory");
    prepare_crc(&tables);
    for (size_t index = 0; index < inputs; index++) {
        const struct input *seed = seeds + any(seed_count);
        memcpy(input.data, seed->data, seed->size);
        input.size = seed->size;
        for (uint64_t times = 1 + any(4) * any(2); times && input.size; times--)
            mutate(&input, seeds + any(seed_count));
        if (index % 2)
            repair(&tables, &input);
        struct run run = {.in = {input.data, input.data + input.size}};
        const struct ecz_io io = {read_some, begin, write_some, end, &run};
        begin_hash(&run.hash);
        enum ecz_status status = ecz_unpack(&io, LIMIT_BYTES);
        require(status != ECZ_OK || !run.is_open, "all files are whole at the end");
        require(status != ECZ_READ && status != ECZ_WRITE && status != ECZ_MEMORY, "the status is that of the input");
        statuses[status]++;
        if (index % every == 0 || (index + 1) % every == 0)
            keep(words[3], index, &input, status, &run);
    }
    for (int status = 0; status < STATUSES; status++)
        printf("%zu%c", statuses[status], status + 1 < STATUSES ? ' ' : '\n');
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].data);
    free(input.data);
    return 0;
}

/* What the forms share that look mismatches up by four bits. */
#include "internal.h"

uint8_t binary_nibble_table[256][2][16] __attribute__((aligned(64)));

__attribute__((constructor)) static void fill(void) {
    for (int byte = 0; byte < 256; byte++) {
        for (int nibble = 0; nibble < 16; nibble++) {
            binary_nibble_table[byte][0][nibble] = (uint8_t)__builtin_popcount((byte & 15) ^ nibble);
            binary_nibble_table[byte][1][nibble] = (uint8_t)__builtin_popcount(byte >> 4 ^ nibble);
        }
    }
}

void binary_pack_nibbles(struct binary_plan *plan, const uint8_t *kernel) {
    size_t lanes = plan->form->block;
    uint8_t *to = plan->kernel;
    for (size_t block = 0; block < plan->line; block += lanes) {
        for (size_t step = 0; step < plan->steps; step++, to += 2 * lanes) {
            for (size_t lane = 0; lane < lanes; lane++) {
                size_t o = block + lane / 2 + lane % 2 * (lanes / 2);
                if (o >= (size_t)plan->shape.channels_out)
                    continue;
                to[lane] = kernel[o * plan->steps + step] & 15;
                to[lanes + lane] = kernel[o * plan->steps + step] >> 4;
            }
        }
    }
}

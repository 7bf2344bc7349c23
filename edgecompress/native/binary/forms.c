/* Which form a processor runs. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum { XMM_YMM = 0x6, ZMM = 0xe6 }; /* what the system must save of the registers, in XCR0 */

static unsigned saved_registers(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static struct {
    bool avx2, avx512, popcnt;
} has; /* looked up once: in a virtual machine the question takes long */

__attribute__((constructor)) static void look_up(void) {
    unsigned a, b = 0, c = 0, d, saved = saved_registers();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    unsigned avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    has.avx2 = (saved & XMM_YMM) == XMM_YMM && (b & bit_AVX2);
    has.avx512 = (saved & ZMM) == ZMM && (b & avx512) == avx512;
    has.popcnt = has.avx512 && (c & bit_AVX512VPOPCNTDQ);
}

static bool has_form(const struct binary_form *form) {
    return form == &binary_portable || (form == &binary_avx2 && has.avx2) || (form == &binary_avx512 && has.avx512) ||
           (form == &binary_avx512_popcnt && has.popcnt);
}

static const struct binary_form *const forms[] = {&binary_avx512_popcnt, &binary_avx512, &binary_avx2,
                                                  &binary_portable};
#else
static bool has_form(const struct binary_form *form) {
    return form; /* every aarch64 processor has NEON */
}

static const struct binary_form *const forms[] = {
#if defined(__aarch64__)
    &binary_neon,
#endif
    &binary_portable,
};
#endif

const struct binary_form *binary_best_form(void) {
    const char *wish = getenv("EDGECOMPRESS_BINARY_KERNELS");
    const struct binary_form *best = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!has_form(forms[i]))
            continue;
        if (wish && !strcmp(wish, forms[i]->name))
            return forms[i];
        if (!best)
            best = forms[i];
    }
    return best;
}

const char *binary_kernels(void) {
    return binary_best_form()->name;
}

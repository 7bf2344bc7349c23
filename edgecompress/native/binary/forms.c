/* Which form a processor runs. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { XMM_YMM = 0x6, ZMM = 0xe6, TILES = 0x60000 }; /* what the system must save of the registers, in XCR0 */
enum { AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };     /* of edx; not every compiler's <cpuid.h> has them */
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* of arch_prctl */

static unsigned saved_registers(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static struct {
    bool avx2, avx512, popcnt, amx;
} has; /* looked up once: in a virtual machine the question takes long */

__attribute__((constructor)) static void look_up(void) {
    unsigned a, b = 0, c = 0, d, saved = saved_registers();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    unsigned avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    has.avx2 = (saved & XMM_YMM) == XMM_YMM && (b & bit_AVX2);
    has.avx512 = (saved & ZMM) == ZMM && (b & avx512) == avx512;
    has.popcnt = has.avx512 && (c & bit_AVX512VPOPCNTDQ);
    unsigned amx = AMX_TILE | AMX_INT8; /* Linux gives the tiles only to processes that ask */
    has.amx = has.avx512 && (saved & TILES) == TILES && (d & amx) == amx &&
              !syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA);
}

static bool has_form(const struct binary_form *form) {
    return form == &binary_portable || (form == &binary_avx2 && has.avx2) || (form == &binary_avx512 && has.avx512) ||
           (form == &binary_avx512_popcnt && has.popcnt) || (form == &binary_amx && has.amx);
}

static const struct binary_form *const forms[] = {&binary_amx, &binary_avx512_popcnt, &binary_avx512, &binary_avx2,
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

enum { FORMS = sizeof forms / sizeof *forms };

/* Where among the forms the one is that is wished for, if the processor has it; else FORMS. */
static size_t wished_for(void) {
    const char *wish = getenv("EDGECOMPRESS_BINARY_KERNELS");
    for (size_t i = 0; wish && i < FORMS; i++)
        if (has_form(forms[i]) && !strcmp(wish, forms[i]->name))
            return i;
    return FORMS;
}

const struct binary_form *binary_best_form(void) {
    size_t i = wished_for();
    if (i == FORMS)
        for (i = 0; !has_form(forms[i]);)
            i++;
    return forms[i];
}

static bool fits(const struct binary_form *form, const struct binary_plan *plan) {
    uint64_t blocks = ((uint64_t)plan->shape.channels_out + form->block - 1) / form->block;
    uint64_t steps = (plan->tap_bytes + form->step_bytes - 1) / form->step_bytes;
    uint64_t packed = blocks * form->block * (steps * form->step_bytes * form->spread + form->extra);
    return plan->products <= form->max_products && packed <= BINARY_MAX_BYTES && (!form->fits || form->fits(plan));
}

/* A form that is wished for is taken wherever it fits, fast or not; where it does not, the best one behind it. */
const struct binary_form *binary_form_for(const struct binary_plan *plan) {
    size_t wished = wished_for();
    for (size_t i = wished < FORMS ? wished : 0; i < FORMS; i++)
        if (has_form(forms[i]) && fits(forms[i], plan) && (i == wished || !forms[i]->pays || forms[i]->pays(plan)))
            return forms[i];
    return &binary_portable; /* whatever its size */
}

const char *binary_kernels(void) {
    return binary_best_form()->name;
}

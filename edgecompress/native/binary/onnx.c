/* The operators of the domain "edgecompress", registered in ONNX Runtime. */
#include "export.h"
#include "onnx.h"

static const struct operator *of(const struct ort_operator *base) { return (const struct operator *)base; }

static const char *name_of(const struct ort_operator *base) { return of(base)->name; }

static const char *no_provider(const struct ort_operator *base) {
    (void)base;
    return NULL; /* the processor's */
}

static size_t input_count(const struct ort_operator *base) { return of(base)->input_count; }

static int input_type(const struct ort_operator *base, size_t index) { return of(base)->input_types[index]; }

static size_t one_output(const struct ort_operator *base) {
    (void)base;
    return 1;
}

static int output_type(const struct ort_operator *base, size_t index) {
    (void)index;
    return of(base)->output_type;
}

static int zero_of(const struct ort_operator *base, size_t index) {
    (void)base, (void)index;
    return 0; /* required, in the processor's memory */
}

static int one(const struct ort_operator *base) {
    (void)base;
    return 1;
}

#define BASE                                                                                                           \
    {                                                                                                                  \
        .version = ORT_API_VERSION,                                                                                    \
        .name = name_of,                                                                                               \
        .provider = no_provider,                                                                                       \
        .input_type = input_type,                                                                                      \
        .input_count = input_count,                                                                                    \
        .output_type = output_type,                                                                                    \
        .output_count = one_output,                                                                                    \
        .destroy = onnx_destroy,                                                                                       \
        .input_characteristic = zero_of,                                                                               \
        .output_characteristic = zero_of,                                                                              \
        .input_memory = zero_of,                                                                                       \
        .variadic_input_least = one,                                                                                   \
        .variadic_input_alike = one,                                                                                   \
        .variadic_output_least = one,                                                                                  \
        .variadic_output_alike = one,                                                                                  \
        .create_or_refuse = onnx_create,                                                                               \
        .compute_or_refuse = onnx_compute,                                                                             \
        .first_version = one,                                                                                          \
        .last_version = one,                                                                                           \
    }

/* BinaryDequantize is left to the file's function: of a constant, ONNX Runtime computes that once, when it loads the
   file, which it does for no operator of ours. */
static const struct operator OPERATORS[] = {
    {BASE, "BinaryQuantize", QUANTIZE, 1, {ORT_FLOAT}, ORT_UINT8},
    {BASE, "BinaryConv2d", CONVOLVE, 4, {ORT_UINT8, ORT_UINT8, ORT_FLOAT, ORT_FLOAT}, ORT_FLOAT},
    {BASE, "BinaryConv2dBits", CONVOLVE_BITS, 3, {ORT_UINT8, ORT_UINT8, ORT_INT32}, ORT_UINT8},
    {BASE, "BinaryMaxPool", MAX_POOL, 1, {ORT_UINT8}, ORT_UINT8},
};

/* ONNX Runtime keeps the domain's address, so it is made once, and stays. */
static ort_status domain_of(ort_api api, ort_handle *domain) {
    static ort_handle made;
    if (!made) {
        ort_handle fresh = NULL;
        ort_status failed = ORT_CALL(api, ORT_CREATE_DOMAIN, (const char *, ort_handle *), "edgecompress", &fresh);
        for (size_t i = 0; !failed && i < sizeof OPERATORS / sizeof *OPERATORS; i++)
            failed =
                ORT_CALL(api, ORT_ADD_TO_DOMAIN, (ort_handle, const struct ort_operator *), fresh, &OPERATORS[i].base);
        if (failed) {
            ORT_RELEASE(api, ORT_RELEASE_DOMAIN, fresh);
            return failed;
        }
        made = fresh;
    }
    *domain = made;
    return NULL;
}

BINARY_EXPORT ort_status RegisterCustomOps(ort_handle options, const struct ort_api_base *base) {
    static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
    ort_api api = base->get_api(ORT_API_VERSION);
    if (!api)
        return ORT_CALL(base->get_api(1), ORT_CREATE_STATUS, (int, const char *), ORT_FAIL,
                        "The kernels of edgecompress need ONNX Runtime 1.17 or newer.");
    ort_handle domain = NULL;
    pthread_mutex_lock(&guard);
    ort_status failed = domain_of(api, &domain);
    pthread_mutex_unlock(&guard);
    return failed ? failed : ORT_CALL(api, ORT_ADD_DOMAIN, (ort_handle, ort_handle), options, domain);
}

/* What the runner, and an operator of one's own, need of ONNX Runtime's C interface. Tables of functions only ever grow at their end,
   so that a position in them is enough; these are of version 17, of February 2024. */
#ifndef EDGECOMPRESS_ORT_API_H
#define EDGECOMPRESS_ORT_API_H

#include <stddef.h>
#include <stdint.h>

typedef void (*ort_function)(void);
typedef const ort_function *ort_api;
typedef struct OrtStatus *ort_status; /* NULL is success */
typedef void *ort_handle;

struct ort_api_base {
    ort_api (*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

enum { ORT_API_VERSION = 17 };

/* Positions in the table, as onnxruntime_c_api.h lists them. */
enum {
    ORT_CREATE_STATUS = 0,
    ORT_GET_ERROR_MESSAGE = 2,
    ORT_CREATE_ENV = 3,
    ORT_CREATE_SESSION = 7,
    ORT_RUN = 9,
    ORT_CREATE_SESSION_OPTIONS = 10,
    ORT_ENABLE_PROFILING = 14,
    ORT_SET_LOG_SEVERITY = 22,
    ORT_SET_INTRA_THREADS = 24,
    ORT_SET_INTER_THREADS = 25,
    ORT_CREATE_DOMAIN = 26,
    ORT_ADD_TO_DOMAIN = 27,
    ORT_ADD_DOMAIN = 28,
    ORT_INPUT_COUNT = 30,
    ORT_OUTPUT_COUNT = 31,
    ORT_INPUT_TYPE = 33,
    ORT_INPUT_NAME = 36,
    ORT_OUTPUT_NAME = 37,
    ORT_CREATE_TENSOR = 48,
    ORT_TENSOR_DATA = 51,
    ORT_CAST_TO_TENSOR_INFO = 55,
    ORT_ELEMENT_TYPE = 60,
    ORT_DIMENSIONS_COUNT = 61,
    ORT_DIMENSIONS = 62,
    ORT_TENSOR_TYPE_AND_SHAPE = 65,
    ORT_DEFAULT_ALLOCATOR = 78,
    ORT_ATTRIBUTE_INT = 86,
    ORT_INPUT = 90,
    ORT_OUTPUT = 91,
    ORT_RELEASE_STATUS = 93,
    ORT_RELEASE_VALUE = 96,
    ORT_RELEASE_TENSOR_INFO = 99,
    ORT_RELEASE_DOMAIN = 101,
    ORT_END_PROFILING = 110,
    ORT_ADD_SESSION_CONFIG_ENTRY = 130,
    ORT_ATTRIBUTE_INTS = 163,
    ORT_CONSTANT_INPUT = 249,
    ORT_PARALLEL_FOR = 274,
};

enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2 };
enum { ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_INT32 = 6 };

#define ORT_CALL(api, position, types, ...) (((ort_status(*) types)(api)[position])(__VA_ARGS__))
#define ORT_RELEASE(api, position, what) (((void (*)(ort_handle))(api)[position])((ort_handle)(what)))

/* What ONNX Runtime calls OrtCustomOp. */
struct ort_operator {
    uint32_t version;
    void *(*create)(const struct ort_operator *, ort_api, ort_handle info);
    const char *(*name)(const struct ort_operator *);
    const char *(*provider)(const struct ort_operator *);
    int (*input_type)(const struct ort_operator *, size_t index);
    size_t (*input_count)(const struct ort_operator *);
    int (*output_type)(const struct ort_operator *, size_t index);
    size_t (*output_count)(const struct ort_operator *);
    void (*compute)(void *kernel, ort_handle context);
    void (*destroy)(void *kernel);
    int (*input_characteristic)(const struct ort_operator *, size_t index);
    int (*output_characteristic)(const struct ort_operator *, size_t index);
    int (*input_memory)(const struct ort_operator *, size_t index);
    int (*variadic_input_least)(const struct ort_operator *);
    int (*variadic_input_alike)(const struct ort_operator *);
    int (*variadic_output_least)(const struct ort_operator *);
    int (*variadic_output_alike)(const struct ort_operator *);
    ort_status (*create_or_refuse)(const struct ort_operator *, ort_api, ort_handle info, void **kernel);
    ort_status (*compute_or_refuse)(void *kernel, ort_handle context);
    ort_status (*infer_shape)(const struct ort_operator *, ort_handle context);
    int (*first_version)(const struct ort_operator *);
    int (*last_version)(const struct ort_operator *);
};

#endif

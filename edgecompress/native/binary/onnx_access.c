/* Attributes and tensors of a node, as ONNX Runtime hands them out: none is believed. */
#include "onnx.h"

#include <stdarg.h>
#include <stdio.h>

ort_status onnx_refuse(const struct kernel *kernel, const char *format, ...) {
    char text[BINARY_WHY + 64], why[BINARY_WHY];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    snprintf(text, sizeof text, "%s: %s", kernel->operator->name, why);
    return ORT_CALL(kernel->api, ORT_CREATE_STATUS, (int, const char *), ORT_INVALID_ARGUMENT, text);
}

ort_status onnx_read_ints(struct kernel *kernel, ort_handle info, const char *name, size_t count, int32_t lowest,
                          int32_t *values) {
    int64_t found[4] = {0};
    size_t length = count;
    ort_status failed = ORT_CALL(kernel->api, ORT_ATTRIBUTE_INTS, (ort_handle, const char *, int64_t *, size_t *), info,
                                 name, found, &length);
    if (failed || length != count) {
        ORT_RELEASE(kernel->api, ORT_RELEASE_STATUS, failed);
        return onnx_refuse(kernel, "the attribute %s must be a list of %zu integers", name, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (found[i] < lowest || found[i] > MAX_LENGTH)
            return onnx_refuse(kernel, "the attribute %s has %lld; it must be %d to %d", name, (long long)found[i],
                               lowest, MAX_LENGTH);
        values[i] = (int32_t)found[i];
    }
    return NULL;
}

ort_status onnx_read_int(struct kernel *kernel, ort_handle info, const char *name, int32_t lowest, int32_t highest,
                         int32_t *value) {
    int64_t found = 0;
    ort_status failed =
        ORT_CALL(kernel->api, ORT_ATTRIBUTE_INT, (ort_handle, const char *, int64_t *), info, name, &found);
    if (failed) {
        ORT_RELEASE(kernel->api, ORT_RELEASE_STATUS, failed);
        return onnx_refuse(kernel, "the attribute %s must be an integer", name);
    }
    if (found < lowest || found > highest)
        return onnx_refuse(kernel, "the attribute %s is %lld; it must be %d to %d", name, (long long)found, lowest,
                           highest);
    *value = (int32_t)found;
    return NULL;
}

static ort_status view(struct kernel *kernel, ort_handle value, int type, size_t rank, const char *name,
                       struct tensor *tensor) {
    ort_handle info;
    int found_type = 0;
    if (!value)
        return onnx_refuse(kernel, "%s is left out", name);
    ort_status failed = ORT_CALL(kernel->api, ORT_TENSOR_TYPE_AND_SHAPE, (ort_handle, ort_handle *), value, &info);
    if (failed)
        return failed;
    failed = ORT_CALL(kernel->api, ORT_ELEMENT_TYPE, (ort_handle, int *), info, &found_type);
    if (!failed)
        failed = ORT_CALL(kernel->api, ORT_DIMENSIONS_COUNT, (ort_handle, size_t *), info, &tensor->rank);
    if (!failed && found_type == type && tensor->rank <= MAX_RANK)
        failed =
            ORT_CALL(kernel->api, ORT_DIMENSIONS, (ort_handle, int64_t *, size_t), info, tensor->shape, tensor->rank);
    ORT_RELEASE(kernel->api, ORT_RELEASE_TENSOR_INFO, info);
    if (failed)
        return failed;
    if (found_type != type)
        return onnx_refuse(kernel, "%s is of type %d; it must be %d", name, found_type, type);
    if (tensor->rank > MAX_RANK || (rank && tensor->rank != rank))
        return onnx_refuse(kernel, "%s has %zu axes; it must have %zu", name, tensor->rank, rank ? rank : MAX_RANK);
    for (size_t axis = 0; axis < tensor->rank; axis++)
        if (tensor->shape[axis] < 0 || tensor->shape[axis] > MAX_LENGTH)
            return onnx_refuse(kernel, "axis %zu of %s has the length %lld; it must be 0 to %d", axis, name,
                               (long long)tensor->shape[axis], MAX_LENGTH);
    return ORT_CALL(kernel->api, ORT_TENSOR_DATA, (ort_handle, const void **), value, &tensor->data);
}

ort_status onnx_view_input(struct kernel *kernel, ort_handle context, size_t index, size_t rank, const char *name,
                           struct tensor *tensor) {
    ort_handle value = NULL;
    ort_status failed = ORT_CALL(kernel->api, ORT_INPUT, (ort_handle, size_t, ort_handle *), context, index, &value);
    return failed ? failed : view(kernel, value, kernel->operator->input_types[index], rank, name, tensor);
}

ort_status onnx_view_constant(struct kernel *kernel, ort_handle info, size_t index, size_t rank, const char *name,
                              struct tensor *tensor) {
    int is_constant = 0;
    ort_handle value = NULL;
    ort_status failed = ORT_CALL(kernel->api, ORT_CONSTANT_INPUT, (ort_handle, size_t, int *, ort_handle *), info,
                                 index, &is_constant, &value);
    if (failed)
        return failed;
    if (!is_constant || !value)
        return onnx_refuse(kernel, "%s is computed while the model runs; it must be a constant", name);
    return view(kernel, value, kernel->operator->input_types[index], rank, name, tensor);
}

ort_status onnx_make_output(struct kernel *kernel, ort_handle context, const int64_t *shape, size_t rank, void **data) {
    ort_handle value = NULL;
    ort_status failed = ORT_CALL(kernel->api, ORT_OUTPUT, (ort_handle, size_t, const int64_t *, size_t, ort_handle *),
                                 context, 0, shape, rank, &value);
    return failed ? failed : ORT_CALL(kernel->api, ORT_TENSOR_DATA, (ort_handle, void **), value, data);
}

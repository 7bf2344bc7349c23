/* The operators of the domain "edgecompress": from a node to a kernel, and from its tensors to a call. */
#include "onnx.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 64 };

static int32_t bytes_of(int32_t channels) { return (channels + 7) / 8; }

static ort_status read_window(struct kernel *kernel, ort_handle info, int32_t *pads, int32_t *strides) {
    ort_status failed = onnx_read_ints(kernel, info, "pads", 4, 0, pads);
    return failed ? failed : onnx_read_ints(kernel, info, "strides", 2, 1, strides);
}

/* All but the image's size: attributes, and constants of matching shapes. */
static ort_status read_convolution(struct kernel *kernel, ort_handle info) {
    const struct operator *operator = kernel->operator;
    bool bits = operator->kind == CONVOLVE_BITS;
    int32_t pads[4], strides[2], dilations[2], channels, pad_value, relu = 0;
    struct tensor weights, row;
    ort_status failed = read_window(kernel, info, pads, strides);
    if (failed || (failed = onnx_read_ints(kernel, info, "dilations", 2, 1, dilations)) ||
        (failed = onnx_read_int(kernel, info, "channels", 1, MAX_LENGTH, &channels)) ||
        (failed = onnx_read_int(kernel, info, "pad_value", bits ? 1 : 0, 1, &pad_value)) ||
        (!bits && (failed = onnx_read_int(kernel, info, "relu", 0, 1, &relu))) ||
        (failed = onnx_view_constant(kernel, info, 1, 4, "W", &weights)))
        return failed;
    if (weights.shape[3] != bytes_of(channels))
        return onnx_refuse(kernel, "W has %lld bytes a pixel; %d channels take %d", (long long)weights.shape[3],
                           channels, bytes_of(channels));
    for (size_t index = 2; index < operator->input_count; index++) {
        const char *name = bits ? "threshold" : index == 2 ? "multiplier" : "bias";
        failed = onnx_view_constant(kernel, info, index, 1, name, &row);
        if (failed)
            return failed;
        if (row.shape[0] != weights.shape[0])
            return onnx_refuse(kernel, "%s has %lld elements for %lld kernels", name, (long long)row.shape[0],
                               (long long)weights.shape[0]);
    }
    int32_t channels_out = (int32_t)weights.shape[0];
    kernel->convolution = (struct binary_convolution){
        .channels_in = channels,
        .channels_out = channels_out,
        .kernel_height = (int32_t)weights.shape[1],
        .kernel_width = (int32_t)weights.shape[2],
        .stride_height = strides[0],
        .stride_width = strides[1],
        .dilation_height = dilations[0],
        .dilation_width = dilations[1],
        .pad_top = pads[0],
        .pad_left = pads[1],
        .pad_bottom = pads[2],
        .pad_right = pads[3],
        .input_pixel_bytes = bytes_of(channels),
        .output_pixel_bytes = bytes_of(channels_out),
        .zero_padding = !pad_value,
        .relu = relu,
        .output = bits ? BINARY_BITS : BINARY_NCHW,
    };
    return NULL;
}

static ort_status read_pool(struct kernel *kernel, ort_handle info) {
    int32_t size[2], pads[4], strides[2];
    ort_status failed = onnx_read_ints(kernel, info, "kernel_shape", 2, 1, size);
    if (failed || (failed = read_window(kernel, info, pads, strides)))
        return failed;
    kernel->pool = (struct binary_pool){
        .filter_height = size[0],
        .filter_width = size[1],
        .stride_height = strides[0],
        .stride_width = strides[1],
        .pad_top = pads[0],
        .pad_left = pads[1],
        .pad_bottom = pads[2],
        .pad_right = pads[3],
    };
    return NULL;
}

void onnx_destroy(void *pointer) {
    struct kernel *kernel = pointer;
    for (size_t i = 0; i < kernel->plan_count; i++)
        binary_release(kernel->plans[i].plan);
    pthread_mutex_destroy(&kernel->guard);
    free(kernel);
}

static size_t count_processors(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (size_t)count;
}

ort_status onnx_create(const struct ort_operator *base, ort_api api, ort_handle info, void **result) {
    const struct operator *operator = (const struct operator *)base;
    struct kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel)
        return ORT_CALL(api, ORT_CREATE_STATUS, (int, const char *), ORT_FAIL, "there is not enough memory");
    kernel->api = api;
    kernel->operator = operator;
    kernel->processors = count_processors();
    pthread_mutex_init(&kernel->guard, NULL);
    ort_status failed = NULL;
    if (operator->kind == CONVOLVE || operator->kind == CONVOLVE_BITS)
        failed = read_convolution(kernel, info);
    else if (operator->kind == MAX_POOL)
        failed = read_pool(kernel, info);
    if (failed)
        onnx_destroy(kernel);
    else
        *result = kernel;
    return failed;
}

static ort_status make_plan(struct kernel *kernel, ort_handle context, const struct binary_convolution *shape,
                            struct binary_plan **plan) {
    bool bits = kernel->operator->kind == CONVOLVE_BITS;
    struct tensor weights, second, third = {0};
    char why[BINARY_WHY] = "";
    ort_status failed = onnx_view_input(kernel, context, 1, 4, "W", &weights);
    if (failed || (failed = onnx_view_input(kernel, context, 2, 1, bits ? "threshold" : "multiplier", &second)) ||
        (!bits && (failed = onnx_view_input(kernel, context, 3, 1, "bias", &third))))
        return failed;
    size_t size_bytes = (size_t)shape->channels_out * (size_t)shape->kernel_height * (size_t)shape->kernel_width *
                        (size_t)shape->input_pixel_bytes;
    *plan = binary_prepare(shape, weights.data, size_bytes, second.data, third.data, second.data, why);
    return *plan ? NULL : onnx_refuse(kernel, "%s", why);
}

/* The plan for an image size; `*kept` is whether the kernel owns it. Those that others may be using stay. */
static ort_status find_plan(struct kernel *kernel, ort_handle context, const struct binary_convolution *shape,
                            struct binary_plan **plan, bool *kept) {
    *kept = true;
    for (size_t i = 0; i < kernel->plan_count; i++)
        if (kernel->plans[i].height == shape->height && kernel->plans[i].width == shape->width) {
            *plan = kernel->plans[i].plan;
            return NULL;
        }
    ort_status failed = make_plan(kernel, context, shape, plan);
    *kept = !failed && kernel->plan_count < MAX_PLANS;
    if (*kept)
        kernel->plans[kernel->plan_count++] = (struct sized_plan){shape->height, shape->width, *plan};
    return failed;
}

struct session_threads {
    ort_api api;
    ort_handle context;
};

static void run_tasks(void *data, void (*task)(void *, size_t), size_t count, void *task_data) {
    const struct session_threads *session = data;
    ort_status failed =
        ORT_CALL(session->api, ORT_PARALLEL_FOR, (ort_handle, void (*)(void *, size_t), size_t, size_t, void *),
                 session->context, task, count, 0, task_data);
    if (failed) {
        ORT_RELEASE(session->api, ORT_RELEASE_STATUS, failed);
        for (size_t i = 0; i < count; i++)
            task(task_data, i);
    }
}

static ort_status convolve(struct kernel *kernel, ort_handle context) {
    struct tensor input;
    struct binary_convolution shape = kernel->convolution;
    struct binary_plan *plan = NULL;
    bool kept;
    ort_status failed = onnx_view_input(kernel, context, 0, 4, "X", &input);
    if (failed)
        return failed;
    if (input.shape[3] != shape.input_pixel_bytes)
        return onnx_refuse(kernel, "X has %lld bytes a pixel; %d channels take %d", (long long)input.shape[3],
                           shape.channels_in, shape.input_pixel_bytes);
    shape.height = (int32_t)input.shape[1];
    shape.width = (int32_t)input.shape[2];
    pthread_mutex_lock(&kernel->guard);
    failed = find_plan(kernel, context, &shape, &plan, &kept);
    pthread_mutex_unlock(&kernel->guard);
    if (failed)
        return failed;
    int32_t height, width;
    void *output;
    binary_output_size(&shape, &height, &width);
    const int64_t planes[4] = {input.shape[0], shape.channels_out, height, width};
    const int64_t pixels[4] = {input.shape[0], height, width, shape.output_pixel_bytes};
    failed = onnx_make_output(kernel, context, shape.output == BINARY_BITS ? pixels : planes, 4, &output);
    struct session_threads session = {kernel->api, context};
    struct binary_threads threads = {run_tasks, &session, kernel->processors};
    if (!failed && input.shape[0])
        binary_convolve(plan, input.data, output, input.shape[0], &threads);
    if (!kept)
        binary_release(plan);
    return failed;
}

static ort_status max_pool(struct kernel *kernel, ort_handle context) {
    struct tensor input;
    struct binary_pool pool = kernel->pool;
    char why[BINARY_WHY] = "";
    ort_status failed = onnx_view_input(kernel, context, 0, 4, "X", &input);
    if (failed)
        return failed;
    pool.height = (int32_t)input.shape[1];
    pool.width = (int32_t)input.shape[2];
    pool.pixel_bytes = (int32_t)input.shape[3];
    if (!binary_pool_sound(&pool, why))
        return onnx_refuse(kernel, "%s", why);
    int32_t height, width;
    void *output;
    binary_pool_size(&pool, &height, &width);
    const int64_t pixels[4] = {input.shape[0], height, width, pool.pixel_bytes};
    failed = onnx_make_output(kernel, context, pixels, 4, &output);
    if (!failed && input.shape[0])
        binary_max_pool(&pool, input.data, output, input.shape[0]);
    return failed;
}

static ort_status quantize(struct kernel *kernel, ort_handle context) {
    struct tensor input;
    ort_status failed = onnx_view_input(kernel, context, 0, 0, "X", &input);
    if (failed)
        return failed;
    if (input.rank != 4 && input.rank != 2)
        return onnx_refuse(kernel, "X has %zu axes; it must have 4 or 2", input.rank);
    int32_t channels = (int32_t)input.shape[1], pixel_bytes = bytes_of(channels);
    if (channels < 1)
        return onnx_refuse(kernel, "X has no channels");
    int64_t images = input.shape[0], pixels = input.rank == 4 ? input.shape[2] * input.shape[3] : 1;
    int64_t shape[4] = {images, pixel_bytes};
    if (input.rank == 4)
        memcpy(shape + 1, (int64_t[]){input.shape[2], input.shape[3], pixel_bytes}, 3 * sizeof *shape);
    void *output;
    failed = onnx_make_output(kernel, context, shape, input.rank, &output);
    if (failed || !images || !pixels)
        return failed;
    if (input.rank == 2) {
        binary_quantize_nhwc(input.data, output, images, channels, pixel_bytes);
        return NULL;
    }
    for (int64_t image = 0; image < images; image++)
        binary_quantize_nchw((const float *)input.data + image * pixels * channels,
                             (uint8_t *)output + image * pixels * pixel_bytes, pixels, channels, pixel_bytes);
    return NULL;
}

ort_status onnx_compute(void *pointer, ort_handle context) {
    struct kernel *kernel = pointer;
    switch (kernel->operator->kind) {
    case QUANTIZE:
        return quantize(kernel, context);
    case MAX_POOL:
        return max_pool(kernel, context);
    default:
        return convolve(kernel, context);
    }
}

"""The TensorFlow functions that a model file may call without trust, by the names that TFOpLambda stores.

Each computes tensors from tensors and does nothing else. Left out: whatever reads or writes files, devices, sockets or
variables, prints, checks, takes Python functions, decodes pictures or sound, or works on texts.
"""

from __future__ import annotations


def _names(text: str, *prefixes: str) -> frozenset[str]:
    return frozenset(prefix + name for prefix in prefixes for name in text.split())


_MATH = """
    abs accumulate_n acos acosh add add_n angle argmax argmin asin asinh atan atan2 atanh bessel_i0 bessel_i0e
    bessel_i1 bessel_i1e betainc bincount ceil confusion_matrix conj cos cosh count_nonzero cumprod cumsum
    cumulative_logsumexp digamma divide divide_no_nan equal erf erfc erfcinv erfinv exp expm1 floor floordiv
    floormod greater greater_equal igamma igammac imag in_top_k invert_permutation is_finite is_inf is_nan
    is_non_decreasing is_strictly_increasing l2_normalize lbeta less less_equal lgamma log log1p log_sigmoid
    log_softmax logical_and logical_not logical_or logical_xor maximum minimum mod multiply multiply_no_nan ndtri
    negative nextafter not_equal polygamma polyval pow real reciprocal reciprocal_no_nan reduce_all reduce_any
    reduce_euclidean_norm reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum
    reduce_variance rint round rsqrt scalar_mul segment_max segment_mean segment_min segment_prod segment_sum
    sigmoid sign sin sinh softmax softplus softsign sqrt square squared_difference subtract tan tanh top_k truediv
    unsorted_segment_max unsorted_segment_mean unsorted_segment_min unsorted_segment_prod unsorted_segment_sqrt_n
    unsorted_segment_sum xdivy xlog1py xlogy zero_fraction zeta
"""
_NN = """
    atrous_conv2d atrous_conv2d_transpose avg_pool avg_pool1d avg_pool2d avg_pool3d batch_normalization
    batch_norm_with_global_normalization bias_add conv1d conv1d_transpose conv2d conv2d_transpose conv3d
    conv3d_transpose conv_transpose convolution crelu depth_to_space depthwise_conv2d dilation2d dropout elu
    embedding_lookup erosion2d gelu in_top_k l2_loss l2_normalize leaky_relu local_response_normalization
    log_softmax lrn max_pool max_pool1d max_pool2d max_pool3d max_pool_with_argmax moments normalize_moments pool
    relu relu6 selu separable_conv2d sigmoid sigmoid_cross_entropy_with_logits silu softmax
    softmax_cross_entropy_with_logits softplus softsign space_to_batch space_to_depth
    sparse_softmax_cross_entropy_with_logits sufficient_statistics swish tanh top_k weighted_moments
    with_space_to_batch zero_fraction
"""
_LINALG = """
    adjoint band_part cholesky cholesky_solve cross det diag diag_part eigh eigvalsh einsum expm eye global_norm inv
    l2_normalize logdet lstsq matmul matrix_rank matrix_transpose matvec norm normalize pinv qr set_diag slogdet
    solve svd tensor_diag tensor_diag_part tensordot trace triangular_solve
"""
_IMAGE = """
    adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation central_crop
    combined_non_max_suppression convert_image_dtype crop_and_resize crop_to_bounding_box draw_bounding_boxes
    extract_glimpse extract_patches flip_left_right flip_up_down grayscale_to_rgb hsv_to_rgb image_gradients
    non_max_suppression non_max_suppression_overlaps non_max_suppression_padded non_max_suppression_with_scores
    pad_to_bounding_box per_image_standardization psnr resize resize_with_crop_or_pad resize_with_pad
    rgb_to_grayscale rgb_to_hsv rgb_to_yiq rgb_to_yuv rot90 sobel_edges ssim ssim_multiscale total_variation
    transpose yiq_to_rgb yuv_to_rgb
"""
_SIGNAL = """
    dct fft fft2d fft3d fftshift frame hamming_window hann_window idct ifft ifft2d ifft3d ifftshift inverse_mdct
    inverse_stft irfft irfft2d irfft3d kaiser_bessel_derived_window kaiser_window linear_to_mel_weight_matrix mdct
    mfccs_from_log_mel_spectrograms overlap_and_add rfft rfft2d rfft3d stft vorbis_window
"""
_PLAIN = """
    abs acos acosh add add_n argmax argmin argsort asin asinh atan atan2 atanh batch_to_space bitcast boolean_mask
    broadcast_dynamic_shape broadcast_static_shape broadcast_to cast clip_by_global_norm clip_by_norm clip_by_value
    complex concat constant convert_to_tensor cos cosh cumsum divide dynamic_partition dynamic_stitch einsum
    ensure_shape equal exp expand_dims extract_volume_patches eye fill floor gather gather_nd greater greater_equal
    histogram_fixed_width histogram_fixed_width_bins identity identity_n less less_equal linspace logical_and
    logical_not logical_or matmul maximum meshgrid minimum multiply negative norm not_equal one_hot ones ones_like
    pad parallel_stack pow range rank realdiv reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean
    reduce_min reduce_prod reduce_sum repeat reshape reverse reverse_sequence roll round saturate_cast scalar_mul
    scatter_nd searchsorted sequence_mask shape shape_n sigmoid sign sin sinh size slice sort space_to_batch
    space_to_batch_nd split sqrt square squeeze stack stop_gradient strided_slice subtract tan tanh
    tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub tensor_scatter_nd_update
    tensordot tile transpose truediv truncatediv truncatemod tuple unique unique_with_counts unravel_index unstack
    where zeros zeros_like
"""
_BACKEND = """
    abs all any arange argmax argmin batch_dot batch_flatten batch_normalization bias_add cast cast_to_floatx clip
    concatenate constant conv1d conv2d conv2d_transpose conv3d cos cumprod cumsum depthwise_conv2d dot dropout elu
    equal exp expand_dims eye flatten gather greater greater_equal hard_sigmoid l2_normalize less less_equal
    local_conv1d local_conv2d log max maximum mean min minimum not_equal one_hot ones ones_like permute_dimensions
    pool2d pool3d pow prod random_bernoulli random_binomial random_normal random_uniform relu repeat repeat_elements
    reshape resize_images resize_volumes reverse round separable_conv2d shape sigmoid sign sin softmax softplus
    softsign spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum tanh
    temporal_padding tile transpose truncated_normal var
"""
_ACTIVATIONS = "elu exponential gelu hard_sigmoid linear mish relu selu sigmoid softmax softplus softsign swish tanh"
# Of TensorFlow 1, by names or with arguments that only it has.
_VERSION_1 = """
    angle arg_max arg_min argmax argmin batch_gather batch_to_space batch_to_space_nd ceil clip_by_average_norm conj
    count_nonzero cumprod depth_to_space div div_no_nan erf erfc expand_dims expm1 extract_image_patches floor_div
    floordiv floormod gather gather_nd imag image.resize image.resize_area image.resize_bicubic
    image.resize_bilinear image.resize_image_with_crop_or_pad image.resize_images image.resize_nearest_neighbor
    image.transpose_image is_finite is_inf is_nan lin_space linalg.l2_normalize linalg.norm linalg.transpose log
    log1p log_sigmoid logical_xor math.argmax math.argmin math.in_top_k math.l2_normalize math.log_softmax
    math.reduce_all math.reduce_any math.reduce_logsumexp math.reduce_max math.reduce_mean math.reduce_min
    math.reduce_prod math.reduce_sum math.softmax matrix_band_part matrix_diag matrix_diag_part matrix_set_diag
    matrix_transpose mod nn.avg_pool nn.avg_pool1d nn.avg_pool2d nn.avg_pool_v2 nn.batch_normalization nn.conv1d
    nn.conv2d nn.conv2d_transpose nn.conv3d nn.convolution nn.depth_to_space nn.depthwise_conv2d
    nn.depthwise_conv2d_native nn.dropout nn.embedding_lookup nn.fused_batch_norm nn.l2_normalize nn.log_softmax
    nn.max_pool nn.max_pool1d nn.max_pool2d nn.max_pool_v2 nn.moments nn.pool nn.relu_layer nn.separable_conv2d
    nn.softmax nn.space_to_batch nn.space_to_depth nn.xw_plus_b norm ones_like pad real reciprocal reduce_all
    reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum reverse reverse_sequence
    reverse_v2 rint rsqrt shape size space_to_batch space_to_depth squared_difference squeeze strided_slice
    to_bfloat16 to_double to_float to_int32 to_int64 trace transpose unsorted_segment_max unsorted_segment_sum where
    where_v2 zeros_like
"""
TENSOR_FUNCTIONS = (
    _names("__operators__.add __operators__.eq __operators__.getitem __operators__.ne", "")
    | _names(_PLAIN, "")
    | _names(_MATH, "math.")
    | _names(_NN, "nn.")
    | _names(_LINALG, "linalg.")
    | _names(_IMAGE, "image.")
    | _names(_SIGNAL, "signal.")
    | _names(_BACKEND, "keras.backend.")
    | _names(_ACTIVATIONS, "keras.activations.")
    | _names(_VERSION_1, "compat.v1.")
    | _names("bitwise_and bitwise_or bitwise_xor invert left_shift right_shift", "bitwise.")
    | _names("cast complex saturate_cast", "dtypes.")
    | _names("categorical normal poisson shuffle truncated_normal uniform", "random.")
    | _names(
        """dequantize quantize quantize_and_dequantize quantize_and_dequantize_v2 fake_quant_with_min_max_args
        fake_quant_with_min_max_vars fake_quant_with_min_max_vars_per_channel""",
        "quantization.",
    )
)

# The operations of a TensorFlowOpLayer, which TensorFlow 2.0 to 2.3 wrote where later versions write a TFOpLambda.
NODE_OPERATIONS = _names(
    """Abs Add AddN AddV2 ArgMax ArgMin AvgPool BatchMatMul BatchMatMulV2 BatchToSpaceND BiasAdd BroadcastTo Cast Ceil
    ConcatV2 Conv2D Cos Cumsum DepthToSpace DepthwiseConv2dNative Div DivNoNan Einsum Elu Equal Exp ExpandDims Fill
    Floor FloorDiv FloorMod GatherNd GatherV2 Greater GreaterEqual Identity LeakyRelu Less LessEqual Log Log1p
    LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min Minimum Mul Neg NotEqual OneHot
    OnesLike Pack Pad PadV2 Pow Prod Range RealDiv Reciprocal Relu Relu6 Reshape ResizeBilinear
    ResizeNearestNeighbor ReverseV2 Rsqrt SelectV2 Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign
    SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StopGradient StridedSlice Sub Sum
    Tanh Tile TopKV2 Transpose Unpack Where ZerosLike""",
    "",
)

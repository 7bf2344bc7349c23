"""The names that a model file may use without trust: of layers, operations and functions that compute on tensors.

A name that is not here is code: it may be a function that writes files, a class that reads them, or a module whose
import does something. So a list is added to only after a look at what the name does, and never by a pattern.
"""

from __future__ import annotations


def _names(text: str, prefix: str = "") -> frozenset[str]:
    return frozenset(prefix + name for name in text.split())


MODELS = _names("Functional Model Sequential")

LAYERS = MODELS | _names("""
    InputLayer Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention AugMix AutoContrast
    Average AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D
    AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
    AdaptiveMaxPooling2D AdaptiveMaxPooling3D BatchNormalization BatchNormalizationV1 BatchNormalizationV2
    Bidirectional CategoryEncoding CenterCrop Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv2D
    Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D
    Convolution2D Convolution3D Convolution1DTranspose Convolution2DTranspose Convolution3DTranspose Cropping1D
    Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense
    Embedding Equalization Flatten GRU GRUV1 GRUV2 GRUCell GRUCellV1 GRUCellV2 GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
    GlobalAvgPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalMaxPool1D GlobalMaxPool2D
    GlobalMaxPool3D GroupNormalization GroupQueryAttention GroupedQueryAttention Identity LSTM LSTMV1 LSTMV2
    LSTMCell LSTMCellV1 LSTMCellV2 LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D Masking
    MaxNumBoundingBoxes MaxPooling1D MaxPooling2D MaxPooling3D MaxPool1D MaxPool2D MaxPool3D Maximum MelSpectrogram
    Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline RMSNormalization RNN RandAugment
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform
    RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert
    RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
    RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape Resizing ReversibleEmbedding
    STFTSpectrogram SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D SimpleRNN
    SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization
    StackedRNNCells Subtract SyncBatchNormalization ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D
    UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
""")

# The operations of `keras.ops`, which Keras 3 stores as layers, but those that take functions (Map, Cond, ...).
OPERATIONS = _names("""
    Abs Absolute Add All AllClose Amax Amin Angle Any Append Arange Arccos Arccosh Arcsin Arcsinh Arctan Arctan2
    Arctanh Argmax Argmin Argpartition Argsort Array ArraySplit Average Bincount BitwiseAnd BitwiseInvert
    BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo Cbrt Ceil Clip Concatenate Conj
    Conjugate Copy Corrcoef Correlate Cos Cosh CountNonzero Cross Cumprod Cumsum Deg2rad Diag Diagflat Diagonal Diff
    Digitize Divide DivideNoNan Dot Dsplit Dstack Einsum EmptyLike Equal Exp Exp2 ExpandDims Expm1 Fabs Flip Fliplr
    Flipud Floor FloorDivide Fmax Fmin Fmod Full FullLike Gcd Geomspace GetItem Greater GreaterEqual Heaviside
    Histogram Hsplit Hstack Hypot I0 Imag Inner IsIn Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal Kron Lcm
    Ldexp LeftShift Less LessEqual Linspace Log Log10 Log1p Log2 Logaddexp Logaddexp2 LogicalAnd LogicalNot
    LogicalOr LogicalXor Logspace Matmul Max Maximum Mean Median Meshgrid Min Minimum Mod Moveaxis Multiply NanToNum
    Nanargmax Nanargmin Nancumprod Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile
    Nanstd Nansum Nanvar Ndim Negative Nextafter Nonzero NotEqual OnesLike Outer Pad Percentile Power Prod Ptp
    Quantile Rad2deg Ravel Real Reciprocal Repeat Reshape RightShift Roll Rot90 Round SearchSorted Select Sign
    Signbit Sin Sinc Sinh Size Slogdet Sort Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take
    TakeAlongAxis Tan Tanh Tensordot Tile Trace Transpose Trapezoid Tril Triu TrueDivide Trunc Unique UnravelIndex
    Vander Var Vdot View Vsplit Vstack Where ZerosLike AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm
    BinaryCrossentropy CategoricalCrossentropy Celu Conv ConvTranspose CTCDecode CTCLoss DepthToSpace DepthwiseConv
    DotProductAttention Elu Fold Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid
    LogSoftmax MaxPool Mish Moments MultiHot Normalize OneHot PSNR Polar RMSNorm ReLU Relu Relu6 Selu SeparableConv
    Sigmoid Silu SoftShrink Softmax Softplus Softsign SpaceToDepth SparseCategoricalCrossentropy SparsePlus
    SparseSigmoid Sparsemax Squareplus TanhShrink Threshold Unfold Cast ConvertToTensor SaturateCast Scatter
    ScatterUpdate Slice SliceUpdate StopGradient Unstack Rearrange AffineTransform CropImages ElasticTransform
    ExtractPatches GaussianBlur HSVToRGB MapCoordinates PadImages PerspectiveTransform RGBToGrayscale RGBToHSV
    Resize SSIM ScaleAndTranslate SobelEdges Cholesky CholeskyInverse Det Eig Eigh Inv Lstsq LuFactor MatrixRank
    Norm Pinv Qr SVD Solve SolveTriangular CDist Erf Erfc Erfinv ExtractSequences FFT FFT2 IFFT2 IRFFT ISTFT InTopK
    Logdet Logsumexp RFFT Rsqrt STFT SegmentMax SegmentMin SegmentProd SegmentSum TopK ViewAsComplex ViewAsReal
    FakeQuantWithMinMaxVars
""")

ACTIVATIONS = _names("""
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear
    log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus
    sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold ReLU LeakyReLU ELU PReLU Softmax
    ThresholdedReLU
""")
INITIALIZERS = _names("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform
    Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT STFTInitializer TruncatedNormal
    VarianceScaling Zeros constant glorot_normal glorot_uniform he_normal he_uniform identity lecun_normal
    lecun_uniform normal one ones orthogonal random_normal random_uniform stft truncated_normal uniform
    variance_scaling zero zeros
""")
REGULARIZERS = _names("L1 L1L2 L2 OrthogonalRegularizer l1 l1_l2 l2 orthogonal_regularizer")
CONSTRAINTS = _names("""
    MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm max_norm maxnorm min_max_norm non_neg nonneg radial_constraint
    unit_norm unitnorm
""")
# Which list the text at a key must be of, by how the key ends: Keras looks such a text up.
LOOKED_UP = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "regularizer": REGULARIZERS,
    "constraint": CONSTRAINTS,
}

# Types of arithmetic, how Keras 3 quantizes, and values that JSON lacks.
VALUES = _names("""
    Policy PolicyV1 DTypePolicy DTypePolicyMap FloatDTypePolicy QuantizedDTypePolicy QuantizedFloat8DTypePolicy
    Int4DTypePolicy AbsMaxQuantizer Int4QuantizationConfig Int8QuantizationConfig Float8QuantizationConfig
    TensorShape __tuple__ __ellipsis__ __slice__ __bytes__ __numpy__ __tensor__ __keras_tensor__
""")
OBJECTS = LAYERS | OPERATIONS | ACTIVATIONS | INITIALIZERS | REGULARIZERS | CONSTRAINTS | VALUES

# What Keras's architectures take from elsewhere, by (module, class): ConvNeXt's layer, EfficientNetV2's initializers.
ELSEWHERE = frozenset(
    [(f"{keras}.src.applications.convnext", "LayerScale") for keras in ("keras", "tf_keras")]
    + [("tensorflow.python.ops.init_ops_v2", name) for name in INITIALIZERS]
)

# Of Larq, which is not imported: edgecompress has stand-ins by these names, which read no more than the names of
# quantizers.
LARQ_CLASSES = (
    "QuantDense", "QuantConv1D", "QuantConv2D", "QuantConv3D", "QuantDepthwiseConv2D", "QuantSeparableConv1D",
    "QuantSeparableConv2D", "QuantConv2DTranspose", "QuantConv3DTranspose", "QuantLocallyConnected1D",
    "QuantLocallyConnected2D", "SteSign", "ApproxSign", "SwishSign", "MagnitudeAwareSign", "SteTern", "SteHeaviside",
    "DoReFa", "DoReFaQuantizer", "NoOp", "NoOpQuantizer", "WeightClip", "weight_clip",
)  # fmt: skip
LARQ_QUANTIZERS = ("input_quantizer", "kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer")

OWN_LAYERS = _names("ActivationRange BinaryConv2D BinaryDense BinaryDepthwiseConv2D FileRecord Sign SplitActivation")
TFMOT_CLASSES = _names("""
    PruneLowMagnitude ConstantSparsity PolynomialDecay ClusterWeights ClusterWeightsRNN ClusterWeightsMHA
    QuantizeAnnotate QuantizeAwareActivation NoOpActivation QuantizeWrapper QuantizeWrapperV2 QuantizeLayer
    OutputOnlyConfig FixedQuantizeConfig NoOpQuantizeConfig
    Default8BitQuantizeConfig Default8BitQuantizeConfigRNN Default8BitActivationQuantizeConfig
    Default8BitConvQuantizeConfig Default8BitOutputQuantizeConfig Default8BitConvTransposeQuantizeConfig
    DefaultNBitQuantizeConfig DefaultNBitQuantizeConfigRNN DefaultNBitActivationQuantizeConfig
    DefaultNBitConvQuantizeConfig DefaultNBitOutputQuantizeConfig DefaultNBitConvTransposeQuantizeConfig
    AllValuesQuantizer LastValueQuantizer MovingAverageQuantizer FixedQuantizer NoQuantizer
    Default8BitConvWeightsQuantizer Default8BitConvTransposeWeightsQuantizer
    DefaultNBitConvWeightsQuantizer DefaultNBitConvTransposeWeightsQuantizer
""")
# Found by their registered names, whatever module a file says that they are of. `CustomScaleLayer`: Inception-ResNet.
REGISTERED = OWN_LAYERS | TFMOT_CLASSES | frozenset(LARQ_CLASSES) | {"CustomScaleLayer"}

# The other layers of both Keras, by what they are: code, or something that may read a file.
CODE_LAYERS = {
    **dict.fromkeys(("Lambda", "__lambda__"), "Python code"),
    **dict.fromkeys(("TorchModuleWrapper", "JaxLayer", "FlaxLayer", "ModuleWrapper"), "the code of another library"),
    "TFSMLayer": "a SavedModel, whose functions may do anything",
    **dict.fromkeys(
        ("StringLookup", "IntegerLookup", "TextVectorization", "Hashing", "HashedCrossing", "FeatureSpace"),
        "a layer for words and tables, which may read files",
    ),
    **dict.fromkeys(
        ("DenseFeatures", "SequenceFeatures", "LinearModel", "WideDeepModel"), "feature columns, which may read files"
    ),
    **dict.fromkeys(("AddLoss", "AddMetric"), "a loss or a metric of training"),
    **dict.fromkeys(("CuDNNGRU", "CuDNNLSTM"), "a layer for one kind of GPU"),
    **dict.fromkeys(
        ("AbstractRNNCell", "BaseRandomLayer", "BatchNormalizationBase", "DeviceWrapper", "DropoutWrapper", "Layer"),
        "a base class, which computes nothing of its own",
    ),
    **dict.fromkeys(
        ("ResidualWrapper", "Wrapper", "_RNNCellWrapper", "Input", "InputSpec"),
        "a base class, which computes nothing of its own",
    ),
    **dict.fromkeys(("TypeSpec", "__typespec__", "CompositeTensor"), "an object of TensorFlow by its name"),
}

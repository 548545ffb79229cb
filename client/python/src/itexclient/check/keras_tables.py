"""Which layers support jit, by Keras's own sources (3.0 to 3.13), and what else the analyser knows of Keras
by name.

A layer that sets supports_jit = False in __init__ turns jit off for every model that has it. The tables name
layers of keras.layers; one that is in none of them is unknown.
"""

from __future__ import annotations

from .text import words

UNSUPPORTED = words(
    """
    HashedCrossing Hashing IndexLookup IntegerLookup RandomCrop RandomPerspective RandomRotation
    RandomShear RandomTranslation RandomZoom StringLookup TextVectorization
    """
)

# keras/src/layers/rnn declares supports_jit=False for these where cuDNN may be used, which depends on
# devices.
RECURRENT = frozenset({"LSTM", "GRU"})

SUPPORTED = words(
    """
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add
    AdditiveAttention AlphaDropout Attention AutoContrast Average AveragePooling1D AveragePooling2D
    AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization Bidirectional CategoryEncoding
    CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose
    ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose Convolution2D
    Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D CutMix
    Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding
    Equalization Flatten GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D
    GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GroupNormalization GroupQueryAttention Identity InputLayer LSTMCell Lambda Layer
    LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D
    MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp MultiHeadAttention Multiply
    Normalization PReLU Permute Pipeline RMSNormalization RNN RandomBrightness RandomColorDegeneration
    RandomColorJitter RandomContrast RandomFlip RandomGaussianBlur RandomGrayscale RandomHue
    RandomInvert RandomPosterization RandomSaturation RandomSharpness ReLU RepeatVector Rescaling
    Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D
    SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax Solarization
    SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells Subtract
    TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D Wrapper ZeroPadding1D
    ZeroPadding2D ZeroPadding3D ThresholdedReLU LocallyConnected1D LocallyConnected2D
    SyncBatchNormalization
    """
)

# Layers that are made of the layers which they are given.
WRAPPERS = frozenset(
    {
        "Bidirectional",
        "TimeDistributed",
        "RNN",
        "StackedRNNCells",
        "Wrapper",
        "SpectralNormalization",
        "Pipeline",
    }
)

# Functions in keras.layers: they make a layer and call it.
FUNCTIONS = frozenset({"add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"})

MODELS = frozenset({"Sequential", "Model", "Functional"})
LOADERS = frozenset(
    {"load_model", "model_from_json", "model_from_yaml", "model_from_config", "deserialize_keras_object"}
)

# Parts of Keras that make no layer and no model.
OTHER_PARTS = words(
    """
    activations backend callbacks config constraints datasets distribution dtype_policies export
    initializers legacy losses metrics mixed_precision ops optimizers preprocessing quantizers random
    regularizers tree utils visualization experimental saving
    """
)

# Parts that scripts without any Keras model use too: data sets and helpers. "": the module itself.
DATA_PARTS = frozenset({"", "datasets", "utils", "preprocessing"})

# Keras 3 has them, Keras 2 has not: a script that uses one cannot be moved to tf_keras by its imports.
ONLY_KERAS3 = frozenset(
    {
        "ops",
        "random",
        "config",
        "distribution",
        "dtype_policies",
        "quantizers",
        "tree",
        "visualization",
        "device",
        "KerasTensor",
        "Operation",
        "Variable",
        "StatelessScope",
        "name_scope",
    }
)

# The first Keras whose model_supports_jit() looks at op determinism (keras/src/trainers/trainer.py).
DETERMINISM_SINCE = (3, 7)

CONSUMERS = frozenset(
    {
        "fit",
        "fit_generator",
        "evaluate",
        "predict",
        "train_on_batch",
        "test_on_batch",
        "predict_on_batch",
        "evaluate_generator",
        "predict_generator",
    }
)
COMPILE_KEYWORDS = frozenset(
    {
        "optimizer",
        "loss",
        "metrics",
        "loss_weights",
        "weighted_metrics",
        "run_eagerly",
        "steps_per_execution",
        "jit_compile",
    }
)


def support_of(name):
    """yes, no, recurrent or unknown, of a layer of keras.layers."""
    if name in SUPPORTED:
        return "yes"
    if name in UNSUPPORTED:
        return "no"
    return "recurrent" if name in RECURRENT else "unknown"

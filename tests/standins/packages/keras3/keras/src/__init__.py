from keras.src import (  # noqa: F401
    backend,  # noqa: F401 - the backend comes first, and with it TensorFlow
    models,
    trainers,
)

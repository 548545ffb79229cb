def build_model():
    from tensorflow.keras import Sequential, layers
    return Sequential([layers.Dense(4)])

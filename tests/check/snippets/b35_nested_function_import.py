def get_keras():
    import tensorflow
    return tensorflow.keras


def build(keras):
    return keras.Sequential([keras.layers.Dense(2, activation="softmax")])


keras = get_keras()
m = build(keras)
m.compile(optimizer=keras.optimizers.SGD(learning_rate=0.1), loss=keras.losses.CategoricalCrossentropy(), jit_compile=0)

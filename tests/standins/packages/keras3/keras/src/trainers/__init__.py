from keras.src.trainers import trainer  # noqa: F401

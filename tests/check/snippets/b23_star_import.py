from tensorflow.keras.layers import *
from tensorflow.keras.models import *
import tensorflow as tf
from math import *

def unet(n=16):
    inp = Input((128, 128, 1))
    c1 = Conv2D(n, 3, activation='relu', padding='same')(inp)
    p1 = MaxPooling2D()(c1)
    c2 = Conv2D(2 * n, 3, activation='relu', padding='same')(p1)
    u1 = concatenate([UpSampling2D()(c2), c1])
    out = Conv2D(1, 1, activation='sigmoid')(u1)
    return Model(inputs=[inp], outputs=[out])

model = unet(int(sqrt(256)))
model.compile(optimizer='adam', loss='binary_crossentropy')

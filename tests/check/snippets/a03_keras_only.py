#!/usr/bin/env python3
"""Trains on random data."""
from __future__ import annotations

import numpy as np
from keras.layers import Dense, Input
from keras.models import Model

inputs = Input((20,))
hidden = Dense(64, activation="relu")(inputs)
outputs = Dense(1)(hidden)
model = Model(inputs, outputs)
model.compile("sgd", "mse")
model.fit(np.random.rand(100, 20), np.random.rand(100, 1))

# -*- coding: latin-1 -*-
import tensorflow as tf  # für später
name = 'Größe'; gpus = tf.config.list_physical_devices('GPU')

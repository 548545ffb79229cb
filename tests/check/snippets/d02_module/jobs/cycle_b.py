from . import cycle_a
import keras
B = 2

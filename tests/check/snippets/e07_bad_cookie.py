# coding: klingon
import tensorflow

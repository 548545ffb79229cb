import os


def prepare():
    os.environ['ITEX_DISABLE_XLA'] = '1'

import os


def setup(variables):
    for name, value in variables.items():
        os.environ[name] = value

class Dense:
    def __init__(self, units, activation=None):
        self.units = units

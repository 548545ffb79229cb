"""placeholder"""


class Editor:
    def __init__(self, scripts):
        pass

    def edits_of(self, finding):
        return []

    def changed_files(self, findings):
        return []

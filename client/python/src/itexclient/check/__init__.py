"""What a training script does, found without running it: `python -m itexclient.check FILE`.

It is Python's own syntax tree that is walked (ast), in the order of execution; nothing of the script is
executed and no TensorFlow is imported. docs/check.md says what is found and what each finding means.
"""

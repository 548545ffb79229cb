import subprocess
import sys

for seed in range(3):
    subprocess.run([sys.executable, "train.py", "--seed", str(seed)], check=True)

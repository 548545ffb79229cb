from . import cycle_a
from .run import main

main()

"""``python -m lava_desire`` is the command ``lava-desire``."""

from lava_desire.cli import main

main()

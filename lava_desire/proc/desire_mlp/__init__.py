"""The former place of :class:`~lava_desire.proc.DesireSequential`."""

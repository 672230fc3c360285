"""The former name of :class:`~lava_desire.proc.DesireSequential`, where it used to be."""

from lava_desire.proc.desire_sequential.process import DesireMLP

__all__ = ["DesireMLP"]

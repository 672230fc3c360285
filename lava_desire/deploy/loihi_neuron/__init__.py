"""A learning neuron that delivers desire to Loihi's learning engine.

It has a folder of its own: Lava imports every module beside a process in search of its models.
"""

from lava_desire.deploy.loihi_neuron import models  # noqa: F401  Lava finds what is imported
from lava_desire.deploy.loihi_neuron.process import DesireErrors, DesireLearningLIF

__all__ = ["DesireErrors", "DesireLearningLIF"]

"""A learning neuron that delivers desire to Loihi's learning engine.

It has a folder of its own: Lava imports every module beside a process in search of its models.
"""

"""A user's script, checked strictly by mypy against the installed package: make check-dist."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset

digits = load_dataset("digits")
config: DesireConfig = DesireConfig.preset("digits").replace(epochs=1)
network = DesireNetwork(config)
history = fit(network, digits.train, digits.test)
last = history.last
assert last is not None, "an epoch was trained"
accuracy: float = last.test_accuracy
images: npt.NDArray[np.uint8] = digits.test_images[:3]
print(f"{accuracy:.3f} {evaluate(network, digits.test).accuracy:.3f}", network.predict(images))

# Were the package not typed, these would be fine, and mypy would call the comments unused.
no_number: str = config.num_steps  # type: ignore[assignment]
no_text: int = last.test_accuracy  # type: ignore[assignment]

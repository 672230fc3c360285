"""Where :mod:`lava_desire.lava_runtime.compat` was in 0.1: kept for scripts that name it."""

from lava_desire.lava_runtime.compat import INSTALL_COMMAND, LAVA_VERSION, import_lava

__all__ = ["INSTALL_COMMAND", "LAVA_VERSION", "import_lava"]

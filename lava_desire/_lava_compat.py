"""Old name of :mod:`lava_desire.lava_runtime.compat`, kept for scripts of 0.1."""

from lava_desire.lava_runtime.compat import INSTALL_COMMAND, LAVA_VERSION, import_lava

__all__ = ["INSTALL_COMMAND", "LAVA_VERSION", "import_lava"]

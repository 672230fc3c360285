"""``lava-desire install-lava``."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Annotated

import typer

from lava_desire.lava_runtime.compat import LAVA_VERSION
from lava_desire.lava_runtime.installing import NEEDS, steps, version_of

_LOOK = "import lava_desire.proc"


def install_lava(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
) -> None:
    """Install Lava in the environment that this runs in, and replace no other package there."""
    versions = {package: version_of(package) for package in ("numpy", *NEEDS, "lava-nc")}
    print("there:", ", ".join(f"{name} {found or 'none'}" for name, found in versions.items()))
    try:
        commands = steps()
    except RuntimeError as error:
        raise ImportError(str(error)) from None
    for command in commands:
        print(shlex.join(command), flush=True)
        if not dry_run and subprocess.run(command, check=False).returncode:
            raise ImportError("pip failed, see above: mend that, and give the same command again")
    if dry_run:
        print("nothing was done" if commands else "nothing is to be done")
        return
    look = subprocess.run([sys.executable, "-c", _LOOK], capture_output=True, text=True)
    if look.returncode:
        raise ImportError(f"Lava is installed and does not import: {look.stderr.strip()}")
    print(f"Lava {LAVA_VERSION} is installed and imports")

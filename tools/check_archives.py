"""Checks what is in a wheel and an sdist. Usage: python tools/check_archives.py FOLDER.

An sdist must hold every file of the last commit and nothing else but its PKG-INFO; a wheel every
file of the package and nothing else but its own records and the hook of tools/lava_desire.pth.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGE = "lava_desire"


def committed() -> set[str]:
    """Return the files of the last commit."""
    command = ["git", "ls-tree", "-r", "--name-only", "-z", "HEAD"]
    listed = subprocess.run(command, capture_output=True, check=True, text=True)
    return set(listed.stdout.split("\0")) - {""}


def complaints(folder: Path) -> list[str]:
    """Return what is missing in the archives of a folder, and what should not be there."""
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        return [f"{folder} holds {len(wheels)} wheels and {len(sdists)} sdists: expected one each"]
    files = committed()
    with zipfile.ZipFile(wheels[0]) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = {name for name in files if name.startswith(f"{PACKAGE}/")}
    result = _compare(wheels[0].name, found, package | {f"{PACKAGE}.pth"})
    with tarfile.open(sdists[0]) as sdist:
        inside = {each.name.partition("/")[2] for each in sdist.getmembers() if each.isfile()}
        result += [f"{sdists[0].name}: {each.name} is a link" for each in sdist if each.issym()]
    return result + _compare(sdists[0].name, inside - {"PKG-INFO"}, files)


def _compare(archive: str, found: set[str], expected: set[str]) -> list[str]:
    return [f"{archive}: {name} is missing" for name in sorted(expected - found)] + [
        f"{archive}: {name} does not belong there" for name in sorted(found - expected)
    ]


if __name__ == "__main__":
    found = complaints(Path(sys.argv[1]))
    print("\n".join(found) or "wheel and sdist hold what they should")
    sys.exit(bool(found))

"""A plugin of pytest: the package finds the files of `invented` beside its own options."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

INVENTED = Path(__file__).parent / "invented"


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "lava_desire.model.options":
            return None
        spec = PathFinder.find_spec(name, path)
        spec.submodule_search_locations.append(str(INVENTED))
        return spec


sys.meta_path.insert(0, Finder)

#!/usr/bin/env bash
# numba 0.68.1: a compiled generator that comes from the cache cannot be used in a newly compiled function.
#
# One would expect `cache=True` to change nothing but the time to compile. Seen: in the process that compiled it, a generator
# can be looped over in another compiled function. In the next process, which reads it from the cache, compiling such a
# function ends with a KeyError of numba's own; called from Python, or by a function that was cached with it, it still works.
# So a program fails from its second start on, as soon as it compiles anything new around the generator.
# For our users: in kernels of their own, `@njit` without `cache=True` for generators; the functions around them may be cached.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install numba==0.68.1 llvmlite==0.50.0 numpy==1.26.4
cd "$folder"
export NUMBA_CACHE_DIR="$folder/cache"
cat >script.py <<'PYTHON'
from numba import njit


@njit(cache=True)
def pieces(size):
    for piece in range(size):
        yield piece


@njit
def total(size):
    added = 0
    for piece in pieces(size):
        added += piece
    return added


from_python = list(pieces(3))
try:
    print(from_python, total(5))
except KeyError as error:
    print(from_python, "KeyError:", str(error)[:15])
PYTHON
first=$(venv/bin/python script.py)
second=$(venv/bin/python script.py)
printf 'first start: %s\nsecond start: %s\n' "$first" "$second"
[ "$first" = "[0, 1, 2] 10" ] && [ "$second" = "[0, 1, 2] KeyError: int64 generator" ]

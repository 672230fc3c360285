"""Archives as an author of bad will makes them: whole outside, wrong inside."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as dump_arrays

from lava_desire.checkpoint import _digest
from soak.mutate import mutate_bytes, mutate_json

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_SHAPES = (
    *("()", "(0,)", "(20,)", "(20, 4)", "(4, 20)", "(20, 2, 2)", "(20, 4, 1, 1)"),
    *("(-1, 4)", f"({10**12}, 784)", f"({2**63},)", f"(0, {2**63})", f"({'1,' * 40})"),
    *("None", "20"),
)
_DTYPES = (
    *("'|u1'", "'<f4'", "'>f8'", "'<i8'", "'|b1'", "'<f2'", "'<f16'", "'<u8'"),
    *("'|O'", "'|V8'", "'<U9'", "'<m8'", "[('a', '<f4')]", "'f8,f8'", "'(1000000,)f8'"),
    *("'nonsense'", "7"),
)


def npy_member(random: Random, array: np.ndarray[Any, Any]) -> bytes:
    """Return an array as ``.npy``, its header perhaps not that of its contents."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    content = stream.getvalue()
    if random.random() < 0.5:
        return content
    if random.random() < 0.3:
        return mutate_bytes(random, content, [content])
    descr = repr(array.dtype.str) if random.random() < 0.5 else random.choice(_DTYPES)
    shape = repr(array.shape) if random.random() < 0.5 else random.choice(_SHAPES)
    order = random.choice(("True", "False", "False", "1", "None"))
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    encoded = header.encode() + b"\n"
    version = random.choice((1, 1, 1, 2, 3, 4))
    length = struct.pack("<H" if version == 1 else "<I", len(encoded))
    return b"\x93NUMPY" + bytes([version, 0]) + length + encoded + array.tobytes()


def npz_archive(random: Random, arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """Return arrays as ``.npz``, members and directory perhaps not what they say."""
    stream = io.BytesIO()
    members = {f"{name}.npy": npy_member(random, array) for name, array in arrays.items()}
    if random.random() < 0.15:
        members[random.choice(("../../escaped.npy", "/escaped.npy", "a/b.npy", "x"))] = b"escaped"
    if random.random() < 0.05:
        members.pop(random.choice(list(members)))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")
        for name, content in members.items():
            archive.writestr(name, content, random.choice(_PACKINGS))
        if random.random() < 0.05:
            archive.writestr(next(iter(members)), b"twice")
    content = stream.getvalue()
    what = random.random()
    if what < 0.2:
        return _with_wrong_directory(random, content)
    return mutate_bytes(random, content, [content]) if what < 0.5 else content


def _with_wrong_directory(random: Random, content: bytes) -> bytes:
    """Change a number in an entry of the directory: flags, packing, checksum, sizes, offset."""
    entries = [at for at in range(len(content)) if content[at : at + 4] == b"PK\x01\x02"]
    if not entries:
        return content
    field, width = random.choice(((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (42, 4)))
    place = random.choice(entries) + field
    value = random.choice((0, 1, 8, 12, 14, 99, 2**15, 2**31, 2**32 - 1)) % 2 ** (8 * width)
    return content[:place] + value.to_bytes(width, "little") + content[place + width :]


def forged_checkpoint(random: Random, content: bytes) -> bytes:
    """Change a checkpoint and give it the checksum of what it then holds."""
    arrays = dict(load_arrays(content))
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    metadata.pop("sha256")
    if random.random() < 0.4:
        _spoil_array(random, arrays)
    else:
        _spoil_metadata(random, metadata)
    if random.random() < 0.95:
        metadata["sha256"] = _digest(arrays, metadata)
    return dump_arrays(arrays, metadata)


def _spoil_metadata(random: Random, metadata: dict[str, str]) -> None:
    name = random.choice(list(metadata))
    if random.random() < 0.1:
        del metadata[name]
        return
    try:
        value: Any = mutate_json(random, json.loads(metadata[name]))
        metadata[name] = json.dumps(value).encode("utf-8", "replace").decode()
    except ValueError:
        metadata[name] = random.choice(("", "{", "[" * 2_000, "-1", "9" * 6_000, "NaN", "null"))


def _spoil_array(random: Random, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    name = random.choice(list(arrays))
    array = arrays[name]
    what = random.randrange(6)
    if what == 0:
        del arrays[name]
    elif what == 1:
        arrays[name] = np.ascontiguousarray(array.T)
    elif what == 2:
        kind = random.choice(("f2", "f8", "i1", "u1", "i8", "?", "f4"))
        arrays[name] = array.astype(kind)
    elif what == 3 and array.dtype.kind == "f":
        array = array.copy()
        array.flat[random.randrange(array.size)] = random.choice((np.nan, np.inf, -np.inf, 3e38))
        arrays[name] = array
    elif what == 4:
        arrays[random.choice(("weights.99", "x", "average.1", "average.2"))] = array
    else:
        arrays[name] = array.reshape(-1)[: random.randrange(array.size)]


def forged_idx(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Spoil an IDX file, its header half of the time."""
    if random.random() < 0.5:
        return mutate_bytes(random, content, others)
    dimensions = random.choice((0, 1, 1, 2, 3, 3, 4, 31, 32, 33, 64, 65, 255))
    sizes = [
        random.choice((0, 1, 1, 1, 2, 3, 4, 2**16, 2**31, 2**32 - 1)) for _ in range(dimensions)
    ]
    if random.random() < 0.6:
        sizes = [min(size, random.choice((1, 2, 3))) for size in sizes]
    kind = random.choice((8, 8, 8, 8, 9, 0x0D))
    header = bytes([0, 0, kind, dimensions]) + struct.pack(f">{dimensions}I", *sizes)
    body = int(np.prod([float(size) for size in sizes]))
    return header + random.randbytes(min(body, 5_000) + random.choice((0, 0, 0, 1, -1, 7)) % 8)

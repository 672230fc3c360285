"""Checks of indices, shapes and values of a Var, before anything is sent.

Nothing here asks a child: :class:`Variable` is what the compiled network says of a Var, and
:func:`read` and :func:`write` act on a model, wherever that runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.utils.sparse import find
from scipy.sparse import csr_matrix, spmatrix

from lava_desire.lava_runtime.errors import describe


@dataclass(frozen=True)
class Variable:
    """A Var of a process, as the compiled network knows it.

    Messages call it by `name`: ``weights of Dense (Process_0)``. The shape of a sparse matrix is
    (n,), the values that it stores. `kind` is ``"numbers"``, ``"text"`` or ``"sparse"``, and
    `dtype` what the array in its model holds, int64 for an int; None where that is neither.
    """

    name: str
    shape: tuple[int, ...]
    kind: str = "numbers"
    dtype: np.dtype[Any] | None = None

    @classmethod
    def of(cls, process: Any, model_class: type, name: str) -> Variable:
        """Describe a Var."""
        var, declared = getattr(process, name), getattr(model_class, name)
        title, shape = f"{name} of {describe(process)}", tuple(var.shape)
        if isinstance(var.init, str):
            return cls(title, shape, "text")
        if isinstance(var.init, spmatrix):
            return cls(title, find(var.init, explicit_zeros=True)[2].shape, "sparse")
        dtype = None
        if isinstance(declared.cls, type) and issubclass(declared.cls, np.ndarray):
            dtype = np.dtype(declared.d_type)
        elif declared.cls is int:
            dtype = np.dtype(np.int64)
        return cls(title, shape, "numbers", dtype)

    def check_index(self, idx: Any) -> tuple[int, ...]:
        """Return the shape of what an index selects.

        An index is as NumPy takes it: an integer, a slice, lists or arrays of integers or booleans,
        or a tuple of these; None is everything. Raises IndexError if there are no such elements,
        ValueError if the Var is a sparse matrix, which has no indices.
        """
        if idx is None:
            return self.shape
        if self.kind == "sparse":
            raise ValueError(f"{self.name} is a sparse matrix: expected no index, got {idx!r}")
        try:
            return np.broadcast_to(np.uint8(0), self.shape)[idx].shape
        except (IndexError, TypeError, ValueError) as error:
            raise IndexError(
                f"{self.name} has shape {self.shape} and no elements {idx!r}: {error}"
            ) from None

    def select(self, values: Any, idx: Any) -> Any:
        """Return of the values of a Var what is asked for, float64 as Lava gives every Var.

        `values` are what :func:`read` returned, `idx` is as of :meth:`check_index`.
        """
        values = np.asarray(values, np.float64)
        if self.kind == "text":
            # Lava makes the text from what comes back, and takes a lone number for its length.
            try:
                return np.atleast_1d(values if idx is None else values[idx])
            except IndexError as error:  # it may have become shorter
                raise IndexError(
                    f"{self.name} has {values.size} characters and no {idx!r}: {error}"
                ) from None
        if self.kind == "numbers":
            values = values.reshape(self.shape)
        return values if idx is None else values[idx]

    def check_value(self, value: Any, idx: Any = None) -> Any:
        """Return what is to be written at an index, in the shape of what the index selects.

        `value` has the elements that the index selects, or is the whole Var, of which those are
        taken. A number alone is taken for one element, and (1, 4) for (4, 1): axes of length one do
        not say where a number belongs. Raises IndexError as :meth:`check_index`; ValueError if it
        holds no numbers, is of another shape, or holds a number that the Var cannot hold.
        """
        target = self.check_index(idx)
        array = as_numbers(self.name, value)
        if self.kind == "text":
            return self._check_text(array, idx)
        if idx is not None and array.shape == self.shape:
            array = np.asarray(array[idx])
        elif _without_ones(array.shape) == _without_ones(target):
            array = array.reshape(target)
        if array.shape != target:
            whole = "" if idx is None else f" for the elements {idx!r}, or {self.shape}"
            raise ValueError(
                f"{self.name} was set to an array of shape {array.shape}: expected {target}{whole}"
            )
        self._check_range(array)
        return array

    def _check_text(self, codes: Any, idx: Any) -> Any:
        if idx is not None:
            raise ValueError(f"{self.name} is a text: expected it whole, got the index {idx!r}")
        if codes.ndim != 1 or codes.dtype.kind not in "iu" or ((codes < 0) | (codes > 127)).any():
            raise ValueError(f"{self.name} is a text: expected a str of ASCII characters")
        return codes

    def _check_range(self, values: Any) -> None:
        """Refuse numbers that the Var's type would change."""
        dtype = self.dtype
        if dtype is None or dtype == values.dtype or not values.size:
            return
        if dtype.kind == "f":
            with np.errstate(over="ignore"):
                wrong = np.isfinite(values) & ~np.isfinite(values.astype(dtype))
            allowed = f"numbers that {dtype} can hold"
        elif dtype.kind == "b":
            wrong, allowed = (values != 0) & (values != 1), "True or False"
        elif dtype.kind in "iu":
            limits = np.iinfo(dtype)
            wrong = ~(
                (values >= limits.min) & (values <= limits.max) & (np.floor(values) == values)
            )
            if values.dtype.kind == "f":  # in which 2**63 − 1 is 2**63
                wrong |= values >= 2.0**63
            allowed = f"whole numbers in [{limits.min}, {limits.max}]"
        else:
            return
        if wrong.any():
            raise ValueError(f"{self.name} was set to {values[wrong][0]}: expected {allowed}")


def as_numbers(name: str, value: Any) -> Any:
    """Return as an array what a Var is to be set to.

    They are booleans, integers or floats. Raises ValueError, with the name of the Var, if it holds
    none: a text, bytes, None, an object, or lists of several lengths.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} was set to what is no array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} was set to {type(value).__name__} of {array.dtype}: expected numbers"
        )
    return array


def select_initial(var: Any, idx: Any) -> Any:
    """Return of what a Var begins with the elements of an index, as :meth:`Variable.select` does.

    Its process has no runtime yet. Raises IndexError if there are no such elements, ValueError if
    it is a text or a sparse matrix, which are read whole.
    """
    owner = f" of {describe(var.process)}" if var.process is not None else ""
    kind = "sparse" if isinstance(var.init, spmatrix) else "numbers"
    variable = Variable(f"{var.name}{owner}", tuple(var.shape), kind)
    if isinstance(var.init, str):
        raise ValueError(f"{variable.name} is a text: expected no index, got {idx!r}")
    variable.check_index(idx)
    values = np.asarray(var.init, np.float64)
    return variable.select(np.broadcast_to(values, var.shape).copy(), idx)


def look_up(executable: Any, var_id: int) -> tuple[Any, Variable, Any]:
    """Find a Var of a compiled network.

    Returns the compiled Var, its description, and the class of the model that holds it. Raises
    ValueError if no model of the network has it.
    """
    model = executable.node_configs[0].var_models.get(var_id)
    if model is None:
        raise ValueError(
            f"Var {var_id} belongs to no model of this network: a process that is made of "
            "others has to alias it to a Var of theirs"
        )
    builders = executable.proc_builders
    owner = next(process for process in builders if process.id == model.proc_id)
    model_class = builders[owner].proc_model
    return model, Variable.of(owner, model_class, model.name), model_class


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def read(model: Any, name: str) -> Any:
    """Return the values of a model's Var.

    An array comes as it is; a number as an array; of a sparse matrix the values that it stores,
    (n,); of a text its characters as numbers, (n,).
    """
    value = getattr(model, name)
    if isinstance(value, str):
        return np.frombuffer(value.encode("ascii"), np.uint8)
    if isinstance(value, spmatrix):
        return find(value, explicit_zeros=True)[2]
    return np.asarray(value)


def write(model: Any, name: str, values: Any, idx: Any = None) -> None:
    """Write values, which :meth:`Variable.check_value` has returned, to a model's Var.

    `idx` is as of :meth:`Variable.check_index`.
    """
    present = getattr(model, name)
    if isinstance(present, np.ndarray):
        present[... if idx is None else idx] = values
    elif isinstance(present, str):
        setattr(model, name, bytes(values.tolist()).decode("ascii"))
    elif isinstance(present, spmatrix):
        rows, columns, _ = find(present, explicit_zeros=True)
        stored = _as_before(values, present.dtype)
        setattr(model, name, csr_matrix((stored, (rows, columns)), present.shape))
    elif isinstance(present, np.generic):
        setattr(model, name, _as_before(values, present.dtype).reshape(())[()])
    else:
        setattr(model, name, _as_before(values, np.dtype(type(present))).item())


def _as_before(values: Any, dtype: np.dtype[Any]) -> Any:
    """Return values in the type that they had, unless they would be others in it."""
    with np.errstate(invalid="ignore", over="ignore"):
        same = values.astype(dtype)
    return same if np.array_equal(same, values, equal_nan=dtype.kind == "f") else values

# SPDX-License-Identifier: BSD-3-Clause
"""The types of the public arguments, and of what comes back.

A type variable says that the arrays of a call have one dtype, and that the result has it::

    def conv2d(x: ArrayOf[Float], w: ArrayOf[Float], ..., out: NDArray[Float] | None = None) -> NDArray[Float]

Arrays of float32 give one of float32 then, without an overload for each dtype. Number stands for the dtypes
of maxima. A plan is generic in the dtype of its weights. Lists, and arrays of a dtype that the checker does
not know, give NDArray[Any]. Two dtypes in one call give an array of either; the checker objects where that is
used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, SupportsIndex, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Activation",
    "ArrayLike",
    "ArrayOf",
    "Float",
    "FloatArray",
    "IndexArray",
    "IntArray",
    "Ints",
    "Layout",
    "NDArray",
    "Number",
    "NumberArray",
    "OutputSize",
    "Padding",
    "PaddingMode",
    "PlanShape",
    "Shape",
]

Floats: TypeAlias = np.float32 | np.float64
Numbers: TypeAlias = Floats | np.int8 | np.uint8 | np.int16 | np.int32 | np.int64  # what maxima are taken of
if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar  # of Python 3.13; every type checker knows it

    Float = DefaultTypeVar("Float", bound=Floats, default=Any)
    Number = DefaultTypeVar("Number", bound=Numbers, default=Any)
else:
    Float = TypeVar("Float", bound=Floats)
    Number = TypeVar("Number", bound=Numbers)
Scalar = TypeVar("Scalar", bound=np.generic, covariant=True)


class SupportsArray(Protocol[Scalar]):
    """An ndarray, or what becomes one."""

    def __array__(self) -> np.ndarray[Any, np.dtype[Scalar]]: ...


# What numpy.asarray makes an array of that dtype, or, of a list, one that the checker does not know.
ArrayOf: TypeAlias = SupportsArray[Scalar] | Sequence[Any]
FloatArray: TypeAlias = NDArray[Any]  # of _core, whose functions return the dtype that they are given
NumberArray: TypeAlias = NDArray[Any]
IndexArray: TypeAlias = NDArray[np.int64]
IntArray: TypeAlias = NDArray[np.integer[Any]]
Ints: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | IntArray
Shape: TypeAlias = Sequence[SupportsIndex] | IntArray
PlanShape: TypeAlias = Sequence[SupportsIndex | None] | IntArray  # None: any batch
OutputSize: TypeAlias = SupportsIndex | Sequence[SupportsIndex | None] | IntArray
Padding: TypeAlias = (
    Literal["valid", "full", "same", "same_lower", "causal"]
    | SupportsIndex
    | Sequence[SupportsIndex]
    | Sequence[Sequence[SupportsIndex]]
    | Sequence[IntArray]
    | IntArray
)
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
Layout: TypeAlias = Literal["channels_first", "channels_last"]
Activation: TypeAlias = (
    Literal["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardswish", "gelu", "gelu_tanh"]
    | tuple[Literal["leaky_relu"], float]
    | tuple[Literal["clip"], float, float]
    | None
)

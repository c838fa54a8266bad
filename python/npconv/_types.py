# SPDX-License-Identifier: BSD-3-Clause
"""The types of the public arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Activation",
    "ArrayLike",
    "FloatArray",
    "IndexArray",
    "Ints",
    "Layout",
    "NumberArray",
    "OutputSize",
    "Padding",
    "PaddingMode",
]

FloatArray: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
NumberArray: TypeAlias = (  # what maxima are taken of
    FloatArray
    | NDArray[np.int8]
    | NDArray[np.uint8]
    | NDArray[np.int16]
    | NDArray[np.int32]
    | NDArray[np.int64]
)
IndexArray: TypeAlias = NDArray[np.int64]
Ints: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
OutputSize: TypeAlias = SupportsIndex | Sequence[SupportsIndex | None]
Padding: TypeAlias = (
    Literal["valid", "full", "same", "same_lower", "causal"]
    | SupportsIndex
    | Sequence[SupportsIndex]
    | Sequence[Sequence[SupportsIndex]]
)
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
Layout: TypeAlias = Literal["channels_first", "channels_last"]
Activation: TypeAlias = (
    Literal["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "hardswish", "gelu", "gelu_tanh"]
    | tuple[Literal["leaky_relu"], float]
    | tuple[Literal["clip"], float, float]
    | None
)

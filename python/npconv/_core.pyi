# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Sequence
from contextvars import ContextVar
from typing import SupportsIndex, final

from ._types import Activation, ArrayLike, FloatArray, Ints, Padding

__version__: str
compiler: str
openmp: int
num_threads_variable: ContextVar[int | None]

def conv(
    rank: int,
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    padding_mode: str,
    flip: bool,
    layout: str,
    activation: Activation,
    residual: ArrayLike | None,
    algorithm: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...

@final
class Plan:
    def __init__(
        self,
        x_shape: Sequence[SupportsIndex | None],
        w: ArrayLike,
        bias: ArrayLike | None,
        stride: Ints,
        padding: Padding,
        dilation: Ints,
        groups: int,
        padding_mode: str,
        flip: bool,
        layout: str,
        activation: Activation,
        algorithm: str,
        num_threads: int | None,
        /,
    ) -> None: ...
    def __call__(self, x: ArrayLike, residual: ArrayLike | None, out: FloatArray | None, /) -> FloatArray: ...
    def for_shape(self, x_shape: Sequence[SupportsIndex | None], /) -> Plan: ...
    def update_weights(self, w: ArrayLike, bias: ArrayLike | None, /) -> None: ...
    def explain(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def x_shape(self) -> tuple[int | None, ...]: ...
    @property
    def output_shape(self) -> tuple[int | None, ...]: ...
    @property
    def flops(self) -> int: ...
    @property
    def workspace_bytes(self) -> int: ...
    @property
    def packed_bytes(self) -> int: ...

def parse_num_threads(n: int, /) -> int: ...
def set_num_threads(n: int | None, /) -> None: ...
def get_num_threads() -> int: ...
def _isas_built() -> list[str]: ...
def _isa_names() -> list[str]: ...
def _isa() -> str: ...
def _set_isa(name: str, /) -> str: ...
def _vector_bytes() -> int: ...
def _kernel_runs() -> dict[str, int]: ...
def _buffer_bytes_made() -> int: ...
def _set_small_tiles(small: bool, /) -> None: ...
def _set_guard_pages(mode: int, /) -> None: ...

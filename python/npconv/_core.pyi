# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, final

from ._pickle import PlanState
from ._types import (
    Activation,
    ArrayLike,
    FloatArray,
    IndexArray,
    Ints,
    NumberArray,
    OutputSize,
    Padding,
    PlanShape,
    Shape,
)

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
def conv_transpose(
    rank: int,
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None,
    stride: Ints,
    padding: Padding,
    output_padding: Ints,
    output_size: Ints | None,
    dilation: Ints,
    groups: int,
    layout: str,
    activation: Activation,
    algorithm: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_conv_input(
    rank: int,
    input_shape: Shape,
    w: ArrayLike,
    grad_out: ArrayLike,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    padding_mode: str,
    flip: bool,
    layout: str,
    algorithm: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_conv_weight(
    rank: int,
    x: ArrayLike,
    weight_shape: Shape,
    grad_out: ArrayLike,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    padding_mode: str,
    flip: bool,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_conv_bias(rank: int, grad_out: ArrayLike, layout: str, /) -> FloatArray: ...
def grad_conv_transpose_input(
    rank: int,
    input_shape: Shape,
    w: ArrayLike,
    grad_out: ArrayLike,
    stride: Ints,
    padding: Padding,
    output_padding: Ints,
    dilation: Ints,
    groups: int,
    layout: str,
    algorithm: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_conv_transpose_weight(
    rank: int,
    x: ArrayLike,
    weight_shape: Shape,
    grad_out: ArrayLike,
    stride: Ints,
    padding: Padding,
    output_padding: Ints,
    dilation: Ints,
    groups: int,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def separable_conv2d(
    x: ArrayLike,
    depthwise_w: ArrayLike,
    pointwise_w: ArrayLike,
    bias: ArrayLike | None,
    depthwise_bias: ArrayLike | None,
    depthwise_activation: Activation,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    padding_mode: str,
    layout: str,
    activation: Activation,
    residual: ArrayLike | None,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def max_pool(
    rank: int,
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    return_indices: bool,
    layout: str,
    out: NumberArray | None,
    num_threads: int | None,
    /,
) -> NumberArray | tuple[NumberArray, IndexArray]: ...
def min_pool(
    rank: int,
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    return_indices: bool,
    layout: str,
    out: NumberArray | None,
    num_threads: int | None,
    /,
) -> NumberArray | tuple[NumberArray, IndexArray]: ...
def avg_pool(
    rank: int,
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def lp_pool(
    rank: int,
    x: ArrayLike,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def adaptive_avg_pool(
    rank: int,
    x: ArrayLike,
    output_size: OutputSize,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def adaptive_max_pool(
    rank: int,
    x: ArrayLike,
    output_size: OutputSize,
    return_indices: bool,
    layout: str,
    out: NumberArray | None,
    num_threads: int | None,
    /,
) -> NumberArray | tuple[NumberArray, IndexArray]: ...
def global_avg_pool(
    rank: int,
    x: ArrayLike,
    keepdims: bool,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def global_max_pool(
    rank: int,
    x: ArrayLike,
    keepdims: bool,
    layout: str,
    out: NumberArray | None,
    num_threads: int | None,
    /,
) -> NumberArray: ...
def max_unpool(
    rank: int,
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    output_size: Ints | None,
    layout: str,
    out: NumberArray | None,
    num_threads: int | None,
    /,
) -> NumberArray: ...
def unfold(
    rank: int,
    x: ArrayLike,
    kernel_size: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def fold(
    rank: int,
    cols: ArrayLike,
    output_size: Ints,
    kernel_size: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_max_pool(
    rank: int,
    grad_out: ArrayLike,
    indices: ArrayLike,
    input_shape: Shape,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_avg_pool(
    rank: int,
    grad_out: ArrayLike,
    input_shape: Shape,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_lp_pool(
    rank: int,
    grad_out: ArrayLike,
    x: ArrayLike,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_adaptive_avg_pool(
    rank: int,
    grad_out: ArrayLike,
    input_shape: Shape,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_global_avg_pool(
    rank: int,
    grad_out: ArrayLike,
    input_shape: Shape,
    keepdims: bool,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_global_max_pool(
    rank: int,
    grad_out: ArrayLike,
    x: ArrayLike,
    keepdims: bool,
    layout: str,
    out: FloatArray | None,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def grad_max_unpool(
    rank: int,
    grad_out: ArrayLike,
    indices: ArrayLike,
    layout: str,
    num_threads: int | None,
    /,
) -> FloatArray: ...
def plan_separable_conv2d(
    x_shape: PlanShape,
    depthwise_w: ArrayLike,
    pointwise_w: ArrayLike,
    bias: ArrayLike | None,
    depthwise_bias: ArrayLike | None,
    depthwise_activation: Activation,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    padding_mode: str,
    layout: str,
    activation: Activation,
    num_threads: int | None,
    /,
) -> Plan: ...
def plan_conv(
    x_shape: PlanShape,
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
) -> Plan: ...
def plan_conv_transpose(
    x_shape: PlanShape,
    w: ArrayLike,
    bias: ArrayLike | None,
    stride: Ints,
    padding: Padding,
    output_padding: Ints,
    output_size: Ints | None,
    dilation: Ints,
    groups: int,
    layout: str,
    activation: Activation,
    algorithm: str,
    num_threads: int | None,
    /,
) -> Plan: ...
def plan_conv_input_grad(
    x_shape: PlanShape,
    w: ArrayLike,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    padding_mode: str,
    flip: bool,
    layout: str,
    algorithm: str,
    num_threads: int | None,
    /,
) -> Plan: ...
def plan_conv_weight_grad(
    x_shape: PlanShape,
    weight_shape: object,
    dtype: object,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    padding_mode: str,
    flip: bool,
    layout: str,
    num_threads: int | None,
    /,
) -> Plan: ...
def plan_max_pool(
    x_shape: PlanShape,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    return_indices: bool,
    layout: str,
    dtype: object,
    num_threads: int | None,
    /,
) -> Plan: ...
def plan_avg_pool(
    x_shape: PlanShape,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    layout: str,
    dtype: object,
    num_threads: int | None,
    /,
) -> Plan: ...
def plan_lp_pool(
    x_shape: PlanShape,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
    layout: str,
    dtype: object,
    num_threads: int | None,
    /,
) -> Plan: ...

@final
class Plan:
    def __init__(self, *args: object, **kwargs: object) -> None: ...  # TypeError: functions make them
    # The operands of the operation: x and a residual; the gradient; x and the gradient. None: there is none.
    def __call__(self, first: ArrayLike, second: ArrayLike | None, out: NumberArray | None, /) -> Any: ...
    def for_shape(self, x_shape: PlanShape, /) -> Plan: ...
    def update_weights(self, *weights: ArrayLike | None) -> None: ...  # None keeps a bias
    def explain(self) -> str: ...
    def state(self) -> PlanState: ...
    def _work(self, packing: bool = False) -> dict[str, float]: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def x_shape(self) -> tuple[int | None, ...]: ...
    @property
    def grad_shape(self) -> tuple[int | None, ...]: ...
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
def _machine() -> dict[str, str | int | list[str]]: ...
def _kernel_runs() -> dict[str, int]: ...
def _buffer_bytes_made() -> int: ...
def _set_small_tiles(small: bool, /) -> None: ...
def _winograd_matrices(
    points: int, taps: int, outputs: int, /
) -> dict[str, list[float] | list[list[float]]]: ...
def _winograd_bound(axes: Sequence[tuple[int, int]], products: int, step: int, /) -> float: ...
def _winograd_axes(
    output: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    channels: int,
    algorithm: str,
    /,
) -> list[dict[str, int]]: ...
def _winograd_fallback_tiles() -> int: ...
def _set_winograd_checks(on: bool, /) -> None: ...
def _core_kinds() -> list[str]: ...
def _core_kind() -> str: ...
def _pretend_core(kind: str, /) -> None: ...
def _products_per_cycle() -> int: ...
def _rates_name() -> str: ...
def _set_lane(lane: str, /) -> None: ...
def _set_bytes_of_weights(bytes: int, /) -> int: ...
def _set_guard_pages(mode: int, /) -> None: ...

# SPDX-License-Identifier: BSD-3-Clause
"""A call of each public function, as code for type checkers: what it gives for arrays of each dtype.

``python tests/typing_cases.py FOLDER`` writes right.py, whose every call has the type that it asserts, and
wrong.py, whose every call is an error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

REALS = ("float32", "float64")
NUMBERS = (*REALS, "int8", "uint8", "int16", "int32", "int64")

# The arrays of a call over N axes: their shapes, the spatial one as (channels, size on every axis).
ARRAYS = {
    "x": "1, 2, *[4] * {N}",
    "w": "3, 2, *[2] * {N}",
    "y": "1, 3, *[3] * {N}",  # what a convolution of x with w gives
    "wt": "2, 3, *[2] * {N}",
    "yt": "1, 3, *[5] * {N}",  # the same transposed
    "bias": "3",
    "pooled": "1, 2, *[2] * {N}",
    "one": "1, 2, *[1] * {N}",
    "cols": "1, 2 * 2**{N}, 3**{N}",
}

# name: arguments. The results are arrays of the dtype of x, unless told in RESULTS.
FORWARD = {
    "conv{N}d": "x, w, bias, residual=y, out=np.empty_like(y)",
    "conv_transpose{N}d": "x, wt, bias, out=np.empty_like(yt)",
    "avg_pool{N}d": "x, 2, out=np.empty_like(pooled)",
    "lp_pool{N}d": "x, 2, 2, out=np.empty_like(pooled)",
    "adaptive_avg_pool{N}d": "x, 2, out=np.empty_like(pooled)",
    "global_avg_pool{N}d": "x, out=np.empty_like(one)",
    "unfold{N}d": "x, 2, out=np.empty_like(cols)",
    "fold{N}d": "cols, x.shape[2:], 2, out=np.empty_like(x)",
}
MAXIMA = {
    "max_pool{N}d": "x, 2, out=np.empty_like(pooled)",
    "min_pool{N}d": "x, 2, out=np.empty_like(pooled)",
    "adaptive_max_pool{N}d": "x, 2, out=np.empty_like(pooled)",
    "global_max_pool{N}d": "x, out=np.empty_like(one)",
    "max_unpool{N}d": "pooled, places, 2, out=np.empty_like(x)",
}
GRADIENTS = {
    "conv{N}d_input": "x.shape, w, y, out=np.empty_like(x)",
    "conv{N}d_weight": "x, w.shape, y, out=np.empty_like(w)",
    "conv{N}d_bias": "y",
    "conv_transpose{N}d_input": "x.shape, wt, yt, out=np.empty_like(x)",
    "conv_transpose{N}d_weight": "x, wt.shape, yt, out=np.empty_like(wt)",
    "max_pool{N}d": "pooled, places, x.shape, out=np.empty_like(x)",
    "min_pool{N}d": "pooled, places, x.shape, out=np.empty_like(x)",
    "adaptive_max_pool{N}d": "pooled, places, x.shape, out=np.empty_like(x)",
    "global_max_pool{N}d": "one, x, out=np.empty_like(x)",
    "max_unpool{N}d": "x, places",
    "avg_pool{N}d": "pooled, x.shape, 2, out=np.empty_like(x)",
    "lp_pool{N}d": "pooled, x, 2, 2, out=np.empty_like(x)",
    "adaptive_avg_pool{N}d": "pooled, x.shape, out=np.empty_like(x)",
    "global_avg_pool{N}d": "one, x.shape, out=np.empty_like(x)",
    "unfold{N}d": "cols, x.shape, 2",
    "fold{N}d": "x, 2",
}
# Expressions of two axes: what a plan is, and what its calls give.
PLANS = {
    "separable_conv2d": [("npconv.separable_conv2d(x, dw, pw, bias)", "NDArray[{T}]")],
    "plan_conv": [
        ("npconv.plan_conv(x.shape, w, bias)", "npconv.ConvPlan[{T}]"),
        ("npconv.plan_conv(x.shape, w)(x, residual=y, out=np.empty_like(y))", "NDArray[{T}]"),
        ("npconv.plan_conv(x.shape, w).for_shape(x.shape)", "npconv.ConvPlan[{T}]"),
        ("npconv.plan_conv(x.shape, w).for_shape(x.shape)(x)", "NDArray[{T}]"),
        ("npconv.plan_conv(x.shape, w).update_weights(w, bias)", "None"),
    ],
    "plan_conv_transpose": [
        ("npconv.plan_conv_transpose(x.shape, wt, bias)", "npconv.ConvPlan[{T}]"),
        ("npconv.plan_conv_transpose(x.shape, wt)(x, out=np.empty_like(yt))", "NDArray[{T}]"),
    ],
    "plan_separable_conv2d": [
        ("npconv.plan_separable_conv2d(x.shape, dw, pw, bias)", "npconv.SeparableConvPlan[{T}]"),
        ("npconv.plan_separable_conv2d(x.shape, dw, pw)(x, out=np.empty_like(y))", "NDArray[{T}]"),
        ("npconv.plan_separable_conv2d(x.shape, dw, pw).update_weights(dw, pw, bias)", "None"),
    ],
    "plan_conv_input_grad": [
        ("npconv.plan_conv_input_grad(x.shape, w)", "grad.InputGradientPlan[{T}]"),
        ("npconv.plan_conv_input_grad(x.shape, w)(y, out=np.empty_like(x))", "NDArray[{T}]"),
        ("npconv.plan_conv_input_grad(x.shape, w).update_weights(w)", "None"),
    ],
    "plan_conv_weight_grad": [
        ("npconv.plan_conv_weight_grad(x.shape, w)", "grad.WeightGradientPlan[{T}]"),
        ("npconv.plan_conv_weight_grad(x.shape, w.shape, dtype={T})", "grad.WeightGradientPlan[{T}]"),
        ("npconv.plan_conv_weight_grad(x.shape, w.shape, dtype=w.dtype)", "grad.WeightGradientPlan[{T}]"),
        ("npconv.plan_conv_weight_grad(x.shape, w.shape)", "grad.WeightGradientPlan[np.float32]"),
        ("npconv.plan_conv_weight_grad(x.shape, w.shape, dtype='{D}')", "grad.WeightGradientPlan[Any]"),
        ("npconv.plan_conv_weight_grad(x.shape, w)(x, y, out=np.empty_like(w))", "NDArray[{T}]"),
    ],
    "plan_max_pool": [
        ("npconv.plan_max_pool(x.shape, 2, dtype={T})", "npconv.PoolPlan[{T}]"),
        ("npconv.plan_max_pool(x.shape, 2, dtype=x.dtype)(x, out=np.empty_like(pooled))", "NDArray[{T}]"),
        ("npconv.plan_max_pool(x.shape, 2)", "npconv.PoolPlan[np.float32]"),
        ("npconv.plan_max_pool(x.shape, 2, dtype={T}).for_shape(x.shape)(x)", "NDArray[{T}]"),
        ("npconv.plan_max_pool(x.shape, 2, return_indices=True)", "npconv.IndexedPoolPlan[np.float32]"),
        (
            "npconv.plan_max_pool(x.shape, 2, dtype={T}, return_indices=True)(x)",
            "tuple[NDArray[{T}], NDArray[np.int64]]",
        ),
    ],
    "plan_avg_pool": [
        ("npconv.plan_avg_pool(x.shape, 2, dtype={T})(x, out=np.empty_like(pooled))", "NDArray[{T}]"),
        ("npconv.plan_avg_pool(x.shape, 2)", "npconv.PoolPlan[np.float32]"),
        ("npconv.plan_avg_pool(x.shape, 2, dtype='{D}')", "npconv.PoolPlan[Any]"),
    ],
    "plan_lp_pool": [
        ("npconv.plan_lp_pool(x.shape, 2, 2, dtype=x.dtype)(x)", "NDArray[{T}]"),
        ("npconv.plan_lp_pool(x.shape, 2, 2)", "npconv.PoolPlan[np.float32]"),
    ],
}
# What is no function of arrays.
OTHERS = {"__version__", "grad", "get_num_threads", "num_threads", "set_num_threads", "show_config"}
CLASSES = {
    "ConvPlan",
    "IndexedPoolPlan",
    "InputGradientPlan",
    "PoolPlan",
    "SeparableConvPlan",
    "WeightGradientPlan",
}

HEADER = """
from typing import Any
import npconv
import numpy as np
from npconv import grad
from numpy.typing import NDArray
"""

# Of arrays x, w of float32, x64, w64 of float64: what a checker does not know, or knows to be one of two.
UNKNOWN = [
    ("npconv.conv2d([[1.0, 2.0]], [[1.0]])", "NDArray[Any]"),
    ("npconv.conv2d(x.tolist(), w.tolist())", "NDArray[Any]"),
    ("npconv.conv2d(unknown, unknown)", "NDArray[Any]"),
    ("npconv.max_pool2d([[1, 2]], 1)", "NDArray[Any]"),
    ("npconv.max_pool2d(unknown, 2)", "NDArray[Any]"),
    ("npconv.conv2d([[[1.0, 2.0], [3.0, 4.0]]] * 2, w64)", "NDArray[np.float64]"),
    ("npconv.conv2d(either, either_w)", "NDArray[np.float32 | np.float64]"),
    ("npconv.plan_conv(x.shape, unknown)", "npconv.ConvPlan[Any]"),
    ("npconv.plan_conv(x.shape, unknown)(x)", "NDArray[Any]"),
    ("npconv.conv2d(x * 0.5, w)", "NDArray[np.floating[Any]]"),
    ("npconv.conv2d(Deferred(), w)", "NDArray[np.float32]"),
    ("npconv.max_pool2d(x, 2, return_indices=bool(x.size))", "{F} | tuple[{F}, NDArray[np.int64]]"),
]
UNKNOWN_HEADER = """
class Deferred:
    def __array__(self, dtype: None = None, copy: bool | None = None) -> NDArray[np.float32]:
        return x

x = np.ones((1, 2, 4, 4), np.float32)
w = np.ones((3, 2, 2, 2), np.float32)
x64, w64 = x.astype(np.float64), w.astype(np.float64)
unknown: NDArray[Any] = w
either: NDArray[np.float32] | NDArray[np.float64] = x if x.size else x64
either_w: NDArray[np.float32] | NDArray[np.float64] = w if x.size else w64
"""
# What must not pass: calls, and what they give where the other dtype is meant.
WRONG = [
    "npconv.conv2d(x.astype(np.int64), w)",
    "npconv.conv2d(x, w.astype(np.int32))",
    "npconv.conv2d(x.astype(np.float16), w.astype(np.float16))",
    "npconv.avg_pool2d(x.astype(np.uint8), 2)",
    "npconv.conv2d(x.astype(np.complex64), w)",
    "npconv.conv2d(x > 0, w)",
    "npconv.max_pool2d(x.astype(np.uint16), 2)",
    "npconv.plan_conv(x.shape, w.astype(np.int64))",
    "npconv.plan_conv(x.shape, w)(x64)",
    "npconv.plan_conv(x.shape, w)(x, out=np.empty((1, 3, 3, 3)))",
    "npconv.plan_conv(x.shape, w)(x, residual=np.empty((1, 3, 3, 3)))",
    "npconv.plan_conv(x.shape, w).update_weights(w64)",
    "npconv.plan_conv_weight_grad(x.shape, w.shape)(x64, x64)",
    "npconv.plan_conv_input_grad(x.shape, w64)(x)",
    "npconv.plan_max_pool(x.shape, 2)(x64)",
    "npconv.plan_avg_pool(x.shape, 2)(x, out=np.empty((1, 2, 2, 2)))",
]
NOT_FLOAT32 = [
    "npconv.conv2d(x, w64)",
    "npconv.conv2d(x64, w)",
    "npconv.conv2d(x64, w64)",
    "npconv.conv2d(x, w, out=np.empty((1, 3, 3, 3)))",
    "npconv.max_pool2d(x, 2, return_indices=True)",
    "npconv.max_pool2d(x64, 2)",
    "grad.lp_pool2d(x, x64, 2, 2)",
]


def calls() -> Iterator[tuple[str, str]]:
    """Every call and its type."""
    for dtype in NUMBERS:
        t = f"np.{dtype}"
        for n in (1, 2, 3):
            array, indices = f"NDArray[{t}]", "NDArray[np.int64]"
            tables = [("npconv", MAXIMA)]
            if dtype in REALS:
                tables += [("npconv", FORWARD), ("grad", GRADIENTS)]
            for module, table in tables:
                for name, arguments in table.items():
                    yield f"{module}.{name.format(N=n)}({given(arguments, n, t)})", array
                    if module == "npconv" and name in (
                        "max_pool{N}d",
                        "min_pool{N}d",
                        "adaptive_max_pool{N}d",
                    ):
                        call = f"{module}.{name.format(N=n)}({given(arguments, n, t)}, return_indices="
                        yield f"{call}True)", f"tuple[{array}, {indices}]"
                        yield f"{call}False)", array
        if dtype in REALS:
            for rows in PLANS.values():
                for expression, result in rows:
                    yield given(expression, 2, t), result.format(T=t)


def given(expression: str, n: int, t: str) -> str:
    """The expression with the names of that many axes and that dtype."""
    dtype = t.removeprefix("np.")
    names = re.sub(rf"(?<![.\w])({'|'.join((*ARRAYS, 'dw', 'pw'))})\b(?!=)", rf"\1_{n}_{dtype}", expression)
    return re.sub(r"\bplaces\b", f"places_{n}", names).format(T=t, D=dtype)


def arrays() -> Iterator[str]:
    for n in (1, 2, 3):
        yield f"places_{n} = np.zeros((1, 2, *[2] * {n}), np.int64)"
        for dtype in NUMBERS:
            for name, shape in ARRAYS.items():
                yield f"{name}_{n}_{dtype} = np.ones(({shape.format(N=n)},), np.{dtype})"
    for dtype in NUMBERS:
        yield f"dw_2_{dtype} = np.ones((2, 1, 2, 2), np.{dtype})"
        yield f"pw_2_{dtype} = np.ones((3, 2, 1, 1), np.{dtype})"


def asserted(rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> str:
    lines = []
    for expression, result in rows:
        lines.append(f"assert_type({expression}, {result.replace('{F}', 'NDArray[np.float32]')})")
    return "\n".join(lines) + "\n"


def right() -> str:
    """Code that a checker accepts, and that runs. `assert_type` is still to be imported."""
    return HEADER + "\n".join(arrays()) + "\n" + asserted(calls()) + UNKNOWN_HEADER + asserted(UNKNOWN)


def wrong() -> tuple[str, set[int]]:
    """Code that a checker refuses, and in which lines."""
    lines = [*(HEADER + UNKNOWN_HEADER).splitlines(), *WRONG]
    lines += [f"result_{i}: NDArray[np.float32] = {call}" for i, call in enumerate(NOT_FLOAT32)]
    number = len(WRONG) + len(NOT_FLOAT32)
    return "\n".join(lines) + "\n", set(range(len(lines) - number + 1, len(lines) + 1))


def write(folder: Path) -> None:
    """Both, for a checker to read; in Python 3.11 `assert_type` is of typing itself."""
    (folder / "right.py").write_text("from typing_extensions import assert_type" + right(), encoding="utf-8")
    (folder / "wrong.py").write_text(wrong()[0], encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))

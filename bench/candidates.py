# SPDX-License-Identifier: BSD-3-Clause
"""What is timed: a problem (a layer with its data) and the candidates that solve it, npconv's among them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import npconv
import numpy as np
from layers import Layer
from numpy.typing import NDArray

Array = NDArray[Any]
OURS = "npconv"


class UnsupportedError(Exception):
    """A candidate cannot run a problem; the message says why."""


@dataclass(frozen=True)
class Candidate:
    """One way to solve a problem, prepared; `output` gives the result of `call` in the problem's layout."""

    peer: str
    call: Callable[[], object]
    output: Callable[[], Array]
    variant: str = ""
    close: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Problem:
    """A layer, how it is to be run, and its data on 64-byte boundaries, which favour nobody."""

    layer: Layer
    layout: str
    dtype: str
    threads: int
    direct: bool  # no Winograd, where a peer can be told so
    x: Array  # in the layout
    w: Array  # (out, in / groups, *kernel)

    @staticmethod
    def of(layer: Layer, layout: str, dtype: str, threads: int, direct: bool) -> Problem:
        rng = np.random.default_rng(zlib.crc32(layer.name.encode()))
        x = aligned(layer.x_shape("channels_first"), dtype)
        w = aligned(layer.weight_shape, dtype)
        x[...] = rng.standard_normal(x.shape)
        w[...] = rng.standard_normal(w.shape)
        if layout == "channels_last":
            first, x = x, aligned(layer.x_shape(layout), dtype)
            x[...] = np.moveaxis(first, 1, -1)
        return Problem(layer, layout, dtype, threads, direct, x, w)

    @property
    def channels_last(self) -> bool:
        return self.layout == "channels_last"

    def new_output(self) -> Array:
        """An output array; NaN, so that a candidate that writes elsewhere is noticed."""
        y = aligned(self.layer.y_shape(self.layout), self.dtype)
        y.fill(np.nan)
        return y

    def arguments(self) -> dict[str, Any]:
        """The keywords of npconv.conv{N}d and plan_conv."""
        return self.layer.arguments() | {"layout": self.layout, "num_threads": self.threads}


def aligned(shape: tuple[int, ...], dtype: str, boundary: int = 64) -> Array:
    """An uninitialised array that starts on a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + boundary, np.uint8)
    start = -raw.ctypes.data % boundary
    return raw[start : start + size].view(dtype).reshape(shape)


def our_plan(problem: Problem, algorithm: str) -> Candidate:
    """npconv with packed weights, writing into `out`; the variant is the algorithm chosen."""
    try:
        plan = npconv.plan_conv(problem.x.shape, problem.w, algorithm=algorithm, **problem.arguments())
    except ValueError as error:
        raise UnsupportedError(str(error)) from error
    y = problem.new_output()
    return Candidate(OURS, partial(plan, problem.x, out=y), lambda: y, plan.algorithm)


def our_plain_call(problem: Problem, algorithm: str) -> Candidate:
    """npconv.conv{N}d with a fresh output, weights packed anew in each call."""
    function = getattr(npconv, f"conv{problem.layer.rank}d")
    call = partial(function, problem.x, problem.w, algorithm=algorithm, **problem.arguments())
    try:
        y = call()
    except ValueError as error:
        raise UnsupportedError(str(error)) from error
    return Candidate(OURS, call, lambda: y)

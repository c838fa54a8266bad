# SPDX-License-Identifier: BSD-3-Clause
"""What is timed for pooling: a problem, npconv's solution of it, and a copy of as many bytes."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import npconv
import numpy as np
from candidates import OURS, Array, Candidate, UnsupportedError, aligned
from pool_layers import ITEM, PoolLayer
from results_io import COPY, COPY_ALONE

LINE = 64 // ITEM  # elements of a cache line


@dataclass(frozen=True)
class PoolProblem:
    """A pooling layer, how it is to be run, and its data on 64-byte boundaries."""

    layer: PoolLayer
    layout: str
    threads: int
    x: Array  # the input of the forward pass, in the layout
    given: Array  # what a call gets: x, of a gradient that of the output
    dtype: str = "float32"

    @staticmethod
    def of(layer: PoolLayer, layout: str, threads: int) -> PoolProblem:
        rng = np.random.default_rng(zlib.crc32(layer.name.encode()))
        x = _normal(rng, layer.x_shape, layout)
        return PoolProblem(
            layer, layout, threads, x, _normal(rng, layer.y_shape, layout) if layer.gradient else x
        )

    @property
    def channels_last(self) -> bool:
        return self.layout == "channels_last"

    @property
    def spatial_axes(self) -> range:
        return range(1, self.layer.rank + 1) if self.channels_last else range(2, self.layer.rank + 2)

    @property
    def result_shape(self) -> tuple[int, ...]:
        return (self.layer.x_shape if self.layer.gradient else self.layer.y_shape)(self.layout)

    def new_output(self) -> Array:
        """An output array; NaN, so that a candidate that writes elsewhere is noticed."""
        y = aligned(self.result_shape, self.dtype)
        y.fill(np.nan)
        return y


def _normal(rng: np.random.Generator, shape_in: Callable[[str], tuple[int, ...]], layout: str) -> Array:
    """Normal data that do not depend on the layout."""
    drawn = rng.standard_normal(shape_in("channels_first"), dtype=np.float32)
    array = aligned(shape_in(layout), "float32")
    array[...] = drawn if layout == "channels_first" else np.moveaxis(drawn, 1, -1)
    return array


def ours(problem: PoolProblem) -> Candidate:
    """npconv's function, its output given where it takes one.

    Its threads are those of `npconv.set_num_threads` where the function has no argument for them.
    """
    call = (_gradient if problem.layer.gradient else _forward)(problem)
    if "out" in call.keywords:
        return Candidate(OURS, call, lambda: np.asarray(call.keywords["out"]), "out given")
    y = call()
    return Candidate(OURS, call, lambda: np.asarray(y))


def _forward(problem: PoolProblem) -> partial[Any]:
    layer = problem.layer
    how = {"layout": problem.layout, "num_threads": problem.threads, "out": problem.new_output()}
    function = _function(npconv, problem)
    if layer.kind == "global":
        return partial(function, problem.x, **how)
    if layer.kind == "adaptive":
        return partial(function, problem.x, layer.target, **how)
    return partial(function, problem.x, layer.kernel, stride=layer.stride, padding=layer.padding, **how)


def _gradient(problem: PoolProblem) -> partial[Any]:
    layer, g = problem.layer, problem.given
    try:
        function = _function(importlib.import_module("npconv.grad"), problem)
    except ImportError as error:
        raise UnsupportedError(str(error)) from error
    if layer.op != "avg":
        forward = _forward(problem)
        del forward.keywords["out"]
        _, indices = forward(return_indices=True)
        how = {"layout": problem.layout, "num_threads": problem.threads, "out": problem.new_output()}
        return partial(function, g, indices, problem.x.shape, **how)
    how = {"layout": problem.layout, "num_threads": problem.threads, "out": problem.new_output()}
    if layer.kind != "windows":
        return partial(function, g, problem.x.shape, **how)
    return partial(
        function, g, problem.x.shape, layer.kernel, stride=layer.stride, padding=layer.padding, **how
    )


def _function(module: Any, problem: PoolProblem) -> Callable[..., Any]:
    layer = problem.layer
    prefix = "" if layer.kind == "windows" else f"{layer.kind}_"
    name = f"{prefix}{layer.op}_pool{layer.rank}d"
    try:
        function: Callable[..., Any] = getattr(module, name)
    except AttributeError as error:
        raise UnsupportedError(f"{module.__name__} has no {name}") from error
    return function


def copies(problem: PoolProblem) -> list[Candidate]:
    """np.copyto of as many bytes as the layer reads and writes, by the threads of the problem and by one."""
    elements = problem.layer.bytes // ITEM // 2
    source, target = aligned((elements,), "float32"), aligned((elements,), "float32")
    source.fill(1)
    target.fill(0)

    def copy(name: str, threads: int) -> Candidate:
        if threads == 1:
            return Candidate(name, partial(np.copyto, target, source), lambda: target, "1 thread")
        pool = ThreadPoolExecutor(threads - 1)
        parts = _parts(elements, threads)

        def call() -> None:
            futures = [pool.submit(np.copyto, target[part], source[part]) for part in parts[1:]]
            np.copyto(target[parts[0]], source[parts[0]])
            for future in futures:
                future.result()

        return Candidate(name, call, lambda: target, f"{threads} threads", pool.shutdown)

    made = [copy(COPY, problem.threads)]
    return made if problem.threads == 1 else [*made, copy(COPY_ALONE, 1)]


def _parts(elements: int, threads: int) -> list[slice]:
    """Even parts that begin on cache lines."""
    ends = [elements * i // threads // LINE * LINE for i in range(threads)] + [elements]
    return [slice(*pair) for pair in pairwise(ends)]

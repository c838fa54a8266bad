# SPDX-License-Identifier: BSD-3-Clause
"""What is timed of transposed convolutions and gradients: a problem, and npconv's plan of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import npconv
import numpy as np
from adjoint_layers import TRANSPOSED, WEIGHT, AdjointLayer
from candidates import OURS, Array, Candidate, UnsupportedError, aligned


@dataclass(frozen=True)
class AdjointProblem:
    """A layer, how it is to be run, and its data on 64-byte boundaries."""

    layer: AdjointLayer
    layout: str
    threads: int
    x: Array  # what comes in: of a transposed convolution its input, else the gradient of the result
    w: Array  # as the convolution has them, (out, in / groups, *kernel)
    inner: Array  # the convolution's input, which the gradient in the weights needs
    dtype: str = "float32"

    @staticmethod
    def of(layer: AdjointLayer, layout: str, threads: int) -> AdjointProblem:
        rng = np.random.default_rng(zlib.crc32(layer.name.encode()))

        def drawn(shape: tuple[int, ...], spatial: bool = True) -> Array:
            values = rng.standard_normal(shape, dtype=np.float32)
            moved = np.moveaxis(values, 1, -1) if spatial and layout == "channels_last" else values
            array = aligned(moved.shape, "float32")
            array[...] = moved
            return array

        forward = layer.forward
        x = drawn(forward.y_shape("channels_first"))
        w = drawn(forward.weight_shape, spatial=False)
        inner = drawn(forward.x_shape("channels_first")) if layer.what == WEIGHT else x[:0]
        return AdjointProblem(layer, layout, threads, x, w, inner)

    @property
    def channels_last(self) -> bool:
        return self.layout == "channels_last"

    @property
    def arguments(self) -> dict[str, Any]:
        return self.layer.forward.arguments() | {"layout": self.layout, "num_threads": self.threads}

    def new_output(self) -> Array:
        """An output array; NaN, so that a candidate that writes elsewhere is noticed."""
        y = aligned(self.layer.y_shape(self.layout), self.dtype)
        y.fill(np.nan)
        return y


def ours(problem: AdjointProblem) -> Candidate:
    """npconv's plan, writing into `out`; the variant is the algorithm chosen."""
    layer, y = problem.layer, problem.new_output()
    inner_shape = layer.forward.x_shape(problem.layout)
    how = problem.arguments
    try:
        if layer.what == WEIGHT:
            planned = npconv.plan_conv_weight_grad(inner_shape, problem.w, **how)
            return Candidate(OURS, partial(planned, problem.inner, problem.x, out=y), lambda: y, "blocks")
        if layer.what == TRANSPOSED:
            how = how | {"output_padding": layer.output_padding}
            plan = npconv.plan_conv_transpose(problem.x.shape, problem.w, **how)
            return Candidate(OURS, partial(plan, problem.x, out=y), lambda: y, plan.algorithm)
        inner = npconv.plan_conv_input_grad(inner_shape, problem.w, **how)
        return Candidate(OURS, partial(inner, problem.x, out=y), lambda: y, inner.algorithm)
    except ValueError as error:
        raise UnsupportedError(str(error)) from error


def reference(problem: AdjointProblem) -> Array:
    """The result in float64: by PyTorch, or where it is not installed by npconv."""
    x, w, inner = (a.astype(np.float64) for a in (problem.x, problem.w, problem.inner))
    layer, how = problem.layer, problem.arguments
    try:
        import torch
        from peers.torch_adjoint import backward
    except ImportError:
        grad, rank = npconv.grad, layer.rank
        if layer.what == WEIGHT:
            return np.asarray(getattr(grad, f"conv{rank}d_weight")(inner, w.shape, x, **how))
        shape = layer.forward.x_shape(problem.layout)
        return np.asarray(getattr(grad, f"conv{rank}d_input")(shape, w, x, **how))
    first = [np.moveaxis(a, -1, 1) if problem.channels_last else a for a in (x, inner)]
    g, data = (torch.from_numpy(np.ascontiguousarray(a)) for a in first)
    y = backward(problem.layer, g, data, torch.from_numpy(w)).numpy()
    return np.moveaxis(y, 1, -1) if problem.channels_last and layer.what != WEIGHT else y

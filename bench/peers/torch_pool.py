# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch's pooling: torch.nn.functional, and for gradients the operators that its autograd calls.

Both memory formats, where needed with conversions. The input and the indices that a gradient needs are kept
from the forward pass in the format of the candidate; they are not converted in each call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from candidates import Candidate
from pool_candidates import PoolProblem
from torch import Tensor

from peers.torch_peer import MINIMUM, NAME, candidate, settle, tensor_of, version

__all__ = ["MINIMUM", "NAME", "prepare", "version"]

aten = torch.ops.aten
Way = Callable[[PoolProblem, bool, torch.memory_format], Callable[[Tensor], Tensor]]


def prepare(problem: PoolProblem) -> list[Candidate]:
    settle(problem.threads)
    layer = problem.layer
    ways: dict[str, Way] = {"": _forward}
    if layer.gradient:
        ways = {"": _gradient, "mean": _gradient_of_mean} if layer.kind == "global" else {"": _gradient}
    # The formats of one channel are the same bytes.
    formats = (False,) if layer.c == 1 else (False, True)
    return [
        candidate(problem.given, problem.channels_last, last, partial(way, problem), note)
        for note, way in ways.items()
        for last in formats
    ]


def _forward(problem: PoolProblem, flat: bool, inner: torch.memory_format) -> Callable[[Tensor], Tensor]:
    layer = problem.layer
    if layer.target:
        adaptive = getattr(F, f"adaptive_{layer.op}_pool{layer.rank}d")
        return lambda x: adaptive(x, layer.target)
    kernel, stride, pads = _numbers(problem, flat)
    if layer.op == "min":  # which torch does not have
        largest = getattr(F, f"max_pool{2 if flat else layer.rank}d")
        return lambda x: -largest(-x, kernel, stride, pads)
    function = getattr(F, f"{layer.op}_pool{2 if flat else layer.rank}d")
    return lambda x: function(x, kernel, stride, pads)


def _gradient(problem: PoolProblem, flat: bool, inner: torch.memory_format) -> Callable[[Tensor], Tensor]:
    """One dimension is two, of height 1, as in PyTorch itself."""
    layer = problem.layer
    raised = layer.rank == 1 and not flat
    n = max(layer.rank, 2)
    x = tensor_of(problem.x, problem.channels_last, layer.rank == 1).contiguous(memory_format=inner)
    numbers = () if layer.target else _numbers(problem, layer.rank == 1)
    rest: tuple[Any, ...] = ()
    if layer.target:
        name = f"_adaptive_avg_pool{n}d_backward"
    elif layer.op == "avg":
        name, rest = f"avg_pool{n}d_backward", (*numbers, False, True, None)
    else:
        name = f"max_pool{n}d_with_indices_backward"
        _, indices = getattr(F, f"max_pool{n}d")(x, *numbers, return_indices=True)
        rest = (*numbers, (1,) * n, False, indices)
    backward = getattr(aten, name)
    if raised:
        return lambda g: backward(g.unsqueeze(2), x, *rest).squeeze(2)
    return lambda g: backward(g, x, *rest)


def _gradient_of_mean(
    problem: PoolProblem, flat: bool, inner: torch.memory_format
) -> Callable[[Tensor], Tensor]:
    """What autograd does for a mean over the plane, which torch.nn.AdaptiveAvgPool2d(1) is."""
    shape, plane = problem.layer.x_shape("channels_first"), prod(problem.layer.size)
    return lambda g: (g.expand(shape) / plane).contiguous(memory_format=inner)


def _numbers(problem: PoolProblem, flat: bool) -> tuple[tuple[int, ...], ...]:
    """Kernel, stride and padding, which is as much on both sides in every layer of the sets."""
    layer = problem.layer
    pads = tuple(before for before, _ in layer.padding)
    if flat:
        return (1, *layer.kernel), (1, *layer.stride), (0, *pads)
    return layer.kernel, layer.stride, pads

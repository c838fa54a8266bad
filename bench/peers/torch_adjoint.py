# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch: transposed convolutions, and gradients by what its autograd calls, in both memory formats."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from adjoint_candidates import AdjointProblem
from adjoint_layers import TRANSPOSED, WEIGHT, AdjointLayer
from candidates import Candidate
from torch import Tensor

from peers.torch_peer import LAST, MINIMUM, NAME, candidate, settle, tensor_of, version

__all__ = ["MINIMUM", "NAME", "backward", "prepare", "version"]


def prepare(problem: AdjointProblem) -> list[Candidate]:
    settle(problem.threads)
    return [_candidate(problem, last) for last in (False, True)]


def _candidate(problem: AdjointProblem, last: bool) -> Candidate:
    layer = problem.layer

    def make(flat: bool, memory_format: torch.memory_format) -> Callable[[Tensor], Tensor]:
        w = torch.from_numpy(problem.w)
        w = (w.unsqueeze(2) if flat else w).contiguous(memory_format=memory_format)
        if layer.what == TRANSPOSED:
            return lambda x: _transpose(layer, x, w, flat)
        shape = layer.forward.x_shape("channels_first")
        inner = torch.empty((*shape[:2], 1, *shape[2:]) if flat else shape)
        inner = inner.contiguous(memory_format=memory_format)
        return lambda x: backward(layer, x, inner, w, flat)

    if layer.what != WEIGHT:
        return candidate(problem.x, problem.channels_last, last, make)
    # The result has the form of the weights, whatever the layout.
    flat = layer.rank == 1 and last
    memory_format = LAST[2 if flat else layer.rank] if last else torch.contiguous_format
    g, inner = (tensor_of(a, problem.channels_last, flat) for a in (problem.x, problem.inner))
    w = torch.from_numpy(problem.w)
    w = (w.unsqueeze(2) if flat else w).contiguous(memory_format=memory_format)

    def call() -> Tensor:
        there = (a.contiguous(memory_format=memory_format) for a in (g, inner))
        return backward(layer, *there, w, flat).contiguous()

    y = call()
    return Candidate(
        NAME, call, lambda: (y.squeeze(2) if flat else y).numpy(), "channels_last" if last else "contiguous"
    )


def _transpose(layer: AdjointLayer, x: Tensor, w: Tensor, flat: bool) -> Tensor:
    f = layer.forward
    stride, pads, more = f.stride, tuple(before for before, _ in f.padding), layer.output_padding
    if flat:
        stride, pads, more = (1, *stride), (0, *pads), (0, *more)
    y: Tensor = getattr(F, f"conv_transpose{len(stride)}d")(x, w, None, stride, pads, more, f.groups)
    return y


def backward(layer: AdjointLayer, g: Tensor, inner: Tensor, w: Tensor, flat: bool = False) -> Tensor:
    """What autograd computes of one convolution: its gradient in the input, or in the weights."""
    f, weight = layer.forward, layer.what == WEIGHT
    stride, dilation, padding = list(f.stride), list(f.dilation), list(f.padding)
    if flat:
        stride, dilation, padding = [1, *stride], [1, *dilation], [(0, 0), *padding]
    around = [n for pair in reversed(padding) for n in pair]  # F.pad begins with the last axis
    pads = [before for before, _ in padding]
    even = all(before == after for before, after in padding)
    shape = list(f.x_shape("channels_first"))
    if flat:
        shape.insert(2, 1)
    if not weight:
        inner = torch.empty(0, dtype=g.dtype).expand(0)
        sizes = (
            shape
            if even
            else [*shape[:2], *(n + a + b for n, (a, b) in zip(shape[2:], padding, strict=True))]
        )
        inner = torch.empty(1, dtype=g.dtype).expand(sizes)
    elif not even:
        inner = F.pad(inner, around)
    both = torch.ops.aten.convolution_backward(
        g, inner, w, None, stride, pads if even else [0] * len(pads), dilation, False, [0] * len(pads),
        f.groups, [not weight, weight, False],
    )  # fmt: skip
    if weight or even:
        return both[1] if weight else both[0]
    return F.pad(both[0], [-n for n in around])

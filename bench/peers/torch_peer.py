# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch: torch.nn.functional, no gradients, both memory formats, where needed with conversions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from candidates import Array, Candidate, Problem
from torch import Tensor

NAME = "torch"
MINIMUM = "2.13.0"
LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def version() -> str:
    return str(torch.__version__)


# From whether one spatial axis is to be two, of height 1, and the memory format: what is to be timed.
Make = Callable[[bool, torch.memory_format], Callable[[Tensor], Tensor]]


def prepare(problem: Problem) -> list[Candidate]:
    settle(problem.threads)

    def convolution(flat: bool, memory_format: torch.memory_format) -> Callable[[Tensor], Tensor]:
        return _convolution(problem, flat, memory_format)

    return [candidate(problem.x, problem.channels_last, last, convolution) for last in (False, True)]


def settle(threads: int) -> None:
    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)


def tensor_of(x: Array, channels_last: bool, flat: bool) -> Tensor:
    """A view, channels in front."""
    x = np.moveaxis(x, -1, 1) if channels_last else x
    return torch.from_numpy(x[:, :, np.newaxis] if flat else x)


def candidate(source: Array, outer_last: bool, inner_last: bool, make: Make, note: str = "") -> Candidate:
    """Work in one memory format; where the problem has the other, convert the input and the output.

    One dimension has no channels-last format in PyTorch: there the signal is an image of height 1.
    """
    rank = source.ndim - 2
    flat = rank == 1 and inner_last
    inner = LAST[2 if flat else rank] if inner_last else torch.contiguous_format
    x = tensor_of(source, outer_last, flat)
    work = make(flat, inner)

    def plain() -> Tensor:
        return work(x)

    def in_layout(y: Tensor) -> Tensor:
        return torch.movedim(y, 1, -1) if outer_last else y

    def converted() -> Tensor:
        return in_layout(work(x.contiguous(memory_format=inner))).contiguous()

    call, y = plain, in_layout(plain()) if inner_last == outer_last else None
    if y is None or not y.is_contiguous():
        call, y = converted, converted()

    def output() -> Array:
        return np.asarray((y.squeeze(1 if outer_last else 2) if flat else y).numpy())

    variant = "channels_last" if inner_last else "contiguous"
    return Candidate(NAME, call, output, f"{variant}, {note}" if note else variant)


def _convolution(
    problem: Problem, flat: bool, memory_format: torch.memory_format
) -> Callable[[Tensor], Tensor]:
    layer = problem.layer
    w = torch.from_numpy(problem.w)
    stride, dilation, padding = layer.stride, layer.dilation, layer.padding
    if flat:
        w, stride, dilation, padding = w.unsqueeze(2), (1, *stride), (1, *dilation), ((0, 0), *padding)
    w = w.contiguous(memory_format=memory_format)
    function = getattr(F, f"conv{len(stride)}d")
    if all(before == after for before, after in padding):
        pads = tuple(before for before, _ in padding)
        return lambda x: function(x, w, None, stride, pads, dilation, layer.groups)
    around = [n for pair in reversed(padding) for n in pair]  # F.pad begins with the last axis
    return lambda x: function(F.pad(x, around), w, None, stride, 0, dilation, layer.groups)

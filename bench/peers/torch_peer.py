# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch: torch.nn.functional, no gradients, both memory formats, where needed with conversions."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from candidates import Candidate, Problem
from torch import Tensor

NAME = "torch"
MINIMUM = "2.13.0"
LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def version() -> str:
    return str(torch.__version__)


def prepare(problem: Problem) -> list[Candidate]:
    torch.set_grad_enabled(False)
    torch.set_num_threads(problem.threads)
    return [_candidate(problem, channels_last=False), _candidate(problem, channels_last=True)]


def _candidate(problem: Problem, channels_last: bool) -> Candidate:
    """Convolve in one memory format; where the problem has the other, convert the input and the output.

    One dimension has no channels-last format in PyTorch: there the signal is an image of height 1.
    """
    flat = problem.layer.rank == 1 and (channels_last or problem.channels_last)
    last = LAST[2 if flat else problem.layer.rank] if channels_last or problem.channels_last else None
    inner = last if channels_last and last else torch.contiguous_format
    outer = last if problem.channels_last and last else torch.contiguous_format

    x = torch.from_numpy(problem.x)
    x = torch.movedim(x, -1, 1) if problem.channels_last else x
    x = x.unsqueeze(2) if flat else x
    convolve = _convolution(problem, flat, inner)

    def converted() -> Tensor:
        return convolve(x.contiguous(memory_format=inner)).contiguous(memory_format=outer)

    def plain() -> Tensor:
        return convolve(x)

    call = plain if inner == outer and plain().is_contiguous(memory_format=outer) else converted
    y = call()

    def output() -> Tensor:
        flat_y = y.squeeze(2) if flat else y
        return torch.movedim(flat_y, 1, -1) if problem.channels_last else flat_y

    variant = "channels_last" if channels_last else "contiguous"
    return Candidate(NAME, call, lambda: output().numpy(), variant)


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

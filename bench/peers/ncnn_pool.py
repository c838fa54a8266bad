# SPDX-License-Identifier: BSD-3-Clause
"""ncnn's pooling: a net of one layer; 1-D and 2-D, channels first."""

from __future__ import annotations

from candidates import Candidate, UnsupportedError
from pool_candidates import PoolProblem
from pool_layers import PoolLayer

from peers.ncnn_peer import MINIMUM, NAME, candidate, net, version

__all__ = ["MINIMUM", "NAME", "prepare", "version"]

MAX, AVERAGE = 0, 1
ROUND_DOWN = 1  # the padding mode "valid": sizes rounded down, explicit padding kept


def prepare(problem: PoolProblem) -> list[Candidate]:
    if problem.layer.gradient:
        raise UnsupportedError("no gradients")
    if problem.layer.kind == "adaptive":
        raise UnsupportedError("no adaptive pooling here")
    if problem.layer.op == "min":
        raise UnsupportedError("no minimum pooling")
    return [candidate(problem, _param(problem.layer))]


def _param(layer: PoolLayer) -> str:
    """The text of the net: see ncnn's operators.md for the numbers."""
    keys = {0: MAX if layer.op == "max" else AVERAGE}
    if layer.kind == "global":
        keys[4] = 1
    else:
        (before, after) = layer.padding[-1]
        keys |= {1: layer.kernel[-1], 2: layer.stride[-1], 3: before, 14: after, 5: ROUND_DOWN, 6: 1}
        if layer.rank == 2:
            (before, after) = layer.padding[0]
            keys |= {11: layer.kernel[0], 12: layer.stride[0], 13: before, 15: after}
    return net("Pooling" if layer.rank == 2 else "Pooling1D", layer.size, layer.c, keys)

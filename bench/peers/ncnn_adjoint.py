# SPDX-License-Identifier: BSD-3-Clause
"""ncnn: transposed convolutions, which it calls deconvolutions."""

from __future__ import annotations

import struct

import numpy as np
from adjoint_candidates import AdjointProblem
from adjoint_layers import TRANSPOSED, AdjointLayer
from candidates import Candidate, UnsupportedError

from peers.ncnn_peer import MINIMUM, NAME, candidate, net, version

__all__ = ["MINIMUM", "NAME", "prepare", "version"]


def prepare(problem: AdjointProblem) -> list[Candidate]:
    layer = problem.layer
    if layer.what != TRANSPOSED:
        raise UnsupportedError("no gradients")
    if layer.batch > 1 or layer.forward.groups > 1:
        raise UnsupportedError("batch 1 and one group only")
    # Its weights are (out, in, *kernel).
    weights = struct.pack("<I", 0) + np.ascontiguousarray(np.swapaxes(problem.w, 0, 1)).tobytes()
    return [candidate(problem, _param(layer), weights)]


def _param(layer: AdjointLayer) -> str:
    f, more = layer.forward, layer.output_padding
    keys = {
        0: f.c,
        5: 0,
        6: int(np.prod(f.weight_shape)),
        1: f.kernel[-1],
        2: f.dilation[-1],
        3: f.stride[-1],
    }
    keys |= {4: f.padding[-1][0], 15: f.padding[-1][1], 18: more[-1]}
    kind = "Deconvolution1D"
    if layer.rank == 2:
        kind = "Deconvolution"
        keys |= {11: f.kernel[0], 12: f.dilation[0], 13: f.stride[0]}
        keys |= {14: f.padding[0][0], 16: f.padding[0][1], 19: more[0]}
    return net(kind, f.output_size, f.o, keys)

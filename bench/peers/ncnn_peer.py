# SPDX-License-Identifier: BSD-3-Clause
"""ncnn: a net of one layer, float32 storage, pooled memory; batch 1, 1-D and 2-D, channels first."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import ncnn
import numpy as np
from adjoint_candidates import AdjointProblem
from candidates import Candidate, Problem, UnsupportedError
from layers import Ints, Layer
from pool_candidates import PoolProblem

NAME = "ncnn"
MINIMUM = "1.0.20261020"


def version() -> str:
    return str(ncnn.__version__)


def prepare(problem: Problem) -> list[Candidate]:
    if problem.layer.batch > 1:
        raise UnsupportedError("batch 1 only")
    weights = struct.pack("<I", 0) + problem.w.tobytes()  # 0: raw float32
    return [candidate(problem, _param(problem.layer), weights, problem.direct)]


def candidate(
    problem: Problem | PoolProblem | AdjointProblem, param: str, weights: bytes = b"", direct: bool = False
) -> Candidate:
    """The net of this text and these weights; `direct`: without Winograd."""
    if problem.dtype != "float32":
        raise UnsupportedError("float32 only")
    if problem.channels_last:
        raise UnsupportedError("channels first only")
    if problem.layer.rank == 3:
        raise UnsupportedError("1-D and 2-D only")
    return _Net(problem, param, weights, direct).candidate()


class _Net:
    """Keeps what a net needs alive, and lets go of it in the right order."""

    def __init__(
        self, problem: Problem | PoolProblem | AdjointProblem, param: str, weights: bytes, direct: bool
    ) -> None:
        self.blobs, self.workspace = ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator()
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = problem.threads
        options.blob_allocator, options.workspace_allocator = self.blobs, self.workspace
        options.use_vulkan_compute = False
        for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
            setattr(options, f"use_{kind}", False)
        if direct:
            options.use_winograd_convolution = False
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "layer.bin"
            file.write_bytes(weights)
            if self.net.load_param_mem(param) or self.net.load_model(str(file)):
                raise UnsupportedError("the net cannot be loaded")
        self.x = ncnn.Mat(problem.x[0])  # a view
        self.y = problem.new_output()
        self.mat = ncnn.Mat()

    def run(self) -> None:
        extractor = self.net.create_extractor()
        extractor.input("x", self.x)
        _, self.mat = extractor.extract("y")

    def run_and_compact(self) -> None:
        self.run()
        np.copyto(self.y[0], np.asarray(self.mat))

    def candidate(self) -> Candidate:
        self.run()
        if self.mat.dims == 0:
            raise UnsupportedError("it gives no result")
        # Its planes begin on 16 bytes; where that leaves gaps, a contiguous output costs a copy.
        gaps = self.mat.dims == 3 and self.mat.cstep != self.mat.w * self.mat.h
        call = self.run_and_compact if gaps else self.run
        return Candidate(NAME, call, lambda: np.array(self.mat).reshape(self.y.shape), close=self.close)

    def close(self) -> None:
        self.mat = ncnn.Mat()
        self.net.clear()


def _param(layer: Layer) -> str:
    """The text of the net: see ncnn's operators.md for the numbers."""
    grouped = "DepthWise" if layer.groups > 1 else ""
    pads = layer.padding
    keys = {0: layer.o, 5: 0, 6: int(np.prod(layer.weight_shape))}
    keys |= {1: layer.kernel[-1], 2: layer.dilation[-1], 3: layer.stride[-1], 4: pads[-1][0], 15: pads[-1][1]}
    keys |= {7: layer.groups} if grouped else {}
    kind = f"Convolution{grouped}1D"
    if layer.rank == 2:
        kind = f"Convolution{grouped}"
        keys |= {
            11: layer.kernel[0],
            12: layer.dilation[0],
            13: layer.stride[0],
            14: pads[0][0],
            16: pads[0][1],
        }
    return net(kind, layer.size, layer.c, keys)


def net(kind: str, size: Ints, channels: int, keys: dict[int, int]) -> str:
    """The text of a net of one layer of this kind; `size` and `channels` of its input."""
    sizes = " ".join(f"{i}={n}" for i, n in enumerate((*reversed(size), channels)))
    text = " ".join(f"{key}={value}" for key, value in sorted(keys.items()))
    return f"7767517\n2 2\nInput input 0 1 x {sizes}\n{kind} layer 1 1 x y {text}\n"

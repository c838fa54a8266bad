# SPDX-License-Identifier: BSD-3-Clause
"""ONNX Runtime: a one-node model, weights an initializer, input and output bound to our buffers."""

from __future__ import annotations

import onnxruntime
from adjoint_candidates import AdjointProblem
from candidates import Candidate, Problem
from pool_candidates import PoolProblem

from peers.onnx_model import model

NAME = "ort"
MINIMUM = "1.31"


def version() -> str:
    return str(onnxruntime.__version__)


def prepare(problem: Problem | PoolProblem | AdjointProblem) -> list[Candidate]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = problem.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # a missing kernel is reported by the exception
    session = onnxruntime.InferenceSession(model(problem), options, providers=["CPUExecutionProvider"])
    y = problem.new_output()
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, problem.x.dtype.type, problem.x.shape, problem.x.ctypes.data)
    binding.bind_output("y", "cpu", 0, y.dtype.type, y.shape, y.ctypes.data)
    return [Candidate(NAME, lambda: session.run_with_iobinding(binding), lambda: y)]

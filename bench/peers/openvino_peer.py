# SPDX-License-Identifier: BSD-3-Clause
"""OpenVINO on the CPU: the same one-node model, float32, latency hint, our buffers as shared tensors."""

from __future__ import annotations

import openvino
from adjoint_candidates import AdjointProblem
from candidates import Candidate, Problem, UnsupportedError
from pool_candidates import PoolProblem

from peers.onnx_model import model

NAME = "openvino"
MINIMUM = "2026.4"
CORE = openvino.Core()


def version() -> str:
    return str(openvino.__version__).partition("-")[0]


def prepare(problem: Problem | PoolProblem | AdjointProblem) -> list[Candidate]:
    if problem.dtype != "float32":
        raise UnsupportedError("its CPU plugin works in float32")
    network = CORE.read_model(model(problem), b"")
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": problem.threads,
        "ENABLE_CPU_PINNING": False,  # pinned threads would stay pinned for the candidates after it
    }
    request = CORE.compile_model(network, "CPU", hints).create_infer_request()
    y = problem.new_output()
    request.set_input_tensor(openvino.Tensor(problem.x, shared_memory=True))
    request.set_output_tensor(openvino.Tensor(y, shared_memory=True))
    return [Candidate(NAME, lambda: request.infer(share_outputs=True), lambda: y)]

# SPDX-License-Identifier: BSD-3-Clause
"""The one-node ONNX model of a problem, for ONNX Runtime and OpenVINO.

ONNX knows channels first alone: channels-last convolutions get a transposition on each side, which an engine
may fold away; channels-last pooling has no model.
"""

from __future__ import annotations

from typing import Any

import onnx
from adjoint_candidates import AdjointProblem
from adjoint_layers import TRANSPOSED
from candidates import Array, Problem, UnsupportedError
from layers import Layer, Pads
from onnx import TensorProto, helper, numpy_helper
from pool_candidates import PoolProblem

OPSET = 17
IR_VERSION = 9  # old enough for every version of the peers


def model(problem: Problem | PoolProblem | AdjointProblem) -> bytes:
    if isinstance(problem, PoolProblem):
        nodes, initializers = _pooling(problem)
    elif isinstance(problem, AdjointProblem):
        nodes, initializers = _transposed(problem)
    else:
        nodes, initializers = _convolution(problem)
    element = TensorProto.DOUBLE if problem.dtype == "float64" else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", element, problem.x.shape)],
        [helper.make_tensor_value_info("y", element, problem.layer.y_shape(problem.layout))],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def _convolution(problem: Problem) -> tuple[list[Any], dict[str, Array]]:
    return _between(problem, "Conv", _attributes(problem.layer)), {"w": problem.w}


def _transposed(problem: AdjointProblem) -> tuple[list[Any], dict[str, Array]]:
    if problem.layer.what != TRANSPOSED:
        raise UnsupportedError("no gradients")
    attributes = _attributes(problem.layer.forward) | {"output_padding": problem.layer.output_padding}
    return _between(problem, "ConvTranspose", attributes), {"w": problem.w}


def _attributes(layer: Layer) -> dict[str, Any]:
    return {
        "strides": layer.stride,
        "dilations": layer.dilation,
        "pads": _pads(layer.padding),
        "group": layer.groups,
        "kernel_shape": layer.kernel,
    }


def _between(problem: Problem | AdjointProblem, name: str, attributes: dict[str, Any]) -> list[Any]:
    """The node, with channels last between transpositions."""
    if not problem.channels_last:
        return [helper.make_node(name, ["x", "w"], ["y"], **attributes)]
    axes = list(range(problem.layer.rank + 2))
    return [
        helper.make_node("Transpose", ["x"], ["xt"], perm=[0, axes[-1], *axes[1:-1]]),
        helper.make_node(name, ["xt", "w"], ["yt"], **attributes),
        helper.make_node("Transpose", ["yt"], ["y"], perm=[0, *axes[2:], 1]),
    ]


def _pooling(problem: PoolProblem) -> tuple[list[Any], dict[str, Array]]:
    layer = problem.layer
    if problem.channels_last:
        raise UnsupportedError("channels first only")
    if layer.gradient:
        raise UnsupportedError("no gradients")
    if layer.kind == "adaptive":
        raise UnsupportedError("no adaptive pooling")
    if layer.op == "min":
        raise UnsupportedError("no minimum pooling")
    name = "MaxPool" if layer.op == "max" else "AveragePool"
    if layer.kind == "global":
        return [helper.make_node(f"Global{name}", ["x"], ["y"])], {}
    attributes: dict[str, Any] = {
        "kernel_shape": layer.kernel,
        "strides": layer.stride,
        "pads": _pads(layer.padding),
    }
    attributes |= {"count_include_pad": 1} if layer.op == "avg" else {}
    return [helper.make_node(name, ["x"], ["y"], **attributes)], {}


def _pads(padding: Pads) -> list[int]:
    return [before for before, _ in padding] + [after for _, after in padding]

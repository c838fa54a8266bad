# SPDX-License-Identifier: BSD-3-Clause
"""The one-node ONNX model of a problem, for ONNX Runtime and OpenVINO.

ONNX knows channels first alone: channels-last problems get a transposition on each side, which an engine may
fold away.
"""

from __future__ import annotations

import onnx
from candidates import Problem
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9  # old enough for every version of the peers


def model(problem: Problem) -> bytes:
    layer = problem.layer
    element = TensorProto.DOUBLE if problem.dtype == "float64" else TensorProto.FLOAT
    attributes = {
        "strides": layer.stride,
        "dilations": layer.dilation,
        "pads": [p[0] for p in layer.padding] + [p[1] for p in layer.padding],
        "group": layer.groups,
        "kernel_shape": layer.kernel,
    }
    if problem.channels_last:
        axes = list(range(layer.rank + 2))
        nodes = [
            helper.make_node("Transpose", ["x"], ["xt"], perm=[0, axes[-1], *axes[1:-1]]),
            helper.make_node("Conv", ["xt", "w"], ["yt"], **attributes),
            helper.make_node("Transpose", ["yt"], ["y"], perm=[0, *axes[2:], 1]),
        ]
    else:
        nodes = [helper.make_node("Conv", ["x", "w"], ["y"], **attributes)]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", element, problem.x.shape)],
        [helper.make_tensor_value_info("y", element, layer.y_shape(problem.layout))],
        [numpy_helper.from_array(problem.w, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())

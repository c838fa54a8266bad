# SPDX-License-Identifier: BSD-3-Clause
"""TensorFlow Lite (LiteRT), XNNPACK: a model of one operation, channels last; 3-D runs outside XNNPACK."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from candidates import Candidate, Problem, UnsupportedError


@contextmanager
def _quiet() -> Iterator[None]:
    """TensorFlow writes to the standard error of the process, whatever Python is told."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _quiet():
    import tensorflow as tf

NAME = "litert"
MINIMUM = "2.21"


def version() -> str:
    return str(tf.__version__)


def prepare(problem: Problem) -> list[Candidate]:
    if problem.dtype != "float32":
        raise UnsupportedError("float32 only")
    if not problem.channels_last:
        raise UnsupportedError("channels last only")
    if problem.layer.rank == 3 and (problem.layer.groups > 1 or max(problem.layer.dilation) > 1):
        raise UnsupportedError("no grouped or dilated 3-D convolution")
    with _quiet():
        interpreter = tf.lite.Interpreter(model_content=_model(problem), num_threads=problem.threads)
        interpreter.allocate_tensors()
    x = interpreter.get_input_details()[0]["index"]
    y = interpreter.get_output_details()[0]["index"]
    interpreter.tensor(x)()[...] = problem.x
    return [Candidate(NAME, interpreter.invoke, lambda: interpreter.get_tensor(y))]


def _model(problem: Problem) -> bytes:
    """Explicit padding and "VALID": XNNPACK folds the padding into the convolution."""
    layer = problem.layer
    same = _is_same(problem)
    pads = [(0, 0), *layer.padding, (0, 0)]
    depthwise = layer.depthwise and layer.rank == 2
    if depthwise:
        multiplier = layer.o // layer.c
        w = problem.w.reshape(layer.c, multiplier, *layer.kernel).transpose(2, 3, 0, 1)
    else:
        w = problem.w.transpose(*range(2, layer.rank + 2), 1, 0)
    mode = "SAME" if same else "VALID"

    class Module(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec(problem.x.shape, tf.float32)])  # type: ignore[untyped-decorator]
        def run(self, x: Any) -> Any:
            if not same and any(any(pair) for pair in pads):
                x = tf.pad(x, pads)
            if depthwise:
                return tf.nn.depthwise_conv2d(x, w, [1, *layer.stride, 1], mode, dilations=layer.dilation)
            return tf.nn.convolution(x, w, layer.stride, mode, dilations=layer.dilation)

    module = Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.run.get_concrete_function()], module)
    return bytes(converter.convert())


def _is_same(problem: Problem) -> bool:
    """Whether the padding is what TensorFlow calls SAME, which every kernel has built in."""
    layer = problem.layer
    for n, k, s, d, pair in zip(
        layer.size, layer.kernel, layer.stride, layer.dilation, layer.padding, strict=True
    ):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        if pair != (total // 2, total - total // 2):
            return False
    return True

# SPDX-License-Identifier: BSD-3-Clause
"""TensorFlow Lite (LiteRT), XNNPACK: a model of one operation, channels last; 3-D runs outside XNNPACK."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from candidates import Array, Candidate, Problem, UnsupportedError
from layers import Ints, Pads


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

__all__ = ["MINIMUM", "NAME", "interpreter", "is_same", "prepare", "tf", "version"]

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
    invoke, output = interpreter(_operation(problem), problem.x, problem.threads)
    return [Candidate(NAME, invoke, output)]


def interpreter(
    operation: Callable[[Any], Any], x: Array, threads: int
) -> tuple[Callable[[], object], Callable[[], Array]]:
    """A model that does `operation` on x: what runs it, what gives its output."""

    class Module(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec(x.shape, tf.float32)])  # type: ignore[untyped-decorator]
        def run(self, x: Any) -> Any:
            return operation(x)

    with _quiet():
        module = Module()
        concrete = module.run.get_concrete_function()
        model = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert()
        made = tf.lite.Interpreter(model_content=model, num_threads=threads)
        made.allocate_tensors()
    x_index = made.get_input_details()[0]["index"]
    y_index = made.get_output_details()[0]["index"]
    made.tensor(x_index)()[...] = x
    return made.invoke, lambda: np.asarray(made.get_tensor(y_index))


def _operation(problem: Problem) -> Callable[[Any], Any]:
    """Explicit padding and "VALID": XNNPACK folds the padding into the convolution."""
    layer = problem.layer
    same = is_same(layer.size, layer.kernel, layer.stride, layer.padding, layer.dilation)
    pads = [(0, 0), *layer.padding, (0, 0)]
    depthwise = layer.depthwise and layer.rank == 2
    if depthwise:
        multiplier = layer.o // layer.c
        w = problem.w.reshape(layer.c, multiplier, *layer.kernel).transpose(2, 3, 0, 1)
    else:
        w = problem.w.transpose(*range(2, layer.rank + 2), 1, 0)
    mode = "SAME" if same else "VALID"

    def operation(x: Any) -> Any:
        if not same and any(any(pair) for pair in pads):
            x = tf.pad(x, pads)
        if depthwise:
            return tf.nn.depthwise_conv2d(x, w, [1, *layer.stride, 1], mode, dilations=layer.dilation)
        return tf.nn.convolution(x, w, layer.stride, mode, dilations=layer.dilation)

    return operation


def is_same(size: Ints, kernel: Ints, stride: Ints, padding: Pads, dilation: Ints) -> bool:
    """Whether the padding is what TensorFlow calls SAME, which every kernel has built in."""
    for n, k, s, d, pair in zip(size, kernel, stride, dilation, padding, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        if pair != (total // 2, total - total // 2):
            return False
    return True

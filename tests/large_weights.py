# SPDX-License-Identifier: BSD-3-Clause
"""Calls without a plan whose weights have 19 MB and more, and what each takes beyond its arrays.

    cd tests && python large_weights.py avx2 narrow 1

prints a line for each call: megabytes at the peak, name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import npconv
import numpy as np

Shape = tuple[int, ...]
Call = tuple[str, Shape, Callable[[Any], Any]]  # name, shape of the result, call(out)


def ones(*shape: int) -> Any:
    """Of any size in the memory of one number: only what npconv takes is counted."""
    return np.broadcast_to(np.ones((1,) * len(shape), np.float32), shape)


def to_last(x: Any) -> Any:
    return np.moveaxis(x, 1, -1)


def conv(name: str, x: Any, w: Any, last: bool = False, **how: Any) -> Call:
    shape = (1, w.shape[0], *x.shape[2:])  # all are padded so
    name = f"conv2d {name}, w {w.shape}, x {x.shape}{', channels last' if last else ''}"
    if last:
        how |= {"layout": "channels_last"}
        x, shape = to_last(x), (1, *shape[2:], shape[1])
    return name, shape, lambda out: npconv.conv2d(x, w, out=out, **how)


def convolutions() -> Iterator[Call]:
    sizes = [
        (1, 2304, 2304, 1),
        (1, 2304, 2304, 3),
        (1, 128, 40960, 2),
        (1, 512, 10240, 12),
        (3, 1024, 576, 8),
    ]
    sizes += [(3, 64, 9216, 3), (3, 4096, 144, 9), (3, 16384, 48, 5)]
    for kernel, channels, out_channels, side in sizes:
        x, w = ones(1, channels, side, side), ones(out_channels, channels, kernel, kernel)
        for last in (False, True):
            yield conv("auto", x, w, last, padding="same")
    x, w = ones(1, 512, 8, 8), ones(1152, 512, 3, 3)
    for algorithm in ("gemm", "winograd", "winograd_f2"):
        yield conv(algorithm, x, w, padding=1, algorithm=algorithm)
    yield conv("naive", x[..., :1, :1], w, padding=1, algorithm="naive")
    yield conv("residual", x, w, padding=1, algorithm="gemm", residual=ones(1, 1152, 8, 8))
    yield conv("8 groups", x, ones(9216, 64, 3, 3), padding=1, groups=8)


def others() -> Iterator[Call]:
    channels = 1 << 19
    x, w = ones(1, channels, 3, 3), ones(channels, 1, 3, 3)
    how: dict[str, Any] = {"groups": channels}
    yield "depthwise", (1, channels, 1, 1), lambda out: npconv.conv2d(x, w, out=out, **how)
    how_last = how | {"layout": "channels_last"}
    yield (
        "depthwise, channels last",
        (1, 1, 1, channels),
        lambda out: npconv.conv2d(to_last(x), w, out=out, **how_last),
    )
    g = ones(1, 512, 4, 4)
    for stride, kernel, of_result in ((1, 3, 1024), (2, 4, 640), (3, 3, 1024), (2, 5, 400)):
        weights, side = ones(512, of_result, kernel, kernel), 3 * stride + kernel
        name, shape = f"stride {stride}, w {weights.shape}", (1, of_result, side, side)
        last = (1, side, side, of_result)

        def transposed(out: Any, w: Any = weights, stride: int = stride, **how: Any) -> Any:
            x = to_last(g) if how else g
            return npconv.conv_transpose2d(x, w, stride=stride, out=out, **how)

        def gradient(out: Any, w: Any = weights, stride: int = stride) -> Any:
            return npconv.grad.conv2d_input(out.shape, w, g, stride=stride, out=out)

        yield f"conv_transpose2d {name}", shape, transposed
        yield (
            f"conv_transpose2d channels last, {name}",
            last,
            lambda out, call=transposed: call(out, layout="channels_last"),
        )
        yield f"grad.conv2d_input {name}", shape, gradient
    depthwise, pointwise = ones(256, 1, 3, 3), ones(1 << 15, 256, 1, 1)
    image = ones(1, 256, 6, 6)
    yield (
        "separable_conv2d",
        (1, 1 << 15, 4, 4),
        lambda out: npconv.separable_conv2d(image, depthwise, pointwise, out=out),
    )


def status(key: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


def main(isa: str, core: str, threads: str) -> None:
    npconv._core._set_isa(isa)
    npconv._core._pretend_core(core)
    npconv.set_num_threads(int(threads))
    npconv.conv2d(np.ones((1, 64, 64, 64), "f"), np.ones((64, 64, 3, 3), "f"))  # threads and their stacks
    for calls in (convolutions, others):
        for name, shape, call in calls():
            out = np.full(shape, 7, np.float32)
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # the peak starts again from here
            before = status("VmRSS")
            call(out)
            print(f"{(status('VmHWM') - before) / 1e6:.1f} {name}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

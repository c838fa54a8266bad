# SPDX-License-Identifier: BSD-3-Clause
"""Ctrl-C, or any signal whose handler raises, ends a long call between two of its tasks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from reference import Array
from rules import ints, printed_by, zero_stride

CANARY = 12345.0


class Stop(Exception):
    """What the handler raises."""


def stop(*_: Any) -> None:
    raise Stop


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    """alarm(seconds): the handler of SIGALRM raises Stop after that time."""
    previous = signal.signal(signal.SIGALRM, stop)
    try:
        yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def blank(*shape: int) -> Array:
    return np.full(shape, CANARY, np.float32)


# Calls that would take many seconds, in many tasks. The inputs repeat one number and need no memory.
LONG: dict[str, Callable[[Array, int], Any]] = {
    "gemm": lambda out, n: npconv.conv2d(
        zero_stride(1, 4096, 256, 256), zero_stride(512, 4096, 3, 3), out=out, algorithm="gemm", num_threads=n
    ),
    "naive": lambda out, n: npconv.conv2d(
        zero_stride(1, 64, 256, 256), zero_stride(512, 64, 3, 3), out=out, algorithm="naive", num_threads=n
    ),
    "winograd": lambda out, n: npconv.conv2d(
        zero_stride(1, 4096, 256, 256), zero_stride(512, 4096, 3, 3),
        out=out, algorithm="winograd", num_threads=n,
    ),
    "lp": lambda out, n: npconv.lp_pool2d(
        zero_stride(1, 512 * 8, 2048, 2048), 3.5, (2, 2), stride=(8, 8), out=out, num_threads=n
    ),
    "transposed": lambda out, n: npconv.conv_transpose2d(
        zero_stride(1, 8192, 127, 127), zero_stride(8192, 512, 4, 4),
        stride=2, padding=1, out=out, num_threads=n,
    ),
    "conv2d_input": lambda out, n: grad.conv2d_input(
        out.shape, zero_stride(8192, 512, 3, 3), zero_stride(1, 8192, 252, 252), out=out, num_threads=n
    ),
}  # fmt: skip
SHAPES = {"lp": (1, 4096, 256, 256), "conv2d_input": (1, 512, 254, 254)}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", LONG)
def test_a_handler_that_raises_ends_a_long_call(name: str, threads: int, alarm: Any) -> None:
    out = blank(*SHAPES.get(name, (1, 512, 254, 254)))
    alarm(0.3)
    with pytest.raises(Stop):
        LONG[name](out, threads)
    assert (out == CANARY).any(), "the call ran to its end"


def test_a_weight_gradient_ends_too(alarm: Any) -> None:
    out = blank(512, 512, 3, 3)
    alarm(0.3)
    with pytest.raises(Stop):
        grad.conv2d_weight(
            zero_stride(4096, 512, 66, 66), out.shape, zero_stride(4096, 512, 64, 64), out=out, num_threads=2
        )


def test_few_operations_on_a_huge_border_end_too(alarm: Any) -> None:
    """Some twenty products, but millions of places in the border: the GIL must not be kept."""
    w, options = np.ones((1, 4, 1), np.float32), {"stride": 1_000_000, "padding": 8_000_000}
    grad_out = np.ones((1, 1, 17), np.float32)
    assert npconv.conv1d(np.ones((1, 4, 10), np.float32), w, **options).shape == grad_out.shape
    alarm(0.3)
    with pytest.raises(Stop):
        grad.conv1d_input((1, 4, 10), w, grad_out, padding_mode="replicate", **options)


SHORT_X = ints((1, 1, 8, 8))
IN_A_HANDLER: dict[str, Callable[[], Any]] = {
    "long": lambda: npconv.conv2d(
        ints((1, 16, 64, 64)), ints((96, 16, 9, 9), seed=1), algorithm="gemm", num_threads=2
    ),
    # These keep the GIL.
    "short": lambda: npconv.conv2d(SHORT_X, ints((1, 1, 3, 3)), num_threads=1),
    "plan": lambda: npconv.plan_conv(SHORT_X.shape, ints((1, 1, 3, 3)), num_threads=1)(SHORT_X),
    "pool": lambda: npconv.max_pool2d(SHORT_X, 2),
}


@pytest.mark.parametrize("name", IN_A_HANDLER)
def test_a_handler_that_does_not_raise_changes_nothing(name: str) -> None:
    calls = []
    previous = signal.signal(signal.SIGALRM, lambda *_: calls.append(IN_A_HANDLER[name]()))
    x, w = ints((1, 16, 64, 64)), ints((96, 16, 9, 9), seed=1)
    try:
        expected, of_handler = npconv.conv2d(x, w, algorithm="gemm"), IN_A_HANDLER[name]()
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        y = npconv.conv2d(x, w, algorithm="naive", num_threads=2)  # a second or more
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert np.array_equal(y, expected)
    assert calls  # a handler may call the library itself
    assert all(np.array_equal(again, of_handler) for again in calls)


def test_weights_that_were_not_packed_to_the_end_are_not_taken(alarm: Any) -> None:
    x, w = ints((1, 64, 9, 9)), ints((64, 64, 3, 3), seed=1)
    plan = npconv.plan_conv(x.shape, w)
    expected = plan(x)
    stopped = 0
    for i in range(200):  # some of them are met between the tasks of packing
        try:
            alarm(0.0005 + i * 0.0001)
            for _ in range(20):
                plan.update_weights(w)
            alarm(0)
        except Stop:
            stopped += 1
    assert stopped
    assert np.array_equal(plan(x), expected)


def test_other_threads_do_not_poll_and_go_on(alarm: Any) -> None:
    x, w = ints((1, 8, 48, 48)), ints((256, 8, 9, 9), seed=1)
    expected = npconv.conv2d(x, w, algorithm="gemm")
    results: list[Array] = []
    worker = threading.Thread(
        target=lambda: results.append(npconv.conv2d(x, w, algorithm="naive", num_threads=1))
    )
    worker.start()
    alarm(0.1)
    with pytest.raises(Stop):
        LONG["gemm"](blank(1, 512, 254, 254), 2)
    worker.join()
    assert np.array_equal(results[0], expected)


def test_ctrl_c_raises_keyboard_interrupt() -> None:
    assert printed_by("""
import os, signal, threading
import test_interrupt as t
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background inherit that it is ignored
out = t.blank(1, 512, 254, 254)
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    t.LONG["gemm"](out, 2)
except KeyboardInterrupt:
    print("interrupted", bool((out == t.CANARY).any()))
print(t.npconv.conv2d(t.ints((1, 1, 5, 5)), t.ints((1, 1, 3, 3))).shape)
""") == "interrupted True\n(1, 1, 3, 3)"  # fmt: skip

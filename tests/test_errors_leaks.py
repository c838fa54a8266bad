# SPDX-License-Identifier: BSD-3-Clause
"""Calls that succeed and calls that fail give back all that they take: reference counts and memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
from rules import canary, ints, needs_plain_memory, printed_by, problem


def calls() -> tuple[list[Callable[[], Any]], list[Any]]:
    """Succeeding and failing calls of every kind, and the objects that they are given."""
    x, w, bias = problem(2)
    residual, out = ints((2, 4, 5, 7), seed=3), canary((2, 4, 5, 7))
    pads, stride, slope, name = [(0, 0), [0, 0]], [1, np.int64(1)], ("leaky_relu", 0.123), "no such name"
    f64, swapped, shape = w.astype(np.float64), x.astype(">f4"), (2, 3, 7, 8)
    plan = npconv.plan_conv(shape, w, bias)
    conv, c = npconv.conv2d, npconv.plan_conv
    made = [
        lambda: conv(x, w, bias, residual=residual, out=out, padding=pads, stride=stride, activation=slope),
        lambda: conv(swapped, w, bias, residual=residual),
        lambda: conv(x, w, algorithm="measure"),
        lambda: conv(x.tolist(), w),
        lambda: conv(x, f64, out=out),
        lambda: conv(x, w, f64, out=out),
        lambda: conv(x, w, bias, residual=f64, out=out),
        lambda: conv(x, w, bias, out=x),
        lambda: conv(x, w, bias, residual=out[::-1], out=out),
        lambda: conv(x, w, stride=pads, out=out),
        lambda: conv(x, w, padding=[pads, pads], out=out),
        lambda: conv(x, w, activation=("leaky_relu", name), out=out),
        lambda: conv(x, w, activation=name),
        lambda: conv(x, w, algorithm=name),
        lambda: conv(x, w, layout=name),
        lambda: conv(x, w, padding=name),
        lambda: conv(x, w, groups=name),
        lambda: conv(x, w, groups=7, out=out),
        lambda: conv(x, w, num_threads=slope),
        lambda: conv(x, w, flip=name),
        lambda: c(shape, w, bias, padding=pads, stride=stride, activation=slope)(
            x, residual=residual, out=out
        ),
        lambda: c(shape, w, bias, padding=pads).for_shape(shape).update_weights(w, bias),
        lambda: c(shape, w, algorithm=name),
        lambda: c(slope, w),
        lambda: plan(x, residual=residual, out=out),
        lambda: plan(f64, out=out),
        lambda: plan(x, out=residual[:1]),
        lambda: plan.update_weights(w, bias),
        lambda: plan.update_weights(f64),
        lambda: plan.for_shape(slope),
        lambda: (plan.explain(), plan.output_shape, plan.x_shape, plan.algorithm),
        lambda: npconv.num_threads(slope),
        lambda: npconv.set_num_threads(slope),
    ]
    return made, [x, w, bias, residual, out, pads, pads[0], stride, slope, name, f64, swapped, shape]


def attempt(call: Callable[[], Any]) -> bool:
    try:
        call()
    except (TypeError, ValueError):
        return False
    return True


def test_calls_leave_reference_counts_as_they_were() -> None:
    made, objects = calls()
    for call in made:
        before = [sys.getrefcount(o) for o in objects]
        succeeded = [attempt(call) for _ in range(50)]
        assert [sys.getrefcount(o) for o in objects] == before, call
        assert len(set(succeeded)) == 1
    assert {attempt(call) for call in made} == {True, False}


def test_no_memory_is_lost_over_2000_calls() -> None:
    """Neither Python's (tracemalloc) nor the library's (resident pages), in a child: nothing else grows."""
    needs_plain_memory()
    code = """
import gc, os, tracemalloc, test_errors_leaks as t
def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")
made, _ = t.calls()
def rounds(n):
    for _ in range(n):
        for call in made:
            t.attempt(call)
rounds(20)
before = resident()
rounds(2000 // len(made) + 1)
print(resident() - before)
rounds(2000 // len(made) + 1)
print(resident() - before)
tracemalloc.start()
rounds(2)
gc.collect()
before = tracemalloc.get_traced_memory()[0]
rounds(2000 // len(made) + 1)
gc.collect()
print(tracemalloc.get_traced_memory()[0] - before)
"""
    first, second, traced = map(int, printed_by(code).split())
    assert min(first, second - first) < 2**17
    assert traced < 2**14


def test_no_packed_weights_are_lost_over_2000_calls() -> None:
    """600 KB of them a call, and as many again in a plan: 2000 lost ones are more than a gigabyte."""
    needs_plain_memory()
    code = """
import os, npconv, numpy as np
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")
x, w = np.ones((1, 128, 3), np.float32), np.ones((128, 128, 3), np.float32)
good, bad = np.empty((1, 128, 1), np.float32), np.empty((1, 128, 2), np.float32)
plan = npconv.plan_conv(x.shape, w)
def rounds(n):
    for _ in range(n):
        npconv.conv1d(x, w, out=good)
        npconv.plan_conv(x.shape, w).for_shape((1, 128, 5))
        plan.update_weights(w)
        for call in (lambda: npconv.conv1d(x, w, out=bad), lambda: plan(x, out=bad)):
            try:
                call()
            except ValueError:
                continue
            raise AssertionError
rounds(20)
before = resident()
rounds(400)
print(resident() - before)
"""
    assert int(printed_by(code)) < 2**22

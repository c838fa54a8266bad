# SPDX-License-Identifier: BSD-3-Clause
"""Weights of calls without a plan: packed in parts for one image, so that their size does not count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import npconv
import numpy as np
import pretended
import pytest
from npconv import _core
from rules import needs_plain_memory, printed_by


def peaks(isa: str, core: str, threads: int) -> dict[str, float]:
    # Freed memory goes back to the system at once: what a call takes is not what one before it left.
    code = f"import large_weights; large_weights.main({isa!r}, {core!r}, '{threads}')"
    lines = [
        line.split(" ", 1)
        for line in printed_by(code, timeout=300, MALLOC_MMAP_THRESHOLD_="100000").splitlines()
    ]
    return {name: float(megabytes) for megabytes, name in lines}


@pytest.mark.parametrize(("name", "core"), pretended.all_machines())
def test_peak_memory_of_a_call_with_large_weights_is_12_megabytes(name: str, core: str) -> None:
    # 6 of workspace and 6 of packed weights, and pages and arenas. All packed weights would be 19 and more.
    needs_plain_memory()
    of_call = peaks(name, core, threads=1)
    assert len(of_call) == 37
    assert {call: peak for call, peak in of_call.items() if peak > 13} == {}


@contextmanager
def weights_in_parts_of(size: int) -> Iterator[None]:
    previous = _core._set_bytes_of_weights(size)
    try:
        yield
    finally:
        _core._set_bytes_of_weights(previous)


def drawn(rng: np.random.Generator, *shape: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def expect_the_same(call: Callable[[], Any], rng: np.random.Generator) -> None:
    whole = call()
    for _ in range(3):
        size = int(rng.integers(1, 6000))
        with weights_in_parts_of(size):
            parts = call()
        same = whole.view(np.int32) == parts.view(np.int32)
        assert (same | (whole == 0) & (parts == 0)).all(), f"parts of {size} bytes"


ALGORITHMS = ["auto", "gemm", "winograd", "winograd_f2", "winograd_f6", "direct", "depthwise"]


@pytest.mark.machine
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_weights_in_parts_give_the_same_bits(algorithm: str, isa: str) -> None:
    expect_the_same_of_convolutions(algorithm)


def test_weights_in_parts_give_the_same_bits_by_the_definition() -> None:
    expect_the_same_of_convolutions("naive")


def expect_the_same_of_convolutions(algorithm: str) -> None:
    served = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, len(algorithm)])
        groups, inside, outside = int(rng.integers(1, 4)), int(rng.integers(1, 40)), int(rng.integers(1, 150))
        if algorithm == "direct":
            outside = int(rng.integers(1, 3))
        if algorithm == "depthwise" or seed % 5 == 0:
            groups, inside, outside = int(rng.integers(2, 90)), 1, int(rng.integers(1, 4))
        kernel = 3 if seed % 3 else int(rng.integers(1, 6))
        shape = (1, groups * inside, int(rng.integers(5, 14)), int(rng.integers(5, 19)))
        layout = ("channels_first", "channels_last")[seed // 2 % 2]
        x, w = drawn(rng, *shape), drawn(rng, groups * outside, inside, kernel, kernel)
        if seed % 7 == 0:
            w.flat[rng.integers(w.size)] = (np.inf, np.nan, 1e38, 1e-42)[seed // 7 % 4]
        how: dict[str, Any] = {"padding": int(rng.integers(0, 3)), "groups": groups, "layout": layout}
        how |= {"padding_mode": ("zeros", "circular")[seed % 2], "num_threads": int(rng.integers(1, 3))}
        how |= {"flip": bool(seed % 4 == 1), "activation": "relu" if seed % 2 else None}
        if layout == "channels_last":
            x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        if seed % 3 == 0:
            w = np.asfortranarray(w)
        try:
            y = npconv.conv2d(x, w, algorithm=algorithm, **how)
        except ValueError:  # this algorithm does not serve here
            continue
        served += 1
        bias, residual = drawn(rng, w.shape[0]), drawn(rng, *y.shape)
        expect_the_same(
            lambda x=x, w=w, b=bias, r=residual, how=how: npconv.conv2d(
                x, w, b, residual=r, algorithm=algorithm, **how
            ),
            rng,
        )
        expect_the_same(lambda x=x, w=w, how=how: npconv.conv2d(x, w, algorithm=algorithm, **how), rng)
    assert served >= 10


@pytest.mark.machine
@pytest.mark.parametrize("what", ["conv_transpose2d", "grad.conv2d_input"])
def test_weights_in_parts_give_the_same_bits_of_transposed_convolutions(what: str, isa: str) -> None:
    for seed in range(120):
        rng = np.random.default_rng([seed, 8])
        groups, inside, outside = int(rng.integers(1, 4)), int(rng.integers(1, 30)), int(rng.integers(1, 70))
        if seed % 4 == 0:
            groups, inside, outside = int(rng.integers(2, 90)), 1, 1
        stride, kernel, side = int(rng.integers(1, 4)), int(rng.integers(1, 6)), int(rng.integers(1, 9))
        layout = ("channels_first", "channels_last")[seed // 2 % 2]
        g, w = (
            drawn(rng, 1, groups * inside, side, side + 2),
            drawn(rng, groups * inside, outside, kernel, kernel),
        )
        if seed % 7 == 0:
            w.flat[rng.integers(w.size)] = np.inf
        if layout == "channels_last":
            g = np.ascontiguousarray(np.moveaxis(g, 1, -1))
        how: dict[str, Any] = {"stride": stride, "groups": groups, "layout": layout}
        how |= {
            "num_threads": int(rng.integers(1, 3)),
            "padding": int(rng.integers(0, 2)) if kernel > 2 else 0,
        }
        if what == "conv_transpose2d":
            bias = drawn(rng, groups * outside)
            expect_the_same(
                lambda g=g, w=w, b=bias, how=how: npconv.conv_transpose2d(g, w, b, activation="relu", **how),
                rng,
            )
            continue
        shape = npconv.conv_transpose2d(g, w, **how).shape
        expect_the_same(
            lambda shape=shape, g=g, w=w, how=how: npconv.grad.conv2d_input(shape, w, g, **how), rng
        )


@pytest.mark.machine
def test_weights_in_parts_give_the_same_bits_of_separable_convolutions(isa: str) -> None:
    for seed in range(40):
        rng = np.random.default_rng([seed, 9])
        channels, outside, kernel = (
            int(rng.integers(1, 60)),
            int(rng.integers(1, 150)),
            int(rng.integers(1, 6)),
        )
        x, depthwise = drawn(rng, 1, channels, 9, 11), drawn(rng, channels, 1, kernel, kernel)
        pointwise, bias = drawn(rng, outside, channels, 1, 1), drawn(rng, outside)
        how: dict[str, Any] = {"padding": "same", "depthwise_activation": "relu"}
        if seed % 2:
            x, how["layout"] = np.ascontiguousarray(np.moveaxis(x, 1, -1)), "channels_last"
        shape = npconv.separable_conv2d(x, depthwise, pointwise, **how).shape
        residual = drawn(rng, *shape)
        expect_the_same(
            lambda x=x, d=depthwise, p=pointwise, b=bias, r=residual, how=how: npconv.separable_conv2d(
                x, d, p, b, residual=r, **how
            ),
            rng,
        )

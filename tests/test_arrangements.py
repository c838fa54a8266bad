# SPDX-License-Identifier: BSD-3-Clause
"""The memory that tests give to their operands: the same values in other places, and inaccessible pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from arrangements import AFTER, BEFORE, NAMES, NONE, Result, place

DTYPES = ("float32", "float64", "int8", "uint8", "int16", "int32", "int64")
SHAPES = ((2, 3, 1, 4), (1,), (5,), (), (0, 4), (3, 1, 2), (1, 1, 1))
SIDES = (NONE, AFTER, BEFORE)


@pytest.mark.parametrize("how", [*NAMES, "mixed"])
@pytest.mark.parametrize("side", SIDES)
def test_the_values_are_the_same_in_other_memory(how: str, side: int) -> None:
    rng = np.random.default_rng(1)
    for dtype in DTYPES:
        for shape in SHAPES * 3:
            a = rng.integers(0, 3, shape).astype(dtype)
            if shape == (2, 3, 1, 4):
                a = np.repeat(a[:, :1], 3, axis=1)
            b = place(a, how, rng, side)
            assert b.dtype.newbyteorder("=") == a.dtype
            np.testing.assert_array_equal(b, a)


def test_each_arrangement_is_what_it_says() -> None:
    rng = np.random.default_rng(2)
    a = np.repeat(rng.standard_normal((4, 1, 5)), 3, axis=1)
    assert place(a, "plain", rng).flags.c_contiguous
    assert place(a, "fortran", rng).flags.f_contiguous
    assert {place(a, "permuted", rng).strides for _ in range(50)} >= {(120, 40, 8), (8, 32, 96), (24, 8, 96)}
    assert place(a, "reversed", rng).strides == (-120, -40, -8)
    assert place(a, "repeated", rng).strides == (40, 0, 8)
    assert not place(a, "swapped", rng).dtype.isnative
    assert not place(a, "misaligned", rng).flags.aligned
    gaps = {place(a, "sliced", rng).strides for _ in range(50)}
    assert min(abs(stride) for strides in gaps for stride in strides) == 8
    assert max(strides[2] for strides in gaps) == 24
    assert len(gaps) > 20
    mixed = [place(a, "mixed", rng) for _ in range(100)]
    assert any(min(b.strides) < 0 and 0 in b.strides and not b.dtype.isnative for b in mixed)


def test_an_axis_of_one_entry_has_any_stride() -> None:
    rng = np.random.default_rng(3)
    strides = {place(np.ones((3, 1), np.float32), "fortran", rng).strides[1] for _ in range(100)}
    assert strides == {0, 4, -4, 12, 4000, -(2**40), 5}


def test_between_elements_is_what_would_be_seen() -> None:
    rng = np.random.default_rng(4)
    for dtype, gap in (("float32", np.nan), ("int8", 127), ("uint8", 255), ("int64", 2**63 - 1)):
        a = np.zeros((3, 4), dtype)
        while True:
            b = place(a, "sliced", rng)
            if abs(b.strides[1]) > a.itemsize:
                break
        base = b.base
        assert isinstance(base, np.ndarray)
        values = base.view(dtype)
        np.testing.assert_array_equal(values[values != 0], gap)


@pytest.mark.parametrize("side", SIDES)
def test_results_stand_apart_and_tell_what_is_written_beside_them(side: int) -> None:
    rng = np.random.default_rng(5)
    backwards = 0
    for i in range(60):
        shape = ((3, 2, 5), (1, 4), (0, 3), (2, 0))[i % 4]
        result = Result(shape, "float32", i % 3 > 0, rng, side)
        backwards += shape[0] > 1 and result.out.strides[0] < 0
        assert result.out.shape == shape
        assert result.out[:1].flags.c_contiguous
        result.out[...] = 7
        assert result.damage() is None
    assert backwards > 3
    while True:
        result = Result((2, 3), "float32", True, rng, side)
        step = abs(result.out.strides[0])
        if step > 12:
            break
    inside = result.memory[7 * 4 if side == NONE else 0 :]
    inside[12] = 1  # the first byte after the first image
    assert result.damage() is not None


@pytest.mark.parametrize(("side", "at"), [(AFTER, 12), (BEFORE, -1)])
@pytest.mark.parametrize("how", ["plain", "fortran", "reversed"])
def test_an_inaccessible_page_stops_one_byte_too_far(side: int, at: int, how: str) -> None:
    code = (
        "import ctypes, numpy as np; from arrangements import place;"
        f"a = place(np.full((3, 4), 7, np.int8), {how!r}, np.random.default_rng(0), {side});"
        "first = min(a[i, j:].ctypes.data for i in range(3) for j in range(4));"
        "print(sum(ctypes.c_int8.from_address(first + i).value for i in range(12)), flush=True);"
        f"print(ctypes.c_int8.from_address(first + {at}).value)"
    )
    here = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=here, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == -11
    assert result.stdout == "84\n"

# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the rules and of the errors share: exact data, the oracle's answer, a child process."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import npconv
import numpy as np
import pytest
import reference
from reference import Array

CONV: dict[int, Any] = {1: npconv.conv1d, 2: npconv.conv2d, 3: npconv.conv3d}
RANKS = tuple(CONV)
SPATIAL = {1: (9,), 2: (7, 8), 3: (5, 6, 7)}
KERNEL = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}
NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def ints(shape: tuple[int, ...], dtype: Any = np.float32, seed: int = 0) -> Array:
    """Integers from -4 to 4 in floating point: sums of some thousand products of them are exact."""
    return np.random.default_rng([seed, *shape]).integers(-4, 5, shape).astype(dtype)


def problem(rank: int, dtype: Any = np.float32, *, batch: int = 2, cin: int = 3, cout: int = 4) -> Any:
    """x, w and bias of a small convolution, channels first."""
    x = ints((batch, cin, *SPATIAL[rank]), dtype, 1)
    return x, ints((cout, cin, *KERNEL[rank]), dtype, 2), ints((cout,), dtype, 3)


def oracle(rank: int, x: Array, w: Array, bias: Array | None = None, **how: Any) -> Array:
    """The exact answer of reference.py, in the dtype of x."""
    return reference.conv(x, w, bias, spatial_rank=rank, **how).astype(x.dtype.newbyteorder("="))


def to_last(a: Array, rank: int) -> Array:
    """(..., C, *spatial) -> (..., *spatial, C), in memory of its own."""
    return np.ascontiguousarray(np.moveaxis(a, -1 - rank, -1))


def same(got: Any, want: Array) -> None:
    """Fail unless `got` is an ndarray of want's shape, dtype and values; -0 equals +0, NaN equals NaN."""
    assert isinstance(got, np.ndarray)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want, strict=True)


def pad_spatial(x: Array, pads: list[tuple[int, int]], mode: str) -> Array:
    """np.pad on the last axes, in the terms of padding_mode."""
    return np.pad(x, [(0, 0)] * (x.ndim - len(pads)) + pads, NUMPY_MODES[mode])


def misaligned(a: Array) -> Array:
    """The values of `a` one byte off."""
    moved = np.empty(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    moved[...] = a
    assert not moved.flags.aligned
    return moved


def zero_stride(*shape: int, dtype: Any = np.float32) -> Array:
    """A read-only array of ones of any size, in the memory of one element."""
    return np.broadcast_to(np.ones((1,) * len(shape), dtype), shape)


def canary(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """An `out` in which every byte can be recognised."""
    size = np.dtype(dtype).itemsize
    return (np.arange(math.prod(shape) * size) % 251).astype(np.uint8).view(dtype).reshape(shape)


def needs_plain_memory() -> None:
    """For tests that limit or count the memory of a process."""
    if os.environ.get("NPCONV_SANITIZED"):
        pytest.skip("AddressSanitizer keeps memory of its own and reserves the address space")


def run_python(code: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a child that can import the tests, with nothing said about threads or instruction sets."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "NPCONV_"))
    }
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code],
        env=inherited | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def printed_by(code: str, timeout: float = 60, **environment: str) -> str:
    """What the child prints; it must end well."""
    child = run_python(code, timeout, **environment)
    assert child.returncode == 0, f"exit code {child.returncode}\n{child.stderr[-3000:]}"
    return child.stdout.strip()

# SPDX-License-Identifier: BSD-3-Clause
"""Nothing that a caller passes crashes or hangs: sizes beyond reason, huge but right ones, hostile objects.

Each dangerous call is made here and once more, all of them, in a child process, whose exit code is the proof.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
import reference
from rules import ints, needs_plain_memory, printed_by, problem, run_python, same, zero_stride

MODES = ("zeros", "reflect", "replicate", "circular")
ONE = np.ones((1, 1, 1, 1), np.float32)

# ---- sizes beyond reason -----------------------------------------------------------------------------------

Expected = tuple[type[Exception], ...] | tuple[int, ...]
DANGEROUS: dict[str, tuple[Callable[[], Any], Any]] = {}  # name: (call, errors or shape of a result of ones)
REFUSED, TOO_LARGE = (ValueError,), (ValueError, MemoryError)


def dangerous(name: str, expected: Any, x: Any, w: Any, **how: Any) -> None:
    """A call of conv2d, or of conv1d for arrays of three axes, of that name."""
    conv = npconv.conv1d if w.ndim == 3 else npconv.conv2d
    DANGEROUS[name] = (lambda: conv(x, w, **how), expected)


def fill_table() -> None:
    ones = zero_stride
    dangerous("2^31 channels for 1", REFUSED, ones(1, 2**31, 1, 1), ONE)
    dangerous("2^31 groups of 1 output", REFUSED, ones(1, 2**31, 1, 1), ONE, groups=2**31)
    dangerous("2^60 channels", REFUSED, ones(1, 2**60, 1, 1), ones(1, 2**60, 1, 1))
    dangerous(
        "2^60 channels and a border", REFUSED, ones(1, 2**60, 1, 1), ones(1, 2**60, 1, 1), padding=2**60
    )
    dangerous("2^60 groups", REFUSED, ones(1, 2**60, 1, 1), ones(2**60, 1, 1, 1), groups=2**60)
    dangerous("2^30 x 2^30 kernel", REFUSED, ones(1, 1, 2**30, 2**30), ones(1, 1, 2**30, 2**30))
    dangerous("2^60 images", REFUSED, ones(2**60, 1, 1, 1), ones(8, 1, 1, 1))
    dangerous("2^59 images", TOO_LARGE, ones(2**59, 1, 1, 1), ONE)
    dangerous("2^59 outputs", TOO_LARGE, ONE, ones(2**59, 1, 1, 1))
    dangerous("2^59 rows", TOO_LARGE, ones(1, 1, 2**59, 1), ONE)
    dangerous("2^29 x 2^30 pixels", TOO_LARGE, ones(1, 1, 2**29, 2**30), ONE)
    dangerous("2^30 x 2^30 pixels, few wanted", (1, 1, 2, 2), ones(1, 1, 2**30, 2**30), ONE, stride=2**29)
    dangerous("2^60 samples, few wanted", (1, 1, 4), ones(1, 1, 2**60), ones(1, 1, 1), stride=2**58)
    dangerous("2^60 samples, reflected", (1, 1, 6), ones(1, 1, 2**60), ones(1, 1, 1), stride=2**58,
              padding=2**58, padding_mode="reflect")  # fmt: skip
    x, w = ones(2, 3, 6, 7), ones(4, 3, 3, 3)
    for mode in MODES:
        for power in (40, 60, 61):
            dangerous(f"2^{power} of border, {mode}", TOO_LARGE, x, w, padding=2**power, padding_mode=mode)
        for n in (2**62, 2**63 - 1):
            dangerous(f"border of {n}, {mode}", REFUSED, x, w, padding=n, padding_mode=mode)
            dangerous(f"one border of {n}, {mode}", REFUSED, x, w, padding=[(n, 0)] * 2, padding_mode=mode)
            for name in ("same", "same_lower", "causal", "full"):
                dangerous(
                    f"dilation {n}, {name}, {mode}",
                    REFUSED,
                    x,
                    w,
                    dilation=n,
                    padding=name,
                    padding_mode=mode,
                )
    for n in (2**62, 2**63 - 1, 2**64, 10**40):
        dangerous(f"dilation {n}", REFUSED, x, w, dilation=n)
        dangerous(f"groups {n}", REFUSED, x, w, groups=n)
        dangerous(f"stride {n} or {-n} of nothing", REFUSED, x, w, stride=-n)
        dangerous(f"everything {n}", REFUSED, x, w, stride=n, dilation=n, padding=n)
    x_none = np.empty((0, 3, 6, 7), np.float32)
    dangerous("empty batch, border of 2^62", REFUSED, x_none, w, padding=2**62)
    dangerous("empty batch, 2^40 of border", TOO_LARGE, x_none, w, padding=2**40)
    # No array of float64 has 2^60 elements; a plan is asked about one all the same.
    plan, w1 = npconv.plan_conv, np.ones((1, 1, 1))
    DANGEROUS["plan, 2^60 samples, measured"] = (
        lambda: plan((1, 1, 2**60), w1, stride=2**59, algorithm="measure"),
        TOO_LARGE,
    )


fill_table()


def outcome(call: Callable[[], Any]) -> Any:
    """The result of a call, or its error."""
    try:
        return call()
    except (ValueError, MemoryError) as error:
        return error


def run_dangerous(name: str) -> None:
    call, expected = DANGEROUS[name]
    got = outcome(call)
    if isinstance(expected[0], int):
        same(got, np.ones(expected, np.float32))
        return
    assert isinstance(got, expected), f"{name}: {got!r}"
    told = r"64 bits|channels|must be at least 1|Maximum allowed" if isinstance(got, ValueError) else "."
    assert re.search(told, str(got)), f"{name}: {got!r}"


@pytest.mark.parametrize("name", DANGEROUS)
def test_sizes_beyond_reason_are_refused_or_right(name: str) -> None:
    run_dangerous(name)


def test_sizes_beyond_reason_do_not_crash_a_process() -> None:
    code = """
import test_errors_process as t
for name in t.DANGEROUS:
    print(name, flush=True)
    t.run_dangerous(name)
print("alive")
"""
    assert printed_by(code).splitlines()[-1] == "alive"


def test_what_memory_cannot_hold_is_a_memory_error() -> None:
    """Of 4 GB: the packed weights of 2^31 channels or groups, the result of 2^31 pixels."""
    needs_plain_memory()
    code = """
import os, resource, npconv, numpy as np
from rules import zero_stride as ones
limit = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGESIZE") + (4 << 30)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
x, w, n = ones(1, 2**31, 1, 1), ones(1, 1, 1, 1), 2**31
two = ones(2, 2**31, 1, 1)  # images: of one, a plain call packs the weights panel by panel
out = np.full((2, 1, 1, 1), 7, np.float32)
for name, call in {
    "channels": lambda: npconv.conv2d(two, x, out=out),
    "channels, naive": lambda: npconv.conv2d(two, x, out=out, algorithm="naive"),
    "channels, measured": lambda: npconv.conv2d(two, x, out=out, algorithm="measure"),
    "groups": lambda: npconv.conv2d(x, ones(n, 1, 1, 1), groups=n),
    "outputs": lambda: npconv.conv2d(w, ones(n, 1, 1, 1)),
    "plan": lambda: npconv.plan_conv(x.shape, x),
    "pixels": lambda: npconv.conv2d(ones(1, 1, 2**16, 2**15), w),
    "images": lambda: npconv.plan_conv((None, 1, 1, 1), w)(ones(n, 1, 1, 1)),
    "swapped": lambda: npconv.conv2d(x.view(">f4"), w, padding="same", groups=1),
}.items():
    try:
        call()
    except MemoryError:
        print(name, "MemoryError")
    except ValueError as error:
        print(name, "channels" in str(error))
assert (out == 7).all()
assert (npconv.conv2d(w, w) == 1).all()  # and life goes on
"""
    lines = printed_by(code).splitlines()
    assert lines[:-1] == [
        *("channels MemoryError", "channels, naive MemoryError", "channels, measured MemoryError"),
        *("groups MemoryError", "outputs MemoryError", "plan MemoryError"),
        *("pixels MemoryError", "images MemoryError"),
    ]
    assert lines[-1] == "swapped True"


def test_empty_sums_do_not_walk_over_their_taps() -> None:
    """Without channels there is nothing to add, however large the kernel: the result comes at once."""
    code = """
import npconv, numpy as np
from rules import zero_stride as ones
e = lambda *shape: np.empty(shape, np.float32)
big = 2**30
for algorithm in ("gemm", "naive"):
    assert npconv.conv2d(e(1, 0, big, big), e(1, 0, big, big), algorithm=algorithm) == 0
    border = {"padding": big, "stride": big, "algorithm": algorithm}
    assert npconv.conv2d(e(1, 0, 4, 4), e(1, 0, big, big), **border).tolist() == [[[[0.0] * 2] * 2]]
    assert npconv.conv2d(e(0, 1, 4, 4), e(0, 1, 3, 3), padding=2**28, algorithm=algorithm).size == 0
    assert npconv.conv1d(ones(1, 1, 2**40), e(0, 1, 2**40), algorithm=algorithm).size == 0
    assert npconv.plan_conv((1, 0, big, big), e(1, 0, big, big), algorithm=algorithm)(e(1, 0, big, big)) == 0
print("done")
"""
    assert printed_by(code, timeout=5) == "done"


def test_an_empty_result_needs_no_packed_weights() -> None:
    """A plain call without images has nothing to multiply: no memory and no time for its 2^40 taps."""
    code = """
import npconv, numpy as np
from rules import zero_stride as ones
x, w = np.empty((0, 1, 2**20, 2**20), np.float32), ones(1, 1, 2**20, 2**20)
for algorithm in ("auto", "gemm", "naive", "measure"):
    assert npconv.conv2d(x, w, algorithm=algorithm).shape == (0, 1, 1, 1)
print("done")
"""
    assert printed_by(code, timeout=5) == "done"


# ---- what is huge and right --------------------------------------------------------------------------------


def source(i: int, n: int, mode: str) -> int | None:
    """The element that np.pad would show at coordinate i of an axis of n, in Python's own integers."""
    if mode == "zeros":
        return i if 0 <= i < n else None
    if mode == "replicate":
        return min(max(i, 0), n - 1)
    if mode == "circular":
        return i % n
    period = max(2 * (n - 1), 1)
    return min(i % period, period - i % period) if n > 1 else 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", ["same", "same_lower", "causal"])
def test_huge_dilations_follow_the_rule_of_np_pad(mode: str, padding: str) -> None:
    w = ints((3,), np.float64, 1)
    for size in (1, 2, 5, 8):
        x = ints((size,), np.float64, size)
        for dilation in (7, 2**31 + 1, 2**40 + 3, 2**61 - 1):
            before, _ = reference.axis_padding(padding, size, 2 * dilation + 1, 1)
            taps = [[source(o - before + k * dilation, size, mode) for k in range(3)] for o in range(size)]
            want = [sum(w[k] * x[i] for k, i in enumerate(row) if i is not None) for row in taps]
            for algorithm in ("gemm", "naive"):
                y = npconv.conv1d(
                    x, w, dilation=dilation, padding=padding, padding_mode=mode, algorithm=algorithm
                )
                same(y, np.array(want, np.float64))


@pytest.mark.parametrize("stride", [10**6, 2**40, 2**61, 2**62, 2**63 - 1])
def test_huge_strides_leave_one_pixel_or_are_refused(stride: int) -> None:
    x, w, bias = problem(2)
    for padding in (0, 1, "same", "full", "causal"):
        got = outcome(lambda p=padding: npconv.conv2d(x, w, bias, stride=stride, padding=p))
        if stride > 2**61 and isinstance(got, ValueError):
            assert re.search(rf"stride .*{stride}", str(got))
        else:
            same(got, npconv.conv2d(x, w, bias, stride=100, padding=padding))


def test_large_kernels_are_right() -> None:
    x, w = ints((1, 2, 3, 50_000)), ints((1, 2, 3, 50_000), seed=1)
    want = (x.astype(np.int64) * w.astype(np.int64)).sum()
    assert npconv.conv2d(x, w).item() == want
    assert npconv.conv2d(x, w, algorithm="naive").item() == want


# ---- objects that change what they are given ---------------------------------------------------------------


def test_a_list_that_is_emptied_while_it_is_read_does_not_crash() -> None:
    """With Python's debug allocator, which makes the use of a freed object a crash."""
    code = """
import npconv, numpy as np
x, w = np.ones((1, 1, 6, 7), np.float32), np.ones((1, 1, 3, 3), np.float32)
values = []
class Empties:
    def __index__(self):
        values.clear()
        return 2**70
for name in ("stride", "dilation", "padding"):
    for fill in (lambda: [Empties(), Empties()], lambda: [[Empties(), Empties()], [Empties(), Empties()]]):
        values[:] = fill()
        try:
            npconv.conv2d(x, w, **{name: values})
        except (IndexError, TypeError, ValueError) as error:
            str(error)
values[:] = [Empties(), Empties(), 6, 7]
try:
    npconv.plan_conv(values, w)
except (IndexError, TypeError, ValueError) as error:
    str(error)
print("alive")
"""
    assert printed_by(code, PYTHONMALLOC="debug") == "alive"


def test_an_array_whose_shape_is_changed_while_the_arguments_are_read_does_not_crash() -> None:
    code = """
import warnings, npconv, numpy as np
warnings.simplefilter("ignore")
n = 2**22
class Changes:
    def __init__(self, array, result):
        self.array, self.result = array, result
    def __array__(self, dtype=None, copy=None):
        self.array.shape = (1, 1, 16, n // 16)
        return self.result
    def __index__(self):
        self.array.shape = (1, 1, 16, n // 16)
        return self.result
one = np.ones((1, 1, 1, 1), np.float32)
for name in ("bias", "residual", "w", "stride", "dilation", "groups", "num_threads", "padding"):
    for victim in ("x", "out"):
        x, out = np.ones((1, 1, n, 1), np.float32), np.zeros((1, 1, n, 1), np.float32)
        results = {"bias": one.ravel(), "residual": x.copy(), "w": one, "padding": 0}
        change = Changes(x if victim == "x" else out, results.get(name, 1))
        try:
            npconv.conv2d(**{"x": x, "w": one, "out": out, name: change})
        except (TypeError, ValueError) as error:
            str(error)
print("alive")
"""
    assert printed_by(code) == "alive"


def test_a_crash_would_be_seen() -> None:
    assert run_python("import ctypes; ctypes.string_at(0)").returncode < 0

# SPDX-License-Identifier: BSD-3-Clause
"""Windows, strides and dilations up to 2^20: right, in bounded memory, and only what is asked for is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import _core, grad
from pool_cases import DTYPES, FLOATS, LAYOUTS
from reference import Array
from rules import zero_stride
from test_memory import MEGABYTE, run

LARGEST = 6 * MEGABYTE  # bytes a thread


def line(a: Array, layout: str) -> Array:
    """(n,) -> (1, n) or (n, 1)."""
    return a[None] if layout == "channels_first" else a[:, None]


def window_sums(a: Array, kernel: int, stride: int = 1) -> Array:
    """Of all windows, in np.longdouble."""
    total = np.concatenate([[0], np.cumsum(a.astype(np.longdouble))])
    first = np.arange(0, len(a) - kernel + 1, stride)
    return total[first + kernel] - total[first]


def spread_sums(g: Array, length: int, kernel: int, stride: int) -> Array:
    """The adjoint of `window_sums`."""
    ends, first = np.zeros(length + 1, np.longdouble), np.arange(len(g)) * stride
    np.add.at(ends, first, g)
    np.add.at(ends, first + kernel, -g)
    return np.cumsum(ends)[:-1]


# ---- what is right -----------------------------------------------------------------------------------------

KERNEL = 400_001


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("stride", [1, 7])
def test_sums_over_400_001_samples_and_their_gradients(stride: int, dtype: str, layout: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(500_000).astype(dtype)
    eps = float(np.finfo(dtype).eps)
    how: Any = {"stride": stride, "layout": layout}
    mean = window_sums(x, KERNEL, stride) / KERNEL
    y = npconv.avg_pool1d(line(x, layout), KERNEL, **how).ravel()
    magnitude = float(abs(x).mean())
    assert abs(y - mean).max() <= 20 * eps * magnitude
    norm = np.sqrt(window_sums(x.astype(np.longdouble) ** 2, KERNEL, stride))
    z = npconv.lp_pool1d(line(x, layout), 2, KERNEL, **how).ravel()
    assert (abs(z - norm) <= 4 * eps * norm).all()
    g = rng.standard_normal(y.shape).astype(dtype)
    got = grad.avg_pool1d(line(g, layout), line(x, layout).shape, KERNEL, **how).ravel()
    want = spread_sums(g, len(x), KERNEL, stride) / KERNEL
    assert abs(got - want).max() <= 20 * eps * float(abs(g).sum()) / KERNEL
    got = grad.lp_pool1d(line(g, layout), line(x, layout), 2, KERNEL, **how).ravel()
    want = spread_sums(g / norm, len(x), KERNEL, stride) * x
    assert (abs(got - want) <= 20 * eps * abs(x) * float(abs(g / norm).sum())).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_maxima_over_400_001_samples(dtype: str) -> None:
    """Few of them change from window to window, so that each is known: x falls but for some peaks."""
    n = 450_000
    rng = np.random.default_rng(0)
    x = np.zeros(n, dtype)
    peaks = np.sort(rng.choice(n, 60, replace=False))
    x[peaks] = rng.integers(1, 100, len(peaks)).astype(dtype)
    y, places = npconv.max_pool1d(x, KERNEL, stride=1, return_indices=True)
    for o in (*range(0, len(y), 1009), len(y) - 1):
        inside = peaks[(peaks >= o) & (peaks < o + KERNEL)]
        top = x[inside].max()
        assert (y[o], places[o]) == (top, inside[x[inside] == top][0])
    assert (npconv.max_pool1d(x, KERNEL, stride=1) == y).all()
    assert (x[places] == y).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_sample_reaches_the_windows_that_hold_it_and_no_other(value: float) -> None:
    x = np.random.default_rng(0).standard_normal(500_000)
    before = npconv.lp_pool1d(x, 2, KERNEL, stride=1)
    x[480_000] = value
    y = npconv.lp_pool1d(x, 2, KERNEL, stride=1)
    first = 480_000 - KERNEL + 1
    np.testing.assert_array_equal(y[:first], before[:first])
    assert (np.isnan(y[first:]) if np.isnan(value) else y[first:] == np.inf).all()


@pytest.mark.parametrize("stride", [1, 3, 250_000])
def test_three_taps_200_003_samples_apart(stride: int) -> None:
    rng = np.random.default_rng(0)
    n, dilation, pad = 1_000_000, 200_003, 1000
    x = rng.standard_normal(n).astype(np.float32)
    how: Any = {"stride": stride, "dilation": dilation, "padding": pad}
    padded = np.pad(x.astype(np.float64), pad)
    count = np.pad(np.ones(n), pad)
    taps = [slice(i * dilation, n + 2 * pad - (2 - i) * dilation, stride) for i in range(3)]
    counts = sum(count[t] for t in taps)
    y = npconv.avg_pool1d(x, 3, count_include_pad=False, **how)
    np.testing.assert_allclose(y, sum(padded[t] for t in taps) / counts, atol=1e-6)
    low = np.pad(x, pad, constant_values=-np.inf)
    y, places = npconv.max_pool1d(x, 3, return_indices=True, **how)
    np.testing.assert_array_equal(y, np.max([low[t] for t in taps], axis=0))
    np.testing.assert_array_equal(x[places], y)
    norm = np.sqrt(sum(padded[t] ** 2 for t in taps))
    np.testing.assert_allclose(npconv.lp_pool1d(x, 2, 3, **how), norm, rtol=1e-6)
    g = rng.standard_normal(y.shape)
    want = np.zeros(n + 2 * pad)
    for t in taps:
        want[t] += g / counts
    got = grad.avg_pool1d(g, x.shape, 3, count_include_pad=False, **how)
    np.testing.assert_allclose(got, want[pad : pad + n], atol=1e-12)
    want = np.zeros(n + 2 * pad)
    for t in taps:
        want[t] += g / norm * padded[t]
    got = grad.lp_pool1d(g, x.astype(np.float64), 2, 3, **how)
    np.testing.assert_allclose(got, want[pad : pad + n], atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1000), (3, 70_001)])
def test_gradient_of_means_of_four_taps_90_001_samples_apart(
    stride: int, padding: int, dtype: str, rows: int, layout: str, isa: str
) -> None:
    # Rows of 310,000 samples are made in parts that are narrower than the dilation.
    n, kernel, dilation, channels = 310_000, 4, 90_001, 3
    results = (n + 2 * padding - (kernel - 1) * dilation - 1) // stride + 1
    rng = np.random.default_rng(1)
    g = (4.0 * rng.integers(-9, 10, (channels, rows, results))).astype(dtype)
    want = np.zeros((channels, rows, n + 2 * padding), dtype)
    for tap in range(kernel):
        first = tap * dilation
        want[..., first : first + (results - 1) * stride + 1 : stride] += g / kernel
    want = want[..., padding : padding + n]
    given, shape = (g, (channels, rows, n))
    if layout == "channels_last":
        given, shape, want = np.moveaxis(g, 0, -1), (rows, n, channels), np.moveaxis(want, 0, -1)
    got = grad.avg_pool2d(
        given,
        shape,
        (1, kernel),
        stride=(1, stride),
        padding=((0, 0), (padding, padding)),
        dilation=(1, dilation),
        layout=layout,
    )
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), ((5, 4), (2, 3)), ((7, 6), 1)])
def test_gradients_of_norms_in_tiles_are_those_of_the_whole_plane(
    kernel: Any, stride: Any, padding: int
) -> None:
    """A plane whose copy has more than 4 MB, against the formula by functions that have other tests."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 720, 800))
    how: Any = {"stride": stride, "padding": padding}
    norms = npconv.lp_pool2d(x, 3, kernel, **how)
    g = rng.standard_normal(norms.shape)
    spread = grad.avg_pool2d(g * norms**-2.0, x.shape, kernel, divisor_override=1, **how)
    got = grad.lp_pool2d(g, x, 3, kernel, **how)
    np.testing.assert_allclose(got, spread * x * abs(x), rtol=1e-12, atol=1e-14)
    last = [np.moveaxis(a, 0, -1) for a in (g, x)]
    again = grad.lp_pool2d(*last, 3, kernel, layout="channels_last", num_threads=2, **how)
    np.testing.assert_array_equal(again[..., 0], got[0])


def test_any_number_of_threads_gives_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 500_000)).astype(np.float32)
    calls: tuple[Callable[..., Array], ...] = (
        lambda **n: npconv.lp_pool1d(x, 2, KERNEL, stride=3, **n),
        lambda **n: npconv.avg_pool1d(x, KERNEL, stride=1, padding=30_000, **n),
        lambda **n: grad.lp_pool1d(x[:, :33_334], x, 2, KERNEL, stride=3, **n),
    )
    for call in calls:
        np.testing.assert_array_equal(call(num_threads=1), call(num_threads=3))


# ---- memory ------------------------------------------------------------------------------------------------

# The arguments of one axis, and its length: x is one number, repeated.
LONG: dict[str, tuple[int, dict[str, int]]] = {
    "a window of 2^20": (1 << 21, {"kernel_size": 1 << 20, "stride": 1 << 18}),
    "a window of 2^20 that slides": (1_048_976, {"kernel_size": 1 << 20, "stride": 1}),
    "a window of 300,000 with stride 2": (300_500, {"kernel_size": 300_000, "stride": 2}),
    "a window of 2^17 with stride 70": (1 << 18, {"kernel_size": 1 << 17, "stride": 70}),
    "a stride of 2^20": (1 << 23, {"kernel_size": 3, "stride": 1 << 20}),
    "a dilation of 2^20": ((1 << 21) + 3000, {"kernel_size": 3, "stride": 1, "dilation": 1 << 20}),
    "both": (1 << 23, {"kernel_size": 3, "stride": 1 << 20, "dilation": 1 << 18}),
    "40 taps 2^13 apart": (400_000, {"kernel_size": 40, "stride": 1, "dilation": 1 << 13}),
}


def shaped(sizes: tuple[int, ...], channels: int, layout: str, dtype: str) -> Array:
    shape = (1, channels, *sizes) if layout == "channels_first" else (1, *sizes, channels)
    return zero_stride(*shape, dtype=dtype)


def most_allocated(rank: int, x: Array, how: dict[str, Any]) -> dict[str, int]:
    """By each function of windows, and its gradient."""
    made: dict[str, int] = {}

    def note(name: str, module: Any, *arguments: Any, **more: Any) -> Any:
        before = _core._buffer_bytes_made()
        result = getattr(module, f"{name}_pool{rank}d")(*arguments, **more, **how)
        key = f"{module.__name__}.{name}"
        made[key] = max(made.get(key, 0), _core._buffer_bytes_made() - before)
        return result

    note("max", npconv, x)
    note("max", npconv, x, return_indices=True)
    if x.dtype.kind != "f":
        return made
    g = note("avg", npconv, x)
    note("avg", grad, g, x.shape)
    g = note("avg", npconv, x, padding=1, count_include_pad=False)
    note("avg", grad, g, x.shape, padding=1, count_include_pad=False)
    g = note("lp", npconv, x, 2)
    note("lp", grad, g, x, 2)
    return made


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LONG)
def test_long_windows_allocate_at_most_6_megabytes_a_thread(name: str, layout: str, isa: str) -> None:
    n, arguments = LONG[name]
    how: dict[str, Any] = {**arguments, "layout": layout, "num_threads": 1}
    for dtype in ("float32", "float64", "int8", "int64"):
        made = most_allocated(1, shaped((n,), 1, layout, dtype), how)
        assert max(made.values()) <= LARGEST, (dtype, made)
    if n < 400_000 and layout == "channels_last":
        made = most_allocated(1, shaped((n,), 20, layout, "float64"), how)
        assert max(made.values()) <= LARGEST, made


@pytest.mark.parametrize("layout", LAYOUTS)
def test_large_windows_of_planes_and_volumes_allocate_no_more(layout: str, isa: str) -> None:
    for sizes, arguments in (
        ((3, 300_000), {"kernel_size": (2, 200_000), "stride": (1, 1000)}),
        ((300_000, 3), {"kernel_size": (200_000, 2), "stride": (1000, 1)}),
        ((1000, 900), {"kernel_size": (500, 450), "stride": (50, 60)}),
        ((900, 1000), {"kernel_size": 3, "stride": 200, "dilation": 300}),
        ((40, 100, 100), {"kernel_size": (20, 50, 40), "stride": (5, 20, 20)}),
    ):
        how: dict[str, Any] = {**arguments, "layout": layout, "num_threads": 1}
        made = most_allocated(len(sizes), shaped(sizes, 1, layout, "float64"), how)
        assert max(made.values()) <= LARGEST, (sizes, made)


def test_images_of_one_pixel_allocate_no_more(isa: str) -> None:
    for layout in LAYOUTS:
        x = shaped((1, 1), 3_000_000, layout, "float32")
        before = _core._buffer_bytes_made()
        npconv.global_max_pool2d(x, layout=layout, num_threads=1)
        between = _core._buffer_bytes_made()
        grad.global_max_pool2d(x, x, layout=layout, num_threads=1)
        assert max(between - before, _core._buffer_bytes_made() - between) <= LARGEST


# Each prints the peak of the process beyond what was there before the call, in bytes, and what it was told.
PEAK = """
from npconv import grad
def status(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))
def peak_of(call, small):
    small()                                        # what a first call makes is there now
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts again from here
    before = status("VmRSS")
    call()
    print(status("VmHWM") - before)
"""


CALLS = {
    "grad.lp_pool2d": "grad.lp_pool2d(x, x, 2, 3, stride=1, padding=1, out=out, num_threads=1)",
    "lp_pool1d": "npconv.lp_pool1d(row, 2, 3, stride=1 << 20, num_threads=1)",
    "avg_pool1d": "npconv.avg_pool1d(row, 1 << 20, stride=1 << 18, num_threads=1)",
    "max_pool1d": "npconv.max_pool1d(row, 3, dilation=1 << 22, stride=1 << 16, num_threads=1)",
    "divisors": "npconv.avg_pool1d(row, 3, stride=1, padding=1, count_include_pad=False, out=line)",
    "max_unpool2d": "npconv.max_unpool2d(v.transpose(0, 2, 1), places.transpose(0, 2, 1), 4, out=out)",
    "grad.max_pool2d": "grad.max_pool2d(v.transpose(0, 2, 1), places.transpose(0, 2, 1), x.shape, out=out)",
    "grad.max_unpool2d": "grad.max_unpool2d(x.transpose(0, 2, 1), places[:, :64])",
    "fold2d": "npconv.fold2d(columns[..., ::-1], (64, 64), 16, stride=1)",
}


@pytest.mark.parametrize("name", CALLS)
def test_peak_memory_on_64_megabytes(name: str) -> None:
    out = run(
        PEAK
        + f"""
x = np.ones((1, 4096, 4096), np.float32); out = np.ones_like(x)
row, line, v = x.reshape(1, -1), out.reshape(1, -1), x[:, ::4, ::4]
places = np.zeros((1, 1024, 1024), np.int64)
columns = x.reshape(-1)[: 20 * 256 * 49 * 49].reshape(20, 256, -1)
def small():
    npconv.avg_pool2d(x[:, :64, :64], 2, num_threads=1)
    npconv.fold2d(x[:, :4, :4], 4, 2, stride=2)
npconv.set_num_threads(1)
peak_of(lambda: {CALLS[name]}, small)
"""
    )
    assert int(out) <= LARGEST + 2 * MEGABYTE  # pages, arenas, small results

# SPDX-License-Identifier: BSD-3-Clause
"""npconv's pooling and its gradients against PyTorch's, on random arguments.

python bench/equal_torch.py [--cases 5000] [--seed 1] [--only max,avg] [--case 17]

1-D to 3-D, both layouts, float32 and float64, batched, unbatched and single planes, odd strides, `out`, any
number of threads. Maxima and their indices, unpooling, unfolding and the gradients by indices have to be
equal bit by bit, NaN, infinities and signed zeros among the data; averages, norms, folding and their
gradients within a few ulp of the sum of the magnitudes of their terms. torch gets a padded input where its
own padding cannot be as npconv's: -inf for maxima, zeros for averages (which count them) and norms.

Left out, because torch has it otherwise or not at all:
- windows without an element (a dilated kernel astride the input; there npconv has the index -1) where torch
  pads by itself: it gives an index outside the plane; with a padded input they are compared;
- averages that leave out uneven padding; dilated averages and norms; 3-D averages and norms of an input
  smaller than the kernel;
- paddings with ceil_mode where a padded input has more windows than torch's rule gives;
- norms of negative numbers to an odd power (torch keeps their sign), gradients at 0 of norms of the power 1
  (torch: that of x, not of abs(x)), norms over the overhang of ceil_mode (torch scales them);
- 3-D channels last, windows of -inf alone: torch 2.13 loses the first axis of their index where the channels
  do not fill its vectors;
- integers, output sizes and errors: tests/ has these.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch_case import Array, Case, Ints, Windows, columns, indices_in_plane
from tqdm import tqdm

REPORTED = 20  # failures printed

Check = Callable[[Case], None]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__.removeprefix("check_")] = function
    return function


def npconv_function(name: str, rank: int, gradient: bool = False) -> Callable[..., Any]:
    import npconv

    function: Callable[..., Any] = getattr(npconv.grad if gradient else npconv, f"{name}{rank}d")
    return function


def torch_function(name: str, rank: int) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(F, f"{name}{rank}d")
    return function


def pulled_back(y: Tensor, x: Tensor, grad_out: Array, case: Case) -> Array:
    """torch's gradient of x, as planes."""
    (gradient,) = torch.autograd.grad(y, x, case.tensor(grad_out))
    return gradient.numpy()


def padded(x: Tensor, windows: Windows, border: float) -> Tensor:
    return F.pad(x, windows.around, value=border) if windows.explicit else x


def numbers(windows: Windows) -> dict[str, Any]:
    """torch's keywords."""
    pads = tuple(0 if windows.explicit else before for before, _ in windows.pads)
    return {"stride": windows.stride, "padding": pads, "ceil_mode": windows.ceil_mode}


# ---- maxima


@check
def check_max(case: Case) -> None:
    windows = case.windows(lambda w: w.padded_alike if w.explicit else w.never_empty)
    planes = case.values(windows.spatial)
    # Of a window of -inf alone torch finds its first maximum in the padding, or, see above, anywhere.
    if windows.explicit or (case.rank == 3 and case.layout == "channels_last"):
        planes[np.isneginf(planes)] = np.inf
    x = case.tensor(planes, gradient=True)
    how = {**numbers(windows), "dilation": windows.dilation}
    function = torch_function("max_pool", case.rank)
    y, places = function(padded(x, windows, -np.inf), windows.kernel, return_indices=True, **how)
    with torch.no_grad():  # another kernel in one dimension
        alone = function(padded(x, windows, -np.inf), windows.kernel, **how).numpy()
    values, indices = y.detach().numpy(), places.numpy()
    if windows.explicit:
        indices = indices_in_plane(indices, windows)

    given = case.ours(planes)
    arguments = (given, windows.kernel_argument)
    ours = npconv_function("max_pool", case.rank)
    case.equal("max", case.planes(case.call(ours, *arguments, out=values, **windows.arguments)), alone)
    both = case.call(ours, *arguments, out=values, return_indices=True, **windows.arguments)
    _max_with_indices(case, "max", both, values, indices)
    g = case.values(values.shape[2:])
    _max_gradient(case, "max", "max_pool", g, both[1], indices, given.shape, pulled_back(y, x, g, case))


def _max_with_indices(
    case: Case, what: str, both: tuple[Array, Array], values: Array, indices: Array
) -> None:
    case.equal(f"{what}, indices asked for", case.planes(both[0]), values)
    case.equal(f"{what}, indices", case.planes(both[1]), indices)


def _max_gradient(
    case: Case, what: str, name: str, g: Array, ours: Array, theirs: Array, shape: Ints, expected: Array
) -> None:
    """By the indices of both."""
    function = npconv_function(name, case.rank, gradient=True)
    for whose, indices in (("npconv", ours), ("torch", case.ours(theirs))):
        result = case.call(function, case.ours(g), indices, shape)
        case.equal(f"gradient of {what}, indices of {whose}", case.planes(result), expected)


@check
def check_adaptive_max(case: Case) -> None:
    planes, argument, target = _adaptive(case, ("normal", "ties", "special"))
    x = case.tensor(planes, gradient=True)
    y, places = torch_function("adaptive_max_pool", case.rank)(x, target, return_indices=True)
    values, indices = y.detach().numpy(), places.numpy()
    given = case.ours(planes)
    ours = npconv_function("adaptive_max_pool", case.rank)
    case.equal("adaptive max", case.planes(case.call(ours, given, argument, out=values)), values)
    both = case.call(ours, given, argument, out=values, return_indices=True)
    _max_with_indices(case, "adaptive max", both, values, indices)
    g = case.values(target)
    expected = pulled_back(y, x, g, case)
    _max_gradient(case, "adaptive max", "adaptive_max_pool", g, both[1], indices, given.shape, expected)


def _adaptive(case: Case, kinds: tuple[str, ...]) -> tuple[Array, Any, Ints]:
    """Planes, npconv's output_size (None: as the input), and the sizes that it means."""
    spatial = case.spatial()
    target = tuple(case.integer(1, n + 2) for n in spatial)
    if case.chance(0.3):
        kept = tuple(case.chance(0.5) for _ in spatial)
        target = tuple(n if keep else o for n, o, keep in zip(spatial, target, kept, strict=True))
        argument: Any = tuple(None if keep else o for o, keep in zip(target, kept, strict=True))
    else:
        argument = case.either(target)
    return case.values(spatial, kinds), argument, target


@check
def check_global_max(case: Case) -> None:
    planes = case.values(case.spatial())
    x = case.tensor(planes, gradient=True)
    y = torch_function("adaptive_max_pool", case.rank)(x, 1)
    _global(case, "max", planes, x, y, lambda what, ours, theirs: case.equal(what, ours, theirs))


def _global(
    case: Case,
    op: str,
    planes: Array,
    x: Tensor,
    y: Tensor,
    compare: Callable[[str, Array, Array], None],
) -> None:
    """Forward and backward, with and without the spatial axes."""
    expected = y.detach().numpy()
    keepdims = case.chance(0.5)
    how = {} if keepdims and case.chance(0.5) else {"keepdims": keepdims}
    given = case.ours(planes)
    name = f"global_{op}_pool"

    def without(array: Array) -> Array:
        if keepdims:
            return array
        batch, channels = case.form == "batched", case.form != "single"
        return array.reshape(
            expected.shape[:2][(0 if batch else 1) : (2 if channels else 1)] if channels else ()
        )

    def with_axes(array: Array) -> Array:
        return case.planes(array) if keepdims else np.asarray(array).reshape(expected.shape)

    result = npconv_function(name, case.rank)(
        given, layout=case.layout, num_threads=case.integer(1, 3), **how
    )
    compare(f"global {op}", with_axes(result), expected)
    g = case.values((1,) * case.rank)
    grad_out = case.ours(g) if keepdims else without(g)
    second = given if op == "max" else given.shape  # what the gradient needs of x
    gradient = npconv_function(name, case.rank, gradient=True)
    result = case.call(gradient, grad_out, second, out=planes, **how)
    theirs = pulled_back(y, x, g.astype(expected.dtype), case)
    if op == "max":
        case.equal("gradient of global max", case.planes(result), theirs)
    else:
        case.close("gradient of global avg", case.planes(result), theirs, np.abs(theirs), 1)


# ---- averages and norms


def _averaged_by_torch(windows: Windows) -> bool:
    return (not windows.explicit or windows.padded_alike) and _not_larger(windows, windows.explicit)


def _not_larger(windows: Windows, padded: bool) -> bool:
    """torch's 3-D averages want inputs as large as the kernel, and do not count their own padding."""
    sizes = [n + padded * sum(p) for n, p in zip(windows.spatial, windows.pads, strict=True)]
    return len(sizes) < 3 or all(n >= k for n, k in zip(sizes, windows.kernel, strict=True))


@check
def check_avg(case: Case) -> None:
    windows = case.windows(_averaged_by_torch, dilated=False)
    planes = case.values(windows.spatial)
    how: dict[str, Any] = {"count_include_pad": windows.explicit or case.chance(0.6)}
    if case.chance(0.3):
        how["divisor_override"] = case.pick(1, 2, 7, -3)
    x = case.tensor(planes, gradient=True)
    y = _torch_avg(padded(x, windows, 0.0), windows, how)
    magnitude = (
        {**how, "divisor_override": abs(how["divisor_override"])} if "divisor_override" in how else how
    )
    sizes = _torch_avg(padded(_magnitude(planes, case), windows, 0.0), windows, magnitude)
    expected = y.detach().numpy()

    given = case.ours(planes)
    arguments = {**windows.arguments, **how}
    if how["count_include_pad"] and case.chance(0.5):
        del arguments["count_include_pad"]  # the default
    ours = npconv_function("avg_pool", case.rank)
    result = case.call(ours, given, windows.kernel_argument, out=expected, **arguments)
    case.close("avg", case.planes(result), expected, sizes.numpy(), windows.taps)

    g = case.values(expected.shape[2:])
    theirs = pulled_back(y, x, g, case)
    absolute = _magnitude(planes, case).requires_grad_()
    y = _torch_avg(padded(absolute, windows, 0.0), windows, magnitude)
    (sizes,) = torch.autograd.grad(y, absolute, _magnitude(g, case))
    backward = npconv_function("avg_pool", case.rank, gradient=True)
    result = case.call(backward, case.ours(g), given.shape, windows.kernel_argument, out=planes, **arguments)
    case.close("gradient of avg", case.planes(result), theirs, sizes.numpy(), windows.taps)


def _magnitude(planes: Array, case: Case) -> Tensor:
    return case.tensor(np.abs(planes).astype(np.float64))


def _torch_avg(x: Tensor, windows: Windows, how: dict[str, Any]) -> Tensor:
    """One dimension with a divisor as an image of height 1: torch's avg_pool1d takes none."""
    rank = len(windows.spatial)
    function = torch_function("avg_pool", rank)
    given = numbers(windows)
    if rank == 1 and "divisor_override" in how:
        stride, pads = (1, *given["stride"]), (0, *given["padding"])
        rest = {"ceil_mode": windows.ceil_mode, **how}
        return F.avg_pool2d(x.unsqueeze(2), (1, *windows.kernel), stride, pads, **rest).squeeze(2)
    y: Tensor = function(x, windows.kernel, **given, **how)
    return y


@check
def check_lp(case: Case) -> None:
    windows = case.windows(
        lambda w: w.padded_alike and not w.overhangs and _not_larger(w, padded=True), dilated=False
    )
    p = case.pick(1, 2, 2.0, 3, 1.5)
    planes = case.values(windows.spatial, ("normal", "ties"))
    if p == 1:  # torch's gradient at 0 is that of x, not of abs(x)
        planes += np.copysign(np.asarray(0.05, planes.dtype), planes)
    planes = planes if p == 2 else np.abs(planes)
    x = case.tensor(planes, gradient=True)
    function = torch_function("lp_pool", case.rank)
    how = {"stride": windows.stride, "ceil_mode": windows.ceil_mode}
    kernel = windows.kernel if case.rank > 1 else windows.kernel[0]

    def norms(x: Tensor) -> Tensor:
        y: Tensor = function(F.pad(x, windows.around), p, kernel, **how)
        return y

    y = norms(x)
    expected = y.detach().numpy()
    given = case.ours(planes)
    arguments = (p, windows.kernel_argument)
    ours = npconv_function("lp_pool", case.rank)
    result = case.call(ours, given, *arguments, out=expected, **windows.arguments)
    case.close("lp", case.planes(result), expected, expected, 4 * windows.taps)

    g = case.values(expected.shape[2:], ("normal", "ties"))
    theirs = pulled_back(y, x, g, case)
    absolute = _magnitude(planes, case).requires_grad_()
    (sizes,) = torch.autograd.grad(norms(absolute), absolute, _magnitude(g, case))
    backward = npconv_function("lp_pool", case.rank, gradient=True)
    result = case.call(backward, case.ours(g), given, *arguments, out=planes, **windows.arguments)
    case.close("gradient of lp", case.planes(result), theirs, sizes.numpy(), 16 * windows.taps)


@check
def check_adaptive_avg(case: Case) -> None:
    planes, argument, target = _adaptive(case, ("normal", "ties", "special"))
    function = torch_function("adaptive_avg_pool", case.rank)
    expected = function(case.tensor(planes.astype(np.float64)), target).numpy()
    sizes = function(_magnitude(planes, case), target).numpy()
    taps = prod(ceil(n / o) + 1 for n, o in zip(planes.shape[2:], target, strict=True))
    given = case.ours(planes)
    result = case.call(
        npconv_function("adaptive_avg_pool", case.rank), given, argument, out=expected.astype(case.dtype)
    )
    _exact_mean(case, "adaptive avg", case.planes(result), expected, sizes, taps)

    x = case.tensor(planes, gradient=True)
    g = case.values(target)
    theirs = pulled_back(function(x, target), x, g, case)
    absolute = _magnitude(planes, case).requires_grad_()
    (sizes,) = torch.autograd.grad(function(absolute, target), absolute, _magnitude(g, case))
    backward = npconv_function("adaptive_avg_pool", case.rank, gradient=True)
    result = case.call(backward, case.ours(g), given.shape, out=planes)
    terms = prod(ceil(o / n) + 1 for n, o in zip(planes.shape[2:], target, strict=True))
    case.close("gradient of adaptive avg", case.planes(result), theirs, sizes.numpy(), terms)


def _exact_mean(case: Case, what: str, ours: Array, expected: Array, sizes: Array, taps: float) -> None:
    """Against torch in float64: sums of float32 have an error that does not grow with their length."""
    if case.dtype == "float64":
        case.close(what, ours, expected, sizes, taps)
    else:
        few = 4 * np.finfo(np.float32).eps * sizes + taps * 2.0**-47 * sizes  # 8 units of roundoff
        case.within(what, ours, expected, few + np.finfo(np.float32).smallest_subnormal)


@check
def check_global_avg(case: Case) -> None:
    planes = case.values(case.spatial())
    function = torch_function("adaptive_avg_pool", case.rank)
    x = case.tensor(planes.astype(np.float64), gradient=True)
    sizes = function(_magnitude(planes, case), 1).numpy()
    taps = prod(planes.shape[2:])

    def compare(what: str, ours: Array, theirs: Array) -> None:
        _exact_mean(case, what, ours, theirs, sizes, taps)

    _global(case, "avg", planes, x, function(x, 1), compare)


# ---- unpooling, unfolding, folding


@check
def check_max_unpool(case: Case) -> None:
    sizes: Ints = (0,)
    while min(sizes) < 1:
        spatial = case.spatial()
        kernel = tuple(case.integer(1, 4) for _ in spatial)
        default_stride = case.chance(0.3)
        stride = kernel if default_stride else tuple(case.integer(1, 4) for _ in spatial)
        pads = tuple(case.integer(0, k // 2) for k in kernel)
        axes = zip(spatial, kernel, stride, pads, strict=True)
        sizes = tuple((n - 1) * s - 2 * p + k for n, k, s, p in axes)
    how: dict[str, Any] = {"padding": case.either(pads)}
    how |= {} if default_stride else {"stride": case.either(stride)}
    theirs: dict[str, Any] = {"stride": stride, "padding": pads}
    if case.chance(0.5):  # less than a stride from the default
        sizes = tuple(max(1, n + case.integer(1 - s, s - 1)) for n, s in zip(sizes, stride, strict=True))
        how["output_size"], theirs["output_size"] = case.either(sizes), sizes
    planes = case.values(spatial)
    indices = case.rng.integers(0, prod(sizes), planes.shape)
    x = case.tensor(planes, gradient=True)
    y = torch_function("max_unpool", case.rank)(x, case.tensor(indices), kernel, **theirs)
    expected = y.detach().numpy()
    given = (case.ours(planes), case.ours(indices))
    ours = npconv_function("max_unpool", case.rank)
    result = case.call(ours, *given, case.either(kernel), out=expected, threads=False, **how)
    case.equal("max_unpool", case.planes(result), expected)
    g = case.values(sizes)
    backward = npconv_function("max_unpool", case.rank, gradient=True)
    result = case.call(backward, case.ours(g), given[1])
    case.equal("gradient of max_unpool", case.planes(result), pulled_back(y, x, g, case))


@check
def check_unfold(case: Case) -> None:
    windows, how = _columns_case(case)
    planes = case.values(windows.spatial)
    x = case.tensor(planes, gradient=True)
    y = _torch_unfold(x, windows)
    given = case.ours(planes)
    result = case.call(npconv_function("unfold", case.rank), given, windows.kernel_argument, **how)
    case.equal("unfold", _as_columns(case, result, windows), y.detach().numpy())

    g = _random_columns(case, y.shape)
    backward = npconv_function("unfold", case.rank, gradient=True)
    grad_out = _our_columns(case, g, windows)
    result = case.call(backward, grad_out, given.shape, windows.kernel_argument, **how)
    (theirs,) = torch.autograd.grad(y, x, torch.from_numpy(g))
    sizes = _torch_fold(torch.from_numpy(np.abs(g).astype(np.float64)), windows)
    case.close("gradient of unfold", case.planes(result), theirs.numpy(), sizes.numpy(), windows.taps)


@check
def check_fold(case: Case) -> None:
    windows, how = _columns_case(case)
    shape = (case.batch, case.channels * windows.taps, prod(windows.outputs))
    drawn = _random_columns(case, shape)
    y = _torch_fold(torch.from_numpy(drawn), windows)
    sizes = _torch_fold(torch.from_numpy(np.abs(drawn).astype(np.float64)), windows)
    cols = _our_columns(case, drawn, windows)
    size = case.either(windows.spatial)
    result = case.call(npconv_function("fold", case.rank), cols, size, windows.kernel_argument, **how)
    # Columns of one plane are columns of one channel.
    form, case.form = case.form, "unbatched" if case.form == "single" else case.form
    case.close("fold", case.planes(result), y.numpy(), sizes.numpy(), windows.taps)

    g = case.values(windows.spatial)
    backward = npconv_function("fold", case.rank, gradient=True)
    result = case.call(backward, case.ours(g), windows.kernel_argument, **how)
    case.form = form
    expected = _torch_unfold(case.tensor(g), windows).numpy()
    case.equal("gradient of fold", _as_columns(case, result, windows), expected)


def _columns_case(case: Case) -> tuple[Windows, dict[str, Any]]:
    windows = case.windows(lambda _: True, any_padding=True, ceil=False)
    return windows, {name: value for name, value in windows.arguments.items() if name != "ceil_mode"}


def _random_columns(case: Case, shape: tuple[int, ...]) -> Array:
    drawn = case.rng.standard_normal(shape)
    return (np.round(drawn) if case.chance(0.5) else drawn).astype(case.dtype)


def _torch_unfold(x: Tensor, windows: Windows) -> Tensor:
    """torch's own where it has one: images, and signals as images of height 1, evenly padded."""
    rank = len(windows.spatial)
    if rank == 3 or windows.explicit:
        return columns(F.pad(x, windows.around), windows)
    x = x.unsqueeze(2) if rank == 1 else x
    return F.unfold(x, **_image(windows))


def _torch_fold(cols: Tensor, windows: Windows) -> Tensor:
    """torch's own, or the gradient of `_torch_unfold`."""
    rank = len(windows.spatial)
    if rank < 3 and not windows.explicit:
        y = F.fold(cols, _raised(windows.spatial, 1), **_image(windows))
        return y.squeeze(2) if rank == 1 else y
    shape = (cols.shape[0], cols.shape[1] // windows.taps, *windows.spatial)
    x = torch.zeros(shape, dtype=cols.dtype, requires_grad=True)
    return torch.autograd.grad(_torch_unfold(x, windows), x, cols)[0]


def _image(windows: Windows) -> dict[str, Ints]:
    return {
        "kernel_size": _raised(windows.kernel, 1),
        "stride": _raised(windows.stride, 1),
        "padding": _raised(tuple(before for before, _ in windows.pads), 0),
        "dilation": _raised(windows.dilation, 1),
    }


def _raised(values: Ints, first: int) -> Ints:
    return (first, *values) if len(values) == 1 else values


def _our_columns(case: Case, cols: Array, windows: Windows) -> Array:
    """torch's (batch, channels x taps, windows) in the case's layout: (batch, windows, taps x channels)."""
    if case.layout == "channels_last":
        parts = cols.reshape(cols.shape[0], case.channels, windows.taps, -1).transpose(0, 3, 2, 1)
        cols = np.ascontiguousarray(parts).reshape(cols.shape[0], cols.shape[2], cols.shape[1])
    return cols if case.form == "batched" else cols[0]


def _as_columns(case: Case, cols: Array, windows: Windows) -> Array:
    """The other way."""
    cols = cols if case.form == "batched" else cols[None]
    if case.layout == "channels_last":
        parts = cols.reshape(*cols.shape[:2], windows.taps, -1).transpose(0, 3, 2, 1)
        cols = np.ascontiguousarray(parts).reshape(cols.shape[0], cols.shape[2], cols.shape[1])
    return cols


# ---- the run


def run_case(seed: int, number: int, names: list[str]) -> tuple[str, Case]:
    """One case: its function and what came of it; an exception is a failure."""
    case = Case(np.random.default_rng([seed, number]))
    name = case.pick(*names)
    try:
        CHECKS[name](case)
    except Exception:
        case.compared[f"exception in {name}"] += 1
        case.failures.append((f"exception in {name}", traceback.format_exc(limit=-3)))
    return name, case


@contextmanager
def one_thread() -> Iterator[None]:
    """torch's order of additions and of writes to one place is the rows' with one thread alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(CHECKS), metavar="NAMES", help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--case", type=int, help="this one alone")
    args = parser.parse_args(argv)
    names = args.only.split(",")
    if not set(names) <= CHECKS.keys():
        parser.error(f"--only: {args.only!r} is not of {', '.join(CHECKS)}")

    compared: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    cases = range(args.cases) if args.case is None else [args.case]
    with one_thread():
        for number in tqdm(cases, unit="case", disable=None):
            name, case = run_case(args.seed, number, names)
            compared.update(case.compared)
            for what, why in case.failures:
                wrong[what] += 1
                if wrong.total() <= REPORTED:
                    chosen = "" if names == list(CHECKS) else f"--only {args.only} "
                    again = f"{chosen}--seed {args.seed} --case {number}"
                    tqdm.write(f"{again}: {name}, {case}\n  {what}: {why}")
    for what, count in sorted(compared.items()):
        print(f"{what:<46} {count:6d} compared, {wrong[what]} different")
    print(f"{len(cases)} cases, seed {args.seed}, torch {torch.__version__}: {wrong.total()} differences")
    return 1 if wrong or not compared else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: BSD-3-Clause
"""Random numbers of up to 2^63 for every argument that is a number: a right result or an error, and (under
UndefinedBehaviorSanitizer, `nox -s sanitizers`) no sum or product that does not fit.

Numbers are either small or so large that no array of that size can exist: no case takes time or memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import npconv
import numpy as np
import pytest
from npconv import grad
from reference import Array

SMALL = (0, 1, 1, 2, 3)
LARGE = (*(2**n + d for n in (58, 60, 61, 62) for d in (-1, 0, 1)), 2**63 - 2, 2**63 - 1)
NEGATIVE = (-1, -(2**62), -(2**63), -(2**63) + 1)


class Numbers:
    """Draws arguments; most of those of a case are small, so that the large ones are looked at."""

    def __init__(self, r: random.Random, rank: int) -> None:
        self.r, self.rank = r, rank
        self.large = r.choice((0.1, 0.3, 0.7))

    def one(self) -> int:
        if self.r.random() < self.large:
            return self.r.choice(NEGATIVE if self.r.random() < 0.1 else LARGE)
        return self.r.choice(SMALL)

    def many(self) -> Any:
        return self.one() if self.r.random() < 0.3 else tuple(self.one() for _ in range(self.rank))

    def padding(self) -> Any:
        kind = self.r.randrange(4)
        if kind == 0:
            return self.r.choice(("valid", "full", "same", "same_lower", "causal"))
        if kind == 1:
            return tuple((self.one(), self.one()) for _ in range(self.rank))
        return self.many()

    def array(self, channels: int, *, batch: int = 1) -> Array:
        return np.ones(
            (batch, channels, *(self.r.choice((1, 1, 2, 5)) for _ in range(self.rank))), np.float32
        )


def convolve(n: Numbers) -> Any:
    how: Any = {"stride": n.many(), "dilation": n.many(), "padding": n.padding()}
    how["padding_mode"] = n.r.choice(("zeros", "reflect", "replicate", "circular"))
    if n.r.random() < 0.1:
        how["groups"] = n.one()
    x, w = n.array(2), n.array(2, batch=3)
    if n.r.random() < 0.3:
        return npconv.plan_conv((None, *x.shape[1:]), w, **how)(x)
    function: Any = getattr(npconv, f"conv{n.rank}d")
    algorithm = n.r.choice(("auto", "gemm", "naive", "direct"))
    y = function(x, w, algorithm=algorithm, layout=n.r.choice(LAYOUTS), **how)
    gradients: Any = getattr(grad, f"conv{n.rank}d_weight")
    if how["padding"] != "full" and n.r.random() < 0.5:
        gradients(x, w.shape, np.ones(npconv.plan_conv(x.shape, w, **how).output_shape, np.float32), **how)
    return y


LAYOUTS = ("channels_first", "channels_first", "channels_last")


def transpose(n: Numbers) -> Any:
    how: Any = {"stride": n.many(), "dilation": n.many(), "padding": n.padding()}
    if n.r.random() < 0.3:
        how["output_padding"] = n.many()
    elif n.r.random() < 0.3:
        how["output_size"] = n.many()
    function: Any = getattr(npconv, f"conv_transpose{n.rank}d")
    return function(n.array(2), n.array(3, batch=2), **how)


def windows(n: Numbers) -> dict[str, Any]:
    return {"stride": n.many(), "padding": n.padding(), "dilation": n.many()}


def pool(n: Numbers) -> Any:
    name = n.r.choice(("max", "avg", "lp"))
    how = windows(n) | {"ceil_mode": n.r.random() < 0.5}
    if name == "avg" and n.r.random() < 0.2:
        how["divisor_override"] = n.one()
    if name == "max":
        how["return_indices"] = n.r.random() < 0.5
    function: Any = getattr(npconv, f"{name}_pool{n.rank}d")
    return function(n.array(2), *((2,) if name == "lp" else ()), n.many(), **how)


def pool_plan(n: Numbers) -> Any:
    name = n.r.choice(("max", "avg", "lp"))
    shape = (n.r.choice((None, 1, 2)), n.r.choice((0, 1, 3)), *(n.one() for _ in range(n.rank)))
    how = windows(n) | {"ceil_mode": n.r.random() < 0.5}
    maker: Any = getattr(npconv, f"plan_{name}_pool")
    plan = maker(shape, *((2,) if name == "lp" else ()), tuple(n.one() for _ in range(n.rank)), **how)
    assert 0 <= plan.workspace_bytes <= 6 << 20 << 10
    assert 0 <= plan.flops < 2**63
    return plan.explain()


def pool_gradient(n: Numbers) -> Any:
    function: Any = getattr(grad, f"avg_pool{n.rank}d")
    how = windows(n)
    g = n.array(2)
    shape = g.shape[:2] + tuple(n.one() for _ in range(n.rank))
    return function(g, shape, n.many(), **how)


def adapt(n: Numbers) -> Any:
    function: Any = getattr(npconv, f"adaptive_{n.r.choice(('max', 'avg'))}_pool{n.rank}d")
    return function(n.array(2), n.many())


def unpool(n: Numbers) -> Any:
    function: Any = getattr(npconv, f"max_unpool{n.rank}d")
    x = n.array(1)
    how: Any = {"stride": n.many(), "padding": n.padding()}
    if n.r.random() < 0.6:
        how["output_size"] = n.many()
    return function(x, np.zeros(x.shape, np.int64), n.many(), **how)


def unfold(n: Numbers) -> Any:
    function: Any = getattr(npconv, f"unfold{n.rank}d")
    return function(n.array(2), n.many(), **windows(n))


def fold(n: Numbers) -> Any:
    function: Any = getattr(npconv, f"fold{n.rank}d")
    columns = np.ones((1, n.r.choice((2, 4, 8)), n.r.choice((1, 2, 4))), np.float32)
    return function(columns, n.many(), n.many(), **windows(n))


CALLS: dict[str, Callable[[Numbers], Any]] = {
    f.__name__: f for f in (convolve, transpose, pool, pool_plan, pool_gradient, adapt, unpool, unfold, fold)
}


@pytest.mark.parametrize("name", CALLS)
def test_numbers_of_any_size_give_a_result_or_an_error(name: str) -> None:
    done = refused = 0
    for seed in range(1500):
        r = random.Random(f"{name}/{seed}")
        try:
            CALLS[name](Numbers(r, r.choice((1, 2, 3))))
            done += 1
        except (ValueError, MemoryError):
            refused += 1
    assert done > 5, "hardly a case is right: too many large numbers"
    assert refused > 100


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "output_size", "message"),
    [
        (5, 1, 4, None, r"padding must leave a result of at least one element .* got \(4, 4\) for 1 elem"),
        (5, 1, 4, 1, r"padding must leave a result"),
        (2, 2**63 - 1, 0, 2**63 - 1, "64 bits|Maximum allowed|allocate"),
        (2, 2**63 - 1, 1, -(2**63), f"between 1 and {2**63 - 2} .* got -{2**63}"),
        (3, 2, 0, 9, "between 2 and 4 on spatial axis 0"),
    ],
)
def test_the_sizes_that_unpooling_names_are_in_order(
    kernel: int, stride: int, padding: int, output_size: int | None, message: str
) -> None:
    x, indices = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.int64)
    with pytest.raises((ValueError, MemoryError), match=message):
        npconv.max_unpool1d(x, indices, kernel, stride=stride, padding=padding, output_size=output_size)


def test_the_gradient_of_a_mean_looks_at_taps_in_the_input_alone() -> None:
    """Half of 2^60 taps lie in the padding before it."""
    g = np.ones((1, 2, 1), np.float32)
    how: Any = {"stride": 3, "padding": "same_lower", "dilation": 2, "divisor_override": 1}
    np.testing.assert_array_equal(grad.avg_pool1d(g, g.shape, 2**60 + 1, **how), g)

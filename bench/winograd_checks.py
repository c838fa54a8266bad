# SPDX-License-Identifier: BSD-3-Clause
"""What Winograd's checks cost on ordinary data, where no tile falls back: pairs of blocks with and without.

python bench/winograd_checks.py [--rounds 200] [--layout channels_last]

One thread. A round times a block of calls with the checks and one without; the next round has them in the
other order, so that a drift of the clock favours neither. The figure of a layer is the median of the rounds'
differences, beside their quartiles. Fails where a median is above the limit.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import npconv
from candidates import Candidate, Problem, our_plan
from layers import Layer, conv
from tables import plain
from timing import block, warm

LAYERS = tuple(conv(c, c, size, 3) for c, size in [(64, 56), (128, 28), (256, 14), (512, 7), (64, 224)])
ROUNDS, SECONDS = 200, 0.01
LIMIT = 2.0  # percent
CLOCKS = 2  # readings of the clock in a block


@dataclass(frozen=True)
class Cost:
    """Of the checks, in percent of the time without them."""

    low: float  # first quartile
    median: float
    high: float


def paired(
    call: Callable[[], object], switch: Callable[[bool], object], rounds: int, seconds: float
) -> list[tuple[float, float]]:
    """Seconds of a call with and without what `switch` switches, round by round; it is left on."""
    calls = max(1, round(seconds / CLOCKS / warm(call, seconds)))
    pairs = []
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            times = {}
            for on in (True, False) if number % 2 == 0 else (False, True):
                switch(on)
                times[on] = block(call, calls, seconds)
            pairs.append((times[True], times[False]))
    finally:
        switch(True)
        gc.enable()
    return pairs


def cost(pairs: Sequence[tuple[float, float]]) -> Cost:
    low, median, high = statistics.quantiles((100 * (on / off - 1) for on, off in pairs), method="inclusive")
    return Cost(low, median, high)


def prepared(layer: Layer, layout: str, dtype: str) -> Candidate:
    """The plan of a layer; no tile may fall back, or that would be timed."""
    candidate = our_plan(Problem.of(layer, layout, dtype, 1, direct=False), "winograd")
    before = npconv._core._winograd_fallback_tiles()
    candidate.call()
    if npconv._core._winograd_fallback_tiles() != before:
        raise SystemExit(f"{layer.name}: a tile fell back")
    return candidate


def main(argv: Sequence[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--min-seconds", type=float, default=SECONDS, help="least length of a timed block")
    parser.add_argument("--layout", default="channels_first", choices=("channels_first", "channels_last"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--match", default="", help="only layers whose name holds this text")
    args = parser.parse_args(argv)
    if args.rounds < 2:
        parser.error("--rounds begins at 2")
    rows, medians = [], []
    for layer in LAYERS:
        if args.match not in layer.name:
            continue
        candidate = prepared(layer, args.layout, args.dtype)
        pairs = paired(candidate.call, npconv._core._set_winograd_checks, args.rounds, args.min_seconds)
        candidate.close()
        found = cost(pairs)
        without = statistics.median(off for _, off in pairs) * 1e6
        medians.append(found.median)
        quartiles = f"{found.low:+.2f} to {found.high:+.2f}"
        rows.append([layer.name, f"{without:.1f}", f"{found.median:+.2f}", quartiles])
    if not rows:
        raise SystemExit(f"no layer's name holds {args.match!r}")
    print(plain(["layer", "us without", "cost %", "quartiles"], rows))
    print(f"{args.rounds} paired rounds, {args.layout}, {args.dtype}, 1 thread; limit {LIMIT:g}%")
    return 1 if max(medians) > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())

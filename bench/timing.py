# SPDX-License-Identifier: BSD-3-Clause
"""The timing protocol: candidates in turn, round after round, the FMA peak between the blocks.

A round times each candidate once: a block of calls of at least `seconds`, its figure the mean of a call. The
figure of a candidate is the median over the rounds. With several threads each block comes after a pause, in
which the spinning threads of the candidate before it go to sleep, and an untimed call, which wakes its own.
The pause is 30 ms, and longer while a thread still spins: those of ONNX Runtime 1.32 do so for 45 ms.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat

from candidates import Candidate
from peak import Peak

FULL_ROUNDS, FULL_SECONDS, FULL_RUNS = 7, 0.02, 3
PAUSE, LONGEST_PAUSE, SLICE = 0.03, 0.3, 0.005
IDLE = 0.2  # of a core: less in a slice of the pause is no spinning thread
# A candidate this many times slower than the fastest cannot be the best: it is timed once, if it takes long.
HOPELESS, LONG = 4.0, 0.25


@dataclass(frozen=True)
class Protocol:
    rounds: int = FULL_ROUNDS
    seconds: float = FULL_SECONDS
    runs: int = 1

    @property
    def shortened(self) -> bool:
        return self.rounds < FULL_ROUNDS or self.seconds < FULL_SECONDS


def pause() -> None:
    """Sleep until no thread of this process spins."""
    clock = time.perf_counter
    start = clock()
    while True:
        used, begin = time.process_time(), clock()
        time.sleep(SLICE)
        idle = time.process_time() - used < IDLE * (clock() - begin)
        waited = clock() - start
        if (waited >= PAUSE and idle) or waited >= LONGEST_PAUSE:
            return


def block(call: Callable[[], object], calls: int, seconds: float) -> float:
    """Mean time of a call over a block of at least `seconds`, the clock read every `calls` calls."""
    done = 0
    clock = time.perf_counter
    start = clock()
    while True:
        for _ in repeat(None, calls):
            call()
        done += calls
        elapsed = clock() - start
        if elapsed >= seconds:
            return elapsed / done


def warm(call: Callable[[], object], seconds: float) -> float:
    """Run a candidate until it is warm; the time of a call, roughly."""
    call()
    return min(block(call, 1, seconds / 4), block(call, 1, seconds / 4))


def measure(
    candidates: Sequence[Candidate], threads: int, protocol: Protocol, peak: Peak
) -> list[list[float]]:
    """Seconds of a call of each candidate, round by round; a hopeless one has one round, its warm-up."""
    cpus = os.sched_getaffinity(0)
    roughly = [warm(c.call, protocol.seconds) for c in candidates]
    calls = [
        max(1, round(protocol.seconds / seconds / 4)) for seconds in roughly
    ]  # the clock 4 times a block
    limit = max(LONG, HOPELESS * min(roughly))
    times: list[list[float]] = [[seconds] if seconds > limit else [] for seconds in roughly]
    hopeless = [bool(t) for t in times]
    gc.collect()
    gc.disable()
    try:
        for _ in range(protocol.rounds):
            for candidate, n, seen, skip in zip(candidates, calls, times, hopeless, strict=True):
                if skip:
                    continue
                with suppress(OSError):  # what a peer may have done to the affinity of this thread
                    os.sched_setaffinity(0, cpus)
                if threads > 1:
                    pause()
                peak.run()
                if threads > 1:
                    candidate.call()
                seen.append(block(candidate.call, n, protocol.seconds))
    finally:
        gc.enable()
    return times

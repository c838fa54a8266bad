# SPDX-License-Identifier: BSD-3-Clause
"""What the long runs of random cases share: their arguments, their processes, progress and the summary.

A block of cases is one task. Before each case a process writes down the line that reproduces it, so that a
crash can be told, too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Item = TypeVar("Item")

BLOCK = 100  # cases a task
SHOWN = 20  # failures printed


class Task(NamedTuple):
    arguments: argparse.Namespace
    first: int  # number of the first case
    size: int
    notes: str  # the folder of the notes

    def note(self, line: str) -> None:
        """Write down what this process is about to do."""
        if self.arguments.trace:
            print(line, file=sys.stderr, flush=True)
        Path(self.notes, str(os.getpid())).write_text(line, encoding="utf-8")


class Block(NamedTuple):
    size: int
    ran: Counter[str]  # comparisons per instruction set
    failures: list[str]


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--cases", type=int, default=200_000)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--first", type=int, default=0, help="begin with this case, a multiple of 100: go on")
    made.add_argument("--processes", type=int, default=2)
    made.add_argument("--trace", action="store_true", help="print every case before it runs")
    return made


def progressed(items: Iterable[Item], total: int) -> Iterator[Item]:
    """The items, with a percentage of `total` on the way."""
    shown = -1
    for done, item in enumerate(items):
        if done * 100 // total > shown:
            shown = done * 100 // total
            print(f"\r{shown:3d}% ({done} of {total})", end="", file=sys.stderr, flush=True)
        yield item
    print(file=sys.stderr)


def progress(results: Iterable[Block], total: int) -> Iterator[Block]:
    """`results` behind a progress bar over `total` cases: tqdm's where it is installed, else a percentage."""
    try:
        from tqdm import tqdm
    except ImportError:
        done, shown = 0, -1
        for result in results:
            done += result.size
            if done * 100 // total > shown:
                shown = done * 100 // total
                print(f"\r{shown:3d}% ({done} of {total} cases)", end="", file=sys.stderr, flush=True)
            yield result
        print(file=sys.stderr)
        return
    with tqdm(total=total, unit="case") as bar:
        for result in results:
            bar.update(result.size)
            yield result


def run(run_block: Callable[[Task], Block], arguments: argparse.Namespace) -> int:
    """Run all cases in `arguments.processes` processes; the exit status: 1 if one was wrong, or none ran."""
    start = time.perf_counter()
    ran: Counter[str] = Counter()
    wrong = 0
    # spawn: each process imports npconv afresh, whatever threads this one has
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as notes:
        tasks: Sequence[Any] = [
            Task(arguments, at, min(BLOCK, arguments.cases - at), notes)
            for at in range(arguments.first, arguments.cases, BLOCK)
        ]
        with ProcessPoolExecutor(arguments.processes, mp_context=spawn) as pool:
            try:
                for block in progress(pool.map(run_block, tasks), arguments.cases - arguments.first):
                    ran.update(block.ran)
                    wrong += len(block.failures)
                    for failure in block.failures[: max(0, SHOWN - wrong + len(block.failures))]:
                        print(f"\n{failure}", flush=True)
            except BrokenProcessPool:
                wrong += 1
                print("\na process crashed, in the case of one of these lines:", flush=True)
                for note in sorted(Path(notes).iterdir()):
                    print(note.read_text(encoding="utf-8"), flush=True)
    seconds = time.perf_counter() - start
    figures = ", ".join(f"{isa} {count}" for isa, count in sorted(ran.items()))
    print(f"cases per instruction set: {figures}; wrong: {wrong}; seed {arguments.seed}; {seconds:.0f} s")
    return 1 if wrong or not ran else 0

# SPDX-License-Identifier: BSD-3-Clause
"""npconv alone over a grid of maps and channels: how even its speed is, and where it falls off a cliff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import npconv
from candidates import Problem, UnsupportedError, our_plan
from figures import Grid, cliffs, geometric_mean
from layers import conv
from peak import Peak
from timing import Protocol, measure
from tqdm import tqdm

MAPS = (7, 13, 14, 27, 28, 31, 56, 63, 64, 65, 112, 128, 256)
CHANNELS = (3, 16, 24, 37, 53, 64, 96, 100, 144, 240, 256)
KERNELS = (1, 3)
SCHEMA = "sweep 1"


class Sweep:
    """Measures the points of the grid, and the FMA peak between them."""

    def __init__(
        self, layout: str, dtype: str, threads: int, isa: str, algorithm: str, protocol: Protocol
    ) -> None:
        npconv._core._set_isa(isa)
        self.layout, self.dtype, self.threads, self.algorithm = layout, dtype, threads, algorithm
        self.protocol = protocol
        self.peak = Peak(isa, dtype)

    def gflops(self, size: int, channels: int, kernel: int) -> float:
        """By the fastest round: with one candidate alone noise only ever slows. 0 where it cannot run."""
        layer = conv(channels, channels, size, kernel)
        problem = Problem.of(layer, self.layout, self.dtype, self.threads, direct=False)
        try:
            candidate = our_plan(problem, self.algorithm)
        except UnsupportedError:
            return 0.0
        return layer.flops / min(measure([candidate], self.threads, self.protocol, self.peak)[0]) * 1e-9

    def grids(self) -> dict[str, Grid]:
        """Fractions of the FMA peak; what looks like a cliff is measured twice, the better value counts."""
        speeds: dict[int, Grid] = {kernel: {} for kernel in KERNELS}
        points = [(kernel, size, c) for kernel in KERNELS for c in CHANNELS for size in MAPS]
        for kernel, size, c in tqdm(points, disable=None):
            speeds[kernel][size, c] = self.gflops(size, c, kernel)
        for kernel, grid in speeds.items():
            for size, c, value, _ in cliffs(grid):
                grid[size, c] = max(value, self.gflops(size, c, kernel))
        whole = self.peak.gflops * self.threads
        return {
            f"{kernel}x{kernel}": {point: value / whole for point, value in grid.items()}
            for kernel, grid in speeds.items()
        }


def text(grids: dict[str, Grid]) -> str:
    lines = []
    for kernel, grid in grids.items():
        found = cliffs(grid)
        lines.append(
            f"{kernel}: {len(found)} cliffs (64 channels or more, 20% below the mean of the neighbours)"
        )
        lines += [
            f"  {size:4d} x {size:<4d} {c:4d} channels: {value:4.0%} of the FMA peak, neighbours {mean:4.0%}"
            for size, c, value, mean in found
        ]
    return "\n".join(lines)


def compare(before: dict[str, Grid], after: dict[str, Grid], worst: int = 10) -> str:
    """Two sweeps: the mean change of each kernel size, and the points that lost most."""
    lines = []
    for kernel, grid in after.items():
        old = before.get(kernel, {})
        changes = sorted((grid[p] / old[p], p) for p in grid if old.get(p) and grid[p])
        if not changes:
            continue
        mean = geometric_mean([change for change, _ in changes])
        lines.append(f"{kernel}: B / A, geometric mean {mean:.3f}; the {worst} lowest:")
        lines += [
            f"  {size:4d} x {size:<4d} {c:4d} channels: {old[size, c]:4.0%} -> {grid[size, c]:4.0%}"
            for _, (size, c) in changes[:worst]
        ]
    return "\n".join(lines) or "The sweeps have no point in common."


def save(grids: dict[str, Grid], about: dict[str, Any], path: Path) -> None:
    points = {k: [[size, c, round(v, 4)] for (size, c), v in grid.items()] for k, grid in grids.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f" {json.dumps(kernel)}: {json.dumps(values)}" for kernel, values in points.items()]
    head = json.dumps({"schema": SCHEMA, **about})
    path.write_text(f'{{"about": {head},\n"grids": {{\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


def load(path: Path) -> tuple[dict[str, Any], dict[str, Grid]]:
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.get("about", {}).get("schema") != SCHEMA:
        raise SystemExit(f"{path} is not the result of a sweep")
    grids = {k: {(size, c): v for size, c, v in values} for k, values in data["grids"].items()}
    return data["about"], grids

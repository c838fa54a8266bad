# SPDX-License-Identifier: BSD-3-Clause
"""The FMA peak of this machine: fma_peak.cpp, compiled and run between the blocks of a benchmark."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np

SHORT = {"float32": "f32", "float64": "f64"}


@cache
def _compiled() -> ctypes.CDLL:
    source = Path(__file__).with_name("fma_peak.cpp")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "fma_peak.so"
        compiler = os.environ.get("CXX", "c++")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        return ctypes.CDLL(str(library))


class Peak:
    """Collects GFLOP/s of the register-only loop; the peak is the 95th percentile of what it saw."""

    def __init__(self, isa: str, dtype: str) -> None:
        name = f"fma_{isa}_{SHORT[dtype]}"
        if not hasattr(_compiled(), name):
            raise SystemExit(f"there is no loop of fused multiply-adds for {isa}, {dtype}")
        self._loop = getattr(_compiled(), name)
        self._loop.restype = ctypes.c_double
        self._loop.argtypes = [ctypes.c_int64]
        self._seen: list[float] = []
        for _ in range(20):
            self.run()

    def run(self) -> None:
        """Look once more: the best of four short loops, because the first wakes an idle core."""
        rates = []
        for _ in range(4):
            start = time.perf_counter()
            flops = self._loop(8_000)
            rates.append(flops / (time.perf_counter() - start) * 1e-9)
        self._seen.append(max(rates))

    @property
    def gflops(self) -> float:
        return float(np.percentile(self._seen, 95))

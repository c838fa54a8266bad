# SPDX-License-Identifier: BSD-3-Clause
"""What a result has to say about where it comes from: processor, caches, commit, versions."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import npconv
import numpy as np

ROOT = Path(__file__).parents[1]
CPU = Path("/sys/devices/system/cpu/cpu0")


def describe() -> dict[str, Any]:
    config = npconv.show_config("dict") or {}
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "caches": _caches(),
        "system": f"{platform.system()} {platform.machine()}",
        "compiler": config["compiler"],
        "isa_available": list(config["isa_available"]),
    }


def versions() -> dict[str, str]:
    return {"npconv": npconv.__version__, "numpy": np.__version__, "python": platform.python_version()}


def commit() -> str:
    """The commit of this repository; `+` where files that the package is built from differ from it."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "cpp", "python", "CMakeLists.txt", "pyproject.toml")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


class OtherWork:
    """What share of the cores' time went to anything but this process since the object was made."""

    def __init__(self) -> None:
        self._start = self._read()

    def share(self) -> float:
        busy, total, own = (now - then for now, then in zip(self._read(), self._start, strict=True))
        return max(0.0, (busy - own) / total) if total else 0.0

    @staticmethod
    def _read() -> tuple[float, float, float]:
        """Busy and all time of the processors, time of this process and its children, in seconds."""
        lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
        user, nice, system, idle, iowait, *interrupts = (int(n) for n in lines[0].split()[1:9])
        busy = user + nice + system + sum(interrupts)  # interrupts and what the hypervisor took
        tick = os.sysconf("SC_CLK_TCK")
        return busy / tick, (busy + idle + iowait) / tick, sum(os.times()[:4])


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def _cpu() -> str:
    """Name, family and model: virtual machines hide the name's end."""
    wanted = ("model name", "cpu family", "model")
    found: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in wanted:
            found.setdefault(key, value)
    if "model name" not in found:
        return platform.processor() or platform.machine()
    return f"{found['model name']} (family {found.get('cpu family')}, model {found.get('model')})"


def _caches() -> str:
    parts = []
    for folder in sorted(CPU.glob("cache/index*")):
        kind, level, size = ((folder / name).read_text().strip() for name in ("type", "level", "size"))
        if kind != "Instruction":
            parts.append(f"L{level} {size}")
    return ", ".join(parts)

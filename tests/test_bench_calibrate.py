# SPDX-License-Identifier: BSD-3-Clause
"""The calibration of the planner: the fit finds the rates that made the times, and the file keeps them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import npconv
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bench"))

pytest.importorskip("scipy")

import calibrate  # noqa: E402
from calibrate import Sample, estimate, fit, names_of_work, put_rates  # noqa: E402


def test_the_fit_finds_the_rates_that_made_the_times() -> None:
    rng = np.random.default_rng(0)
    true = {"a": 2.0, "b": 0.25, "c": 1000.0}
    samples = []
    for i in range(60):
        work = {"a": rng.uniform(1e3, 1e6), "b": rng.uniform(1e3, 1e7), "c": float(rng.integers(1, 9))}
        samples.append(Sample(str(i), "gemm", sum(n * true[k] for k, n in work.items()), work))
    samples.append(Sample("an outlier", "gemm", 50 * samples[0].cycles, samples[0].work))
    found = fit(samples, ["a", "b", "c", "never counted"])
    assert set(found) == {"a", "b", "c"}
    for name, rate in true.items():
        assert found[name] == pytest.approx(rate, rel=0.02)
    assert estimate(samples[0], found) == pytest.approx(samples[0].cycles, rel=0.02)


def test_rates_are_put_in_their_row_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "work_rates.inc"
    before = calibrate.RATES.read_text(encoding="utf-8")
    copy.write_text(before, encoding="utf-8")
    monkeypatch.setattr(calibrate, "RATES", copy)
    put_rates({"gemm_call": 12345.0}, "rates_of_32_bytes")
    after = copy.read_text(encoding="utf-8")
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [re.sub(r"\s+", " ", line.strip()) for line in changed] == ["1.234e+04, // gemm_call"]
    assert after.index("1.234e+04") > after.index("rates_of_32_bytes")
    assert after.count("constexpr Rates") == before.count("constexpr Rates") == 5


def test_the_rows_are_those_of_the_library() -> None:
    """Of the set in use, and of every kind of work that a plan counts."""
    assert f"constexpr Rates {npconv._core._rates_name()} = {{" in calibrate.RATES.read_text(encoding="utf-8")
    names = names_of_work()
    assert len(names) == len(set(names))
    w = np.ones((24, 16, 3, 3), np.float32)
    for algorithm in ("gemm", "winograd", "naive"):
        plan = npconv.plan_conv((1, 16, 12, 13), w, padding="same", algorithm=algorithm)._plan
        for packing in (False, True):
            work = plan._work(packing)
            assert work
            assert set(work) <= set(names)
            assert all(n > 0 for n in work.values())


def test_layers_of_the_calibration_are_none_of_those_that_judge_it() -> None:
    from picks import LAYERS, SEED
    from random_layers import random_layers

    chosen = calibrate.layers(30, 1, "float32")
    judged = {one.layer for one in random_layers(LAYERS, SEED)}
    assert not judged & {one.layer for one in chosen}

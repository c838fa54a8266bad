# SPDX-License-Identifier: BSD-3-Clause
"""The bench's scripts on Winograd: predicted times, errors and norms, the cost of the checks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate2d

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import layer_sets  # noqa: E402
import run  # noqa: E402
import winograd_checks  # noqa: E402
import winograd_error  # noqa: E402
import winograd_odd  # noqa: E402
from layers import Layer, conv  # noqa: E402
from results_io import Entry, Key, LayerRun, Report, Run, Table, save  # noqa: E402

LANES = 16
PEAK = 100.0
FACTORS = (1.05, 8.0, 100.0)  # of a machine that keeps to the law


def lawful(layer: Layer) -> float:
    units = float(np.dot(winograd_odd.terms(layer, LANES), FACTORS))
    return 2 * units / (PEAK * 1e9)


def table(name: str, slow: str = "", algorithm: str = "winograd") -> Table:
    """npconv alone on a set of layers, by the law; the layer `slow` takes twice as long."""
    layers = []
    for layer in layer_sets.SETS[name].make():
        seconds = lawful(layer) * (2 if layer.name == slow else 1)
        entry = Entry("npconv", algorithm, seconds, seconds, seconds, 7, 1e-6)
        layers.append(LayerRun(layer.name, layer.count, layer.flops, [entry]))
    return Table(Key(name, "channels_first", 1, isa="avx512"), False, [Run(PEAK, layers)])


# ---- predicted times ---------------------------------------------------------------------------------------


def test_the_points_of_a_tile_grid() -> None:
    assert [winograd_odd.axis_points(n) for n in (1, 2, 4, 7, 13, 14, 28)] == [3, 4, 6, 11, 21, 22, 42]
    assert winograd_odd.products(conv(37, 53, 14, 3, batch=2)) == 2 * 22 * 22 * 37 * 53
    assert winograd_odd.terms(conv(37, 53, 4, 3), LANES) == [36 * 37 * 64, 36 * 90, 37 * 53]


def test_the_law_is_found_and_what_keeps_to_it_is_predicted() -> None:
    regular = winograd_odd.timed(table("winograd"))
    factors = winograd_odd.law(regular, LANES)
    assert factors == pytest.approx(FACTORS, rel=1e-6)
    rows = winograd_odd.predict(table("winograd"), table("winograd-odd"))
    assert len(rows) == 11
    assert [row.seconds / row.law for row in rows if row.law] == pytest.approx([1.0] * 11)
    assert winograd_odd.law(regular[:3], LANES) is None
    for one in regular:  # a regular layer is predicted by itself
        assert winograd_odd.by_nearest(one.layer, regular) == (pytest.approx(one.units), [one.layer.name])


def test_no_term_of_the_law_is_negative() -> None:
    regular = [
        winograd_odd.Timed(layer, 1.0, 2.0 * winograd_odd.terms(layer, LANES)[0] - 10 * layer.c * layer.o, "")
        for layer in layer_sets.winograd()
    ]
    factors = winograd_odd.law(regular, LANES)
    assert factors is not None
    assert min(factors) >= 0


def test_a_cliff_is_beyond_both_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow = "3x3 128->128 at 27"
    machine = {"cpu": "a processor", "cores": 2, "caches": "", "isa_available": ["avx512"]}
    for name, one in (("a", table("winograd")), ("b", table("winograd-odd", slow))):
        save(Report("2026-11-25", "abc", machine, {}, [], [], {}, [one]), tmp_path / f"{name}.json")
    run.main(["odd", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    text = capsys.readouterr().out
    (line,) = (line for line in text.splitlines() if line.startswith(slow))
    assert line.count("!") == 2
    assert "law on the regular layers themselves: measured over predicted 1.00 to 1.00" in text
    assert "measured over law: geometric mean 1.07, highest 2.00, more than 15% above: 1 of 11" in text
    with pytest.raises(SystemExit, match="differ in nothing else"):
        run.main(["odd", str(tmp_path / "a.json")])


def test_regular_layers_without_winograd_predict_nothing() -> None:
    text = winograd_odd.text([table("winograd", algorithm="gemm"), table("winograd-odd")])
    assert "no regular layer took Winograd" in text


# ---- errors and norms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "wide"), [("float32", np.float64), ("float64", np.longdouble)])
def test_the_reference_of_the_errors_is_the_definition(dtype: str, wide: type) -> None:
    x, w = winograd_error.data(3, 2, 6, "normal", dtype)
    y = winograd_error.reference(x, w)
    assert y.dtype == wide
    expected = [sum(correlate2d(x[c], w[o, c], "same") for c in range(3)) for o in range(2)]
    np.testing.assert_allclose(y.astype(float), expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-13)


def test_data_are_seeded_and_the_sentinel_is_one_pixel() -> None:
    for name in winograd_error.DISTRIBUTIONS:
        x, w = winograd_error.data(4, 2, 9, name, "float32")
        again = winograd_error.data(4, 2, 9, name, "float32")
        assert np.array_equal(x, again[0])
        assert np.array_equal(w, again[1])
        assert np.count_nonzero(x == winograd_error.SENTINEL) == (name == "one sentinel")
        seen = winograd_error.padded(x)
        windows = np.lib.stride_tricks.sliding_window_view(seen, (3, 3), (1, 2)).max((0, 3, 4))
        assert np.array_equal(winograd_error.unspoilt(x, name), windows < winograd_error.SENTINEL)


def test_the_largest_input_of_a_tile() -> None:
    x = np.zeros((2, 6, 6))
    x[1, 4, 4] = -3.0
    # The tiles of F(4x4, 3x3) begin at outputs 0 and 4; their inputs reach from one before to one behind.
    assert np.array_equal(winograd_error.tile_largest(x, 4), np.full((6, 6), 3.0))
    x[1, 4, 4], x[0, 5, 2] = 0, 2.0
    expected = np.zeros((6, 6))
    expected[4:, :4] = 2.0
    assert np.array_equal(winograd_error.tile_largest(x, 4), expected)


def test_the_norms_of_the_textbook_matrices() -> None:
    """F(2, 3) as Lavin and Gray print it: additions alone on the input, halves on the weights."""
    at = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
    g = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    bt = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    found = winograd_error.growth(at, g, bt)
    assert (found.at, found.g, found.bt, found.product, found.spread) == (3, 1.5, 2, 9, 4)
    scale = np.array([1, 2, 4, 8])[:, None]
    assert winograd_error.growth(at, g * scale, bt / scale).spread == 4


def test_small_tiles_and_points_are_named() -> None:
    text = winograd_error.growth_table()
    assert "| F(4, 3) | F(4, 3) | 0, sqrt(1/2), -sqrt(1/2), sqrt(2), -sqrt(2) |" in text
    assert "| F(1, 3) | F(6, 3) | 1/2, -1/2 |" in text
    assert len(text.splitlines()) == 2 + 2 + 4 + 6


def test_the_errors_of_all_algorithms_are_measured() -> None:
    measured = winograd_error.measure("float32", (16,), size=9, outputs=3)
    assert [one.algorithm for one in measured] == ["gemm", "winograd_f2", "winograd", "winograd_f6"]
    for one in measured:
        assert list(one.errors) == list(winograd_error.DISTRIBUTIONS)
        assert all(0 < error < 2e-5 for error in one.errors.values())
        assert (one.largest is None) == (one.bound is None) == (one.algorithm == "gemm")
    assert winograd_error.beyond(measured, "float32") == []
    assert len(winograd_error.error_table(measured).splitlines()) == 2 + 4


def test_a_broken_promise_is_told() -> None:
    good = winograd_error.Measured("winograd", 16, {"normal": 1e-6}, 3.0, 50.0)
    assert winograd_error.beyond([good], "float32") == []
    for errors, largest in (
        ({"normal": 3e-6}, 3.0),
        ({"normal": float("nan")}, 3.0),
        ({"normal": 1e-6}, 51.0),
    ):
        broken = winograd_error.Measured("winograd", 16, errors, largest, 50.0)
        assert len(winograd_error.beyond([broken], "float32")) == 1
    assert len(winograd_error.beyond([good], "float64")) == 1


def test_the_tables_go_between_the_markers_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd_error, "CHANNELS", (16,))
    page = tmp_path / "winograd.md"
    markers = (*winograd_error.GROWTH_MARKERS, *winograd_error.ERROR_MARKERS)
    page.write_text("\n".join(["before", *markers, "after"]), encoding="utf-8")
    assert winograd_error.main(["--write", "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert [text.count(marker) for marker in markers] == [1, 1, 1, 1]
    assert "`winograd_f6` | 16 |" in text
    assert "float64, " in text


def test_the_page_has_the_norms_that_the_extension_has() -> None:
    text = (ROOT / "docs" / "winograd.md").read_text(encoding="utf-8")
    begin, end = winograd_error.GROWTH_MARKERS
    assert f"{begin}\n{winograd_error.growth_table()}\n{end}" in text
    assert all(text.count(marker) == 1 for marker in winograd_error.ERROR_MARKERS)


# ---- the cost of the checks --------------------------------------------------------------------------------


def test_rounds_are_paired_and_change_their_order() -> None:
    switched: list[bool] = []
    calls: list[bool] = []
    pairs = winograd_checks.paired(lambda: calls.append(True), switched.append, 4, 1e-5)
    assert len(pairs) == 4
    assert switched == [True, False, False, True, True, False, False, True, True]  # and on at the end
    assert len(calls) >= 8


def test_the_cost_is_the_median_of_the_differences() -> None:
    pairs = [(1.01, 1.0), (2.04, 2.0), (1.0, 1.0), (1.03, 1.0), (3.12, 3.0)]
    found = winograd_checks.cost(pairs)
    assert (found.low, found.median, found.high) == pytest.approx((1.0, 2.0, 3.0))


def test_a_layer_is_timed_with_and_without_checks(capsys: pytest.CaptureFixture[str]) -> None:
    winograd_checks.main(["--rounds", "2", "--min-seconds", "0.0001", "--match", "at 7"])
    text = capsys.readouterr().out
    assert "3x3 512->512 at 7" in text
    assert "2 paired rounds, channels_first, float32, 1 thread" in text
    with pytest.raises(SystemExit, match="no layer's name"):
        winograd_checks.main(["--match", "nothing"])

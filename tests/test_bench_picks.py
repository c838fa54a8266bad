# SPDX-License-Identifier: BSD-3-Clause
"""The random layers that the planner is judged by, and what is made of their times."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path

import npconv
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import picks  # noqa: E402
import random_layers  # noqa: E402
from picks import Options, Pick  # noqa: E402
from tables import plain  # noqa: E402

# ---- layers ------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_layers() -> None:
    layers = random_layers.random_layers(200, 2026, least=0)
    assert layers == random_layers.random_layers(200, 2026, least=0)
    assert layers[:50] == random_layers.random_layers(50, 2026, least=0)
    # Of no use if NumPy or a change of the distribution gave other layers unnoticed: results are kept.
    assert [one.name for one in layers[:3]] == [
        "3x3 5->26 at 35 n4, channels last",
        "k7 33->275 at 117 n2, channels last",
        "dw 3x3 16 at 49x19",
    ]


def test_layers_are_kept_where_there_is_a_choice() -> None:
    drawn = random_layers.random_layers(200, 2026, least=0)
    kept = random_layers.random_layers(8, 2026)
    assert all(len(random_layers.choices(one, "float32")) >= 2 for one in kept)
    places = [drawn.index(one) for one in kept]
    assert places == sorted(places)
    between = set(range(places[-1])) - set(places)
    assert all(len(random_layers.choices(drawn[i], "float32")) < 2 for i in between)


def test_seeds_are_disjoint_and_a_list_can_be_left_out() -> None:
    judged = random_layers.random_layers(300, picks.SEED, least=0)
    for seed in (1, 2):
        fitted = random_layers.random_layers(300, seed, least=0, but=judged)
        random_layers.assert_disjoint(judged, fitted)
    other = replace(fitted[7], layout="channels_first", border="circular")
    with pytest.raises(AssertionError, match="more than one list"):
        random_layers.assert_disjoint(judged, [other], fitted)
    again = random_layers.random_layers(300, picks.SEED, least=0, but=judged[:100])
    random_layers.assert_disjoint(judged[:100], again)
    assert again[:200] == judged[100:]


def test_layers_are_within_the_limits_and_of_all_kinds() -> None:
    layers = random_layers.random_layers(2000, 5, least=0)
    assert len({one.layer for one in layers}) == len(layers)
    low, high = random_layers.MACS
    assert all(low <= one.macs <= high and min(one.layer.output_size) >= 1 for one in layers)
    assert all(max(one.layer.c, one.layer.o) <= 512 * max(4, one.layer.groups) for one in layers)
    assert all(set(one.layer.stride) == {1} or set(one.layer.dilation) == {1} for one in layers)
    single = [one.layer for one in layers if one.layer.c == one.layer.o == 1]
    assert np.mean([one.layer.depthwise for one in layers]) == pytest.approx(0.15, abs=0.05)
    assert np.mean([one.layer.c <= 4 or one.layer.o <= 4 for one in layers]) > 0.2
    assert max(max(layer.kernel) for layer in single if layer.rank == 1) > 500
    assert max(max(layer.kernel) for layer in single if layer.rank == 2) > 20
    of_networks = [one for one in layers if one.layer not in single]
    kernels = {one.layer.kernel for one in of_networks}
    assert kernels == {kernel for by_rank in random_layers.KERNELS.values() for kernel in by_rank}
    shares = [np.mean([one.layer.rank == rank for one in layers]) for rank in (1, 2, 3)]
    assert shares == pytest.approx([0.2, 0.6, 0.2], abs=0.05)
    of_two = [one.layer for one in of_networks if one.layer.rank == 2]
    assert np.mean([layer.kernel == (3, 3) for layer in of_two]) == pytest.approx(0.5, abs=0.05)
    for find, values in (
        (lambda one: one.layer.stride[0], {1, 2, 3}),
        (lambda one: max(one.layer.dilation), {1, 2, 3, 4, 12}),
        (lambda one: one.layer.batch, {1, 2, 4, 8}),
        (lambda one: one.border, {"zeros", "reflect"}),
        (lambda one: one.layout, {"channels_first", "channels_last"}),
    ):
        assert set(map(find, layers)) == values


@pytest.mark.parametrize("padding", ["same", "valid", "full"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_paddings_are_those_of_npconv(padding: str, stride: int) -> None:
    rng = np.random.default_rng(0)
    for n, k, d in ((16, 3, 1), (17, 4, 1), (25, 3, 4), (16, 2, 1), (18, 9, 2)):
        x, w = rng.standard_normal(n), rng.standard_normal(k)
        pads = random_layers._pads(padding, (n,), (k,), stride, (d,))
        ours = npconv.conv1d(x, w, stride=stride, dilation=d, padding=pads)
        theirs = npconv.conv1d(x, w, stride=stride, dilation=d, padding=padding)
        assert np.array_equal(ours, theirs)


# ---- explain() ---------------------------------------------------------------------------------------------


def test_the_candidates_are_read_from_a_plan() -> None:
    w = np.zeros((64, 64, 3, 3), np.float32)
    plan = npconv.plan_conv((1, 64, 28, 28), w, padding=1)
    found = random_layers.automatic(plan.explain())
    assert {"gemm", "winograd"} <= set(found)
    assert not {"naive", "winograd_f2", "winograd_f6"} & set(found)
    assert found[plan.algorithm] == min(e for e in found.values() if e is not None)
    pointwise = npconv.plan_conv((1, 64, 28, 28), w[:, :, :1, :1])
    assert "winograd" not in random_layers.automatic(pointwise.explain())


def test_the_candidates_are_read_from_a_text() -> None:
    text = (
        "convolution  float32\n"
        "  width   28 -> 28, kernel 3, about 1 thing\n"
        "algorithm    gemm (asked for: auto): a product\n"
        "  gemm         about 1200 cycles on one thread, measured 3.5 us\n"
        "  winograd     cannot serve: the kernel is 1x1\n"
        "  winograd_f2  about 900 cycles on one thread; only by name\n"
        "  direct       no estimate\n"
        "kernels      avx512\n"
        "  other        about 5 cycles\n"
    )
    assert random_layers.automatic(text) == {"gemm": 1200.0, "direct": None}
    assert random_layers.automatic("nothing of the kind") == {}


# ---- times -------------------------------------------------------------------------------------------------


def pick(name: str, chosen: str, **microseconds: float) -> Pick:
    seconds = {algorithm: t / 1e6 for algorithm, t in microseconds.items()}
    return Pick(name, 1000, chosen, seconds, {algorithm: 10 * t for algorithm, t in microseconds.items()})


HAND_MADE = [
    pick("right", "gemm", gemm=100, winograd=200),
    pick("close", "gemm", gemm=104, winograd=100),
    pick("off", "winograd", gemm=100, winograd=120),
    pick("far", "winograd", gemm=50, winograd=100),
]
ABOUT = {
    "date": "2026-11-25 21:00 UTC",
    "commit": "abc",
    "machine": {"cpu": "a processor"},
    "isa": "avx2",
    "options": asdict(Options(layers=4)),
    "other_work": 0.01,
}


def test_the_summary_counts_and_averages() -> None:
    assert [one.ratio for one in HAND_MADE] == pytest.approx([1.0, 1.04, 1.2, 2.0])
    assert [one.fastest for one in HAND_MADE] == ["gemm", "winograd", "gemm", "gemm"]
    assert pick("a tie", "winograd", gemm=1, winograd=1).fastest == "winograd"
    found = picks.summary(HAND_MADE)
    assert (found.close, found.near, found.worst.layer) == (2, 3, "far")
    assert found.geomean == pytest.approx((1.04 * 1.2 * 2) ** 0.25)


def test_a_result_is_kept_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picks.save(ABOUT, HAND_MADE, tmp_path / "new" / "result.json")
    about, loaded = picks.load(tmp_path / "new" / "result.json")
    assert loaded == HAND_MADE
    assert about.items() >= ABOUT.items()
    picks.main(["show", str(tmp_path / "new" / "result.json")])
    text = capsys.readouterr().out
    assert "4 layers of seed 2026, float32, plans, 1 thread, avx2; a processor, 2026-11-25" in text
    assert "within 5% of the fastest: 50.0% (2 of 4 are not)" in text
    assert "within 1.25 times its time: 75.0% (1 are not)" in text
    assert "worst: 2.00 (far)" in text
    assert "fastest: gemm 3, winograd 1; picked: gemm 2, winograd 2" in text
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert rows == [
        "| far | winograd | gemm | 2.00 | 100 | 50.0 | 1000 | 500 |",
        "| off | winograd | gemm | 1.20 | 120 | 100 | 1200 | 1000 |",
    ]
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SystemExit, match="not a result"):
        picks.main(["show", str(tmp_path / "other.json")])


def test_rounds_change_their_order() -> None:
    seen: list[str] = []
    calls = {name: lambda name=name: seen.append(name) for name in ("a", "b")}
    times = picks.interleaved(calls, 4, 1e-5)
    assert list(times) == ["a", "b"]
    assert all(t > 0 for t in times.values())
    order = [name for i, name in enumerate(seen) if i == 0 or seen[i - 1] != name]
    assert order == list("abababa")  # to warm up ab, then ab, ba, ab, ba


def test_what_was_off_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = random_layers.random_layers(3, 1, least=0)
    asked: list[tuple[str, int]] = []

    def measure(one: random_layers.RandomLayer, options: Options) -> Pick:
        asked.append((one.name, options.rounds))
        late = options.rounds > 7
        return pick(one.name, "gemm", gemm=101 if late else 120, winograd=100 if one == layers[1] else 130)

    monkeypatch.setattr(picks, "measure", measure)
    found = picks.measure_all(layers, Options())
    assert asked == [(one.name, 7) for one in layers] + [(layers[1].name, 7 * picks.AGAIN)]
    assert [one.again for one in found] == [False, True, False]
    assert found[1].ratio == pytest.approx(1.01)


@pytest.mark.parametrize("calls", ["plan", "plain"])
def test_two_layers_from_the_drawing_to_the_table(calls: str, tmp_path: Path) -> None:
    options = Options(layers=2, rounds=1, seconds=1e-5, calls=calls)
    layers = random_layers.random_layers(options.layers, options.seed)
    found = picks.measure_all(layers, options)
    assert [one.layer for one in found] == [one.name for one in layers]
    for one in found:
        assert one.pick in one.seconds
        assert one.ratio >= 1
        if calls == "plain":
            assert (one.pick, one.estimates) == ("auto", {})
        else:
            assert set(one.seconds) == set(one.estimates)
    text = picks.text(ABOUT | {"options": asdict(options)}, found, plain)
    assert text.startswith("2 layers of seed 2026")
    picks.save(ABOUT, found, tmp_path / "result.json")
    assert [one.pick for one in picks.load(tmp_path / "result.json")[1]] == [one.pick for one in found]


def test_the_layers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    picks.main(["--list", "--layers", "2"])
    assert capsys.readouterr().out.splitlines() == [one.name for one in random_layers.random_layers(2, 2026)]
    with pytest.raises(SystemExit):
        picks.main(["--rounds", "0"])

# SPDX-License-Identifier: BSD-3-Clause
"""Plans are pickled and copied: with settings and weights, without what was packed of them."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import cases
import npconv
import numpy as np
import pytest
from npconv import _core
from reference import Array
from rules import KERNEL, SPATIAL, ints, misaligned, printed_by

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
Made = tuple[Any, tuple[Array, ...]]  # a plan and the arrays to call it with


def values(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Array:
    """Numbers whose sums round, so that another order of sums shows."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def conv(
    x: tuple[int, ...], w: tuple[int, ...], dtype: str = "float32", *, free: bool = False, **how: Any
) -> Made:
    bias = values(w[:1], dtype, 3) if how.pop("biased", True) else None
    shape = (None, *x[1:]) if free else x
    return npconv.plan_conv(shape, values(w, dtype, 1), bias, **how), (values(x, dtype),)


def transposed(x: tuple[int, ...], w: tuple[int, ...], dtype: str = "float32", **how: Any) -> Made:
    plan = npconv.plan_conv_transpose((None, *x[1:]), values(w, dtype, 1), **how)
    return plan, (values(x, dtype),)


def separable(layout: str = "channels_first", **how: Any) -> Made:
    x = values((2, 8, 9, 10) if layout == "channels_first" else (2, 9, 10, 8))
    depthwise, pointwise = values((16, 1, 3, 3), seed=1), values((12, 16, 1, 1), seed=2)
    biases = {"depthwise_bias": values((16,), seed=3), "bias": values((12,), seed=4)}
    plan = npconv.plan_separable_conv2d(
        (None, *x.shape[1:]), depthwise, pointwise, layout=layout, **biases, **how
    )
    return plan, (x,)


def input_gradient(**how: Any) -> Made:
    w = values((16, 8 // how.get("groups", 1), 3, 3), seed=1)
    plan = npconv.plan_conv_input_grad((None, 8, 12, 13), w, **how)
    return plan, (values((2, *plan.grad_shape[1:]), w.dtype.name),)


def weight_gradient(dtype: str = "float32", **how: Any) -> Made:
    plan = npconv.plan_conv_weight_grad((None, 8, 12, 13), (16, 8, 3, 3), dtype=dtype, **how)
    return plan, (values((2, 8, 12, 13), dtype), values((2, *plan.grad_shape[1:]), dtype, 1))


PLANS: dict[str, Callable[[], Made]] = {
    "1d": lambda: conv((2, 5, 40), (7, 5, 3), padding=((1, 2),), dilation=2),
    "2d": lambda: conv((2, 8, 12, 13), (16, 8, 3, 3), padding=1),
    "3d": lambda: conv((1, 4, 6, 7, 8), (5, 4, 2, 3, 2), stride=(1, 2, 2), padding="causal"),
    "merged rows": lambda: conv((1, 4, 9, 7, 8), (5, 4, 3, 1, 1), padding=((1, 1), (0, 0), (0, 0))),
    "float64": lambda: conv((2, 8, 12, 13), (16, 8, 3, 3), "float64", padding="same_lower"),
    "one channel": lambda: conv((30, 31), (5, 4), padding="full", biased=False),
    "no bias": lambda: conv((2, 8, 12, 13), (16, 8, 3, 3), biased=False),
    "free batch": lambda: conv((3, 8, 12, 13), (16, 8, 3, 3), free=True, padding=1),
    "reflect": lambda: conv((1, 8, 12, 13), (16, 8, 3, 3), padding="same", padding_mode="reflect"),
    "circular": lambda: conv((1, 8, 12, 13), (16, 8, 5, 5), padding=(2, 1), padding_mode="circular"),
    "replicate": lambda: conv((1, 8, 12, 13), (16, 8, 3, 3), padding=1, padding_mode="replicate"),
    "flip": lambda: conv((1, 8, 12, 13), (16, 8, 3, 2), flip=True),
    "groups": lambda: conv((1, 8, 12, 13), (16, 2, 3, 3), groups=4, num_threads=1),
    "depthwise": lambda: conv((1, 8, 12, 13), (8, 1, 3, 3), groups=8, padding=1, algorithm="depthwise"),
    "channels last": lambda: conv((2, 12, 13, 8), (16, 8, 3, 3), layout="channels_last", num_threads=2),
    "gemm": lambda: conv((1, 8, 12, 13), (16, 8, 3, 3), algorithm="gemm"),
    "direct": lambda: conv((1, 8, 12, 13), (4, 8, 3, 3), algorithm="direct"),
    "winograd": lambda: conv((1, 32, 24, 24), (32, 32, 3, 3), algorithm="winograd"),
    "winograd_f2": lambda: conv((1, 32, 24, 24), (32, 32, 3, 3), algorithm="winograd_f2"),
    "naive": lambda: conv((1, 8, 12, 13), (16, 8, 3, 3), algorithm="naive"),
    "relu": lambda: conv((1, 8, 12, 13), (16, 8, 3, 3), activation="relu"),
    "leaky_relu": lambda: conv((1, 8, 12, 13), (16, 8, 3, 3), activation=("leaky_relu", 0.3)),
    "clip": lambda: conv((1, 8, 12, 13), (16, 8, 3, 3), activation=("clip", -0.0, 1 / 3)),
    "gelu": lambda: conv((1, 8, 12, 13), (16, 8, 3, 3), activation="gelu"),
    "empty": lambda: conv((0, 8, 12, 13), (16, 8, 3, 3)),
    "transposed": lambda: transposed((2, 8, 6, 7), (8, 5, 4, 4), stride=2, padding=1, output_padding=1),
    "transposed to a size": lambda: transposed((2, 8, 6, 7), (8, 5, 3, 3), stride=2, output_size=(14, 16)),
    "transposed 1d": lambda: transposed((2, 8, 20), (8, 5, 3), "float64", padding="valid", activation="tanh"),
    "transposed same": lambda: transposed(
        (2, 8, 5, 6, 7), (8, 2, 3, 3, 3), stride=2, padding="same", groups=2
    ),
    "transposed by definition": lambda: transposed((2, 8, 6, 7), (8, 5, 3, 3), algorithm="naive"),
    "separable": lambda: separable(padding=1, depthwise_activation="relu6", activation=("clip", -1, 1)),
    "separable last": lambda: separable("channels_last", stride=2, dilation=(1, 2), padding_mode="reflect"),
    "input gradient": lambda: input_gradient(stride=2, padding=((0, 1), (2, 1)), groups=2),
    "input gradient, reflect": lambda: input_gradient(padding=2, padding_mode="reflect", flip=True),
    "weight gradient": lambda: weight_gradient(stride=(1, 2), padding="same", num_threads=1),
    "weight gradient, float64": lambda: weight_gradient("float64", dilation=2, layout="channels_first"),
}
EVERY = pytest.mark.parametrize("name", PLANS)
WEIGHED = pytest.mark.parametrize("name", [name for name in PLANS if "weight gradient" not in name])


def arrays_of(plan: Any) -> dict[str, Array]:
    """The weights and biases that a plan is pickled with."""
    keywords = plan._plan.state()[1]
    return {name: value for name, value in keywords.items() if isinstance(value, np.ndarray)}


def expect_same(plan: Any, other: Any, inputs: tuple[Array, ...], *, explained: bool = True) -> None:
    """Fail unless both compute the same bits and say the same of themselves."""
    assert other is not plan
    assert other._plan is not plan._plan
    assert type(other) is type(plan)
    assert repr(other) == repr(plan)
    for name in (
        "x_shape",
        "output_shape",
        "grad_shape",
        "flops",
        "workspace_bytes",
        "packed_bytes",
        "algorithm",
    ):
        assert getattr(other, name, None) == getattr(plan, name, None), name
    if explained:
        assert other.explain() == plan.explain()
    assert plan(*inputs).tobytes() == other(*inputs).tobytes()


@EVERY
def test_a_pickled_plan_computes_the_same_bits(name: str) -> None:
    plan, inputs = PLANS[name]()
    for protocol in PROTOCOLS:
        expect_same(plan, pickle.loads(pickle.dumps(plan, protocol)), inputs)


@EVERY
def test_a_copied_plan_computes_the_same_bits(name: str) -> None:
    plan, inputs = PLANS[name]()
    expect_same(plan, copy.copy(plan), inputs)
    network = {"layers": [plan, plan], "name": "net"}
    copied = copy.deepcopy(network)
    assert copied["layers"][0] is copied["layers"][1]
    expect_same(plan, copied["layers"][0], inputs)


@WEIGHED
def test_the_weights_of_a_copy_are_its_own(name: str) -> None:
    plan, inputs = PLANS[name]()
    before = plan(*inputs).tobytes()
    weights = {key: value for key, value in arrays_of(plan).items() if key.endswith("w")}
    for other in (copy.copy(plan), copy.deepcopy(plan), pickle.loads(pickle.dumps(plan))):
        other.update_weights(**{key: 2 * value for key, value in weights.items()})
        assert plan(*inputs).tobytes() == before
        assert all(np.array_equal(arrays_of(other)[key], 2 * value) for key, value in weights.items())
        assert all(np.array_equal(arrays_of(plan)[key], value) for key, value in weights.items())


@WEIGHED
def test_a_pickle_is_as_large_as_the_weights(name: str) -> None:
    """Nothing that is packed, or transformed, is part of it."""
    plan, _ = PLANS[name]()
    weights = sum(array.nbytes for array in arrays_of(plan).values())
    assert weights > 0
    for protocol in PROTOCOLS[1:]:  # protocol 2 writes bytes as text
        assert weights < len(pickle.dumps(plan, protocol)) < weights + 1500


def test_a_pickle_of_large_transformed_weights_has_the_weights_alone() -> None:
    w = values((256, 256, 3, 3))
    plan = npconv.plan_conv((1, 256, 56, 56), w, algorithm="winograd_f6")
    assert plan.packed_bytes > 2 * w.nbytes
    assert w.nbytes < len(pickle.dumps(plan)) < w.nbytes + 1500


def test_a_plan_of_a_weight_gradient_has_no_weights_to_pickle() -> None:
    plan = npconv.plan_conv_weight_grad((None, 512, 9, 9), np.ones((512, 512, 3, 3), np.float32))
    assert len(pickle.dumps(plan)) < 1500


# ---- whose weights, and which -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", ["as they are", "swapped", "misaligned", "strided", "reversed", "broadcast", "Fortran"]
)
def test_weights_in_any_memory_are_kept_as_values(how: str) -> None:
    """And copied: what the caller writes to his arrays later is not pickled."""
    w, bias = values((16, 8, 3, 3), seed=1), values((16,), seed=2)
    if how == "broadcast":
        w, bias = np.broadcast_to(w[:1], w.shape), np.broadcast_to(bias[:1], bias.shape)
    want_w, want_bias = w.copy(), bias.copy()
    changed: dict[str, Callable[[Array], Array]] = {
        "as they are": np.array,
        "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
        "misaligned": misaligned,
        "strided": lambda a: np.repeat(a, 2, -1)[..., ::2],
        "reversed": lambda a: np.flip(np.flip(a).copy()),
        "broadcast": lambda a: a,
        "Fortran": np.asfortranarray,
    }
    given = [changed[how](a) for a in (w, bias)]
    x = values((2, 8, 12, 13))
    plan = npconv.plan_conv(x.shape, *given)
    want = npconv.plan_conv(x.shape, want_w, want_bias)(x)
    updated = npconv.plan_conv(x.shape, 0 * want_w, 0 * want_bias)
    updated.update_weights(*given)
    if how != "broadcast":
        for a in given:
            a[...] = np.nan
    for made in (plan, updated):
        kept = arrays_of(made)
        assert np.array_equal(kept["w"], want_w)
        assert np.array_equal(kept["bias"], want_bias)
        assert all(a.flags.c_contiguous and a.flags.aligned and a.dtype == np.float32 for a in kept.values())
        assert not any(np.shares_memory(a, b) for a in kept.values() for b in given)
        assert not any(a.flags.writeable for a in kept.values())
        assert pickle.loads(pickle.dumps(made))(x).tobytes() == want.tobytes()


def test_a_dtype_with_metadata_is_plain_in_a_pickle() -> None:
    """Metadata may hold what cannot be pickled, and says nothing about the weights."""
    dtype = np.dtype("float32", metadata={"of": threading.Lock()})
    w = values((4, 3, 3, 3))
    plan = npconv.plan_conv((1, 3, 8, 8), w.astype(dtype))
    assert arrays_of(plan)["w"].dtype.metadata is None
    x = values((1, 3, 8, 8))
    assert pickle.loads(pickle.dumps(plan))(x).tobytes() == plan(x).tobytes()


def test_a_pickle_has_the_weights_of_the_last_update() -> None:
    x, w, bias = values((1, 8, 12, 13)), values((16, 8, 3, 3), seed=1), values((16,), seed=2)
    plan = npconv.plan_conv(x.shape, w, bias)
    plan.update_weights(2 * w)  # the bias stays
    expect_same(plan, pickle.loads(pickle.dumps(plan)), (x,))
    assert np.array_equal(arrays_of(plan)["bias"], bias)
    plan.update_weights(3 * w, 3 * bias)
    expect_same(plan, pickle.loads(pickle.dumps(plan)), (x,))
    with pytest.raises(ValueError, match="bias must have shape"):
        plan.update_weights(4 * w, bias[:3])
    assert np.array_equal(arrays_of(plan)["w"], 3 * w)
    plan, inputs = separable()
    depthwise, pointwise = arrays_of(plan)["depthwise_w"], arrays_of(plan)["pointwise_w"]
    plan.update_weights(2 * depthwise, 3 * pointwise, depthwise_bias=np.ones(16, np.float32))
    expect_same(plan, pickle.loads(pickle.dumps(plan)), inputs)


@pytest.mark.parametrize("name", ["2d", "free batch", "winograd", "transposed", "transposed 1d", "separable"])
def test_a_plan_of_for_shape_is_pickled_as_it_is(name: str) -> None:
    """With the algorithm and the order of sums of the first plan, whose copy of the weights it shares."""
    plan, (x,) = PLANS[name]()
    larger = (*x.shape[:2], *(n + 9 for n in x.shape[2:]))
    other = plan.for_shape((None, *larger[1:])).for_shape(larger)
    assert all(a is arrays_of(plan)[key] for key, a in arrays_of(other).items())
    for protocol in PROTOCOLS:
        expect_same(other, pickle.loads(pickle.dumps(other, protocol)), (values(larger, x.dtype.name),))
    expect_same(other, copy.copy(other), (values(larger, x.dtype.name),))
    expect_same(plan, pickle.loads(pickle.dumps(plan)), (x,))


def test_an_update_while_another_thread_pickles_gives_weights_and_bias_of_one_update() -> None:
    sets = [(np.full((16, 16, 3, 3), v, np.float32), np.full(16, v, np.float32)) for v in (1, 2, 3)]
    plan = npconv.plan_conv((1, 16, 9, 9), *sets[0])
    stop = threading.Event()

    def update() -> None:
        i = 0
        while not stop.is_set():
            i += 1
            plan.update_weights(*sets[i % 3])

    threads = [threading.Thread(target=update) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            kept = arrays_of(pickle.loads(pickle.dumps(plan)))
            seen = np.unique(np.concatenate([kept["w"].ravel(), kept["bias"]]))
            assert len(seen) == 1
            assert seen[0] in (1, 2, 3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    # And what is computed at last is what is pickled.
    x = np.ones((1, 16, 9, 9), np.float32)
    assert np.array_equal(plan(x), pickle.loads(pickle.dumps(plan))(x))


def test_settings_are_pickled_as_plain_values() -> None:
    """Whatever objects they were given as: one that cannot be pickled, or one that is changed later."""

    class Two:
        def __index__(self) -> int:
            return 2

    x, w = values((1, 3, 12, 12)), values((4, 3, 3, 3), seed=1)
    padding = [[1, np.int64(2)], (Two(), 0)]
    plan = npconv.plan_conv(
        [np.int8(1), *x.shape[1:]], w, stride=np.array([2, 1]), padding=padding, dilation=Two(), flip=np.True_
    )
    want = plan(x)
    padding[0][0] = 7
    state = plan._plan.state()
    assert state[1]["padding"] == ((1, 2), (2, 0))
    assert state[1]["stride"] == (2, 1)
    assert pickle.loads(pickle.dumps(plan))(x).tobytes() == want.tobytes()


def test_buffers_out_of_band_are_read_only_and_not_the_plans_to_change() -> None:
    plan, inputs = PLANS["2d"]()
    want = plan(*inputs).tobytes()
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(plan, 5, buffer_callback=buffers.append)
    assert len(data) < 1500
    assert all(buffer.raw().readonly for buffer in buffers)
    assert pickle.loads(data, buffers=buffers)(*inputs).tobytes() == want
    copies = [bytearray(buffer.raw()) for buffer in buffers]
    other = pickle.loads(data, buffers=copies)
    for one in copies:
        one[:] = bytes(len(one))
    assert other(*inputs).tobytes() == want


# ---- "measure", and other machines -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["conv", "transposed", "strided", "gradient", "border"])
def test_what_was_measured_is_pickled(kind: str) -> None:
    how: dict[str, Any] = {"algorithm": "measure", "padding": 1}
    made: dict[str, Callable[[], Made]] = {
        "conv": lambda: conv((1, 16, 24, 24), (16, 16, 3, 3), **how),
        "transposed": lambda: transposed((1, 16, 24, 24), (16, 16, 3, 3), **how),
        "strided": lambda: transposed((1, 16, 12, 12), (16, 16, 3, 3), stride=2, **how),
        "gradient": lambda: input_gradient(**how),
        "border": lambda: input_gradient(padding_mode="reflect", **how),
    }
    for _ in range(3):  # others may be chosen
        plan, inputs = made[kind]()
        restored = pickle.loads(pickle.dumps(plan))
        expect_same(plan, restored, inputs, explained=False)  # the name that was asked for is told
        if kind == "conv":
            larger = plan.for_shape((2, 16, 30, 30))
            expect_same(
                larger, pickle.loads(pickle.dumps(larger)), (values((2, 16, 30, 30)),), explained=False
            )


def test_a_plan_is_loaded_for_the_instruction_set_that_it_finds(isa: str) -> None:
    for name in (
        "2d",
        "winograd",
        "depthwise",
        "transposed",
        "separable",
        "input gradient",
        "weight gradient",
    ):
        with cases.forced(_core._isa_names()[-1]):
            plan, inputs = PLANS[name]()
            data = pickle.dumps(plan)
        here, _ = PLANS[name]()
        expect_same(here, pickle.loads(data), inputs)


def test_what_cannot_serve_on_another_machine_is_decided_there() -> None:
    """Where what was measured, or shares packed weights, cannot: a plan is made from the settings."""
    plan, (x,) = conv((1, 8, 12, 13), (16, 8, 3, 3), algorithm="measure")
    restore, (version, maker, keywords, x_shape, algorithm) = plan.__reduce__()
    assert (maker, x_shape, algorithm) == ("plan_conv", None, plan.algorithm)
    other = restore(version, maker, keywords, x_shape, "depthwise")
    np.testing.assert_allclose(other(x), plan(x), rtol=1e-5, atol=1e-5)
    keywords["algorithm"] = "gemm"
    other = restore(version, maker, keywords, (2, 8, 30, 31), "depthwise")
    assert other.x_shape == (2, 8, 30, 31)
    assert other.algorithm == "gemm"
    keywords["algorithm"] = "depthwise"  # asked for by name: an error is told
    with pytest.raises(ValueError, match=r"depthwise.*cannot serve"):
        restore(version, maker, keywords, None, None)


# ---- worker processes --------------------------------------------------------------------------------------


def test_plans_are_sent_to_spawned_processes() -> None:
    assert printed_by("""
if __name__ == "__main__":
    import multiprocessing
    import numpy as np
    from test_plan_pickle import PLANS
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for name in ("2d", "transposed", "separable", "input gradient", "weight gradient"):
            plan, inputs = PLANS[name]()
            for result in pool.starmap(plan, [inputs] * 2):
                assert result.tobytes() == plan(*inputs).tobytes(), name
    print("the same")
""", timeout=120) == "the same"  # fmt: skip


# ---- what is no state of ours ------------------------------------------------------------------------------


def test_a_state_that_is_not_ours_is_refused() -> None:
    plan, _ = PLANS["2d"]()
    restore, (version, maker, keywords, x_shape, algorithm) = plan.__reduce__()
    for wrong in (
        (2, maker),
        ("1", maker),
        (None, maker),
        (version, "conv2d"),
        (version, "set_num_threads"),
        (1, 7),
    ):
        with pytest.raises(ValueError, match="no pickled plan of this version of npconv"):
            restore(*wrong, keywords, x_shape, algorithm)
    for no_keywords in (None, [], 7, "w"):
        with pytest.raises(ValueError, match="no pickled plan of this version of npconv"):
            restore(version, maker, no_keywords, x_shape, algorithm)
    with pytest.raises(TypeError, match="argument"):
        restore(version, maker)


@EVERY
def test_a_tampered_state_gives_an_error_or_a_plan(name: str) -> None:
    plan, _ = PLANS[name]()
    restore, (version, maker, keywords, _, _) = plan.__reduce__()
    junk = (
        None,
        -1,
        2**70,
        "x",
        b"",
        (),
        (1, 2, 3),
        [None],
        {},
        np.float64(1),
        np.ones(3),
        np.ones((1,) * 7),
        object(),
    )
    made = 0
    for key in keywords:
        with pytest.raises((TypeError, ValueError)):
            restore(
                version, maker, {k: v for k, v in keywords.items() if k != key} | {key + "_": 1}, None, None
            )
        for value in junk:
            try:
                restore(version, maker, keywords | {key: value}, None, None)
                made += 1
            except (TypeError, ValueError):
                pass
    assert made < len(keywords) * 4
    for value in junk:
        if value is None or isinstance(value, tuple):  # no other shape, and one that may fit
            continue
        with pytest.raises((TypeError, ValueError, AttributeError)):
            restore(version, maker, keywords, value, None)


def test_a_truncated_pickle_is_an_error() -> None:
    data = pickle.dumps(PLANS["2d"]()[0])
    for n in range(0, len(data) - 1, 997):
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, TypeError)):
            pickle.loads(data[:n])


def test_plans_of_one_channel_without_its_axis_are_pickled() -> None:
    for rank in (1, 2):
        x, w = ints(SPATIAL[rank]), ints(KERNEL[rank], seed=1)
        for plan in (npconv.plan_conv(x.shape, w), npconv.plan_conv_transpose(x.shape, w)):
            expect_same(plan, pickle.loads(pickle.dumps(plan)), (x,))

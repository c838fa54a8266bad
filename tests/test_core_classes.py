# SPDX-License-Identifier: BSD-3-Clause
"""The class of the extension: no object of it exists that was not made whole."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import npconv
import pytest
from npconv import _core
from rules import ints, printed_by

CLASSES = [value for value in vars(_core).values() if isinstance(value, type)]
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def plans() -> dict[str, Any]:
    """One plan of each kind."""
    w = ints((4, 3, 3, 3))
    return {
        "conv": npconv.plan_conv((1, 3, 9, 9), w),
        "conv_transpose": npconv.plan_conv_transpose((1, 4, 9, 9), w),
        "separable": npconv.plan_separable_conv2d((1, 3, 9, 9), ints((3, 1, 3, 3)), ints((4, 3, 1, 1))),
        "input_grad": npconv.plan_conv_input_grad((1, 3, 9, 9), w),
        "weight_grad": npconv.plan_conv_weight_grad((1, 3, 9, 9), w.shape),
        "max_pool": npconv.plan_max_pool((1, 3, 9, 9), 2),
        "indexed": npconv.plan_max_pool((1, 3, 9, 9), 2, return_indices=True),
        "avg_pool": npconv.plan_avg_pool((1, 3, 9, 9), 2),
        "lp_pool": npconv.plan_lp_pool((1, 3, 9, 9), 2, 2),
    }


def an_object_of(cls: type) -> Any:
    return next(plan._plan for plan in plans().values() if type(plan._plan) is cls)


def test_there_is_one_class_for_plans_of_all_kinds() -> None:
    assert [cls.__name__ for cls in CLASSES] == ["Plan"]
    assert {type(plan._plan) for plan in plans().values()} == set(CLASSES)


@pytest.mark.parametrize("kind", plans())
def test_plans_of_all_kinds_tell_the_same_things(kind: str) -> None:
    plan = plans()[kind]
    assert plan.x_shape[0] == 1
    assert all(isinstance(n, int) for n in plan.output_shape)
    assert isinstance(plan.algorithm, str)
    assert plan.algorithm
    assert plan.flops > 0
    assert plan.workspace_bytes >= 0
    assert (plan.packed_bytes > 0) == (kind in ("conv", "conv_transpose", "separable", "input_grad"))
    told = plan.explain()
    assert f"workspace {plan.workspace_bytes} bytes" in told
    assert f"packed weights {plan.packed_bytes} bytes" in told
    assert repr(plan).startswith(f"<npconv.{type(plan).__name__} (1, ")


def test_a_call_has_the_operands_of_its_operation() -> None:
    x, w = ints((1, 4, 9, 9)), ints((4, 3, 3, 3))
    plan = npconv.plan_conv_transpose(x.shape, w)._plan
    with pytest.raises(ValueError, match="residual must be None: a transposed convolution takes none; got 3"):
        plan(x, 3, None)
    for wrong in ((), (w,), (w, None, None)):
        with pytest.raises(TypeError, match=f"expected 2 weights, got {len(wrong)}"):
            plan.update_weights(*wrong)


@every_class
def test_no_object_is_made_without_its_function(cls: Any) -> None:
    base = cls.__mro__[1]
    for make in (
        cls,
        lambda: cls((1, 3, 9, 9), ints((4, 3, 3, 3))),
        lambda: cls.__new__(cls),
        lambda: base.__new__(cls),
        lambda: object.__new__(cls),
        lambda: type("Sub", (cls,), {}),
        lambda: type("Sub", (cls,), {"__new__": base.__new__, "__init__": lambda self: None})(),
        lambda: copy.copy(an_object_of(cls)),
        lambda: pickle.loads(pickle.dumps(an_object_of(cls))),
    ):
        with pytest.raises(TypeError):
            make()


@every_class
def test_an_object_stays_what_it_is(cls: Any) -> None:
    made = an_object_of(cls)
    told = made.explain()
    for arguments in ((), ((1, 3, 9, 9), ints((4, 3, 3, 3)))):
        with pytest.raises(TypeError):
            made.__init__(*arguments)
    for other in CLASSES:
        if other is not cls:
            with pytest.raises(TypeError):
                made.__class__ = other
            with pytest.raises(TypeError):
                other.explain(made)
    with pytest.raises(TypeError):
        cls.explain = lambda self: "mine"
    assert made.explain() == told


def test_a_second_init_while_another_thread_calls_changes_nothing() -> None:
    x, w = ints((1, 8, 30, 30)), ints((8, 8, 3, 3), seed=1)
    plan = npconv.plan_conv(x.shape, w)
    want = plan(x).tobytes()
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            assert plan(x).tobytes() == want

    thread = threading.Thread(target=call)
    thread.start()
    try:
        for _ in range(200):
            with pytest.raises(TypeError):
                plan._plan.__init__(
                    x.shape, 2 * w, None, 1, 0, 1, 1, "zeros", False, "channels_first", None, "auto", None
                )
    finally:
        stop.set()
        thread.join()
    assert plan(x).tobytes() == want


def test_what_fails_leaves_no_object_behind() -> None:
    """In a process of its own: one that reads freed memory ends by a signal."""
    assert printed_by("""
import gc
import numpy as np
from npconv import _core
made = 0
for cls in [v for v in vars(_core).values() if isinstance(v, type)]:
    makers = [lambda: cls.__new__(cls), lambda: cls(), lambda: cls((1, 1, 4, 4), np.ones((1, 1, 9, 9))),
              lambda: cls.__mro__[1].__new__(cls)]
    for maker in makers:
        try:
            one = maker()
        except TypeError:
            continue
        made += 1
        for name in dir(one):
            if not name.startswith("__"):
                try: value = getattr(one, name); value() if callable(value) else repr(value)
                except (TypeError, ValueError, RuntimeError, MemoryError): pass
gc.collect()
print(made)
""") == "0"  # fmt: skip

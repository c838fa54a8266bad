# SPDX-License-Identifier: BSD-3-Clause
"""Pickling of plans: settings, shapes and weights as they were given, without what was made of them.

A plan is made anew where it is loaded, by the public function that made it and for the processor there.
"""

from __future__ import annotations

from typing import Any, TypeAlias

# The public function that made a plan; its keywords; the x_shape of for_shape; what "measure" chose.
PlanState: TypeAlias = tuple[str, dict[str, Any], tuple[int | None, ...] | None, str | None]

FORMAT = 1
MAKERS = (
    "plan_conv",
    "plan_conv_transpose",
    "plan_separable_conv2d",
    "plan_conv_input_grad",
    "plan_conv_weight_grad",
    "plan_max_pool",
    "plan_avg_pool",
    "plan_lp_pool",
)


def restore(
    version: int,
    maker: str,
    keywords: dict[str, Any],
    x_shape: tuple[int | None, ...] | None,
    algorithm: str | None,
) -> Any:
    """Make the plan that ``__reduce__`` describes.

    `keywords` are those of the public function `maker`. `x_shape` is another shape that the plan was made for
    by ``for_shape``, and `algorithm` the one that ``"measure"`` chose. Where they cannot serve, because this
    is another machine, the plan is made from its keywords alone.
    """
    if version != FORMAT or maker not in MAKERS or not isinstance(keywords, dict):
        raise ValueError(
            f"no pickled plan of this version of npconv (format {FORMAT}, by one of {', '.join(MAKERS)}): "
            f"format {version!r:.80}, made by {maker!r:.80} from {type(keywords).__name__}"
        )
    import npconv

    make = getattr(npconv, maker)
    try:
        plan = make(**keywords if algorithm is None else keywords | {"algorithm": algorithm})
        return plan if x_shape is None else plan.for_shape(x_shape)
    except ValueError:
        if algorithm is None and x_shape is None:
            raise
    return make(**keywords if x_shape is None else keywords | {"x_shape": x_shape})

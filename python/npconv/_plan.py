# SPDX-License-Identifier: BSD-3-Clause
"""Plans of convolutions: choose and pack once, run many times."""

from __future__ import annotations

from ._core import plan_conv as _plan_conv
from ._planned import Layer, wrap
from ._types import Activation, ArrayOf, Float, Ints, Layout, Padding, PaddingMode, PlanShape


class ConvPlan(Layer[Float]):
    """A convolution with its decisions made and its weights packed.

    Made by :func:`plan_conv`, or of a transposed convolution by :func:`plan_conv_transpose`. Type checkers
    tell its dtype: ``ConvPlan[np.float32]``.

    Calling it computes. It may be called from several threads at once.

    It has two copies of the weights: packed (:attr:`packed_bytes`), and as they were given, which another
    plan of :meth:`for_shape` shares. A pickle has the settings and the weights as they were given; the plan
    is packed anew where it is loaded, for the processor there, with the algorithm that ``"measure"`` chose.
    On the same machine it computes the same results, bit by bit.
    """

    __slots__ = ()

    _made_by = "plan_conv(x_shape, w, ...)"

    def update_weights(self, w: ArrayOf[Float], bias: ArrayOf[Float] | None = None) -> None:
        """Put other weights in place of the present ones. Calls that are under way finish with the old ones.

        Parameters
        ----------
        w : array_like
            Of the shape and dtype that the plan was made for.
        bias : array_like, optional
            The new bias; None keeps the present one.

        Raises
        ------
        TypeError, ValueError
            Another shape or dtype; the plan is as before then.
        """
        self._plan.update_weights(w, bias)


def plan_conv(
    x_shape: PlanShape,
    w: ArrayOf[Float],
    bias: ArrayOf[Float] | None = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    activation: Activation = None,
    algorithm: str = "auto",
    num_threads: int | None = None,
) -> ConvPlan[Float]:
    """Plan a 1-D, 2-D or 3-D convolution: choose the algorithm and pack the weights, once for many calls.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs, as for :func:`conv1d`, :func:`conv2d`, :func:`conv3d`; None for the batch means
        any batch, and one image without the batch. The number of spatial axes follows from the number of
        axes of `w` and `x_shape`; three axes each are read as (batch, channels, length).
    w, bias : array_like
        Weights and bias, copied: once packed, and once as they are, for pickling. Their dtype is that of the
        plan.
    stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm
        As in :func:`conv2d`.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    ConvPlan

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`conv2d`.

    Notes
    -----
    :attr:`ConvPlan.output_shape` tells before anything is computed whether the weights were meant so: those
    of TensorFlow, (height, width, channels, output channels), may fit untransposed, see :func:`conv2d`. Then
    ``assert plan.output_shape[-1] == w.shape[-1]`` (channels last) fails.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> w = np.ones((8, 3, 3, 3), np.float32)
    >>> plan = npconv.plan_conv((None, 3, 32, 32), w, padding="same", activation="relu")
    >>> plan.output_shape
    (None, 8, 32, 32)
    >>> plan(np.zeros((5, 3, 32, 32), np.float32)).shape
    (5, 8, 32, 32)
    """
    core = _plan_conv(
        x_shape, w, bias, stride, padding, dilation, groups, padding_mode, flip, layout, activation,
        algorithm, num_threads,
    )  # fmt: skip
    return wrap(ConvPlan, core)

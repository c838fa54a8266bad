# SPDX-License-Identifier: BSD-3-Clause
"""Plans of the gradients of a convolution."""

from __future__ import annotations

from typing import Any, Generic, cast, overload

import numpy as np

from ._core import plan_conv_input_grad as _plan_conv_input_grad
from ._core import plan_conv_weight_grad as _plan_conv_weight_grad
from ._planned import Planned, wrap
from ._types import ArrayOf, Float, Ints, Layout, NDArray, Padding, PaddingMode, PlanShape, Shape


class PlannedGradient(Planned):
    """What plans of both gradients tell about themselves."""

    __slots__ = ()

    @property
    def grad_shape(self) -> tuple[int | None, ...]:
        """Shape of the gradient of the convolution's result; None for a free batch."""
        return self._plan.grad_shape


class InputGradientPlan(PlannedGradient, Generic[Float]):
    """The gradient of a convolution in its input, planned. Made by :func:`plan_conv_input_grad`.

    Calling it computes. It may be called from several threads at once. What it keeps of the weights, and what
    is pickled, is as of :class:`npconv.ConvPlan`.
    """

    __slots__ = ()

    _made_by = "plan_conv_input_grad(x_shape, w)"
    _called_with = ("grad_shape",)

    def __call__(self, grad_out: ArrayOf[Float], *, out: NDArray[Float] | None = None) -> NDArray[Float]:
        """Compute the gradient.

        Parameters
        ----------
        grad_out : array_like
            Of shape :attr:`grad_shape` and the dtype that the plan was made for. A plan for any batch takes
            that of one image without the batch, too.
        out : ndarray, optional
            As in :func:`npconv.grad.conv2d_input`.

        Returns
        -------
        ndarray
            `out`, or a new array of shape :attr:`output_shape`, which lacks the batch where `grad_out` does.

        Raises
        ------
        TypeError, ValueError
            A shape or dtype that is not the plan's, or an `out` that cannot take the result.
        """
        result: NDArray[Float] = self._call(grad_out, None, out)
        return result

    def update_weights(self, w: ArrayOf[Float]) -> None:
        """Put other weights, of the same shape and dtype, in place of the present ones.

        Raises
        ------
        TypeError, ValueError
            Another shape or dtype; the plan is as before then.
        """
        self._plan.update_weights(w)


class WeightGradientPlan(PlannedGradient, Generic[Float]):
    """The gradient of a convolution in its weights, planned. Made by :func:`plan_conv_weight_grad`."""

    __slots__ = ()

    _made_by = "plan_conv_weight_grad(x_shape, w)"
    _called_with = ("x_shape", "grad_shape")
    _has_choice = False

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the result, which is that of the weights."""
        return cast("tuple[int, ...]", self._plan.output_shape)

    def __call__(
        self, x: ArrayOf[Float], grad_out: ArrayOf[Float], *, out: NDArray[Float] | None = None
    ) -> NDArray[Float]:
        """Compute the gradient.

        Parameters
        ----------
        x : array_like
            The input of the convolution, of shape :attr:`x_shape`.
        grad_out : array_like
            The gradient of its result, of shape :attr:`grad_shape`. A plan for any batch takes both of one
            image without the batch, too.
        out : ndarray, optional
            As in :func:`npconv.grad.conv2d_weight`.

        Returns
        -------
        ndarray
            `out`, or a new array of shape :attr:`output_shape`.

        Raises
        ------
        TypeError, ValueError
            A shape or dtype that is not the plan's, or an `out` that cannot take the result.
        """
        result: NDArray[Float] = self._call(x, grad_out, out)
        return result


def plan_conv_input_grad(
    x_shape: PlanShape,
    w: ArrayOf[Float],
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    algorithm: str = "auto",
    num_threads: int | None = None,
) -> InputGradientPlan[Float]:
    """Plan the gradient of a convolution in its input: weights are split into phases and packed once.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the convolution's input, as for :func:`npconv.plan_conv`; None for the batch means any batch.
    w : array_like
        The weights, copied: once packed, and once as they are, for pickling. Their dtype is that of the plan.
    stride, padding, dilation, groups, padding_mode, flip, layout
        Of the convolution.
    algorithm : str
        As in :func:`npconv.grad.conv2d_input`.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    InputGradientPlan

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`npconv.grad.conv2d_input`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> plan = npconv.plan_conv_input_grad((None, 3, 32, 32), np.ones((8, 3, 3, 3)), padding="same")
    >>> plan(np.zeros((5, 8, 32, 32))).shape
    (5, 3, 32, 32)
    """
    core = _plan_conv_input_grad(
        x_shape, w, stride, padding, dilation, groups, padding_mode, flip, layout, algorithm, num_threads
    )
    return wrap(InputGradientPlan, core)


@overload
def plan_conv_weight_grad(
    x_shape: PlanShape, w: NDArray[Float], *, stride: Ints = 1,
    padding: Padding = 0, dilation: Ints = 1, groups: int = 1, padding_mode: PaddingMode = "zeros",
    flip: bool = False, layout: Layout = "channels_first", dtype: None = None,
    num_threads: int | None = None,
) -> WeightGradientPlan[Float]: ...  # fmt: skip
@overload
def plan_conv_weight_grad(
    x_shape: PlanShape, w: Shape, *, stride: Ints = 1,
    padding: Padding = 0, dilation: Ints = 1, groups: int = 1, padding_mode: PaddingMode = "zeros",
    flip: bool = False, layout: Layout = "channels_first", dtype: None = None,
    num_threads: int | None = None,
) -> WeightGradientPlan[np.float32]: ...  # fmt: skip
@overload
def plan_conv_weight_grad(
    x_shape: PlanShape, w: NDArray[Any] | Shape, *, stride: Ints = 1,
    padding: Padding = 0, dilation: Ints = 1, groups: int = 1, padding_mode: PaddingMode = "zeros",
    flip: bool = False, layout: Layout = "channels_first", dtype: type[Float] | np.dtype[Float],
    num_threads: int | None = None,
) -> WeightGradientPlan[Float]: ...  # fmt: skip
@overload
def plan_conv_weight_grad(
    x_shape: PlanShape, w: NDArray[Any] | Shape, *, stride: Ints = 1,
    padding: Padding = 0, dilation: Ints = 1, groups: int = 1, padding_mode: PaddingMode = "zeros",
    flip: bool = False, layout: Layout = "channels_first", dtype: object,
    num_threads: int | None = None,
) -> WeightGradientPlan[Any]: ...  # fmt: skip
def plan_conv_weight_grad(
    x_shape: PlanShape,
    w: NDArray[Any] | Shape,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    flip: bool = False,
    layout: Layout = "channels_first",
    dtype: object = None,
    num_threads: int | None = None,
) -> WeightGradientPlan[Any]:
    """Plan the gradient of a convolution in its weights.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the convolution's input, as for :func:`npconv.plan_conv`; None for the batch means any batch.
    w : ndarray or tuple of int
        The weights, of which only shape and dtype count, or their shape (a tuple, or a 1-D array
        of integers).
    stride, padding, dilation, groups, padding_mode, flip, layout
        Of the convolution.
    dtype : dtype-like, optional
        Of x, the gradients and the result. By default that of the weights, or float32 for a shape.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    WeightGradientPlan

    Raises
    ------
    TypeError, ValueError
        As :func:`npconv.grad.conv2d_weight`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> plan = npconv.plan_conv_weight_grad((None, 3, 32, 32), (8, 3, 3, 3), padding="same")
    >>> x, g = np.zeros((5, 3, 32, 32), np.float32), np.zeros((5, 8, 32, 32), np.float32)
    >>> plan(x, g).shape
    (8, 3, 3, 3)
    """
    shape: Shape = w
    axes = len(x_shape) if isinstance(x_shape, (tuple, list)) else getattr(x_shape, "size", 0)
    # A 1-D array of integers can only be a shape, unless x is one channel of a signal.
    if isinstance(w, np.ndarray) and not (w.ndim == 1 and w.dtype.kind in "iuO" and axes > 1):
        shape, dtype = w.shape, w if dtype is None else dtype
    elif dtype is None:
        dtype = np.float32
    core = _plan_conv_weight_grad(
        x_shape, shape, dtype, stride, padding, dilation, groups,
        padding_mode, flip, layout, num_threads,
    )  # fmt: skip
    return wrap(WeightGradientPlan, core)

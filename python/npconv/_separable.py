# SPDX-License-Identifier: BSD-3-Clause
"""separable_conv2d: a depthwise convolution and a 1x1 convolution of its result, as one; and its plan."""

from __future__ import annotations

from ._core import plan_separable_conv2d as _plan_separable_conv2d
from ._core import separable_conv2d as _separable_conv2d
from ._planned import Layer, wrap
from ._types import Activation, ArrayOf, Float, Ints, Layout, NDArray, Padding, PaddingMode, PlanShape


def separable_conv2d(
    x: ArrayOf[Float],
    depthwise_w: ArrayOf[Float],
    pointwise_w: ArrayOf[Float],
    bias: ArrayOf[Float] | None = None,
    *,
    depthwise_bias: ArrayOf[Float] | None = None,
    depthwise_activation: Activation = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    activation: Activation = None,
    residual: ArrayOf[Float] | None = None,
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""Depthwise separable 2-D convolution: each channel by itself, then all channels of each pixel.

    .. math:: z[n, k, i, j] &= g\Bigl(b'[k] + \sum_{u, v} w'[k, u, v] \;
              \bar x[n, \lfloor k / m \rfloor, s i + d u, s j + d v]\Bigr) \\
              y[n, o, i, j] &= f\Bigl(b[o] + r[n, o, i, j] + \sum_k w[o, k] \; z[n, k, i, j]\Bigr)

    with m output channels of the depthwise half for each channel of x (its multiplier). The result is that of
    two calls of :func:`npconv.conv2d`, bit by bit with ``algorithm="depthwise"`` and ``"gemm"``, but z is
    made and used block by block and never leaves the caches.

    Parameters
    ----------
    x : array_like of float32 or float64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width). With
        ``layout="channels_last"`` the channels come last.
    depthwise_w : array_like
        Weights of shape (m * channels, 1, kernel height, kernel width), in both layouts.
    pointwise_w : array_like
        Weights of shape (output channels, m * channels, 1, 1).
    bias : array_like of shape (output channels,), optional
        Added to every pixel of a channel of the result.
    depthwise_bias : array_like of shape (m * channels,), optional
        The same for z.
    depthwise_activation : None, str or tuple
        Of z, as `activation`.
    stride, padding, dilation, padding_mode
        Of the depthwise half, as in :func:`npconv.conv2d`.
    layout, activation, residual, out, num_threads
        As in :func:`npconv.conv2d`.

    Returns
    -------
    ndarray
        (batch, output channels, height, width), in the layout and form of x.

    Raises
    ------
    TypeError
        An argument of the wrong type, or dtypes that do not agree.
    ValueError
        Sizes that do not fit, unknown names, an `out` that cannot take the result, which is untouched then;
        a kernel of more than 20,000 taps, or whose padded window is too large to be copied; more than 393,216
        channels of z or of the result in float32, half as many in float64.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    L. Sifre, "Rigid-motion scattering for image classification", 2014; F. Chollet, "Xception: Deep learning
    with depthwise separable convolutions", 2017. Both sums keep the bound of ``"gemm"`` in
    :func:`npconv.conv2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> x = np.arange(32.0).reshape(2, 4, 4)
    >>> blur = np.full((2, 1, 3, 3), 1 / 9)
    >>> difference = np.array([[-1.0, 1.0]]).reshape(1, 2, 1, 1)
    >>> npconv.separable_conv2d(x, blur, difference).round(12)
    array([[[16., 16.],
            [16., 16.]]])
    """
    return _separable_conv2d(
        x, depthwise_w, pointwise_w, bias, depthwise_bias, depthwise_activation, stride, padding, dilation,
        padding_mode, layout, activation, residual, out, num_threads,
    )  # fmt: skip


class SeparableConvPlan(Layer[Float]):
    """A separable convolution with its weights packed. Made by :func:`plan_separable_conv2d`.

    Calling it computes. It may be called from several threads at once. What it keeps of the weights, and what
    is pickled, is as of :class:`npconv.ConvPlan`.
    """

    __slots__ = ()

    _made_by = "plan_separable_conv2d(x_shape, ...)"
    _has_choice = False

    def update_weights(
        self,
        depthwise_w: ArrayOf[Float],
        pointwise_w: ArrayOf[Float],
        bias: ArrayOf[Float] | None = None,
        *,
        depthwise_bias: ArrayOf[Float] | None = None,
    ) -> None:
        """Put other weights in place of the present ones. Calls that are under way finish with the old ones.

        Parameters
        ----------
        depthwise_w, pointwise_w : array_like
            Of the shapes and dtype that the plan was made for.
        bias, depthwise_bias : array_like, optional
            The new biases; None keeps the present one.

        Raises
        ------
        TypeError, ValueError
            Another shape or dtype; the plan is as before then.
        """
        self._plan.update_weights(depthwise_w, pointwise_w, bias, depthwise_bias)


def plan_separable_conv2d(
    x_shape: PlanShape,
    depthwise_w: ArrayOf[Float],
    pointwise_w: ArrayOf[Float],
    bias: ArrayOf[Float] | None = None,
    *,
    depthwise_bias: ArrayOf[Float] | None = None,
    depthwise_activation: Activation = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    padding_mode: PaddingMode = "zeros",
    layout: Layout = "channels_first",
    activation: Activation = None,
    num_threads: int | None = None,
) -> SeparableConvPlan[Float]:
    """Plan a depthwise separable 2-D convolution: pack the weights, once for many calls.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the inputs of :func:`separable_conv2d`; None for the batch means any batch, and one image
        without the batch.
    depthwise_w, pointwise_w, bias, depthwise_bias : array_like
        Weights and biases, copied: once packed, and once as they are, for pickling. Their dtype is that of
        the plan.
    depthwise_activation, stride, padding, dilation, padding_mode, layout, activation
        As in :func:`separable_conv2d`.
    num_threads : int, optional
        For every call of this plan.

    Returns
    -------
    SeparableConvPlan

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`separable_conv2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> depthwise_w, pointwise_w = np.ones((32, 1, 3, 3), np.float32), np.ones((16, 32, 1, 1), np.float32)
    >>> plan = npconv.plan_separable_conv2d((None, 32, 56, 56), depthwise_w, pointwise_w, padding="same")
    >>> plan(np.zeros((2, 32, 56, 56), np.float32)).shape
    (2, 16, 56, 56)
    """
    core = _plan_separable_conv2d(
        x_shape, depthwise_w, pointwise_w, bias, depthwise_bias, depthwise_activation, stride, padding,
        dilation, padding_mode, layout, activation, num_threads,
    )  # fmt: skip
    return wrap(SeparableConvPlan, core)

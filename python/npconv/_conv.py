# SPDX-License-Identifier: BSD-3-Clause
"""conv1d, conv2d, conv3d: one call, everything done in it. For repeated calls see plan_conv."""

from __future__ import annotations

from ._core import conv as _conv
from ._types import Activation, ArrayOf, Float, Ints, Layout, NDArray, Padding, PaddingMode


def conv2d(
    x: ArrayOf[Float],
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
    residual: ArrayOf[Float] | None = None,
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""2-D convolution of images, as neural networks define it.

    .. math:: y[n, o, i, j] = f\Bigl(b[o] + r[n, o, i, j] + \sum_{c, u, v} w[o, c, u, v] \;
              \bar x[n, c, s i + d u, s j + d v]\Bigr)

    with stride s, dilation d, activation f and the padded input :math:`\bar x`. This is cross-correlation;
    ``flip=True`` gives the convolution of mathematics and of ``np.convolve``.

    Parameters
    ----------
    x : array_like of float32 or float64
        Images of shape (batch, channels, height, width); without the batch (channels, height, width); or,
        where `w` too has just two axes, (height, width). With ``layout="channels_last"`` the channels come
        last. Any strides, byte order and alignment.
    w : array_like
        Weights of shape (output channels, channels / groups, kernel height, kernel width), in both layouts.
    bias : array_like of shape (output channels,), optional
        Added to every pixel of a channel.
    stride : int or (int, int)
        Step of the kernel, in pixels.
    padding : int, (int, int), ((top, bottom), (left, right)) or str
        Border around x, in pixels. ``"valid"``: none. ``"full"``: dilation * (kernel - 1) on both sides.
        ``"same"``: output = ceil(input / stride), an odd pixel after (TensorFlow, Keras, and PyTorch at
        stride 1); ``"same_lower"``: an odd pixel before (ONNX); ``"causal"``: all of it before.
    dilation : int or (int, int)
        Distance of the kernel's taps, in pixels.
    groups : int
        Number of groups of channels, which do not see each other; ``groups=channels`` is depthwise.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the border holds: as ``np.pad`` with constant, reflect, edge, wrap; as ``scipy.ndimage`` with
        constant, mirror, nearest, wrap (its ``"reflect"`` is the symmetric of ``np.pad``, which is not
        here). The border is as good as real pixels: a weight of infinity times a zero of the border is NaN.
    flip : bool
        Reverse the kernel on its spatial axes.
    layout : {"channels_first", "channels_last"}
        Of x, residual, out and the result: NCHW or NHWC.
    activation : None, str or tuple
        ``"relu"``, ``"relu6"``, ``"leaky_relu"`` (slope 0.01) or ``("leaky_relu", slope)``,
        ``("clip", low, high)``, ``"sigmoid"``, ``"tanh"``, ``"silu"``, ``"hardswish"``, ``"gelu"`` (erf),
        ``"gelu_tanh"``: within 4 ULP of the function of the sum, NaN kept.
    residual : array_like of the result's shape, optional
        Added before the activation.
    algorithm : str
        ``"auto"``: the one that is estimated to be fastest of ``"gemm"``, ``"depthwise"``, ``"direct"`` and
        ``"winograd"``. ``"measure"``: the one of these that is fastest on arrays of the size of x and the
        result, timed at every call, or once when a plan is made, so that last bits may differ from one time
        to the next. Or one by name, a ValueError with the reason where it cannot serve; Notes tell how exact
        each is:

        - ``"gemm"``, a matrix product, and ``"naive"``, the definition in float64, serve everything.
        - ``"depthwise"``: groups of one input channel; or several groups of as many channels in as out, a
          power of 2 up to the numbers in a vector (of float32 16 with AVX-512, 8 with AVX2, else 4; of
          float64 half as many). The kernel has at most 20,000 taps.
        - ``"direct"``: 1 to 8 output channels of a group.
        - ``"winograd"``: a kernel that is longer than the stride along height or width; in 1-D along the
          length; in 3-D also along the depth alone, with a kernel of 1, stride 1 and no padding along height
          and width. No axis may have both a stride and a dilation (unless its kernel is 1), nor a dilation as
          large as its output. Refused, too, are kernels so long, or layers of so many channels, that the
          error would be more than promised or the workspace too large: those of up to some dozens of taps an
          axis are served.
        - ``"winograd_f2"`` and ``"winograd_f6"``, smaller and larger tiles: the same, where each phase of the
          stride has three taps, or one, along height and width. So without a stride for 3x3, 1x3 and 3x1,
          with stride 2 for 5x5 and 6x6.

        Kernels, strides, dilations and borders of extreme size are left to ``"gemm"`` by all others but
        ``"naive"``.
    out : ndarray, optional
        Where to put the result: of its shape and dtype, C-contiguous but for the batch stride. It may be
        `residual` itself, and may overlap no other argument.
    num_threads : int, optional
        Upper limit on the threads of this call. The result is the same, bit for bit, for any number.

    Returns
    -------
    ndarray
        (batch, output channels, height, width), in the layout and form (batch or not) of x, with
        ``(input + padding - dilation * (kernel - 1) - 1) // stride + 1`` pixels on an axis.

    Raises
    ------
    TypeError
        An argument of the wrong type, or dtypes that do not agree.
    ValueError
        Sizes that do not fit, unknown names, a kernel larger than the padded input, an `out` that cannot
        take the result; `out` is untouched then.
    MemoryError
        The result or the workspace cannot be allocated.

    Notes
    -----
    TensorFlow's and Keras' weights are (kernel height, kernel width, channels, output channels): pass
    ``w.transpose(3, 2, 0, 1)``, which copies nothing. Without it their shape is an error, unless it happens
    to fit: (3, 3, 3, 16) on images of three channels is read as 3 output channels with kernels of 3 x 16
    pixels. The channels of the result tell: ``assert y.shape[-1] == 16`` (``y.shape[1]``, channels first)
    fails then.

    How exact the result is before the activation depends on the algorithm. With u the unit roundoff and
    ``gamma(m) = m u / (1 - m u)`` (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., 2002,
    section 3.1), overflow and underflow aside:

    - ``"gemm"``, ``"depthwise"``, ``"direct"`` and ``"naive"``: each element, a sum over n = kernel x
      channels / groups products, differs from the exact one by at most
      ``gamma(n + 2) * (sum |w| |x| + |b| + |r|)``. Of integers it is exact, if ``sum |w| |x| + |b| + |r|`` is
      at most 2**24 (float32) or 2**53 (float64).
    - ``"winograd"``: by at most ``c u max|x| sum |w|`` and the rounding of bias and residual, with the
      maximum over the tile of x that its outputs share; ``plan.explain()`` prints ``c u``. What is large in
      the tile counts for all of its outputs, so that with sparse or uneven data the bound above does not
      hold, nor are sums of integers exact. The relative L2 error is at most 2e-6 on standard normal float32
      data and weights (1e-14 in float64) of 16 to 2048 channels.
    - ``"winograd_f2"``: the same with a smaller c, and an L2 error of at most 1e-6. It is exact on integers
      where ``max|x| sum |w|`` is at most 2**18 (2**47 in float64) and the sum with bias and residual at most
      2**24 (2**53): all numbers in between are quarters. ``"winograd_f6"``: a larger c, and 1e-5.

    ``"auto"`` and ``"measure"`` may take Winograd's: pass ``algorithm="gemm"`` where the elementwise bound or
    exact integers count.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> image = np.arange(16.0).reshape(4, 4)
    >>> sobel = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    >>> npconv.conv2d(image, sobel)
    array([[8., 8.],
           [8., 8.]])
    """
    return _conv(
        2, x, w, bias, stride, padding, dilation, groups, padding_mode, flip, layout, activation, residual,
        algorithm, out, num_threads,
    )  # fmt: skip


def conv1d(
    x: ArrayOf[Float],
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
    residual: ArrayOf[Float] | None = None,
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""1-D convolution of signals.

    Parameters
    ----------
    x : array_like of float32 or float64
        Signals of shape (batch, channels, length); without the batch (channels, length); or, where `w` too
        has just one axis, (length,). With ``layout="channels_last"`` the channels come last.
    w : array_like
        Weights of shape (output channels, channels / groups, kernel).
    padding : int, ((before, after),) or str
        ``(1, 2)`` is an error: two ints would be those of two axes.
    bias, stride, dilation, groups, padding_mode, flip, layout, activation, residual, algorithm, out, \
    num_threads
        As in :func:`conv2d`.

    Returns
    -------
    ndarray
        (batch, output channels, length), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`conv2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> npconv.conv1d(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5]), padding="full", flip=True)
    array([0. , 1. , 2.5, 4. , 1.5])
    >>> np.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    array([0. , 1. , 2.5, 4. , 1.5])
    """
    return _conv(
        1, x, w, bias, stride, padding, dilation, groups, padding_mode, flip, layout, activation, residual,
        algorithm, out, num_threads,
    )  # fmt: skip


def conv3d(
    x: ArrayOf[Float],
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
    residual: ArrayOf[Float] | None = None,
    algorithm: str = "auto",
    out: NDArray[Float] | None = None,
    num_threads: int | None = None,
) -> NDArray[Float]:
    r"""3-D convolution of volumes and videos.

    Parameters
    ----------
    x : array_like of float32 or float64
        Volumes of shape (batch, channels, depth, height, width); without the batch (channels, depth, height,
        width); or, where `w` too has just three axes, (depth, height, width). With
        ``layout="channels_last"`` the channels come last.
    w : array_like
        Weights of shape (output channels, channels / groups, kernel depth, kernel height, kernel width).
    bias, stride, padding, dilation, groups, padding_mode, flip, layout, activation, residual, algorithm, \
    out, num_threads
        As in :func:`conv2d`, with three spatial axes.

    Returns
    -------
    ndarray
        (batch, output channels, depth, height, width), in the layout and form of x.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As :func:`conv2d`.

    Examples
    --------
    >>> import numpy as np, npconv
    >>> volume = np.ones((4, 4, 4))
    >>> npconv.conv3d(volume, np.full((2, 2, 2), 0.125), stride=2)[0]
    array([[1., 1.],
           [1., 1.]])
    """
    return _conv(
        3, x, w, bias, stride, padding, dilation, groups, padding_mode, flip, layout, activation, residual,
        algorithm, out, num_threads,
    )  # fmt: skip

# SPDX-License-Identifier: BSD-3-Clause
"""Fast convolution and pooling for NumPy arrays on CPUs, with a stated error.

The names and arguments follow ``torch.nn.functional``; arrays are NumPy arrays of float32 or float64, for
maxima and minima also of integers. Gradients are in ``npconv.grad``.

A long call can be ended by Ctrl-C, or by any signal whose Python handler raises: the main thread looks for
signals some ten times a second, between two tasks of the call. The exception leaves ``out`` partly written,
and the weights of a plan as they were.

>>> import numpy as np, npconv
>>> x = np.ones((1, 1, 4, 4), np.float32)      # batch, channels, height, width
>>> w = np.ones((2, 1, 3, 3), np.float32)      # output channels, input channels, kernel
>>> npconv.conv2d(x, w, padding=1).shape
(1, 2, 4, 4)
>>> npconv.max_pool2d(x, 2).shape
(1, 1, 2, 2)
"""

from __future__ import annotations

import os as _os

from . import _core, grad
from ._adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from ._avg_pool import avg_pool1d, avg_pool2d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d
from ._config import show_config
from ._conv import conv1d, conv2d, conv3d
from ._conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d, plan_conv_transpose
from ._global import (
    global_avg_pool1d,
    global_avg_pool2d,
    global_avg_pool3d,
    global_max_pool1d,
    global_max_pool2d,
    global_max_pool3d,
)
from ._grad_plan import plan_conv_input_grad, plan_conv_weight_grad
from ._max_pool import max_pool1d, max_pool2d, max_pool3d
from ._min_pool import min_pool1d, min_pool2d, min_pool3d
from ._plan import ConvPlan, plan_conv
from ._pool_plan import IndexedPoolPlan, PoolPlan, plan_avg_pool, plan_lp_pool, plan_max_pool
from ._separable import SeparableConvPlan, plan_separable_conv2d, separable_conv2d
from ._threads import get_num_threads, num_threads, set_num_threads
from ._unfold import fold1d, fold2d, fold3d, unfold1d, unfold2d, unfold3d
from ._unpool import max_unpool1d, max_unpool2d, max_unpool3d

__version__: str = _core.__version__

__all__ = [
    "ConvPlan",
    "IndexedPoolPlan",
    "PoolPlan",
    "SeparableConvPlan",
    "__version__",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold1d",
    "fold2d",
    "fold3d",
    "get_num_threads",
    "global_avg_pool1d",
    "global_avg_pool2d",
    "global_avg_pool3d",
    "global_max_pool1d",
    "global_max_pool2d",
    "global_max_pool3d",
    "grad",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "min_pool1d",
    "min_pool2d",
    "min_pool3d",
    "num_threads",
    "plan_avg_pool",
    "plan_conv",
    "plan_conv_input_grad",
    "plan_conv_transpose",
    "plan_conv_weight_grad",
    "plan_lp_pool",
    "plan_max_pool",
    "plan_separable_conv2d",
    "separable_conv2d",
    "set_num_threads",
    "show_config",
    "unfold1d",
    "unfold2d",
    "unfold3d",
]

if _isa := _os.environ.get("NPCONV_ISA"):
    _core._set_isa(_isa)  # ValueError that lists what there is

# SPDX-License-Identifier: BSD-3-Clause
"""Gradients of the functions of npconv, each under the name of its function.

They take the gradient with respect to the function's result and return the one with respect to its input, or,
of a convolution, to its weights or its bias.

>>> import numpy as np, npconv
>>> x = np.array([1.0, 4.0, 2.0, 3.0])
>>> y, indices = npconv.max_pool1d(x, 2, return_indices=True)
>>> npconv.grad.max_pool1d(2 * y, indices, x.shape)      # of the sum of y**2
array([0., 8., 0., 6.])
"""

from __future__ import annotations

from ._grad_avg import avg_pool1d, avg_pool2d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d
from ._grad_conv import (
    conv1d_bias,
    conv1d_input,
    conv1d_weight,
    conv2d_bias,
    conv2d_input,
    conv2d_weight,
    conv3d_bias,
    conv3d_input,
    conv3d_weight,
)
from ._grad_conv_transpose import (
    conv_transpose1d_input,
    conv_transpose1d_weight,
    conv_transpose2d_input,
    conv_transpose2d_weight,
    conv_transpose3d_input,
    conv_transpose3d_weight,
)
from ._grad_global import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    global_avg_pool1d,
    global_avg_pool2d,
    global_avg_pool3d,
    global_max_pool1d,
    global_max_pool2d,
    global_max_pool3d,
)
from ._grad_max import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from ._grad_min import min_pool1d, min_pool2d, min_pool3d
from ._grad_plan import InputGradientPlan, WeightGradientPlan, plan_conv_input_grad, plan_conv_weight_grad
from ._grad_unfold import fold1d, fold2d, fold3d, unfold1d, unfold2d, unfold3d

__all__ = [
    "InputGradientPlan",
    "WeightGradientPlan",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d_bias",
    "conv1d_input",
    "conv1d_weight",
    "conv2d_bias",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_bias",
    "conv3d_input",
    "conv3d_weight",
    "conv_transpose1d_input",
    "conv_transpose1d_weight",
    "conv_transpose2d_input",
    "conv_transpose2d_weight",
    "conv_transpose3d_input",
    "conv_transpose3d_weight",
    "fold1d",
    "fold2d",
    "fold3d",
    "global_avg_pool1d",
    "global_avg_pool2d",
    "global_avg_pool3d",
    "global_max_pool1d",
    "global_max_pool2d",
    "global_max_pool3d",
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
    "plan_conv_input_grad",
    "plan_conv_weight_grad",
    "unfold1d",
    "unfold2d",
    "unfold3d",
]

// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/settings.hpp"

#include <cmath>

#include "core/validate.hpp"

namespace npconv {

Settings parse_settings(const Keywords& k, int rank) {
    Settings s;
    s.rank = rank;
    s.stride = parse_ints(k.stride, "stride", rank);
    s.padding = parse_padding(k.padding, rank);
    s.dilation = parse_ints(k.dilation, "dilation", rank);
    s.groups = parse_int(k.groups, "groups");
    s.border = parse_padding_mode(k.padding_mode);
    s.flip = parse_bool(k.flip, "flip");
    s.layout = parse_layout(k.layout);
    s.activation = parse_activation(k.activation);
    s.algorithm = parse_algorithm(k.algorithm);
    s.threads = parse_num_threads(k.num_threads);
    return s;
}

py::dict keywords_of(const Settings& s, std::initializer_list<const char*> lacking) {
    py::dict keywords;
    keywords["stride"] = as_python(s.stride);
    keywords["padding"] = as_python(s.padding);
    keywords["dilation"] = as_python(s.dilation);
    keywords["groups"] = s.groups;
    keywords["padding_mode"] = as_python(s.border);
    keywords["flip"] = s.flip;
    keywords["layout"] = as_python(s.layout);
    keywords["activation"] = as_python(s.activation);
    keywords["algorithm"] = s.algorithm;
    keywords["num_threads"] = s.threads == 0 ? py::object(py::none()) : py::object(py::int_(s.threads));
    for (const char* name : lacking) keywords.attr("pop")(name);
    return keywords;
}

Form form_of(int rank, std::size_t x_ndim, std::size_t w_ndim, const std::string& x_shape, const std::string& w_shape,
             const OperandNames& names) {
    const auto n = static_cast<std::size_t>(rank);
    if (w_ndim == n && x_ndim == n) return Form::single_channel;
    if (w_ndim == n + 2 && x_ndim == n + 2) return Form::batched;
    if (w_ndim == n + 2 && x_ndim == n + 1) return Form::unbatched;
    const std::string x = names.x;
    throw py::value_error(x + " and " + names.w + " must have " + std::to_string(n + 2) + " axes each (" + x + " may lack the batch), or " +
                          std::to_string(n) + " each for a single channel, for a convolution over " + spatial_axes(rank) + "; got " +
                          names.x_with(x_shape) + " and " + names.w_with(w_shape));
}

void check_activation(const ActivationSpec& activation, DType dtype, const std::string& argument) {
    if (dtype == DType::f32 && activation.kind == Activation::leaky_relu && !std::isfinite(static_cast<float>(activation.a))) {
        throw py::value_error(argument + ": the slope of leaky_relu must be finite in float32, got " + std::to_string(activation.a));
    }
}

Problem make_problem(const Settings& s, DType dtype, Form form, const Sizes& x, const std::vector<std::int64_t>& w_shape,
                     const OperandNames& names) {
    ConvRequest request;
    request.names = names;
    request.rank = s.rank;
    request.batch = x.batch;
    request.channels = x.channels;
    request.input = x.spatial;
    if (form != Form::single_channel) {
        request.w_out = w_shape[0];
        request.w_in = w_shape[1];
    }
    request.kernel.assign(w_shape.end() - s.rank, w_shape.end());
    request.stride = s.stride;
    request.dilation = s.dilation;
    request.groups = s.groups;
    request.padding = s.padding;
    request.border = s.border;
    request.dtype = dtype;
    request.layout = s.layout;

    Problem problem;
    problem.shape = validate(request);
    problem.dtype = dtype;
    problem.layout = s.layout;
    problem.border = s.border;
    problem.flip = s.flip;
    problem.activation = s.activation;
    check_activation(s.activation, dtype);
    // One channel in and one out: both layouts are the same memory.
    const ConvShape& shape = problem.shape;
    if (shape.groups * shape.in_channels == 1 && shape.groups * shape.out_channels == 1) problem.layout = Layout::channels_first;
    return problem;
}

}  // namespace npconv

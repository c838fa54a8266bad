// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/settings.hpp"

#include <cmath>

namespace npconv {

Settings parse_settings(const Keywords& k, int rank) {
    Settings s;
    s.request.rank = rank;
    s.request.stride = parse_ints(k.stride, "stride", rank);
    s.request.padding = parse_padding(k.padding, rank);
    s.request.dilation = parse_ints(k.dilation, "dilation", rank);
    if (k.groups) s.request.groups = parse_int(k.groups, "groups");
    if (k.padding_mode) s.request.border = parse_padding_mode(k.padding_mode);
    if (k.flip) s.flip = parse_bool(k.flip, "flip");
    s.request.layout = parse_layout(k.layout);
    if (k.activation) s.activation = parse_activation(k.activation);
    if (k.algorithm) s.algorithm = parse_algorithm(k.algorithm);
    s.threads = parse_num_threads(k.num_threads);
    if (k.output_padding) {
        s.transposed = true;
        s.request.output_padding = parse_ints(k.output_padding, "output_padding", rank);
        if (k.output_size && !k.output_size.is_none()) s.request.output_size = parse_ints(k.output_size, "output_size", rank);
    }
    return s;
}

py::dict keywords_of(const Settings& s, std::initializer_list<const char*> lacking) {
    py::dict keywords;
    keywords["stride"] = as_python(s.request.stride);
    keywords["padding"] = as_python(s.request.padding);
    keywords["dilation"] = as_python(s.request.dilation);
    keywords["groups"] = s.request.groups;
    keywords["layout"] = as_python(s.request.layout);
    keywords["activation"] = as_python(s.activation);
    keywords["algorithm"] = s.algorithm;
    keywords["num_threads"] = threads_as_python(s.threads);
    if (s.transposed) {
        keywords["output_padding"] = as_python(s.request.output_padding);
        keywords["output_size"] = s.request.output_size.empty() ? py::object(py::none()) : py::object(as_python(s.request.output_size));
    } else {
        keywords["padding_mode"] = as_python(s.request.border);
        keywords["flip"] = s.flip;
    }
    for (const char* name : lacking) keywords.attr("pop")(name);
    return keywords;
}

void check_activation(const ActivationSpec& activation, DType dtype, const std::string& argument) {
    if (dtype == DType::f32 && activation.kind == Activation::leaky_relu && !std::isfinite(static_cast<float>(activation.a))) {
        throw py::value_error(argument + ": the slope of leaky_relu must be finite in float32, got " + std::to_string(activation.a));
    }
}

Frame frame_of(const Settings& s, const PlannedShape& x, const Shape& w, const OperandNames& names) {
    const auto n = static_cast<std::size_t>(s.request.rank);
    Frame frame{s.request.rank, Form::batched, s.request.layout};
    if (w.size() == n && x.sizes.size() == n) {
        frame.form = Form::single_channel;
    } else if (w.size() == n + 2 && x.sizes.size() == n + 1) {
        frame.form = Form::unbatched;
    } else if (w.size() != n + 2 || x.sizes.size() != n + 2) {
        const std::string called = names.x;
        throw py::value_error(called + " and " + names.w + " must have " + std::to_string(n + 2) + " axes each (" + called +
                              " may lack the batch), or " + std::to_string(n) + " each for a single channel, for a convolution over " +
                              spatial_axes(s.request.rank) + "; got " + names.x_with(x.text()) + " and " + names.w_with(tuple_text(w)));
    }
    x.check_free_batch(frame.form);
    return frame;
}

Problem make_problem(Settings& s, DType dtype, const Frame& frame, const PlannedShape& x, const Shape& w, const OperandNames& names) {
    TransposedRequest& request = s.request;
    Sizes sizes = sizes_of(x.sizes, frame);
    request.names = names;
    request.dtype = dtype;
    request.batch = sizes.batch;
    request.channels = sizes.channels;
    request.input = std::move(sizes.spatial);
    if (frame.form != Form::single_channel) {
        request.w_out = w[s.transposed ? 1 : 0];
        request.w_in = w[s.transposed ? 0 : 1];
    }
    request.kernel.assign(w.end() - frame.rank, w.end());

    Problem problem;
    problem.shape = s.transposed ? validate_transposed(request) : validate(request);
    problem.free_batch = x.free_batch;
    problem.dtype = dtype;
    problem.layout = frame.layout;
    problem.border = request.border;
    problem.flip = s.flip;
    problem.activation = s.activation;
    check_activation(s.activation, dtype);
    // One channel in and one out: both layouts are the same memory.
    const ConvShape& shape = problem.shape;
    if (shape.groups * shape.in_channels == 1 && shape.groups * shape.out_channels == 1) problem.layout = Layout::channels_first;
    return problem;
}

PlannedShape result_of(const Settings& settings, const ConvShape& shape, const Frame& frame, bool free_batch) {
    const ConvShape s = settings.transposed ? with_result_as_output(shape) : shape;
    Sizes sizes{s.batch, s.groups * s.out_channels, {}};
    sizes.spatial.reserve(3);
    for (std::size_t i = static_cast<std::size_t>(3 - frame.rank); i < 3; ++i) sizes.spatial.push_back(s.axis[i].output);
    return {shape_in(frame, sizes), free_batch, {}};
}

void check_bias(const Arrays& arrays, std::size_t i, std::int64_t channels, const char* each) {
    if (!arrays.has(i) || (arrays[i].ndim() == 1 && arrays[i].shape(0) == channels)) return;
    throw py::value_error(std::string(arrays.name(i)) + " must have shape (" + std::to_string(channels) + ",), one number for each " +
                          each + "; got " + shape_text(arrays[i]));
}

}  // namespace npconv

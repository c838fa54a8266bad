// SPDX-License-Identifier: BSD-3-Clause
// conv and Plan: array -> view -> optional out -> one block without the GIL -> return.
#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "core/validate.hpp"
#include "kernels/registry.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

// The keywords that conv{N}d and plan_conv share, as they come from Python.
struct Keywords {
    py::handle stride, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads;
};

// What is known of a call before its sizes are judged.
struct Call {
    int rank = 2;
    Form form = Form::batched;
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    Padding padding;
};

[[noreturn]] void refuse_ranks(int rank, const std::string& x_shape, const py::array& w) {
    const std::string n = std::to_string(rank);
    throw py::value_error("x and w must have " + std::to_string(rank + 2) + " axes each (x may lack the batch), or " + n +
                          " each for a single channel, for a convolution over " + spatial_axes(rank) + "; got x of shape " + x_shape +
                          " and w of shape " + shape_text(w));
}

Form form_of(int rank, int x_ndim, const std::string& x_shape, const py::array& w) {
    const int w_ndim = static_cast<int>(w.ndim());
    if (w_ndim == rank && x_ndim == rank) return Form::single_channel;
    if (w_ndim != rank + 2) refuse_ranks(rank, x_shape, w);
    if (x_ndim == rank + 2) return Form::batched;
    if (x_ndim == rank + 1) return Form::unbatched;
    refuse_ranks(rank, x_shape, w);
}

Problem make_problem(const Call& call, const Sizes& x, const py::array& w, const Keywords& keywords) {
    const int rank = call.rank;
    ConvRequest request;
    request.rank = rank;
    request.batch = x.batch;
    request.channels = x.channels;
    request.input = x.spatial;
    const auto* w_shape = w.shape();
    if (call.form != Form::single_channel) {
        request.w_out = w_shape[0];
        request.w_in = w_shape[1];
        w_shape += 2;
    }
    request.kernel.assign(w_shape, w_shape + rank);
    request.stride = parse_ints(keywords.stride, "stride", rank);
    request.dilation = parse_ints(keywords.dilation, "dilation", rank);
    request.groups = parse_int(keywords.groups, "groups");
    request.dtype = call.dtype;
    request.padding = call.padding;
    request.border = parse_padding_mode(keywords.padding_mode);

    Problem problem;
    problem.dtype = call.dtype;
    problem.layout = call.layout;
    problem.border = request.border;
    problem.flip = parse_flip(keywords.flip);
    problem.activation = parse_activation(keywords.activation, call.dtype);
    problem.kernels = &active_kernels();
    problem.shape = validate(request);
    return problem;
}

// bias, checked; an array of no axes stands for none.
std::optional<py::array> checked_bias(py::handle value, DType dtype, const char* of, std::int64_t channels) {
    if (value.is_none()) return std::nullopt;
    const py::array bias = as_array(value, "bias");
    expect_dtype(bias, "bias", dtype, of);
    if (bias.ndim() != 1 || bias.shape(0) != channels) {
        throw py::value_error("bias must have shape (" + std::to_string(channels) + ",), one number for each output channel; got " +
                              shape_text(bias));
    }
    return readable(bias);
}

template <class T>
WeightsView<T> weights_of(const py::array& w, int rank, const std::optional<py::array>& bias) {
    WeightsView<T> view;
    view.w = weights_view<T>(w, rank);
    if (bias) {
        view.bias = static_cast<const T*>(bias->data());
        view.bias_stride = bias->shape(0) < 2 ? 0 : bias->strides(0) / bias->itemsize();
    }
    return view;
}

std::unique_ptr<ConvPlan> make_plan(const Call& call, const Problem& problem, const std::string& algorithm, Packing packing,
                                    const py::array& w, const std::optional<py::array>& bias, int threads) {
    const py::gil_scoped_release release;
    if (call.dtype == DType::f32)
        return std::make_unique<ConvPlan>(problem, algorithm, packing, weights_of<float>(w, call.rank, bias), threads);
    return std::make_unique<ConvPlan>(problem, algorithm, packing, weights_of<double>(w, call.rank, bias), threads);
}

Sizes output_sizes(const ConvShape& s, int rank) {
    Sizes sizes;
    sizes.batch = s.batch;
    sizes.channels = s.groups * s.out_channels;
    for (int i = 3 - rank; i < 3; ++i) sizes.spatial.push_back(s.axis[static_cast<std::size_t>(i)].output);
    return sizes;
}

// Arrays of one run, checked, with the output allocated.
struct RunArrays {
    py::array x;
    std::optional<py::array> residual;
    py::array out;
};

RunArrays prepare(const Call& call, const ConvShape& shape, const py::array& x, py::handle residual, py::handle out, const char* of) {
    const std::vector<py::ssize_t> wanted = output_shape(output_sizes(shape, call.rank), call.form, call.layout);
    RunArrays arrays;
    arrays.x = readable(x);
    std::optional<py::array> given_residual;
    if (!residual.is_none()) {
        given_residual = as_array(residual, "residual");
        expect_dtype(*given_residual, "residual", call.dtype, of);
        if (std::vector<py::ssize_t>(given_residual->shape(), given_residual->shape() + given_residual->ndim()) != wanted) {
            throw py::value_error("residual must have the shape of the result, " + std::string(py::str(py::tuple(py::cast(wanted)))) +
                                  "; got " + shape_text(*given_residual));
        }
        arrays.residual = readable(*given_residual);
    }
    if (out.is_none()) {
        arrays.out = py::array(call.dtype == DType::f32 ? py::dtype::of<float>() : py::dtype::of<double>(), wanted);
        return arrays;
    }
    arrays.out = checked_out(out, call.dtype, of, wanted, call.form);
    refuse_overlap(arrays.out, x, "x", false);
    if (given_residual) refuse_overlap(arrays.out, *given_residual, "residual", true);
    return arrays;
}

template <class T>
void run(const Call& call, const ConvPlan& plan, const ConvShape& shape, RunArrays& arrays, int threads) {
    Operands<T> io;
    io.x = view_of<T>(arrays.x, call.rank, call.form, call.layout);
    if (arrays.residual) io.residual = view_of<T>(*arrays.residual, call.rank, call.form, call.layout);
    io.y = static_cast<T*>(arrays.out.mutable_data());
    io.y_batch = call.form == Form::batched && arrays.out.shape(0) > 1 ? arrays.out.strides(0) / arrays.out.itemsize() : 0;
    const py::gil_scoped_release release;
    plan.run(shape, io, threads);
}

py::array run(const Call& call, const ConvPlan& plan, const ConvShape& shape, RunArrays& arrays, int threads) {
    if (call.dtype == DType::f32) {
        run<float>(call, plan, shape, arrays, threads);
    } else {
        run<double>(call, plan, shape, arrays, threads);
    }
    return arrays.out;
}

// conv{N}d
py::array conv(int rank, py::handle x_value, py::handle w_value, py::handle bias_value, py::handle stride, py::handle padding,
               py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle activation,
               py::handle residual, py::handle algorithm, py::handle out, py::handle num_threads) {
    const Keywords keywords{stride, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads};
    const py::array x = as_array(x_value, "x");
    Call call;
    call.rank = rank;
    call.dtype = dtype_of(x, "x");
    const py::array w = as_array(w_value, "w");
    expect_dtype(w, "w", call.dtype, "x");
    call.layout = parse_layout(layout);
    call.form = form_of(rank, static_cast<int>(x.ndim()), shape_text(x), w);
    call.padding = parse_padding(padding, rank);
    const std::string wanted = parse_algorithm(algorithm);
    const int explicit_threads = parse_num_threads(num_threads);
    const std::vector<std::int64_t> x_shape(x.shape(), x.shape() + x.ndim());
    const Sizes sizes = sizes_of(x_shape.data(), rank, call.form, call.layout);
    const Problem problem = make_problem(call, sizes, w, keywords);
    const auto bias = checked_bias(bias_value, call.dtype, "x", problem.shape.groups * problem.shape.out_channels);
    RunArrays arrays = prepare(call, problem.shape, x, residual, out, "x");
    if (!out.is_none()) {
        refuse_overlap(arrays.out, w, "w", false);
        if (bias) refuse_overlap(arrays.out, *bias, "bias", false);
    }
    const int threads = threads_for_call(explicit_threads);
    const auto plan = make_plan(call, problem, wanted, Packing::every_call, readable(w), bias, threads);
    return run(call, *plan, problem.shape, arrays, threads);
}

// x_shape: ints, and None for a free batch.
std::vector<std::int64_t> parse_x_shape(py::handle value, bool& free_batch) {
    const std::string expected = "x_shape must be a tuple of ints (None for any batch), got ";
    if (!PyTuple_Check(value.ptr()) && !PyList_Check(value.ptr())) throw py::type_error(expected + shown(value));
    std::vector<std::int64_t> shape;
    free_batch = false;
    for (const py::handle item : py::reinterpret_borrow<py::sequence>(value)) {
        if (item.is_none()) {
            if (!shape.empty()) throw py::value_error("x_shape may have None for the batch only, its first entry; got " + shown(value));
            free_batch = true;
            shape.push_back(1);
            continue;
        }
        shape.push_back(parse_int(item, "x_shape"));
        if (shape.back() < 0) throw py::value_error("x_shape must not have negative entries, got " + shown(value));
    }
    return shape;
}

class Plan {
  public:
    Plan(py::handle x_shape, py::handle w_value, py::handle bias_value, py::handle stride, py::handle padding, py::handle dilation,
         py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle activation, py::handle algorithm,
         py::handle num_threads) {
        const Keywords keywords{stride, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads};
        const py::array w = as_array(w_value, "w");
        call_.dtype = dtype_of(w, "w");
        call_.layout = parse_layout(layout);
        x_shape_ = parse_x_shape(x_shape, free_batch_);
        const int ndim = static_cast<int>(x_shape_.size());
        call_.rank = infer_rank(ndim, x_shape, w);
        call_.form = form_of(call_.rank, ndim, shown(x_shape), w);
        check_free_batch(x_shape);
        const std::string wanted = parse_algorithm(algorithm);
        explicit_threads_ = parse_num_threads(num_threads);
        call_.padding = parse_padding(padding, call_.rank);
        const Sizes sizes = sizes_of(x_shape_.data(), call_.rank, call_.form, call_.layout);
        Problem problem = make_problem(call_, sizes, w, keywords);
        problem.free_batch = free_batch_;
        w_shape_.assign(w.shape(), w.shape() + w.ndim());
        const auto bias = checked_bias(bias_value, call_.dtype, "w", problem.shape.groups * problem.shape.out_channels);
        plan_ = make_plan(call_, problem, wanted, Packing::once, readable(w), bias, threads());
    }

    py::array operator()(py::handle x_value, py::handle residual, py::handle out) const {
        const py::array x = as_array(x_value, "x");
        expect_dtype(x, "x", call_.dtype, "the plan");
        expect_x_shape(x);
        const ConvShape& planned = plan_->problem().shape;
        const ConvShape shape = free_batch_ ? with_batch(planned, x.shape(0), call_.dtype) : planned;
        RunArrays arrays = prepare(call_, shape, x, residual, out, "the plan");
        return run(call_, *plan_, shape, arrays, threads());
    }

    Plan for_shape(py::handle x_shape) const {
        Plan other(*this, parse_x_shape_of_form(x_shape));
        return other;
    }

    void update_weights(py::handle w_value, py::handle bias_value) {
        const py::array w = as_array(w_value, "w");
        expect_dtype(w, "w", call_.dtype, "the plan");
        const std::vector<std::int64_t> got(w.shape(), w.shape() + w.ndim());
        if (got != w_shape_)
            throw py::value_error("w must have the shape that the plan was made for, " + tuple_text(w_shape_) + "; got " + shape_text(w));
        const ConvShape& s = plan_->problem().shape;
        const auto bias = checked_bias(bias_value, call_.dtype, "the plan", s.groups * s.out_channels);
        const py::array source = readable(w);
        const py::gil_scoped_release release;
        if (call_.dtype == DType::f32) {
            plan_->update_weights(weights_of<float>(source, call_.rank, bias));
        } else {
            plan_->update_weights(weights_of<double>(source, call_.rank, bias));
        }
    }

    std::string algorithm() const { return entry_of(plan_->decision().algorithm).name; }
    std::int64_t flops() const { return 2 * plan_->problem().shape.macs(); }
    std::int64_t workspace_bytes() const { return plan_->workspace_bytes(threads()); }
    std::int64_t packed_bytes() const { return plan_->packed_bytes(); }
    std::string explain() const {
        return npconv::explain(plan_->problem(), plan_->decision(), {threads(), workspace_bytes(), packed_bytes()});
    }

    py::tuple output_shape() const {
        return with_free_batch(npconv::output_shape(output_sizes(plan_->problem().shape, call_.rank), call_.form, call_.layout));
    }
    py::tuple x_shape() const { return with_free_batch({x_shape_.begin(), x_shape_.end()}); }

  private:
    struct Shape {
        std::vector<std::int64_t> x;
        bool free_batch;
    };

    Plan(const Plan& other, const Shape& shape)
        : call_(other.call_),
          x_shape_(shape.x),
          free_batch_(shape.free_batch),
          w_shape_(other.w_shape_),
          explicit_threads_(other.explicit_threads_) {
        const ConvShape& s = other.plan_->problem().shape;
        const Sizes sizes = sizes_of(x_shape_.data(), call_.rank, call_.form, call_.layout);
        ConvRequest request;
        request.rank = call_.rank;
        request.batch = sizes.batch;
        request.channels = sizes.channels;
        request.input = sizes.spatial;
        request.w_out = s.groups * s.out_channels;
        request.w_in = s.in_channels;
        request.groups = s.groups;
        request.dtype = call_.dtype;
        request.border = other.plan_->problem().border;
        for (int i = 3 - call_.rank; i < 3; ++i) {
            const Axis& a = s.axis[static_cast<std::size_t>(i)];
            request.kernel.push_back(a.kernel);
            request.stride.push_back(a.stride);
            request.dilation.push_back(a.dilation);
        }
        request.padding = call_.padding;  // "same" pads another size otherwise
        plan_ = std::make_unique<ConvPlan>(*other.plan_, validate(request), free_batch_);
    }

    static int infer_rank(int x_ndim, py::handle x_shape, const py::array& w) {
        const int n = static_cast<int>(w.ndim()) - 2;
        if (n >= 1 && n <= 3 && (x_ndim == n + 1 || x_ndim == n + 2)) return n;
        if (x_ndim >= 1 && x_ndim <= 3 && x_ndim == n + 2) return x_ndim;
        throw py::value_error(
            "x_shape and w must have N + 2 axes each (x_shape may lack the batch), or N each for a single channel, with N = 1, 2 or 3; got "
            "x_shape " +
            shown(x_shape) + " and w of shape " + shape_text(w));
    }

    void check_free_batch(py::handle x_shape) const {
        if (free_batch_ && call_.form != Form::batched) {
            throw py::value_error("x_shape may have None for the batch only, and has no batch axis here; got " + shown(x_shape));
        }
    }

    Shape parse_x_shape_of_form(py::handle value) const {
        Shape shape{};
        shape.x = parse_x_shape(value, shape.free_batch);
        if (shape.x.size() != x_shape_.size()) {
            throw py::value_error("x_shape must have as many axes as the plan's, " + std::string(py::str(x_shape())) + "; got " +
                                  shown(value));
        }
        if (shape.free_batch && call_.form != Form::batched) {
            throw py::value_error("x_shape may have None for the batch only, and has no batch axis here; got " + shown(value));
        }
        return shape;
    }

    void expect_x_shape(const py::array& x) const {
        bool fits = static_cast<std::size_t>(x.ndim()) == x_shape_.size();
        for (std::size_t i = 0; fits && i < x_shape_.size(); ++i)
            fits = (i == 0 && free_batch_) || x.shape(static_cast<py::ssize_t>(i)) == x_shape_[i];
        if (!fits)
            throw py::value_error("x must have the shape that the plan was made for, " + std::string(py::str(x_shape())) + "; got " +
                                  shape_text(x));
    }

    py::tuple with_free_batch(const std::vector<py::ssize_t>& shape) const {
        py::tuple result(shape.size());
        for (std::size_t i = 0; i < shape.size(); ++i)
            result[i] = i == 0 && free_batch_ ? py::object(py::none()) : py::object(py::int_(shape[i]));
        return result;
    }

    int threads() const { return threads_for_call(explicit_threads_); }

    Call call_;
    std::vector<std::int64_t> x_shape_;
    bool free_batch_ = false;
    std::vector<std::int64_t> w_shape_;
    int explicit_threads_ = 0;
    std::unique_ptr<ConvPlan> plan_;
};

}  // namespace

void register_conv(py::module_& m) {
    m.def("conv", &conv, "conv{N}d: rank, x, w, bias, then the keywords in the order of the public signature");
    py::class_<Plan>(m, "Plan", py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)))
        .def(py::init<py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                      py::handle, py::handle, py::handle, py::handle>())
        .def("__call__", &Plan::operator())
        .def("for_shape", &Plan::for_shape)
        .def("update_weights", &Plan::update_weights)
        .def("explain", &Plan::explain)
        .def_property_readonly("algorithm", &Plan::algorithm)
        .def_property_readonly("x_shape", &Plan::x_shape)
        .def_property_readonly("output_shape", &Plan::output_shape)
        .def_property_readonly("flops", &Plan::flops)
        .def_property_readonly("workspace_bytes", &Plan::workspace_bytes)
        .def_property_readonly("packed_bytes", &Plan::packed_bytes);
}

}  // namespace npconv

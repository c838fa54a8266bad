// SPDX-License-Identifier: BSD-3-Clause
// Pooling with windows, as Python sees it: max_pool{N}d, min_pool{N}d, avg_pool{N}d, lp_pool{N}d, and plan_max_pool, plan_avg_pool,
// plan_lp_pool.
#include <pybind11/pybind11.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/pooling.hpp"
#include "bindings/context.hpp"
#include "bindings/planned_call.hpp"
#include "bindings/pool_arguments.hpp"
#include "bindings/register.hpp"

namespace npconv {
namespace {

// What is made of each window, as Python says it: null handles are no arguments of the function.
struct RuleKeywords {
    PoolKind kind;
    py::handle return_indices, count_include_pad, divisor_override, norm_type;
};

PoolRule parse_rule(const RuleKeywords& k) {
    PoolRule rule{k.kind};
    if (k.return_indices) rule.places = parse_bool(k.return_indices, "return_indices");
    if (k.count_include_pad) rule.average = {parse_bool(k.count_include_pad, "count_include_pad"), parse_divisor(k.divisor_override)};
    if (k.norm_type) rule.power = parse_norm_type(k.norm_type);
    return rule;
}

class Pooling final : public Operation {
  public:
    Pooling(int rank, const WindowKeywords& windows, const RuleKeywords& rule, py::handle layout, py::handle num_threads)
        : Pooling{parse_windows(windows, rank),
                  parse_rule(rule),
                  {rank, Form::batched, parse_layout(layout)},
                  parse_num_threads(num_threads)} {}  // braces: parsed in this order
    Pooling(PoolRequest windows, PoolRule rule, Frame frame, int threads)
        : windows_(std::move(windows)), rule_(std::move(rule)), frame_(frame) {
        constexpr const char* makers[] = {"plan_max_pool", "plan_min_pool", "plan_avg_pool", "plan_lp_pool"};
        maker = makers[static_cast<std::size_t>(rule_.kind)];
        kind = "a pooling";
        asked_threads = threads;
    }

    DType dtype_from(const py::array& array, const char* name) const override { return dtype_of(array, name, accepted()); }
    Accepted accepted() const { return extreme() ? Accepted::numbers : Accepted::reals; }

    void ask(PlannedShape shape, const Arrays& /*arrays*/, std::size_t /*weight*/, DType type, const OperandNames& names) override {
        dtype = type;
        x = std::move(shape);
        form = frame_.form = form_of_axes(x.sizes, frame_.rank, names.x, "pooling", x.given);
        x.check_free_batch(form);
        const Sizes sizes = sizes_of(x.sizes, frame_);
        shape_ = pool_shape(windows_, sizes, names.x);
        result = y = {shape_in(frame_, {sizes.batch, sizes.channels, spatial_of(shape_, frame_.rank, &Axis::output)}), x.free_batch, {}};
        if (rule_.kind != PoolKind::norm) effort_ = effort_of(shape_.axis, shape_.channels, shape_.channels, 1);  // powers take long
    }
    // The sizes of x fit, because x is there; those of the result are asked for.
    void check_batch(std::int64_t batch) const override {
        times(times(times(batch, std::max<std::int64_t>(shape_.channels, 1), of_result), shape_.outputs(), of_result), 8, of_result);
    }

    py::object run(const Call& call, Arrays& arrays, const Result& to) const override {
        py::array places = rule_.places ? new_array(DType::i64, call.result) : no_array();
        auto* const at = rule_.places ? static_cast<std::int64_t*>(places.mutable_data()) : nullptr;
        const PoolOperands io{view_of(arrays[0], {frame_.rank, call.form, frame_.layout}), to.data<void>(), to.batch_step, at};
        compute(call, [&] {
            if (plans_.empty()) return pool(shape_, rule_, {dtype, frame_.layout, &current_context(), call.threads}, io);
            const PoolExecution& plan = plans_[side_by_side(frame_.layout, shape_.channels, shape_.axis[2].input, io.x) ? 1 : 0];
            if (call.batch == shape_.batch) return run_pool(plan, io, call.threads);
            if (call.batch > 0) run_pool(plan.with_batch(call.batch), io, call.threads);
        });
        return rule_.places ? py::object(py::make_tuple(to.given, places)) : to.given;
    }

    void pack(const Arrays& /*arrays*/, int /*threads*/) override {
        // Larger arrays do not exist, and what a tiling multiplies would not fit in 64 bits.
        constexpr std::int64_t most = std::int64_t{1} << 40;
        if (shape_.planes() > most / std::max({std::int64_t{1}, shape_.inputs(), shape_.outputs()})) {
            throw py::value_error("x_shape must be that of an array, and a result, of at most 2^40 elements; got " + x.text());
        }
        for (std::size_t i = plans_.size(); !shape_.empty() && i < 2; ++i) plans_.push_back(plan_pool(problem(i == 1), current_context()));
    }
    std::unique_ptr<Operation> for_shape(PlannedShape shape) const override {
        auto other = std::make_unique<Pooling>(windows_, rule_, frame_, asked_threads);
        other->ask(std::move(shape), Arrays({}), 0, dtype, planned_names);
        other->pack(Arrays({}), 0);
        return other;
    }
    py::dict keywords() const override {
        py::dict keywords;
        keywords["kernel_size"] = as_python(windows_.kernel);
        keywords["stride"] = as_python(windows_.stride);
        keywords["padding"] = as_python(windows_.padding);
        keywords["dilation"] = as_python(windows_.dilation);
        keywords["ceil_mode"] = windows_.ceil_mode;
        keywords["layout"] = as_python(frame_.layout);
        keywords["dtype"] = name_of(dtype);
        keywords["num_threads"] = threads_as_python(asked_threads);
        if (extreme()) keywords["return_indices"] = rule_.places;
        if (rule_.kind == PoolKind::norm) keywords["norm_type"] = rule_.power;
        if (rule_.kind == PoolKind::average) {
            keywords["count_include_pad"] = rule_.average.count_include_pad;
            keywords["divisor_override"] = rule_.average.divisor ? py::object(py::int_(*rule_.average.divisor)) : py::object(py::none());
        }
        return keywords;
    }
    std::string algorithm() const override { return plans_.empty() ? "none" : name_of(plans_[1].way); }
    std::int64_t flops() const override { return operations_of(shape_); }
    std::int64_t workspace_bytes(int threads) const override {
        std::int64_t most = 0;
        for (const PoolExecution& plan : plans_) most = std::max(most, most_workspace_bytes(plan, x.free_batch, threads));
        return most;
    }
    std::string explain(int threads) const override {
        return npconv::explain(problem(true), x.free_batch, plans_.empty() ? nullptr : &plans_[1], {threads, workspace_bytes(threads), 0});
    }

  private:
    static constexpr const char* of_result = "the size of the result in bytes";
    PoolProblem problem(bool neighbours) const { return {shape_, rule_, dtype, frame_.layout, false, neighbours}; }
    bool extreme() const { return rule_.kind == PoolKind::maximum || rule_.kind == PoolKind::minimum; }

    PoolRequest windows_;
    PoolRule rule_;
    Frame frame_;
    PoolShape shape_;
    std::vector<PoolExecution> plans_;  // of an x without neighbours side by side, and with them
};

py::object pool_once(int rank, py::handle x, const WindowKeywords& windows, const RuleKeywords& rule, py::handle layout, py::handle out,
                     py::handle num_threads) {
    Pooling operation(rank, windows, rule, layout, num_threads);
    Arrays arrays({{"x", x}}, out);
    return call_once(operation, arrays);
}

// The N of a plan, which it is not told: the entries of kernel_size. An int leaves it to x_shape, which is read with its batch and
// channels.
int rank_of_windows(const PlannedShape& x, py::handle kernel_size) {
    const bool sequence = is_sequence(kernel_size);
    const std::size_t n = sequence ? snapshot(kernel_size).size() : x.sizes.size() - 2;
    if (n >= 1 && n <= 3) return static_cast<int>(n);
    if (sequence) throw py::value_error("kernel_size must be an int or a tuple of 1, 2 or 3 ints, got " + shown(kernel_size));
    throw py::value_error("x_shape must have 3, 4 or 5 axes, batch and channels included, where kernel_size is an int; for others give a " +
                          std::string("kernel_size with an int for each spatial axis; got x_shape ") + x.text() + " and kernel_size " +
                          shown(kernel_size));
}

PlannedCall plan_pool(py::handle x_shape, const WindowKeywords& windows, const RuleKeywords& rule, py::handle layout, py::handle dtype,
                      py::handle num_threads) {
    PlannedShape x = parse_x_shape(x_shape);
    const int rank = rank_of_windows(x, windows.kernel_size);
    auto operation = std::make_unique<Pooling>(rank, windows, rule, layout, num_threads);
    const DType type = parse_dtype(dtype, operation->accepted());
    return {std::move(operation), std::move(x), Arrays({}), type};
}

template <PoolKind kind>
py::object py_extreme_pool(int rank, py::handle x, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                           py::handle ceil_mode, py::handle return_indices, py::handle layout, py::handle out, py::handle num_threads) {
    return pool_once(rank, x, {kernel_size, stride, padding, dilation, ceil_mode}, {kind, return_indices, {}, {}, {}}, layout, out,
                     num_threads);
}

py::object py_avg_pool(int rank, py::handle x, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                       py::handle ceil_mode, py::handle count_include_pad, py::handle divisor_override, py::handle layout, py::handle out,
                       py::handle num_threads) {
    return pool_once(rank, x, {kernel_size, stride, padding, dilation, ceil_mode},
                     {PoolKind::average, {}, count_include_pad, divisor_override, {}}, layout, out, num_threads);
}

py::object py_lp_pool(int rank, py::handle x, py::handle norm_type, py::handle kernel_size, py::handle stride, py::handle padding,
                      py::handle dilation, py::handle ceil_mode, py::handle layout, py::handle out, py::handle num_threads) {
    return pool_once(rank, x, {kernel_size, stride, padding, dilation, ceil_mode}, {PoolKind::norm, {}, {}, {}, norm_type}, layout, out,
                     num_threads);
}

PlannedCall plan_max_pool(py::handle x_shape, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                          py::handle ceil_mode, py::handle return_indices, py::handle layout, py::handle dtype, py::handle num_threads) {
    return plan_pool(x_shape, {kernel_size, stride, padding, dilation, ceil_mode}, {PoolKind::maximum, return_indices, {}, {}, {}}, layout,
                     dtype, num_threads);
}

PlannedCall plan_avg_pool(py::handle x_shape, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                          py::handle ceil_mode, py::handle count_include_pad, py::handle divisor_override, py::handle layout,
                          py::handle dtype, py::handle num_threads) {
    return plan_pool(x_shape, {kernel_size, stride, padding, dilation, ceil_mode},
                     {PoolKind::average, {}, count_include_pad, divisor_override, {}}, layout, dtype, num_threads);
}

PlannedCall plan_lp_pool(py::handle x_shape, py::handle norm_type, py::handle kernel_size, py::handle stride, py::handle padding,
                         py::handle dilation, py::handle ceil_mode, py::handle layout, py::handle dtype, py::handle num_threads) {
    return plan_pool(x_shape, {kernel_size, stride, padding, dilation, ceil_mode}, {PoolKind::norm, {}, {}, {}, norm_type}, layout, dtype,
                     num_threads);
}

}  // namespace

void register_window_pool(py::module_& m) {
    m.def("max_pool", &py_extreme_pool<PoolKind::maximum>);
    m.def("min_pool", &py_extreme_pool<PoolKind::minimum>);
    m.def("avg_pool", &py_avg_pool);
    m.def("lp_pool", &py_lp_pool);
    m.def("plan_max_pool", &plan_max_pool);
    m.def("plan_avg_pool", &plan_avg_pool);
    m.def("plan_lp_pool", &plan_lp_pool);
}

}  // namespace npconv

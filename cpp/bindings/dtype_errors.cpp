// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/dtype_errors.hpp"

#include <string>
#include <string_view>

#include "bindings/arguments.hpp"

namespace npconv {
namespace {

namespace py = pybind11;

// ASCII, and cut where it is long: a structured dtype may have any number of fields, of any names.
std::string dtype_text(const py::array& a) {
    const py::object text = py::str(a.dtype()).attr("encode")("ascii", "backslashreplace");
    const std::string whole = py::cast<std::string>(py::bytes(text));
    constexpr std::size_t longest = 80;
    return whole.size() > longest ? whole.substr(0, longest) + "..." : whole;
}

// The smallest dtype that keeps the values, or float32 where it is the usual one.
DType nearest(const py::array& a, Accepted accepted) {
    if (accepted == Accepted::places) return DType::i64;
    const char kind = a.dtype().kind();
    const py::ssize_t size = a.itemsize();
    if (kind == 'f' || kind == 'V' || accepted == Accepted::reals) return kind == 'f' && size > 8 ? DType::f64 : DType::f32;
    if (kind == 'b') return DType::u8;
    if (kind == 'u' && size == 2) return DType::i32;
    if (kind == 'u' && size == 4) return DType::i64;
    return DType::f64;
}

std::string as_type(const std::string& value, DType dtype) { return value + ".astype(np." + name_of(dtype) + ")"; }

// What to do about an array that must become one of `dtype`; `which`: "it", or "one" of two that differ. np.asarray is for lists, which
// have no astype. Complex numbers and records have no conversion that keeps what they hold.
std::string remedy(const py::array& a, const std::string& name, DType dtype, const char* which) {
    const char kind = a.dtype().kind();
    if (kind == 'c') return "pass its real and imaginary parts one by one, such as " + as_type("np.real(" + name + ")", dtype);
    if (kind == 'V' && a.dtype().num() == py::detail::npy_api::NPY_VOID_) {  // other numbers: types of other packages, such as bfloat16
        const py::object fields = a.dtype().attr("names");
        const bool same_size = a.itemsize() == size_of(dtype);
        if (fields.is_none() && same_size) return "give its bytes a type, such as " + name + ".view(np." + name_of(dtype) + ")";
        if (fields.is_none() || py::tuple(fields).empty()) return "it holds no numbers";
        const py::tuple names = fields;
        return "pass one of its fields, such as " + as_type(name + "[" + shown(names[0]) + "]", dtype);
    }
    const std::string of_a_list = "np.asarray(" + name + ", np." + name_of(dtype) + ")";
    return "convert " + std::string(which) + ", such as " + as_type(name, dtype) + " or " + of_a_list;
}

}  // namespace

std::span<const DType> accepted_dtypes(Accepted accepted) {
    static constexpr DType all[] = {DType::f32, DType::f64, DType::i8, DType::u8, DType::i16, DType::i32, DType::i64};
    if (accepted == Accepted::places) return {all + 6, 1};
    return {all, accepted == Accepted::reals ? std::size_t{2} : std::size(all)};
}

const char* list_of(Accepted accepted) {
    switch (accepted) {
        case Accepted::reals: return "float32 or float64";
        case Accepted::numbers: return "float32, float64, int8, uint8, int16, int32 or int64";
        case Accepted::places: break;
    }
    return "int64";
}

void refuse_dtype(const py::array& a, const char* name, Accepted accepted) {
    throw py::type_error(std::string(name) + " must have dtype " + list_of(accepted) + ", got " + dtype_text(a) + "; " +
                         remedy(a, name, nearest(a, accepted), "it"));
}

void refuse_other_dtype(const py::array& a, const char* name, DType dtype, const char* of) {
    const std::string wanted = name_of(dtype), argument = name;
    const auto mend = [&]() -> std::string {
        if (argument == "out") return "allocate it with that dtype, such as np.empty(out.shape, np." + wanted + "), or leave it out";
        // A plan has its dtype for good; and of two arrays the one is converted that no function of this kind takes.
        const bool either = std::string_view(of) != "the plan" && a.dtype().kind() == 'f' && (a.itemsize() == 4 || a.itemsize() == 8);
        return remedy(a, argument, dtype, either ? "one" : "it");
    };
    throw py::type_error(argument + " must have the dtype of " + of + ", " + wanted + "; got " + dtype_text(a) + ": " + mend());
}

}  // namespace npconv

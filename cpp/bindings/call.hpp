// SPDX-License-Identifier: BSD-3-Clause
// The arrays of one call on their way from Python to views: converted, judged, made readable. Every function and every plan takes this way,
// and `out` is judged here alone.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "bindings/arrays.hpp"

namespace npconv {

using Shape = std::vector<std::int64_t>;

// An optional array may be None. A residual, too; it must have the shape of the result, and may be the very same memory.
enum class Use { needed, optional, residual };

struct Given {
    const char* name;  // of the argument
    py::handle value;
    Use use = Use::needed;
};

// Where a call writes: a new array, or the caller's `out`.
struct Result {
    py::array array;
    py::object given;             // what the caller gets back
    std::int64_t batch_step = 0;  // elements between images

    template <class T>
    T* data() const {
        return static_cast<T*>(const_cast<py::array&>(array).mutable_data());
    }
};

class Arrays {
  public:
    // Converts them, which may run code of the caller: before any shape is read.
    explicit Arrays(std::initializer_list<Given> given, py::handle out = py::none());
    // The same with shapes that are kept (keep_shapes).
    static Arrays with_shapes_kept(std::initializer_list<Given> given);
    // Others in the place of these, with shapes that are kept. TypeError unless they are as many.
    Arrays with_values(const py::args& values) const;

    // From here on no other code can give an array another shape. Plain ndarrays are kept where that is needed: before anything is called
    // that lets other code run between the reading of a shape and the making of a view. Others are kept from the beginning.
    void keep_shapes();

    std::size_t size() const { return size_; }
    // The place of the residual, or the end.
    std::size_t residual() const;
    bool has(std::size_t i) const { return i < size_ && items_[i].array; }
    const py::array& operator[](std::size_t i) const { return items_[i].array; }
    py::array& operator[](std::size_t i) { return items_[i].array; }
    const char* name(std::size_t i) const { return items_[i].name; }
    Use use(std::size_t i) const { return items_[i].use; }

    // TypeError unless all from `first` on have this dtype. of: whose it is, for messages ("x", "the plan").
    void expect_dtype(DType dtype, const char* of, std::size_t first = 0) const;

    // Judges `out` and the residual, which must have this shape, or makes a new array.
    Result result(DType dtype, const char* of, const Shape& shape, Form form);

    // Native byte order and aligned elements, by copies where needed.
    void make_readable();
    // Private copies that nobody writes to.
    void make_own(DType dtype);

  private:
    void add(const Given& given);

    struct Item {
        const char* name = nullptr;
        py::array array = no_array();
        Use use = Use::needed;
    };
    std::array<Item, 6> items_;
    std::size_t size_ = 0;
    py::object out_;
    bool kept_ = false;
};

// ValueError unless the array has this shape, which is `whose`: "of the result".
void expect_shape(const py::array& array, const char* name, const char* whose, const Shape& wanted);
// What the gradient of a result is told.
constexpr const char* of_arguments = "of the result of these arguments";

}  // namespace npconv

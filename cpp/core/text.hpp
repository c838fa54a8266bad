// SPDX-License-Identifier: BSD-3-Clause
// Text that is put together from pieces, as by std::ostream. The standard streams and their locales would be half a megabyte of the
// extension module, into which the standard library is linked.
#pragma once
#include <array>
#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace npconv {

class Text {
  public:
    Text& operator<<(std::string_view piece) {
        text_ += piece;
        return *this;
    }
    template <std::integral N>
        requires(!std::same_as<N, bool> && !std::same_as<N, char>)
    Text& operator<<(N n) {
        text_ += std::to_string(n);
        return *this;
    }
    Text& operator<<(double n) { return number(n, 6); }
    template <class Other>
        requires(std::same_as<Other, bool> || std::same_as<Other, char>)
    Text& operator<<(Other) = delete;  // they would be written as numbers
    // n with this number of significant digits, without trailing zeros.
    Text& number(double n, int digits) {
        std::array<char, 64> characters{};
        const auto end = std::to_chars(characters.data(), characters.data() + characters.size(), n, std::chars_format::general, digits).ptr;
        text_.append(characters.data(), end);
        return *this;
    }
    const std::string& str() const { return text_; }

  private:
    std::string text_;
};

}  // namespace npconv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/text.hpp"

#include <array>
#include <charconv>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace loupe {

/// Pieces joined; g++ 12 at -O3 warns falsely about `"literal" + std::string`.
[[nodiscard]] inline std::string joined(std::initializer_list<std::string_view> pieces) {
    std::string text;
    for (const std::string_view piece : pieces) {
        text += piece;
    }
    return text;
}

/// Numbers for a worked equation: six significant digits, or as many more as a reader needs to
/// arrive at the same code from the weight and scale that are printed.
class BoardNumbers {
public:
    /// @param agrees does (weight, scale), read back from their text, give the same code?
    BoardNumbers(double weight, double scale, const std::function<bool(double, double)>& agrees) {
        for (digits_ = 6; digits_ < 17; ++digits_) {
            weight_ = text(weight, digits_);
            scale_ = text(scale, digits_);
            if (agrees(parseDouble(weight_).value_or(weight),
                       parseDouble(scale_).value_or(scale))) {
                break;
            }
        }
    }
    [[nodiscard]] std::string number(double value) const { return text(value, digits_); }
    /// In parentheses where it is negative.
    [[nodiscard]] std::string signedNumber(double value) const {
        return value < 0 ? joined({"(", number(value), ")"}) : number(value);
    }
    [[nodiscard]] const std::string& weight() const { return weight_; }
    /// The weight in full, in brackets where negative.
    [[nodiscard]] std::string signedWeight() const {
        return weight_.starts_with('-') ? joined({"(", weight_, ")"}) : weight_;
    }
    [[nodiscard]] const std::string& scale() const { return scale_; }

    /// `value` rounded to some significant digits, in the shortest form: locale-independent.
    [[nodiscard]] static std::string text(double value, int digits) {
        std::array<char, 64> buffer{};
        const auto end = std::to_chars(buffer.data(),
                                       buffer.data() + buffer.size(),
                                       value,
                                       std::chars_format::scientific,
                                       digits - 1)
                             .ptr;
        const std::optional<double> rounded = parseDouble(
            std::string_view(buffer.data(), static_cast<std::size_t>(end - buffer.data())));
        return shortest(rounded ? (*rounded == 0 ? 0.0 : *rounded) : value);
    }

private:
    int digits_ = 6;
    std::string weight_;
    std::string scale_;
};

}  // namespace loupe

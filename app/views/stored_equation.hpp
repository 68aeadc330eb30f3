// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/formats/codec.hpp"

#include <QString>

#include <cstdint>
#include <vector>

namespace loupe::app {

/// A stretch of a formula: which field of the number it comes from decides its colour.
struct FormulaRun {
    enum class Field { None, Sign, Exponent, Fraction };
    QString text;
    bool raised = false;  ///< an exponent
    bool bold = false;
    Field field = Field::None;
};

/// What a code means, with its numbers: "value = (−1)^1 · 2^(9−15) · (1 + 173/1024) exactly".
[[nodiscard]] std::vector<FormulaRun> storedEquation(const NumberFormat& format,
                                                     std::uint64_t code);

/// The same as plain text, raised parts after "^".
[[nodiscard]] QString plainText(const std::vector<FormulaRun>& runs);

/// The same as rich text for a label in the theme in force.
[[nodiscard]] QString richText(const std::vector<FormulaRun>& runs);

}  // namespace loupe::app

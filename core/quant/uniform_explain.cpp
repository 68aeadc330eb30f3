// SPDX-License-Identifier: Apache-2.0
// The worked equation of one weight: what a person would write on the board, with its numbers.
#include "core/base/text.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/uniform.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

/// Where the weight of largest magnitude (or the smallest, the largest) of the element's group
/// lies; none if the group is too large to search while someone waits.
struct Setters {
    std::string note;
};

template <class T>
Setters findSetters(const UniformMatrix& matrix, std::int64_t row, std::int64_t col) {
    constexpr std::int64_t kMost = 1 << 22;
    const UniformSpec& spec = matrix.spec();
    const bool wholeRows = spec.per == ScalePer::Tensor;
    const bool column = spec.per == ScalePer::Column;
    const std::int64_t firstRow = wholeRows || column ? 0 : row;
    const std::int64_t rowCount = wholeRows || column ? matrix.rows() : 1;
    if (spec.clip != ClipRule::None || rowCount * matrix.cols() > kMost) {
        return {};
    }
    const auto [left, right] = matrix.groupColumns(row, col);
    std::vector<T> values(static_cast<std::size_t>(rowCount * matrix.cols()));
    if (!matrix.source().read(firstRow, rowCount, values.data())) {
        return {};
    }
    std::int64_t atRow = -1, atCol = -1, lowCol = -1, lowRow = -1;
    T most = 0, least = 0;
    for (std::int64_t r = 0; r < rowCount; ++r) {
        for (std::int64_t c = left; c < right; ++c) {
            const T x = values[static_cast<std::size_t>(r * matrix.cols() + c)];
            const T size = spec.asymmetric ? x : std::fabs(x);
            if (atCol < 0 || size > most) {
                most = size;
                atRow = firstRow + r;
                atCol = c;
            }
            if (lowCol < 0 || x < least) {
                least = x;
                lowRow = firstRow + r;
                lowCol = c;
            }
        }
    }
    const auto place = [&](std::int64_t r, std::int64_t c) {
        return rowCount > 1 ? joined({"row ", std::to_string(r), ", column ", std::to_string(c)})
                            : joined({"column ", std::to_string(c)});
    };
    if (!spec.asymmetric) {
        return {place(atRow, atCol) + " sets the bound"};
    }
    return {joined({"smallest at ", place(lowRow, lowCol), ", largest at ", place(atRow, atCol)})};
}

std::string groupName(const UniformSpec& spec) {
    switch (spec.per) {
        case ScalePer::Tensor:
            return "tensor";
        case ScalePer::Row:
            return "row";
        case ScalePer::Column:
            return "column";
        case ScalePer::Group:
            break;
    }
    return "group";
}

std::string stepsText(const UniformSpec& spec) {
    if (spec.range == GridRange::Power) {
        return std::to_string(std::int64_t{1} << (spec.bits - 1));
    }
    if (spec.asymmetric) {
        return std::to_string(spec.codeMax() - spec.codeMin());
    }
    return spec.range == GridRange::Full ? std::to_string((std::int64_t{1} << spec.bits) - 1)
                                         : std::to_string(spec.codeMax());
}

}  // namespace

template <class T>
std::vector<EquationLine> UniformMatrix::explainAs(std::int64_t row, std::int64_t col) const {
    std::vector<T> values(static_cast<std::size_t>(cols()));
    std::vector<std::int32_t> rowCodes(static_cast<std::size_t>(cols()));
    if (!source_->read(row, 1, values.data()) || !codes(row, 1, rowCodes.data())) {
        return {};
    }
    const std::size_t index = gridIndex(row, col);
    const T weight = values[static_cast<std::size_t>(col)];
    const T scale = static_cast<T>(scales_.values[index]);
    const std::int64_t zero =
        spec_.asymmetric ? static_cast<std::int64_t>(zeroPoints_.values[index]) : 0;
    const std::int64_t code = rowCodes[static_cast<std::size_t>(col)];
    const T quotient = weight / scale;
    const double rounded = spec_.stochastic ? static_cast<double>(code - zero)
                                            : std::nearbyint(static_cast<double>(quotient));
    const BoardNumbers board(
        static_cast<double>(weight), static_cast<double>(scale), [&](double w, double s) {
            return std::nearbyint(w / s) == rounded || spec_.stochastic;
        });
    std::vector<EquationLine> lines;
    const std::pair<double, double>& bound = bounds_[index];
    EquationLine scaleLine{"scale",
                           {},
                           board.number(static_cast<double>(scale)),
                           findSetters<T>(*this, row, col).note};
    if (bound.first == 0 && bound.second == 0) {
        scaleLine.expression = "1";
        scaleLine.note = "every weight of this " + groupName(spec_) + " is 0";
    } else if (spec_.asymmetric) {
        scaleLine.expression = joined({"(",
                                       board.number(bound.second),
                                       " - ",
                                       board.signedNumber(bound.first),
                                       ") / ",
                                       stepsText(spec_)});
    } else {
        scaleLine.expression = joined({spec_.range == GridRange::Full ? "2 · " : "",
                                       board.number(bound.second),
                                       " / ",
                                       stepsText(spec_)});
    }
    lines.push_back(scaleLine);
    lines.push_back({"1/scale",
                     joined({"1 / ", board.scale()}),
                     board.number(1 / static_cast<double>(scale)),
                     {}});
    if (spec_.asymmetric) {
        lines.push_back({"zero point",
                         std::to_string(spec_.codeMin()) + " - round(" + board.number(bound.first) +
                             " / " + board.number(static_cast<double>(scale)) + ")",
                         std::to_string(zero),
                         {}});
    }
    const std::int64_t unclamped =
        static_cast<std::int64_t>(std::clamp(rounded, -1e15, 1e15)) + zero;
    EquationLine codeLine;
    codeLine.label = "code";
    const std::string_view rounding = spec_.stochastic ? "up or down(" : "round(";
    codeLine.expression = joined({rounding,
                                  board.weight(),
                                  " / ",
                                  board.scale(),
                                  ") = ",
                                  rounding,
                                  board.number(static_cast<double>(quotient)),
                                  ")"});
    if (spec_.asymmetric) {
        codeLine.expression +=
            joined({zero < 0 ? " - " : " + ", std::to_string(zero < 0 ? -zero : zero)});
    }
    codeLine.result = std::to_string(code);
    if (unclamped != code) {
        codeLine.note = std::to_string(unclamped) + " is clamped to " + std::to_string(code);
    }
    lines.push_back(codeLine);
    const T value = scale * static_cast<T>(code - zero);
    std::string factor = std::to_string(code);
    if (spec_.asymmetric) {
        factor = joined({"(",
                         std::to_string(code),
                         zero < 0 ? " + " : " - ",
                         std::to_string(zero < 0 ? -zero : zero),
                         ")"});
    }
    lines.push_back(
        {"becomes", board.scale() + " · " + factor, board.number(static_cast<double>(value)), {}});
    // As everywhere: what became of the weight minus the weight.
    const double error = static_cast<double>(value) - static_cast<double>(weight);
    lines.push_back({"error",
                     board.number(static_cast<double>(value)) + " - " + board.signedWeight(),
                     board.number(error),
                     {}});
    return lines;
}

std::vector<EquationLine> UniformMatrix::explain(std::int64_t row, std::int64_t col) const {
    return isDouble() ? explainAs<double>(row, col) : explainAs<float>(row, col);
}

}  // namespace loupe

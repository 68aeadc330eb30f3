// SPDX-License-Identifier: Apache-2.0
#include "core/quant/integer_product.hpp"

#include "core/base/assert.hpp"
#include "core/quant/board_numbers.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

namespace loupe {

namespace {

std::vector<std::int64_t> rowSums(MatrixView<const std::int32_t> codes) {
    std::vector<std::int64_t> sums;
    for (std::int64_t row = 0; row < codes.rows; ++row) {
        std::int64_t sum = 0;
        for (const std::int32_t code : codes.row(row)) {
            sum += code;
        }
        sums.push_back(sum);
    }
    return sums;
}

std::int64_t mostOf(MatrixView<const std::int32_t> codes) {
    std::int64_t most = 0;
    for (std::int64_t row = 0; row < codes.rows; ++row) {
        for (const std::int32_t code : codes.row(row)) {
            most = std::max(most, std::abs(std::int64_t{code}));
        }
    }
    return most;
}

/// One accumulator, every partial sum of which must fit.
Result<std::int32_t> accumulate(std::span<const std::int32_t> x,
                                std::span<const std::int32_t> w,
                                std::int64_t safe) {
    std::int64_t sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
        sum += std::int64_t{x[k]} * w[k];
        if (sum > std::numeric_limits<std::int32_t>::max() ||
            sum < std::numeric_limits<std::int32_t>::min()) {
            return fail(ErrorCode::Invalid,
                        joined({"the int32 accumulator overflows at depth ",
                                std::to_string(k + 1),
                                " of ",
                                std::to_string(x.size()),
                                ": codes of this size are safe to depth ",
                                std::to_string(safe)}));
        }
    }
    return static_cast<std::int32_t>(sum);
}

}  // namespace

Result<IntegerProduct> integerProduct(const IntegerOperand& x, const IntegerOperand& w) {
    LOUPE_ASSERT(x.codes.cols == w.codes.cols, "both operands have the same inputs");
    const std::int64_t tokens = x.codes.rows;
    const std::int64_t outputs = w.codes.rows;
    IntegerProduct product;
    product.depth = x.codes.cols;
    product.xSums = rowSums(x.codes);
    product.wSums = rowSums(w.codes);
    product.accumulators = Matrix<std::int32_t>(tokens, outputs);
    product.corrected = Matrix<std::int64_t>(tokens, outputs);
    product.output = Matrix<double>(tokens, outputs);
    const std::int64_t safe = safeDepth(mostOf(x.codes), mostOf(w.codes));
    for (std::int64_t i = 0; i < tokens; ++i) {
        for (std::int64_t j = 0; j < outputs; ++j) {
            const Result<std::int32_t> acc = accumulate(x.codes.row(i), w.codes.row(j), safe);
            if (!acc) {
                Error error = acc.error();
                error.what +=
                    joined({" (token ", std::to_string(i), ", output ", std::to_string(j), ")"});
                return fail(std::move(error));
            }
            const IntegerProduct::Terms terms{
                -w.zero(j) * product.xSums[static_cast<std::size_t>(i)],
                -x.zero(i) * product.wSums[static_cast<std::size_t>(j)],
                product.depth * x.zero(i) * w.zero(j)};
            product.terms.push_back(terms);
            product.accumulators(i, j) = *acc;
            product.corrected(i, j) = *acc + terms.fromX + terms.fromW + terms.constant;
            product.output(i, j) = x.scales[static_cast<std::size_t>(i)] *
                                   w.scales[static_cast<std::size_t>(j)] *
                                   static_cast<double>(product.corrected(i, j));
        }
    }
    return product;
}

}  // namespace loupe

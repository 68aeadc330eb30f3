// SPDX-License-Identifier: Apache-2.0
#include "core/attention/online_softmax.hpp"

#include "core/base/assert.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

SoftmaxPart softmaxPart(std::span<const double> scores,
                        std::span<const double> values,
                        std::size_t dim) {
    LOUPE_ASSERT(values.size() == scores.size() * dim, "one row of values for each score");
    SoftmaxPart part;
    part.output.assign(dim, 0.0);
    for (const double score : scores) {
        part.max = std::max(part.max, score);
    }
    if (std::isinf(part.max)) {
        return part;
    }
    for (std::size_t k = 0; k < scores.size(); ++k) {
        const double weight = std::exp(scores[k] - part.max);
        part.sum += weight;
        for (std::size_t c = 0; c < dim; ++c) {
            part.output[c] += weight * values[k * dim + c];
        }
    }
    for (double& value : part.output) {
        value /= part.sum;
    }
    return part;
}

SoftmaxPart merge(const SoftmaxPart& a, const SoftmaxPart& b) {
    SoftmaxPart merged;
    merged.max = std::max(a.max, b.max);
    merged.output.assign(std::max(a.output.size(), b.output.size()), 0.0);
    if (std::isinf(merged.max)) {
        return merged;  // neither has seen a key
    }
    const double fromA = std::exp(a.max - merged.max) * a.sum;
    const double fromB = std::exp(b.max - merged.max) * b.sum;
    merged.sum = fromA + fromB;
    for (std::size_t c = 0; c < merged.output.size(); ++c) {
        const double left = c < a.output.size() ? a.output[c] : 0.0;
        const double right = c < b.output.size() ? b.output[c] : 0.0;
        merged.output[c] = (fromA * left + fromB * right) / merged.sum;
    }
    return merged;
}

double logSumExp(const SoftmaxPart& part) {
    return part.sum > 0 ? part.max + std::log(part.sum) : -std::numeric_limits<double>::infinity();
}

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <span>
#include <vector>

namespace loupe {

/// Softmax-weighted mean over some of the keys of one query, so that parts can be merged in any
/// order (Milakov and Gimelshein 2018, arXiv:1805.02867; FlashAttention, Algorithm 1).
struct SoftmaxPart {
    double max = -std::numeric_limits<double>::infinity();  ///< m, the largest score
    double sum = 0;                                         ///< ℓ = Σ e^(s - m)
    std::vector<double> output;  ///< O = Σ e^(s - m) v / ℓ; empty: zeros
};

/// The part of some keys. `values` holds one row of `dim` numbers per score. A score of -infinity
/// is a key that the mask hides; where all are hidden the part is the identity.
[[nodiscard]] SoftmaxPart softmaxPart(std::span<const double> scores,
                                      std::span<const double> values,
                                      std::size_t dim);

/// m = max, ℓ = e^(m1-m) ℓ1 + e^(m2-m) ℓ2, O = (e^(m1-m) ℓ1 O1 + e^(m2-m) ℓ2 O2) / ℓ. Associative
/// and commutative; (-infinity, 0, 0) changes nothing.
[[nodiscard]] SoftmaxPart merge(const SoftmaxPart& a, const SoftmaxPart& b);

/// m + ln ℓ; -infinity where no key is seen.
[[nodiscard]] double logSumExp(const SoftmaxPart& part);

}  // namespace loupe

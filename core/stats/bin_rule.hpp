// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace loupe {

/// Equal bins by numpy.histogram's rule: edges low + i·((high - low)/bins), the last exactly high; bin i is
/// [edge i, edge i+1), the last one closed. A range without width is widened by 1/2 on both sides, as NumPy does.
class BinRule {
public:
    BinRule(double low, double high, int bins) : bins_(bins) {
        if (low == high) {
            low -= 0.5;
            high += 0.5;
        }
        const double width = high - low;
        const double step = width / bins;
        edges_.resize(static_cast<std::size_t>(bins) + 1);
        for (int i = 0; i <= bins; ++i) {
            edges_[static_cast<std::size_t>(i)] = (step != 0 ? i * step : i / static_cast<double>(bins) * width) + low;
        }
        edges_.back() = high;
        perUnit_ = bins / width;
    }

    [[nodiscard]] double low() const { return edges_.front(); }
    [[nodiscard]] double high() const { return edges_.back(); }

    /// Index of x's bin, or -1 outside (also for NaN).
    [[nodiscard]] int find(double x) const {
        if (!(x >= low() && x <= high())) {
            return -1;
        }
        const double guess = std::isfinite(perUnit_) ? (x - low()) * perUnit_ : 0;
        int index = guess < bins_ - 1 ? static_cast<int>(guess) : bins_ - 1;
        while (index > 0 && x < edges_[static_cast<std::size_t>(index)]) {
            --index;
        }
        while (index < bins_ - 1 && x >= edges_[static_cast<std::size_t>(index) + 1]) {
            ++index;
        }
        return index;
    }

private:
    int bins_;
    double perUnit_ = 0;
    std::vector<double> edges_;
};

}  // namespace loupe

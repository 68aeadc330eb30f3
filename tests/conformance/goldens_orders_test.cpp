// SPDX-License-Identifier: Apache-2.0
// Golden numbers of the specification, section 5.1: the order in which one weight after the other
// is rounded. GPTQ has one order for all rows; the others are told here step by step, one row at a
// time, as the equations of OBQ say, and show that our sweep is OBQ in index order.
#include "core/quant/hessian.hpp"
#include "tests/conformance/golden_support.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

using namespace loupe;
using namespace loupe::goldens;

namespace {

/// A weight that is still free.
struct Candidate {
    double error = 0;  ///< w - quant(w)
    double price = 0;  ///< error² / [inv(H_F)]_qq
};
/// Which of the free weights is next, given the row's scale.
using Choice = std::function<std::size_t(const std::vector<Candidate>&, double scale)>;

struct Grid {
    double scale = 0, zero = 0, levels = 0;
    [[nodiscard]] double round(double w) const {
        return scale * (std::clamp(std::nearbyint(w / scale) + zero, 0.0, levels) - zero);
    }
};

Grid gridOf(const std::vector<double>& w, int bits) {
    Grid grid;
    grid.levels = std::ldexp(1.0, bits) - 1;
    const double low = std::min(0.0, *std::min_element(w.begin(), w.end()));
    const double high = std::max(0.0, *std::max_element(w.begin(), w.end()));
    grid.scale = (high - low) / grid.levels;
    grid.zero = std::nearbyint(-low / grid.scale);
    return grid;
}

/// One row by OBQ; the inverse loses one row and column with each weight.
void roundRow(
    std::vector<double> w, Matrix<double> inverse, int bits, const Choice& choose, double* out) {
    const Grid grid = gridOf(w, bits);
    const auto n = static_cast<std::int64_t>(w.size());
    std::vector<std::int64_t> open(w.size());
    std::iota(open.begin(), open.end(), std::int64_t{0});
    while (!open.empty()) {
        std::vector<Candidate> candidates;
        for (const std::int64_t i : open) {
            const double error =
                w[static_cast<std::size_t>(i)] - grid.round(w[static_cast<std::size_t>(i)]);
            candidates.push_back({error, error * error / inverse(i, i)});
        }
        const std::size_t at = choose(candidates, grid.scale);
        const std::int64_t q = open[at];
        out[q] = w[static_cast<std::size_t>(q)] - candidates[at].error;
        const double diagonal = inverse(q, q);
        const std::vector<double> pivot(inverse.row(q).begin(), inverse.row(q).end());
        for (std::int64_t i = 0; i < n; ++i) {
            const double p = pivot[static_cast<std::size_t>(i)];
            w[static_cast<std::size_t>(i)] -= candidates[at].error / diagonal * p;
            for (std::int64_t j = 0; j < n; ++j) {
                inverse(i, j) -= p * pivot[static_cast<std::size_t>(j)] / diagonal;
            }
        }
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
    }
}

std::size_t firstFree(const std::vector<Candidate>&, double) {
    return 0;
}
std::size_t dearest(const std::vector<Candidate>& all, double) {
    return static_cast<std::size_t>(
        std::max_element(all.begin(),
                         all.end(),
                         [](const auto& a, const auto& b) { return a.price < b.price; }) -
        all.begin());
}
std::size_t cheapest(const std::vector<Candidate>& all, double) {
    return static_cast<std::size_t>(
        std::min_element(all.begin(),
                         all.end(),
                         [](const auto& a, const auto& b) { return a.price < b.price; }) -
        all.begin());
}
/// OBQ's rule for outliers: an error of more than half a step goes first, the largest of all.
std::size_t cheapestButOutliers(const std::vector<Candidate>& all, double scale) {
    const auto largest = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
        return std::fabs(a.error) < std::fabs(b.error);
    });
    return std::fabs(largest->error) > scale / 2 ? static_cast<std::size_t>(largest - all.begin())
                                                 : cheapest(all, scale);
}

Matrix<double> rounded(const FixtureF1& f1, int bits, const Choice& choose) {
    const Matrix<double> h = hessian<double>(*rowsOf(f1.activations), 0, {}).value();
    const Matrix<double> inverse = inverseOf(factorHessian<double>(h, .01, {}, {}).value(), {});
    Matrix<double> after(32, 64);
    for (std::int64_t row = 0; row < 32; ++row) {
        const auto w = f1.weight.row(row);
        roundRow({w.begin(), w.end()}, inverse, bits, choose, after.row(row).data());
    }
    return after;
}

}  // namespace

TEST_CASE("goldens 5.1: orders of rounding on F1") {
    const FixtureF1 f1 = fixtureF1();
    const struct {
        const char* name;
        Choice choose;
        double four, three;
        double digits;
    } orders[] = {{"by index", firstFree, .03980, .08300, 5e-6},
                  {"largest error first", dearest, .0321, .0670, 5e-5},
                  {"OBQ, smallest error first", cheapest, .0889, .1795, 5e-5},
                  {"OBQ with its rule for outliers", cheapestButOutliers, .0883, .1784, 5e-5}};
    for (const auto& order : orders) {
        CAPTURE(order.name);
        for (const int bits : {4, 3}) {
            const Matrix<double> after = rounded(f1, bits, order.choose);
            CHECK_THAT(outputError(f1.activations, f1.weight, after).relative,
                       WithinAbs(bits == 4 ? order.four : order.three, order.digits));
        }
    }
    // OBQ in index order is GPTQ: the same weights, from another computation.
    const Matrix<double> ours = valuesOf(*run("gptq:per=row", layerF1())->quantized);
    const Matrix<double> theirs = rounded(f1, 4, firstFree);
    for (std::int64_t i = 0; i < ours.size(); ++i) {
        CHECK_THAT(ours.data()[i], WithinAbs(theirs.data()[i], 1e-9));
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/product_kernels.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <random>
#include <vector>

using namespace loupe;

TEST_CASE("product kernel: every shape of edge against sums in double") {
    std::mt19937 random(9);
    std::normal_distribution<float> normal;
    for (const std::int64_t tokens : {1, 3, 4, 67}) {
        for (const std::int64_t outputs : {1, 2, 5, 6, 13}) {
            for (const std::int64_t inputs : {1, 7, 16, 100, 1024, 1025, 2100}) {
                std::vector<float> x(static_cast<std::size_t>(tokens * inputs));
                std::vector<float> w(static_cast<std::size_t>(outputs * inputs));
                for (float& value : x) {
                    value = normal(random);
                }
                for (float& value : w) {
                    value = normal(random);
                }
                std::vector<float> out(static_cast<std::size_t>(tokens * outputs), 1e30F);
                productKernels().timesTransposed(
                    x.data(), tokens, w.data(), outputs, inputs, false, out.data());
                std::vector<float> twice = out;
                productKernels().timesTransposed(
                    x.data(), tokens, w.data(), outputs, inputs, true, twice.data());
                std::int64_t wrong = 0;
                for (std::int64_t t = 0; t < tokens; ++t) {
                    for (std::int64_t o = 0; o < outputs; ++o) {
                        double exact = 0;
                        double size = 0;
                        for (std::int64_t i = 0; i < inputs; ++i) {
                            const double term =
                                static_cast<double>(x[static_cast<std::size_t>(t * inputs + i)]) *
                                static_cast<double>(w[static_cast<std::size_t>(o * inputs + i)]);
                            exact += term;
                            size += std::fabs(term);
                        }
                        // Hundreds of roundings of partial sums, which the sum of magnitudes bounds
                        // from far above: forty of them in one direction do not occur.
                        const double allowed = size * 0x1p-24 * 40;
                        const auto at = static_cast<std::size_t>(t * outputs + o);
                        wrong += std::fabs(static_cast<double>(out[at]) - exact) <= allowed ? 0 : 1;
                        wrong +=
                            std::fabs(static_cast<double>(twice[at]) - 2 * exact) <= 3 * allowed ? 0 : 1;
                    }
                }
                CAPTURE(tokens, outputs, inputs);
                CHECK(wrong == 0);
            }
        }
    }
}

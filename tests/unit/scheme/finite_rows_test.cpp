// SPDX-License-Identifier: Apache-2.0
#include "core/quant/finite_rows.hpp"

#include "tests/support/catch.hpp"

#include <cmath>
#include <limits>

using namespace loupe;

namespace {

template <class T>
std::string complaint(T bad) {
    std::vector<T> values(7 * 13, std::numeric_limits<T>::max());
    values[3] = std::numeric_limits<T>::denorm_min();
    values[4] = std::numeric_limits<T>::lowest();
    values[5] = T{-0.0};
    CHECK(checkFinite<T>(values, 13, 0).has_value());
    values[2 * 13 + 11] = bad;
    values[5 * 13] = bad;
    const Result<void> direct = checkFinite<T>(values, 13, 100, "gradients: ");
    CHECK(direct.error().code == ErrorCode::Invalid);
    CHECK(direct.error().what.find("gradients: ") == 0);
    CHECK(direct.error().what.find("row 102, column 11:") != std::string::npos);
    const auto source = makeRowSource(7, 13, values);
    std::vector<float> asFloat;
    std::vector<double> asDouble;
    CHECK(readFinite(*source, 0, 2, asDouble).has_value());
    CHECK(asDouble.size() == 26);
    CHECK_FALSE(readFinite(*source, 2, 1, asFloat).has_value());
    CHECK(readFinite(*source, 1, 6, asDouble).error().what ==
          checkFiniteRows(*source, {}).error().what);
    return checkFiniteRows(*source, {}).error().what;
}

}  // namespace

TEST_CASE("NaN and infinity are named by row and column") {
    CHECK(complaint(std::nanf("")) == "NaN at row 2, column 11: a scheme needs finite values");
    CHECK(complaint(-INFINITY) ==
          "infinite value at row 2, column 11: a scheme needs finite values");
    CHECK(complaint(std::nan("")) == "NaN at row 2, column 11: a scheme needs finite values");
    CHECK(complaint(-static_cast<double>(INFINITY)) ==
          "infinite value at row 2, column 11: a scheme needs finite values");
}

// SPDX-License-Identifier: Apache-2.0
#include "core/io/fixtures.hpp"
#include "core/io/synthetic.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;

namespace {

/// 2X'X.
Matrix<double> hessian(const Matrix<double>& x) {
    Matrix<double> h(x.cols(), x.cols());
    for (std::int64_t i = 0; i < x.cols(); ++i) {
        for (std::int64_t j = 0; j < x.cols(); ++j) {
            for (std::int64_t token = 0; token < x.rows(); ++token) {
                h(i, j) += 2 * x(token, i) * x(token, j);
            }
        }
    }
    return h;
}

void checkNear(const Matrix<double>& m, const std::vector<double>& expected, double tolerance) {
    REQUIRE(m.size() == static_cast<std::int64_t>(expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK_THAT(m.data()[i], WithinAbs(expected[i], tolerance));
    }
}

/// Y = XW'.
Matrix<double> product(const ToyLayer& toy) {
    Matrix<double> y(toy.activations.rows(), toy.weight.rows());
    for (std::int64_t token = 0; token < y.rows(); ++token) {
        for (std::int64_t out = 0; out < y.cols(); ++out) {
            for (std::int64_t in = 0; in < toy.weight.cols(); ++in) {
                y(token, out) += toy.activations(token, in) * toy.weight(out, in);
            }
        }
    }
    return y;
}

}  // namespace

TEST_CASE("toys: Hessians, products and norms are those of the worked examples") {
    checkNear(hessian(toyLayer("toy-obs").activations), {2, 1, 0, 1, 2, .5, 0, .5, 1}, 1e-15);
    checkNear(hessian(toyLayer("toy-gptq-hand").activations), {2, 1.8, 1.8, 2}, 1e-15);
    checkNear(
        hessian(toyLayer("toy-gptq").activations),
        {17, 15.9, -.7, 1.3, 15.9, 15.12, -.64, 1.46, -.7, -.64, 1.32, .08, 1.3, 1.46, .08, 2.6},
        1e-12);
    checkNear(product(toyLayer("toy-int8")), {-.39, 3.76, 2.60, .38, .04, .57}, 1e-12);
    checkNear(product(toyLayer("toy-smoothquant")), {-16, 9, 16, 11, 0, -11}, 1e-12);
    checkNear(product(toyLayer("toy-matmul")), {-3, -1, 2.75, -3.1875}, 1e-12);
    const Matrix<double> wanda = hessian(toyLayer("toy-wanda").activations);
    checkNear(wanda, {2, 0, 0, 0, 0, 8, 0, 0, 0, 0, 128, 0, 0, 0, 0, 18}, 0);
}

TEST_CASE("toys: the spike among 128 has the worked channel metrics") {
    const Matrix<double> v = toyLayer("toy-rotation").weight;
    REQUIRE(v.cols() == 128);
    std::vector<double> sizes;
    double m2 = 0;
    double m4 = 0;
    double mean = 0;
    for (const double x : v.row(0)) {
        mean += x / 128;
    }
    double power = 0;
    for (const double x : v.row(0)) {
        sizes.push_back(std::fabs(x));
        m2 += (x - mean) * (x - mean) / 128;
        m4 += std::pow(x - mean, 4) / 128;
        power += x * x / 128;
    }
    std::sort(sizes.begin(), sizes.end());
    const double median = (sizes[63] + sizes[64]) / 2;
    CHECK_THAT(50 / median, WithinAbs(74.1245, 1e-3));
    CHECK_THAT(50 / std::sqrt(power), WithinAbs(11.0523, 1e-3));
    CHECK_THAT(m4 / (m2 * m2) - 3, WithinAbs(111.681, 1e-2));
}

TEST_CASE("toys: each opens as a source with its tensors") {
    for (const ToyExample& toy : toyExamples()) {
        CAPTURE(toy.id);
        const auto source = openSource("synthetic:" + std::string(toy.id)).value();
        const ToyLayer layer = toy.make();
        REQUIRE(source->find("weight").has_value());
        CHECK(source->find("activations").has_value() == !layer.activations.empty());
        CHECK(source->find("gradients").has_value() == !layer.gradients.empty());
        const auto rows = source->matrix(*source->find("weight")).value();
        std::vector<double> values(static_cast<std::size_t>(layer.weight.size()));
        REQUIRE(rows->read(0, rows->rows(), values.data()).has_value());
        CHECK(std::equal(values.begin(), values.end(), layer.weight.data()));
        CHECK((layer.activations.empty() || layer.activations.cols() == layer.weight.cols()));
    }
}

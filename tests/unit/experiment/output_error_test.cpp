// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/output_error.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinRel;

namespace {

using Values = std::vector<double>;

Values normals(std::size_t count, std::uint64_t seed, double spread) {
    Values values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = spread * randomNormal(seed, i);
    }
    return values;
}

std::vector<float> single(const Values& values) {
    return {values.begin(), values.end()};
}

/// A layer before and after, its outputs worked out one by one.
struct Layer {
    std::int64_t tokens;
    std::int64_t in;
    std::int64_t out;
    Values x, xAfter, w, wAfter;

    Layer(std::int64_t t, std::int64_t i, std::int64_t o) : tokens(t), in(i), out(o) {
        x = normals(static_cast<std::size_t>(t * i), 1, 1);
        w = normals(static_cast<std::size_t>(o * i), 2, 0.05);
        xAfter = x;
        wAfter = w;
        const Values noise = normals(std::max(x.size(), w.size()), 3, 0.01);
        for (std::size_t k = 0; k < x.size(); ++k) {
            xAfter[k] += noise[k];
        }
        for (std::size_t k = 0; k < w.size(); ++k) {
            wAfter[k] += 0.1 * noise[noise.size() - 1 - k];
        }
    }

    [[nodiscard]] double output(const Values& a,
                                const Values& b,
                                std::int64_t token,
                                std::int64_t channel) const {
        double sum = 0;
        for (std::int64_t k = 0; k < in; ++k) {
            sum += a[static_cast<std::size_t>(token * in + k)] *
                   b[static_cast<std::size_t>(channel * in + k)];
        }
        return sum;
    }

    /// |y - y^| / |y| over some tokens and channels.
    [[nodiscard]] double relative(std::int64_t t0,
                                  std::int64_t t1,
                                  std::int64_t o0,
                                  std::int64_t o1) const {
        double error = 0;
        double reference = 0;
        for (std::int64_t t = t0; t < t1; ++t) {
            for (std::int64_t o = o0; o < o1; ++o) {
                const double y = output(x, w, t, o);
                const double after = output(xAfter, wAfter, t, o);
                error += (y - after) * (y - after);
                reference += y * y;
            }
        }
        return std::sqrt(error / reference);
    }
};

}  // namespace

TEST_CASE("output errors of channels and tokens against the sums written out") {
    const bool precise = GENERATE(true, false);
    CAPTURE(precise);
    const Layer layer(270, 9, 131);  // more than a block of each
    const auto source = [&](std::int64_t rows, const Values& values) {
        return precise ? makeRowSource(rows, layer.in, values)
                       : makeRowSource(rows, layer.in, single(values));
    };
    const auto x = source(layer.tokens, layer.x);
    const auto xAfter = source(layer.tokens, layer.xAfter);
    const auto w = source(layer.out, layer.w);
    const auto wAfter = source(layer.out, layer.wAfter);
    const auto errors = outputErrors({*x, *xAfter, *w, *wAfter}, {});
    REQUIRE(errors.has_value());
    const double tolerance = precise ? 1e-12 : 1e-4;
    CHECK_THAT(errors->relative(),
               WithinRel(layer.relative(0, layer.tokens, 0, layer.out), tolerance));
    CHECK_THAT(errors->sqnrDb(), WithinRel(-20 * std::log10(errors->relative()), 1e-12));
    const Values channels = errors->channels();
    REQUIRE(channels.size() == 131);
    for (const std::int64_t o : {0, 1, 127, 128, 130}) {
        CHECK_THAT(channels[static_cast<std::size_t>(o)],
                   WithinRel(layer.relative(0, layer.tokens, o, o + 1), tolerance));
    }
    const Values tokens = errors->tokens();
    REQUIRE(tokens.size() == 270);
    for (const std::int64_t t : {0, 255, 256, 269}) {
        CHECK_THAT(tokens[static_cast<std::size_t>(t)],
                   WithinRel(layer.relative(t, t + 1, 0, layer.out), tolerance));
    }
}

TEST_CASE("a silent channel has no relative error, and does not spoil the others") {
    const auto x = makeRowSource(2, 2, Values{1, 2, 0, 0});
    const auto w = makeRowSource(2, 2, Values{1, 1, 0, 0});
    const auto after = makeRowSource(2, 2, Values{1, 1.5, 0, 0});
    const auto errors = outputErrors({*x, *x, *w, *after}, {});
    REQUIRE(errors.has_value());
    CHECK_THAT(errors->relative(), WithinRel(1.0 / 3, 1e-14));
    CHECK_THAT(errors->channels()[0], WithinRel(1.0 / 3, 1e-14));
    CHECK(std::isnan(errors->channels()[1]));
    CHECK_THAT(errors->tokens()[0], WithinRel(1.0 / 3, 1e-14));
    CHECK(std::isnan(errors->tokens()[1]));
}

TEST_CASE("a scheme's result holds its output errors") {
    const FixtureF1 f1 = fixtureF1();
    const auto rows = [](const Matrix<double>& m) {
        return makeRowSource(m.rows(), m.cols(), Values(m.data(), m.data() + m.size()));
    };
    SchemeInput input{rows(f1.weight), 32, rows(f1.activations), 64, nullptr};
    const Scheme scheme = parseScheme("smoothquant").value();
    const auto first = applyScheme(scheme, input).value();
    REQUIRE(first->outputChannelError.size() == 32);
    REQUIRE(first->outputTokenError.size() == 256);
    CHECK_THAT(*first->outputSqnrDb,
               WithinRel(-20 * std::log10(*first->metrics.outputRelativeError), 1e-12));
    SECTION("the same for any number of threads") {
        const int before = computeThreads();
        for (const int threads : {1, 3}) {
            setComputeThreads(threads);
            const auto again = applyScheme(scheme, input).value();
            CHECK(again->outputChannelError == first->outputChannelError);
            CHECK(again->outputTokenError == first->outputTokenError);
        }
        setComputeThreads(before);
    }
    SECTION("rows that calibrate are chosen, tokens keep their places") {
        input.calibrationRows = 1;
        input.calibrationChoice = CalibrationChoice::Random;
        input.calibrationSeed = 5;
        const std::int64_t chosen = calibrationRows({1, CalibrationChoice::Random, 5}, 256).front();
        REQUIRE(chosen > 0);
        const auto random = applyScheme(scheme, input).value();
        // The same with that row put first by hand: errors are the same, in another order.
        std::vector<double> values(f1.activations.data(),
                                   f1.activations.data() + f1.activations.size());
        std::rotate(
            values.begin(), values.begin() + chosen * 64, values.begin() + chosen * 64 + 64);
        SchemeInput byHand = input;
        byHand.activations = makeRowSource(256, 64, values);
        byHand.calibrationChoice = CalibrationChoice::First;
        const auto moved = applyScheme(scheme, byHand).value();
        CHECK(random->outputTokenError[static_cast<std::size_t>(chosen)] ==
              moved->outputTokenError[0]);
        CHECK(random->outputTokenError[0] == moved->outputTokenError[1]);
        CHECK(random->outputTokenError[255] == moved->outputTokenError[255]);
        CHECK(random->outputTokenError[0] != first->outputTokenError[0]);
    }
    SECTION("none without activations") {
        input.activations = nullptr;
        const auto plain = applyScheme(parseScheme("absmax").value(), input).value();
        CHECK(plain->outputChannelError.empty());
        CHECK(plain->outputTokenError.empty());
        CHECK_FALSE(plain->outputSqnrDb.has_value());
    }
}

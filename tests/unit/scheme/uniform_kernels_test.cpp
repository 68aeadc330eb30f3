// SPDX-License-Identifier: Apache-2.0
#include "core/quant/range_search.hpp"
#include "core/quant/uniform.hpp"
#include "core/quant/uniform_kernels.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace loupe;

namespace {

/// Every half-integer of the grid and the eight floats on each side of it, then values of all sizes.
std::vector<float> nearTies(const UniformSpec& spec, float scale, std::mt19937& random) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    std::vector<float> values;
    for (std::int64_t code = spec.codeMin() - 2; code <= spec.codeMax() + 2; ++code) {
        const float tie = static_cast<float>((static_cast<double>(code) + 0.5) * static_cast<double>(scale));
        float below = tie;
        float above = tie;
        values.push_back(tie);
        for (int k = 0; k < 8; ++k) {
            below = std::nextafter(below, -kInfinity);
            above = std::nextafter(above, kInfinity);
            values.push_back(below);
            values.push_back(above);
        }
    }
    std::uniform_real_distribution<float> wide(-2, 2);
    for (int i = 0; i < 500; ++i) {
        values.push_back(wide(random) * scale * static_cast<float>(spec.codeMax()));
    }
    values.push_back(0);
    values.push_back(-0.0F);
    values.push_back(std::numeric_limits<float>::denorm_min());
    return values;
}

struct Found {
    KernelTotals totals{};
    std::vector<float> columns;
    std::vector<std::uint16_t> codes;
    std::vector<std::uint8_t> smallCodes;
};

Found quantize(const std::vector<float>& values, const KernelGrid& grid, bool clamps, bool small) {
    Found found;
    found.columns.assign(values.size(), 0.0F);
    found.codes.resize(values.size());
    found.smallCodes.resize(values.size());
    found.totals.colSquared = found.columns.data();
    found.totals.codes = found.codes.data();
    found.totals.smallCodes = small ? found.smallCodes.data() : nullptr;
    const auto count = static_cast<std::int64_t>(values.size());
    uniformKernels().quantizeF32(
        {reinterpret_cast<const unsigned char*>(values.data()), count, count, &grid, clamps}, &found.totals);
    return found;
}

}  // namespace

TEST_CASE("kernels: codes by product equal codes by division next to every tie") {
    std::mt19937 random(11);
    std::uniform_real_distribution<float> mantissa(1, 2);
    const float infinity = std::numeric_limits<float>::infinity();
    for (const int bits : {2, 3, 4, 8, 10, 12, 14}) {
        UniformSpec spec;
        spec.bits = bits;
        for (int round = 0; round < (bits > 8 ? 4 : 40); ++round) {
            const int exponent = round == 0 ? -126 : (round == 1 ? 90 : static_cast<int>(random() % 60) - 40);
            const float scale = std::ldexp(round % 3 == 0 ? 1.0F : mantissa(random), exponent);
            const std::vector<float> values = nearTies(spec, scale, random);
            const KernelGrid grid = kernelGrid(spec, scale, 0, -infinity, infinity);
            const bool small = bits <= 8 && round % 2 == 0;
            const Found found = quantize(values, grid, true, small);
            CAPTURE(bits, scale);
            double squared = 0;
            double largest = 0;
            std::int64_t wrong = 0;
            for (std::size_t i = 0; i < values.size(); ++i) {
                const std::int64_t code = codeOf(spec, scale, 0, values[i]);
                const std::int64_t got = (small ? found.smallCodes[i] : found.codes[i]) + spec.codeMin();
                wrong += got == code ? 0 : 1;
                const double error = static_cast<double>(values[i] - static_cast<float>(code) * scale);
                squared += error * error;
                largest = std::max(largest, std::fabs(error));
            }
            CHECK(wrong == 0);
            CHECK(found.totals.maxAbsError == largest);
            if (std::fabs(exponent) < 50) {  // else float squares leave their range
                CHECK_THAT(found.totals.squaredError, Catch::Matchers::WithinRel(squared, 1e-5));
                const double searched = uniformKernels().squaredError(
                    values.data(), static_cast<std::int64_t>(values.size()), grid, static_cast<double>(infinity));
                CHECK_THAT(searched, Catch::Matchers::WithinRel(squared, 1e-12));
            }
        }
    }
}

TEST_CASE("kernels: magnitudes of bf16 at every length") {
    std::mt19937 random(3);
    std::vector<std::uint16_t> values(300);
    for (std::uint16_t& x : values) {
        x = static_cast<std::uint16_t>(random());
    }
    for (std::int64_t count = 1; count <= 300; ++count) {
        std::uint32_t expected = 0;
        for (std::int64_t i = 0; i < count; ++i) {
            const std::uint32_t bits = static_cast<std::uint32_t>(values[static_cast<std::size_t>(i)] & 0x7fff) << 16;
            expected = std::max(expected, bits);
        }
        std::uint32_t bits = 0;
        uniformKernels().magnitudesBf16(
            reinterpret_cast<const unsigned char*>(values.data()), count, count, &bits);
        CHECK(bits == expected);
    }
}

TEST_CASE("kernels: counts of few and many codes") {
    std::mt19937 random(5);
    for (const std::int64_t codeCount : {4, 15, 16, 17, 255, 256}) {
        for (const std::size_t count : {std::size_t{1}, std::size_t{63}, std::size_t{700}, std::size_t{40000}}) {
            std::vector<std::uint8_t> codes(count);
            std::vector<std::uint64_t> expected(static_cast<std::size_t>(codeCount), 0);
            for (std::uint8_t& code : codes) {
                code = static_cast<std::uint8_t>(random() % 7 == 0 ? 0 : random() % static_cast<std::uint32_t>(codeCount));
                ++expected[code];
            }
            std::vector<std::uint32_t> tables(static_cast<std::size_t>(kCodeTables * codeCount), 0);
            uniformKernels().countCodes(codes.data(), static_cast<std::int64_t>(count), codeCount, tables.data());
            std::vector<std::uint64_t> found(static_cast<std::size_t>(codeCount), 0);
            for (std::size_t i = 0; i < tables.size(); ++i) {
                found[i % found.size()] += tables[i];
            }
            CHECK(found == expected);
        }
    }
}

TEST_CASE("mse search: what it leaves out could not have been the least") {
    std::mt19937 random(7);
    std::student_t_distribution<float> weights(4);
    for (const bool asymmetric : {false, true}) {
        for (const std::size_t count : {std::size_t{5}, std::size_t{32}, std::size_t{100}, std::size_t{128}, std::size_t{1000}}) {
            for (int round = 0; round < 6; ++round) {
                UniformSpec spec;
                spec.bits = round % 2 == 0 ? 4 : 3;
                spec.asymmetric = asymmetric;
                spec.clip = ClipRule::Mse;
                std::vector<float> values(count);
                for (float& x : values) {
                    x = weights(random);
                    // Many equal values: equal sums, of which the widest bound must win.
                    x = round >= 4 ? std::round(x) : x;
                }
                std::int64_t bad = -1;
                const GroupExtent<float> extent = extentOf(std::span<const float>(values), bad);
                const Result<float> plain = searchMse<float>(
                    extent.absmax(), [&](std::span<const float> bounds, std::span<double> sums) -> Result<void> {
                        squaredErrors<float>(spec, values, gridsFor<float>(spec, extent, bounds), sums);
                        return {};
                    });
                std::vector<float> scratch;
                const auto interval = groupInterval<float>(spec, values, extent, scratch, {});
                CHECK(interval == intervalFor(spec, extent, usableBound(*plain, extent.absmax())));
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "core/stats/pyramid.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/stats/colormaps.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Plane {
    std::int64_t rows, cols;
    std::vector<float> cells;
    mutable std::atomic<std::int64_t> rowsRead{0};

    Plane(std::int64_t r, std::int64_t c) : rows(r), cols(c), cells(static_cast<std::size_t>(r * c)) {
        for (std::size_t i = 0; i < cells.size(); ++i) {
            cells[i] = static_cast<float>(randomNormal(7, i));
        }
    }
    float& at(std::int64_t r, std::int64_t c) { return cells[static_cast<std::size_t>(r * cols + c)]; }
    float at(std::int64_t r, std::int64_t c) const { return cells[static_cast<std::size_t>(r * cols + c)]; }
    RowFiller filler() const {
        return [this](std::int64_t first, std::int64_t count, float* out) -> Result<void> {
            std::copy_n(cells.data() + first * cols, count * cols, out);
            rowsRead += count;
            return {};
        };
    }
};

/// A texel as the definition says, from its cells.
struct Expected {
    float absMax = kNan;
    double mean = 0;
    float min = kInf;
    std::uint8_t flags = 0;
    int finite = 0;
};
Expected expectTexel(const Plane& plane, std::int64_t size, std::int64_t row, std::int64_t col) {
    Expected e;
    for (std::int64_t r = row * size; r < std::min(plane.rows, (row + 1) * size); ++r) {
        for (std::int64_t c = col * size; c < std::min(plane.cols, (col + 1) * size); ++c) {
            const float x = plane.at(r, c);
            if (std::isnan(x)) {
                e.flags |= HidesNaN;
            } else if (std::isinf(x)) {
                e.flags |= HidesInf;
                e.absMax = e.finite == 0 ? x : e.absMax;
            } else {
                e.absMax = e.finite == 0 || std::fabs(x) > std::fabs(e.absMax) ? x : e.absMax;
                e.min = std::min(e.min, x);
                e.mean += static_cast<double>(x);
                ++e.finite;
            }
        }
    }
    e.mean = e.finite == 0 ? static_cast<double>(e.absMax) : e.mean / e.finite;
    return e;
}

void checkPyramid(const Plane& plane, const Pyramid& pyramid) {
    REQUIRE(pyramid.levels.back().rows == 1);
    REQUIRE(pyramid.levels.back().cols == 1);
    std::int64_t wrong = 0;
    for (std::size_t k = 0; k < pyramid.levels.size(); ++k) {
        const Pyramid::Level& level = pyramid.levels[k];
        const std::int64_t size = std::int64_t{2} << k;
        REQUIRE(level.rows == (plane.rows + size - 1) / size);
        REQUIRE(level.cols == (plane.cols + size - 1) / size);
        for (std::int64_t r = 0; r < level.rows; ++r) {
            for (std::int64_t c = 0; c < level.cols; ++c) {
                const Expected e = expectTexel(plane, size, r, c);
                const auto i = static_cast<std::size_t>(r * level.cols + c);
                const bool sameTop = std::fabs(level.absMax[i]) == std::fabs(e.absMax) || (std::isnan(level.absMax[i]) && std::isnan(e.absMax));
                const double mean = static_cast<double>(level.mean[i]);
                const bool sameMean = std::fabs(mean - e.mean) <= 1e-5 || (std::isnan(mean) && std::isnan(e.mean)) || mean == e.mean;
                const std::uint8_t flags = level.flags.empty() ? std::uint8_t{0} : level.flags[i];
                if (!sameTop || !sameMean || flags != e.flags) {
                    CAPTURE(k, r, c, level.absMax[i], e.absMax, mean, e.mean);
                    CHECK(++wrong == 0);
                    return;
                }
            }
        }
    }
}

std::shared_ptr<const Pyramid> built(const Plane& plane) {
    auto pyramid = buildPyramid(plane.rows, plane.cols, plane.filler());
    REQUIRE(pyramid.has_value());
    return *pyramid;
}

}  // namespace

TEST_CASE("Every level of a pyramid is what its cells say, on every CPU target") {
    const auto target = GENERATE(from_range(availableCpuTargets()));
    const CpuTarget before = setCpuTarget(target);
    const auto [rows, cols] = GENERATE(table<int, int>({{1, 1}, {1, 7}, {9, 1}, {2, 2}, {64, 64}, {65, 67}, {130, 33}, {31, 257}, {300, 5}}));
    CAPTURE(cpuTargetName(target), rows, cols);
    Plane plane(rows, cols);
    SECTION("finite") { checkPyramid(plane, *built(plane)); }
    SECTION("with NaN and infinities") {
        for (std::size_t i = 0; i < plane.cells.size(); ++i) {
            const std::uint64_t dice = randomBits(3, i) % 9;
            plane.cells[i] = dice == 0 ? kNan : dice == 1 ? kInf : dice == 2 ? -kInf : plane.cells[i];
        }
        checkPyramid(plane, *built(plane));
    }
    SECTION("one NaN, the rest finite") {
        plane.at(rows / 2, cols / 2) = kNan;
        const auto pyramid = built(plane);
        checkPyramid(plane, *pyramid);
        CHECK(pyramid->nan == 1);
    }
    setCpuTarget(before);
}

TEST_CASE("Extremes and huge values") {
    Plane plane(40, 40);
    std::fill(plane.cells.begin(), plane.cells.end(), std::numeric_limits<float>::max());
    plane.at(3, 3) = -1;
    const auto pyramid = built(plane);
    CHECK(pyramid->max == std::numeric_limits<float>::max());
    CHECK(pyramid->min == -1);
    CHECK(pyramid->levels[2].mean[4 + 5] == std::numeric_limits<float>::max());
    CHECK(pyramid->bytes() > 0);
}

TEST_CASE("The pyramid does not depend on the number of threads") {
    Plane plane(1000, 700);
    plane.at(500, 3) = kNan;
    const int threads = computeThreads();
    setComputeThreads(1);
    const auto one = built(plane);
    for (const int n : {2, 7}) {
        setComputeThreads(n);
        const auto many = built(plane);
        for (std::size_t k = 0; k < one->levels.size(); ++k) {
            const std::size_t size = one->levels[k].mean.size();
            CHECK(std::memcmp(one->levels[k].mean.data(), many->levels[k].mean.data(), size * 4) == 0);
            CHECK(std::memcmp(one->levels[k].absMax.data(), many->levels[k].absMax.data(), size * 4) == 0);
        }
    }
    setComputeThreads(threads);
}

TEST_CASE("An error of the filler is the error of the pyramid") {
    const RowFiller broken = [](std::int64_t, std::int64_t, float*) -> Result<void> { return fail(ErrorCode::Damaged, "gone"); };
    const auto pyramid = buildPyramid(10, 10, broken);
    REQUIRE_FALSE(pyramid.has_value());
    CHECK(pyramid.error().what == "gone");
    CHECK_FALSE(buildPyramid(0, 5, broken).has_value());
}

TEST_CASE("1:1 and magnified pictures show the cells themselves") {
    const Plane plane(50, 60);
    const auto pyramid = built(plane);
    plane.rowsRead = 0;
    Viewport view{10, 20, 1, 1, 30, 25};
    Texels t = *sampleViewport(*pyramid, plane.filler(), view, Pooling::AbsMax);
    CHECK(t.cellsX == 1);
    for (int y = 0; y < 25; ++y) {
        for (int x = 0; x < 30; ++x) {
            REQUIRE(t.values[static_cast<std::size_t>(y * 30 + x)] == plane.at(20 + y, 10 + x));
        }
    }
    CHECK(plane.rowsRead == 25);
    view = {5, 7, 0.125, 0.25, 64, 64};
    plane.rowsRead = 0;
    t = *sampleViewport(*pyramid, plane.filler(), view, Pooling::AbsMax);
    for (int y = 0; y < 64; ++y) {
        for (int x = 0; x < 64; ++x) {
            REQUIRE(t.values[static_cast<std::size_t>(y * 64 + x)] == plane.at(7 + y / 4, 5 + x / 8));
        }
    }
    CHECK(plane.rowsRead <= 65);
}

TEST_CASE("Outside of the plane is marked, inside is not") {
    const Plane plane(8, 8);
    const auto pyramid = built(plane);
    for (const double scale : {0.25, 1.0, 1.5, 3.0}) {
        CAPTURE(scale);
        const Texels t = *sampleViewport(*pyramid, plane.filler(), {-2 * scale, -3 * scale, scale, scale, 50, 50}, Pooling::AbsMax);
        const auto flagAt = [&](int x, int y) { return t.flags[static_cast<std::size_t>(y * 50 + x)]; };
        CHECK(flagAt(0, 0) == 0x80);
        CHECK(flagAt(1, 10) == 0x80);
        CHECK(flagAt(3, 2) == 0x80);
        CHECK(flagAt(2, 3) == 0);
        CHECK(flagAt(49, 49) == 0x80);
    }
}

TEST_CASE("NaN and infinities survive pooling as marks") {
    Plane plane(64, 64);
    plane.at(10, 11) = kNan;
    plane.at(40, 41) = -kInf;
    const auto pyramid = built(plane);
    CHECK(pyramid->nan == 1);
    CHECK(pyramid->inf == 1);
    for (const double scale : {1.0, 1.5, 2.0, 5.3, 16.0, 64.0}) {
        const int pixels = std::max(1, static_cast<int>(std::ceil(64 / scale)));
        const Texels t = *sampleViewport(*pyramid, plane.filler(), {0, 0, scale, scale, pixels, pixels}, Pooling::AbsMax);
        std::uint8_t all = 0;
        for (const std::uint8_t flag : t.flags) {
            all = static_cast<std::uint8_t>(all | flag);
        }
        CAPTURE(scale);
        CHECK((all & (HidesNaN | HidesInf)) == (HidesNaN | HidesInf));
    }
}

TEST_CASE("Mean and min pooling") {
    Plane plane(96, 80);
    plane.at(5, 6) = kNan;
    const auto pyramid = built(plane);
    for (const double scale : {2.0, 4.0, 8.0, 3.0}) {
        const int w = static_cast<int>(80 / scale);
        const int h = static_cast<int>(96 / scale);
        const Texels mean = *sampleViewport(*pyramid, plane.filler(), {0, 0, scale, scale, w, h}, Pooling::Mean);
        const Texels low = *sampleViewport(*pyramid, plane.filler(), {0, 0, scale, scale, w, h}, Pooling::Min);
        float least = kInf;
        for (int y = 0; y < h; ++y) {
            for (int x = 0; x < w; ++x) {
                const auto i = static_cast<std::size_t>(y * w + x);
                least = std::min(least, low.values[i]);
                if (scale != 3.0) {
                    const Expected e = expectTexel(plane, static_cast<std::int64_t>(scale), y, x);
                    CHECK_THAT(static_cast<double>(mean.values[i]), Catch::Matchers::WithinAbs(e.mean, 1e-5));
                    CHECK(low.values[i] == e.min);
                }
            }
        }
        CHECK(least == pyramid->min);
    }
}

TEST_CASE("400 single-cell outliers in 4096 x 4096 stay visible at every zoom, pan and device scale") {
    constexpr std::int64_t kSize = 4096;
    constexpr float kOutlier = 50;
    Plane plane(kSize, kSize);
    std::vector<std::pair<std::int64_t, std::int64_t>> spots;
    std::set<std::int64_t> taken;
    for (std::uint64_t i = 0; spots.size() < 400; ++i) {
        const auto r = static_cast<std::int64_t>(randomBits(11, 2 * i) % kSize);
        const auto c = static_cast<std::int64_t>(randomBits(11, 2 * i + 1) % kSize);
        if (taken.insert(r * kSize + c).second) {
            spots.emplace_back(r, c);
            plane.at(r, c) = spots.size() % 2 == 0 ? kOutlier : -kOutlier;
        }
    }
    const auto pyramid = built(plane);
    std::int64_t looked = 0;
    std::int64_t missed = 0;
    const auto look = [&](const Viewport& view) {
        const Texels t = *sampleViewport(*pyramid, plane.filler(), view, Pooling::AbsMax);
        for (const auto& [r, c] : spots) {
            // Wholly in view?
            const double x0 = (static_cast<double>(c) - view.left) / view.cellsPerPixelX;
            const double x1 = (static_cast<double>(c + 1) - view.left) / view.cellsPerPixelX;
            const double y0 = (static_cast<double>(r) - view.top) / view.cellsPerPixelY;
            const double y1 = (static_cast<double>(r + 1) - view.top) / view.cellsPerPixelY;
            if (x0 < 0 || y0 < 0 || x1 > view.width || y1 > view.height) {
                continue;
            }
            ++looked;
            // A texel may reach one texel (at most two pixels) beyond its own place.
            bool seen = false;
            for (int y = std::max(0, static_cast<int>(y0) - 2); y <= std::min(view.height - 1, static_cast<int>(y1) + 2); ++y) {
                for (int x = std::max(0, static_cast<int>(x0) - 2); x <= std::min(view.width - 1, static_cast<int>(x1) + 2); ++x) {
                    seen = seen || std::fabs(t.values[static_cast<std::size_t>(y) * static_cast<std::size_t>(view.width) + static_cast<std::size_t>(x)]) == kOutlier;
                }
            }
            missed += seen ? 0 : 1;
        }
    };
    for (const double deviceScale : {1.0, 1.5, 2.0}) {
        const int width = static_cast<int>(400 * deviceScale);
        const int height = static_cast<int>(300 * deviceScale);
        for (const double cells : {0.11, 0.5, 0.97, 1.0, 1.01, 1.3, 1.5, 1.99, 2.0, 2.7, 3.0, 4.2, 5.9, 7.3, 8.0, 10.24, 13.65}) {
            const double perPixel = cells / deviceScale;
            for (int pan = 0; pan < 3; ++pan) {
                const double left = pan * 371.37;
                const double top = pan * 293.71;
                look({left, top, perPixel, perPixel, width, height});
            }
        }
        // The whole matrix, also with different scales on the two axes.
        look({0, 0, kSize / static_cast<double>(width), kSize / static_cast<double>(height), width, height});
        look({-100, -50, 4300.0 / width, 4300.0 / height, width, height});
    }
    CHECK(looked > 10000);
    CHECK(missed == 0);
}

TEST_CASE("Colours: range ends, specials and both scales, on every CPU target") {
    const auto target = GENERATE(from_range(availableCpuTargets()));
    const CpuTarget before = setCpuTarget(target);
    const std::vector<std::uint32_t> table{10, 11, 12, 13};
    Texels t;
    t.values = {0, 0.24F, 0.26F, 0.5F, 0.99F, 1, -0.01F, 1.01F, kNan, kInf, -kInf, 5, -0.3F};
    t.flags.assign(t.values.size(), 0);
    t.flags[11] = 0x80;
    t.width = static_cast<int>(t.values.size());
    t.height = 1;
    ColorScale scale{table, 0, 1, false, false, 20, 21, 22, 23, 24};
    std::vector<std::uint32_t> out(t.values.size());
    colorize(t, scale, out.data());
    CHECK(out == std::vector<std::uint32_t>{10, 10, 11, 12, 13, 13, 20, 21, 22, 23, 23, 24, 20});
    scale.magnitude = true;
    colorize(t, scale, out.data());
    CHECK(out[12] == 11);
    CHECK(out[6] == 10);
    scale.logarithmic = true;
    scale.low = 1e-4F;
    colorize(t, scale, out.data());
    CHECK(out[0] == 20);
    CHECK(out[5] == 13);
    CHECK(out[3] == 13);
    setCpuTarget(before);
}

TEST_CASE("The centre of a diverging map is zero, and logarithmic colours follow log2") {
    const ColorTable& map = colorTable(ColorMapId::Signed);
    Texels t;
    for (int i = -1000; i <= 1000; ++i) {
        t.values.push_back(static_cast<float>(i) / 1000);
    }
    t.flags.assign(t.values.size(), 0);
    std::vector<std::uint32_t> out(t.values.size());
    colorize(t, {map.entries, -1, 1, false, false, map.below, map.above, 0, 0, 0}, out.data());
    CHECK(out[1000] == map.entries[255]);
    CHECK(out.front() == map.entries.front());
    CHECK(out.back() == map.entries.back());
    const ColorTable& viridis = colorTable(ColorMapId::Viridis);
    for (std::size_t i = 0; i < t.values.size(); ++i) {
        t.values[i] = static_cast<float>(std::exp2(-12.0 + 12.0 * static_cast<double>(i) / 2000));
    }
    colorize(t, {viridis.entries, 0x1p-12F, 1, false, true, 1, 2, 3, 4, 5}, out.data());
    std::int64_t off = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const double position = static_cast<double>(i) / 2000 * 256;
        const auto low = static_cast<std::size_t>(std::clamp(position - 0.01, 0.0, 255.0));
        const auto high = static_cast<std::size_t>(std::clamp(position + 0.01, 0.0, 255.0));
        off += out[i] == viridis.entries[low] || out[i] == viridis.entries[high] ? 0 : 1;
    }
    CHECK(off == 0);
}

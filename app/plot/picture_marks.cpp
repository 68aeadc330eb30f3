// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/picture_marks.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace loupe::app {

namespace {

constexpr std::uint8_t kOutside = 0x80;
/// Where more of the picture is marked than this, spreading would hide the rest: the pixels speak for themselves.
constexpr double kMostOutliers = 0.02;

struct Grid {
    const Texels& texels;
    QRgb* pixels;
    [[nodiscard]] std::size_t at(int x, int y) const {
        return static_cast<std::size_t>(y) * static_cast<std::size_t>(texels.width) + static_cast<std::size_t>(x);
    }
};

/// Calls f(x, y) for the pixels of a square of `size` round (x, y), clipped.
template <class F>
void square(const Texels& texels, int x, int y, int size, F f) {
    const int before = (size - 1) / 2;
    for (int v = std::max(0, y - before); v < std::min(texels.height, y - before + size); ++v) {
        for (int u = std::max(0, x - before); u < std::min(texels.width, x - before + size); ++u) {
            f(u, v);
        }
    }
}

void spreadOutliers(const Grid& grid, double level, int size) {
    const auto bound = static_cast<float>(level);
    std::vector<std::size_t> found;
    const std::vector<float>& values = grid.texels.values;
    const auto most = static_cast<std::size_t>(kMostOutliers * static_cast<double>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (std::fabs(values[i]) > bound && (grid.texels.flags[i] & kOutside) == 0) {
            if (found.size() >= most) {
                return;
            }
            found.push_back(i);
        }
    }
    // Ascending magnitude, so that the larger of two neighbours wins wherever they meet.
    std::stable_sort(found.begin(), found.end(), [&](std::size_t a, std::size_t b) { return std::fabs(values[a]) < std::fabs(values[b]); });
    std::vector<QRgb> colours;
    colours.reserve(found.size());
    for (const std::size_t i : found) {
        colours.push_back(grid.pixels[i]);
    }
    for (std::size_t k = 0; k < found.size(); ++k) {
        const auto x = static_cast<int>(found[k] % static_cast<std::size_t>(grid.texels.width));
        const auto y = static_cast<int>(found[k] / static_cast<std::size_t>(grid.texels.width));
        square(grid.texels, x, y, size, [&](int u, int v) {
            const std::size_t j = grid.at(u, v);
            if ((grid.texels.flags[j] & kOutside) == 0 && !(std::fabs(values[j]) > bound)) {
                grid.pixels[j] = colours[k];
            }
        });
    }
}

void markNonFinite(const Grid& grid, int size) {
    const std::vector<std::uint8_t>& flags = grid.texels.flags;
    for (int pass = 0; pass < 2; ++pass) {  // rings first, so that neighbours do not cut each other's centre
        for (int y = 0; y < grid.texels.height; ++y) {
            for (int x = 0; x < grid.texels.width; ++x) {
                const std::uint8_t flag = flags[grid.at(x, y)];
                if ((flag & (HidesNaN | HidesInf)) == 0 || (flag & kOutside) != 0) {
                    continue;
                }
                square(grid.texels, x, y, pass == 0 ? size + 2 : size, [&](int u, int v) {
                    const bool cross = (flag & HidesNaN) == 0 && std::abs(u - x) == std::abs(v - y);
                    grid.pixels[grid.at(u, v)] = pass == 0 || cross ? 0xffffffff : 0xff000000;
                });
            }
        }
    }
}

}  // namespace

void paintMarks(const Texels& texels, const MarkStyle& style, QRgb* pixels) {
    const Grid grid{texels, pixels};
    if (style.outlierLevel && *style.outlierLevel > 0) {
        spreadOutliers(grid, *style.outlierLevel, style.least);
    }
    const bool any = std::any_of(texels.flags.begin(), texels.flags.end(), [](std::uint8_t flag) { return (flag & 3) != 0; });
    if (any) {
        markNonFinite(grid, style.least);
    }
}

void dimOutside(const Texels& texels, std::pair<double, double> range, QRgb canvas, QRgb* pixels) {
    const auto low = static_cast<float>(range.first);
    const auto high = static_cast<float>(range.second);
    const auto mix = [](int a, int b) { return (a + 4 * b) / 5; };
    for (std::size_t i = 0; i < texels.values.size(); ++i) {
        const float value = texels.values[i];
        if (!(value >= low && value <= high)) {
            const QRgb c = pixels[i];
            pixels[i] = qRgb(mix(qRed(c), qRed(canvas)), mix(qGreen(c), qGreen(canvas)), mix(qBlue(c), qBlue(canvas)));
        }
    }
}

}  // namespace loupe::app

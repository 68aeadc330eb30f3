// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/stats/picture_kernels.hpp"
#include "core/stats/pyramid.hpp"

namespace loupe {

void colorize(const Texels& texels, const ColorScale& scale, std::uint32_t* out) {
    LOUPE_ASSERT(scale.table.size() >= 2, "a colour table");
    LOUPE_ASSERT(!scale.logarithmic || (scale.low > 0 && scale.high > 0), "logarithms of positive bounds");
    LOUPE_ASSERT(texels.flags.size() == texels.values.size(), "one flag byte per texel");
    std::vector<std::uint32_t> table(scale.table.begin(), scale.table.end());
    for (const std::uint32_t special : {scale.below, scale.above, scale.nan, scale.infinite, scale.outside}) {
        table.push_back(special);
    }
    const auto entries = static_cast<float>(scale.table.size());
    const float from = scale.logarithmic ? std::log2(scale.low) : scale.low;
    const float to = scale.logarithmic ? std::log2(scale.high) : scale.high;
    // An empty range: the one value in it gets the middle of the map.
    const float span = to - from;
    const bool empty = !(span > 0);
    ColorizeParameters parameters{};
    parameters.table = table.data();
    parameters.entries = static_cast<std::int32_t>(scale.table.size());
    parameters.low = scale.low;
    parameters.high = scale.high;
    parameters.factor = empty ? 1.0F : entries / span;
    parameters.offset = empty ? from - std::floor(entries / 2) : from;
    parameters.magnitude = scale.magnitude;
    parameters.logarithmic = scale.logarithmic;
    const PictureKernels& kernels = pictureKernels();
    constexpr std::int64_t kChunk = 1 << 16;
    parallelFor(static_cast<std::int64_t>(texels.values.size()), kChunk, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        kernels.colorize(texels.values.data() + begin, texels.flags.data() + begin, end - begin, parameters, out + begin);
    });
}

}  // namespace loupe

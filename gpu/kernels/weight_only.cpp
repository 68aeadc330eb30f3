// SPDX-License-Identifier: Apache-2.0
#include "gpu/kernels/weight_only.hpp"

#include "core/base/worker_pool.hpp"
#include "core/quant/uniform.hpp"
#include "gpu/kernels/matmul_plan.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace loupe::gpu {

namespace {

/// The scale of values[first, last) as core's absmax finds it.
float scaleOf(const UniformSpec& spec, std::span<const float> values) {
    float most = 0;
    for (const float value : values) {
        most = std::max(most, std::fabs(value));
    }
    return gridFor<float>(spec, -most, most).scale;
}

}  // namespace

WeightCodes weightCodes(const MatmulProblem& problem, int bits, const JobContext& ctx) {
    const std::int64_t rows = problem.shape.n;
    const std::int64_t cols = problem.shape.k;
    const std::int64_t group = bits == 8 ? cols : problem.shape.group;
    UniformSpec spec;
    spec.bits = bits;
    spec.per = bits == 8 ? ScalePer::Row : ScalePer::Group;
    spec.group = group;
    WeightCodes out;
    out.bits = bits;
    out.groups = (cols + group - 1) / group;
    out.codes.resize(problem.w.size());
    out.decoded.resize(problem.w.size());
    out.scales.resize(static_cast<std::size_t>(rows * out.groups));
    const std::span<const float> weights(problem.w);
    const auto forEntries = [&](auto&& body) {
        parallelFor(rows, 16, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            for (std::int64_t entry = begin * out.groups; entry < end * out.groups; ++entry) {
                const std::int64_t from = entry % out.groups * group;
                body(static_cast<std::size_t>(entry),
                     static_cast<std::size_t>(entry / out.groups * cols + from),
                     static_cast<std::size_t>(std::min(group, cols - from)));
            }
        });
    };
    forEntries([&](std::size_t entry, std::size_t first, std::size_t count) {
        const float scale = scaleOf(spec, weights.subspan(first, count));
        out.scales[entry] = scale;
        for (std::size_t i = first; i < first + count; ++i) {
            out.codes[i] = static_cast<std::int8_t>(codeOf<float>(spec, scale, 0, weights[i]));
        }
    });
    if (bits == 4) {
        HalfValues stored = toHalfValues(out.scales);
        out.halfScales = std::move(stored.codes);
        out.scales = std::move(stored.decoded);
    }
    forEntries([&](std::size_t entry, std::size_t first, std::size_t count) {
        for (std::size_t i = first; i < first + count; ++i) {
            out.decoded[i] = out.scales[entry] * static_cast<float>(out.codes[i]);
        }
    });
    return out;
}

std::vector<std::uint16_t> paddedHalves(std::span<const std::uint16_t> codes,
                                        std::int64_t rows,
                                        std::int64_t cols,
                                        std::int64_t padded) {
    std::vector<std::uint16_t> out(static_cast<std::size_t>(rows * padded), 0);
    for (std::int64_t row = 0; row < rows; ++row) {
        std::copy_n(codes.begin() + row * cols, cols, out.begin() + row * padded);
    }
    return out;
}

int groupShift(const MatmulShape& shape, int bits) {
    return bits == 8 ? 30 : std::countr_zero(static_cast<std::uint64_t>(shape.group));
}

std::string refusesWeightOnly(const TimingRequest& request,
                              int bits,
                              std::int64_t mostTokens,
                              std::int64_t leastGroup) {
    const MatmulShape& shape = request.matmul;
    if (shape.m > mostTokens) {
        return "takes at most " + std::to_string(mostTokens) + " tokens; there are " +
               std::to_string(shape.m);
    }
    if (shape.k > 65536) {
        return "takes at most 65536 inputs; there are " + std::to_string(shape.k);
    }
    if (bits == 4 && (shape.group < leastGroup ||
                      !std::has_single_bit(static_cast<std::uint64_t>(shape.group)))) {
        return "groups must be a power of two, at least " + std::to_string(leastGroup) +
               "; it is " + std::to_string(shape.group);
    }
    return {};
}

KernelCost weightOnlyCost(const TimingRequest& request, int bits, std::string_view arithmetic) {
    const MatmulShape& shape = request.matmul;
    const auto m = static_cast<double>(shape.m);
    const auto n = static_cast<double>(shape.n);
    const auto k = static_cast<double>(shape.k);
    const double groups = std::ceil(k / static_cast<double>(shape.group));
    return productCost(
        shape, n * k * bits / 8 + (bits == 4 ? 2 * n * groups : 4 * n) + 2 * m * k, arithmetic);
}

}  // namespace loupe::gpu

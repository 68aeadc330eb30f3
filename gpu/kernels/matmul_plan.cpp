// SPDX-License-Identifier: Apache-2.0
#include "gpu/kernels/matmul_plan.hpp"

#include "core/base/worker_pool.hpp"
#include "core/quant/uniform.hpp"

namespace loupe::gpu {

Int8Rows quantizeRows(std::span<const float> values,
                      std::int64_t rows,
                      std::int64_t cols,
                      const JobContext& ctx) {
    UniformSpec spec;
    spec.bits = 8;
    spec.per = ScalePer::Row;
    Int8Rows out;
    out.codes.resize(values.size());
    out.scales.resize(static_cast<std::size_t>(rows));
    out.decoded.resize(values.size());
    parallelFor(rows, 16, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t row = begin; row < end; ++row) {
            const auto first = static_cast<std::size_t>(row * cols);
            float most = 0;
            for (std::int64_t i = 0; i < cols; ++i) {
                most = std::max(most, std::fabs(values[first + static_cast<std::size_t>(i)]));
            }
            const float scale = gridFor<float>(spec, -most, most).scale;
            out.scales[static_cast<std::size_t>(row)] = scale;
            for (std::int64_t i = 0; i < cols; ++i) {
                const std::size_t at = first + static_cast<std::size_t>(i);
                const std::int64_t code = codeOf<float>(spec, scale, 0, values[at]);
                out.codes[at] = static_cast<std::int8_t>(code);
                out.decoded[at] = scale * static_cast<float>(code);
            }
        }
    });
    return out;
}

KernelCost productCost(const MatmulShape& shape, double operandBytes, std::string_view arithmetic) {
    const auto m = static_cast<double>(shape.m);
    const auto n = static_cast<double>(shape.n);
    KernelCost cost;
    cost.flops = 2 * m * n * static_cast<double>(shape.k);
    cost.bytes = operandBytes + 4 * m * n;
    cost.arithmetic = arithmetic;
    return cost;
}

std::string refusesUnaligned(const MatmulShape& shape, std::int64_t multiple) {
    return shape.k % multiple == 0 ? std::string()
                                   : "k must be a multiple of " + std::to_string(multiple) +
                                         "; it is " + std::to_string(shape.k);
}

void addTiles(LaunchPlan& plan,
              const MatmulShape& shape,
              const TiledRung& rung,
              std::initializer_list<std::int64_t> more) {
    LaunchStep step;
    step.entry = rung.id;
    step.grid = {blocksFor(shape.m, rung.tileM), blocksFor(shape.n, rung.tileN), 1};
    step.block = {rung.threads, 1, 1};
    step.dynamicShared = static_cast<std::size_t>(rung.dynamicShared);
    for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
        step.arguments.push_back(Argument::of(static_cast<int>(i)));
    }
    for (const std::int64_t size : {shape.m, shape.n, shape.k}) {
        step.arguments.push_back(Argument::integral(size));
    }
    for (const std::int64_t size : more) {
        step.arguments.push_back(Argument::integral(size));
    }
    plan.steps.push_back(std::move(step));
}

}  // namespace loupe::gpu

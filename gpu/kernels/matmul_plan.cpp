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

Buffer outputBuffer(std::string name, std::int64_t elements) {
    return {std::move(name),
            BufferRole::Output,
            ElementType::Float32,
            static_cast<std::size_t>(elements) * sizeof(float),
            {}};
}

}  // namespace loupe::gpu

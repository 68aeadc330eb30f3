// SPDX-License-Identifier: Apache-2.0
#include "gpu/kernels/launch_plan.hpp"

#include "core/base/assert.hpp"
#include "core/formats/codec.hpp"

#include <utility>

namespace loupe::gpu {

HalfValues toHalfValues(std::span<const float> values) {
    const NumberFormat& fp16 = *findFormat("fp16");
    HalfValues out;
    out.codes.resize(values.size());
    out.decoded.resize(values.size());
    const bool encoded = encodeArray(fp16, values, out.codes).has_value();
    const bool rounded = roundTrip(fp16, values, out.decoded).has_value();
    LOUPE_ASSERT(encoded && rounded, "fp16 has a code for every float");
    return out;
}

Buffer outputBuffer(std::string name, std::int64_t elements) {
    return {std::move(name),
            BufferRole::Output,
            ElementType::Float32,
            static_cast<std::size_t>(elements) * sizeof(float),
            {}};
}

int addScratch(LaunchPlan& plan, std::string name, ElementType type, std::int64_t bytes) {
    plan.buffers.push_back(
        {std::move(name), BufferRole::Scratch, type, static_cast<std::size_t>(bytes), {}});
    return static_cast<int>(plan.buffers.size()) - 1;
}

int addFloats(LaunchPlan& plan, std::string name, BufferRole role, std::int64_t elements) {
    Buffer buffer = outputBuffer(std::move(name), elements);
    buffer.role = role;
    plan.buffers.push_back(std::move(buffer));
    return static_cast<int>(plan.buffers.size()) - 1;
}

}  // namespace loupe::gpu

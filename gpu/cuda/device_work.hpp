// SPDX-License-Identifier: Apache-2.0
// Something that can be run on the device again and again: a kernel's plan, or a library's call.
#pragma once

#include "gpu/driver/context.hpp"
#include "gpu/kernels/kernel.hpp"

#include <functional>
#include <span>
#include <vector>

namespace loupe::gpu::cuda {

using Pointers = std::span<const DevicePointer>;

/// What is run, as the host knows it.
struct WorkItem {
    std::vector<Buffer> buffers;
    int output = 0;
    /// Puts one run on the context's stream; pointers in the order of the buffers.
    std::function<Result<void>(Pointers)> enqueue;
};

/// The buffers of a work item on the device, once or several times over, so that a launch does not
/// find its operands in the cache.
class DeviceWork {
public:
    DeviceWork(Context& context, const WorkItem& item) : context_(context), item_(item) {}

    /// The first set: inputs uploaded, outputs NaN, scratch 0xFF.
    [[nodiscard]] Result<void> prepare();
    /// As many sets as `count`, copied from the first on the device; fewer where memory ends.
    [[nodiscard]] Result<void> growTo(std::size_t count);
    [[nodiscard]] Result<void> enqueue(std::size_t set);
    [[nodiscard]] Result<std::vector<std::byte>> downloadOutput();
    [[nodiscard]] std::size_t sets() const { return pointers_.size(); }
    /// Inputs and outputs.
    [[nodiscard]] std::size_t bytesPerSet() const;
    [[nodiscard]] const WorkItem& item() const { return item_; }

private:
    [[nodiscard]] Result<void> addSet();
    Context& context_;
    const WorkItem& item_;
    std::vector<DeviceMemory> memory_;
    std::vector<std::vector<DevicePointer>> pointers_;
};

}  // namespace loupe::gpu::cuda

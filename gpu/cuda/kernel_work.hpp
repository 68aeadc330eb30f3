// SPDX-License-Identifier: Apache-2.0
// A kernel's plan as work on the device: its code loaded, its steps bound to functions.
#pragma once

#include "gpu/cuda/device_work.hpp"

#include <map>
#include <string>
#include <string_view>

namespace loupe::gpu::cuda {

/// Device code of the families, each loaded once.
class KernelModules {
public:
    explicit KernelModules(Context& context) : context_(context) {}

    struct Loaded {
        Module module;
        std::string source;  ///< embedded, nvrtc
        std::string why;     ///< why there is no module; empty: there is one
    };
    /// The fat binary; where there is none or the driver takes none of it, the text through NVRTC.
    [[nodiscard]] Loaded& get(std::string_view family);

private:
    [[nodiscard]] Loaded load(std::string_view family);
    Context& context_;
    std::map<std::string, Loaded, std::less<>> loaded_;
};

struct KernelWork {
    WorkItem item;
    KernelRecord
        figures;  ///< source, arch, registers, shared and local bytes: the most of any step
};

/// Takes the buffers out of the plan.
[[nodiscard]] Result<KernelWork> makeKernelWork(Context& context,
                                                KernelModules& modules,
                                                std::string_view family,
                                                LaunchPlan& plan);

}  // namespace loupe::gpu::cuda

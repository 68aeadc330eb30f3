// SPDX-License-Identifier: Apache-2.0
// NVIDIA's driver API, loaded at run time: nothing links CUDA and no CUDA header is needed.
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace loupe::gpu::cuda {

using DevicePointer = unsigned long long;
using DriverStatus = int;

constexpr DriverStatus kSuccess = 0;
constexpr DriverStatus kOutOfMemory = 2;
constexpr DriverStatus kNotReady = 600;

/// Every entry point as a function pointer that is never null.
struct Driver {
#define LOUPE_DRIVER(member, symbol, ...) DriverStatus (*member)(__VA_ARGS__) = nullptr;
#include "gpu/driver/entry_points.def"
#undef LOUPE_DRIVER

    /// Loads libcuda.so.1 and starts it, once a process. Unsupported, with a sentence for the user:
    /// no driver, an entry point missing, a driver that does not start, no device.
    [[nodiscard]] static Result<const Driver*> load();

    /// "CUDA_ERROR_OUT_OF_MEMORY (2): out of memory".
    [[nodiscard]] std::string describe(DriverStatus status) const;
};

/// Errors after which a context answers every call with the same error: the process has no working
/// device any more.
[[nodiscard]] bool isSticky(DriverStatus status);

}  // namespace loupe::gpu::cuda

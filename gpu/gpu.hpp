// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loupe::gpu {

/// One CUDA device as its driver describes it.
struct Device {
    std::string name;
    int computeMajor = 0;
    int computeMinor = 0;
    std::uint64_t memoryBytes = 0;
};

/// Whether timing runs could use a GPU on this machine, and if not, why, in one sentence.
struct Availability {
    bool available = false;
    std::string reason;  ///< "libcuda.so.1 could not be loaded: no NVIDIA driver"; empty where available
    int driverVersion = 0;  ///< 13000 for CUDA 13.0; 0 if unknown
    std::vector<Device> devices;
};

/// Asks the CUDA driver, loaded at run time; nothing here links CUDA. Takes up to a second where a driver is present.
[[nodiscard]] Availability probe();

}  // namespace loupe::gpu

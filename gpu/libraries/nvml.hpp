// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace loupe::gpu {

struct NvmlReading {
    double smMhz = 0;
    double memoryMhz = 0;
    double temperature = 0;
    double powerWatts = 0;
    std::vector<std::string> eventReasons;  ///< why the clock is held down; "idle" left out
};

/// What NVIDIA's management library says of one device: clocks, temperature, power. Only reads;
/// never sets a clock. Without the library, or where it refuses, readings are 0.
class Nvml {
public:
    /// `uuid` as in "GPU-…".
    explicit Nvml(const std::string& uuid);
    [[nodiscard]] NvmlReading read() const;
    [[nodiscard]] const std::string& driverVersion() const { return driverVersion_; }

private:
    using Device = void*;
    Device device_ = nullptr;
    int (*clock_)(Device, unsigned, unsigned*) = nullptr;
    int (*temperature_)(Device, unsigned, unsigned*) = nullptr;
    int (*power_)(Device, unsigned*) = nullptr;
    int (*reasons_)(Device, unsigned long long*) = nullptr;
    std::string driverVersion_;
};

}  // namespace loupe::gpu

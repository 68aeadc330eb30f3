// SPDX-License-Identifier: Apache-2.0
#include "gpu/libraries/nvml.hpp"

#include "gpu/libraries/shared_library.hpp"

#include <array>
#include <utility>

namespace loupe::gpu {

namespace {

// nvml.h: NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU.
constexpr unsigned kClockSm = 1;
constexpr unsigned kClockMemory = 2;
constexpr unsigned kTemperatureGpu = 0;

// nvml.h: nvmlClocksEventReasons; idle (0x1) slows nothing down.
constexpr std::array<std::pair<unsigned long long, const char*>, 8> kReasons{{
    {0x0000000000000002ULL, "applications_clocks_setting"},
    {0x0000000000000004ULL, "sw_power_cap"},
    {0x0000000000000008ULL, "hw_slowdown"},
    {0x0000000000000010ULL, "sync_boost"},
    {0x0000000000000020ULL, "sw_thermal_slowdown"},
    {0x0000000000000040ULL, "hw_thermal_slowdown"},
    {0x0000000000000080ULL, "hw_power_brake_slowdown"},
    {0x0000000000000100ULL, "display_clock_setting"},
}};

}  // namespace

Nvml::Nvml(const std::string& uuid) {
    const Result<SharedLibrary> library = SharedLibrary::open({"libnvidia-ml.so.1"});
    if (!library) {
        return;
    }
    int (*init)() = nullptr;
    int (*version)(char*, unsigned) = nullptr;
    int (*byUuid)(const char*, Device*) = nullptr;
    library->load(version, "nvmlSystemGetDriverVersion");
    library->load(byUuid, "nvmlDeviceGetHandleByUUID");
    if (!library->load(init, "nvmlInit_v2") || init() != 0) {
        return;
    }
    std::array<char, 96> text{};
    if (version != nullptr && version(text.data(), static_cast<unsigned>(text.size())) == 0) {
        driverVersion_ = text.data();
    }
    if (byUuid == nullptr || byUuid(uuid.c_str(), &device_) != 0) {
        device_ = nullptr;
        return;
    }
    library->load(clock_, "nvmlDeviceGetClockInfo");
    library->load(temperature_, "nvmlDeviceGetTemperature");
    library->load(power_, "nvmlDeviceGetPowerUsage");
    // The older name of the same call, for drivers before 535.
    if (!library->load(reasons_, "nvmlDeviceGetCurrentClocksEventReasons")) {
        library->load(reasons_, "nvmlDeviceGetCurrentClocksThrottleReasons");
    }
}

NvmlReading Nvml::read() const {
    NvmlReading reading;
    if (device_ == nullptr) {
        return reading;
    }
    unsigned value = 0;
    if (clock_ != nullptr && clock_(device_, kClockSm, &value) == 0) {
        reading.smMhz = value;
    }
    if (clock_ != nullptr && clock_(device_, kClockMemory, &value) == 0) {
        reading.memoryMhz = value;
    }
    if (temperature_ != nullptr && temperature_(device_, kTemperatureGpu, &value) == 0) {
        reading.temperature = value;
    }
    if (power_ != nullptr && power_(device_, &value) == 0) {
        reading.powerWatts = value * 1e-3;
    }
    unsigned long long mask = 0;
    if (reasons_ != nullptr && reasons_(device_, &mask) == 0) {
        for (const auto& [bit, name] : kReasons) {
            if ((mask & bit) != 0) {
                reading.eventReasons.emplace_back(name);
            }
        }
    }
    return reading;
}

}  // namespace loupe::gpu

// SPDX-License-Identifier: Apache-2.0
#include "gpu/gpu.hpp"
#include "gpu/libraries/shared_library.hpp"

#include <array>
#include <cstddef>

namespace loupe::gpu {

namespace {

// CUdevice_attribute, CUDA driver API.
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;

}  // namespace

Availability probe() {
    Availability found;
    const Result<SharedLibrary> library = SharedLibrary::open({"libcuda.so.1"});
    if (!library) {
        found.reason = "no NVIDIA driver: " + library.error().what;
        return found;
    }
    int (*init)(unsigned) = nullptr;
    int (*version)(int*) = nullptr;
    int (*count)(int*) = nullptr;
    int (*device)(int*, int) = nullptr;
    int (*name)(char*, int, int) = nullptr;
    int (*memory)(std::size_t*, int) = nullptr;
    int (*attribute)(int*, int, int) = nullptr;
    if (library->missing({{init, "cuInit"},
                          {version, "cuDriverGetVersion"},
                          {count, "cuDeviceGetCount"},
                          {device, "cuDeviceGet"},
                          {name, "cuDeviceGetName"},
                          {memory, "cuDeviceTotalMem_v2"},
                          {attribute, "cuDeviceGetAttribute"}}) != nullptr) {
        found.reason = "libcuda.so.1 lacks an entry point that every driver since CUDA 4 has";
        return found;
    }
    version(&found.driverVersion);
    if (const int status = init(0); status != 0) {
        found.reason = "the CUDA driver does not start: error " + std::to_string(status);
        return found;
    }
    int devices = 0;
    if (const int status = count(&devices); status != 0 || devices == 0) {
        found.reason = "the CUDA driver reports no device";
        return found;
    }
    for (int i = 0; i < devices; ++i) {
        int handle = 0;
        std::array<char, 256> text{};
        std::size_t bytes = 0;
        Device description;
        if (device(&handle, i) != 0 || name(text.data(), static_cast<int>(text.size()), handle) != 0 ||
            memory(&bytes, handle) != 0 ||
            attribute(&description.computeMajor, kComputeCapabilityMajor, handle) != 0 ||
            attribute(&description.computeMinor, kComputeCapabilityMinor, handle) != 0) {
            continue;
        }
        description.name = text.data();
        description.memoryBytes = bytes;
        found.devices.push_back(description);
    }
    found.available = !found.devices.empty();
    if (!found.available) {
        found.reason = "the CUDA driver lists devices but describes none";
    }
    return found;
}

}  // namespace loupe::gpu

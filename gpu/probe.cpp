// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <array>
#include <cstddef>
#include <memory>

#include "gpu/gpu.hpp"

namespace loupe::gpu {

namespace {

/// The entry point `name` of a loaded library as a function pointer, or null.
template <class Function>
Function entry(void* library, const char* name) {
    // POSIX defines that the object pointer of dlsym may be converted to a function pointer.
    return reinterpret_cast<Function>(dlsym(library, name));
}

using Init = int (*)(unsigned);
using GetInt = int (*)(int*);
using GetDevice = int (*)(int*, int);
using GetName = int (*)(char*, int, int);
using GetMemory = int (*)(std::size_t*, int);
using GetAttribute = int (*)(int*, int, int);

// CUdevice_attribute, CUDA driver API.
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;

}  // namespace

Availability probe() {
    Availability found;
    const std::unique_ptr<void, int (*)(void*)> library(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL), dlclose);
    if (!library) {
        found.reason = "no NVIDIA driver: libcuda.so.1 could not be loaded";
        return found;
    }
    const auto init = entry<Init>(library.get(), "cuInit");
    const auto version = entry<GetInt>(library.get(), "cuDriverGetVersion");
    const auto count = entry<GetInt>(library.get(), "cuDeviceGetCount");
    const auto device = entry<GetDevice>(library.get(), "cuDeviceGet");
    const auto name = entry<GetName>(library.get(), "cuDeviceGetName");
    const auto memory = entry<GetMemory>(library.get(), "cuDeviceTotalMem_v2");
    const auto attribute = entry<GetAttribute>(library.get(), "cuDeviceGetAttribute");
    if (init == nullptr || version == nullptr || count == nullptr || device == nullptr || name == nullptr ||
        memory == nullptr || attribute == nullptr) {
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

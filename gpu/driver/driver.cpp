// SPDX-License-Identifier: Apache-2.0
#include "gpu/driver/driver.hpp"

#include "gpu/libraries/shared_library.hpp"

#include <utility>

namespace loupe::gpu::cuda {

namespace {

tl::unexpected<Error> unsupported(std::string what) {
    return fail(ErrorCode::Unsupported, std::move(what));
}

Result<Driver> open() {
    const Result<SharedLibrary> library = SharedLibrary::open({"libcuda.so.1"});
    if (!library) {
        return unsupported("no NVIDIA driver: " + library.error().what);
    }
    Driver driver;
    const char* const missing = library->missing({
#define LOUPE_DRIVER(member, symbol, ...) {driver.member, symbol},
#include "gpu/driver/entry_points.def"
#undef LOUPE_DRIVER
    });
    if (missing != nullptr) {
        return unsupported(std::string("libcuda.so.1 lacks ") + missing +
                           ": this NVIDIA driver is older than CUDA 11.4");
    }
    if (const DriverStatus status = driver.init(0); status != kSuccess) {
        return unsupported("the CUDA driver does not start: " + driver.describe(status));
    }
    int devices = 0;
    if (const DriverStatus status = driver.deviceGetCount(&devices); status != kSuccess) {
        return unsupported("the CUDA driver lists no devices: " + driver.describe(status));
    }
    if (devices == 0) {
        return unsupported("there is an NVIDIA driver, but no CUDA device");
    }
    return driver;
}

}  // namespace

Result<const Driver*> Driver::load() {
    static const Result<Driver> kDriver = open();
    if (!kDriver) {
        return fail(kDriver.error());
    }
    return &*kDriver;
}

std::string Driver::describe(DriverStatus status) const {
    const char* name = nullptr;
    const char* sentence = nullptr;
    if (getErrorName(status, &name) != kSuccess || name == nullptr) {
        return "error " + std::to_string(status);
    }
    std::string text = std::string(name) + " (" + std::to_string(status) + ")";
    if (getErrorString(status, &sentence) == kSuccess && sentence != nullptr) {
        text += std::string(": ") + sentence;
    }
    return text;
}

bool isSticky(DriverStatus status) {
    // CUresult in cuda.h: illegal address 700, launch timeout 702, context destroyed 709, and the
    // exceptions of a kernel 714 (hardware stack) to 719 (launch failed); 721 cluster, 214 ECC, 220
    // NVLink.
    return status == 700 || status == 702 || status == 709 || (status >= 714 && status <= 719) ||
           status == 721 || status == 214 || status == 220;
}

}  // namespace loupe::gpu::cuda

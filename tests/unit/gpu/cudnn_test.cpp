// SPDX-License-Identifier: Apache-2.0
// What we describe to cuDNN, without a GPU: the library itself says whether it has an engine for
// it.
#include "gpu/libraries/cudnn_sdpa.hpp"
#include "tests/support/catch.hpp"

#include <dlfcn.h>

using namespace loupe;
using namespace loupe::gpu;

namespace {

/// An H100 as cuDNN 9 describes a device to itself.
constexpr const char* kDevice =
    R"({"cudaDeviceId": 0, "deviceName": "NVIDIA H100 80GB HBM3", "deviceVer": 900,
"driverVer": 13000, "smVersion": 900, "cudnnVersion": 91900, "schemaVersion": 1,
"multiProcessorCount": 132, "smClockRateKHz": 1980000, "memClockRateKHz": 2619000,
"l2CacheSize": 52428800, "warpSize": 32, "maxGridSize": [2147483647, 65535, 65535],
"maxBlockSize": [1024, 1024, 64], "maxSharedMemoryPerBlock": 49152,
"maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
"maxRegistersPerSM": 65536, "regsPerBlock": 65536, "totalGlobalMem": 85000000000,
"maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "isTccDriver": 0,
"supportCoopLaunch": 1, "pciDeviceId": 0})";

AttentionShape shapeOf(std::int64_t seq, std::int64_t dim, std::int64_t heads, std::int64_t kv) {
    AttentionShape shape;
    shape.seq = seq;
    shape.dim = dim;
    shape.heads = heads;
    shape.kvHeads = kv;
    return shape;
}

}  // namespace

TEST_CASE("cuDNN has engines for attention as we describe it, with and without a mask") {
    // cuDNN wants a driver even to propose; the toolkit's stand-in is one that runs nothing.
    const bool hasDriver = ::dlopen("libcuda.so.1", RTLD_NOW) != nullptr ||
                           ::dlopen("/usr/local/cuda/lib64/stubs/libcuda.so", RTLD_NOW) != nullptr;
    const Result<int> first = cuda::cudnnEngines(shapeOf(512, 64, 4, 4), kDevice);
    if (!first) {
        const std::string& said = first.error().what;
        WARN("skipped: " << said);
        const bool isAbsent = said.find("libcudnn") != std::string::npos ||
                              said.find("built without") != std::string::npos ||
                              said.find("has no single") != std::string::npos;
        CHECK((isAbsent || !hasDriver));
        return;
    }
    CHECK(*first > 0);
    for (AttentionShape shape :
         {shapeOf(512, 64, 4, 4), shapeOf(301, 64, 2, 2), shapeOf(1000, 128, 8, 2)}) {
        CAPTURE(shape.seq, shape.dim, shape.heads);
        shape.causal = true;
        const Result<int> engines = cuda::cudnnEngines(shape, kDevice);
        CAPTURE(engines ? std::string() : engines.error().what);
        REQUIRE(engines);
        CHECK(*engines > 0);
    }
    // What no engine takes is said, not guessed.
    const Result<int> odd = cuda::cudnnEngines(shapeOf(64, 7, 1, 1), kDevice);
    CHECK_FALSE(odd);
    CHECK_FALSE(cuda::cudnnEngines(shapeOf(512, 64, 4, 4), "{}"));
}

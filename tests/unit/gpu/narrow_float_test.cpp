// SPDX-License-Identifier: Apache-2.0
// The executor's FP16 and BF16 against core's formats and, where the toolkit is, NVIDIA's own
// headers.
#include "gpu/simt/narrow_float.hpp"

#include "core/formats/codec.hpp"
#include "tests/support/catch.hpp"

#include <bit>
#include <cmath>

#if defined(LOUPE_CUDA_HEADERS)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

using namespace loupe;
using namespace loupe::gpu::simt;

namespace {

/// Every upper half with lower halves around the rounding borders of both formats.
template <class Visit>
void forFloats(const Visit& visit) {
    for (std::uint32_t high = 0; high < 0x10000; ++high) {
        for (const std::uint32_t low : {0x0000U,
                                        0x0001U,
                                        0x0FFFU,
                                        0x1000U,
                                        0x1001U,
                                        0x2FFFU,
                                        0x3000U,
                                        0x3001U,
                                        0x7FFFU,
                                        0x8000U,
                                        0x8001U,
                                        0xEFFFU,
                                        0xF000U,
                                        0xFFFFU}) {
            visit(std::bit_cast<float>(high << 16 | low));
        }
    }
}

}  // namespace

TEST_CASE("FP16 and BF16 of kernels on the CPU are those of the number formats") {
    const NumberFormat& fp16 = *findFormat("fp16");
    const NumberFormat& bf16 = *findFormat("bf16");
    std::int64_t wrong = 0;
    for (std::uint32_t code = 0; code < 0x10000; ++code) {
        const auto bits = static_cast<std::uint16_t>(code);
        const float asHalf = halfToFloat({bits});
        const float brain = bfloat16ToFloat({bits});
        const double wantedHalf = decode(fp16, code);
        const double wantedBrain = decode(bf16, code);
        wrong += std::isnan(wantedHalf) ? (std::isnan(asHalf) ? 0 : 1)
                                        : (static_cast<double>(asHalf) == wantedHalf ? 0 : 1);
        wrong += std::isnan(wantedBrain) ? (std::isnan(brain) ? 0 : 1)
                                         : (static_cast<double>(brain) == wantedBrain ? 0 : 1);
    }
    CHECK(wrong == 0);
    EncodeOptions options;
    options.overflow = Overflow::Special;
    forFloats([&](float value) {
        if (std::isnan(value)) {
            wrong += floatToHalf(value).bits == 0x7FFF ? 0 : 1;
            wrong += floatToBfloat16(value).bits == 0x7FFF ? 0 : 1;
            return;
        }
        wrong +=
            encode(fp16, static_cast<double>(value), options).value() == floatToHalf(value).bits
                ? 0
                : 1;
        wrong +=
            encode(bf16, static_cast<double>(value), options).value() == floatToBfloat16(value).bits
                ? 0
                : 1;
    });
    CHECK(wrong == 0);
}

TEST_CASE("FP16 and BF16 are bit for bit what NVIDIA's headers give") {
#if defined(LOUPE_CUDA_HEADERS)
    std::int64_t wrong = 0;
    forFloats([&](float value) {
        const auto asHalf = static_cast<__half_raw>(__float2half_rn(value)).x;
        const auto brain = static_cast<__nv_bfloat16_raw>(__float2bfloat16_rn(value)).x;
        wrong += asHalf == floatToHalf(value).bits ? 0 : 1;
        wrong += brain == floatToBfloat16(value).bits ? 0 : 1;
    });
    CHECK(wrong == 0);
    for (std::uint32_t code = 0; code < 0x10000; ++code) {
        const auto bits = static_cast<std::uint16_t>(code);
        const float asHalf = __half2float(__half(__half_raw{bits}));
        const float brain = __bfloat162float(__nv_bfloat16(__nv_bfloat16_raw{bits}));
        if (!std::isnan(asHalf)) {
            wrong += std::bit_cast<std::uint32_t>(asHalf) ==
                             std::bit_cast<std::uint32_t>(halfToFloat({bits}))
                         ? 0
                         : 1;
        }
        if (!std::isnan(brain)) {
            wrong += std::bit_cast<std::uint32_t>(brain) ==
                             std::bit_cast<std::uint32_t>(bfloat16ToFloat({bits}))
                         ? 0
                         : 1;
        }
    }
    CHECK(wrong == 0);
#else
    WARN("skipped: the headers of the CUDA toolkit are not on this machine");
#endif
}

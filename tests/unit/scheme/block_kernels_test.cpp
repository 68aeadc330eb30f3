// SPDX-License-Identifier: Apache-2.0
// The kernels of nf4 and fp4 against the codec, bit for bit, on every instruction set.
#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/formats/codec.hpp"
#include "core/quant/blockwise.hpp"
#include "tests/support/catch.hpp"

#include <bit>
#include <cmath>

using namespace loupe;

namespace {

/// Everything around every border, ties, both zeros, subnormals, and values between.
std::vector<float> hardWeights(const NumberFormat& format) {
    std::vector<float> values{0.0F, -0.0F, 1.0F, -1.0F, 1e-42F, -1e-42F, 1e-30F, -1e-30F};
    for (const float a : format.codebook) {
        for (const float b : format.codebook) {
            const float middle = a / 2 + b / 2;
            values.insert(values.end(),
                          {middle,
                           std::nextafter(middle, 2.0F),
                           std::nextafter(middle, -2.0F),
                           a,
                           std::nextafter(a, 0.0F)});
        }
    }
    for (std::size_t i = 0; i < 2000; ++i) {
        values.push_back(static_cast<float>(2 * randomUniform(4, i) - 1));
    }
    values.resize(values.size() / 2 * 2);
    return values;
}

}  // namespace

TEST_CASE("block kernels: codes, values, packing and unpacking of the codec") {
    const CpuTarget before = cpuTarget();
    for (const char* name : {"nf4", "fp4_bnb"}) {
        const NumberFormat& format = *findFormat(name);
        const BlockLevels levels = blockLevels(format);
        const std::vector<float> data = hardWeights(format);
        const auto count = static_cast<std::int64_t>(data.size());
        for (const CpuTarget target : availableCpuTargets()) {
            CAPTURE(name, cpuTargetName(target));
            setCpuTarget(target);
            const float absmax = 0.75F;
            const std::int64_t block = 22;  // vectors and a rest
            const std::vector<float> most(data.size() / 22 + 1, absmax);
            const std::vector<float> scales(data.size() / 22 + 1, 0.3F);
            std::vector<std::int32_t> codes(data.size());
            std::vector<float> values(data.size());
            std::vector<std::uint8_t> packed(data.size() / 2);
            std::vector<float> scaledData = data;
            for (float& x : scaledData) {
                x *= absmax;
            }
            blockKernels().codes(
                scaledData.data(), count, block, most.data(), levels, codes.data());
            blockKernels().values(
                scaledData.data(), count, block, most.data(), scales.data(), levels, values.data());
            blockKernels().pack(
                scaledData.data(), count, block, most.data(), levels, packed.data());
            for (std::size_t i = 0; i < data.size(); ++i) {
                const float scaled = scaledData[i] / absmax;
                const auto code =
                    static_cast<std::int32_t>(encode(format, static_cast<double>(scaled)).value());
                CAPTURE(i, scaled);
                REQUIRE(codes[i] == code);
                const float expected = 0.3F * format.codebook[static_cast<std::size_t>(code)];
                REQUIRE(std::bit_cast<std::uint32_t>(values[i]) ==
                        std::bit_cast<std::uint32_t>(expected));
                REQUIRE((packed[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15) == code);
            }
            std::vector<float> unpacked(data.size());
            blockKernels().unpack(
                packed.data(), count, block, scales.data(), levels, unpacked.data());
            CHECK(unpacked == values);
            setCpuTarget(before);
        }
    }
}

TEST_CASE("nf4: blocks that cross rows and chunks, on one thread as on all") {
    std::vector<float> weights(700 * 333);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = static_cast<float>(0.1 * randomStudentT(8, i, 4));
    }
    const auto source = makeRowSource(700, 333, weights);
    for (const char* scheme : {"nf4", "fp4:block=1000", "nf4:block=100000", "nf4:double=true"}) {
        CAPTURE(scheme);
        const auto result =
            applyScheme(parseScheme(scheme).value(), {source, 32, nullptr, 0, nullptr}).value();
        const ScaleGrid& scales = *result->quantized->scales();
        if (std::string(scheme).find("double") == std::string::npos) {
            for (std::size_t b = 0; b < scales.values.size(); ++b) {
                const auto block = static_cast<std::size_t>(scales.flattenedBlock);
                float most = 0;
                for (std::size_t i = b * block; i < std::min((b + 1) * block, weights.size());
                     ++i) {
                    most = std::max(most, std::fabs(weights[i]));
                }
                REQUIRE(scales.values[b] == static_cast<double>(most));
            }
        }
        const int threads = computeThreads();
        setComputeThreads(1);
        const auto one =
            applyScheme(parseScheme(scheme).value(), {source, 32, nullptr, 0, nullptr}).value();
        setComputeThreads(threads);
        CHECK(one->metrics.mse == result->metrics.mse);
        CHECK(one->quantized->scales()->values == scales.values);
    }
}

// SPDX-License-Identifier: Apache-2.0
// The fast quantizers of every instruction set give the reference's bytes.
#include "core/base/cpu_dispatch.hpp"
#include "core/blocks/packers.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/blocks/pack_support.hpp"

#include <cmath>

using namespace loupe;

namespace {

/// Runs `body` for each target, which is the chosen one meanwhile.
template <class Body>
void onEachTarget(const Body& body) {
    const CpuTarget before = cpuTarget();
    for (const CpuTarget target : availableCpuTargets()) {
        setCpuTarget(target);
        body(target);
    }
    setCpuTarget(before);
}

}  // namespace

TEST_CASE("fast quantizers: a million values of sixteen kinds") {
    // Three blocks of 256 more than a round number: every batch has a rest.
    constexpr int kEach = 65536 + 3 * 256;
    int kernels = 0;
    for (const std::string& kind : test::packInputKinds()) {
        const std::vector<float> values = test::packInput(kind, kEach, 20221123);
        for (const test::NamedPacker& format : test::namedPackers()) {
            const blocks::Pack reference = blocks::referencePackers().*format.member;
            if (blocks::packers().*format.member == reference) {
                continue;
            }
            ++kernels;
            const std::vector<std::byte> expected = test::packed(reference, format, values);
            onEachTarget([&](CpuTarget target) {
                CAPTURE(kind, format.id, cpuTargetName(target));
                CHECK(test::packed(blocks::packers().*format.member, format, values) == expected);
            });
        }
    }
    CHECK(kernels > 0);
}

TEST_CASE("fast quantizers: one block, two blocks, none") {
    const std::vector<float> values = test::packInput("heavy", 512, 3);
    for (const test::NamedPacker& format : test::namedPackers()) {
        for (const int blockCount : {0, 1, 2}) {
            const std::vector<float> few(values.begin(),
                                         values.begin() + blockCount * format.elements);
            const std::vector<std::byte> expected =
                test::packed(blocks::referencePackers().*format.member, format, few);
            onEachTarget([&](CpuTarget target) {
                CAPTURE(format.id, blockCount, cpuTargetName(target));
                CHECK(test::packed(blocks::packers().*format.member, format, few) == expected);
            });
        }
    }
}

TEST_CASE("fast quantizers: values beside the borders of codes") {
    // One element sets the scale, the others lie within three floats of every place where a code
    // changes for that scale.
    for (const float top : {1.0F, 0.7F, 113.0F, 127.0F, 3.0e-5F}) {
        std::vector<float> values;
        for (int half = -256; half <= 256; ++half) {
            for (int step = -3; step <= 3; ++step) {
                float x = top * static_cast<float>(half) / 256.0F;
                for (int i = 0; i < std::abs(step); ++i) {
                    x = std::nextafter(x, step < 0 ? -HUGE_VALF : HUGE_VALF);
                }
                if (values.size() % 32 == 0) {
                    values.push_back(values.size() % 64 == 0 ? top : -top);
                }
                values.push_back(x);
            }
        }
        values.resize(values.size() / 256 * 256);
        for (const test::NamedPacker& format : test::namedPackers()) {
            const std::vector<std::byte> expected =
                test::packed(blocks::referencePackers().*format.member, format, values);
            onEachTarget([&](CpuTarget target) {
                CAPTURE(top, format.id, cpuTargetName(target));
                CHECK(test::packed(blocks::packers().*format.member, format, values) == expected);
            });
        }
    }
}

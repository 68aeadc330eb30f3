// SPDX-License-Identifier: Apache-2.0
// The self-test passes here, covers every format, and notices what is wrong.
#include "core/experiment/selftest.hpp"

#include "core/experiment/selftest_layers.hpp"
#include "core/experiment/selftest_parts.hpp"
#include "core/io/packed/packed.hpp"
#include "tests/support/catch.hpp"

#include <cstring>
#include <set>

using namespace loupe;

TEST_CASE("the self-test passes, over every format") {
    std::set<std::string> seen;
    auto progress = std::make_shared<Progress>();
    const SelfTestReport report = runSelfTest(
        [&](const SelfTestItem& item) {
            CAPTURE(item.format, item.firstFailure);
            CHECK(item.failed == 0);
            CHECK(item.passed > 0);
            CHECK(seen.insert(item.format).second);
        },
        JobContext({}, progress));
    CHECK(report.failed() == 0);
    CHECK(report.passed() > 1'000'000);
    CHECK(progress->done == progress->total);
    for (const NumberFormat* format : allFormats()) {
        CAPTURE(format->id);
        CHECK(seen.count(std::string(format->id)) == 1);
    }
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        CHECK(seen.count(std::string(layout->id)) == 1);
    }
    std::set<std::string> schemes;  // of packed.def: each has a layer, and each layer its line
    for (const selftest::PackedLayer& layer : selftest::packedLayers()) {
        CAPTURE(layer.name);
        CHECK(seen.count(layer.name) == 1);
        schemes.insert(layer.scheme);
    }
    for (const packed::PackedScheme* scheme : packed::allPackedSchemes()) {
        CAPTURE(scheme->id);
        CHECK(schemes.count(std::string(scheme->id)) == 1);
    }
}

TEST_CASE("the self-test notices a packed layer that is read otherwise than it says") {
    for (const selftest::PackedLayer& layer : selftest::packedLayers()) {
        CAPTURE(layer.name);
        const std::int64_t row = layer.rows - 1;
        const std::int64_t col = layer.cols - 1;
        selftest::PackedLayer wrong = layer;
        wrong.expected = [&](std::int64_t out, std::int64_t in) {
            return layer.expected(out, in) + (out == row && in == col ? 0.0625 : 0.0);
        };
        const SelfTestItem item = selftest::testLayer(wrong);
        CHECK(item.failed == 1);
        CHECK(item.passed == 2 + static_cast<std::uint64_t>(layer.rows * layer.cols));
        CHECK_THAT(item.firstFailure, Catch::Matchers::ContainsSubstring("weight ("));
        wrong = layer;
        wrong.scheme = "another";
        CHECK(selftest::testLayer(wrong).failed == 1);
        wrong = layer;
        wrong.file.resize(wrong.file.size() - 64);
        CHECK(selftest::testLayer(wrong).failed == 1);
        // Bytes near the end of the file, of codes, scales or indices: a weight hangs on each.
        std::size_t noticed = 0;
        for (std::size_t i = 1; i <= 8; ++i) {
            wrong = layer;
            wrong.file[wrong.file.size() - 40 - 4 * i] ^= std::byte{4};
            noticed += selftest::testLayer(wrong).failed > 0 ? 1U : 0U;
        }
        CHECK(noticed == 8U);
    }
}

TEST_CASE("the self-test notices a format that is not what it says") {
    // E4M3 under the name of E4M3 with another bias, and with other specials.
    NumberFormat format = *findFormat("fp8_e4m3");
    format.floating.bias += 1;
    CHECK(selftest::testScalar(format, {}).failed > 0);
    format = *findFormat("fp8_e4m3");
    format.floating.specials = Specials::Ieee;
    const SelfTestItem item = selftest::testScalar(format, {});
    CHECK(item.failed > 0);
    CHECK_FALSE(item.firstFailure.empty());
    // NF4 with one level moved by one unit in the last place.
    NumberFormat nf4 = *findFormat("nf4");
    std::vector<float> levels(nf4.codebook.begin(), nf4.codebook.end());
    levels[5] = std::nextafter(levels[5], 1.0F);
    nf4.codebook = levels;
    CHECK(selftest::testScalar(nf4, {}).failed > 0);
}

TEST_CASE("the self-test notices a block decoder and an encoder that are wrong") {
    static const BlockLayout& real = *findBlockLayout("q8_0");
    BlockLayout wrong = real;
    wrong.unpack = [](const std::byte* blocks, std::int64_t count, float* out) {
        real.unpack(blocks, count, out);
        out[7] = -out[7];
    };
    CHECK(selftest::testBlocks(wrong, {}).failed >= 2);  // the golden block, and its element
    wrong = real;
    wrong.pack = [](const float* values, std::int64_t count, std::byte* blocks) {
        real.pack(values, count, blocks);
        blocks[2] ^= std::byte{1};
    };
    CHECK(selftest::testBlocks(wrong, {}).failed >= 1);
    CHECK(selftest::testBlocks(real, {}).failed == 0);
    const BlockLayout& mx = *findBlockLayout("mxfp6_e3m2");
    wrong = mx;
    wrong.unpack = [](const std::byte* blocks, std::int64_t count, float* out) {
        findBlockLayout("mxfp6_e2m3")->unpack(blocks, count, out);
    };
    CHECK(selftest::testBlocks(wrong, {}).failed > 0);
}

TEST_CASE("a cancelled self-test ends") {
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(static_cast<void>(runSelfTest({}, JobContext(stop.get_token(), nullptr))),
                    Cancelled);
}

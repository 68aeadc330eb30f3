// SPDX-License-Identifier: Apache-2.0
// The step `ggml`: ggml's blocks as a scheme.
#include "core/base/rng.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/io/tensor_source.hpp"
#include "core/quant/ggml_codes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

using namespace loupe;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;

namespace {

Result<std::shared_ptr<const SchemeResult>> tryRun(const std::string& scheme,
                                                   std::int64_t rows,
                                                   std::int64_t cols,
                                                   std::vector<float> weights) {
    return applyScheme(parseScheme(scheme).value(),
                       {makeRowSource(rows, cols, std::move(weights)), 32, nullptr, 0, nullptr});
}

std::vector<float> valuesOf(const SchemeResult& result) {
    const QuantizedMatrix& matrix = *result.quantized;
    std::vector<float> values(static_cast<std::size_t>(matrix.rows() * matrix.cols()));
    REQUIRE(matrix.read(0, matrix.rows(), values.data()).has_value());
    return values;
}

std::vector<std::byte> bytesOf(const SchemeResult& result) {
    const QuantizedMatrix& matrix = *result.quantized;
    std::vector<std::byte> bytes(static_cast<std::size_t>(matrix.rows() * matrix.packedRowBytes()));
    REQUIRE(matrix.packed(0, matrix.rows(), bytes.data()).has_value());
    return bytes;
}

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = static_cast<float>(0.05 * randomNormal(seed, i));
    }
    return values;
}

std::span<const std::string_view> types() {
    return findStep("ggml")->params[0].choices;
}

}  // namespace

TEST_CASE("ggml: every block type with a quantizer for files is offered") {
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        const bool computeOnly = layout->id == "q8_1" || layout->id == "q8_k";
        const bool offered = std::find(types().begin(), types().end(), layout->id) != types().end();
        if (layout->ggmlType) {
            CHECK(offered == (layout->pack != nullptr && !computeOnly));
        }
        CHECK(offered == (findGgmlCodes(layout->id) != nullptr));
    }
}

TEST_CASE("ggml: Q4_0 by hand") {
    // The largest magnitude is -4: d = -4 / -8 = 0.5, codes floor(w / 0.5 + 8.5) - 8, at most 7.
    std::vector<float> weights(32, 0.0F);
    weights[0] = -4;
    weights[1] = 4;
    weights[2] = 0.25F;
    weights[3] = -0.25F;
    weights[4] = 0.24F;
    weights[31] = 1.3F;
    const auto result = tryRun("ggml", 1, 32, weights).value();
    std::vector<std::int32_t> codes(32);
    REQUIRE(result->quantized->codes(0, 1, codes.data()).has_value());
    CHECK(std::vector<std::int32_t>(codes.begin(), codes.begin() + 5) ==
          std::vector<std::int32_t>{-8, 7, 1, 0, 0});
    CHECK(codes[31] == 3);
    const std::vector<float> values = valuesOf(*result);
    CHECK(values[0] == -4.0F);
    CHECK(values[1] == 3.5F);
    CHECK(values[2] == 0.5F);
    CHECK(values[31] == 1.5F);
    const std::vector<std::byte> bytes = bytesOf(*result);
    CHECK(bytes.size() == 18);
    CHECK(std::to_integer<int>(bytes[0]) == 0x00);  // FP16 0.5
    CHECK(std::to_integer<int>(bytes[1]) == 0x38);
    CHECK(std::to_integer<int>(bytes[2]) == 0x80);       // elements 0 and 16
    CHECK(std::to_integer<int>(bytes[3]) == 0x8F);       // 1 and 17
    CHECK(std::to_integer<int>(bytes[2 + 15]) == 0xB8);  // 15 and 31
    CHECK(result->bitsPerWeight == 4.5);
    const auto levels = result->quantized->levels(0, 5);
    REQUIRE(levels.size() == 16);
    CHECK(levels.front().value == -4.0);
    CHECK(levels.back().value == 3.5);
}

TEST_CASE("ggml: bytes, values, codes and levels of every type belong together") {
    const std::vector<float> weights = normals(3 * 512, 5);
    for (const std::string_view type : types()) {
        CAPTURE(type);
        const BlockLayout& layout = *findBlockLayout(type);
        const std::string scheme = type == "q4_0" ? "ggml" : "ggml:type=" + std::string(type);
        const auto result = tryRun(scheme, 3, 512, weights).value();
        const QuantizedMatrix& matrix = *result->quantized;
        CHECK(toString(result->scheme) == scheme);
        CHECK_THAT(result->bitsPerWeight, WithinAbs(8.0 * layout.bytes / layout.elements, 1e-12));
        const std::vector<std::byte> bytes = bytesOf(*result);
        std::vector<std::byte> expected(bytes.size());
        layout.pack(weights.data(), 3 * 512 / layout.elements, expected.data());
        CHECK(bytes == expected);
        const std::vector<float> values = valuesOf(*result);
        std::vector<float> decoded(values.size());
        layout.unpack(bytes.data(), 3 * 512 / layout.elements, decoded.data());
        CHECK(values == decoded);
        std::vector<std::int32_t> codes(values.size());
        REQUIRE(matrix.codes(0, 3, codes.data()).has_value());
        const auto [low, high] = matrix.codeRange();
        for (std::size_t i = 0; i < values.size(); i += 7) {
            CAPTURE(i);
            const auto row = static_cast<std::int64_t>(i) / 512;
            const auto col = static_cast<std::int64_t>(i) % 512;
            REQUIRE((codes[i] >= low && codes[i] <= high));
            const std::vector<Level> levels = matrix.levels(row, col);
            REQUIRE(levels.size() <= 256);
            const auto own = std::find_if(levels.begin(), levels.end(), [&](const Level& level) {
                return level.code == codes[i];
            });
            REQUIRE(own != levels.end());
            REQUIRE(own->value == static_cast<double>(values[i]));
            const auto [first, end] = matrix.groupColumns(row, col);
            REQUIRE((first <= col && col < end && end <= 512));
            REQUIRE(matrix.explain(row, col).size() >= 4);
        }
        // Two weights that share all scales and have one code have one value.
        for (std::size_t i = 1; i < values.size(); ++i) {
            const auto [first, end] = matrix.groupColumns(0, static_cast<std::int64_t>(i) % 512);
            if (static_cast<std::int64_t>(i) % 512 > first && codes[i] == codes[i - 1]) {
                REQUIRE(values[i] == values[i - 1]);
            }
        }
    }
}

TEST_CASE("ggml: types whose grid holds its own bounds are idempotent") {
    const std::vector<float> weights = normals(4 * 256, 6);
    for (const char* scheme : {"ggml:type=q8_0",
                               "ggml:type=tq1_0",
                               "ggml:type=tq2_0",
                               "ggml:type=ggml_mxfp4",
                               "ggml:type=q1_0",
                               "ggml:type=q2_0"}) {
        CAPTURE(scheme);
        const auto once = tryRun(scheme, 4, 256, weights).value();
        const auto twice = tryRun(scheme, 4, 256, valuesOf(*once)).value();
        CHECK(valuesOf(*twice) == valuesOf(*once));
    }
}

TEST_CASE("ggml: what cannot be encoded is refused with its place") {
    const auto message = [](const std::string& scheme, std::int64_t cols, float bad) {
        std::vector<float> weights(static_cast<std::size_t>(2 * cols), 0.5F);
        weights[static_cast<std::size_t>(cols + 40)] = bad;
        const auto result = tryRun(scheme, 2, cols, weights);
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().code == ErrorCode::Invalid);
        return result.error().what;
    };
    CHECK_THAT(message("ggml:type=q4_k", 288, 1),
               ContainsSubstring("expected a multiple of 256 inputs, found 288"));
    CHECK_THAT(message("ggml", 64, std::numeric_limits<float>::quiet_NaN()),
               ContainsSubstring("NaN at row 1, column 40"));
    CHECK_THAT(message("ggml:type=q6_k", 256, -std::numeric_limits<float>::infinity()),
               ContainsSubstring("row 1, column 40"));
    // 1e6 / 8 is beyond FP16.
    CHECK_THAT(message("ggml", 64, 1e6F), ContainsSubstring("row 1, columns 32 to 63"));
    CHECK_THAT(message("ggml", 64, 1e6F), ContainsSubstring("expected a finite d, found -inf"));
    CHECK(tryRun("ggml:type=q4_k", 0, 256, {}).has_value());
}

TEST_CASE("ggml: a mask of an earlier step stays, and the file holds the blocks") {
    const std::vector<float> weights = normals(8 * 64, 8);
    const auto result = tryRun("magnitude:pattern=2:4+ggml:type=q4_1", 8, 64, weights).value();
    CHECK(result->zeros >= 8U * 64U / 2U);
    TensorInfo tensor;
    tensor.name = "w";
    tensor.shape = {8, 64};
    const std::string file = (test::scratchDir() / "ggml.safetensors").string();
    REQUIRE(writeResult(file, tensor, *result, {}).has_value());
    const auto source = openSource(file).value();
    REQUIRE(source->find("w.packed").has_value());
    CHECK_FALSE(source->find("w.codes").has_value());
    CHECK_FALSE(source->find("w.scale").has_value());
    CHECK(source->find("w.mask").has_value());
    const std::size_t at = *source->find("w.packed");
    CHECK(source->tensors()[at].shape == std::vector<std::int64_t>{8, 40});
    const auto stored = source->matrix(at).value();
    std::vector<float> read(8 * 40);
    REQUIRE(stored->read(0, 8, read.data()).has_value());
    const std::vector<std::byte> bytes = bytesOf(*result);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        REQUIRE(static_cast<int>(read[i]) == std::to_integer<int>(bytes[i]));
    }
}

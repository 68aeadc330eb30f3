// SPDX-License-Identifier: Apache-2.0
// NVFP4 in GGUF with the FP32 scale that llama.cpp keeps in a tensor of its own: a factor of every
// weight of the tensor, or of one expert's.
#include "core/blocks/block_layout.hpp"
#include "core/io/packed/packed.hpp"
#include "tests/unit/io/gguf_builder.hpp"
#include "tests/unit/io/io_support.hpp"

#include <algorithm>
#include <cmath>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr std::uint32_t kNvfp4 = 40;
constexpr std::size_t kBlockBytes = 36;

std::string blocksOf(std::size_t count) {
    std::string bytes;
    std::uint32_t state = 7;
    for (std::size_t i = 0; i < count * kBlockBytes; ++i) {
        state = state * 1664525U + 1013904223U;
        // Scales first: four codes of E4M3 that are numbers.
        bytes += static_cast<char>(i % kBlockBytes < 4 ? 0x20 + state % 0x40 : state >> 24U);
    }
    return bytes;
}

std::string floats(const std::vector<float>& values, bool big) {
    std::string bytes;
    for (const float value : values) {
        const auto part = std::bit_cast<std::array<char, 4>>(value);
        big ? bytes.append(part.rbegin(), part.rend()) : bytes.append(part.begin(), part.end());
    }
    return bytes;
}

/// The blocks' own values, by the block format (which has goldens of its own).
std::vector<float> unpacked(const std::string& bytes) {
    const BlockLayout* layout = findBlockLayout("ggml_nvfp4");
    REQUIRE(layout != nullptr);
    REQUIRE(layout->bytes == static_cast<int>(kBlockBytes));
    const std::size_t count = bytes.size() / kBlockBytes;
    std::vector<float> values(count * static_cast<std::size_t>(layout->elements));
    const auto block = bytesOf(bytes);
    layout->unpack(block.data(), static_cast<std::int64_t>(count), values.data());
    return values;
}

std::shared_ptr<const TensorSource> logical(const std::string& file) {
    const auto stored = openBytes(file, "x.gguf");
    REQUIRE(stored.has_value());
    return makeLogicalSource(*stored, {}, {});
}

void checkView(const TensorSource& source, std::int64_t row, std::int64_t col, float expected) {
    const auto view = source.block(0, row, col);
    REQUIRE(view.has_value());
    REQUIRE(view->spans.size() == 2);
    CHECK(view->spans[0].tensor == "blk.0.ffn_up.weight");
    CHECK(view->spans[1].tensor == "blk.0.ffn_up.scale");
    REQUIRE(view->cells[static_cast<std::size_t>(view->element)] == std::pair(row, col));
    CHECK(view->decode(view->bytes)[static_cast<std::size_t>(view->element)] ==
          static_cast<double>(expected));
    const BlockElement element = view->explain(view->bytes, view->element);
    CHECK(element.value == static_cast<double>(expected));
    CHECK_THAT(element.formula, ContainsSubstring("· scale"));
    CHECK(element.parts.back().name == "scale");
    for (const BlockPart& part : element.parts) {
        CHECK(gatherBits(view->bytes, part.bits) == part.code);
    }
    // The scale's sign bit turns every weight round.
    std::vector<std::byte> flipped = view->bytes;
    const auto sign = std::find_if(element.parts.back().bits.begin(),
                                   element.parts.back().bits.end(),
                                   [](const BitRun& run) { return run.shift == 31; });
    REQUIRE(sign != element.parts.back().bits.end());
    flipped[static_cast<std::size_t>(sign->byte)] ^= std::byte{1} << sign->bit;
    CHECK(view->explain(flipped, view->element).value == -static_cast<double>(expected));
}

}  // namespace

TEST_CASE("gguf: NVFP4 weights are multiplied by the scale beside them") {
    for (const bool big : {false, true}) {
        CAPTURE(big);
        const float scale = 0.0078132F;
        const std::string blocks = blocksOf(4);
        GgufBuilder file(3, big);
        file.tensor("blk.0.ffn_up.weight", {128, 2}, kNvfp4, blocks);
        file.tensor("blk.0.ffn_up.scale", {1}, 0, floats({scale}, big));
        file.tensor("blk.0.ffn_up.input_scale", {1}, 0, floats({3.0F}, big));
        const auto source = logical(file.build());
        CHECK(source->info().warnings.empty());
        REQUIRE(source->tensors().size() == 2);  // input_scale is no part of the weights
        const TensorInfo& tensor = source->tensors()[0];
        REQUIRE(tensor.packed != nullptr);
        CHECK(tensor.packed->quantization == "ggml_nvfp4");
        CHECK(tensor.packed->groupCols == 16);
        CHECK(tensor.packed->bitsPerWeight == 4.5 + 32.0 / 256);
        CHECK(tensor.shape == std::vector<std::int64_t>{2, 128});
        const std::vector<double> values = readAll(*matrixOf(*source, tensor.name));
        const std::vector<float> plain = unpacked(blocks);
        REQUIRE(values.size() == plain.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            REQUIRE(values[i] == static_cast<double>(plain[i] * scale));
        }
        checkView(*source, 1, 77, plain[128 + 77] * scale);
        const TensorInfo& stored = source->stored()->tensors()[0];
        CHECK(stored.packed == nullptr);
        CHECK(readAll(*matrixOf(*source->stored(), stored.name))[5] ==
              static_cast<double>(plain[5]));
    }
}

TEST_CASE("gguf: NVFP4 experts have a scale each") {
    const std::vector<float> scales{0.5F, 3.0F, 0.01F};
    const std::string blocks = blocksOf(3 * 2);
    GgufBuilder file;
    file.tensor("blk.0.ffn_up_exps.weight", {64, 2, 3}, kNvfp4, blocks);
    file.tensor("blk.0.ffn_up_exps.scale", {3}, 0, floats(scales, false));
    const auto source = logical(file.build());
    const TensorInfo& tensor = source->tensors()[0];
    CHECK(tensor.shape == std::vector<std::int64_t>{3, 2, 64});
    const std::vector<double> values = readAll(*matrixOf(*source, tensor.name));
    const std::vector<float> plain = unpacked(blocks);
    REQUIRE(values.size() == plain.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        REQUIRE(values[i] == static_cast<double>(plain[i] * scales[i / 128]));
    }
    const auto view = source->block(0, 4, 3);
    REQUIRE(view.has_value());
    CHECK(view->decode(view->bytes)[static_cast<std::size_t>(view->element)] == values[4 * 64 + 3]);
}

TEST_CASE("gguf: an NVFP4 scale that does not fit is the problem of its tensor") {
    const auto messageOf =
        [](const std::vector<std::uint64_t>& dims, std::uint32_t type, const std::string& bytes) {
            GgufBuilder file;
            file.tensor("blk.0.ffn_up.weight", {64, 2}, kNvfp4, blocksOf(2));
            file.tensor("blk.0.ffn_up.scale", dims, type, bytes);
            const auto source = logical(file.build());
            REQUIRE(source->tensors().size() == 1);
            CHECK(!source->matrix(0).has_value());
            CHECK(!source->block(0, 0, 0).has_value());
            return source->tensors()[0].problem ? source->tensors()[0].problem->message()
                                                : std::string();
        };
    CHECK_THAT(messageOf({2}, 0, floats({1, 2}, false)), ContainsSubstring("found fp32 [2]"));
    CHECK_THAT(messageOf({1}, 1, "ab"), ContainsSubstring("one fp32 scale of the tensor"));
    CHECK_THAT(messageOf({0}, 0, ""), ContainsSubstring("found fp32 [0]"));
}

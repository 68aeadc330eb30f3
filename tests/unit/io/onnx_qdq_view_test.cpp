// SPDX-License-Identifier: Apache-2.0
// The microscope on weights behind DequantizeLinear: per tensor, per axis and in blocks, of raw
// data and of numbers that are kept one by one.
#include "tests/unit/io/view_support.hpp"

#include <algorithm>

using namespace loupe;
using namespace loupe::test;

namespace {

const std::filesystem::path kModels = goldenDir() / "io" / "onnx";

const BlockPart& partNamed(const BlockElement& element, const std::string& name) {
    const auto found = std::find_if(element.parts.begin(),
                                    element.parts.end(),
                                    [&](const BlockPart& part) { return part.name == name; });
    REQUIRE(found != element.parts.end());
    return *found;
}

}  // namespace

TEST_CASE("onnx: every weight behind DequantizeLinear, again from its bits in the file") {
    std::size_t packed = 0;
    for (const char* file : {"quantized.onnx", "quantized_typed.onnx"}) {
        CAPTURE(file);
        const auto source = openSource((kModels / file).string());
        REQUIRE(source.has_value());
        for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
            const TensorInfo& tensor = (*source)->tensors()[i];
            CAPTURE(tensor.name);
            if (tensor.packed == nullptr) {
                continue;
            }
            ++packed;
            checkViews(**source, i, readAll(*matrixOf(**source, tensor.name)));
            const auto view = (*source)->block(i, tensor.rows - 1, tensor.cols - 1);
            REQUIRE(view.has_value());
            // Each field lies in its own stored tensor.
            for (const BlockSpan& span : view->spans) {
                CHECK(std::find(tensor.packed->parts.begin(),
                                tensor.packed->parts.end(),
                                span.tensor) != tensor.packed->parts.end());
            }
            CHECK(view->layout == "qdq");
            CHECK(view->bitsPerWeight == tensor.packed->bitsPerWeight);
            CHECK(!(*source)->block(i, tensor.rows, 0).has_value());
        }
    }
    CHECK(packed == 8 + 5);
}

TEST_CASE("onnx: a weight's code, scale and zero point with their offsets") {
    const auto source = openSource((kModels / "quantized.onnx").string()).value();
    const auto index = source->find("tensor");
    REQUIRE(index.has_value());
    const auto stored = source->stored();
    const auto view = source->block(*index, 2, 1);
    REQUIRE(view.has_value());
    // [in, out] as stored: row 2 of the matrix is column 2 of the file.
    const BlockElement element = view->explain(view->bytes, view->element);
    REQUIRE(element.parts.size() == 3);
    CHECK(element.formula == "(q − zero) · scale");
    CHECK(partNamed(element, "zero").value == 131);
    CHECK(partNamed(element, "scale").value == static_cast<double>(0.037F));
    const auto codes = stored->find("tensor_quantized");
    REQUIRE(codes.has_value());
    const std::string file = readFile(kModels / "quantized.onnx");
    const std::uint64_t at = *stored->tensors()[*codes].offset + 1 * 6 + 2;
    CHECK(partNamed(element, "q").code ==
          static_cast<std::uint64_t>(static_cast<unsigned char>(file[at])));
    // A flipped bit of the zero point moves every weight of the view.
    std::vector<std::byte> flipped = view->bytes;
    const BitRun& zero = partNamed(element, "zero").bits.front();
    flipped[static_cast<std::size_t>(zero.byte)] ^= std::byte{1} << zero.bit;
    const auto before = view->decode(view->bytes);
    const auto after = view->decode(flipped);
    for (std::size_t i = 0; i < before.size(); ++i) {
        CHECK(before[i] != after[i]);
    }
}

TEST_CASE("onnx: groups of dequantized weights") {
    const auto source = openSource((kModels / "quantized.onnx").string()).value();
    const auto groupOf = [&](const char* name) {
        const auto index = source->find(name);
        REQUIRE(index.has_value());
        const PackedInfo& packed = *source->tensors()[*index].packed;
        return std::pair(packed.groupRows, packed.groupCols);
    };
    CHECK(groupOf("tensor") == std::pair<std::int64_t, std::int64_t>{6, 4});  // turned round
    CHECK(groupOf("rows") == std::pair<std::int64_t, std::int64_t>{1, 6});
    CHECK(groupOf("columns") == std::pair<std::int64_t, std::int64_t>{4, 1});
    CHECK(groupOf("conv") == std::pair<std::int64_t, std::int64_t>{1, 8});
    CHECK(groupOf("blocks") == std::pair<std::int64_t, std::int64_t>{3, 1});
    CHECK(groupOf("wide") == std::pair<std::int64_t, std::int64_t>{1, 4});
}

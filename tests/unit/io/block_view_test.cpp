// SPDX-License-Identifier: Apache-2.0
// Where a weight lies in its file, and what its bits do.
#include "core/io/plain_block.hpp"
#include "tests/unit/io/io_support.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <utility>

using namespace loupe;
using namespace loupe::test;

namespace {

bool sameBits(double a, double b) {
    return (std::isnan(a) && std::isnan(b)) ||
           std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

/// Flips each bit of the block once: the value may change only if the element names the bit.
/// @returns named bits whose flipping changed nothing
int checkBits(const BlockView& view, std::int64_t element) {
    const BlockElement made = view.explain(view.bytes, element);
    std::set<std::pair<std::int64_t, int>> named;
    for (const BlockPart& part : made.parts) {
        CHECK(gatherBits(view.bytes, part.bits) == part.code);
        for (const BitRun& run : part.bits) {
            for (int bit = run.bit; bit < run.bit + run.width; ++bit) {
                CHECK(named.insert({run.byte, bit}).second);
            }
        }
    }
    std::vector<std::byte> edited = view.bytes;
    int without = 0;
    for (std::size_t byte = 0; byte < edited.size(); ++byte) {
        for (int bit = 0; bit < 8; ++bit) {
            edited[byte] ^= std::byte{1} << bit;
            const double value = view.explain(edited, element).value;
            const bool isNamed = named.count({static_cast<std::int64_t>(byte), bit}) > 0;
            const bool same = sameBits(value, made.value);
            if (!isNamed && !same) {
                CAPTURE(byte, bit);
                CHECK(same);
            }
            without += isNamed && same ? 1 : 0;
            edited[byte] ^= std::byte{1} << bit;
        }
    }
    return without;
}

/// Offsets, bytes, cells and values of the block of one cell.
void checkBlock(const BlockView& view,
                const std::vector<double>& values,
                std::int64_t cols,
                std::pair<std::int64_t, std::int64_t> cell,
                const std::string& file) {
    REQUIRE(view.spans.size() == 1);
    REQUIRE(view.spans[0].bytes == static_cast<std::int64_t>(view.bytes.size()));
    REQUIRE(view.spans[0].offset + view.bytes.size() <= file.size());
    CHECK(std::memcmp(file.data() + view.spans[0].offset, view.bytes.data(), view.bytes.size()) ==
          0);
    REQUIRE(view.element >= 0);
    REQUIRE(view.element < static_cast<std::int64_t>(view.cells.size()));
    CHECK(view.cells[static_cast<std::size_t>(view.element)] == cell);
    const std::vector<double> decoded = view.decode(view.bytes);
    REQUIRE(decoded.size() == view.cells.size());
    for (std::size_t i = 0; i < decoded.size(); ++i) {
        const auto [row, col] = view.cells[i];
        const double expected = values[static_cast<std::size_t>(row * cols + col)];
        CHECK(sameBits(decoded[i], expected));
        CHECK(sameBits(view.explain(view.bytes, static_cast<std::int64_t>(i)).value, expected));
    }
    std::int64_t next = 0;
    for (const BlockViewField& field : view.fields) {
        CHECK(field.begin == next);
        next += field.bytes;
    }
    CHECK(next == static_cast<std::int64_t>(view.bytes.size()));
}

/// Does every code of the type mean another value, up to NaN?
bool isInjective(const TensorInfo& tensor) {
    return tensor.type->format != nullptr && tensor.type->id != "ternary";
}

void checkSource(const std::filesystem::path& path, const OpenOptions& options) {
    CAPTURE(path.filename().string());
    const auto source = openSource(path.string(), options);
    REQUIRE(source.has_value());
    const std::string file = readFile(path);
    for (std::size_t t = 0; t < (*source)->tensors().size(); ++t) {
        const TensorInfo& tensor = (*source)->tensors()[t];
        CAPTURE(tensor.name);
        if (tensor.problem || tensor.parameters == 0) {
            continue;
        }
        const auto rows = (*source)->matrix(t);
        REQUIRE(rows.has_value());
        const std::vector<double> values = readAll(**rows);
        const std::int64_t cols = (*rows)->cols();
        const std::int64_t last = (*rows)->rows() * cols - 1;
        for (const std::int64_t at : {std::int64_t{0}, last / 3, last / 2, last}) {
            const auto view = (*source)->block(t, at / cols, at % cols);
            if (!tensor.offset) {
                REQUIRE(!view.has_value());
                CHECK(view.error().code == ErrorCode::Unsupported);
                CHECK_THAT(view.error().what, Catch::Matchers::ContainsSubstring("compressed"));
                continue;
            }
            REQUIRE(view.has_value());
            checkBlock(*view, values, cols, {at / cols, at % cols}, file);
            const int without = checkBits(*view, view->element);
            const double value = values[static_cast<std::size_t>(at)];
            if (isInjective(tensor) && std::isfinite(value)) {
                CHECK(without == 0);
            }
        }
    }
}

}  // namespace

TEST_CASE("a plain weight's block holds the file's bytes and its row's values") {
    for (const auto& item : std::filesystem::directory_iterator(goldenDir() / "io")) {
        const std::string name = item.path().filename().string();
        const std::string extension = item.path().extension().string();
        if ((extension != ".npy" && extension != ".npz" && extension != ".safetensors") ||
            name.starts_with("refused")) {
            continue;
        }
        for (const Layout layout : {Layout::OutIn, Layout::InOut}) {
            checkSource(item.path(), {layout});
        }
    }
}

TEST_CASE("a transposed tensor's block lies along the rows of the file") {
    const std::string header =
        objectOf({entry("w", "F16", "[3,40]", 0, 240), entry("v", "F16", "[2,2,5]", 240, 280)});
    const std::string file = safetensorsFile(header, 280);
    const auto source = openBytes(file, "x.safetensors", {Layout::InOut});
    REQUIRE(source.has_value());
    const auto view = (*source)->block(0, 38, 2);
    REQUIRE(view.has_value());
    // Stored [in, out]: row 2 of the file, elements 32 to 39.
    CHECK(view->spans[0].offset == 8 + header.size() + (2 * 40 + 32) * 2);
    CHECK(view->cells.size() == 8);
    CHECK(view->cells.front() == std::pair<std::int64_t, std::int64_t>{32, 2});
    CHECK(view->cells.back() == std::pair<std::int64_t, std::int64_t>{39, 2});
    CHECK(view->element == 6);
    CHECK(view->fields[6].name == "38");
    CHECK(view->layout == "fp16");
    const BlockElement element = view->explain(view->bytes, 6);
    REQUIRE(element.parts.size() == 3);
    CHECK(element.parts[0].name == "sign");
    CHECK(element.parts[1].name == "exponent");
    CHECK(element.formula == "(−1)^sign · 2^(exponent − 15) · (1 + fraction/2^10)");
    // Element 118 of the file: bytes EC and ED, 0xEDEC is 1 11011 0111101100.
    CHECK(element.equation == "(−1)^1 · 2^(27 − 15) · (1 + 492/1024)");
    CHECK(element.value == -6064.0);
    for (std::int64_t row = 0; row < 40; ++row) {
        CHECK((*source)->block(0, row, 1).has_value());
    }
    CHECK((*source)->block(0, 40, 0).error().code == ErrorCode::Invalid);
    CHECK((*source)->block(0, 0, -1).error().code == ErrorCode::Invalid);
}

TEST_CASE("elements below a byte share bytes in their block") {
    const std::string file = "abcdefghijklmnopqrstuvwxyz";
    const auto mapped = MappedFile::fromBytes(bytesOf(file), "bits");
    for (const char* name : {"int4", "fp4_e2m1", "fp6_e3m2", "int2", "nf4"}) {
        CAPTURE(name);
        TensorInfo tensor;
        tensor.name = "w";
        tensor.type = findStorageType(name);
        REQUIRE(tensor.type != nullptr);
        tensor.offset = 3;
        const std::int64_t cols = 9;
        const auto bytes = static_cast<std::uint64_t>(27 * tensor.type->bits + 7) / 8;
        const auto rows = makeStoredRows({mapped, 3, bytes, tensor.type}, 3, cols);
        const std::vector<double> values = readAll(*rows);
        for (std::int64_t at = 0; at < 27; ++at) {
            const auto view = storedBlock(tensor, *rows, at / cols, at % cols, "bits");
            REQUIRE(view.has_value());
            checkBlock(*view, values, cols, {at / cols, at % cols}, file);
            const int without = checkBits(*view, view->element);
            CHECK(without == 0);
        }
    }
}

TEST_CASE("generated and written data have no bytes to show") {
    const auto source = openSource("synthetic:V256");
    REQUIRE(source.has_value());
    const auto view = (*source)->block(0, 0, 0);
    REQUIRE(!view.has_value());
    CHECK(view.error().code == ErrorCode::Unsupported);
    CHECK_THAT(view.error().what, Catch::Matchers::ContainsSubstring("made up"));
}

TEST_CASE("a weight stored in blocks is shown with its whole block") {
    std::mt19937 random(20);
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        const std::int64_t cols = 3 * std::int64_t{layout->elements};
        const std::int64_t blocks = 6;
        std::string file(static_cast<std::size_t>(7 + blocks * layout->bytes), '\0');
        auto* at = reinterpret_cast<std::byte*>(file.data());
        for (std::int64_t b = 0; b < blocks; ++b) {
            std::byte* block = at + 7 + b * layout->bytes;
            if (layout->pack != nullptr) {
                std::vector<float> values(static_cast<std::size_t>(layout->elements));
                for (float& value : values) {
                    value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 64.0F;
                }
                layout->pack(values.data(), 1, block);
                continue;
            }
            do {
                for (int i = 0; i < layout->bytes; ++i) {
                    block[i] = static_cast<std::byte>(random() & 255U);
                }
            } while (layout->check != nullptr && !layout->check(block).empty());
        }
        TensorInfo tensor;
        tensor.name = "w";
        tensor.block = layout;
        tensor.offset = 7;
        const auto mapped = MappedFile::fromBytes(bytesOf(file), "blocks");
        const StoredElements stored{
            mapped, 7, static_cast<std::uint64_t>(blocks * layout->bytes), nullptr, 0, layout};
        const auto rows = makeStoredRows(stored, 2, cols);
        const std::vector<double> values = readAll(*rows);
        for (const std::int64_t index : {std::int64_t{0}, cols - 1, cols + layout->elements / 2}) {
            const auto view = storedBlock(tensor, *rows, index / cols, index % cols, "blocks");
            REQUIRE(view.has_value());
            CHECK(view->layout == layout->id);
            CHECK(view->spans[0].offset ==
                  7 + static_cast<std::uint64_t>(index / layout->elements * layout->bytes));
            checkBlock(*view, values, cols, {index / cols, index % cols}, file);
            (void)checkBits(*view, view->element);
        }
        // The same blocks read transposed: the block lies along a column.
        const auto turned = makeTransposedRows(stored, 1, 2, cols);
        const auto view = storedBlock(tensor, *turned, layout->elements + 1, 1, "blocks");
        REQUIRE(view.has_value());
        checkBlock(*view, readAll(*turned), 2, {layout->elements + 1, 1}, file);
    }
}

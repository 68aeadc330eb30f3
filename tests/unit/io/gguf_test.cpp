// SPDX-License-Identifier: Apache-2.0
// GGUF files against what the gguf package reads in them, and files of every version and byte
// order made here.
#include "core/io/gguf.hpp"

#include "core/blocks/byte_order.hpp"
#include "core/io/gguf_header.hpp"
#include "tests/unit/io/gguf_builder.hpp"
#include "tests/unit/io/io_support.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

using namespace loupe;
using namespace loupe::test;

namespace {

const std::filesystem::path kFolder = goldenDir() / "io" / "gguf";

nlohmann::json expectedValues() {
    return nlohmann::json::parse(readFile(kFolder / "expected.json"));
}

std::string hashOf(const RowSource& rows) {
    std::vector<float> values(static_cast<std::size_t>(rows.rows() * rows.cols()));
    REQUIRE(rows.read(0, rows.rows(), values.data()).has_value());
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const float value : values) {
        const auto bits = std::bit_cast<std::array<unsigned char, 4>>(value);
        for (const unsigned char byte : bits) {
            hash = (hash ^ byte) * 0x100000001B3U;
        }
    }
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
    return text.data();
}

std::shared_ptr<const TensorSource> opened(const std::filesystem::path& path) {
    const auto source = openSource(path.string());
    INFO((source ? std::string() : source.error().message()));
    REQUIRE(source.has_value());
    return *source;
}

void compare(const TensorSource& source, const std::string& name, const nlohmann::json& expected) {
    CAPTURE(name);
    const auto index = source.find(name);
    REQUIRE(index.has_value());
    const TensorInfo& tensor = source.tensors()[*index];
    CHECK(tensor.shape == expected["shape"].get<std::vector<std::int64_t>>());
    const auto rows = source.matrix(*index);
    REQUIRE(rows.has_value());
    std::vector<float> first(static_cast<std::size_t>((*rows)->cols()));
    REQUIRE((*rows)->read(0, 1, first.data()).has_value());
    for (std::size_t i = 0; i < std::min<std::size_t>(4, first.size()); ++i) {
        CHECK(first[i] == std::strtof(expected["first"][i].get<std::string>().c_str(), nullptr));
    }
    CHECK(hashOf(**rows) == expected["fnv"].get<std::string>());
}

std::string metadataOf(const TensorSource& source, const std::string& key) {
    for (const auto& [name, value] : source.info().metadata) {
        if (name == key) {
            return value;
        }
    }
    return "(none)";
}

std::string floats(const GgufBuilder& file, const std::vector<float>& values) {
    std::string bytes;
    for (const float value : values) {
        bytes += file.number(std::bit_cast<std::uint32_t>(value), 4);
    }
    return bytes;
}

bool warns(const TensorSource& source, const std::string& text) {
    const auto& warnings = source.info().warnings;
    return std::any_of(warnings.begin(), warnings.end(), [&text](const std::string& warning) {
        return warning.find(text) != std::string::npos;
    });
}

/// A fresh folder with a copy of the three parts.
std::filesystem::path splitFolder(const std::string& name) {
    const std::filesystem::path folder = scratchDir() / name;
    std::filesystem::create_directories(folder);
    for (int part = 1; part <= 3; ++part) {
        const std::string file = ggufPartName("split", part, 3);
        std::filesystem::copy_file(kFolder / file, folder / file);
    }
    return folder;
}

}  // namespace

TEST_CASE("gguf: plain types of both byte orders equal the package's values") {
    const nlohmann::json expected = expectedValues()["tensors"];
    for (const char* name : {"plain.gguf", "plain_big.gguf"}) {
        CAPTURE(name);
        const auto source = opened(kFolder / name);
        CHECK(source->info().format == "gguf");
        CHECK(source->info().warnings.empty());
        CHECK(source->tensors().size() == 11);
        for (const TensorInfo& tensor : source->tensors()) {
            compare(*source, tensor.name, expected[tensor.name]);
        }
    }
    const auto source = opened(kFolder / "plain.gguf");
    const TensorInfo& stack = source->tensors()[*source->find("blk.0.ffn_up_exps.weight")];
    CHECK(stack.rows == 6);  // [experts, out, in] read as [experts·out, in]
    CHECK(stack.cols == 4);
    const TensorInfo& cube = source->tensors()[*source->find("cube")];
    CHECK(cube.rows == 2);
    CHECK(cube.cols == 12);
    CHECK(source->tensors()[*source->find("i64")].dtypeName == "int64");
    CHECK(source->matrix(*source->find("f64")).value()->isDouble());
    // The stored bytes are handed out where they can be used as they are.
    CHECK(source->matrix(*source->find("f32")).value()->raw().has_value());
    const auto big = opened(kFolder / "plain_big.gguf");
    CHECK_FALSE(big->matrix(*big->find("f32")).value()->raw().has_value());
    CHECK(big->matrix(*big->find("i8")).value()->raw().has_value());
}

TEST_CASE("gguf: every block type equals gguf.quants.dequantize bit for bit") {
    const nlohmann::json expected = expectedValues()["blocks"];
    for (const char* name : {"blocks.gguf", "blocks_big.gguf"}) {
        CAPTURE(name);
        const auto source = opened(kFolder / name);
        REQUIRE_FALSE(source->tensors().empty());
        for (std::size_t i = 0; i < source->tensors().size(); ++i) {
            const TensorInfo& tensor = source->tensors()[i];
            const nlohmann::json& entry = expected[tensor.name];
            CAPTURE(tensor.name);
            const BlockLayout* layout = findGgmlBlock(entry["type"].get<std::uint32_t>());
            REQUIRE(layout != nullptr);
            CHECK(tensor.block == layout);
            CHECK(tensor.dtypeName == layout->id);
            compare(*source, tensor.name, entry);
            const auto blocks = source->matrix(i).value()->rawBlocks();
            const bool swapped = std::string(name) == "blocks_big.gguf" && entry["type"] != 39 &&
                                 entry["type"] != 40;
            if (!swapped && std::string(name) == "blocks.gguf") {
                REQUIRE(blocks.has_value());
                CHECK(blocks->bytes.size() == tensor.bytes);
            }
            if (swapped) {
                CHECK_FALSE(blocks.has_value());
            }
        }
    }
}

TEST_CASE("gguf: words of a block turned round twice are the block, once are its big-endian form") {
    for (const BlockLayout* layout : allBlockLayouts()) {
        if (!layout->ggmlType) {
            continue;
        }
        CAPTURE(std::string(layout->id));
        CHECK(knowsByteOrder(*layout));
        std::vector<std::byte> blocks(static_cast<std::size_t>(layout->bytes) * 3);
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            blocks[i] = static_cast<std::byte>(73 * i + 11);
        }
        std::vector<std::byte> turned = blocks;
        swapBlockWords(*layout, turned.data(), 3);
        // Which bytes moved, by the fields: 2-byte scales always, codes of single bytes never.
        for (const BlockField& field : layout->fields) {
            const bool scale = field.bytes == 2 && field.role == BlockRole::Scale;
            for (int b = 0; scale && b < 3; ++b) {
                const auto at = static_cast<std::size_t>(b * layout->bytes + field.offset);
                CHECK(turned[at] == blocks[at + 1]);
                CHECK(turned[at + 1] == blocks[at]);
            }
        }
        swapBlockWords(*layout, turned.data(), 3);
        CHECK(turned == blocks);
    }
}

TEST_CASE("gguf: metadata of every type as text, long arrays as length and first items") {
    for (const char* name : {"plain.gguf", "plain_big.gguf"}) {
        CAPTURE(name);
        const auto source = opened(kFolder / name);
        CHECK(metadataOf(*source, "general.architecture") == "llama");
        CHECK(metadataOf(*source, "test.u8") == "200");
        CHECK(metadataOf(*source, "test.i8") == "-100");
        CHECK(metadataOf(*source, "test.u16") == "60000");
        CHECK(metadataOf(*source, "test.i16") == "-30000");
        CHECK(metadataOf(*source, "test.u32") == "4000000000");
        CHECK(metadataOf(*source, "test.i32") == "-2000000000");
        CHECK(metadataOf(*source, "test.u64") == "18446744073709551615");
        CHECK(metadataOf(*source, "test.i64") == "-9223372036854775808");
        CHECK(metadataOf(*source, "test.f32") == "0.1");
        CHECK(metadataOf(*source, "test.f64") == "0.1");
        CHECK(metadataOf(*source, "test.bool") == "true");
        CHECK(metadataOf(*source, "test.text") == "Zürich \"1\"");
        CHECK(metadataOf(*source, "test.short") == "[1,2,3]");
        CHECK(metadataOf(*source, "test.words") == R"(["a","b\n","ç"])");
        CHECK(metadataOf(*source, "test.floats") == "[0.5,1.5]");
        const auto words = nlohmann::json::parse(metadataOf(*source, "test.long"));
        CHECK(words["length"] == 200);
        CHECK(words["first"].size() == 64);
        CHECK(words["first"][63] == "token 63");
        const auto numbers = nlohmann::json::parse(metadataOf(*source, "test.numbers"));
        CHECK(numbers["length"] == 1000);
        CHECK(numbers["first"][63] == 63);
    }
}

TEST_CASE("gguf: versions 1, 2 and 3 of both byte orders hold the same") {
    const std::vector<float> values{1.5F, -2.0F, 3.25F, 0.0F, 5.0F, -0.5F};
    for (const std::uint32_t version : {1U, 2U, 3U}) {
        for (const bool big : {false, true}) {
            CAPTURE(version, big);
            GgufBuilder file(version, big);
            file.string("general.architecture", "llama").u32("llama.block_count", 7);
            file.array("tokenizer.ggml.tokens", 8, {file.text("a"), file.text("bc")});
            file.array("nested", 9, {file.number(4, 4) + file.length(1) + file.number(9, 4)});
            file.tensor("w", {3, 2}, 0, floats(file, values));
            file.tensor("scalar", {}, 0, floats(file, {8.0F}));
            const Opened source = openBytes(file.build(), "x.gguf");
            REQUIRE(source.has_value());
            CHECK((*source)->info().warnings.empty());
            CHECK(metadataOf(**source, "llama.block_count") == "7");
            CHECK(metadataOf(**source, "tokenizer.ggml.tokens") == R"(["a","bc"])");
            CHECK(metadataOf(**source, "nested") == "[[9]]");
            CHECK((*source)->tensors()[0].shape == std::vector<std::int64_t>{2, 3});
            CHECK(readAll(*matrixOf(**source, "w")) ==
                  std::vector<double>(values.begin(), values.end()));
            CHECK(readAll(*matrixOf(**source, "scalar")) == std::vector<double>{8});
            CHECK((*source)->info().parameters == 7);
        }
    }
}

TEST_CASE("gguf: big-endian blocks decode like their little-endian form, also across rows") {
    const BlockLayout* layout = findBlockLayout("q8_0");
    REQUIRE(layout != nullptr);
    std::vector<float> weights(32 * 300);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = std::sin(static_cast<float>(i));
    }
    std::string blocks(34 * 300, '\0');
    layout->pack(weights.data(), 300, reinterpret_cast<std::byte*>(blocks.data()));
    const std::string little = GgufBuilder().tensor("w", {96, 100}, 8, blocks).build();
    std::string turned = blocks;
    swapBlockWords(*layout, reinterpret_cast<std::byte*>(turned.data()), 300);
    CHECK(turned != blocks);
    const std::string big = GgufBuilder(3, true).tensor("w", {96, 100}, 8, turned).build();
    const auto a = openBytes(little, "a.gguf").value();
    const auto b = openBytes(big, "b.gguf").value();
    CHECK(readAll(*matrixOf(*a, "w")) == readAll(*matrixOf(*b, "w")));
    const auto turnedRows = openBytes(big, "b.gguf", {Layout::InOut}).value();
    CHECK(turnedRows->tensors()[0].rows == 96);
    const std::vector<double> straight = readAll(*matrixOf(*a, "w"));
    const std::vector<double> across = readAll(*matrixOf(*turnedRows, "w"));
    CHECK(across[5 * 100 + 7] == straight[7 * 96 + 5]);
    // The microscope: the same figures, and bits where they lie in the turned bytes.
    const BlockView left = a->block(0, 3, 40).value();
    const BlockView right = b->block(0, 3, 40).value();
    CHECK(left.decode(left.bytes) == right.decode(right.bytes));
    const BlockElement one = left.explain(left.bytes, left.element);
    const BlockElement other = right.explain(right.bytes, right.element);
    CHECK(one.equation == other.equation);
    for (std::size_t i = 0; i < one.parts.size(); ++i) {
        CHECK(gatherBits(right.bytes, other.parts[i].bits) == one.parts[i].code);
    }
}

TEST_CASE("gguf: any part of a split model opens all of it") {
    const nlohmann::json expected = expectedValues()["tensors"];
    for (int part = 1; part <= 3; ++part) {
        CAPTURE(part);
        const auto source = opened(kFolder / ggufPartName("split", part, 3));
        CHECK(source->info().warnings.empty());
        CHECK(source->info().files.size() == 3);
        CHECK(source->tensors().size() == 5);
        CHECK(metadataOf(*source, "general.name") == "golden");
        for (const TensorInfo& tensor : source->tensors()) {
            compare(*source, tensor.name, expected[tensor.name]);
        }
    }
}

TEST_CASE("gguf: missing, extra, doubled and miscounted parts are told") {
    const std::string second = ggufPartName("split", 2, 3);
    {
        const auto folder = splitFolder("gguf-missing");
        std::filesystem::remove(folder / second);
        const auto source = opened(folder / ggufPartName("split", 3, 3));
        CHECK(source->tensors().size() == 3);
        CHECK(warns(*source, "part " + second + " cannot be read, its tensors are absent"));
        CHECK(warns(*source, "should have 5 tensors, the parts hold 3"));
    }
    {
        const auto folder = splitFolder("gguf-no-first");
        std::filesystem::remove(folder / ggufPartName("split", 1, 3));
        const auto source = openSource((folder / second).string());
        REQUIRE_FALSE(source.has_value());
        CHECK(source.error().what.find("the first part of the split model") != std::string::npos);
        CHECK(source.error().where.find("split-00001-of-00003.gguf") != std::string::npos);
    }
    {
        const auto folder = splitFolder("gguf-doubled");
        std::filesystem::copy_file(folder / ggufPartName("split", 3, 3),
                                   folder / second,
                                   std::filesystem::copy_options::overwrite_existing);
        std::filesystem::copy_file(folder / second, folder / ggufPartName("split", 4, 3));
        std::filesystem::copy_file(folder / second, folder / ggufPartName("split", 1, 2));
        const auto source = opened(folder / ggufPartName("split", 1, 3));
        CHECK(warns(*source, "should have split.no = 1, it has 2"));
        CHECK(warns(*source, "1 tensors occur in several parts, such as blk.4.weight"));
        CHECK(warns(*source, "extra part split-00004-of-00003.gguf was not read"));
        CHECK(warns(*source, "extra part split-00001-of-00002.gguf was not read"));
        CHECK(source->tensors().size() == 3);
    }
    {
        const auto folder = splitFolder("gguf-miscounted");
        GgufBuilder file;
        file.u16("split.no", 1).u16("split.count", 4).i32("split.tensors.count", 9);
        writeFile(folder / second, file.build());
        const auto source = opened(folder / ggufPartName("split", 1, 3));
        CHECK(warns(*source, "should have split.count = 3, it has 4"));
        CHECK(warns(*source, "counts 9 tensors of the model, the first part 5"));
        writeFile(folder / second, file.build().substr(0, 30));
        CHECK(warns(*opened(folder / ggufPartName("split", 1, 3)),
                    "part " + second + " cannot be read"));
    }
}

TEST_CASE("gguf: parts under other names open alone and say so") {
    const std::filesystem::path folder = scratchDir() / "gguf-renamed";
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(kFolder / ggufPartName("split", 2, 3), folder / "second.gguf");
    const auto source = opened(folder / "second.gguf");
    CHECK(warns(*source, "this is part 2 of 3"));
    CHECK(source->tensors().size() == 2);
    CHECK_FALSE(parseGgufPartName("x-0001-of-00003.gguf").has_value());
    CHECK_FALSE(parseGgufPartName("x-00000-of-00003.gguf").has_value());
    CHECK_FALSE(parseGgufPartName("-00001-of-00003.gguf").has_value());
    CHECK(parseGgufPartName("a-b-00002-of-00003.gguf")->prefix == "a-b");
}

TEST_CASE("gguf: a folder opens where it holds one model") {
    const auto folder = splitFolder("gguf-folder");
    CHECK(opened(folder)->tensors().size() == 5);
    // An importance matrix beside the model is none.
    std::filesystem::copy_file(goldenDir() / "io" / "importance.gguf", folder / "imatrix.gguf");
    CHECK(opened(folder)->tensors().size() == 5);
    std::filesystem::copy_file(kFolder / "plain.gguf", folder / "another.gguf");
    const auto source = openSource(folder.string());
    REQUIRE_FALSE(source.has_value());
    CHECK(source.error().what.find("found 2: another.gguf, split-*-of-*.gguf") !=
          std::string::npos);
}

TEST_CASE("gguf: the stories260k model in FP16") {
    const auto model = testModel("stories260k");
    if (!model) {
        WARN("skipped: LOUPE_TEST_MODELS has no stories260k");
        return;
    }
    const auto source = opened(*model / "stories260k-f16.gguf");
    CHECK(source->tensors().size() == 47);
    CHECK(source->info().parameters == 260032);
    CHECK(source->info().warnings.empty());
    CHECK(metadataOf(*source, "general.architecture") == "llama");
    for (std::size_t i = 0; i < source->tensors().size(); ++i) {
        CHECK(source->matrix(i).has_value());
    }
}

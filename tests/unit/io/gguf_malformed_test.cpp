// SPDX-License-Identifier: Apache-2.0
// Damaged GGUF files, each made by one change to a good one: an error that names the place, a
// tensor's own problem, or a warning where the data can be read all the same.
#include "core/io/gguf_header.hpp"
#include "tests/unit/io/gguf_builder.hpp"
#include "tests/unit/io/io_support.hpp"

#include <functional>

using namespace loupe;
using namespace loupe::test;

namespace {

constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

GgufBuilder good(std::uint32_t version = 3, bool big = false) {
    GgufBuilder file(version, big);
    file.string("general.architecture", "llama").u32("general.alignment", 32).u16("key.u16", 7);
    file.array("key.words", 8, {file.text("one"), file.text("two")});
    file.array("key.numbers", 4, {file.number(1, 4), file.number(2, 4)});
    file.array("key.nested", 9, {file.number(0, 4) + file.length(2) + "ab"});
    file.tensor("first", {4, 3}, 0, std::string(48, '\1'));
    file.tensor("second", {64, 2}, 8, std::string(136, '\2'));
    return file;
}

struct Damage {
    std::string what;
    std::string file;
    std::string expected;  ///< words of the error
    std::size_t where;     ///< offset that it names
};

std::string cut(const std::string& file, std::size_t length) {
    return file.substr(0, length);
}

std::vector<Damage> damagedStarts() {
    const GgufBuilder file = good();
    const std::string all = file.build();
    std::string reversed = all;
    std::reverse(reversed.begin(), reversed.begin() + 4);
    const auto at = [&file](const char* field) { return file.at(field); };
    const auto with = [&file](const char* field, std::uint64_t value, int width = 8) {
        return file.with(field, value, width);
    };
    return {
        {"reversed magic", reversed, "FUGG", 0},
        {"magic cut", cut(all, 3), "magic: expected 4 bytes, found 3", 0},
        {"version 0", with("version", 0, 4), "version 1, 2 or 3, found 0", 4},
        {"version 4", with("version", 4, 4), "version 1, 2 or 3, found 4", 4},
        {"version -1", with("version", kAll, 4), "version 1, 2 or 3", 4},
        {"big-endian 4", with("version", 0x04000000, 4), "version 1, 2 or 3, found 4", 4},
        {"version cut", cut(all, 6), "version: expected 4 bytes, found 2", 4},
        {"tensor count 2^63", with("tensors", kHuge), "tensors and keys", 8},
        {"tensor count -1", with("tensors", kAll), "tensors and keys", 8},
        {"key count 2^63", with("pairs", kHuge), "tensors and keys", 8},
        {"key count beyond", with("pairs", 1000), "tensors and keys", 8},
        {"counts cut", cut(all, 20), "number of keys: expected 8 bytes, found 4", 16},
        {"more keys", with("pairs", 7), "", 0},
        {"more tensors",
         with("tensors", 3),
         "name of a tensor: expected 1 byte or more",
         at("end")},
        {"fewer keys", with("pairs", 5), "", 0},
        {"key length 2^63",
         with("key key.u16", kHuge),
         "key: expected a length",
         at("key key.u16")},
        {"key length beyond",
         with("key key.u16", all.size()),
         "key: expected a length",
         at("key key.u16")},
        {"key cut",
         cut(all, at("key key.u16") + 4),
         "key: expected 8 bytes, found 4",
         at("key key.u16")},
        {"type 13",
         with("type of key.u16", 13, 4),
         "type from 0 to 12, found 13",
         at("type of key.u16")},
        {"type 255", with("type of key.u16", 255, 4), "found 255", at("type of key.u16")},
        {"type cut", cut(all, at("type of key.u16") + 1), "type of a value", at("type of key.u16")},
        {"value cut",
         cut(all, at("value of key.u16") + 1),
         "value: expected 2 bytes, found 1",
         at("value of key.u16")},
        {"text length 2^63",
         with("value of general.architecture", kHuge),
         "value: expected a length",
         at("value of general.architecture")},
        {"text beyond",
         with("value of general.architecture", all.size()),
         "value: expected a length",
         at("value of general.architecture")},
        {"alignment 0",
         with("value of general.alignment", 0, 4),
         "power of two",
         at("type of general.alignment")},
        {"alignment 3",
         with("value of general.alignment", 3, 4),
         "power of two",
         at("type of general.alignment")},
        {"alignment 48",
         with("value of general.alignment", 48, 4),
         "found 48",
         at("type of general.alignment")},
        {"alignment 2^31",
         with("value of general.alignment", 1U << 31U, 4),
         "power of two",
         at("type of general.alignment")},
        {"alignment i32",
         with("type of general.alignment", 5, 4),
         "without a sign",
         at("type of general.alignment")},
        {"alignment f32",
         with("type of general.alignment", 6, 4),
         "without a sign",
         at("type of general.alignment")}};
}

std::vector<Damage> damagedArrays() {
    const GgufBuilder file = good();
    const std::string all = file.build();
    const auto place = [&file](const char* key, std::size_t shift) {
        return file.at(std::string("value of ") + key) + shift;
    };
    const auto with = [&file](const char* key, std::uint64_t value, int width, std::size_t shift) {
        return file.with(std::string("value of ") + key, value, width, shift);
    };
    GgufBuilder deep;
    std::string inner = deep.number(0, 4) + deep.length(1) + "x";
    for (int i = 0; i < 4; ++i) {
        inner = deep.number(9, 4) + deep.length(1) + inner;
    }
    deep.pair("deep", 9, inner);
    return {{"item type 13",
             with("key.words", 13, 4, 0),
             "array: expected a type from 0 to 12, found 13",
             place("key.words", 0)},
            {"item type -1",
             with("key.words", kAll, 4, 0),
             "array: expected a type",
             place("key.words", 0)},
            {"words 2^63",
             with("key.words", kHuge, 8, 4),
             "array: expected a length",
             place("key.words", 4)},
            {"words 2^30+1",
             with("key.words", (1U << 30U) + 1, 8, 4),
             "array: expected a length",
             place("key.words", 4)},
            {"words -1",
             with("key.words", kAll, 8, 4),
             "array: expected a length",
             place("key.words", 4)},
            {"word length 2^63",
             with("key.words", kHuge, 8, 12),
             "string of an array: expected a length",
             place("key.words", 12)},
            {"second word beyond",
             with("key.words", 4096, 8, 23),
             "string of an array: expected a length",
             place("key.words", 23)},
            {"word cut",
             cut(all, place("key.words", 16)),
             "array: expected a length",
             place("key.words", 4)},
            {"numbers 2^61",
             with("key.numbers", kHuge >> 2U, 8, 4),
             "array: expected a length",
             place("key.numbers", 4)},
            {"numbers beyond",
             with("key.numbers", all.size(), 8, 4),
             "array: expected a length",
             place("key.numbers", 4)},
            {"array type cut",
             cut(all, place("key.numbers", 2)),
             "type of an array",
             place("key.numbers", 0)},
            {"array length cut",
             cut(all, place("key.numbers", 8)),
             "length of an array",
             place("key.numbers", 4)},
            {"nested length",
             with("key.nested", kHuge, 8, 16),
             "array: expected a length",
             place("key.nested", 16)},
            {"nested type", with("key.nested", 77, 4, 12), "found 77", place("key.nested", 12)},
            {"too deep",
             deep.build(),
             "at most 4 arrays in one another",
             deep.at("value of deep") + 36}};
}

std::vector<Damage> damagedTensors() {
    const GgufBuilder file = good();
    const std::string all = file.build();
    const auto at = [&file](const char* field) { return file.at(field); };
    const auto with =
        [&file](const char* field, std::uint64_t value, int width = 8, std::size_t shift = 0) {
            return file.with(field, value, width, shift);
        };
    const GgufBuilder doubled = good().tensor("first", {1}, 0, "abcd");
    const GgufBuilder sameKey = good().u16("key.u16", 8);
    const GgufBuilder noKey = good().u16("", 8);
    const GgufBuilder longKey = good().u16(std::string(65536, 'k'), 8);
    return {
        {"name length 2^63",
         with("tensor first", kHuge),
         "name of a tensor: expected a length",
         at("tensor first")},
        {"name cut", cut(all, at("tensor first") + 10), "name of a tensor", at("tensor first")},
        {"5 dimensions",
         with("dimensions of first", 5, 4),
         "at most 4 dimensions, found 5",
         at("dimensions of first")},
        {"-1 dimensions",
         with("dimensions of first", kAll, 4),
         "at most 4 dimensions",
         at("dimensions of first")},
        {"dimensions cut",
         cut(all, at("dimensions of first") + 2),
         "number of dimensions",
         at("dimensions of first")},
        {"negative dimension",
         with("shape of first", kHuge),
         "at most 2^57 elements",
         at("shape of first")},
        {"dimension -1",
         with("shape of first", kAll),
         "at most 2^57 elements",
         at("shape of first")},
        {"product 2^64",
         with("shape of first", kHuge >> 1U),
         "at most 2^57 elements",
         at("shape of first")},
        {"product 2^58",
         with("shape of first", kHuge >> 5U),
         "at most 2^57 elements",
         at("shape of first")},
        {"shape cut",
         cut(all, at("shape of first") + 9),
         "dimension: expected 8 bytes",
         at("shape of first") + 8},
        {"type cut", cut(all, at("type of first") + 3), "type of a tensor", at("type of first")},
        {"offset cut",
         cut(all, at("offset of first") + 5),
         "offset of a tensor",
         at("offset of first")},
        {"offset odd", with("offset of first", 1), "multiple of 32, found 1", at("tensor first")},
        {"offset beyond", with("offset of second", 4096), "bytes of data", at("tensor second")},
        {"offset 2^63", with("offset of second", kHuge), "bytes of data", at("tensor second")},
        {"offset wraps", with("offset of second", kAll - 31), "bytes of data", at("tensor second")},
        {"more rows than bytes",
         with("shape of first", 100, 8, 8),
         "expected 1600 bytes",
         at("tensor first")},
        {"data cut", cut(all, all.size() - 40), "expected 136 bytes", at("tensor second")},
        {"no data", cut(all, at("end")), "found 0 bytes of data", at("tensor first")},
        {"tensor twice",
         doubled.build(),
         "every tensor once, found \"first\"",
         doubled.at("end") - 12 - 4 - 8 - 4 - 9},
        {"key twice",
         sameKey.build(),
         "every key once, found \"key.u16\"",
         sameKey.at("key key.u16")},
        {"empty key", noKey.build(), "key: expected 1 byte or more", noKey.at("key ")},
        {"long key",
         longKey.build(),
         "at most 65535 bytes",
         longKey.at("key " + std::string(65536, 'k'))}};
}

void refuse(const std::vector<Damage>& cases) {
    for (const Damage& damage : cases) {
        CAPTURE(damage.what);
        const Opened source = openBytes(damage.file, "x.gguf");
        REQUIRE_FALSE(source.has_value());
        const Error& error = source.error();
        CAPTURE(error.what, error.where);
        CHECK(error.what.rfind("GGUF: ", 0) == 0);
        CHECK(error.what.find(damage.expected) != std::string::npos);
        if (!damage.expected.empty()) {
            CHECK(error.where == "x.gguf:" + std::to_string(damage.where));
        }
    }
}

const TensorInfo& tensorOf(const TensorSource& source, const std::string& name) {
    return source.tensors()[*source.find(name)];
}

bool warns(const TensorSource& source, const std::string& text) {
    const auto& warnings = source.info().warnings;
    return std::any_of(warnings.begin(), warnings.end(), [&text](const std::string& warning) {
        return warning.find(text) != std::string::npos;
    });
}

/// Opens and reads all that is said to be readable.
void survive(const std::string& file) {
    const Opened source = openBytes(file, "x.gguf");
    if (!source) {
        CHECK_FALSE(source.error().what.empty());
        CHECK_FALSE(source.error().where.empty());
        return;
    }
    for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
        const TensorInfo& tensor = (*source)->tensors()[i];
        const auto matrix = (*source)->matrix(i);
        CHECK(matrix.has_value() == !tensor.problem.has_value());
        if (matrix && tensor.bytes > 0) {
            CHECK(tensor.bytes <= file.size());
            std::vector<double> row(static_cast<std::size_t>(tensor.cols));
            CHECK((*matrix)->read(tensor.rows - 1, 1, row.data()).has_value());
        }
    }
}

}  // namespace

TEST_CASE("gguf: the file that is damaged below is good") {
    for (const std::uint32_t version : {1U, 2U, 3U}) {
        const Opened source = openBytes(good(version).build(), "x.gguf");
        REQUIRE(source.has_value());
        CHECK((*source)->info().warnings.empty());
        CHECK((*source)->tensors().size() == 2);
    }
}

TEST_CASE("gguf: damaged counts, keys and values are refused where they lie") {
    refuse(damagedStarts());
}

TEST_CASE("gguf: damaged arrays are refused where they lie") {
    refuse(damagedArrays());
}

TEST_CASE("gguf: damaged tensors are refused where they lie") {
    refuse(damagedTensors());
}

TEST_CASE("gguf: a type that is not known is that tensor's problem alone") {
    const GgufBuilder file = good();
    for (const std::uint32_t type :
         {4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U, 43U, 255U, 0xFFFFFFFFU}) {
        CAPTURE(type);
        const auto source = openBytes(file.with("type of first", type, 4), "x.gguf").value();
        const TensorInfo& first = tensorOf(*source, "first");
        REQUIRE(first.problem.has_value());
        CHECK(first.problem->what.find("found ggml type " + std::to_string(type)) !=
              std::string::npos);
        CHECK(first.problem->where == "x.gguf:" + std::to_string(file.at("type of first")));
        CHECK(first.parameters == 12);
        CHECK_FALSE(source->matrix(0).has_value());
        CHECK(source->matrix(1).has_value());
        CHECK(source->info().warnings.empty());  // its size is not known: no hole is claimed
    }
    const auto removed = openBytes(file.with("type of first", 4, 4), "x.gguf").value();
    CHECK(tensorOf(*removed, "first").problem->what.find("Q4_2") != std::string::npos);
}

TEST_CASE("gguf: rows that are no whole blocks are that tensor's problem alone") {
    const GgufBuilder file = good();
    const auto source = openBytes(file.with("shape of second", 63, 8), "x.gguf").value();
    const TensorInfo& second = tensorOf(*source, "second");
    REQUIRE(second.problem.has_value());
    CHECK(second.problem->what.find("multiple of 32 elements for q8_0, found 63") !=
          std::string::npos);
    CHECK(source->matrix(0).has_value());
}

TEST_CASE("gguf: what ggml refuses but can be read is a warning") {
    {
        GgufBuilder file;
        file.tensorAt("a", {4}, 0, std::string(16, '\1'), 32);
        file.tensorAt("b", {4}, 0, std::string(16, '\2'), 0);
        const auto source = openBytes(file.build(), "x.gguf").value();
        CHECK(warns(*source, "tensor a begins at 32 of the data, not at 0 (and 1 tensors more)"));
        CHECK(source->matrix(1).has_value());
    }
    {
        const std::string name(64, 'n');
        const auto source =
            openBytes(GgufBuilder().tensor(name, {1}, 0, "abcd").build(), "x.gguf").value();
        CHECK(warns(*source, "1 names have 64 bytes or more"));
    }
    {
        GgufBuilder file;
        file.u32("general.alignment", 4).tensor("a", {1}, 0, "abcd");
        const auto source = openBytes(file.build(4), "x.gguf").value();
        CHECK(warns(*source, "multiple of 8"));
        CHECK(warns(*source, "28 bytes after the last tensor belong to none"));
    }
    {
        const auto source = openBytes(good().build() + std::string(100, 'x'), "x.gguf").value();
        CHECK(warns(*source, "bytes after the last tensor belong to none"));
    }
}

TEST_CASE("gguf: tensors without elements, files without tensors, scales that are not numbers") {
    const auto none = openBytes(GgufBuilder().build(), "x.gguf").value();
    CHECK(none->tensors().empty());
    const auto zero =
        openBytes(GgufBuilder().tensor("a", {0, 5}, 0, "").tensor("b", {32, 0}, 8, "").build(),
                  "x.gguf")
            .value();
    CHECK(zero->matrix(0).value()->cols() == 0);
    CHECK(zero->matrix(1).value()->rows() == 0);
    // Found by fuzzing: blocks of a big-endian file, and none of them.
    for (const bool big : {false, true}) {
        const auto empty =
            openBytes(GgufBuilder(3, big).tensor("a", {0, 3}, 8, "").build(), "x.gguf").value();
        float nothing = 7;
        CHECK(empty->matrix(0).value()->read(0, 3, &nothing).has_value());
        CHECK(nothing == 7);
    }
    std::string block(34, '\1');
    block[0] = '\0';
    block[1] = '\x7C';  // d = infinity
    const auto source =
        openBytes(GgufBuilder().tensor("a", {32}, 8, block).build(), "x.gguf").value();
    CHECK(std::isinf(readAll(*matrixOf(*source, "a"))[3]));
}

TEST_CASE("gguf: files of the gguf package cut off, and changed byte by byte") {
    for (const char* name : {"plain.gguf", "plain_big.gguf", "blocks.gguf"}) {
        CAPTURE(name);
        const std::string file = readFile(goldenDir() / "io" / "gguf" / name);
        REQUIRE_FALSE(file.empty());
        for (std::size_t at = 0; at < file.size(); at += 11) {
            CAPTURE(at);
            survive(file.substr(0, at));
            std::string changed = file;
            changed[at] = static_cast<char>(changed[at] ^ 0x81);
            survive(changed);
        }
    }
}

TEST_CASE("gguf: cut off at every byte, and every byte changed, in every version") {
    for (const std::uint32_t version : {1U, 2U, 3U}) {
        for (const bool big : {false, true}) {
            const std::string file = good(version, big).build();
            CAPTURE(version, big);
            for (std::size_t length = 0; length < file.size(); ++length) {
                CAPTURE(length);
                survive(file.substr(0, length));
            }
            for (std::size_t at = 0; at < file.size(); ++at) {
                for (const int flip : {0x01, 0x80, 0xFF}) {
                    CAPTURE(at, flip);
                    std::string changed = file;
                    changed[at] = static_cast<char>(changed[at] ^ flip);
                    survive(changed);
                }
            }
        }
    }
}

TEST_CASE("gguf: every number of the header set to the extremes") {
    const std::string file = good().build();
    const std::size_t end = good().at("end");
    for (std::size_t at = 4; at + 8 <= end; ++at) {
        for (const std::uint64_t value :
             {std::uint64_t{0}, kHuge, kAll, kHuge - 1, std::uint64_t{1} << 30U}) {
            for (const std::size_t width : {std::size_t{4}, std::size_t{8}}) {
                CAPTURE(at, value, width);
                std::string changed = file;
                std::memcpy(changed.data() + at, &value, width);
                survive(changed);
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The rules of spec/formats.md C.1: what refuses a file, what marks one tensor, and what the texts
// say.
#include "tests/unit/io/io_support.hpp"

#include <cmath>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;

namespace {

[[gnu::noinline]] std::string badEntry(const std::string& middle,
                                       std::uint64_t begin,
                                       std::uint64_t end) {
    std::string text = "\"bad\":{";
    text += middle;
    text += ",\"data_offsets\":[";
    text += std::to_string(begin);
    text += ",";
    text += std::to_string(end);
    text += "]}";
    return text;
}

struct Refused {
    std::string what;
    std::string file;
    std::string text;   ///< part of the message
    std::string where;  ///< end of the position
};

}  // namespace

TEST_CASE("a damaged header refuses the file with its position") {
    const std::string good = entry("a", "F32", "[1]", 0, 4);
    const std::vector<Refused> cases{
        {"7 bytes", "1234567", "at least 8 bytes, found 7", ":0"},
        {"length beyond the file",
         lengthField(100) + "{}",
         "the 2 bytes that follow, found 100",
         ":0"},
        {"length 2^63", lengthField(std::uint64_t{1} << 63) + "{}", "at most 100000000", ":0"},
        {"length 2^64 - 1", lengthField(~std::uint64_t{0}) + "{}", "at most 100000000", ":0"},
        {"length just too large",
         lengthField(100'000'001) + "{}",
         "at most 100000000 bytes, found 100000001",
         ":0"},
        {"no header", lengthField(0), "found nothing", ":8"},
        {"space first", safetensorsFile(" {}", 0), "found byte 32", ":8"},
        {"an array", safetensorsFile("[]", 0), "found byte 91", ":8"},
        {"unfinished", safetensorsFile("{", 0), "header", ""},
        {"text after", safetensorsFile("{} {}", 0), "nothing after the JSON object", ":11"},
        {"NUL after", safetensorsFile(std::string("{}\0\0", 4), 0), "header", ":8"},
        {"not UTF-8", safetensorsFile("{\"\xFF\":1}", 0), "expected UTF-8", ":8"},
        {"control character", safetensorsFile("{\"a\n\":1}", 0), "header", ""},
        {"name twice",
         safetensorsFile(objectOf({good, entry("a", "F32", "[1]", 4, 8)}), 8),
         "found \"a\" twice",
         ":62"},
        {"a number for a tensor", safetensorsFile("{\"a\":1}", 0), "an object for \"a\"", ""},
        {"metadata with a number",
         safetensorsFile("{\"__metadata__\":{\"n\":1}}", 0),
         "strings in __metadata__",
         ""},
        {"metadata nested",
         safetensorsFile("{\"__metadata__\":{\"n\":{\"m\":\"x\"}}}", 0),
         "strings in __metadata__",
         ""},
        {"metadata twice",
         safetensorsFile("{\"__metadata__\":{},\"__metadata__\":{}}", 0),
         "found a second",
         ":27"},
        {"metadata twice, null", safetensorsFile("{\"__metadata__\":null,\"__metadata__\":null}", 0),
         "found a second", ":29"},
        {"key twice",
         safetensorsFile("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0),
         "a second \"dtype\"",
         ":9"},
        {"unknown key", safetensorsFile("{\"a\":{\"type\":\"F32\"}}", 0), "found \"type\"", ":9"},
        {"no offsets",
         safetensorsFile("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0),
         "only some of them",
         ":9"},
        {"dtype a number", safetensorsFile("{\"a\":{\"dtype\":32}}", 0), "a string as dtype", ""},
        {"negative dimension",
         safetensorsFile("{\"a\":{\"shape\":[-1]}}", 0),
         "non-negative integers as shape",
         ""},
        {"fractional dimension",
         safetensorsFile("{\"a\":{\"shape\":[1.5]}}", 0),
         "non-negative integers as shape",
         ""},
        {"dimension 2^64",
         safetensorsFile("{\"a\":{\"shape\":[18446744073709551616]}}", 0),
         "non-negative integers as shape",
         ""},
        {"three offsets",
         safetensorsFile("{\"a\":{\"data_offsets\":[0,1,2]}}", 0),
         "data_offsets",
         ""},
        {"one offset", safetensorsFile("{\"a\":{\"data_offsets\":[0]}}", 0), "data_offsets", ""},
        {"negative offset",
         safetensorsFile("{\"a\":{\"data_offsets\":[-4,0]}}", 0),
         "data_offsets",
         ""},
        {"deep nesting",
         safetensorsFile("{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}", 0),
         "header",
         ""},
        {"a missing comma", safetensorsFile("{" + good + good + "}", 4), "header", ""},
        {"a trailing comma", safetensorsFile("{" + good + ",}", 4), "header", ""},
        {"an overlap",
         safetensorsFile(objectOf({good, entry("b", "F32", "[1]", 2, 6)}), 6),
         "an overlap",
         ""},
        {"shared data",
         safetensorsFile(objectOf({good, entry("b", "F32", "[1]", 0, 4)}), 4),
         "an overlap",
         ""},
        {"a hole",
         safetensorsFile(objectOf({good, entry("b", "F32", "[1]", 8, 12)}), 12),
         "a hole",
         ""},
        {"a hole at the start",
         safetensorsFile(objectOf({entry("b", "F32", "[1]", 4, 8)}), 8),
         "a hole",
         ""},
        {"something behind the data",
         safetensorsFile(objectOf({good}), 9),
         "expected 4 bytes of data after the header, found 9",
         ":66"},
        {"data without tensors", safetensorsFile("{}", 9), "expected 0 bytes of data", ":10"},
        {"nothing of the data left", safetensorsFile(objectOf({good}), 3), "cut short", ""},
    };
    for (const Refused& item : cases) {
        CAPTURE(item.what);
        const Opened source = openBytes(item.file, "dir/x.safetensors");
        REQUIRE_FALSE(source.has_value());
        CAPTURE(source.error().message());
        CHECK(source.error().code == ErrorCode::Damaged);
        CHECK_THAT(source.error().what, ContainsSubstring(item.text));
        CHECK_THAT(source.error().where, ContainsSubstring("dir/x.safetensors:"));
        if (!item.where.empty()) {
            CHECK(source.error().where == "dir/x.safetensors" + item.where);
        }
    }
}

TEST_CASE("what concerns one tensor marks that tensor") {
    struct Marked {
        std::string what;
        std::string bad;
        std::uint64_t begin, end;
        std::string text;
    };
    const std::vector<Marked> cases{
        {"unknown dtype",
         "\"dtype\":\"F7\",\"shape\":[4]",
         4,
         8,
         "expected a known dtype, found F7"},
        {"too few bytes",
         "\"dtype\":\"F32\",\"shape\":[2]",
         4,
         8,
         "expected 8 bytes for its shape"},
        {"too many bytes",
         "\"dtype\":\"F32\",\"shape\":[]",
         4,
         12,
         "expected 4 bytes for its shape"},
        {"overflow",
         "\"dtype\":\"F32\",\"shape\":[2,18446744073709551614]",
         4,
         8,
         "fewer than 2^63 elements"},
        {"overflow of the product",
         "\"dtype\":\"F32\",\"shape\":[4294967296,4294967296]",
         4,
         8,
         "fewer than 2^63 elements"},
        {"overflow of the bits",
         "\"dtype\":\"F64\",\"shape\":[4611686018427387904]",
         4,
         8,
         "expected whole bytes"},
        {"odd nibbles", "\"dtype\":\"F4\",\"shape\":[7]", 4, 8, "7 elements of 4 bits"},
        {"begin after end", "\"dtype\":\"F32\",\"shape\":[1]", 8, 4, "data_offsets in order"},
        {"beyond the file",
         "\"dtype\":\"F32\",\"shape\":[1]",
         4,
         1 << 20,
         "bytes that the file holds"},
        {"far beyond the file",
         "\"dtype\":\"F32\",\"shape\":[1]",
         4,
         ~std::uint64_t{0},
         "bytes that the file holds"},
    };
    for (const Marked& item : cases) {
        CAPTURE(item.what);
        const std::string header =
            objectOf({entry("good", "F32", "[1]", 0, 4), badEntry(item.bad, item.begin, item.end)});
        const Opened source =
            openBytes(safetensorsFile(header, item.end > 8 && item.end < 100 ? item.end : 8),
                      "x.safetensors");
        REQUIRE(source.has_value());
        REQUIRE((*source)->tensors().size() == 2);
        const TensorInfo& bad = (*source)->tensors()[1];
        REQUIRE(bad.problem.has_value());
        CHECK_THAT(bad.problem->what, ContainsSubstring(item.text));
        CHECK_THAT(bad.problem->what, ContainsSubstring("\"bad\""));
        CHECK((*source)->matrix(1).error() == *bad.problem);
        CHECK_FALSE((*source)->tensors()[0].problem.has_value());
        CHECK(readAll(*matrixOf(**source, "good")).size() == 1);
    }
}

TEST_CASE("a download cut short keeps what it has") {
    const std::string header = objectOf({entry("a", "U8", "[4]", 0, 4),
                                         entry("b", "U8", "[4]", 4, 8),
                                         entry("c", "U8", "[4]", 8, 12)});
    const Opened source = openBytes(safetensorsFile(header, 7), "x.safetensors");
    REQUIRE(source.has_value());
    REQUIRE((*source)->info().warnings.size() == 1);
    CHECK_THAT(
        (*source)->info().warnings[0],
        ContainsSubstring("expected 12 bytes of data after the header, found 7; 2 of 3 tensors"));
    CHECK(readAll(*matrixOf(**source, "a")) == std::vector<double>{0, 1, 2, 3});
    CHECK((*source)->tensors()[1].problem.has_value());
    CHECK((*source)->tensors()[2].problem.has_value());
}

TEST_CASE("headers that are legal though odd open") {
    const std::vector<std::pair<std::string, std::size_t>> cases{
        {"{}", 0},
        {"{}      ", 0},
        {"{ \"__metadata__\" : { } }\n\t ", 0},
        {"{\"__metadata__\":null}", 0},
        {objectOf({entry("b", "U8", "[2]", 2, 4), entry("a", "U8", "[2]", 0, 2)}), 4},
        {objectOf({entry("", "U8", "[0]", 0, 0),
                   entry("z", "F32", "[5,0,3]", 0, 0),
                   entry("../../etc/passwd", "U8", "[1]", 0, 1)}),
         1},
        {objectOf({entry("null\\u0000in name", "U8", "[1]", 0, 1)}), 1},
        {objectOf({entry("e", "U8", "[9223372036854775807,0]", 0, 0)}), 0},
        {objectOf({entry("f4", "F4", "[2,3]", 0, 3), entry("f6", "F6_E2M3", "[4]", 3, 6)}), 6},
    };
    for (const auto& [header, bytes] : cases) {
        CAPTURE(header);
        const Opened source = openBytes(safetensorsFile(header, bytes), "x.safetensors");
        REQUIRE(source.has_value());
        CHECK((*source)->info().warnings.empty());
        for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
            const auto matrix = (*source)->matrix(i);
            REQUIRE(matrix.has_value());
            if ((*source)->tensors()[i].parameters < 100) {
                static_cast<void>(readAll(**matrix));
            }
        }
    }
}

TEST_CASE("packed 4-bit and 6-bit tensors read low bits first") {
    const std::string header = objectOf({entry("f4", "F4", "[2,2]", 0, 2)});
    std::string file = lengthField(header.size()) + header;
    file += static_cast<char>(0x21);  // codes 1, 2: 0.5, 1
    file += static_cast<char>(0xF7);  // codes 7, 15: 6, -6
    const Opened source = openBytes(file, "x.safetensors");
    REQUIRE(source.has_value());
    CHECK(readAll(*matrixOf(**source, "f4")) == std::vector<double>{0.5, 1, 6, -6});
}

TEST_CASE("names are found, and near names are offered") {
    const std::string header = objectOf(
        {entry("layer.weight", "U8", "[1]", 0, 1), entry("layer.bias", "U8", "[1]", 1, 2)});
    const Opened source = openBytes(safetensorsFile(header, 2), "x.safetensors");
    REQUIRE(source.has_value());
    CHECK(findTensor(**source, "layer.bias") == 1U);
    CHECK_THAT(findTensor(**source, "layer.weigth").error().hint,
               ContainsSubstring("layer.weight"));
    CHECK(findTensor(**source, "").error().code == ErrorCode::NotFound);
}

TEST_CASE("files of other formats are named") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"GGUF\x03", "GGUF"},
        {"PK\x03\x04", "zip"},
        {"version https://git-lfs.github.com/spec/v1", "Git LFS"},
        {"", "an empty file"},
        {"\x01\x02", "no format that is known"}};
    for (const auto& [text, word] : cases) {
        const Opened source = openBytes(text, "x.bin");
        REQUIRE_FALSE(source.has_value());
        CHECK_THAT(source.error().what, ContainsSubstring(word));
    }
    CHECK(openSource("/no/such/file").error().code == ErrorCode::NotFound);
    CHECK_FALSE(openSource("/dev/null").has_value());
    CHECK_FALSE(openSource("").has_value());
}

TEST_CASE("a file that is cut while it is open gives an error, not a signal") {
    const std::filesystem::path path = scratchDir() / "cut.safetensors";
    writeFile(path, safetensorsFile(objectOf({entry("a", "U8", "[100000]", 0, 100000)}), 100000));
    const Opened source = openSource(path.string());
    REQUIRE(source.has_value());
    const auto matrix = matrixOf(**source, "a");
    std::filesystem::resize_file(path, 50);
    std::vector<float> row(100000);
    const Result<void> read = matrix->read(0, 1, row.data());
    REQUIRE_FALSE(read.has_value());
    CHECK_THAT(read.error().what, ContainsSubstring("was cut while it was open"));
    CHECK_FALSE(matrix->raw().has_value());
    CHECK_FALSE((*source)->matrix(0).has_value());
}

TEST_CASE("the small trained checkpoint opens") {
    const auto path = testModel("stories260k");
    if (!path) {
        WARN("skipped: LOUPE_TEST_MODELS is not set");
        return;
    }
    for (const std::filesystem::path& what : {*path, *path / "model.safetensors"}) {
        const Opened source = openSource(what.string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().parameters == 260032);
        CHECK((*source)->info().warnings.empty());
        CHECK((*source)->info().config.find("llama") != std::string::npos);
        const auto matrix = matrixOf(**source, "model.layers.0.mlp.down_proj.weight");
        CHECK(matrix->rows() == 64);
        CHECK(matrix->cols() == 172);
        double sum = 0;
        for (const double value : readAll(*matrix)) {
            sum += value * value;
        }
        CHECK(sum > 0);
        CHECK(std::isfinite(sum));
    }
}

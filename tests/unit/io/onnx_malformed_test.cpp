// SPDX-License-Identifier: Apache-2.0
// ONNX models that lie, that are cut off and that reach for other files: each gives one clear error
// or marks the tensor.
#include "tests/unit/io/pickle_support.hpp"

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string varint(std::uint64_t value) {
    std::string text;
    do {
        text += static_cast<char>((value & 0x7FU) | (value > 0x7F ? 0x80U : 0U));
        value >>= 7U;
    } while (value > 0);
    return text;
}
std::string number(std::uint32_t field, std::uint64_t value) {
    return varint(std::uint64_t{field} << 3U) + varint(value);
}
[[gnu::noinline]] std::string message(std::uint32_t field, const std::string& contents) {
    return joined({varint(std::uint64_t{field} << 3U | 2U), varint(contents.size()), contents});
}

constexpr std::uint64_t kFloat = 1;
constexpr std::uint64_t kInt8 = 3;
constexpr std::uint64_t kInt64 = 7;

/// A TensorProto "w": dimensions, data_type and whatever else.
std::string tensorOf(const std::vector<std::uint64_t>& dims,
                     std::uint64_t type,
                     const std::string& values,
                     const std::string& name = "w") {
    std::string text;
    for (const std::uint64_t dim : dims) {
        text += number(1, dim);
    }
    return joined({text, number(2, type), message(8, name), values});
}
std::string rawTensor(const std::string& name,
                      const std::vector<std::uint64_t>& dims,
                      std::uint64_t type,
                      const std::string& raw) {
    return tensorOf(dims, type, message(9, raw), name);
}
std::string modelOf(const std::string& graph) {
    return joined({number(1, 8), message(2, "test"), message(7, graph)});
}
/// A model of one initialiser.
std::string modelWith(const std::string& tensor) {
    return modelOf(message(5, tensor));
}
std::string keyValue(const std::string& key, const std::string& value) {
    return message(13, message(1, key) + message(2, value));
}
std::string externalTensor(const std::string& location, const std::string& more = "") {
    return tensorOf({6}, kFloat, joined({keyValue("location", location), more, number(14, 1)}));
}

struct BadModel {
    std::string what;
    std::string file;
    std::string expected;
};

std::string complaintOf(const std::string& file, const std::string& name = "x.onnx") {
    const Opened source = openBytes(file, name);
    if (!source) {
        CHECK_FALSE(source.error().where.empty());
        return source.error().message();
    }
    std::string text;
    for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
        const TensorInfo& tensor = (*source)->tensors()[i];
        const auto matrix = (*source)->matrix(i);
        CHECK(matrix.has_value() == !tensor.problem.has_value());
        if (!matrix) {
            CHECK_FALSE(matrix.error().where.empty());
            text += matrix.error().message() + "\n";
        }
    }
    for (const std::string& warning : (*source)->info().warnings) {
        text += warning + "\n";
    }
    return text.empty() ? "no complaint" : text;
}

void check(const std::vector<BadModel>& models) {
    for (const BadModel& bad : models) {
        CAPTURE(bad.what);
        CHECK_THAT(complaintOf(bad.file), ContainsSubstring(bad.expected));
    }
}

std::vector<BadModel> badWires() {
    const std::string good = modelWith(rawTensor("w", {6}, kFloat, std::string(24, '\1')));
    const std::string head = number(1, 8);
    std::string deep = message(5, rawTensor("w", {1}, kInt8, "x"));
    for (int i = 0; i < 100; ++i) {  // a graph in an attribute of a node of a graph ...
        deep = message(1, joined({message(4, "If"), message(5, message(6, deep))}));
    }
    return {
        {"nothing", "", "empty file"},
        {"a version alone", head, "a graph"},
        {"no graph", head + message(2, "somebody"), "a graph"},
        {"a field of number 0", joined({head, std::string("\0\0", 2), good}), "a field's number"},
        {"wire type 3", joined({head, "\x3b", good}), "wire type"},
        {"wire type 7", joined({head, message(2, "x"), "\x17"}), "wire type"},
        {"a tag that does not end", head + std::string(12, '\xff'), "does not end"},
        {"a number that does not end",
         joined({head, "\x28", std::string(11, '\xff')}),
         "does not end"},
        {"a length beyond the file",
         joined({head, "\x3a", varint(1 << 20), "abc"}),
         "found a length of 1048576"},
        {"a length of 2^63",
         joined({head, "\x3a", varint(std::uint64_t{1} << 63), "abc"}),
         "found a length of 9223372036854775808"},
        {"a length of 2^64 - 1",
         joined({head, "\x3a", varint(~std::uint64_t{0})}),
         "found a length of 18446744073709551615"},
        {"a tensor longer than its graph",
         head + message(7, joined({"\x2a", varint(500), "x"})),
         "found a length of 500"},
        {"a node longer than its graph",
         head + message(7, joined({"\x0a", varint(500), "x"})),
         "found a length of 500"},
        {"four bytes cut off", joined({head, message(2, "x"), "\x15\1\2"}), "expected 4 bytes"},
        {"eight bytes cut off", joined({head, message(2, "x"), "\x11\1\2"}), "expected 8 bytes"},
        {"100 graphs in each other", modelOf(deep), "64 deep"},
        {"cut off in the raw data", good.substr(0, good.size() - 5), "found a length"},
        {"text", "hello, this is text and no model", "protobuf"},
        {"a pickle", std::string("\x80\x04", 2) + std::string(30, '.'), "protobuf"},
    };
}

std::vector<BadModel> badTensors() {
    constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;
    constexpr std::uint64_t kMinus = ~std::uint64_t{0};
    const std::string six(24, '\1');
    const auto raw =
        [](const std::vector<std::uint64_t>& dims, std::uint64_t type, const std::string& data) {
            return modelWith(rawTensor("w", dims, type, data));
        };
    const auto typed = [](std::uint64_t type, const std::string& values) {
        return modelWith(tensorOf({6}, type, values));
    };
    std::string many;
    for (int i = 0; i < 70; ++i) {
        many += number(1, 1);
    }
    return {
        {"raw data too short",
         raw({6}, kFloat, six.substr(1)),
         "expected 24 bytes of raw_data, found 23"},
        {"raw data too long", raw({6}, kFloat, six + "x"), "found 25"},
        {"raw data of no dimensions", raw({}, kFloat, six), "expected 4 bytes"},
        {"a dimension of -1", raw({kMinus}, kFloat, six), "not negative"},
        {"a dimension of 2^62", raw({kHuge}, kFloat, six), "fewer than 2^57"},
        {"dimensions that overflow", raw({kHuge, 8, 8}, kFloat, six), "fewer than 2^57"},
        {"dimensions that overflow to nothing", raw({kHuge, 4, 6}, kFloat, six), "fewer than 2^57"},
        {"70 dimensions",
         modelWith(joined({many, number(2, kFloat), message(9, "abcd")})),
         "at most 64 dimensions"},
        {"packed dimensions cut off",
         modelWith(joined({message(1, "\xff"), number(2, kFloat), message(9, six)})),
         "cut off"},
        {"no data type", modelWith(joined({number(1, 6), message(9, six)})), "data_type 0"},
        {"data type 99", raw({6}, 99, six), "data_type 99"},
        {"data type -5", raw({6}, ~std::uint64_t{4}, six), "data_type -5"},
        {"text", modelWith(tensorOf({1}, 8, message(6, "hello"))), "found string"},
        {"4-bit data too short", raw({5}, 22, "ab"), "expected 3 bytes"},
        {"2-bit data too long", raw({5}, 26, "abc"), "expected 2 bytes"},
        {"no values", typed(kFloat, ""), "expected 6 numbers, found 0"},
        {"too few floats", typed(kFloat, message(4, six.substr(4))), "expected 6 numbers, found 5"},
        {"floats cut off", typed(kFloat, message(4, six.substr(1))), "cut off"},
        {"doubles cut off", typed(11, message(10, std::string(47, '\1'))), "cut off"},
        {"too many integers", typed(kInt64, message(7, std::string(7, '\1'))), "found 7"},
        {"integers cut off", typed(kInt64, message(7, std::string(6, '\xff'))), "cut off"},
        {"a varint of eleven bytes", typed(kInt64, message(7, std::string(11, '\xff'))), "cut off"},
        {"integers in another field", typed(kInt64, message(5, std::string(6, '\1'))), "found 0"},
        {"complex numbers without their second half",
         typed(14, message(4, six)),
         "expected 12 numbers, found 6"},
        {"a segment",
         typed(kFloat, joined({message(3, number(1, 0)), message(9, six)})),
         "a segment"},
        {"sparse",
         modelOf(
             message(15, joined({message(1, rawTensor("s", {6}, kFloat, six)), number(3, 100)}))),
         "a sparse tensor"},
        {"sparse of negative dimensions",
         modelOf(message(
             15, joined({message(1, rawTensor("s", {6}, kFloat, six)), number(3, kMinus)}))),
         "a sparse tensor"},
        {"a name twice",
         modelOf(joined({message(5, rawTensor("w", {6}, kFloat, six)),
                         message(5, rawTensor("w", {6}, kFloat, six))})),
         "have the name of another"},
        {"a constant whose tensor is damaged",
         modelOf(message(1,
                         joined({message(2, "c"),
                                 message(4, "Constant"),
                                 message(5, joined({message(1, "value"), message(5, "\x12")}))}))),
         "protobuf"},
        {"floats of an attribute cut off",
         modelOf(message(
             1,
             joined(
                 {message(2, "c"),
                  message(4, "Constant"),
                  message(5, joined({message(1, "value_floats"), message(7, six.substr(2))}))}))),
         "one cut off"},
    };
}

/// w = DequantizeLinear(codes, scale): what does not fit together stays as it is stored.
std::string quantized(const std::string& scale,
                      const std::string& zero,
                      const std::string& attributes,
                      const std::vector<std::uint64_t>& dims = {2, 3}) {
    std::string node = joined({message(1, "c"), message(1, "s")});
    node += zero.empty() ? "" : message(1, "z");
    node += joined({message(2, "w"), message(4, "DequantizeLinear"), attributes});
    std::string graph = joined({message(1, node),
                                message(5, rawTensor("c", dims, kInt8, "\1\2\3\4\5\6")),
                                message(5, scale)});
    graph += zero.empty() ? "" : message(5, zero);
    return modelOf(graph);
}
std::string attribute(const std::string& name, std::uint64_t value) {
    return message(5, joined({message(1, name), number(3, value)}));
}

std::vector<BadModel> badQuantized() {
    const std::string one(4, '\0');
    const std::string three(12, '\0');
    const std::string scale = rawTensor("s", {3}, kFloat, three);
    const std::string shown = "the stored tensors are shown";
    return {
        {"two scales for three columns",
         quantized(rawTensor("s", {2}, kFloat, three.substr(4)), "", ""),
         "expected 3 scales"},
        {"an axis that is not there",
         quantized(scale, "", attribute("axis", 7)),
         "expected an axis of 2 dimensions, found 7"},
        {"an axis of -9", quantized(scale, "", attribute("axis", ~std::uint64_t{8})), "found -9"},
        {"a negative block",
         quantized(scale, "", attribute("block_size", ~std::uint64_t{0})),
         "expected a block"},
        {"blocks of another shape",
         quantized(scale, "", attribute("block_size", 2)),
         "one scale for each block"},
        {"a block of 2^62",
         quantized(scale, "", attribute("block_size", std::uint64_t{1} << 62)),
         "one scale for each block"},
        {"scales of integers",
         quantized(rawTensor("s", {}, kInt8, "x"), "", ""),
         "expected scales of fp32"},
        {"damaged scales", quantized(rawTensor("s", {3}, kFloat, one), "", ""), shown},
        {"two zero points for three scales",
         quantized(scale, rawTensor("z", {2}, kInt8, "ab"), ""),
         "as many zero points as scales"},
        {"damaged zero points", quantized(scale, rawTensor("z", {3}, kInt8, "a"), ""), shown},
    };
}

std::vector<BadModel> badExternal() {
    const std::string missing = "cannot open";
    const std::string leads = "leads out of it";
    return {
        {"no location", modelWith(tensorOf({6}, kFloat, number(14, 1))), "found \"\""},
        {"an absolute location", modelWith(externalTensor("/etc/passwd")), "found \"/etc/passwd\""},
        {"a location above", modelWith(externalTensor("../secret.bin")), leads},
        {"a location above, later", modelWith(externalTensor("a/b/../../../secret.bin")), leads},
        {"dots alone", modelWith(externalTensor("..")), leads},
        {"another system's path",
         modelWith(externalTensor("..\\secret.bin")),
         "the name of a file"},
        {"a NUL in the name",
         modelWith(externalTensor(std::string("a.bin\0b", 7))),
         "the name of a file"},
        {"a file that is not there", modelWith(externalTensor("missing.bin")), missing},
        {"values in both places",
         modelWith(joined({externalTensor("missing.bin"), message(9, std::string(24, '\1'))})),
         "in the model as well"},
    };
}

void survive(const std::string& file, const std::string& name) {
    const Opened source = openBytes(file, name);
    if (!source) {
        CHECK_FALSE(source.error().what.empty());
        CHECK_FALSE(source.error().where.empty());
        return;
    }
    for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
        const TensorInfo& tensor = (*source)->tensors()[i];
        const auto matrix = (*source)->matrix(i);
        CHECK(matrix.has_value() == !tensor.problem.has_value());
        if (matrix && tensor.rows > 0 && tensor.cols > 0) {
            REQUIRE(tensor.parameters <= file.size() * 8);
            std::vector<double> row(static_cast<std::size_t>(tensor.cols));
            CHECK((*matrix)->read(tensor.rows - 1, 1, row.data()).has_value());
        }
    }
}

}  // namespace

TEST_CASE("onnx: damaged messages") {
    check(badWires());
}

TEST_CASE("onnx: tensors that do not hold what they say") {
    check(badTensors());
}

TEST_CASE("onnx: codes and scales that do not fit together are shown as stored") {
    CHECK(complaintOf(quantized(rawTensor("s", {3}, kFloat, std::string(12, '\0')), "", "")) ==
          "no complaint");
    check(badQuantized());
}

TEST_CASE("onnx: external data stay in the model's folder and inside of their file") {
    check(badExternal());
    const std::filesystem::path folder = scratchDir() / "onnx-external";
    std::filesystem::create_directories(folder / "sub");
    writeFile(folder.parent_path() / "secret.bin", std::string(24, 's'));
    writeFile(folder / "data.bin", std::string(24, '\1'));
    writeFile(folder / "sub" / "data.bin", std::string(30, '\1'));
    std::filesystem::create_symlink(folder.parent_path() / "secret.bin", folder / "link.bin");
    std::filesystem::create_directory_symlink(folder.parent_path(), folder / "up");
    const auto problemOf = [&](const std::string& tensor) {
        writeFile(folder / "m.onnx", modelWith(tensor));
        const auto source = openSource((folder / "m.onnx").string()).value();
        const auto matrix = source->matrix(0);
        return matrix ? std::string("none") : matrix.error().message();
    };
    CHECK(problemOf(externalTensor("data.bin")) == "none");
    CHECK(problemOf(externalTensor("./data.bin")) == "none");
    CHECK(problemOf(externalTensor("sub/data.bin", keyValue("offset", "6"))) == "none");
    CHECK(problemOf(externalTensor("data.bin", keyValue("length", "24"))) == "none");
    for (const auto& [tensor, expected] :
         {std::pair{externalTensor("link.bin"), "a link that leads out of it"},
          {externalTensor("up/secret.bin"), "a link that leads out of it"},
          {externalTensor("sub"), "regular file"},
          {externalTensor("data.bin", keyValue("offset", "1")), "found a file of 24 bytes"},
          {externalTensor("data.bin", keyValue("offset", "-1")), "a number of bytes"},
          {externalTensor("data.bin", keyValue("offset", "9223372036854775807")), "found a file"},
          {externalTensor("data.bin", keyValue("offset", "99999999999999999999")),
           "a number of bytes"},
          {externalTensor("data.bin", keyValue("length", "23")), "a length of 24 bytes, found 23"},
          {externalTensor("data.bin", keyValue("length", "ten")), "a number of bytes"}}) {
        CHECK_THAT(problemOf(tensor), ContainsSubstring(expected));
    }
}

TEST_CASE("onnx: models cut off at every byte, and every byte changed") {
    for (const char* name : {"types.onnx", "graphs.onnx", "quantized.onnx", "external.onnx"}) {
        CAPTURE(name);
        const std::string file = readFile(goldenDir() / "io" / "onnx" / name);
        REQUIRE_FALSE(file.empty());
        for (std::size_t length = 0; length < file.size(); ++length) {
            CAPTURE(length);
            survive(file.substr(0, length), name);
        }
        for (std::size_t at = 0; at < file.size(); ++at) {
            for (const int flip : {0x01, 0x80, 0xFF}) {
                CAPTURE(at, flip);
                std::string changed = file;
                changed[at] = static_cast<char>(changed[at] ^ flip);
                survive(changed, name);
            }
        }
    }
}

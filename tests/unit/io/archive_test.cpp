// SPDX-License-Identifier: Apache-2.0
// .npz archives and importance matrices: what their own libraries wrote
// (tests/oracles/archives.py), and the same files damaged at every place.
#include "core/io/zip_archive.hpp"
#include "tests/unit/io/io_support.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace loupe;
using namespace loupe::test;

namespace {

const std::filesystem::path kFolder = goldenDir() / "io";

nlohmann::json expectedOf(const char* name) {
    return nlohmann::json::parse(readFile(kFolder / name));
}

/// Whatever comes in: a list of tensors that can be read or say why not, or one clear error.
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
        if (!matrix) {
            CHECK_FALSE(matrix.error().where.empty());
            continue;
        }
        if (tensor.bytes > 0) {
            REQUIRE(tensor.bytes <= file.size() * 1032);
            std::vector<double> row(static_cast<std::size_t>(tensor.cols));
            CHECK((*matrix)->read(tensor.rows - 1, 1, row.data()).has_value());
        }
    }
}

std::string problemOf(const std::string& file, const std::string& name) {
    const Opened source = openBytes(file, name);
    if (!source) {
        return source.error().message();
    }
    for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
        if (const auto matrix = (*source)->matrix(i); !matrix) {
            return matrix.error().message();
        }
    }
    return "no error";
}

bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// `file` with the number at `at` replaced.
[[gnu::noinline]] std::string patched(std::string file,
                                      std::size_t at,
                                      std::uint64_t value,
                                      std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
        file[at + i] = static_cast<char>(value >> (8 * i));
    }
    return file;
}

}  // namespace

TEST_CASE("npz: stored, deflated and ZIP64 archives hold what NumPy put in") {
    const nlohmann::json expected = expectedOf("archives.json");
    for (const char* name : {"stored.npz", "deflated.npz", "zip64.npz"}) {
        CAPTURE(name);
        const auto source = openSource((kFolder / name).string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().format == "npz");
        CHECK((*source)->tensors().size() == expected.size());
        CHECK((*source)->info().warnings.size() == (std::string(name) == "zip64.npz" ? 1U : 0U));
        for (const auto& [tensorName, what] : expected.items()) {
            CAPTURE(tensorName);
            const auto index = (*source)->find(tensorName);
            REQUIRE(index.has_value());
            const TensorInfo& tensor = (*source)->tensors()[*index];
            CHECK(tensor.shape == what["shape"].get<std::vector<std::int64_t>>());
            CHECK(tensor.offset.has_value() == (std::string(name) == "stored.npz"));
            const auto matrix = (*source)->matrix(*index);
            REQUIRE(matrix.has_value());
            CHECK(readAll(**matrix) == what["values"].get<std::vector<double>>());
            if (tensor.offset && tensorName == "weight") {
                const std::string file = readFile(kFolder / name);
                float first = 0;
                std::memcpy(&first, file.data() + *tensor.offset, sizeof first);
                CHECK(static_cast<double>(first) == what["values"][0].get<double>());
            }
        }
    }
}

TEST_CASE("npz: a matrix outlives its source, and [in, out] is read transposed") {
    std::shared_ptr<const RowSource> matrix;
    {
        const auto source =
            openSource((kFolder / "deflated.npz").string(), {Layout::InOut}).value();
        matrix = source->matrix(*source->find("weight")).value();
    }
    CHECK(matrix->rows() == 8);
    const std::vector<double> values = readAll(*matrix);
    const auto expected = expectedOf("archives.json")["weight"]["values"];
    CHECK(values[1] == expected[8].get<double>());
}

TEST_CASE("npz: damaged archives say what was expected, what was found and where") {
    const std::string good = readFile(kFolder / "deflated.npz");
    const std::string stored = readFile(kFolder / "stored.npz");
    const std::size_t entry = good.find("PK\x01\x02");
    const std::size_t end = good.rfind("PK\x05\x06");
    CHECK(mentions(problemOf(good.substr(0, end), "x.npz"), "expected an end record"));
    CHECK(mentions(problemOf(patched(good, entry + 24, 1U << 30, 4), "x.npz"), "can hold"));
    CHECK(mentions(problemOf(patched(good, entry + 10, 99, 2), "x.npz"), "method 99"));
    CHECK(mentions(problemOf(patched(good, entry + 8, 1, 2), "x.npz"), "encrypted"));
    CHECK(mentions(problemOf(patched(good, entry + 16, 0, 4), "x.npz"), "checksum"));
    CHECK(mentions(problemOf(patched(good, entry + 42, 5, 4), "x.npz"), "local header"));
    CHECK(mentions(problemOf(patched(good, entry + 42, 0x7FFFFFFF, 4), "x.npz"),
                   "before the directory"));
    CHECK(mentions(problemOf(patched(good, end + 16, 0x7FFFFFFF, 4), "x.npz"),
                   "directory before its end record"));
    CHECK(mentions(problemOf(patched(good, end + 4, 1, 2), "x.npz"), "split"));
    CHECK(mentions(problemOf(patched(good, entry, 0, 4), "x.npz"), "an entry of the directory"));
    // Deflated data that are none.
    const Result<std::vector<ZipMember>> members =
        listZip(*MappedFile::fromBytes(bytesOf(good), "x.npz"));
    REQUIRE(members.has_value());
    CHECK(mentions(problemOf(patched(good, members->front().begin, 0xFFFFFFFFFFFFFFFF, 8), "x.npz"),
                   "deflated data"));
    // A stored member that says it is longer than it is.
    const std::size_t storedEntry = stored.find("PK\x01\x02");
    CHECK(mentions(problemOf(patched(stored, storedEntry + 24, 1, 4), "x.npz"), "can hold"));
    CHECK(mentions(problemOf("PK\x03\x04", "x.npz"), "x.npz"));
    std::string emptyArchive(22, '\0');
    std::copy_n("PK\x05\x06", 4, emptyArchive.begin());
    CHECK(mentions(problemOf(emptyArchive, "x.npz"), "no error"));
}

TEST_CASE("npz and importance matrices cut off at every byte, and every byte changed") {
    for (const char* name :
         {"stored.npz", "deflated.npz", "zip64.npz", "importance.gguf", "importance.dat"}) {
        CAPTURE(name);
        const std::string file = readFile(kFolder / name);
        REQUIRE_FALSE(file.empty());
        const std::size_t step = file.size() > 4000 ? 7 : 1;
        for (std::size_t length = 0; length < file.size(); length += step) {
            CAPTURE(length);
            survive(file.substr(0, length), name);
        }
        for (std::size_t at = 0; at < file.size(); at += step) {
            for (const int flip : {0x01, 0x80, 0xFF}) {
                CAPTURE(at, flip);
                std::string changed = file;
                changed[at] = static_cast<char>(changed[at] ^ flip);
                survive(changed, name);
            }
        }
    }
}

TEST_CASE("importance matrices: GGUF and the older form hold the same sums") {
    const nlohmann::json expected = expectedOf("importance.json");
    for (const char* name : {"importance.gguf", "importance.dat"}) {
        CAPTURE(name);
        const auto source = openSource((kFolder / name).string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().format ==
              (std::string(name).ends_with("gguf") ? "gguf" : "imatrix"));
        for (const auto& [weight, values] : expected.items()) {
            CAPTURE(weight);
            std::string tensorName = weight;
            tensorName += ".in_sum2";
            const auto index = (*source)->find(tensorName);
            REQUIRE(index.has_value());
            const auto matrix = (*source)->matrix(*index);
            REQUIRE(matrix.has_value());
            CHECK(readAll(**matrix) == values.get<std::vector<double>>());
        }
        const auto& metadata = (*source)->info().metadata;
        const auto chunks = std::find_if(metadata.begin(), metadata.end(), [](const auto& entry) {
            return entry.first == "imatrix.chunk_count";
        });
        REQUIRE(chunks != metadata.end());
        CHECK(chunks->second == "3");
    }
    const auto source = openSource((kFolder / "importance.gguf").string()).value();
    const auto experts = source->find("blk.1.ffn_up_exps.weight.in_sum2");
    REQUIRE(experts.has_value());
    CHECK(source->tensors()[*experts].shape == std::vector<std::int64_t>{2, 3});
}

TEST_CASE("importance matrices: errors name the place") {
    const std::string gguf = readFile(kFolder / "importance.gguf");
    const std::string old = readFile(kFolder / "importance.dat");
    CHECK(mentions(problemOf(patched(gguf, 4, 4, 4), "x.gguf"), "version 1, 2 or 3, found 4"));
    CHECK(mentions(problemOf(patched(gguf, 4, 0x03000000, 4), "x.gguf"), "tensors and keys"));
    CHECK(mentions(problemOf(patched(gguf, 8, ~0ULL, 8), "x.gguf"), "tensors and keys"));
    CHECK(mentions(problemOf(patched(gguf, 24, ~0ULL, 8), "x.gguf"), "key: expected a length"));
    // Of another type it is a model like any other.
    const std::string model = patched(gguf, gguf.find("imatrix"), 'e', 1);
    CHECK(mentions(problemOf(model, "x.gguf"), "no error"));
    CHECK(mentions(problemOf(gguf.substr(0, gguf.size() - 40), "x.gguf"), "bytes of data"));
    // 2^58 fp64 values have 2^64 bits: a count of bits in 64 bits would be 0.
    const std::size_t dimension = gguf.find(".in_sum2") + 12;
    const std::string huge = patched(patched(gguf, dimension, 1ULL << 58, 8), dimension + 8, 28, 4);
    CHECK(mentions(problemOf(huge, "x.gguf"), "at most 2^57 elements"));
    CHECK(mentions(problemOf(patched(old, 0, 1000, 4), "x.dat"), "number of entries"));
    CHECK(mentions(problemOf(old.substr(0, 60), "x.dat"), "x.dat:"));
}

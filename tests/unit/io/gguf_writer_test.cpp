// SPDX-License-Identifier: Apache-2.0
#include "core/io/gguf_writer.hpp"

#include "tests/unit/io/io_support.hpp"

#include <numeric>

using namespace loupe;
using namespace loupe::test;

namespace {

ByteProducer bytesOfAll(std::vector<std::byte> bytes) {
    return [bytes](const ByteSink& sink) -> Result<void> {
        const std::size_t half = bytes.size() / 2;  // in two pieces
        Result<void> done = sink(std::span(bytes).first(half));
        return done ? sink(std::span(bytes).subspan(half)) : done;
    };
}

std::vector<std::byte> floats(std::size_t count) {
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), 1.0F);
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
}

std::string problemOf(const std::string& name,
                      std::uint32_t type,
                      const std::vector<std::int64_t>& shape) {
    GgufWriter writer;
    writer.add(name, type, shape, bytesOfAll({}));
    const auto path = scratchDir() / "refused.gguf";
    const Result<void> done = writer.write(path);
    CHECK_FALSE(std::filesystem::exists(path));
    return done ? "written" : done.error().what;
}

}  // namespace

TEST_CASE("gguf writer: what it writes is read back, whole and aligned") {
    GgufWriter writer;
    writer.text("general.architecture", "llama");
    writer.number("general.quantization_version", 2);
    writer.add("matrix", 0, {2, 3}, bytesOfAll(floats(6)));
    writer.add("scalar", 0, {}, bytesOfAll(floats(1)));
    std::vector<std::byte> blocks(34 * 4, std::byte{3});
    writer.add("stack", 8, {2, 1, 64}, bytesOfAll(blocks));
    writer.add("none", 1, {0, 4}, bytesOfAll({}));
    const auto path = scratchDir() / "written.gguf";
    REQUIRE(writer.write(path).has_value());
    CHECK(std::filesystem::file_size(path) % 32 == 0);
    const auto source = openSource(path.string()).value();
    CHECK(source->info().warnings.empty());
    CHECK(source->tensors().size() == 4);
    CHECK(source->tensors()[0].shape == std::vector<std::int64_t>{2, 3});
    CHECK(readAll(*matrixOf(*source, "matrix")) == std::vector<double>{1, 2, 3, 4, 5, 6});
    CHECK(readAll(*matrixOf(*source, "scalar")) == std::vector<double>{1});
    CHECK(source->tensors()[2].shape == std::vector<std::int64_t>{2, 1, 64});
    CHECK(source->tensors()[2].dtypeName == "q8_0");
    CHECK(matrixOf(*source, "stack")->rawBlocks()->bytes.size() == blocks.size());
    CHECK(source->info().metadata ==
          std::vector<std::pair<std::string, std::string>>{{"general.architecture", "llama"},
                                                           {"general.quantization_version", "2"}});
}

TEST_CASE("gguf writer: what the format cannot hold is refused and nothing is left behind") {
    CHECK(problemOf(std::string(64, 'n'), 0, {1}).find("at most 63 bytes, found 64") !=
          std::string::npos);
    CHECK(problemOf("w", 0, {1, 1, 1, 1, 1}).find("at most 4 dimensions, found 5") !=
          std::string::npos);
    CHECK(problemOf("w", 4, {32}).find("of ggml type 4") != std::string::npos);
    CHECK(problemOf("w", 8, {33}).find("of ggml type 8") != std::string::npos);
    CHECK(problemOf("", 0, {1}).find("GGUF cannot hold") != std::string::npos);
    GgufWriter writer;
    writer.add("w", 0, {1}, [](const ByteSink&) -> Result<void> {
        return fail(ErrorCode::Invalid, "the source is gone");
    });
    const Result<void> done = writer.write(scratchDir() / "gone.gguf");
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().what == "tensor w: the source is gone");
    CHECK_FALSE(std::filesystem::exists(scratchDir() / "gone.gguf"));
}

// SPDX-License-Identifier: Apache-2.0
// Sharded checkpoints and folders: what is missing or twice is told, what is there can be read.
#include "core/io/safetensors_writer.hpp"
#include "tests/unit/io/io_support.hpp"

#include <map>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;

namespace {

std::filesystem::path freshFolder() {
    static int count = 0;
    const std::filesystem::path folder = scratchDir() / ("folder" + std::to_string(count++));
    std::filesystem::create_directories(folder);
    return folder;
}

/// A shard whose tensors hold one float each: `value`.
void writeShard(const std::filesystem::path& path,
                const std::vector<std::string>& names,
                float value) {
    SafetensorsWriter writer;
    for (const std::string& name : names) {
        writer.add(name, "fp32", {1}, [value](const ByteSink& sink) {
            return sink(std::as_bytes(std::span(&value, 1)));
        });
    }
    REQUIRE(writer.write(path).has_value());
}

void writeIndex(const std::filesystem::path& path,
                const std::vector<std::pair<std::string, std::string>>& map,
                const std::string& total = "") {
    std::string text = "{\"metadata\":{";
    text += total.empty() ? "" : "\"total_size\":" + total;
    text += "},\"weight_map\":{";
    bool first = true;
    for (const auto& [name, shard] : map) {
        text += first ? "" : ",";
        text += "\"" + name + "\":\"" + shard + "\"";
        first = false;
    }
    writeFile(path, text + "}}\n");
}

bool hasWarning(const TensorSource& source, const std::string& part) {
    for (const std::string& warning : source.info().warnings) {
        if (warning.find(part) != std::string::npos) {
            return true;
        }
    }
    return false;
}

const std::string kA = "model-00001-of-00002.safetensors";
const std::string kB = "model-00002-of-00002.safetensors";
const std::string kIndex = "model.safetensors.index.json";

}  // namespace

TEST_CASE("a sharded checkpoint opens by its index and by its folder") {
    const auto folder = freshFolder();
    writeShard(folder / kA, {"a", "b"}, 1);
    writeShard(folder / kB, {"c"}, 2);
    writeIndex(folder / kIndex, {{"c", kB}, {"a", kA}, {"b", kA}}, "12");
    writeFile(folder / "config.json", "{\"model_type\":\"llama\"}");
    for (const auto& path : {folder, folder / kIndex, folder / ""}) {
        const Opened source = openSource(path.string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().warnings.empty());
        CHECK((*source)->info().files.size() == 2);
        CHECK((*source)->tensors().size() == 3);
        CHECK(readAll(*matrixOf(**source, "b")) == std::vector<double>{1});
        CHECK(readAll(*matrixOf(**source, "c")) == std::vector<double>{2});
        CHECK_THAT((*source)->info().config, ContainsSubstring("llama"));
        CHECK((*source)->info().metadata[0].first == "total_size");
    }
}

TEST_CASE("a missing or damaged shard marks its tensors") {
    const auto folder = freshFolder();
    writeShard(folder / kA, {"a"}, 1);
    writeIndex(folder / kIndex, {{"a", kA}, {"c", kB}});
    for (const bool damaged : {false, true}) {
        if (damaged) {
            writeFile(folder / kB, "not a checkpoint");
        }
        const Opened source = openSource(folder.string());
        REQUIRE(source.has_value());
        CHECK(hasWarning(**source, kB));
        CHECK(readAll(*matrixOf(**source, "a")) == std::vector<double>{1});
        const TensorInfo& lost = (*source)->tensors()[*(*source)->find("c")];
        REQUIRE(lost.problem.has_value());
        CHECK_THAT(lost.problem->what, ContainsSubstring("its shard cannot be read"));
        CHECK_FALSE((*source)->matrix(*(*source)->find("c")).has_value());
    }
}

TEST_CASE("an index and its shards that disagree give warnings") {
    const auto folder = freshFolder();
    writeShard(folder / kA, {"a", "extra", "both"}, 1);
    writeShard(folder / kB, {"both", "moved"}, 2);
    writeIndex(folder / kIndex, {{"a", kA}, {"both", kB}, {"moved", kA}, {"gone", kB}}, "7");
    const Opened source = openSource(folder.string());
    REQUIRE(source.has_value());
    CHECK((*source)->tensors().size() == 5);
    CHECK(readAll(*matrixOf(**source, "both")) == std::vector<double>{2});
    CHECK(readAll(*matrixOf(**source, "moved")) == std::vector<double>{2});
    CHECK(readAll(*matrixOf(**source, "extra")) == std::vector<double>{1});
    CHECK((*source)->tensors()[*(*source)->find("gone")].problem.has_value());
    for (const char* text : {"1 tensors are not in the index, such as extra",
                             "both is in "
                             "model-00001",
                             "moved is in ",
                             "the index says 7 bytes"}) {
        CAPTURE(text);
        CHECK(hasWarning(**source, text));
    }
}

TEST_CASE("shard names never lead out of the folder") {
    for (const char* name :
         {"../secret.safetensors", "/etc/passwd", "..", "", "sub/x.safetensors", "x\\\\y"}) {
        const auto folder = freshFolder();
        writeIndex(folder / kIndex, {{"a", name}});
        const Opened source = openSource(folder.string());
        CAPTURE(name);
        REQUIRE(source.has_value());
        REQUIRE((*source)->tensors().size() == 1);
        REQUIRE((*source)->tensors()[0].problem.has_value());
        CHECK_THAT((*source)->tensors()[0].problem->what,
                   ContainsSubstring("expected the name of a file beside the index"));
    }
}

TEST_CASE("a damaged index is an error with a position") {
    const auto folder = freshFolder();
    for (const std::string text : {"",
                                   "{",
                                   "[]",
                                   "{}",
                                   "{\"weight_map\":[]}",
                                   "{\"weight_map\":{\"a\":1}}",
                                   "{\"weight_map\":{}} x",
                                   "{\"weight_map\":{\"\xFF\":\"a\"}}",
                                   "{\"metadata\":3,\"weight_map\":{}}"}) {
        writeFile(folder / kIndex, text);
        CAPTURE(text);
        const Opened source = openSource((folder / kIndex).string());
        REQUIRE_FALSE(source.has_value());
        CHECK(source.error().code == ErrorCode::Damaged);
        CHECK_THAT(source.error().where, ContainsSubstring(kIndex));
    }
}

TEST_CASE("folders without an index") {
    const auto folder = freshFolder();
    CHECK(openSource(folder.string()).error().code == ErrorCode::NotFound);
    writeFile(folder / "pytorch_model.bin", "x");
    CHECK(openSource(folder.string()).error().code == ErrorCode::Unsupported);
    writeShard(folder / "b.safetensors", {"b", "twice"}, 2);
    writeShard(folder / "a.safetensors", {"a", "twice"}, 1);
    writeShard(folder / "activations.safetensors", {"x"}, 3);
    Opened source = openSource(folder.string());
    REQUIRE(source.has_value());
    CHECK((*source)->tensors().size() == 3);
    CHECK(hasWarning(**source, "no index: all 2"));
    CHECK(hasWarning(**source, "twice occurs in several files"));
    CHECK(readAll(*matrixOf(**source, "twice")) == std::vector<double>{1});
    writeShard(folder / "model.safetensors", {"m"}, 4);
    source = openSource(folder.string());
    REQUIRE(source.has_value());
    CHECK((*source)->tensors().size() == 1);
    CHECK(hasWarning(**source, "only model.safetensors was read"));
    writeFile(folder / "config.json", "{ damaged");
    source = openSource(folder.string());
    REQUIRE(source.has_value());
    CHECK(hasWarning(**source, "config.json is not a JSON object"));
}

// SPDX-License-Identifier: Apache-2.0
// Sharded checkpoints and folders: what is missing or twice is told, what is there can be read.
#include "core/io/safetensors_writer.hpp"
#include "tests/unit/io/pickle_support.hpp"

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

namespace {

/// A PyTorch file whose tensors hold six floats each.
void writeTorchShard(const std::filesystem::path& path, const std::vector<std::string>& names) {
    std::string pickle = kPickleStart + "}";
    for (const std::string& name : names) {
        pickle += joined({pickled(name),
                          pickledTensor(pickledStorage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1}),
                          "s"});
    }
    std::string values;
    for (const float value : {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F}) {
        values += little(std::bit_cast<std::uint32_t>(value), 4);
    }
    writeFile(path, zipOf({{"m/data.pkl", pickle + "."}, {"m/data/0", values}}));
}

const std::string kTorchA = "pytorch_model-00001-of-00002.bin";
const std::string kTorchB = "pytorch_model-00002-of-00002.bin";
const std::string kTorchIndex = "pytorch_model.bin.index.json";
const std::vector<double> kSix{1, 2, 3, 4, 5, 6};

}  // namespace

TEST_CASE("PyTorch shards open by their index and by their folder") {
    const auto folder = freshFolder();
    writeTorchShard(folder / kTorchA, {"a", "b"});
    writeTorchShard(folder / kTorchB, {"c"});
    writeTorchShard(folder / "training_args.bin", {"no"});
    writeIndex(folder / kTorchIndex, {{"c", kTorchB}, {"a", kTorchA}, {"b", kTorchA}}, "48");
    for (const auto& path : {folder, folder / kTorchIndex}) {
        const Opened source = openSource(path.string());
        REQUIRE(source.has_value());
        CHECK((*source)->info().format == "pytorch");
        CHECK((*source)->info().files.size() == 2);
        CHECK((*source)->tensors().size() == 3);
        CHECK((*source)->info().bytes == 48);  // a and b share one storage
        CHECK(hasWarning(**source, kTorchA + ": a and b share one storage"));
        CHECK(readAll(*matrixOf(**source, "b")) == kSix);
        CHECK(readAll(*matrixOf(**source, "c")) == kSix);
        CHECK((*source)->tensors()[*(*source)->find("c")].file == 1);
    }
    const auto turned = openSource(folder.string(), {Layout::InOut}).value();
    CHECK(matrixOf(*turned, "c")->rows() == 3);
}

TEST_CASE("PyTorch shards without an index: what is missing, twice or extra is told") {
    const auto folder = freshFolder();
    writeTorchShard(folder / "model-00001-of-00004.bin", {"a", "both"});
    writeTorchShard(folder / "model-00004-of-00004.bin", {"both", "c"});
    writeFile(folder / "notes.bin", "llama2.c keeps its weights in a .bin without any mark");
    const Opened source = openSource(folder.string());
    REQUIRE(source.has_value());
    CHECK((*source)->tensors().size() == 3);
    CHECK(hasWarning(**source, "of the 4 shards model-*.bin these are missing: 2, 3"));
    CHECK(hasWarning(**source, "tensor both occurs in several files"));
    CHECK(readAll(*matrixOf(**source, "both")) == kSix);

    writeIndex(folder / "model.bin.index.json", {{"a", "model-00001-of-00004.bin"}});
    const Opened indexed = openSource(folder.string());
    REQUIRE(indexed.has_value());
    CHECK(hasWarning(**indexed, "1 file is named like a shard but not in the index"));
    CHECK(hasWarning(**indexed, "1 tensors are not in the index, such as both"));
}

TEST_CASE("a missing or damaged PyTorch shard marks its tensors") {
    const auto folder = freshFolder();
    writeTorchShard(folder / kTorchA, {"a"});
    writeIndex(folder / kTorchIndex, {{"a", kTorchA}, {"c", kTorchB}});
    for (const bool damaged : {false, true}) {
        if (damaged) {
            writeFile(folder / kTorchB, "PK\x03\x04 and no more");
        }
        const Opened source = openSource(folder.string());
        REQUIRE(source.has_value());
        CHECK(hasWarning(**source, kTorchB));
        CHECK(readAll(*matrixOf(**source, "a")) == kSix);
        CHECK((*source)->tensors()[*(*source)->find("c")].problem.has_value());
    }
}

TEST_CASE("a folder of several kinds prefers safetensors, then PyTorch's index, else asks") {
    const auto folder = freshFolder();
    writeTorchShard(folder / "one.pt", {"a"});
    writeFile(folder / "data.npz", zipOf({}));
    const Opened mixed = openSource(folder.string());
    REQUIRE_FALSE(mixed.has_value());
    CHECK_THAT(mixed.error().what,
               ContainsSubstring("expected one model in the folder, found 1 PyTorch, 1 .npz files"));
    writeTorchShard(folder / kTorchA, {"b"});
    writeIndex(folder / kTorchIndex, {{"b", kTorchA}});
    CHECK(openSource(folder.string()).value()->info().format == "pytorch");
    writeShard(folder / "model.safetensors", {"s"}, 1);
    CHECK(openSource(folder.string()).value()->info().format == "safetensors");
    const auto empty = freshFolder();
    CHECK_THAT(openSource(empty.string()).error().what, ContainsSubstring("found none"));
}

TEST_CASE("files of one model split over devices are not passed off as whole") {
    const auto folder = freshFolder();
    const std::vector<std::string> names{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    writeTorchShard(folder / "consolidated.00.pth", names);
    writeTorchShard(folder / "consolidated.01.pth", names);
    const auto source = openSource(folder.string()).value();
    CHECK(source->tensors().size() == 10);
    CHECK(hasWarning(*source, "10 tensors occur in several files: if these are parts"));
    CHECK(hasWarning(*source, "tensor h occurs in several files"));
    CHECK_FALSE(hasWarning(*source, "tensor i occurs"));  // eight are enough
}

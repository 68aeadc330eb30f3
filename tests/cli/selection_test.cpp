// SPDX-License-Identifier: Apache-2.0
// loupe prune --select: one scheme on many tensors, one threshold over them.
#include "core/prune/selection.hpp"

#include "core/base/rng.hpp"
#include "core/io/safetensors_writer.hpp"
#include "core/io/tensor_source.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <tuple>

using namespace loupe;
using nlohmann::json;
using test::runProgram;

namespace {

struct Tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};

Tensor normals(const std::string& name, std::int64_t rows, std::int64_t cols, double spread) {
    Tensor tensor{name, {rows, cols}, std::vector<float>(static_cast<std::size_t>(rows * cols))};
    const std::uint64_t seed = name.size() + static_cast<std::uint64_t>(rows);
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
        // Two digits: many equal ones, in one tensor and across them.
        tensor.values[i] =
            static_cast<float>(std::round(100 * spread * randomNormal(seed, i)) / 100);
    }
    return tensor;
}

std::string written(const std::string& file, const std::vector<Tensor>& tensors) {
    SafetensorsWriter writer;
    for (const Tensor& tensor : tensors) {
        writer.add(tensor.name, "fp32", tensor.shape, [&tensor](const ByteSink& sink) {
            return sink(std::as_bytes(std::span(tensor.values)));
        });
    }
    const auto path = test::scratchDir() / file;
    REQUIRE(writer.write(path).has_value());
    return path.string();
}

/// How many weights of each tensor a sort of all scores prunes.
std::map<std::string, std::uint64_t> sortedCounts(
    const std::vector<std::pair<std::string, std::vector<double>>>& scores, double sparsity) {
    std::vector<std::tuple<double, std::size_t, std::size_t>> order;
    for (std::size_t t = 0; t < scores.size(); ++t) {
        for (std::size_t i = 0; i < scores[t].second.size(); ++i) {
            order.emplace_back(scores[t].second[i], t, i);
        }
    }
    std::sort(order.begin(), order.end());
    std::map<std::string, std::uint64_t> counts;
    const std::int64_t pruned = prunedCount(static_cast<std::int64_t>(order.size()), sparsity);
    for (std::int64_t k = 0; k < pruned; ++k) {
        ++counts[scores[std::get<1>(order[static_cast<std::size_t>(k)])].first];
    }
    return counts;
}

json prune(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "prune");
    arguments.emplace_back("--json");
    const auto result = runProgram("loupe", arguments);
    INFO(result.err);
    REQUIRE(result.exitCode == 0);
    return json::parse(result.out);
}

std::map<std::string, std::uint64_t> prunedCounts(const json& document) {
    std::map<std::string, std::uint64_t> counts;
    for (const json& row : document["rows"]) {
        CHECK(row["error"].is_null());
        if (row["pruned"] != 0) {
            counts[row["tensor"]] = row["pruned"];
        }
    }
    return counts;
}

std::vector<Tensor> layers() {
    return {normals("a.weight", 30, 20, .1),
            normals("b.weight", 17, 40, 1),
            normals("other.weight", 5, 20, .01),
            {"a.bias", {30}, std::vector<float>(30, 0.0F)}};
}

/// In the file's order, without those that the glob leaves out.
std::vector<std::pair<std::string, std::vector<double>>> scores(
    const std::string& path,
    const std::vector<Tensor>& tensors,
    const std::function<double(const Tensor&, std::size_t)>& score) {
    std::vector<std::pair<std::string, std::vector<double>>> all;
    const auto source = openSource(path).value();
    for (const TensorInfo& info : source->tensors()) {
        const auto tensor = std::find_if(
            tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == info.name; });
        if (tensor->name == "other.weight" || tensor->shape.size() < 2) {
            continue;
        }
        std::vector<double> values(tensor->values.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = score(*tensor, i);
        }
        all.emplace_back(tensor->name, std::move(values));
    }
    return all;
}

double magnitude(const Tensor& tensor, std::size_t i) {
    return std::fabs(static_cast<double>(tensor.values[i]));
}

}  // namespace

TEST_CASE("prune --select: scope=global prunes exactly the smallest weights of all tensors") {
    const std::vector<Tensor> tensors = layers();
    const std::string path = written("layers.safetensors", tensors);
    for (const double sparsity : {0.29, 0.5, 0.9}) {
        CAPTURE(sparsity);
        const std::string scheme = "magnitude:sparsity=" + json(sparsity).dump() + ",scope=global";
        const json found = prune({path, "--select", "a.*", "--select", "b.*", "--scheme", scheme});
        CHECK(prunedCounts(found) == sortedCounts(scores(path, tensors, magnitude), sparsity));
        CHECK(found["rows"].size() == 2);
        CHECK(found["total"]["pruned"] == prunedCount(30 * 20 + 17 * 40, sparsity));
    }
    // One tensor: the same as scope=tensor.
    const json one = prune({path, "--select", "b.*", "--scheme", "magnitude:scope=global"});
    const json tensor = prune({path, "--tensor", "b.weight", "--scheme", "magnitude:scope=tensor"});
    CHECK(one["rows"][0]["metrics"] == tensor["metrics"]);
    CHECK(one["rows"][0]["pruned"] == 340);
    // A step behind it keeps the mask.
    const json both = prune(
        {path, "--select", "?.weight", "--scheme", "magnitude:scope=global+absmax:bits=8,per=row"});
    CHECK(both["total"]["pruned"] == 640);
}

TEST_CASE("prune --select: wanda, obd, gradient and random with the data of each tensor") {
    const std::vector<Tensor> tensors = layers();
    const std::string path = written("layers.safetensors", tensors);
    const std::vector<Tensor> inputs{normals("a", 12, 20, 1), normals("b", 9, 40, .2)};
    const std::string activations = written("x.safetensors", inputs);
    std::vector<Tensor> slopes{normals("a.weight", 30, 20, 2), normals("b.weight", 17, 40, .5)};
    const std::string gradients = written("g.safetensors", slopes);
    const auto run = [&](const std::string& step) {
        return prunedCounts(prune({path,
                                   "--select",
                                   "?.weight",
                                   "--scheme",
                                   step + ":scope=global",
                                   "--activations",
                                   activations,
                                   "--gradients",
                                   gradients}));
    };
    const auto norm = [&](const Tensor& tensor, std::size_t i) {
        const Tensor& x = inputs[tensor.name == "a.weight" ? 0 : 1];
        const auto cols = static_cast<std::size_t>(tensor.shape[1]);
        double sum = 0;
        for (std::size_t at = i % cols; at < x.values.size(); at += cols) {
            sum += static_cast<double>(x.values[at]) * static_cast<double>(x.values[at]);
        }
        return sum;
    };
    const auto wanda = scores(path, tensors, [&](const Tensor& tensor, std::size_t i) {
        return magnitude(tensor, i) * std::sqrt(norm(tensor, i));
    });
    CHECK(run("wanda") == sortedCounts(wanda, .5));
    CHECK(run("obd") == sortedCounts(wanda, .5));
    const auto gradient = scores(path, tensors, [&](const Tensor& tensor, std::size_t i) {
        const Tensor& slope = slopes[tensor.name == "a.weight" ? 0 : 1];
        return std::fabs(static_cast<double>(tensor.values[i]) *
                         static_cast<double>(slope.values[i]));
    });
    CHECK(run("gradient") == sortedCounts(gradient, .5));
    const auto random = run("random");
    CHECK(random.at("a.weight") + random.at("b.weight") == 640);
    CHECK(run("random") == random);
}

TEST_CASE("prune --select: other schemes run by tensor; what is wrong is said") {
    std::vector<Tensor> tensors = layers();
    const std::string path = written("layers.safetensors", tensors);
    const json rows = prune({path, "--select", "*", "--scheme", "absmax:bits=4,per=row"})["rows"];
    REQUIRE(rows.size() == 3);
    for (const json& row : rows) {
        const json alone =
            prune({path, "--tensor", row["tensor"], "--scheme", "absmax:bits=4,per=row"});
        CHECK(row["metrics"] == alone["metrics"]);
        CHECK(row["zeros"] == alone["zeros"]);
        CHECK(row["bits_per_weight"] == alone["bits_per_weight"]);
    }
    tensors[1].values[41] = std::nanf("");
    const std::string damaged = written("nan.safetensors", tensors);
    const json some = prune({damaged, "--select", "?.weight", "--scheme", "absmax"});
    CHECK(some["rows"][1]["error"].get<std::string>().find("row 1, column 1") != std::string::npos);
    CHECK(some["rows"][0]["error"].is_null());

    const auto fails = [](std::vector<std::string> arguments, int code, const std::string& says) {
        arguments.insert(arguments.begin(), "prune");
        const auto result = runProgram("loupe", arguments);
        CAPTURE(result.err, says);
        CHECK(result.exitCode == code);
        CHECK(result.out.empty());
        CHECK(result.err.find(says) != std::string::npos);
    };
    const std::string global = "magnitude:scope=global";
    fails({damaged, "--select", "*", "--scheme", global}, 1, "tensor 'b.weight'");
    fails({path, "--select", "nothing*", "--scheme", global}, 1, "matches");
    fails({path, "--select", "*", "--scheme", "absmax+" + global}, 1, "first step");
    fails({path, "--select", "*", "--scheme", "wanda:scope=global"}, 1, "--activations");
    fails({path, "--select", "*", "--tensor", "a.weight", "--scheme", global}, 2, "select");
    CHECK(
        runProgram("loupe", {"prune", path, "--select", "*", "--scheme", global}).out.find("640") ==
        std::string::npos);  // three tensors: 690
}

TEST_CASE("prune --select --output: values, codes and masks of every tensor in one file") {
    std::vector<Tensor> tensors = layers();
    tensors[2].values[7] = std::nanf("");  // other.weight: left out, and said so
    const std::string path = written("layers.safetensors", tensors);
    const auto folder = test::scratchDir() / "together";
    std::filesystem::create_directories(folder);
    const std::string together = (folder / "out.safetensors").string();
    const std::string alone = (test::scratchDir() / "alone.safetensors").string();
    for (const char* scheme : {"magnitude:sparsity=0.3+absmax:bits=4,group=8",
                               "magnitude:pattern=2:4",
                               "codebook:bits=3",
                               "zeropoint:bits=12,per=row"}) {
        CAPTURE(scheme);
        const json found = prune({path, "--select", "*", "--scheme", scheme, "--output", together});
        CHECK(found["rows"][2]["error"].is_string());
        const auto all = openSource(together).value();
        std::size_t compared = 0;
        for (const char* name : {"a.weight", "b.weight"}) {
            prune({path, "--tensor", name, "--scheme", scheme, "--output", alone});
            const auto one = openSource(alone).value();
            for (std::size_t i = 0; i < one->tensors().size(); ++i) {
                const TensorInfo& expected = one->tensors()[i];
                CAPTURE(expected.name);
                const auto at = all->find(expected.name);
                REQUIRE(at.has_value());
                const TensorInfo& got = all->tensors()[*at];
                CHECK(got.shape == expected.shape);
                CHECK(got.type->id == expected.type->id);
                const auto a = all->matrix(*at).value();
                const auto b = one->matrix(i).value();
                std::vector<float> left(static_cast<std::size_t>(a->rows() * a->cols()));
                std::vector<float> right(left.size());
                REQUIRE(a->read(0, a->rows(), left.data()).has_value());
                REQUIRE(b->read(0, b->rows(), right.data()).has_value());
                CHECK(left == right);
                ++compared;
            }
        }
        CHECK(all->tensors().size() == compared);  // nothing of other.weight
        CHECK_FALSE(all->find("other.weight").has_value());
    }
    CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 1);  // nothing left
    // One threshold over all: the masks hold what the rows count.
    tensors[2].values[7] = 0;
    const json global = prune({written("layers.safetensors", tensors),
                               "--select",
                               "*",
                               "--scheme",
                               "magnitude:scope=global",
                               "--output",
                               together});
    const auto source = openSource(together).value();
    for (const json& row : global["rows"]) {
        const auto mask =
            source->matrix(findTensor(*source, row["tensor"].get<std::string>() + ".mask").value())
                .value();
        std::vector<float> kept(static_cast<std::size_t>(mask->rows() * mask->cols()));
        REQUIRE(mask->read(0, mask->rows(), kept.data()).has_value());
        CHECK(std::count(kept.begin(), kept.end(), 0.0F) == row["pruned"].get<std::int64_t>());
    }
}

TEST_CASE("prune --select --output: what cannot be written is said, and nothing is left behind") {
    std::vector<Tensor> tensors{normals("w", 6, 8, 1), normals("w.mask", 6, 8, 1)};
    const std::string path = written("taken.safetensors", tensors);
    const auto folder = test::scratchDir() / "refused";
    std::filesystem::create_directories(folder);
    const auto fails = [&](const std::string& output, const std::string& says) {
        const auto result = runProgram("loupe",
                                       {"prune",
                                        path,
                                        "--select",
                                        "*",
                                        "--scheme",
                                        "magnitude",
                                        "--output",
                                        (folder / output).string()});
        CAPTURE(result.err);
        CHECK(result.exitCode == 1);
        CHECK(result.out.empty());
        CHECK(result.err.find(says) != std::string::npos);
        CHECK(std::filesystem::is_empty(folder));
    };
    fails("out.safetensors", "two tensors would be called 'w.mask'");
    fails("out.npy", "a name ending in .safetensors");
    fails("nowhere/out.safetensors", "No such file or directory");
}

TEST_CASE("prune --select: one threshold over stories260k") {
    const auto model = test::testModel("stories260k");
    if (!model) {
        WARN("skipped: stories260k is not there");
        return;
    }
    const std::string path = model->string();
    const json found =
        prune({path, "--select", "*", "--scheme", "magnitude:sparsity=0.6,scope=global"});
    const auto source = openSource(path).value();
    std::vector<std::pair<std::string, std::vector<double>>> all;
    std::int64_t count = 0;
    for (std::size_t i = 0; i < source->tensors().size(); ++i) {
        if (source->tensors()[i].shape.size() < 2) {
            continue;
        }
        const auto rows = source->matrix(i).value();
        std::vector<double> values(static_cast<std::size_t>(rows->rows() * rows->cols()));
        REQUIRE(rows->read(0, rows->rows(), values.data()).has_value());
        for (double& value : values) {
            value = std::fabs(value);
        }
        count += static_cast<std::int64_t>(values.size());
        all.emplace_back(source->tensors()[i].name, std::move(values));
    }
    CHECK(found["total"]["pruned"] == prunedCount(count, .6));
    CHECK(prunedCounts(found) == sortedCounts(all, .6));
}

// SPDX-License-Identifier: Apache-2.0
// Contract 2: which way round a matrix is, stacks of experts, more than two dimensions.
#include "core/base/assert.hpp"
#include "core/io/rows.hpp"
#include "tests/unit/io/io_support.hpp"

#include <numeric>

using namespace loupe;
using namespace loupe::test;

namespace {

TensorInfo info(std::string name, std::vector<std::int64_t> shape) {
    TensorInfo tensor;
    tensor.name = std::move(name);
    tensor.shape = std::move(shape);
    return tensor;
}

TensorInfo laidOut(std::string name,
                   std::vector<std::int64_t> shape,
                   Layout layout = Layout::Auto,
                   const ModelConfig& config = {}) {
    std::vector<TensorInfo> tensors{info(std::move(name), std::move(shape))};
    applyLayout(tensors, layout, config);
    return tensors[0];
}

/// Elements 0, 1, 2, ... as int32.
StoredElements counting(std::int64_t count) {
    std::vector<std::int32_t> values(static_cast<std::size_t>(count));
    std::iota(values.begin(), values.end(), 0);
    std::vector<std::byte> bytes(values.size() * sizeof(std::int32_t));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    const std::uint64_t size = bytes.size();
    return {MappedFile::fromBytes(std::move(bytes), "memory"), 0, size, findStorageType("int32")};
}

}  // namespace

TEST_CASE("shapes become matrices") {
    const auto size = [](const TensorInfo& tensor) { return std::pair(tensor.rows, tensor.cols); };
    CHECK(size(laidOut("s", {})) == std::pair<std::int64_t, std::int64_t>(1, 1));
    CHECK(size(laidOut("v", {7})) == std::pair<std::int64_t, std::int64_t>(1, 7));
    CHECK(size(laidOut("m", {2, 3})) == std::pair<std::int64_t, std::int64_t>(2, 3));
    CHECK(size(laidOut("conv", {2, 3, 5, 7})) == std::pair<std::int64_t, std::int64_t>(2, 105));
    CHECK(size(laidOut("z", {0, 3, 5})) == std::pair<std::int64_t, std::int64_t>(0, 15));
    CHECK(size(laidOut("model.layers.0.mlp.experts.gate_up_proj", {4, 6, 5})) ==
          std::pair<std::int64_t, std::int64_t>(24, 5));
    CHECK(size(laidOut("blk.0.ffn_gate_exps.weight", {4, 6, 5})) ==
          std::pair<std::int64_t, std::int64_t>(24, 5));
    CHECK(size(laidOut("conv.weight", {4, 6, 5})) == std::pair<std::int64_t, std::int64_t>(4, 30));
    const ModelConfig config =
        parseModelConfig(R"({"model_type":"mixtral","num_local_experts":4})");
    CHECK(size(laidOut("layers.0.mlp.w1", {4, 6, 5}, Layout::Auto, config)) ==
          std::pair<std::int64_t, std::int64_t>(24, 5));
    CHECK(size(laidOut("layers.0.mlp.w1", {3, 6, 5}, Layout::Auto, config)) ==
          std::pair<std::int64_t, std::int64_t>(3, 30));
}

TEST_CASE("in_out turns matrices and stacks round, nothing else") {
    const TensorInfo matrix = laidOut("m", {2, 3}, Layout::InOut);
    CHECK(matrix.transposed);
    CHECK(matrix.rows == 3);
    CHECK(matrix.cols == 2);
    CHECK_FALSE(laidOut("v", {7}, Layout::InOut).transposed);
    CHECK_FALSE(laidOut("conv", {2, 3, 5}, Layout::InOut).transposed);
    const TensorInfo stack = laidOut("mlp.experts.down_proj", {4, 6, 5}, Layout::InOut);
    CHECK(stack.transposed);
    CHECK(stack.rows == 20);
    CHECK(stack.cols == 6);
}

TEST_CASE("GPT-2's Conv1D layers are known by the model type or by c_attn's shape") {
    const ModelConfig gpt2 = parseModelConfig(R"({"model_type":"gpt2"})");
    const ModelConfig bigcode = parseModelConfig(R"({"model_type":"gpt_bigcode"})");
    for (const char* name : {"h.0.attn.c_attn.weight",
                             "transformer.h.11.mlp.c_fc.weight",
                             "h.3.attn.c_proj.weight",
                             "h.3.mlp.c_proj.weight"}) {
        CHECK(laidOut(name, {8, 24}, Layout::Auto, gpt2).transposed);
        CHECK_FALSE(laidOut(name, {8, 24}, Layout::OutIn, gpt2).transposed);
        CHECK_FALSE(laidOut(name, {24, 8}, Layout::Auto, bigcode).transposed);
    }
    CHECK_FALSE(laidOut("wte.weight", {50257, 768}, Layout::Auto, gpt2).transposed);
    std::vector<TensorInfo> tensors{info("h.0.mlp.c_fc.weight", {8, 32}),
                                    info("h.0.attn.c_attn.weight", {8, 24})};
    applyLayout(tensors, Layout::Auto, {});
    CHECK(tensors[0].transposed);
    tensors[1].shape = {24, 8};
    applyLayout(tensors, Layout::Auto, {});
    CHECK_FALSE(tensors[0].transposed);
}

TEST_CASE("transposed reads give the transposed matrix, by any rows at a time") {
    const std::int64_t batches = GENERATE(1, 3);
    const std::int64_t in = GENERATE(1, 31, 70);
    const std::int64_t out = GENERATE(1, 130, 257);
    const auto rows = makeTransposedRows(counting(batches * in * out), batches, in, out);
    REQUIRE(rows->rows() == batches * out);
    REQUIRE(rows->cols() == in);
    CHECK_FALSE(rows->raw().has_value());
    for (const std::int64_t step : {std::int64_t{1}, std::int64_t{100}, rows->rows()}) {
        bool equal = true;
        for (std::int64_t first = 0; first < rows->rows(); first += step) {
            const std::int64_t n = std::min(step, rows->rows() - first);
            std::vector<double> values(static_cast<std::size_t>(n * in));
            REQUIRE(rows->read(first, n, values.data()).has_value());
            for (std::int64_t r = 0; r < n; ++r) {
                for (std::int64_t c = 0; c < in; ++c) {
                    const std::int64_t batch = (first + r) / out;
                    const std::int64_t stored = (batch * in + c) * out + (first + r) % out;
                    equal = equal && values[static_cast<std::size_t>(r * in + c)] ==
                                         static_cast<double>(stored);
                }
            }
        }
        CHECK(equal);
    }
}

TEST_CASE("a column-major array opened as in_out is read as it lies") {
    const auto path = (goldenDir() / "io" / "fortran.npy").string();
    const Opened plain = openSource(path);
    const Opened turned = openSource(path, {Layout::InOut});
    REQUIRE(plain.has_value());
    REQUIRE(turned.has_value());
    const auto a = matrixOf(**plain, "fortran");
    const auto b = matrixOf(**turned, "fortran");
    REQUIRE(b->rows() == a->cols());
    CHECK(b->raw().has_value());
    const auto x = readAll(*a);
    const auto y = readAll(*b);
    for (std::int64_t r = 0; r < a->rows(); ++r) {
        for (std::int64_t c = 0; c < a->cols(); ++c) {
            CHECK(x[static_cast<std::size_t>(r * a->cols() + c)] ==
                  y[static_cast<std::size_t>(c * a->rows() + r)]);
        }
    }
}

TEST_CASE("a matrix in memory reads as float and double") {
    const auto rows = makeRowSource(2, 2, std::vector<double>{0.1, 2, 3, 4});
    CHECK(rows->isDouble());
    float value = 0;
    std::vector<float> row(2);
    REQUIRE(rows->read(0, 1, row.data()).has_value());
    value = row[0];
    CHECK(value == 0.1F);
    REQUIRE(rows->raw().has_value());
    CHECK(rows->raw()->type->id == "fp64");
    CHECK_THROWS_AS(static_cast<void>(rows->read(1, 2, row.data())), LogicError);
}

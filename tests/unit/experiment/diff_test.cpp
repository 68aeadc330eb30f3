// SPDX-License-Identifier: Apache-2.0
// Comparing checkpoints: who is paired, what is undone, what is claimed.
#include "core/experiment/diff.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"
#include "tests/support/checkpoint.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

using namespace loupe;
using Catch::Matchers::ContainsSubstring;
using test::FloatTensor;

namespace {

using Source = std::shared_ptr<const TensorSource>;

/// g++ 12 sees overflows in sums of strings that are not there.
[[gnu::noinline]] std::string joined(std::initializer_list<std::string_view> pieces) {
    std::string text;
    for (const std::string_view piece : pieces) {
        text.append(piece);
    }
    return text;
}

std::vector<float> numbers(std::int64_t count, std::uint64_t seed) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(randomNormal(seed, i));
    }
    return values;
}

Source open(const std::filesystem::path& path) {
    auto source = openSource(path.string());
    REQUIRE(source.has_value());
    return *source;
}

/// A checkpoint in a folder of its own, perhaps with a config.json.
Source checkpoint(const std::string& name,
                  const std::vector<FloatTensor>& tensors,
                  const std::string& config = {}) {
    const auto folder = test::scratchDir() / joined({"diff_", name});
    std::filesystem::create_directories(folder);
    if (!config.empty()) {
        std::ofstream(folder / "config.json") << config;
    }
    test::writeCheckpoint(folder / "model.safetensors", tensors);
    return open(folder / "model.safetensors");
}

/// A GGUF file as the format is written down: header, FP32 or block tensors.
class GgufWriter {
public:
    explicit GgufWriter(const std::string& architecture) {
        text("general.architecture", architecture);
    }
    void text(const std::string& key, const std::string& value) {
        string(head_, key);
        number<std::uint32_t>(head_, 8);
        string(head_, value);
        ++keys_;
    }
    void count(const std::string& key, std::uint32_t value) {
        string(head_, key);
        number<std::uint32_t>(head_, 4);
        number(head_, value);
        ++keys_;
    }
    void tensor(const std::string& name,
                const std::vector<std::int64_t>& shape,
                std::uint32_t type,
                const std::vector<std::byte>& bytes) {
        string(infos_, name);
        number(infos_, static_cast<std::uint32_t>(shape.size()));
        for (std::size_t i = shape.size(); i > 0; --i) {
            number(infos_, static_cast<std::uint64_t>(shape[i - 1]));
        }
        number(infos_, type);
        number(infos_, std::uint64_t{data_.size()});
        for (const std::byte byte : bytes) {
            data_ += static_cast<char>(byte);
        }
        data_.resize((data_.size() + 31) / 32 * 32);
        ++tensors_;
    }
    void tensor(const FloatTensor& tensor_) {
        const auto bytes = std::as_bytes(std::span(tensor_.values));
        tensor(tensor_.name, tensor_.shape, 0, {bytes.begin(), bytes.end()});
    }
    Source write(const std::string& name) const {
        std::string all = "GGUF";
        number<std::uint32_t>(all, 3);
        number(all, std::uint64_t{tensors_});
        number(all, std::uint64_t{keys_});
        all.append(head_).append(infos_);
        all.resize((all.size() + 31) / 32 * 32);
        all.append(data_);
        const auto folder = test::scratchDir() / joined({"gguf_", name});
        std::filesystem::create_directories(folder);
        std::ofstream(folder / "model.gguf", std::ios::binary) << all;
        return open(folder / "model.gguf");
    }

private:
    template <class T>
    static void number(std::string& out, T value) {
        std::array<char, sizeof(T)> bytes{};
        std::memcpy(bytes.data(), &value, sizeof(T));
        out.append(bytes.data(), bytes.size());
    }
    static void string(std::string& out, const std::string& value) {
        number(out, std::uint64_t{value.size()});
        out.append(value);
    }

    std::string head_, infos_, data_;
    std::size_t keys_ = 0;
    std::size_t tensors_ = 0;
};

std::vector<DiffRow> rowsOf(const Source& a, const Source& b) {
    std::vector<DiffRow> rows;
    runDiff(*a, *b, planDiff(*a, *b), [&](const DiffRow& row) { rows.push_back(row); });
    rankDiff(rows);
    return rows;
}

DiffRow onlyRow(const Source& a, const Source& b) {
    const std::vector<DiffRow> rows = rowsOf(a, b);
    REQUIRE(rows.size() == 1);
    return rows.front();
}

/// llama.cpp's LlamaModel.permute, written as its reshape and swap of axes.
std::vector<float> permuted(const std::vector<float>& w, std::int64_t heads, std::int64_t cols) {
    const std::int64_t length = static_cast<std::int64_t>(w.size()) / cols / heads;
    std::vector<float> out(w.size());
    auto put = out.begin();
    for (std::int64_t h = 0; h < heads; ++h) {
        for (std::int64_t i = 0; i < length / 2; ++i) {
            for (std::int64_t s = 0; s < 2; ++s) {
                const auto from = w.begin() + (h * length + s * length / 2 + i) * cols;
                put = std::copy(from, from + cols, put);
            }
        }
    }
    return out;
}

const char* const kLlama =
    R"({"model_type":"llama","num_attention_heads":4,"num_key_value_heads":2})";

}  // namespace

TEST_CASE("diff: equal names, wrappers, what is only on one side, other shapes") {
    const auto w = numbers(64, 1);
    const Source a = checkpoint("names_a",
                                {{"model.layers.0.w", {4, 16}, w},
                                 {"norm", {16}, numbers(16, 2)},
                                 {"gone", {2, 2}, numbers(4, 3)},
                                 {"wide", {2, 8}, numbers(16, 4)}});
    const Source b = checkpoint("names_b",
                                {{"_orig_mod.module.model.layers.0.w", {4, 16}, w},
                                 {"norm", {16}, numbers(16, 2)},
                                 {"new", {2, 2}, numbers(4, 3)},
                                 {"wide", {2, 9}, numbers(18, 4)}});
    const DiffPlan plan = planDiff(*a, *b);
    CHECK(plan.pairs.size() == 2);
    CHECK(plan.onlyA == std::vector<std::string>{"gone"});
    CHECK(plan.onlyB == std::vector<std::string>{"new"});
    REQUIRE(plan.mismatches.size() == 1);
    CHECK(plan.mismatches[0].tensorA == "wide");
    CHECK(plan.mismatches[0].shapeB == std::vector<std::int64_t>{2, 9});
    for (const DiffRow& row : rowsOf(a, b)) {
        CHECK(row.identical);
        CHECK(row.provenance == Provenance::SameBytes);
        CHECK(row.metrics.relativeFrobenius == 0);
    }
    const auto beyond = beyondTolerance(plan, rowsOf(a, b), 1);
    CHECK(beyond.size() == 3);
    // One tensor each: the name does not matter.
    CHECK(
        onlyRow(checkpoint("one_a", {{"x", {4, 16}, w}}), checkpoint("one_b", {{"y", {4, 16}, w}}))
            .identical);
}

TEST_CASE("diff: figures, ranking, the gate") {
    auto w = numbers(64 * 32, 1);
    auto slightly = w;
    slightly[5] += 0.01F;
    auto badly = w;
    for (float& x : badly) {
        x = -x;
    }
    auto broken = w;
    broken[40] = std::numeric_limits<float>::quiet_NaN();
    const Source a = checkpoint("rank_a",
                                {{"same", {64, 32}, w},
                                 {"slight", {64, 32}, w},
                                 {"bad", {64, 32}, w},
                                 {"nan", {64, 32}, w},
                                 {"nan2", {64, 32}, broken}});
    const Source b = checkpoint("rank_b",
                                {{"same", {64, 32}, w},
                                 {"slight", {64, 32}, slightly},
                                 {"bad", {64, 32}, badly},
                                 {"nan", {64, 32}, broken},
                                 {"nan2", {64, 32}, broken}});
    const std::vector<DiffRow> rows = rowsOf(a, b);
    REQUIRE(rows.size() == 5);
    CHECK(rows[0].tensorA == "nan");
    REQUIRE(rows[0].error.has_value());
    CHECK_THAT(rows[0].error->what, ContainsSubstring("B is not finite at row 1, column 8"));
    CHECK(rows[1].tensorA == "bad");
    CHECK_THAT(rows[1].metrics.relativeFrobenius, Catch::Matchers::WithinRel(2.0, 1e-12));
    CHECK(rows[1].metrics.cosine == -1);
    CHECK(rows[2].tensorA == "slight");
    CHECK_THAT(rows[2].metrics.maxAbsError, Catch::Matchers::WithinAbs(0.01, 1e-6));
    CHECK(rows[2].provenance == Provenance::Partly);  // all but one value are equal
    CHECK(rows[2].provenanceText() == "99.95 % of values are round-to-nearest fp32");
    const auto nan2 = std::find_if(
        rows.begin(), rows.end(), [](const DiffRow& row) { return row.tensorA == "nan2"; });
    CHECK(nan2->identical);
    CHECK(nan2->error.has_value());
    const DiffPlan plan = planDiff(*a, *b);
    CHECK(beyondTolerance(plan, rows, 3).size() == 1);  // what has no figures cannot pass
    CHECK(beyondTolerance(plan, rows, 1).size() == 2);
    CHECK(beyondTolerance(plan, rows, 0).size() == 3);
}

TEST_CASE("diff does not depend on the number of threads") {
    const auto w = numbers(700 * 900, 1);
    auto other = w;
    for (std::size_t i = 0; i < other.size(); i += 3) {
        other[i] *= 1.001F;
    }
    const Source a = checkpoint("threads_a", {{"w", {700, 900}, w}});
    const Source b = checkpoint("threads_b", {{"w", {700, 900}, other}});
    const int before = computeThreads();
    setComputeThreads(1);
    const DiffRow one = onlyRow(a, b);
    for (const int threads : {2, 6}) {
        setComputeThreads(threads);
        const DiffRow many = onlyRow(a, b);
        CHECK(many.metrics.mse == one.metrics.mse);
        CHECK(many.metrics.cosine == one.metrics.cosine);
        CHECK(many.equalShare == one.equalShare);
    }
    setComputeThreads(before);
    std::stop_source stop;
    stop.request_stop();
    const JobContext ctx(stop.get_token(), nullptr);
    CHECK_THROWS_AS(runDiff(
                        *a, *b, planDiff(*a, *b), [](const DiffRow&) {}, ctx),
                    Cancelled);
}

TEST_CASE("diff: transposed twins") {
    const auto w = numbers(40 * 70, 1);
    std::vector<float> turned(w.size());
    for (std::size_t r = 0; r < 40; ++r) {
        for (std::size_t c = 0; c < 70; ++c) {
            turned[c * 40 + r] = w[r * 70 + c];
        }
    }
    const Source a = checkpoint("turned_a", {{"w", {40, 70}, w}});
    const Source b = checkpoint("turned_b", {{"w", {70, 40}, turned}});
    for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
        const DiffRow row = onlyRow(x, y);
        CHECK(row.identical);
        CHECK(row.change.transposed);
        CHECK(row.provenance == Provenance::SameValues);
        CHECK(row.change.text() == "transposed");
    }
}

TEST_CASE("diff: Hugging Face against GGUF, either way round, with llama's rotary rows") {
    constexpr std::int64_t kCols = 24;
    const auto q = numbers(32 * kCols, 1);
    const auto k = numbers(16 * kCols, 2);
    const auto bias = numbers(32, 3);
    const Source hf = checkpoint("llama",
                                 {{"model.layers.0.self_attn.q_proj.weight", {32, kCols}, q},
                                  {"model.layers.0.self_attn.q_proj.bias", {32}, bias},
                                  {"model.layers.0.self_attn.k_proj.weight", {16, kCols}, k},
                                  {"model.layers.0.self_attn.v_proj.weight", {16, kCols}, k},
                                  {"model.norm.weight", {kCols}, numbers(kCols, 4)}},
                                 kLlama);
    const auto gguf = [&](const std::string& architecture, bool counts) {
        GgufWriter writer(architecture);
        if (counts) {
            writer.count(joined({architecture, ".attention.head_count"}), 4);
            writer.count(joined({architecture, ".attention.head_count_kv"}), 2);
        }
        writer.tensor({"blk.0.attn_q.weight", {32, kCols}, permuted(q, 4, kCols)});
        writer.tensor({"blk.0.attn_q.bias", {32}, permuted(bias, 4, 1)});
        writer.tensor({"blk.0.attn_k.weight", {16, kCols}, permuted(k, 2, kCols)});
        writer.tensor({"blk.0.attn_v.weight", {16, kCols}, k});
        writer.tensor({"output_norm.weight", {kCols}, numbers(kCols, 4)});
        return writer.write(joined({architecture, counts ? "1" : "0"}));
    };
    for (const bool counts : {true, false}) {  // from GGUF's metadata, or from config.json
        const Source other = gguf("llama", counts);
        for (const auto& [a, b] : {std::pair(hf, other), std::pair(other, hf)}) {
            const DiffPlan plan = planDiff(*a, *b);
            CHECK(plan.onlyA.empty());
            CHECK(plan.onlyB.empty());
            const std::vector<DiffRow> rows = rowsOf(a, b);
            REQUIRE(rows.size() == 5);
            for (const DiffRow& row : rows) {
                CAPTURE(row.tensorA, row.tensorB);
                CHECK(row.identical);
                const bool isQ = row.tensorA.find("q") != std::string::npos &&
                                 row.tensorB.find("q") != std::string::npos;
                const bool isK = row.tensorA.find("_k.") != std::string::npos ||
                                 row.tensorB.find("_k.") != std::string::npos;
                CHECK(row.change.permutedHeads == (isK ? 2 : (isQ ? 4 : 0)));
            }
        }
    }
    // An architecture whose converter leaves q and k alone: by rule, not by what fits.
    const std::vector<DiffRow> rows = rowsOf(hf, gguf("qwen2", true));
    CHECK(rows.front().change.permutedHeads == 0);
    CHECK_FALSE(rows.front().identical);
}

TEST_CASE("diff: Gemma's norms are stored as 1 + w") {
    const auto w = numbers(24, 1);
    const Source hf =
        checkpoint("gemma", {{"model.layers.0.post_attention_layernorm.weight", {24}, w}});
    auto added = w;
    for (float& x : added) {
        x += 1;
    }
    GgufWriter writer("gemma2");
    writer.tensor({"blk.0.post_attention_norm.weight", {24}, added});
    const DiffRow row = onlyRow(hf, writer.write("gemma2"));
    CHECK(row.identical);
    CHECK(row.change.added == 1);
    CHECK(row.change.text() == "norm stored as 1 + w");
}

TEST_CASE("diff: experts one by one against a stack") {
    const auto stack = numbers(3 * 8 * 16, 1);
    std::vector<FloatTensor> experts;
    for (std::size_t e = 0; e < 3; ++e) {
        const auto begin = stack.begin() + static_cast<std::ptrdiff_t>(e * 128);
        experts.push_back(
            {joined({"model.layers.0.mlp.experts.", std::to_string(e), ".down_proj.weight"}),
             {8, 16},
             {begin, begin + 128}});
    }
    GgufWriter writer("qwen2moe");
    writer.tensor({"blk.0.ffn_down_exps.weight", {3, 8, 16}, stack});
    const Source gguf = writer.write("moe");
    const Source split = checkpoint("experts", experts);
    const DiffRow row = onlyRow(split, gguf);
    CHECK(row.identical);
    CHECK(row.change.stacked);
    CHECK(row.tensorA == "model.layers.0.mlp.experts.*.down_proj.weight");
    CHECK(row.rows == 24);
    CHECK(onlyRow(gguf, split).identical);
    const Source merged =
        checkpoint("merged", {{"model.layers.0.mlp.experts.down_proj.weight", {3, 8, 16}, stack}});
    CHECK(onlyRow(split, merged).identical);
    CHECK(onlyRow(merged, split).identical);
    experts.erase(experts.begin() + 1);  // expert 1 is missing
    const DiffPlan plan = planDiff(*checkpoint("few", experts), *gguf);
    CHECK(plan.pairs.empty());
    CHECK(plan.onlyA.size() == 2);
    CHECK(plan.onlyB.size() == 1);
}

TEST_CASE("diff: provenance of plain types: rounded, partly, clipped") {
    const auto w = numbers(64 * 40, 1);
    const Source a = checkpoint("plain", {{"w", {64, 40}, w}});
    const auto against = [&](std::string_view format, std::vector<float> values) {
        SafetensorsWriter writer;
        std::vector<std::uint16_t> codes(values.size());
        REQUIRE(encodeArray(*findFormat(format), values, codes).has_value());
        std::vector<std::uint8_t> bytes(codes.begin(), codes.end());
        const bool isWide = findFormat(format)->bits == 16;
        writer.add("w", format, {64, 40}, [&](const ByteSink& sink) {
            return sink(isWide ? std::as_bytes(std::span(codes)) : std::as_bytes(std::span(bytes)));
        });
        const auto path = test::scratchDir() / "plain_b.safetensors";
        REQUIRE(writer.write(path).has_value());
        return onlyRow(a, open(path));
    };
    for (const char* format : {"fp16", "bf16", "fp8_e4m3", "fp8_e5m2"}) {
        const DiffRow row = against(format, w);
        CAPTURE(format);
        CHECK(row.provenance == Provenance::Rounded);
        CHECK(row.provenanceText() == joined({"round-to-nearest ", format}));
        CHECK(row.equalShare == 1.0);
        CHECK(row.guess.empty());
    }
    auto changed = w;
    for (std::size_t i = 0; i < changed.size(); i += 10) {
        changed[i] *= 1.1F;
    }
    const DiffRow partly = against("bf16", changed);
    CHECK(partly.provenance == Provenance::Partly);
    CHECK(partly.provenanceText() == "90 % of values are round-to-nearest bf16");
    CHECK(partly.guess.empty());
    auto clipped = w;
    std::size_t beyond = 0;
    for (float& x : clipped) {
        // What lies at most half a step above 2 rounds to it without being clipped.
        beyond += std::fabs(x) > 2 + 0x1p-7F ? 1U : 0U;
        x = std::clamp(x, -2.0F, 2.0F);
    }
    REQUIRE(beyond > 20);
    CHECK_THAT(against("bf16", clipped).guess,
               ContainsSubstring(joined({"clipped at 2? ", std::to_string(beyond)})));
    // The same values in a wider type.
    std::vector<float> exact(w.size());
    REQUIRE(roundTrip(*findFormat("bf16"), std::span<const float>(w), std::span<float>(exact))
                .has_value());
    const DiffRow widened = [&] {
        const auto narrow = test::scratchDir() / "plain_b.safetensors";
        static_cast<void>(against("bf16", w));
        return onlyRow(open(narrow), checkpoint("widened", {{"w", {64, 40}, exact}}));
    }();
    CHECK(widened.identical);
    CHECK(widened.provenanceText() == "same values, stored as fp32");
}

TEST_CASE("diff: provenance of block types") {
    const BlockLayout& layout = *findBlockLayout("q8_0");
    const auto w = numbers(16 * 64, 1);
    std::vector<std::byte> bytes(static_cast<std::size_t>(16 * 64 / 32 * layout.bytes));
    layout.pack(w.data(), 32, bytes.data());
    const Source a = checkpoint("blocks", {{"model.layers.0.mlp.up_proj.weight", {16, 64}, w}});
    const auto against = [&](const std::vector<std::byte>& stored, const char* name) {
        GgufWriter writer("llama");
        writer.tensor("blk.0.ffn_up.weight", {16, 64}, *layout.ggmlType, stored);
        return onlyRow(a, writer.write(name));
    };
    const DiffRow row = against(bytes, "q8");
    CHECK(row.provenance == Provenance::Rounded);
    CHECK(row.provenanceText() == "round-to-nearest q8_0");
    CHECK(row.metrics.relativeFrobenius > 0);
    CHECK(row.metrics.relativeFrobenius < 0.01);
    // A quarter of the blocks with one code moved.
    auto moved = bytes;
    for (std::size_t block = 0; block < 32; block += 4) {
        auto& code = moved[block * static_cast<std::size_t>(layout.bytes) + 9];
        code = static_cast<std::byte>(static_cast<int>(code) ^ 1);
    }
    const DiffRow partly = against(moved, "q8moved");
    CHECK(partly.provenance == Provenance::Partly);
    CHECK(partly.equalShare == 0.75);
    CHECK(partly.provenanceText() == "75 % of blocks are round-to-nearest q8_0");
    CHECK_THAT(partly.guess, ContainsSubstring("imatrix-like? 100 % of the other blocks"));
    // The same GGUF twice.
    GgufWriter writer("llama");
    writer.tensor("blk.0.ffn_up.weight", {16, 64}, *layout.ggmlType, bytes);
    const Source same = writer.write("same");
    CHECK(onlyRow(same, same).provenance == Provenance::SameBytes);
}

TEST_CASE("diff: the small llama against its FP16 GGUF") {
    const auto original = test::testModel("stories260k/model.safetensors");
    const auto converted = test::testModel("stories260k/stories260k-f16.gguf");
    if (!original || !converted) {
        WARN("skipped: LOUPE_TEST_MODELS has no stories260k");
        return;
    }
    const Source a = open(*original);
    const Source b = open(*converted);
    const DiffPlan plan = planDiff(*a, *b);
    CHECK(plan.pairs.size() == 47);
    CHECK(plan.onlyA.empty());
    CHECK(plan.onlyB.empty());
    CHECK(plan.mismatches.empty());
    int rounded = 0;
    int same = 0;
    int permutedTensors = 0;
    for (const DiffRow& row : rowsOf(a, b)) {
        CAPTURE(row.tensorA);
        CHECK_FALSE(row.error.has_value());
        CHECK(row.metrics.relativeFrobenius < 0.0005);
        rounded += row.provenanceText() == "round-to-nearest fp16" ? 1 : 0;
        same += row.provenance == Provenance::SameBytes ? 1 : 0;
        permutedTensors += row.change.permutedHeads > 0 ? 1 : 0;
    }
    CHECK(rounded == 36);
    CHECK(same == 11);
    CHECK(permutedTensors == 10);
    for (const DiffRow& row : rowsOf(b, a)) {
        CHECK(row.metrics.relativeFrobenius < 0.0005);
    }
}

// SPDX-License-Identifier: Apache-2.0
// The memory calculator against the tables of the specification (8.1 to 8.4).
#include "core/io/tensor_source.hpp"
#include "core/memory/hardware.hpp"
#include "core/memory/memory_estimate.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <set>
#include <string>

using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using namespace loupe;

namespace {

const ModelShape& preset(const char* id) {
    const ModelShape* shape = findModelPreset(id);
    REQUIRE(shape != nullptr);
    return *shape;
}

const HardwareDevice& device(const char* id) {
    const HardwareDevice* found = findHardware(id);
    REQUIRE(found != nullptr);
    return *found;
}

constexpr double kGiB = 1073741824.0;

}  // namespace

TEST_CASE("bits a weight of every format equal the table of the specification") {
    const std::pair<const char*, double> table[] = {{"fp32", 32},
                                                    {"bf16", 16},
                                                    {"fp16", 16},
                                                    {"int4_g128", 4.125},
                                                    {"int4_g128_z4", 4.15625},
                                                    {"int4_g128_z16", 4.25},
                                                    {"int4_g64_z16", 4.5},
                                                    {"sparse50_int4", 3},
                                                    {"nf4", 4.5},
                                                    {"mxfp4", 4.25},
                                                    {"nvfp4", 4.5},
                                                    {"q4_0", 4.5},
                                                    {"q4_1", 5},
                                                    {"q5_0", 5.5},
                                                    {"q5_1", 6},
                                                    {"q8_0", 8.5},
                                                    {"q2_k", 2.625},
                                                    {"q3_k", 3.4375},
                                                    {"q4_k", 4.5},
                                                    {"q5_k", 5.5},
                                                    {"q6_k", 6.5625},
                                                    {"tq1_0", 1.6875},
                                                    {"tq2_0", 2.0625},
                                                    {"q1_0", 1.125},
                                                    {"q2_0", 2.25},
                                                    {"sparse24_fp16", 9},
                                                    {"sparse24_int8", 5},
                                                    {"sparse24_int4", 3}};
    for (const auto& [id, bits] : table) {
        CAPTURE(id);
        const WeightFormat* format = findWeightFormat(id);
        REQUIRE(format != nullptr);
        CHECK(bitsPerWeight(*format) == bits);
    }
    CHECK_THAT(*bitsPerWeight(*findWeightFormat("nf4_double")), WithinAbs(4.126953, 5e-7));
    CHECK_THAT(*bitsPerWeight(*findWeightFormat("int3_g128_z3")), WithinAbs(3.148, 0.0005));
    CHECK(*bitsPerWeight(*findWeightFormat("int8_row"), 4096) == 8 + 16.0 / 4096);
    CHECK(!bitsPerWeight(*findWeightFormat("int8_row")));
    CHECK(findWeightFormat("no_such_format") == nullptr);
    std::set<std::string_view> ids;
    for (const WeightFormat& format : allWeightFormats()) {
        CHECK(ids.insert(format.id).second);
        CHECK(format.codeBits > 0);
        CHECK((format.group == 0) == (format.sideBits == 0));
        CHECK((format.group == 0 || !format.summary.empty()));
    }
}

TEST_CASE("sizes of ggml's blocks, in bytes") {
    const std::pair<const char*, std::pair<int, int>> blocks[] = {{"q4_0", {32, 18}},
                                                                  {"q4_1", {32, 20}},
                                                                  {"q5_0", {32, 22}},
                                                                  {"q5_1", {32, 24}},
                                                                  {"q8_0", {32, 34}},
                                                                  {"q2_k", {256, 84}},
                                                                  {"q3_k", {256, 110}},
                                                                  {"q4_k", {256, 144}},
                                                                  {"q5_k", {256, 176}},
                                                                  {"q6_k", {256, 210}},
                                                                  {"tq1_0", {256, 54}},
                                                                  {"tq2_0", {256, 66}},
                                                                  {"q1_0", {128, 18}},
                                                                  {"q2_0", {64, 18}}};
    for (const auto& [id, block] : blocks) {
        CAPTURE(id);
        CHECK(bitsOf(*findWeightFormat(id), 1, block.first).total() == 8.0 * block.second);
    }
}

TEST_CASE("a last group that is shorter costs a whole scale; NVFP4 has one more a tensor") {
    const WeightFormat& grouped = *findWeightFormat("int4_g128");
    CHECK(bitsOf(grouped, 3, 200).codes == 3 * 200 * 4);
    CHECK(bitsOf(grouped, 3, 200).sides == 3 * 2 * 16);
    CHECK(*bitsPerWeight(grouped, 200) == 4 + 32.0 / 200);
    CHECK(bitsOf(*findWeightFormat("nvfp4"), 2, 32).sides == 2 * 2 * 8 + 32);
}

TEST_CASE("parameters of the models") {
    CHECK(parametersOf(preset("llama-2-7b")) == 6738415616);
    CHECK(parametersOf(preset("llama-2-13b")) == 13015864320);
    CHECK(parametersOf(preset("llama-2-70b")) == 68976648192);
    CHECK(parametersOf(preset("llama-3-8b")) == 8030261248);
    CHECK(parametersOf(preset("llama-3.1-405b")) == 405853388800);
    // 61 layers, 256 experts and one shared: what the published checkpoint without its head for
    // several tokens adds up to.
    CHECK(parametersOf(preset("deepseek-v3")) == 671026419200);
    ModelShape tied = preset("llama-2-7b");
    tied.tiedEmbeddings = true;
    CHECK(parametersOf(tied) == 6738415616 - 32000 * 4096);
}

TEST_CASE("the slides' numbers, and sizes of the 7B model") {
    const std::pair<std::string, std::string> texts[] = {
        {"14.0 GB", "13.04 GiB"}, {"28.0 GB", "26.08 GiB"}, {"1.62 TB", "1.47 TiB"}};
    REQUIRE(slideExamples().size() == 3);
    for (std::size_t k = 0; k < 3; ++k) {
        const auto bytes = static_cast<double>(slideExamples()[k].bytes());
        CHECK(gigabyteText(bytes) == texts[k].first);
        CHECK(gibibyteText(bytes) == texts[k].second);
    }
    CHECK_THAT(405e9 * 4 / prefixTable()[3].binaryBytes, WithinAbs(1.473, 0.0005));
    CHECK(prefixTable()[2].binaryBytes == kGiB);
    const MemorySubject model = subjectOf(std::int64_t{6738415616});
    const auto bytes = [&model](const char* id) {
        return static_cast<double>(weightBytes(model, findWeightFormat(id))->total());
    };
    CHECK_THAT(bytes("fp32") / 1e9, WithinAbs(26.95, 0.005));
    CHECK_THAT(bytes("fp32") / kGiB, WithinAbs(25.10, 0.005));
    CHECK_THAT(bytes("fp16") / 1e9, WithinAbs(13.477, 0.0005));
    CHECK_THAT(bytes("fp16") / kGiB, WithinAbs(12.551, 0.0005));
    CHECK_THAT(bytes("int8") / 1e9, WithinAbs(6.738, 0.0005));
    CHECK_THAT(bytes("int4_g128") / 1e9, WithinAbs(3.474, 0.0006));
}

TEST_CASE("norms are never quantized, embeddings may stay") {
    const MemorySubject model = subjectOf(preset("llama-2-7b"));
    const std::int64_t norms = (2 * 32 + 1) * 4096;
    const std::int64_t embeddings = 2 * std::int64_t{32000} * 4096;
    const WeightFormat* int8 = findWeightFormat("int8");
    CHECK(weightBytes(model, int8)->total() == 6738415616 + norms);
    CHECK(weightBytes(model, int8, true)->total() == 6738415616 + norms + embeddings);
    CHECK(weightBytes(model, findWeightFormat("fp16"))->total() == 2 * std::int64_t{6738415616});
    // One FP16 scale a row: of every matrix as many as it has rows.
    const std::int64_t rows = 2 * 32000 + 32 * (4 * 4096 + 2 * 11008 + 4096);
    CHECK(weightBytes(model, findWeightFormat("int8_row"))->sides == 2 * rows);
    CHECK(!weightBytes(subjectOf(std::int64_t{1000}), findWeightFormat("int8_row")));
    CHECK(!weightBytes(model, nullptr));  // nothing is stored yet
}

TEST_CASE("KV cache of the models") {
    CHECK(kvBytesPerToken(preset("llama-2-7b")) == 524288);
    CHECK(kvBytesPerToken(preset("llama-3-8b")) == 131072);
    CHECK(kvBytesPerToken(preset("llama-2-70b")) == 327680);
    CHECK(kvBytesPerToken(preset("llama-3.1-405b")) == 516096);
    CHECK(kvBytesPerToken(preset("deepseek-v3")) == 70272);
    CHECK(expandedKvBytesPerToken(preset("deepseek-v3")) == 4997120);
    CHECK_THAT(4997120.0 / 70272, WithinAbs(71.1, 0.05));
    CHECK(kvBytesPerToken(preset("llama-2-7b")) * 4096 == 2 * kGiB);
    CHECK(kvBytesPerToken(preset("llama-3-8b")) * 8192 == kGiB);
    CHECK(kvBytesPerToken(preset("llama-3-8b")) * 131072 == 16 * kGiB);
    CHECK(kvBytesPerToken(preset("llama-2-70b")) * 4096 == 1.25 * kGiB);
    CHECK(kvBytesPerToken(preset("llama-3.1-405b")) * 131072 == 63 * kGiB);
    CHECK_THAT(kvBytesPerToken(preset("deepseek-v3")) * 131072 / kGiB, WithinAbs(8.58, 0.005));
    ModelShape one = preset("llama-2-7b");
    one.kvHeads = 1;
    CHECK(kvBytesPerToken(one) == 524288 / 32);
    CHECK(kvBytesPerToken(preset("llama-2-7b"), 8) == 262144);
}

TEST_CASE("activations") {
    const ModelShape& model = preset("llama-2-7b");
    const ActivationBytes prompt = activationBytes(model, {1, 4096, 16, true, true});
    CHECK(prompt.scores == kGiB);
    CHECK(prompt.residual == 4096.0 * 4096 * 2);
    CHECK(prompt.attention == 3 * 4096.0 * 4096 * 2);
    CHECK(prompt.feedForward == 2 * 4096.0 * 11008 * 2);
    CHECK(prompt.logits == 4096.0 * 32000 * 4);
    CHECK(prompt.peak() == prompt.residual + prompt.attention + prompt.scores + prompt.logits);
    CHECK(activationBytes(model, {1, 32768, 16, true, false}).scores == 64 * kGiB);
    const ActivationBytes token = activationBytes(model, {});
    CHECK(token.scores == 0);
    CHECK(token.peak() == 4096 * 2 + 3 * 4096 * 2 + 32000 * 4 - 3 * 4096 * 2 + 2 * 11008 * 2);
}

TEST_CASE("arithmetic intensity of a 4096 × 4096 layer equals the table of the specification") {
    const struct {
        std::int64_t tokens;
        double half, weightOnly, integers;
    } table[] = {{1, 1.00, 3.87, 2.00},
                 {8, 7.97, 30.6, 15.9},
                 {32, 31.5, 117, 62.5},
                 {128, 120.5, 400, 234},
                 {512, 410, 1008, 745},
                 {2048, 1024, 1628, 1638}};
    for (const auto& row : table) {
        CAPTURE(row.tokens);
        const auto intensity = [&row](double x, double w, double y) {
            return gemmCost(row.tokens, 4096, 4096, x, w, y).intensity();
        };
        CHECK_THAT(intensity(16, 16, 16), WithinRel(row.half, 0.005));
        CHECK_THAT(intensity(16, 4.125, 16), WithinRel(row.weightOnly, 0.005));
        CHECK_THAT(intensity(8, 8, 16), WithinRel(row.integers, 0.005));
    }
    const GemmCost cost = gemmCost(1, 4096, 4096, 16, 16, 16);
    const RooflineBound bound = roofline(cost.flops, cost.bytes, 989.4e12, 3.35e12);
    CHECK(bound.isMemoryBound());
    CHECK(bound.seconds() == cost.bytes / 3.35e12);
}

TEST_CASE("the least time a token of Llama 2 7B takes to decode") {
    const double bytes = 2.0 * 6738415616;
    const std::pair<const char*, double> table[] = {{"t4", 42.1},
                                                    {"a100_40", 8.67},
                                                    {"a100_80", 6.61},
                                                    {"h100_sxm", 4.02},
                                                    {"h200_sxm", 2.81},
                                                    {"b200", 1.68}};
    for (const auto& [id, milliseconds] : table) {
        CAPTURE(id);
        CHECK_THAT(*decodeSeconds(device(id), bytes) * 1e3, WithinRel(milliseconds, 0.003));
    }
    const std::pair<const char*, double> rates[] = {
        {"t4", 23.7}, {"h100_sxm", 249}, {"h200_sxm", 356}, {"b200", 594}};
    for (const auto& [id, tokens] : rates) {
        CAPTURE(id);
        CHECK_THAT(1 / *decodeSeconds(device(id), bytes), WithinRel(tokens, 0.0025));
    }
}

TEST_CASE("every figure of the hardware table has a source and a day; ridges are the table's") {
    const std::pair<const char*, double> ridges[] = {{"t4", 203},
                                                     {"a100_40", 201},
                                                     {"a100_80", 153},
                                                     {"h100_sxm", 295},
                                                     {"h200_sxm", 206},
                                                     {"b200", 281}};
    for (const auto& [id, ridge] : ridges) {
        CAPTURE(id);
        CHECK_THAT(*ridgePoint(device(id), HardwareQuantity::Fp16), WithinAbs(ridge, 0.5));
    }
    double last = 0;
    for (const HardwareDevice& each : allHardware()) {
        CAPTURE(each.id);
        CHECK(each.capacity() > 0);
        CHECK(*each.value(HardwareQuantity::MemoryBytes) >= last);
        last = *each.value(HardwareQuantity::MemoryBytes);
        std::set<HardwareQuantity> seen;
        for (const HardwareFigure& figure : each.figures) {
            CAPTURE(quantityTitle(figure.quantity));
            CHECK(seen.insert(figure.quantity).second);
            CHECK(figure.value > 0);
            CHECK(!figure.source.empty());
            CHECK(figure.read.size() == 10);
        }
    }
    CHECK(device("b200").capacity() == 180e9);
    // The lecture's table of speeds by data type is the T4's.
    const double base = *device("t4").value(HardwareQuantity::Fp32);
    CHECK_THAT(*device("t4").value(HardwareQuantity::Fp16) / base, WithinAbs(8, 0.1));
    CHECK_THAT(*device("t4").value(HardwareQuantity::Int8) / base, WithinAbs(16, 0.1));
    CHECK_THAT(*device("t4").value(HardwareQuantity::Int4) / base, WithinAbs(32, 0.2));
    CHECK(!device("t4").value(HardwareQuantity::Int1));
    const struct {
        const char* id;
        HardwareQuantity quantity;
        double times;
    } speeds[] = {{"a100_40", HardwareQuantity::Fp16, 16},
                  {"a100_40", HardwareQuantity::Int8, 32},
                  {"a100_40", HardwareQuantity::Int4, 64},
                  {"a100_40", HardwareQuantity::Int1, 256},
                  {"h100_sxm", HardwareQuantity::Fp16, 14.8},
                  {"h100_sxm", HardwareQuantity::Int8, 29.6},
                  {"b200", HardwareQuantity::Fp16, 28.1},
                  {"b200", HardwareQuantity::Int8, 56.3},
                  {"b200", HardwareQuantity::Fp4, 112.5}};
    for (const auto& speed : speeds) {
        CAPTURE(speed.id, speed.times);
        const HardwareDevice& each = device(speed.id);
        CHECK_THAT(*each.value(speed.quantity) / *each.value(HardwareQuantity::Fp32),
                   WithinRel(speed.times, 0.003));
    }
}

TEST_CASE("sizes are read from config.json") {
    const auto llama = parseModelShape(
        R"({"model_type":"llama","hidden_size":4096,"num_hidden_layers":32,"num_attention_heads":32,
            "num_key_value_heads":8,"intermediate_size":14336,"vocab_size":128256,
            "max_position_embeddings":8192,"tie_word_embeddings":false})");
    REQUIRE(llama);
    CHECK(parametersOf(*llama) == 8030261248);
    CHECK(llama->context == 8192);
    CHECK(kvBytesPerToken(*llama) == 131072);
    const auto deep = parseModelShape(
        R"({"model_type":"deepseek_v3","hidden_size":7168,"num_hidden_layers":61,
            "num_attention_heads":128,"num_key_value_heads":128,"intermediate_size":18432,
            "vocab_size":129280,"kv_lora_rank":512,"q_lora_rank":1536,"qk_rope_head_dim":64,
            "qk_nope_head_dim":128,"v_head_dim":128,"n_routed_experts":256,"n_shared_experts":1,
            "num_experts_per_tok":8,"moe_intermediate_size":2048,"first_k_dense_replace":3})");
    REQUIRE(deep);
    CHECK(parametersOf(*deep) == 671026419200);
    CHECK(kvBytesPerToken(*deep) == 70272);
    const auto gpt = parseModelShape(R"({"model_type":"gpt2","n_embd":768,"n_layer":12,"n_head":12,
                            "n_positions":1024,"vocab_size":50257})");
    REQUIRE(gpt);
    CHECK(gpt->headDim == 64);
    CHECK(gpt->feedForward == 3072);
    CHECK(kvBytesPerToken(*gpt) == 2 * 12 * 768 * 2);
    CHECK(parseModelShape("{}").error().code == ErrorCode::Missing);
    CHECK(parseModelShape("[1]").error().code == ErrorCode::Damaged);
    CHECK(parseModelShape(R"({"hidden_size":-1,"num_hidden_layers":2,"num_attention_heads":1})")
              .error()
              .code == ErrorCode::Missing);
}

TEST_CASE("an estimate of a checkpoint counts its tensors as they are") {
    const auto source =
        openSource((loupe::test::goldenDir() / "io" / "types.safetensors").string());
    REQUIRE(source);
    const MemorySubject subject = subjectOf(**source);
    CHECK(subject.parameters == 120);
    CHECK(!subject.shape);
    CHECK(!subject.note.empty());
    CHECK(weightBytes(subject, nullptr)->total() == 411);
    const auto estimate = estimateMemory(subject, {});
    REQUIRE(estimate);
    CHECK(!estimate->kvCache);
    CHECK(estimate->total() == 411);
    std::int64_t parameters = 0;
    for (const TensorSize& tensor : subject.tensors) {
        parameters += tensor.parameters();
    }
    CHECK(parameters == 120);
    CHECK(weightBytes(subject, findWeightFormat("fp32"))->total() == 480);
}

TEST_CASE("numbers of parameters are read strictly") {
    CHECK(*parseParameterCount("7e9") == 7000000000);
    CHECK(*parseParameterCount("6738415616") == 6738415616);
    for (const char* text : {"", "0", "-1", "1.5", "nan", "1e16", "7b", "inf"}) {
        CAPTURE(text);
        const auto parsed = parseParameterCount(text);
        REQUIRE(!parsed);
        CHECK(parsed.error().code == ErrorCode::Usage);
    }
}

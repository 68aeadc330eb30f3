// SPDX-License-Identifier: Apache-2.0
#include "core/io/sample.hpp"

#include "core/base/assert.hpp"
#include "core/base/hash.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"
#include "core/io/atomic_file.hpp"
#include "core/io/safetensors_writer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace loupe {

namespace {

constexpr std::int64_t kBlocks = 4;
constexpr std::int64_t kHidden = 192;
constexpr std::int64_t kHeads = 6;
constexpr std::int64_t kKvHeads = 2;
constexpr std::int64_t kKv = kHidden / kHeads * kKvHeads;
constexpr std::int64_t kFeedForward = 512;
constexpr std::int64_t kVocabulary = 1024;
constexpr std::int64_t kTokens = 256;
constexpr double kDegrees =
    6;  ///< of Student's t: an excess kurtosis of 3, as trained weights have

/// Residual channels that are large in every layer, as trained models have a few.
struct OutlierChannel {
    std::int64_t channel;
    float activation;  ///< factor on the residual stream
    float weight;      ///< factor on weights that write it
};
constexpr std::array<OutlierChannel, 4> kResidualOutliers{
    {{17, 22.0F, 4.0F}, {61, 14.0F, 3.0F}, {118, 9.0F, 2.5F}, {163, 30.0F, 5.0F}}};

/// A linear layer of a block. `reads` names what it takes, so that q, k and v get the same
/// activations.
struct Linear {
    std::string_view name;
    std::int64_t out;
    std::int64_t in;
    std::string_view reads;
    bool readsResidual;
    bool writesResidual;
};
constexpr std::array<Linear, 7> kLinears{
    {{"self_attn.q_proj", kHidden, kHidden, "attention", true, false},
     {"self_attn.k_proj", kKv, kHidden, "attention", true, false},
     {"self_attn.v_proj", kKv, kHidden, "attention", true, false},
     {"self_attn.o_proj", kHidden, kHidden, "heads", false, true},
     {"mlp.gate_proj", kFeedForward, kHidden, "mlp", true, false},
     {"mlp.up_proj", kFeedForward, kHidden, "mlp", true, false},
     {"mlp.down_proj", kHidden, kFeedForward, "gated", false, true}}};

std::uint64_t seedOf(std::string_view name) {
    return fnv1a(name) >> 16;
}

/// A weight matrix: Student's t, scaled so that outputs keep their size, each row by its own
/// factor.
std::vector<float> makeWeight(const std::string& name,
                              std::int64_t rows,
                              std::int64_t cols,
                              bool readsResidual,
                              bool writesResidual) {
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    const std::uint64_t seed = seedOf(name);
    const std::uint64_t rowSeed = seedOf(name + " rows");
    const double spread =
        0.6 / std::sqrt(static_cast<double>(cols)) / std::sqrt(kDegrees / (kDegrees - 2));
    parallelFor(rows, 16, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t r = begin; r < end; ++r) {
            const double factor =
                spread * std::exp(0.3 * randomNormal(rowSeed, static_cast<std::uint64_t>(r)));
            for (std::int64_t c = 0; c < cols; ++c) {
                const std::int64_t i = r * cols + c;
                values[static_cast<std::size_t>(i)] = static_cast<float>(
                    factor * randomStudentT(seed, static_cast<std::uint64_t>(i), kDegrees));
            }
        }
    });
    for (const OutlierChannel& outlier : kResidualOutliers) {
        for (std::int64_t r = 0; readsResidual && r < rows; ++r) {
            values[static_cast<std::size_t>(r * cols + outlier.channel)] *= outlier.weight / 2;
        }
        for (std::int64_t c = 0; writesResidual && c < cols; ++c) {
            values[static_cast<std::size_t>(outlier.channel * cols + c)] *= outlier.weight;
        }
    }
    return values;
}

/// Activations [tokens, in] with correlated channels: 24 hidden causes and noise.
std::vector<float> makeActivations(const std::string& name,
                                   std::int64_t in,
                                   bool readsResidual,
                                   bool gated) {
    constexpr std::int64_t kCauses = 24;
    std::vector<float> values(static_cast<std::size_t>(kTokens * in));
    const std::uint64_t causeSeed = seedOf(name + " causes");
    const std::uint64_t mixSeed = seedOf(name + " mix");
    const std::uint64_t noiseSeed = seedOf(name + " noise");
    std::vector<double> mix(static_cast<std::size_t>(kCauses * in));
    for (std::size_t i = 0; i < mix.size(); ++i) {
        mix[i] = 0.85 / std::sqrt(static_cast<double>(kCauses)) * randomNormal(mixSeed, i);
    }
    parallelFor(kTokens, 8, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t t = begin; t < end; ++t) {
            std::array<double, static_cast<std::size_t>(kCauses)> cause{};
            for (std::int64_t k = 0; k < kCauses; ++k) {
                cause[static_cast<std::size_t>(k)] =
                    randomNormal(causeSeed, static_cast<std::uint64_t>(t * kCauses + k));
            }
            for (std::int64_t c = 0; c < in; ++c) {
                double sum = 0.5 * randomNormal(noiseSeed, static_cast<std::uint64_t>(t * in + c));
                for (std::int64_t k = 0; k < kCauses; ++k) {
                    sum += mix[static_cast<std::size_t>(k * in + c)] *
                           cause[static_cast<std::size_t>(k)];
                }
                // What a gated MLP multiplies together has heavier tails than either factor.
                values[static_cast<std::size_t>(t * in + c)] =
                    static_cast<float>(gated ? 0.5 * sum * std::abs(sum) : sum);
            }
        }
    });
    for (const OutlierChannel& outlier : kResidualOutliers) {
        for (std::int64_t t = 0; readsResidual && t < kTokens; ++t) {
            values[static_cast<std::size_t>(t * in + outlier.channel)] *= outlier.activation;
        }
    }
    return values;
}

/// Announces a tensor whose values are made when they are written, so that one at a time is in
/// memory.
template <class Make>
void addTensor(SafetensorsWriter& writer,
               const std::string& name,
               std::string_view dtype,
               const std::vector<std::int64_t>& shape,
               Make make) {
    const std::string type(dtype);
    writer.add(name, dtype, shape, [type, make](const ByteSink& sink) -> Result<void> {
        const std::vector<float> values = make();
        if (type == "fp32") {
            return sink(std::as_bytes(std::span(values)));
        }
        std::vector<std::uint16_t> codes(values.size());
        if (Result<void> encoded = encodeArray(*findFormat(type), values, codes); !encoded) {
            return encoded;
        }
        return sink(std::as_bytes(std::span(codes)));
    });
}

void addNorm(SafetensorsWriter& writer, const std::string& name) {
    addTensor(writer, name, "fp32", {kHidden}, [name] {
        std::vector<float> values(static_cast<std::size_t>(kHidden));
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = static_cast<float>(1.0 + 0.1 * randomNormal(seedOf(name), i));
        }
        return values;
    });
}

Result<void> writeModel(const std::filesystem::path& path) {
    SafetensorsWriter writer;
    writer.metadata("format", "pt");
    writer.metadata("description",
                    "Made up by Tensorloupe: shapes and statistics of a trained transformer; "
                    "nothing was trained");
    const auto weight = [&writer](const std::string& name,
                                  std::string_view dtype,
                                  std::int64_t rows,
                                  std::int64_t cols,
                                  bool reads,
                                  bool writes,
                                  bool spike) {
        addTensor(writer, name, dtype, {rows, cols}, [=] {
            std::vector<float> values = makeWeight(name, rows, cols, reads, writes);
            if (spike) {
                values[static_cast<std::size_t>(kResidualOutliers.back().channel * cols + 301)] =
                    -3.5F;
            }
            return values;
        });
    };
    weight("model.embed_tokens.weight", "bf16", kVocabulary, kHidden, true, false, false);
    for (std::int64_t block = 0; block < kBlocks; ++block) {
        const std::string prefix = "model.layers." + std::to_string(block) + ".";
        addNorm(writer, prefix + "input_layernorm.weight");
        addNorm(writer, prefix + "post_attention_layernorm.weight");
        for (const Linear& linear : kLinears) {
            const bool spike = block == 1 && linear.name == "mlp.down_proj";
            weight(prefix + std::string(linear.name) + ".weight",
                   "bf16",
                   linear.out,
                   linear.in,
                   linear.readsResidual,
                   linear.writesResidual,
                   spike);
        }
    }
    addNorm(writer, "model.norm.weight");
    weight("lm_head.weight", "fp16", kVocabulary, kHidden, true, false, false);
    return writer.write(path);
}

Result<void> writeActivations(const std::filesystem::path& path) {
    SafetensorsWriter writer;
    writer.metadata("description",
                    "Made-up inputs [tokens, in] of every linear layer of model.safetensors");
    for (std::int64_t block = 0; block < kBlocks; ++block) {
        const std::string prefix = "model.layers." + std::to_string(block) + ".";
        for (const Linear& linear : kLinears) {
            const std::string seedName = prefix + std::string(linear.reads);
            addTensor(writer,
                      prefix + std::string(linear.name),
                      "fp32",
                      {kTokens, linear.in},
                      [seedName, &linear] {
                          return makeActivations(
                              seedName, linear.in, linear.readsResidual, linear.reads == "gated");
                      });
        }
    }
    addTensor(writer, "lm_head", "fp32", {kTokens, kHidden}, [] {
        return makeActivations("head", kHidden, true, false);
    });
    return writer.write(path);
}

std::string configText() {
    JsonWriter json;
    json.beginObject()
        .key("architectures")
        .beginArray()
        .value("LlamaForCausalLM")
        .endArray()
        .key("model_type")
        .value("llama");
    json.key("hidden_size").value(kHidden).key("intermediate_size").value(kFeedForward);
    json.key("num_hidden_layers")
        .value(kBlocks)
        .key("num_attention_heads")
        .value(kHeads)
        .key("num_key_value_heads")
        .value(kKvHeads);
    json.key("vocab_size").value(kVocabulary).key("max_position_embeddings").value(2048);
    json.key("rms_norm_eps")
        .value(1e-5)
        .key("rope_theta")
        .value(10000.0)
        .key("hidden_act")
        .value("silu");
    json.key("tie_word_embeddings").value(false).key("torch_dtype").value("bfloat16").endObject();
    return json.text() + "\n";
}

}  // namespace

Result<void> writeSampleCheckpoint(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
        return fail(
            ErrorCode::Unreadable, "cannot make the folder: " + error.message(), folder.string());
    }
    AtomicFile config;
    Result<void> done = config.open(folder / "config.json");
    if (done) {
        done = config.write(configText());
    }
    if (done) {
        done = config.commit();
    }
    if (done) {
        done = writeModel(folder / "model.safetensors");
    }
    return done ? writeActivations(folder / "activations.safetensors") : done;
}

}  // namespace loupe

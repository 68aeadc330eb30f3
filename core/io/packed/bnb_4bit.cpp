// SPDX-License-Identifier: Apache-2.0
// bitsandbytes 4-bit (NF4, FP4): two codes in a byte, the even one in the high nibble, over the
// flattened [out, in]; blocks may cross rows. value = map[code] · absmax in FP32, rounded once to
// the quant_state's dtype, as the CUDA kernels do. Nested: absmax = nested_map[byte] ·
// nested_absmax + nested_offset, FP32, each step rounded.
#include "core/base/text.hpp"
#include "core/io/packed/packed.hpp"
#include "core/io/packed/view.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace loupe::packed {

extern const PackedScheme kPacked_bnb_4bit;

namespace {

constexpr std::size_t kMapSize = 16;
constexpr std::size_t kNestedMapSize = 256;

struct State {
    std::string type;  ///< "nf4", "fp4"
    std::int64_t blockSize = 0;
    std::vector<std::int64_t> shape;
    Result16 result = Result16::Fp32;
    std::int64_t nestedBlock = 0;  ///< 0: not nested
    float nestedOffset = 0;
};

struct Names {
    std::optional<std::size_t> codes, absmax, map, state, nestedAbsmax, nestedMap;
};

Result<State> parseState(const std::vector<std::byte>& bytes) {
    constexpr std::int64_t kMostBlock = 1 << 20;
    using Json = nlohmann::json;
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    const Json json = Json::parse(text, text + bytes.size(), nullptr, false);
    const auto wrong = [](const std::string& what) {
        return fail(ErrorCode::Damaged, "quant_state: " + what);
    };
    if (!json.is_object()) {
        return wrong("expected a JSON object, found none");
    }
    const auto integer = [&json](const char* key) {
        const auto found = json.find(key);
        return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>()
                                                                 : std::int64_t{0};
    };
    const auto word = [&json](const char* key) {
        const auto found = json.find(key);
        return found != json.end() && found->is_string() ? found->get<std::string>()
                                                         : std::string();
    };
    State state;
    state.type = word("quant_type");
    if (state.type != "nf4" && state.type != "fp4") {
        return wrong("expected quant_type nf4 or fp4, found \"" + state.type + "\"");
    }
    state.blockSize = integer("blocksize");
    if (state.blockSize <= 0 || state.blockSize > kMostBlock || state.blockSize % 2 != 0) {
        return wrong("expected an even blocksize, found " + std::to_string(state.blockSize));
    }
    const std::string dtype = word("dtype");
    if (dtype != "float32" && dtype != "float16" && dtype != "bfloat16") {
        return wrong("expected dtype float32, float16 or bfloat16, found \"" + dtype + "\"");
    }
    state.result = dtype == "float16"    ? Result16::Fp16
                   : dtype == "bfloat16" ? Result16::Bf16
                                         : Result16::Fp32;
    const auto shape = json.find("shape");
    if (shape == json.end() || !shape->is_array() || shape->empty() || shape->size() > 4) {
        return wrong("expected a shape, found none");
    }
    for (const Json& item : *shape) {
        const std::int64_t size =
            item.is_number_integer() ? item.get<std::int64_t>() : std::int64_t{-1};
        if (size <= 0 || size > kMostSide) {
            return wrong("expected a shape of positive sizes, found " +
                         item.dump(-1, ' ', true, Json::error_handler_t::replace));
        }
        state.shape.push_back(size);
    }
    if (json.contains("nested_blocksize")) {
        state.nestedBlock = integer("nested_blocksize");
        const auto offset = json.find("nested_offset");
        if (state.nestedBlock <= 0 || state.nestedBlock > kMostBlock || offset == json.end() ||
            !offset->is_number()) {
            return wrong("expected nested_blocksize and nested_offset, found " +
                         std::to_string(state.nestedBlock));
        }
        state.nestedOffset = static_cast<float>(offset->get<double>());
    }
    return state;
}

std::uint64_t countOf(const std::vector<std::int64_t>& shape) {
    std::uint64_t count = 1;
    for (const std::int64_t size : shape) {
        if (count > (std::uint64_t{1} << 56U) / static_cast<std::uint64_t>(size)) {
            return 0;
        }
        count *= static_cast<std::uint64_t>(size);
    }
    return count;
}

/// Contract 2: one dimension is one row, more than two are [dim0, rest].
std::int64_t rowsOf(const std::vector<std::int64_t>& shape) {
    return shape.size() == 1 ? 1 : shape.front();
}

/// Sizes and types of the parts against the description.
Result<void> checkParts(const StoredTensors& stored, const Names& names, const State& state) {
    const auto wrong = [](std::string what) { return fail(ErrorCode::Damaged, std::move(what)); };
    const std::uint64_t count = countOf(state.shape);
    const TensorInfo& codes = stored[*names.codes];
    if (count == 0 || codes.bytes != (count + 1) / 2) {
        return wrong("expected " + std::to_string((count + 1) / 2) + " bytes of codes for " +
                     shapeText(state.shape) + ", found " + std::to_string(codes.bytes));
    }
    const auto blockSize = static_cast<std::uint64_t>(state.blockSize);
    const std::uint64_t blocks = (count + blockSize - 1) / blockSize;
    const auto expect = [&](const std::optional<std::size_t>& part,
                            const char* suffix,
                            std::string_view type,
                            std::uint64_t elements) -> Result<void> {
        const TensorInfo* tensor = stored.info(part);
        if (tensor == nullptr) {
            return wrong("expected the part " + codes.name + suffix + ", found none");
        }
        if (tensor->type == nullptr || tensor->type->id != type || tensor->parameters != elements) {
            return wrong("expected " + std::to_string(elements) + " " + std::string(type) + " in " +
                         tensor->name + ", found " + tensor->dtypeName + " " +
                         shapeText(tensor->shape));
        }
        return {};
    };
    const bool nested = state.nestedBlock > 0;
    if (auto sound = expect(names.absmax, ".absmax", nested ? "uint8" : "fp32", blocks); !sound) {
        return sound;
    }
    if (auto sound = expect(names.map, ".quant_map", "fp32", kMapSize); !sound) {
        return sound;
    }
    if (!nested) {
        return {};
    }
    const auto nestedBlock = static_cast<std::uint64_t>(state.nestedBlock);
    if (auto sound = expect(
            names.nestedAbsmax, ".nested_absmax", "fp32", (blocks + nestedBlock - 1) / nestedBlock);
        !sound) {
        return sound;
    }
    return expect(names.nestedMap, ".nested_quant_map", "fp32", kNestedMapSize);
}

struct Parts {
    Part codes, absmax, map, nestedAbsmax, nestedMap;
};

class FlatMatrix final : public PackedMatrix {
public:
    FlatMatrix(State state, Parts parts, std::vector<float> map, std::vector<float> nestedMap)
        : PackedMatrix(rowsOf(state.shape),
                       static_cast<std::int64_t>(countOf(state.shape)) / rowsOf(state.shape)),
          state_(std::move(state)),
          parts_(std::move(parts)),
          map_(std::move(map)),
          nestedMap_(std::move(nestedMap)) {}

    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        const auto codes = parts_.codes.data();
        const auto absmax = parts_.absmax.data();
        if (!codes || !absmax) {
            return fail(!codes ? codes.error() : absmax.error());
        }
        std::span<const std::byte> nested;
        if (state_.nestedBlock > 0) {
            const auto data = parts_.nestedAbsmax.data();
            if (!data) {
                return fail(data.error());
            }
            nested = *data;
        }
        const std::int64_t begin = first * cols();
        const std::int64_t end = (first + count) * cols();
        std::array<float, kMapSize> table{};
        for (std::int64_t at = begin; at < end;) {
            const std::int64_t block = at / state_.blockSize;
            const std::int64_t stop = std::min(end, (block + 1) * state_.blockSize);
            const float scale = scaleOf(*absmax, nested, block);
            for (std::size_t q = 0; q < kMapSize; ++q) {
                table[q] = roundTo(state_.result, map_[q] * scale);
            }
            decodeRun(codes->data(), table, at, stop, out + (at - begin));
            at = stop;
        }
        return {};
    }

    [[nodiscard]] Result<BlockView> block(std::int64_t row, std::int64_t col) const override;

    void release(std::int64_t first, std::int64_t count) const override {
        parts_.codes.release(first * cols() / 2, count * cols() / 2);
    }

private:
    static void decodeRun(const std::byte* codes,
                          const std::array<float, kMapSize>& table,
                          std::int64_t at,
                          std::int64_t stop,
                          float* out) {
        if (at < stop && at % 2 != 0) {
            *out++ = table[std::to_integer<std::size_t>(codes[at / 2]) & 15U];
            ++at;
        }
        for (; at + 1 < stop; at += 2, out += 2) {
            const auto pair = std::to_integer<std::size_t>(codes[at / 2]);
            out[0] = table[pair >> 4U];
            out[1] = table[pair & 15U];
        }
        if (at < stop) {
            *out = table[std::to_integer<std::size_t>(codes[at / 2]) >> 4U];
        }
    }

    [[nodiscard]] float scaleOf(std::span<const std::byte> absmax,
                                std::span<const std::byte> nested,
                                std::int64_t block) const {
        float scale = 0;
        if (state_.nestedBlock == 0) {
            parts_.absmax.decode(absmax, block, 1, &scale);
            return scale;
        }
        const auto code = std::to_integer<std::size_t>(absmax[static_cast<std::size_t>(block)]);
        parts_.nestedAbsmax.decode(nested, block / state_.nestedBlock, 1, &scale);
        return nestedMap_[code] * scale + state_.nestedOffset;
    }

    [[nodiscard]] Recipe recipe() const;

    State state_;
    Parts parts_;
    std::vector<float> map_;
    std::vector<float> nestedMap_;
};

Recipe FlatMatrix::recipe() const {
    Recipe made;
    const auto mapOf = [](const std::vector<float>& values) {
        const auto shared = std::make_shared<const std::vector<float>>(values);
        return [shared](std::uint64_t code) { return static_cast<double>((*shared)[code]); };
    };
    const StorageType& fp32 = parts_.map.type();
    made.meanings.push_back({"q", BlockRole::Codes, mapOf(map_)});
    const bool nested = state_.nestedBlock > 0;
    if (nested) {
        made.meanings.push_back({"absmax code", BlockRole::SubScales, mapOf(nestedMap_)});
        made.meanings.push_back({"nested absmax", BlockRole::Scale, valueOfType(fp32)});
    } else {
        made.meanings.push_back({"absmax", BlockRole::Scale, valueOfType(fp32)});
    }
    const Result16 result = state_.result;
    const float offset = state_.nestedOffset;
    const std::string rounded =
        result == Result16::Fp32 ? std::string() : std::string(nameOf(result));
    const auto wrap = [rounded](const std::string& text) {
        return rounded.empty() ? text : rounded + "(" + text + ")";
    };
    made.formula =
        wrap(nested ? "map[q] · (map8[absmax code] · nested absmax + offset)" : "map[q] · absmax");
    made.value = [nested, result, offset](std::span<const double> v) {
        auto scale = static_cast<float>(v[1]);
        if (nested) {
            const float product = scale * static_cast<float>(v[2]);
            scale = product + offset;
        }
        return static_cast<double>(roundTo(result, static_cast<float>(v[0]) * scale));
    };
    made.equation = [nested, offset, wrap](std::span<const double> v) {
        const auto number = [&v](std::size_t i) { return shortest(static_cast<float>(v[i])); };
        return wrap(nested ? number(0) + " · (" + number(1) + " · " + number(2) + " + " +
                                 shortest(offset) + ")"
                           : number(0) + " · " + number(1));
    };
    return made;
}

Result<BlockView> FlatMatrix::block(std::int64_t row, std::int64_t col) const {
    ViewBuilder builder;
    const std::int64_t at = row * cols() + col;
    const std::int64_t block = at / state_.blockSize;
    const std::int64_t width = state_.nestedBlock > 0 ? 1 : 4;
    const auto absmax = builder.add(parts_.absmax, block * width, width);
    if (!absmax) {
        return fail(absmax.error());
    }
    builder.field(
        "absmax", "scale of the block", width == 4 ? BlockRole::Scale : BlockRole::SubScales);
    std::vector<Figure> shared{{bitsAt(*absmax, 0, static_cast<int>(width * 8)), 1}};
    if (state_.nestedBlock > 0) {
        const auto nested = builder.add(parts_.nestedAbsmax, block / state_.nestedBlock * 4, 4);
        if (!nested) {
            return fail(nested.error());
        }
        builder.field("nested_absmax", "scale of these scales", BlockRole::Scale);
        shared.push_back({bitsAt(*nested, 0, 32), 2});
    }
    const std::int64_t begin = block * state_.blockSize;
    const std::int64_t from = begin + (at - begin) / kMostCells * kMostCells;
    const std::int64_t to =
        std::min({from + kMostCells, begin + state_.blockSize, rows() * cols()});
    const auto codes = builder.add(parts_.codes, from / 2, (to + 1) / 2 - from / 2);
    if (!codes) {
        return fail(codes.error());
    }
    builder.field(
        "weight", "two codes in a byte, the even one in the high nibble", BlockRole::Codes);
    for (std::int64_t i = from; i < to; ++i) {
        std::vector<Figure> figures{{{{*codes + (i - from) / 2, i % 2 == 0 ? 4 : 0, 4, 0}}, 0}};
        figures.insert(figures.end(), shared.begin(), shared.end());
        builder.cell(i / cols(), i % cols(), std::move(figures));
    }
    return builder.finish("bnb-" + state_.type,
                          std::string("bitsandbytes ") + (state_.type == "nf4" ? "NF4" : "FP4") +
                              ", block " + std::to_string(block) + " of " +
                              std::to_string(state_.blockSize) + " weights",
                          std::string(kPacked_bnb_4bit.source),
                          recipe(),
                          row,
                          col);
}

Result<std::vector<float>> readMap(const Part& part) {
    const auto data = part.data();
    if (!data) {
        return fail(data.error());
    }
    std::vector<float> values(static_cast<std::size_t>(part.elements()));
    part.decode(*data, 0, part.elements(), values.data());
    return values;
}

Result<std::shared_ptr<const PackedMatrix>> open(const TensorSource& source,
                                                 const Names& names,
                                                 const State& state) {
    Parts parts;
    std::vector<float> map;
    std::vector<float> nestedMap;
    for (const auto& [part, index] : {std::pair(&parts.codes, names.codes),
                                      std::pair(&parts.absmax, names.absmax),
                                      std::pair(&parts.map, names.map),
                                      std::pair(&parts.nestedAbsmax, names.nestedAbsmax),
                                      std::pair(&parts.nestedMap, names.nestedMap)}) {
        if (!index) {
            continue;
        }
        auto opened = Part::open(source, *index);
        if (!opened) {
            return fail(opened.error());
        }
        *part = std::move(*opened);
    }
    for (const auto& [part, values] :
         {std::pair(&parts.map, &map), std::pair(&parts.nestedMap, &nestedMap)}) {
        if (part->there()) {
            auto read = readMap(*part);
            if (!read) {
                return fail(read.error());
            }
            *values = std::move(*read);
        }
    }
    return std::make_shared<const FlatMatrix>(
        state, std::move(parts), std::move(map), std::move(nestedMap));
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const std::string_view name = stored[index].name;
    std::string weight(name);
    if (const auto stem = stemOf(name, ".absmax"); stem && !stored.find(*stem)) {
        weight = *stem;
    } else if (!stored.find(weight, ".absmax") &&
               !stored.find(weight, ".quant_state.bitsandbytes__nf4") &&
               !stored.find(weight, ".quant_state.bitsandbytes__fp4")) {
        return std::nullopt;
    }
    const auto nf4 = stored.find(weight, ".quant_state.bitsandbytes__nf4");
    const Names names{stored.find(weight),
                      stored.find(weight, ".absmax"),
                      stored.find(weight, ".quant_map"),
                      nf4 ? nf4 : stored.find(weight, ".quant_state.bitsandbytes__fp4"),
                      stored.find(weight, ".nested_absmax"),
                      stored.find(weight, ".nested_quant_map")};
    Found found;
    found.name = weight;
    found.quantization = nf4 || !names.state ? "bnb-nf4" : "bnb-fp4";
    found.dtype = nf4 || !names.state ? "nf4" : "fp4_bnb";
    for (const auto& part :
         {names.codes, names.absmax, names.map, names.state, names.nestedAbsmax, names.nestedMap}) {
        if (part) {
            found.parts.push_back(*part);
        }
    }
    for (const auto& [part, what] :
         {std::pair(names.codes, ""), std::pair(names.state, ".quant_state.bitsandbytes__nf4")}) {
        if (!part) {
            return refused(std::move(found),
                           ErrorCode::Damaged,
                           "expected the part " + weight + what + ", found none",
                           stored);
        }
    }
    const auto bytes = stored.smallBytes(*names.state);
    if (!bytes) {
        return refused(std::move(found), bytes.error().code, bytes.error().what, stored);
    }
    const auto state = parseState(*bytes);
    if (!state) {
        return refused(std::move(found), state.error().code, state.error().what, stored);
    }
    found.quantization = "bnb-" + state->type;
    found.dtype = state->type == "nf4" ? "nf4" : "fp4_bnb";
    if (!stored.config().algorithm.empty() && stored.config().method == "bitsandbytes" &&
        stored.config().algorithm != state->type) {
        found.doubts.push_back(stored.config().origin + " says " + stored.config().algorithm +
                               ", quant_state says " + state->type);
    }
    if (Result<void> sound = checkParts(stored, names, *state); !sound) {
        return refused(std::move(found), sound.error().code, sound.error().what, stored);
    }
    found.shape = state->shape;
    found.groupRows = 1;
    found.groupCols = state->blockSize;
    found.symmetric = true;
    found.actOrder = false;
    found.rows = rowsOf(state->shape);
    found.open = [names, state = *state](const TensorSource& source) {
        return open(source, names, state);
    };
    return found;
}

}  // namespace

const PackedScheme kPacked_bnb_4bit{
    "bnb_4bit", "bitsandbytes functional.py QuantState, dequantize_4bit; csrc/kernels.cu", &match};

}  // namespace loupe::packed

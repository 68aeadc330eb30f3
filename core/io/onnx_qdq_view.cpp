// SPDX-License-Identifier: Apache-2.0
// The microscope's view of a weight behind DequantizeLinear: its code, scale and zero point where
// they lie in the model's file or beside it.
#include "core/base/text.hpp"
#include "core/formats/codec.hpp"
#include "core/io/onnx_qdq.hpp"
#include "core/io/packed/view.hpp"

#include <algorithm>
#include <map>

namespace loupe {

namespace {

using packed::ViewBuilder;

/// Bits [low, low + bits) of a varint of `bytes` bytes, seven in each; what it leaves out is zero.
std::vector<BitRun> varintBits(std::int64_t base, std::int64_t bytes, int low, int bits) {
    std::vector<BitRun> runs;
    for (std::int64_t b = 0; b < bytes; ++b) {
        const int begin = std::max(static_cast<int>(b) * 7, low);
        const int end = std::min(static_cast<int>(b) * 7 + 7, low + bits);
        if (begin < end) {
            runs.push_back({base + b, begin - static_cast<int>(b) * 7, end - begin, begin - low});
        }
    }
    return runs;
}

/// Puts elements of stored tensors into a view.
class Elements {
public:
    Elements(const OnnxStore& store, std::span<const TensorInfo> stored, ViewBuilder& builder)
        : store_(store), stored_(stored), builder_(builder) {}

    /// The bits of these elements, which must not fall.
    Result<std::vector<std::vector<BitRun>>> add(std::size_t tensor,
                                                 const std::vector<std::int64_t>& elements) {
        const OnnxTensor& info = store_.model.tensors[tensor];
        return info.data == OnnxData::Typed ? addTyped(tensor, elements) : addRaw(tensor, elements);
    }

private:
    Result<std::int64_t> copy(std::size_t tensor, std::uint64_t begin, std::uint64_t end) {
        const OnnxStore::Place& place = store_.places[tensor];
        const MappedFile& file = *store_.files[place.file];
        if (begin > end || end > file.size()) {
            return fail(ErrorCode::Damaged,
                        "tensor \"" + stored_[tensor].name + "\": expected bytes up to " +
                            std::to_string(end) + ", found the end of the file",
                        filePosition(file.path(), file.size()));
        }
        std::vector<std::byte> bytes(static_cast<std::size_t>(end - begin));
        if (Result<void> same = file.checkUnchanged(); !same) {
            return fail(same.error());
        }
        if (Result<void> read = file.read(begin, bytes); !read) {
            return fail(read.error());
        }
        return builder_.addBytes(stored_[tensor].name, static_cast<int>(place.file), begin, bytes);
    }

    Result<std::vector<std::vector<BitRun>>> addRaw(std::size_t tensor,
                                                    const std::vector<std::int64_t>& elements) {
        const std::int64_t bits = store_.model.tensors[tensor].type->bits;
        std::vector<std::vector<BitRun>> runs;
        for (const std::int64_t element : elements) {
            const std::int64_t first = element * bits;
            const std::int64_t end = (first + bits + 7) / 8;
            const std::uint64_t begin = store_.places[tensor].begin;
            const auto at = copy(tensor,
                                 begin + static_cast<std::uint64_t>(first / 8),
                                 begin + static_cast<std::uint64_t>(end));
            if (!at) {
                return fail(at.error());
            }
            runs.push_back(packed::bitsAt(*at, first % 8, static_cast<int>(bits)));
        }
        return runs;
    }

    Result<std::vector<std::vector<BitRun>>> addTyped(std::size_t tensor,
                                                      const std::vector<std::int64_t>& elements) {
        const OnnxTensor& info = store_.model.tensors[tensor];
        const int bits = info.type->bits;
        std::vector<std::uint64_t> numbers;
        for (const std::int64_t element : elements) {
            numbers.push_back(static_cast<std::uint64_t>(bits < 8 ? element * bits / 8 : element));
        }
        ProtoFile file(store_.files[store_.places[tensor].file]);
        const auto places = locateOnnxTyped(file, info, numbers);
        if (!places) {
            return fail(places.error());
        }
        std::vector<std::vector<BitRun>> runs;
        for (std::size_t i = 0; i < elements.size(); ++i) {
            const OnnxNumberPlace& place = (*places)[i];
            const auto at = copy(tensor, place.begin, place.end);
            if (!at) {
                return fail(at.error());
            }
            const int low = bits < 8 ? static_cast<int>(elements[i] * bits % 8) : 0;
            runs.push_back(
                onnxIsVarint(info)
                    ? varintBits(*at, static_cast<std::int64_t>(place.end - place.begin), low, bits)
                    : packed::bitsAt(*at, 0, bits));
        }
        return runs;
    }

    const OnnxStore& store_;
    std::span<const TensorInfo> stored_;
    ViewBuilder& builder_;
};

packed::Recipe recipeOf(const OnnxStore& store, const OnnxDequantize& made) {
    const auto& tensors = store.model.tensors;
    const StorageType& scale = *tensors[made.scale].type;
    packed::Recipe recipe;
    recipe.meanings.push_back(
        {"q", BlockRole::Codes, packed::valueOfType(*tensors[made.codes].type)});
    recipe.meanings.push_back({"scale", BlockRole::Scale, packed::valueOfType(scale)});
    const bool zero = made.zero.has_value();
    if (zero) {
        recipe.meanings.push_back(
            {"zero", BlockRole::ZeroPoint, packed::valueOfType(*tensors[*made.zero].type)});
    }
    const NumberFormat* rounded = scale.id == "fp32" ? nullptr : scale.format;
    const std::string name = rounded == nullptr ? std::string() : std::string(scale.id);
    const auto text =
        [zero, name](const std::string& q, const std::string& factor, const std::string& point) {
            const std::string product = (zero ? "(" + q + " − " + point + ")" : q) + " · " + factor;
            return name.empty() ? product : name + "(" + product + ")";
        };
    recipe.formula = text("q", "scale", "zero");
    recipe.value = [zero, rounded](std::span<const double> v) {
        const float shifted = static_cast<float>(v[0]) - (zero ? static_cast<float>(v[2]) : 0.0F);
        const auto product = static_cast<double>(shifted * static_cast<float>(v[1]));
        if (rounded == nullptr) {
            return product;
        }
        const auto code = encode(*rounded, product);
        return code ? decode(*rounded, *code) : product;
    };
    recipe.equation = [zero, text](std::span<const double> v) {
        const auto number = [&v](std::size_t i) { return shortest(static_cast<float>(v[i])); };
        return text(number(0), number(1), zero ? number(2) : std::string());
    };
    return recipe;
}

}  // namespace

Result<BlockView> dequantizedBlock(const TensorInfo& tensor,
                                   const OnnxStore& store,
                                   std::span<const TensorInfo> stored,
                                   const OnnxDequantize& made,
                                   std::int64_t row,
                                   std::int64_t col) {
    const std::string path = store.files.front()->path().string();
    if (tensor.problem) {
        return fail(*tensor.problem);
    }
    if (row < 0 || col < 0 || row >= tensor.rows || col >= tensor.cols) {
        return fail(ErrorCode::Invalid,
                    "expected a cell of " + std::to_string(tensor.rows) + " rows and " +
                        std::to_string(tensor.cols) + " columns, found row " + std::to_string(row) +
                        ", column " + std::to_string(col),
                    path);
    }
    OnnxScaleMap map;
    static_cast<void>(
        mapOnnxScales(store.model.tensors[made.codes], store.model.tensors[made.scale], made, map));
    const std::int64_t at = map(storedElementOf(tensor, row, col));
    ViewBuilder builder;
    Elements elements(store, stored, builder);
    const auto scale = elements.add(made.scale, {at});
    if (!scale) {
        return fail(scale.error());
    }
    builder.field("scale", "scale of these weights", BlockRole::Scale);
    std::vector<packed::Figure> shared{{scale->front(), 1}};
    if (made.zero) {
        const auto zero = elements.add(*made.zero, {at});
        if (!zero) {
            return fail(zero.error());
        }
        builder.field("zero point", "the code that means zero", BlockRole::ZeroPoint);
        shared.push_back({zero->front(), 2});
    }
    // Of the row's window those that have this scale, in the order in which they are stored.
    std::map<std::int64_t, std::int64_t> columns;
    const std::int64_t from = col / packed::kMostCells * packed::kMostCells;
    for (std::int64_t c = from; c < std::min(from + packed::kMostCells, tensor.cols); ++c) {
        const std::int64_t element = storedElementOf(tensor, row, c);
        if (map(element) == at) {
            columns.emplace(element, c);
        }
    }
    std::vector<std::int64_t> wanted;
    for (const auto& [element, column] : columns) {
        wanted.push_back(element);
    }
    auto codes = elements.add(made.codes, wanted);
    if (!codes) {
        return fail(codes.error());
    }
    builder.field("codes", "codes of the weights", BlockRole::Codes);
    std::size_t next = 0;
    for (const auto& [element, column] : columns) {
        std::vector<packed::Figure> figures{{std::move((*codes)[next++]), 0}};
        figures.insert(figures.end(), shared.begin(), shared.end());
        builder.cell(row, column, std::move(figures));
    }
    BlockView view = builder.finish("qdq",
                                    "DequantizeLinear, row " + std::to_string(row) + ", " +
                                        std::to_string(columns.size()) + " weights of one scale",
                                    "ONNX operators, DequantizeLinear",
                                    recipeOf(store, made),
                                    row,
                                    col);
    view.bitsPerWeight = tensor.packed != nullptr ? tensor.packed->bitsPerWeight : 0;
    return view;
}

}  // namespace loupe

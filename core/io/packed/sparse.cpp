// SPDX-License-Identifier: Apache-2.0
// compressed-tensors' sparse forms (until 0.13): `compressed` holds the kept values, `bitmask` a
// bit for every weight, the first column's lowest (sparse-bitmask; sparse-24-bitmask keeps two of
// every four). Where the kept values are codes of FP8 or INT8, weight_scale multiplies them, one
// rounding to its dtype. What is not kept is 0.
#include "core/base/text.hpp"
#include "core/io/layout.hpp"
#include "core/io/packed/packed.hpp"
#include "core/io/packed/view.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace loupe::packed {

extern const PackedScheme kPacked_sparse;

namespace {

struct Names {
    std::optional<std::size_t> values, mask, shape, offsets, scale;
};

struct SparseLayout {
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t maskBytes = 0;  ///< of a row
    std::int64_t scaleCols = 1;
    std::int64_t blockRows = 1;  ///< rows and columns that share a scale
    std::int64_t blockCols = 1;
    Result16 result = Result16::Fp32;
};

struct SparseParts {
    Part values, mask, scale;
};

class SparseMatrix final : public PackedMatrix {
public:
    SparseMatrix(SparseLayout layout, SparseParts parts, std::vector<std::int64_t> begins)
        : PackedMatrix(layout.rows, layout.cols),
          layout_(layout),
          parts_(std::move(parts)),
          begins_(std::move(begins)) {}

    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        const auto values = parts_.values.data();
        const auto mask = parts_.mask.data();
        if (!values || !mask) {
            return fail(!values ? values.error() : mask.error());
        }
        std::vector<float> kept;
        for (std::int64_t row = first; row < first + count; ++row) {
            const std::int64_t begin = begins_[static_cast<std::size_t>(row)];
            const std::int64_t n = begins_[static_cast<std::size_t>(row + 1)] - begin;
            kept.resize(static_cast<std::size_t>(n));
            parts_.values.decode(*values, begin, n, kept.data());
            float* to = out + (row - first) * cols();
            std::size_t next = 0;
            for (std::int64_t c = 0; c < cols(); ++c) {
                // A mask that was changed meanwhile names no more values than the row has.
                to[c] = isKept(*mask, row, c) && next < kept.size() ? kept[next++] : 0.0F;
            }
            if (parts_.scale.there()) {
                if (Result<void> done = scaleRow(row, to); !done) {
                    return done;
                }
            }
        }
        return {};
    }

    [[nodiscard]] Result<BlockView> block(std::int64_t row, std::int64_t col) const override;

private:
    [[nodiscard]] bool isKept(std::span<const std::byte> mask,
                              std::int64_t row,
                              std::int64_t col) const {
        const auto at = static_cast<std::size_t>(row * layout_.maskBytes + col / 8);
        return ((std::to_integer<unsigned>(mask[at]) >> static_cast<unsigned>(col % 8)) & 1U) != 0;
    }
    [[nodiscard]] std::int64_t scaleAt(std::int64_t row, std::int64_t col) const {
        return row / layout_.blockRows * layout_.scaleCols + col / layout_.blockCols;
    }
    [[nodiscard]] Result<void> scaleRow(std::int64_t row, float* values) const {
        const auto scales = parts_.scale.data();
        if (!scales) {
            return fail(scales.error());
        }
        for (std::int64_t begin = 0; begin < cols(); begin += layout_.blockCols) {
            float scale = 0;
            parts_.scale.decode(*scales, scaleAt(row, begin), 1, &scale);
            const std::int64_t end = std::min(begin + layout_.blockCols, cols());
            for (std::int64_t c = begin; c < end; ++c) {
                values[c] = roundTo(layout_.result, values[c] * scale);
            }
        }
        return {};
    }
    [[nodiscard]] Recipe recipe() const;

    SparseLayout layout_;
    SparseParts parts_;
    std::vector<std::int64_t> begins_;  ///< of the rows' values, and the end
};

/// Figures: the mask's bit; of a kept weight its value and, if any, its scale.
Recipe SparseMatrix::recipe() const {
    Recipe made;
    const bool scaled = parts_.scale.there();
    made.meanings.push_back(
        {"kept", BlockRole::Grid, [](std::uint64_t bit) { return static_cast<double>(bit); }});
    made.meanings.push_back({"value", BlockRole::Codes, valueOfType(parts_.values.type())});
    if (scaled) {
        made.meanings.push_back({"scale", BlockRole::Scale, valueOfType(parts_.scale.type())});
    }
    const Result16 result = layout_.result;
    const std::string rounded =
        result == Result16::Fp32 ? std::string() : std::string(nameOf(result));
    made.formula = scaled ? rounded + "(value · scale) where kept, else 0"
                          : std::string("value where kept, else 0");
    made.value = [scaled, result](std::span<const double> v) {
        if (v[0] == 0) {
            return 0.0;
        }
        if (v.size() < 2) {
            return std::numeric_limits<double>::quiet_NaN();  // kept by a flipped bit: no value
        }
        return scaled ? static_cast<double>(
                            roundTo(result, static_cast<float>(v[1]) * static_cast<float>(v[2])))
                      : v[1];
    };
    made.equation = [scaled, rounded](std::span<const double> v) {
        if (v[0] == 0) {
            return std::string("0, not kept");
        }
        if (v.size() < 2) {
            return std::string("kept, but no value is stored");
        }
        const std::string value = shortest(static_cast<float>(v[1]));
        return scaled ? rounded + "(" + value + " · " + shortest(static_cast<float>(v[2])) + ")"
                      : value;
    };
    return made;
}

Result<BlockView> SparseMatrix::block(std::int64_t row, std::int64_t col) const {
    constexpr std::int64_t kShown = 64;
    const auto mask = parts_.mask.data();
    if (!mask) {
        return fail(mask.error());
    }
    ViewBuilder builder;
    std::int64_t from = col / kShown * kShown;
    std::int64_t to = std::min(from + kShown, cols());
    std::vector<Figure> scale;
    if (parts_.scale.there()) {
        // Weights of one scale only.
        const std::int64_t group = col / layout_.blockCols * layout_.blockCols;
        from = std::max(from, group);
        to = std::min(to, group + layout_.blockCols);
        const std::int64_t width = parts_.scale.type().bits / 8;
        const auto at = builder.add(parts_.scale, scaleAt(row, col) * width, width);
        if (!at) {
            return fail(at.error());
        }
        builder.field("weight_scale", "scale of these weights", BlockRole::Scale);
        scale.push_back({bitsAt(*at, 0, static_cast<int>(width * 8)), 2});
    }
    const std::int64_t firstByte = from / 8;
    const auto bits =
        builder.add(parts_.mask, row * layout_.maskBytes + firstByte, (to + 7) / 8 - firstByte);
    if (!bits) {
        return fail(bits.error());
    }
    builder.field("bitmask", "a bit for every weight: is it kept?", BlockRole::Grid);
    std::int64_t next = begins_[static_cast<std::size_t>(row)];
    for (std::int64_t c = 0; c < from; ++c) {
        next += isKept(*mask, row, c) ? 1 : 0;
    }
    const std::int64_t width = parts_.values.type().bits / 8;
    for (std::int64_t c = from; c < to; ++c) {
        std::vector<Figure> figures{
            {{{*bits + c / 8 - firstByte, static_cast<int>(c % 8), 1, 0}}, 0}};
        if (isKept(*mask, row, c) && next < begins_[static_cast<std::size_t>(row + 1)]) {
            const auto at = builder.add(parts_.values, next++ * width, width);
            if (!at) {
                return fail(at.error());
            }
            figures.push_back({bitsAt(*at, 0, static_cast<int>(width * 8)), 1});
            figures.insert(figures.end(), scale.begin(), scale.end());
        }
        builder.cell(row, c, std::move(figures));
    }
    builder.field("compressed", "values of the kept weights", BlockRole::Codes);
    return builder.finish("sparse-bitmask",
                          "compressed-tensors sparse bitmask, row " + std::to_string(row) + ", " +
                              std::to_string(to - from) + " weights from column " +
                              std::to_string(from),
                          std::string(kPacked_sparse.source),
                          recipe(),
                          row,
                          col);
}

auto wrong(std::string what) {
    return fail(ErrorCode::Damaged, std::move(what));
}

/// The numbers of `shape`.
Result<std::vector<std::int64_t>> shapeOf(const StoredTensors& stored, std::size_t index) {
    constexpr std::uint64_t kMostDimensions = 8;
    const TensorInfo& tensor = stored[index];
    if (tensor.type == nullptr || tensor.type->id != "int64" || tensor.parameters < 1 ||
        tensor.parameters > kMostDimensions) {
        return wrong("expected up to 8 int64 in shape, found " + tensor.dtypeName + " " +
                     shapeText(tensor.shape));
    }
    const auto bytes = stored.smallBytes(index);
    if (!bytes) {
        return fail(bytes.error());
    }
    std::vector<std::int64_t> shape(bytes->size() / sizeof(std::int64_t));
    std::memcpy(shape.data(), bytes->data(), shape.size() * sizeof(std::int64_t));
    for (const std::int64_t size : shape) {
        if (size <= 0 || size > kMostSide) {
            return wrong("expected sides of a tensor in shape, found " + shapeText(shape));
        }
    }
    return shape;
}

Result<void> layScale(const StoredTensors& stored, const Names& names, SparseLayout& layout) {
    const TensorInfo* scale = stored.info(names.scale);
    if (scale == nullptr) {
        return {};
    }
    if (scale->type == nullptr ||
        (scale->type->id != "fp16" && scale->type->id != "bf16" && scale->type->id != "fp32")) {
        return fail(ErrorCode::Unsupported,
                    "expected weight_scale of fp16, bf16 or fp32, found " + scale->dtypeName);
    }
    layout.result = resultOf(scale->type->id);
    const std::vector<std::int64_t>& shape = scale->shape;
    layout.blockCols = layout.cols;
    if (scale->parameters == 1) {
        layout.blockRows = layout.rows;
        return {};
    }
    const std::int64_t groups = shape.size() == 2 ? shape[1] : 1;
    if (shape.empty() || shape.size() > 2 || shape[0] != layout.rows || groups <= 0 ||
        layout.cols % groups != 0) {
        return wrong("expected weight_scale [" + std::to_string(layout.rows) + ", groups], found " +
                     shapeText(shape));
    }
    layout.scaleCols = groups;
    layout.blockCols = layout.cols / groups;
    return {};
}

Result<SparseLayout> describe(const StoredTensors& stored, const Names& names, Found& found) {
    const TensorInfo& values = stored[*names.values];
    const TensorInfo& mask = stored[*names.mask];
    if (values.type == nullptr || values.type->bits % 8 != 0 || values.type->bits > 32) {
        return fail(ErrorCode::Unsupported,
                    "expected kept values of at most 32 bits, found " + values.dtypeName);
    }
    auto shape = shapeOf(stored, *names.shape);
    if (!shape) {
        return fail(shape.error());
    }
    const auto count = elementCount(*shape);
    SparseLayout layout;
    layout.cols = shape->back();
    layout.maskBytes = ceilDiv(layout.cols, 8);
    layout.rows = count ? static_cast<std::int64_t>(*count) / layout.cols : 0;
    if (!count || layout.rows > kMostSide || mask.type == nullptr || mask.type->bits != 8 ||
        mask.parameters != static_cast<std::uint64_t>(layout.rows * layout.maskBytes)) {
        return wrong("expected a bitmask of one bit for each of " + shapeText(*shape) +
                     " in whole bytes, found " + mask.dtypeName + " " + shapeText(mask.shape));
    }
    if (values.parameters > *count) {
        return wrong("expected at most " + std::to_string(*count) + " kept values, found " +
                     std::to_string(values.parameters));
    }
    if (Result<void> laid = layScale(stored, names, layout); !laid) {
        return fail(laid.error());
    }
    found.shape = std::move(*shape);
    if (names.scale) {
        found.groupRows = layout.blockRows;
        found.groupCols = layout.blockCols;
        found.symmetric = true;
        found.actOrder = false;
    }
    return layout;
}

/// Where each row's values begin: as many as the mask says, and as row_offsets says.
Result<std::vector<std::int64_t>> beginsOf(const SparseLayout& layout,
                                           const SparseParts& parts,
                                           const Part& offsets) {
    const auto mask = parts.mask.data();
    if (!mask) {
        return fail(mask.error());
    }
    std::vector<std::int64_t> begins(static_cast<std::size_t>(layout.rows) + 1);
    const auto rest = static_cast<unsigned>(layout.cols % 8);
    for (std::int64_t row = 0; row < layout.rows; ++row) {
        std::int64_t kept = 0;
        for (std::int64_t b = 0; b < layout.maskBytes; ++b) {
            auto bits = std::to_integer<unsigned>(
                (*mask)[static_cast<std::size_t>(row * layout.maskBytes + b)]);
            if (b + 1 == layout.maskBytes && rest != 0) {
                bits &= (1U << rest) - 1;
            }
            kept += std::popcount(bits);
        }
        begins[static_cast<std::size_t>(row + 1)] = begins[static_cast<std::size_t>(row)] + kept;
    }
    if (begins.back() != parts.values.elements()) {
        return wrong("tensor \"" + parts.values.info().name + "\": expected " +
                     std::to_string(begins.back()) + " kept values, as the bitmask says, found " +
                     std::to_string(parts.values.elements()));
    }
    if (offsets.there()) {
        const auto data = offsets.data();
        if (!data) {
            return fail(data.error());
        }
        for (std::int64_t row = 0; row < layout.rows; ++row) {
            const auto said = static_cast<std::int64_t>(elementCode(offsets.type(), *data, row));
            if (said != begins[static_cast<std::size_t>(row)]) {
                return wrong("tensor \"" + offsets.info().name + "\": expected " +
                             std::to_string(begins[static_cast<std::size_t>(row)]) + " for row " +
                             std::to_string(row) + ", as the bitmask says, found " +
                             std::to_string(said));
            }
        }
    }
    return begins;
}

Result<std::shared_ptr<const PackedMatrix>> open(const TensorSource& source,
                                                 const Names& names,
                                                 const SparseLayout& layout) {
    SparseParts parts;
    Part offsets;
    for (const auto& [part, index] : {std::pair(&parts.values, names.values),
                                      std::pair(&parts.mask, names.mask),
                                      std::pair(&parts.scale, names.scale),
                                      std::pair(&offsets, names.offsets)}) {
        if (!index) {
            continue;
        }
        auto opened = Part::open(source, *index);
        if (!opened) {
            return fail(opened.error());
        }
        *part = std::move(*opened);
    }
    // Of more than two dimensions row_offsets counts along the first one only, and is not needed.
    const bool perRow =
        offsets.there() && offsets.elements() == layout.rows && offsets.type().id == "int64";
    auto begins = beginsOf(layout, parts, perRow ? offsets : Part());
    if (!begins) {
        return fail(begins.error());
    }
    return std::make_shared<const SparseMatrix>(layout, std::move(parts), std::move(*begins));
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const std::string_view name = stored[index].name;
    auto stem = stemOf(name, ".compressed");
    if (!stem) {
        stem = stemOf(name, ".bitmask");
        if (!stem || stored.find(*stem, ".compressed")) {
            return std::nullopt;
        }
    }
    const std::string_view module = stemOf(*stem, ".weight").value_or(*stem);
    const Names names{stored.find(*stem, ".compressed"),
                      stored.find(*stem, ".bitmask"),
                      stored.find(*stem, ".shape"),
                      stored.find(*stem, ".row_offsets"),
                      stored.find(module, ".weight_scale")};
    if (!names.shape && !(names.values && names.mask)) {
        return std::nullopt;  // some other tensor of that name
    }
    Found found;
    found.name = std::string(module) + ".weight";
    found.quantization = "compressed-tensors";
    for (const auto& part : {names.values, names.mask, names.shape, names.offsets, names.scale}) {
        if (part) {
            found.parts.push_back(*part);
        }
    }
    found.dtype = stored[found.parts.front()].dtypeName;
    for (const auto& [part, suffix] : {std::pair(names.values, ".compressed"),
                                       std::pair(names.mask, ".bitmask"),
                                       std::pair(names.shape, ".shape")}) {
        if (!part) {
            return refused(std::move(found),
                           ErrorCode::Damaged,
                           "expected the part " + std::string(*stem) + suffix + ", found none",
                           stored);
        }
    }
    if (const auto zero = stored.find(module, ".weight_zero_point")) {
        found.parts.push_back(*zero);
        return refused(std::move(found),
                       ErrorCode::Unsupported,
                       "its kept values have zero points, which is not read here",
                       stored);
    }
    const auto layout = describe(stored, names, found);
    if (!layout) {
        return refused(std::move(found), layout.error().code, layout.error().what, stored);
    }
    found.open = [names, layout = *layout](const TensorSource& source) {
        return open(source, names, layout);
    };
    return found;
}

}  // namespace

const PackedScheme kPacked_sparse{
    "sparse",
    "compressed-tensors 0.11 sparse_compressors/sparse_bitmask.py, sparse_24_bitmask.py",
    &match};

}  // namespace loupe::packed

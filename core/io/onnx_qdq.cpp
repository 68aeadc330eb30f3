// SPDX-License-Identifier: Apache-2.0
// DequantizeLinear over stored tensors: per tensor, per axis, and in blocks (opset 10 to 23).
#include "core/io/onnx_qdq.hpp"

#include "core/formats/codec.hpp"
#include "core/io/layout.hpp"

#include <algorithm>

namespace loupe {

namespace {

std::int64_t productOf(const std::vector<std::int64_t>& dims) {
    return static_cast<std::int64_t>(elementCount(dims).value_or(0));
}

/// Weights that share a scale, as the matrix [out, in] has them: where that is a rectangle.
void noteGroups(const OnnxScaleMap& map,
                const std::vector<std::int64_t>& dims,
                PackedInfo& packed) {
    const std::int64_t count = productOf(dims);
    const std::int64_t rows = dims.size() > 1 ? dims[0] : 1;
    const std::int64_t cols = rows > 0 ? count / rows : 0;
    if (map.single) {
        packed.groupRows = rows;
        packed.groupCols = cols;
    } else if (dims.size() <= 2 && map.inner == 1) {  // along the columns
        packed.groupRows = map.block > 0 ? 1 : rows;
        packed.groupCols = map.block > 0 ? map.block : 1;
    } else if (map.inner == cols) {  // along the rows
        packed.groupRows = map.block > 0 ? map.block : 1;
        packed.groupCols = map.block > 0 ? 1 : cols;
    }
}

Result<std::vector<float>> valuesOf(const OnnxStore& store, std::size_t index) {
    TensorInfo tensor = store.info(index);
    tensor.rows = 1;
    tensor.cols = static_cast<std::int64_t>(tensor.parameters);
    const auto rows = store.rows(tensor, index);
    if (!rows) {
        return fail(rows.error());
    }
    std::vector<float> values(tensor.parameters);
    if (Result<void> read = (*rows)->read(0, 1, values.data()); !read) {
        return fail(read.error());
    }
    return values;
}

class DequantizedRows final : public RowSource {
public:
    DequantizedRows(std::shared_ptr<const RowSource> codes,
                    const TensorInfo& tensor,
                    OnnxScaleMap map,
                    std::vector<float> scales,
                    std::vector<float> zeros,
                    const NumberFormat* rounded)
        : codes_(std::move(codes)),
          tensor_(tensor),
          map_(map),
          scales_(std::move(scales)),
          zeros_(std::move(zeros)),
          rounded_(rounded) {}

    [[nodiscard]] std::int64_t rows() const override { return codes_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return codes_->cols(); }
    [[nodiscard]] bool isDouble() const override { return false; }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        if (Result<void> read = codes_->read(first, count, out); !read) {
            return read;
        }
        for (std::int64_t row = first; row < first + count; ++row) {
            for (std::int64_t col = 0; col < cols(); ++col) {
                float& value = out[(row - first) * cols() + col];
                const auto at = static_cast<std::size_t>(map_(storedElementOf(tensor_, row, col)));
                value = (value - (zeros_.empty() ? 0.0F : zeros_[at])) * scales_[at];
            }
        }
        if (rounded_ != nullptr) {
            for (std::int64_t i = 0; i < count * cols(); ++i) {
                const auto code = encode(*rounded_, static_cast<double>(out[i]));
                if (!code) {
                    return fail(code.error());
                }
                out[i] = static_cast<float>(decode(*rounded_, *code));
            }
        }
        return {};
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        std::vector<float> row(static_cast<std::size_t>(cols()));
        for (std::int64_t r = first; r < first + count; ++r) {
            if (Result<void> done = read(r, 1, row.data()); !done) {
                return done;
            }
            std::copy(row.begin(), row.end(), out + (r - first) * cols());
        }
        return {};
    }
    void release(std::int64_t first, std::int64_t count) const override {
        codes_->release(first, count);
    }

private:
    std::shared_ptr<const RowSource> codes_;
    TensorInfo tensor_;
    OnnxScaleMap map_;
    std::vector<float> scales_;
    std::vector<float> zeros_;
    const NumberFormat* rounded_;
};

}  // namespace

std::string mapOnnxScales(const OnnxTensor& codes,
                          const OnnxTensor& scale,
                          const OnnxDequantize& made,
                          OnnxScaleMap& map) {
    const auto rank = static_cast<std::int64_t>(codes.dims.size());
    if (productOf(scale.dims) == 1 && made.block == 0) {
        return {};
    }
    const std::int64_t axis = made.axis < 0 ? made.axis + rank : made.axis;
    if (axis < 0 || axis >= rank) {
        return "expected an axis of " + std::to_string(rank) + " dimensions, found " +
               std::to_string(made.axis);
    }
    map.single = false;
    map.size = codes.dims[static_cast<std::size_t>(axis)];
    map.inner = productOf({codes.dims.begin() + axis + 1, codes.dims.end()});
    if (made.block == 0) {
        return scale.dims == std::vector<std::int64_t>{map.size}
                   ? std::string()
                   : "expected " + std::to_string(map.size) + " scales along the axis, found " +
                         std::to_string(productOf(scale.dims));
    }
    map.block = made.block;
    if (made.block < 0) {
        return "expected a block of some elements, found " + std::to_string(made.block);
    }
    map.blocks = map.size / map.block + (map.size % map.block != 0 ? 1 : 0);
    std::vector<std::int64_t> expected = codes.dims;
    expected[static_cast<std::size_t>(axis)] = map.blocks;
    return scale.dims == expected
               ? std::string()
               : "expected one scale for each block of " + std::to_string(map.block) + ", found " +
                     std::to_string(productOf(scale.dims)) + " of another shape";
}

std::int64_t storedElementOf(const TensorInfo& tensor, std::int64_t row, std::int64_t col) {
    if (!tensor.transposed) {
        return row * tensor.cols + col;
    }
    const std::int64_t inBatch = tensor.shape.size() == 3 ? tensor.shape[2] : tensor.rows;
    return (row / inBatch * tensor.cols + col) * inBatch + row % inBatch;
}

std::string doubtDequantize(const OnnxStore& store, const OnnxDequantize& made) {
    const auto& tensors = store.model.tensors;
    const OnnxTensor& codes = tensors[made.codes];
    const OnnxTensor& scale = tensors[made.scale];
    for (const std::size_t part : {made.codes, made.scale, made.zero.value_or(made.codes)}) {
        if (store.places[part].problem) {
            return store.places[part].problem->message();
        }
    }
    if (codes.type->isComplex() || codes.type->bits > 32 || codes.type->format == nullptr) {
        return "expected codes of at most 32 bits, found " + codes.dtypeName;
    }
    if (scale.type->id != "fp32" && scale.type->id != "fp16" && scale.type->id != "bf16") {
        return "expected scales of fp32, fp16 or bf16, found " + scale.dtypeName;
    }
    OnnxScaleMap map;
    if (const std::string what = mapOnnxScales(codes, scale, made, map); !what.empty()) {
        return what;
    }
    if (made.zero && tensors[*made.zero].dims != scale.dims &&
        productOf(tensors[*made.zero].dims) != productOf(scale.dims)) {
        return "expected as many zero points as scales, found " +
               std::to_string(productOf(tensors[*made.zero].dims));
    }
    return {};
}

TensorInfo dequantizedInfo(const OnnxStore& store,
                           std::span<const TensorInfo> stored,
                           const OnnxDequantize& made) {
    constexpr std::string_view kSuffix = "_quantized";
    TensorInfo tensor = store.info(made.codes);
    const TensorInfo scale = store.info(made.scale);
    auto packed = std::make_shared<PackedInfo>();
    packed->quantization = "qdq";
    packed->parts = {stored[made.codes].name, stored[made.scale].name};
    packed->storedShape = tensor.shape;
    packed->codeBits = tensor.type->bits;
    const OnnxTensor& codes = store.model.tensors[made.codes];
    OnnxScaleMap map;
    static_cast<void>(mapOnnxScales(codes, store.model.tensors[made.scale], made, map));
    noteGroups(map, codes.dims, *packed);
    packed->symmetric = !made.zero;  // stored zero points may all be 0
    packed->actOrder = false;
    const std::uint64_t codeBytes = tensor.bytes;
    tensor.bytes += scale.bytes;
    if (made.zero) {
        const TensorInfo zero = store.info(*made.zero);
        packed->parts.push_back(stored[*made.zero].name);
        tensor.bytes += zero.bytes;
    }
    if (tensor.parameters > 0) {
        packed->bitsPerWeight = packed->codeBits + static_cast<double>(tensor.bytes - codeBytes) *
                                                       8.0 / static_cast<double>(tensor.parameters);
    }
    if (tensor.name.ends_with(kSuffix) && tensor.name.size() > kSuffix.size()) {
        tensor.name.resize(tensor.name.size() - kSuffix.size());
    }
    tensor.type = nullptr;
    tensor.packed = std::move(packed);
    return tensor;
}

Result<std::shared_ptr<const RowSource>> dequantizedRows(const TensorInfo& tensor,
                                                         const OnnxStore& store,
                                                         const OnnxDequantize& made) {
    TensorInfo stored = store.info(made.codes);
    stored.rows = tensor.rows;
    stored.cols = tensor.cols;
    stored.transposed = tensor.transposed;
    auto codes = store.rows(stored, made.codes);
    if (!codes) {
        return fail(codes.error());
    }
    auto scales = valuesOf(store, made.scale);
    if (!scales) {
        return fail(scales.error());
    }
    std::vector<float> zeros;
    if (made.zero) {
        auto values = valuesOf(store, *made.zero);
        if (!values) {
            return fail(values.error());
        }
        zeros = std::move(*values);
    }
    OnnxScaleMap map;
    const OnnxTensor& scale = store.model.tensors[made.scale];
    static_cast<void>(mapOnnxScales(store.model.tensors[made.codes], scale, made, map));
    const NumberFormat* rounded = scale.type->id == "fp32" ? nullptr : scale.type->format;
    return std::make_shared<DequantizedRows>(
        std::move(*codes), tensor, map, std::move(*scales), std::move(zeros), rounded);
}

}  // namespace loupe

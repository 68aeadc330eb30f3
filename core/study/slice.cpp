// SPDX-License-Identifier: Apache-2.0
#include "core/study/slice.hpp"

#include "core/experiment/column_norms.hpp"
#include "core/scheme/trace.hpp"

#include <algorithm>

namespace loupe {

namespace {

/// Rows [row, row + rows) and columns [col, col + cols), read a few rows at a time.
template <class T>
Result<std::shared_ptr<const RowSource>> cut(const RowSource& source,
                                             const Slice& slice,
                                             const JobContext& ctx) {
    constexpr std::int64_t kRowsAtOnce = 16;
    const auto wide = static_cast<std::size_t>(source.cols());
    std::vector<T> block(wide * static_cast<std::size_t>(kRowsAtOnce));
    std::vector<T> values;
    values.reserve(static_cast<std::size_t>(slice.rows * slice.cols));
    for (std::int64_t first = 0; first < slice.rows; first += kRowsAtOnce) {
        ctx.checkpoint();
        const std::int64_t count = std::min(kRowsAtOnce, slice.rows - first);
        if (const Result<void> read = source.read(slice.row + first, count, block.data()); !read) {
            return fail(read.error());
        }
        for (std::int64_t row = 0; row < count; ++row) {
            const T* from = block.data() + row * source.cols() + slice.col;
            values.insert(values.end(), from, from + slice.cols);
        }
    }
    return makeRowSource(slice.rows, slice.cols, std::move(values));
}

Result<std::shared_ptr<const RowSource>> cutAny(const std::shared_ptr<const RowSource>& source,
                                                const Slice& slice,
                                                const JobContext& ctx) {
    if (!source || (slice.row == 0 && slice.col == 0 && slice.rows == source->rows() &&
                    slice.cols == source->cols())) {
        return source;
    }
    return source->isDouble() ? cut<double>(*source, slice, ctx) : cut<float>(*source, slice, ctx);
}

}  // namespace

Slice fitted(Slice slice, std::int64_t rows, std::int64_t cols) {
    slice.cols = std::clamp<std::int64_t>(slice.cols, 1, std::min(cols, kMostTracedWeights));
    slice.rows =
        std::clamp<std::int64_t>(slice.rows, 1, std::min(rows, kMostTracedWeights / slice.cols));
    slice.row = std::clamp<std::int64_t>(slice.row, 0, rows - slice.rows);
    slice.col = std::clamp<std::int64_t>(slice.col, 0, cols - slice.cols);
    return slice;
}

Slice sliceAround(
    std::int64_t row, std::int64_t col, std::int64_t rows, std::int64_t cols, std::int64_t group) {
    if (cols <= kMostTracedWeights && rows <= kMostTracedWeights / cols) {
        return {0, 0, rows, cols};
    }
    Slice slice;
    slice.cols = std::min(slice.cols, cols);
    if (group > slice.cols && group <= std::min(cols, kMostTracedWeights)) {
        slice.cols = group;
    }
    slice.rows = std::min({slice.rows, rows, kMostTracedWeights / slice.cols});
    slice.row = row - slice.rows / 2;
    slice.col = col - slice.cols / 2;
    slice = fitted(slice, rows, cols);
    if (group > 0 && group <= slice.cols) {
        slice.col = std::min(slice.col / group * group, cols - slice.cols);
    }
    return slice;
}

Result<SchemeInput> sliceOf(const SchemeInput& layer, const Slice& slice, const JobContext& ctx) {
    SchemeInput input = layer;
    const Slice fit = fitted(slice, layer.weights->rows(), layer.weights->cols());
    auto weights = cutAny(layer.weights, fit, ctx);
    if (!weights) {
        return fail(weights.error());
    }
    input.weights = *weights;
    auto gradients = cutAny(layer.gradients, fit, ctx);
    if (!gradients) {
        return fail(gradients.error());
    }
    input.gradients = *gradients;
    if (layer.activations) {
        const std::int64_t tokens =
            std::min(layer.activations->rows(),
                     std::max<std::int64_t>(1, kMostTracedActivations / fit.cols));
        // Those that calibrate come first, so that the cut keeps them.
        const CalibratedRows ordered =
            calibrated(layer.activations,
                       {layer.calibrationRows, layer.calibrationChoice, layer.calibrationSeed});
        auto activations = cutAny(ordered.rows, {0, fit.col, tokens, fit.cols}, ctx);
        if (!activations) {
            return fail(activations.error());
        }
        input.activations = *activations;
        if (isColumnNorms(layer.activations.get())) {
            std::vector<double> squares(static_cast<std::size_t>(fit.cols));
            if (Result<void> read = input.activations->read(0, 1, squares.data()); !read) {
                return fail(read.error());
            }
            for (double& norm : squares) {
                norm *= norm;
            }
            input.activations = std::make_shared<ColumnNorms>(squares);
        }
        input.calibrationRows = std::min(layer.calibrationRows, tokens);
        input.calibrationChoice = CalibrationChoice::First;
    }
    return input;
}

Result<SchemeInput> layerOf(const std::string& syntheticPath) {
    const Result<std::shared_ptr<const TensorSource>> source = openSource(syntheticPath);
    if (!source) {
        return fail(source.error());
    }
    SchemeInput input;
    const auto read = [&](std::size_t index, std::shared_ptr<const RowSource>& to) -> Result<void> {
        const Result<std::shared_ptr<const RowSource>> rows = (*source)->matrix(index);
        if (!rows) {
            return fail(rows.error());
        }
        to = *rows;
        return {};
    };
    if (const Result<void> done = read(0, input.weights); !done) {
        return fail(done.error());
    }
    for (const auto& [name, to] :
         {std::pair{"activations", &input.activations}, std::pair{"gradients", &input.gradients}}) {
        if (const std::optional<std::size_t> index = (*source)->find(name)) {
            if (const Result<void> done = read(*index, *to); !done) {
                return fail(done.error());
            }
        }
    }
    return input;
}

}  // namespace loupe

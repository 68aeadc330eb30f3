// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/plane.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

namespace loupe::app {

namespace {

using Rows = std::shared_ptr<const RowSource>;

/// Reads `source` into a buffer of this thread. `which` tells buffers apart that are alive
/// together.
Result<const float*> readScratch(const RowSource& source,
                                 std::int64_t first,
                                 std::int64_t count,
                                 int which) {
    thread_local std::vector<float> buffers[2];
    std::vector<float>& buffer = buffers[which];
    buffer.resize(static_cast<std::size_t>(count * source.cols()));
    if (Result<void> done = source.read(first, count, buffer.data()); !done) {
        return fail(done.error());
    }
    return buffer.data();
}

RowFiller difference(const Rows& minuend, const Rows& subtrahend) {
    return
        [minuend, subtrahend](std::int64_t first, std::int64_t count, float* out) -> Result<void> {
            if (Result<void> done = minuend->read(first, count, out); !done) {
                return done;
            }
            const Result<const float*> other = readScratch(*subtrahend, first, count, 0);
            if (!other) {
                return fail(other.error());
            }
            const std::int64_t size = count * minuend->cols();
            for (std::int64_t i = 0; i < size; ++i) {
                out[i] -= (*other)[i];
            }
            return {};
        };
}

/// |error of B| - |error of A|: positive where A is closer.
RowFiller closer(const Rows& weights, const Rows& a, const Rows& b) {
    return [weights, a, b](std::int64_t first, std::int64_t count, float* out) -> Result<void> {
        if (Result<void> done = b->read(first, count, out); !done) {
            return done;
        }
        const Result<const float*> original = readScratch(*weights, first, count, 0);
        if (!original) {
            return fail(original.error());
        }
        const Result<const float*> other = readScratch(*a, first, count, 1);
        if (!other) {
            return fail(other.error());
        }
        const std::int64_t size = count * weights->cols();
        for (std::int64_t i = 0; i < size; ++i) {
            const float w = (*original)[i];
            out[i] = std::fabs(out[i] - w) - std::fabs((*other)[i] - w);
        }
        return {};
    };
}

RowFiller codes(const std::shared_ptr<const QuantizedMatrix>& quantized) {
    return [quantized](std::int64_t first, std::int64_t count, float* out) -> Result<void> {
        thread_local std::vector<std::int32_t> buffer;
        const std::int64_t size = count * quantized->cols();
        buffer.resize(static_cast<std::size_t>(size));
        if (Result<void> done = quantized->codes(first, count, buffer.data()); !done) {
            return done;
        }
        for (std::int64_t i = 0; i < size; ++i) {
            out[i] = static_cast<float>(buffer[static_cast<std::size_t>(i)]);
        }
        return {};
    };
}

}  // namespace

RowFiller planeFiller(Quantity quantity, const PlaneInputs& inputs) {
    const Rows weights = inputs.weights;
    switch (quantity) {
        case Quantity::Original:
            break;
        case Quantity::Scheme:
            return
                [rows = inputs.a->quantized](std::int64_t first, std::int64_t count, float* out) {
                    return rows->read(first, count, out);
                };
        case Quantity::Error:
            return difference(inputs.a->quantized, weights);
        case Quantity::Codes:
            return codes(inputs.a->quantized);
        case Quantity::Difference:
            return closer(weights, inputs.a->quantized, inputs.b->quantized);
        case Quantity::SchemesDiffer:
            return difference(inputs.a->quantized, inputs.b->quantized);
    }
    return [weights](std::int64_t first, std::int64_t count, float* out) {
        return weights->read(first, count, out);
    };
}

Result<std::shared_ptr<const PlaneData>> buildPlane(Quantity quantity,
                                                    const PlaneInputs& inputs,
                                                    const JobContext& ctx) {
    if (quantity == Quantity::Codes && !inputs.a->quantized->hasCodes()) {
        return fail(ErrorCode::Invalid,
                    "this scheme has no integer codes",
                    {},
                    "Show the weights after the scheme instead");
    }
    auto plane = std::make_shared<PlaneData>();
    plane->quantity = quantity;
    plane->rows = inputs.weights->rows();
    plane->cols = inputs.weights->cols();
    plane->fill = planeFiller(quantity, inputs);
    Result<std::shared_ptr<const Pyramid>> pyramid =
        buildPyramid(plane->rows, plane->cols, plane->fill, ctx);
    if (!pyramid) {
        return fail(pyramid.error());
    }
    plane->pyramid = *pyramid;
    return plane;
}

}  // namespace loupe::app

// SPDX-License-Identifier: Apache-2.0
// `--output`: the quantized tensor with its codes, scales, zero points and mask, streamed through a
// temporary file.
#include "core/experiment/pipeline.hpp"
#include "core/experiment/selection_output.hpp"
#include "core/io/gguf_header.hpp"
#include "core/io/layout.hpp"
#include "core/io/npy_writer.hpp"
#include "core/io/safetensors_writer.hpp"
#include "core/quant/codebook.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <filesystem>

namespace loupe {

namespace {

constexpr std::int64_t kWeightsPerPiece = 1 << 20;

/// Hands rows over as they come.
Result<void> writeRows(const RowSource& rows, const ByteSink& sink, const JobContext& ctx) {
    const std::int64_t step = rowsPerChunk(rows.cols(), kWeightsPerPiece);
    std::vector<float> values;
    for (std::int64_t first = 0; first < rows.rows(); first += step) {
        ctx.checkpoint();
        const std::int64_t count = std::min(step, rows.rows() - first);
        values.resize(static_cast<std::size_t>(count * rows.cols()));
        if (Result<void> done = rows.read(first, count, values.data()); !done) {
            return done;
        }
        rows.release(first, count);
        if (Result<void> done = sink(std::as_bytes(std::span(values))); !done) {
            return done;
        }
    }
    return {};
}

/// Stored [in, out] (a stack: experts of it): columns of the matrix become rows of the file, some
/// columns at a time, so that the transposed tensor is never held as a whole.
Result<void> writeTransposed(const RowSource& rows,
                             std::int64_t stacks,
                             const ByteSink& sink,
                             const JobContext& ctx) {
    constexpr std::int64_t kBlockWeights = std::int64_t{16} << 20;
    const std::int64_t height = rows.rows() / stacks;
    const std::int64_t width = rows.cols();
    const std::int64_t block =
        std::clamp<std::int64_t>(kBlockWeights / std::max<std::int64_t>(height, 1), 1, width);
    const std::int64_t step = rowsPerChunk(width, kWeightsPerPiece);
    std::vector<float> transposed;
    std::vector<float> values;
    for (std::int64_t stack = 0; stack < stacks; ++stack) {
        for (std::int64_t left = 0; left < width; left += block) {
            const std::int64_t columns = std::min(block, width - left);
            transposed.resize(static_cast<std::size_t>(columns * height));
            for (std::int64_t first = 0; first < height; first += step) {
                ctx.checkpoint();
                const std::int64_t count = std::min(step, height - first);
                values.resize(static_cast<std::size_t>(count * width));
                if (Result<void> done = rows.read(stack * height + first, count, values.data());
                    !done) {
                    return done;
                }
                rows.release(stack * height + first, count);
                for (std::int64_t row = 0; row < count; ++row) {
                    for (std::int64_t col = 0; col < columns; ++col) {
                        transposed[static_cast<std::size_t>(col * height + first + row)] =
                            values[static_cast<std::size_t>(row * width + left + col)];
                    }
                }
            }
            if (Result<void> done = sink(std::as_bytes(std::span(transposed))); !done) {
                return done;
            }
        }
    }
    return {};
}

std::int64_t stackCount(const TensorInfo& tensor) {
    return tensor.transposed && tensor.shape.size() == 3
               ? std::max<std::int64_t>(tensor.shape[0], 1)
               : 1;
}

ByteProducer valuesOf(const TensorInfo& tensor,
                      const QuantizedMatrix& matrix,
                      const JobContext& ctx) {
    return [&tensor, &matrix, &ctx](const ByteSink& sink) {
        return tensor.transposed ? writeTransposed(matrix, stackCount(tensor), sink, ctx)
                                 : writeRows(matrix, sink, ctx);
    };
}

/// Codes narrowed to the file's integer type.
template <class Code>
ByteProducer codesOf(const QuantizedMatrix& matrix, const JobContext& ctx) {
    return [&matrix, &ctx](const ByteSink& sink) -> Result<void> {
        const std::int64_t step = rowsPerChunk(matrix.cols(), kWeightsPerPiece);
        std::vector<std::int32_t> codes;
        std::vector<Code> narrow;
        for (std::int64_t first = 0; first < matrix.rows(); first += step) {
            ctx.checkpoint();
            const std::int64_t count = std::min(step, matrix.rows() - first);
            codes.resize(static_cast<std::size_t>(count * matrix.cols()));
            if (Result<void> done = matrix.codes(first, count, codes.data()); !done) {
                return done;
            }
            matrix.release(first, count);
            narrow.resize(codes.size());
            std::transform(codes.begin(), codes.end(), narrow.begin(), [](std::int32_t code) {
                return static_cast<Code>(code);
            });
            if (Result<void> done = sink(std::as_bytes(std::span(narrow))); !done) {
                return done;
            }
        }
        return {};
    };
}

ByteProducer packedOf(const QuantizedMatrix& matrix, const JobContext& ctx) {
    return [&matrix, &ctx](const ByteSink& sink) -> Result<void> {
        const std::int64_t step = rowsPerChunk(matrix.cols(), kWeightsPerPiece);
        std::vector<std::byte> bytes;
        for (std::int64_t first = 0; first < matrix.rows(); first += step) {
            ctx.checkpoint();
            const std::int64_t count = std::min(step, matrix.rows() - first);
            bytes.resize(static_cast<std::size_t>(count * matrix.packedRowBytes()));
            if (Result<void> done = matrix.packed(first, count, bytes.data()); !done) {
                return done;
            }
            if (Result<void> done = sink(bytes); !done) {
                return done;
            }
        }
        return {};
    };
}

ByteProducer maskOf(const QuantizedMatrix& matrix, const JobContext& ctx) {
    return [&matrix, &ctx](const ByteSink& sink) -> Result<void> {
        std::vector<std::uint8_t> mask(static_cast<std::size_t>(matrix.cols()));
        for (std::int64_t row = 0; row < matrix.rows(); ++row) {
            ctx.checkpoint();
            if (Result<void> done = matrix.mask(row, 1, mask.data()); !done) {
                return done;
            }
            if (Result<void> done = sink(std::as_bytes(std::span(mask))); !done) {
                return done;
            }
        }
        return {};
    };
}

template <class T>
ByteProducer gridOf(const ScaleGrid& grid) {
    return [&grid](const ByteSink& sink) {
        std::vector<T> values(grid.values.size());
        std::transform(grid.values.begin(), grid.values.end(), values.begin(), [](double x) {
            return static_cast<T>(x);
        });
        return sink(std::as_bytes(std::span(values)));
    };
}

std::vector<std::int64_t> gridShape(const ScaleGrid& grid) {
    if (grid.flattenedBlock > 0) {
        return {static_cast<std::int64_t>(grid.values.size())};
    }
    return {grid.rows, grid.cols};
}

Result<void> addCodes(const TensorSink& add,
                      const std::string& name,
                      const QuantizedMatrix& matrix,
                      const JobContext& ctx) {
    const std::vector<std::int64_t> shape{matrix.rows(), matrix.cols()};
    const int bits = matrix.codeBits();
    if (bits <= 8) {
        return matrix.codesUnsigned()
                   ? add(name, "uint8", shape, codesOf<std::uint8_t>(matrix, ctx))
                   : add(name, "int8", shape, codesOf<std::int8_t>(matrix, ctx));
    }
    if (bits <= 16 && !matrix.codesUnsigned()) {
        return add(name, "int16", shape, codesOf<std::int16_t>(matrix, ctx));
    }
    return add(name, "int32", shape, codesOf<std::int32_t>(matrix, ctx));
}

/// The k-means table: [k], or [rows, k].
Result<void> addCodebook(const TensorSink& add,
                         const std::string& name,
                         const Matrix<double>& table) {
    std::vector<std::int64_t> shape{table.cols()};
    if (table.rows() > 1) {
        shape.insert(shape.begin(), table.rows());
    }
    const ScaleGrid grid{.values = {table.data(), table.data() + table.size()}};
    return add(
        name, "fp32", shape, [grid](const ByteSink& sink) { return gridOf<float>(grid)(sink); });
}

/// Scales, zero points, and which scale a column has where groups do not lie side by side.
Result<void> addGrids(const TensorSink& add,
                      const std::string& name,
                      const QuantizedMatrix& matrix) {
    Result<void> done;
    const bool inBlocks = matrix.packedLayout() != nullptr;
    const ScaleGrid* scales = matrix.scales();  // of blocks: what they do not hold themselves
    if (scales != nullptr) {
        done = add(name + ".scale", "fp32", gridShape(*scales), gridOf<float>(*scales));
    }
    if (const ScaleGrid* zeroPoints = matrix.zeroPoints();
        done && zeroPoints != nullptr && !inBlocks) {
        const bool real = matrix.zeroPointsAreReal();
        done = add(name + ".zero_point",
                   real ? "fp32" : "int32",
                   gridShape(*zeroPoints),
                   real ? gridOf<float>(*zeroPoints) : gridOf<std::int32_t>(*zeroPoints));
    }
    if (done && scales != nullptr && !scales->columnEntry.empty()) {
        const std::vector<std::int32_t>& entries = scales->columnEntry;
        done = add(name + ".g_idx", "int32", {matrix.cols()}, [&entries](const ByteSink& sink) {
            return sink(std::as_bytes(std::span(entries)));
        });
    }
    if (const std::span<const double> channel = matrix.channelScale(); done && !channel.empty()) {
        const ScaleGrid grid{.values = {channel.begin(), channel.end()}};
        done = add(name + ".channel_scale", "fp32", {matrix.cols()}, [grid](const ByteSink& sink) {
            return gridOf<float>(grid)(sink);
        });
    }
    return done;
}

}  // namespace

Result<void> announceResult(const TensorInfo& tensor,
                            const SchemeResult& result,
                            const JobContext& ctx,
                            const TensorSink& add) {
    const QuantizedMatrix& matrix = *result.quantized;
    Result<void> done = add(tensor.name, "fp32", tensor.shape, valuesOf(tensor, matrix, ctx));
    const bool packed = matrix.packedLayout() != nullptr;
    if (done && packed) {
        done = add(tensor.name + ".packed",
                   "uint8",
                   {matrix.rows(), matrix.packedRowBytes()},
                   packedOf(matrix, ctx));
    } else if (done && matrix.hasCodes()) {
        done = addCodes(add, tensor.name + ".codes", matrix, ctx);
    }
    if (const CodebookMatrix* codebook = findCodebook(matrix); done && codebook != nullptr) {
        done = addCodebook(add, tensor.name + ".codebook", codebook->centroids());
    }
    if (done) {
        done = addGrids(add, tensor.name, matrix);
    }
    if (done && matrix.hasMask()) {
        done =
            add(tensor.name + ".mask", "bool", {matrix.rows(), matrix.cols()}, maskOf(matrix, ctx));
    }
    return done;
}

Result<void> announceGgufResult(const TensorInfo& tensor,
                                const SchemeResult& result,
                                const JobContext& ctx,
                                const GgufSink& add) {
    const QuantizedMatrix& matrix = *result.quantized;
    const BlockLayout* layout = matrix.packedLayout();
    if (layout != nullptr && layout->ggmlType) {
        // Blocks run along the inputs: the shape is [out, in], also of a tensor stored the other
        // way round.
        const bool whole = !tensor.transposed && !tensor.shape.empty() &&
                           tensor.shape.back() == matrix.cols();
        return add(tensor.name,
                   *layout->ggmlType,
                   whole ? tensor.shape : std::vector<std::int64_t>{matrix.rows(), matrix.cols()},
                   packedOf(matrix, ctx));
    }
    return add(tensor.name,
               ggufNumberOf("fp32").value_or(0),
               tensor.shape,
               valuesOf(tensor, matrix, ctx));
}

void describeGgufResult(GgufWriter& writer, const Scheme& scheme, const SourceInfo* source) {
    std::string architecture;
    if (source != nullptr) {
        const auto named = std::find_if(
            source->metadata.begin(), source->metadata.end(), [](const auto& entry) {
                return entry.first == "general.architecture";
            });
        architecture = named != source->metadata.end() ? named->second
                                                       : parseModelConfig(source->config).modelType;
    }
    writer.text("general.architecture", architecture.empty() ? "unknown" : architecture);
    if (source != nullptr) {
        writer.text("general.name", source->title);
    }
    constexpr std::uint32_t kQuantizationVersion = 2;  // of ggml's blocks as they are since 2023
    writer.number("general.quantization_version", kQuantizationVersion);
    writer.text("tensorloupe.scheme", toString(scheme));
}

Result<void> writeGgufResult(const std::string& path,
                             const TensorInfo& tensor,
                             const SchemeResult& result,
                             const SourceInfo* source,
                             const JobContext& ctx) {
    GgufWriter writer;
    describeGgufResult(writer, result.scheme, source);
    const Result<void> done = announceGgufResult(
        tensor,
        result,
        ctx,
        [&writer](std::string name,
                  std::uint32_t type,
                  std::vector<std::int64_t> shape,
                  ByteProducer bytes) -> Result<void> {
            writer.add(std::move(name), type, std::move(shape), std::move(bytes));
            return {};
        });
    return done ? writer.write(path) : done;
}

Result<void> writeResult(const std::string& path,
                         const TensorInfo& tensor,
                         const SchemeResult& result,
                         const JobContext& ctx) {
    const std::string extension = std::filesystem::path(path).extension().string();
    if (extension == ".npy") {
        return writeNpy(path, "fp32", tensor.shape, valuesOf(tensor, *result.quantized, ctx));
    }
    if (extension == ".gguf") {
        return writeGgufResult(path, tensor, result, nullptr, ctx);
    }
    if (extension != ".safetensors") {
        return fail(ErrorCode::Unsupported,
                    "cannot write '" + path +
                        "': expected a name ending in .safetensors, .gguf or .npy");
    }
    SafetensorsWriter writer;
    writer.metadata("scheme", toString(result.scheme));
    Result<void> done =
        announceResult(tensor,
                       result,
                       ctx,
                       [&](std::string name,
                           std::string_view dtype,
                           std::vector<std::int64_t> shape,
                           ByteProducer bytes) -> Result<void> {
                           writer.add(std::move(name), dtype, std::move(shape), std::move(bytes));
                           return {};
                       });
    return done ? writer.write(path) : done;
}

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/blocks/block_view.hpp"
#include "core/formats/storage_type.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace loupe {

/// Bytes of a matrix that lie in memory (a mapped file or a buffer) exactly as stored, row after
/// row.
struct RawMatrix {
    const StorageType* type = nullptr;
    std::span<const std::byte>
        bytes;  ///< rows·cols elements, little-endian, row-major; alignment not promised
};

/// Rows that lie in memory as whole blocks, row after row; no block crosses a row.
struct RawBlocks {
    const BlockLayout* layout = nullptr;
    std::span<const std::byte> bytes;  ///< rows · (cols / layout->elements) blocks
};

/// A matrix [rows, cols] (weights: [out_features, in_features]) whose rows are decoded on demand.
/// Thread-safe: any number of threads may read at once. Keeps what it needs (a mapping) alive.
class RowSource {
public:
    virtual ~RowSource() = default;
    [[nodiscard]] virtual std::int64_t rows() const = 0;
    [[nodiscard]] virtual std::int64_t cols() const = 0;
    /// True for fp64 (and int64) data: schemes then compute in double.
    [[nodiscard]] virtual bool isDouble() const = 0;
    /// Decodes rows [first, first + count) into out[count·cols()].
    [[nodiscard]] virtual Result<void> read(std::int64_t first,
                                            std::int64_t count,
                                            float* out) const = 0;
    [[nodiscard]] virtual Result<void> read(std::int64_t first,
                                            std::int64_t count,
                                            double* out) const = 0;
    /// The stored bytes, where they lie row-major in memory; empty where transposed, compressed or
    /// generated.
    [[nodiscard]] virtual std::optional<RawMatrix> raw() const { return std::nullopt; }
    /// The same for rows that are stored in blocks.
    [[nodiscard]] virtual std::optional<RawBlocks> rawBlocks() const { return std::nullopt; }
    /// Tells the system that these rows are not needed soon (bounded memory in scans). Values stay
    /// readable.
    virtual void release(std::int64_t first, std::int64_t count) const;

protected:
    RowSource() = default;
    RowSource(const RowSource&) = default;
    RowSource& operator=(const RowSource&) = default;
};

/// An Error that is rarely there: used like std::optional<Error>, but 16 bytes, since a list may
/// have 100,000 tensors.
class MaybeError {
public:
    MaybeError() = default;
    // NOLINTNEXTLINE(google-explicit-constructor): as std::optional does
    MaybeError(Error error) : error_(std::make_shared<const Error>(std::move(error))) {}

    [[nodiscard]] bool has_value() const noexcept { return error_ != nullptr; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] const Error& operator*() const noexcept { return *error_; }
    [[nodiscard]] const Error* operator->() const noexcept { return error_.get(); }

private:
    std::shared_ptr<const Error> error_;
};

/// What a logical tensor is packed in: several stored tensors that make one matrix of weights.
struct PackedInfo {
    std::string quantization;        ///< contract 5: "gptq", "awq", "bnb-nf4", "fp8-block", ...
    std::vector<std::string> parts;  ///< the stored tensors, the one with the codes first
    std::vector<std::int64_t> storedShape;  ///< of the first part
    double bitsPerWeight = 0;               ///< of codes, scales, zero points and indices
    double codeBits = 0;                    ///< of codes alone
    /// Weights that share a scale: a block of so many rows and columns, 0 where that is unknown.
    std::int64_t groupRows = 0;
    std::int64_t groupCols = 0;
    std::optional<bool> symmetric;  ///< no zero points or biases; empty: unknown
    std::optional<bool> actOrder;   ///< columns belong to groups by an index; empty: unknown
};

/// One tensor as a header describes it. Sizes and offsets in bytes; shapes outermost first.
struct TensorInfo {
    std::string name;
    const StorageType* type = nullptr;   ///< null for blocks, packed tensors and unknown dtypes
    const BlockLayout* block = nullptr;  ///< of rows stored in blocks (GGUF), else null
    std::string dtypeName;  ///< type->id, block->id, or the container's own word for another dtype
    std::vector<std::int64_t> shape;           ///< as stored; of a packed tensor its logical shape
    std::shared_ptr<const PackedInfo> packed;  ///< of a logical tensor of several parts, else null
    std::int64_t rows = 0;  ///< as a matrix [out, in]: see contract 2; 1 row for vectors
    std::int64_t cols = 0;
    bool transposed = false;  ///< stored [in, out]; rows/cols already say [out, in]
    std::uint64_t parameters = 0;
    std::uint64_t bytes = 0;
    int file = 0;  ///< index into SourceInfo::files
    std::optional<std::uint64_t>
        offset;          ///< from the file's start; empty where compressed or made up
    MaybeError problem;  ///< this tensor cannot be read, and why; the rest of the file can
};

struct SourceInfo {
    std::string format;          ///< "safetensors", "npy", "csv", "synthetic", ...
    std::string title;           ///< short name for the tree's head and window title
    std::filesystem::path path;  ///< what the user opened
    std::vector<std::filesystem::path> files;
    std::vector<std::pair<std::string, std::string>>
        metadata;        ///< string values; structured ones as JSON text
    std::string config;  ///< config.json of a model folder, or empty
    std::uint64_t parameters = 0;
    std::uint64_t bytes = 0;  ///< of tensor data
    std::vector<std::string> warnings;
};

enum class Layout { Auto, OutIn, InOut };

struct OpenOptions {
    Layout layout = Layout::Auto;  ///< `--layout`: InOut says that matrices are stored [in, out]
    bool stored = false;  ///< `--stored`: the file's own entries, packed weights not put together
};

/// A checkpoint: a list of tensors from headers only, rows on demand. Immutable and thread-safe
/// once open.
class TensorSource {
public:
    virtual ~TensorSource() = default;
    TensorSource(const TensorSource&) = delete;
    TensorSource& operator=(const TensorSource&) = delete;

    [[nodiscard]] const SourceInfo& info() const noexcept { return info_; }
    [[nodiscard]] std::span<const TensorInfo> tensors() const noexcept { return tensors_; }
    [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
    /// The tensor as a matrix [out, in]. @errors the tensor's own problem
    [[nodiscard]] virtual Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const = 0;
    /// Where the weight at (row, col) of that matrix is stored, bit by bit.
    /// @errors Unsupported where its bytes do not lie in a file as they are (compressed, made up)
    [[nodiscard]] virtual Result<BlockView> block(std::size_t index,
                                                  std::int64_t row,
                                                  std::int64_t col) const;
    /// The file's own entries, where this is a logical view of packed tensors; else null.
    [[nodiscard]] virtual std::shared_ptr<const TensorSource> stored() const { return nullptr; }

protected:
    TensorSource() = default;
    SourceInfo info_;
    std::vector<TensorInfo> tensors_;
};

/// Opens a file, a sharded index (`*.index.json`) or a model folder, by content, reading headers
/// only. Also opens made-up sources: "synthetic:KIND?key=value&..." (see io/synthetic.hpp).
/// @errors one clear error naming file, offset, expected and found
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openSource(
    const std::string& path, const OpenOptions& options = {});

/// Index of the one tensor meant by `name`: exact, or the only one if `name` is empty and there is
/// just one.
/// @errors NotFound with the nearest names
[[nodiscard]] Result<std::size_t> findTensor(const TensorSource& source, std::string_view name);

/// The tensor of `to` that shows what `from` shows, a tensor of the stored or the logical view of
/// the same files: the one of that name whose bytes lie where its own do, else the packed one that
/// it is a part of, or the first of its own parts, else the one whose bytes hold its own, else the
/// one of that name. Empty: there is none.
[[nodiscard]] std::optional<std::size_t> findCounterpart(const TensorSource& to,
                                                         const TensorInfo& from);

/// A matrix held in memory (fixtures, clipboards, slices, results).
[[nodiscard]] std::shared_ptr<const RowSource> makeRowSource(std::int64_t rows,
                                                             std::int64_t cols,
                                                             std::vector<float> values);
[[nodiscard]] std::shared_ptr<const RowSource> makeRowSource(std::int64_t rows,
                                                             std::int64_t cols,
                                                             std::vector<double> values);

}  // namespace loupe

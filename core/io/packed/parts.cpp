// SPDX-License-Identifier: Apache-2.0
#include "core/io/packed/parts.hpp"

#include "core/base/assert.hpp"
#include "core/formats/codec.hpp"
#include "core/io/layout.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace loupe::packed {

namespace {

/// The code of a value that came from one: only integers and formats of at most 32 bits.
std::uint64_t codeOf(const StorageType& type, double value) {
    if (type.id == "bool") {
        return value != 0 ? 1 : 0;
    }
    if (type.id == "int64") {
        return std::bit_cast<std::uint64_t>(
            std::fabs(value) < 0x1p62 ? static_cast<std::int64_t>(value) : std::int64_t{-1});
    }
    if (type.format == nullptr) {
        return 0;
    }
    const auto code = encode(*type.format, value);
    return code ? *code : 0;
}

/// Rows as they are read, put back into bytes.
Result<std::vector<std::byte>> copyBytes(const RowSource& rows,
                                         const TensorInfo& info,
                                         std::int64_t bytes) {
    const auto width = static_cast<std::size_t>(info.type->bits / 8);
    std::vector<std::byte> copy(static_cast<std::size_t>(bytes));
    std::vector<double> row(static_cast<std::size_t>(rows.cols()));
    for (std::int64_t r = 0; r < rows.rows(); ++r) {
        if (Result<void> read = rows.read(r, 1, row.data()); !read) {
            return fail(read.error());
        }
        // A transposed matrix's rows are the stored columns (of its expert).
        const std::int64_t storedCols = info.shape.empty() ? 1 : info.shape.back();
        for (std::int64_t c = 0; c < rows.cols(); ++c) {
            const std::int64_t at =
                info.transposed ? (r / storedCols * rows.cols() + c) * storedCols + r % storedCols
                                : r * rows.cols() + c;
            const std::uint64_t code = codeOf(*info.type, row[static_cast<std::size_t>(c)]);
            std::memcpy(copy.data() + static_cast<std::size_t>(at) * width, &code, width);
        }
    }
    return copy;
}

}  // namespace

Result<Part> Part::open(const TensorSource& stored, std::size_t index) {
    Part part;
    part.info_ = stored.tensors()[index];
    const TensorInfo& info = part.info_;
    const std::string where = stored.info().path.string();
    if (info.problem) {
        return fail(*info.problem);
    }
    const auto count = elementCount(info.shape);
    if (info.type == nullptr || !count || *count > (std::uint64_t{1} << 56U)) {
        return fail(
            ErrorCode::Unsupported,
            "tensor \"" + info.name + "\": expected plain elements, found " + info.dtypeName,
            where);
    }
    part.type_ = info.type;
    part.elements_ = static_cast<std::int64_t>(*count);
    part.bytes_ = (part.elements_ * info.type->bits + 7) / 8;
    auto rows = stored.matrix(index);
    if (!rows) {
        return fail(rows.error());
    }
    part.rows_ = *rows;
    if (const auto raw = part.rows_->raw()) {
        if (static_cast<std::int64_t>(raw->bytes.size()) != part.bytes_ ||
            !(*raw->type == *info.type)) {
            return fail(ErrorCode::Damaged,
                        "tensor \"" + info.name + "\": expected " + std::to_string(part.bytes_) +
                            " bytes, found " + std::to_string(raw->bytes.size()),
                        where);
        }
        return part;
    }
    if (part.bytes_ > kMostCopied || info.type->bits % 8 != 0) {
        return fail(ErrorCode::Unsupported,
                    "tensor \"" + info.name +
                        "\": expected bytes that lie in the file as they are, found a compressed "
                        "or transposed tensor of " +
                        std::to_string(part.bytes_) + " bytes",
                    where);
    }
    auto copy = copyBytes(*part.rows_, info, part.bytes_);
    if (!copy) {
        return fail(copy.error());
    }
    part.copy_ = std::make_shared<const std::vector<std::byte>>(std::move(*copy));
    return part;
}

Result<std::span<const std::byte>> Part::data() const {
    LOUPE_ASSERT(there(), "an opened part");
    if (copy_ != nullptr) {
        return std::span<const std::byte>(*copy_);
    }
    if (const auto raw = rows_->raw();
        raw && static_cast<std::int64_t>(raw->bytes.size()) == bytes_) {
        return raw->bytes;
    }
    return fail(ErrorCode::Damaged,
                "tensor \"" + info_.name + "\": its file was changed while it was open");
}

void Part::decode(std::span<const std::byte> data,
                  std::int64_t first,
                  std::int64_t count,
                  float* out) const {
    if (count > 0) {
        decodeElements(*type_, data, first, count, out);
    }
}

void Part::readAs(std::string_view type) {
    const StorageType* other = findStorageType(type);
    LOUPE_ASSERT(other != nullptr && other->bits == type_->bits, "a type of the same width");
    type_ = other;
}

void Part::release(std::int64_t firstByte, std::int64_t count) const {
    if (!there() || copy_ != nullptr || rows_->rows() == 0 || bytes_ == 0) {
        return;
    }
    // Whole stored rows only; what is cut off is released with the rows beside it.
    const std::int64_t rowBytes = std::max<std::int64_t>(1, bytes_ / rows_->rows());
    const std::int64_t first = std::min(firstByte / rowBytes, rows_->rows());
    const std::int64_t end = std::min((firstByte + count) / rowBytes, rows_->rows());
    if (end > first) {
        rows_->release(first, end - first);
    }
}

Result<std::vector<std::int32_t>> readGroupIndex(const Part& gIdx,
                                                 std::int64_t inputs,
                                                 std::int64_t groups,
                                                 std::int64_t groupSize) {
    std::vector<std::int32_t> made;
    const auto data = gIdx.data();
    if (!data) {
        return fail(data.error());
    }
    if (gIdx.elements() < inputs) {
        return fail(ErrorCode::Damaged,
                    "tensor \"" + gIdx.info().name + "\": expected " + std::to_string(inputs) +
                        " groups, found " + std::to_string(gIdx.elements()));
    }
    made.reserve(static_cast<std::size_t>(inputs));
    bool plain = true;
    for (std::int64_t i = 0; i < inputs; ++i) {
        const auto code = elementCode(gIdx.type(), *data, i);
        // A negative index is too large a code.
        if (code >= static_cast<std::uint64_t>(groups)) {
            const auto shown = gIdx.type().bits == 32
                                   ? static_cast<std::int64_t>(static_cast<std::int32_t>(code))
                                   : static_cast<std::int64_t>(code);
            return fail(ErrorCode::Damaged,
                        "tensor \"" + gIdx.info().name + "\": expected groups 0 to " +
                            std::to_string(groups - 1) + ", found " + std::to_string(shown) +
                            " for input " + std::to_string(i));
        }
        made.push_back(static_cast<std::int32_t>(code));
        plain = plain && made.back() == i / groupSize;
    }
    return plain ? std::vector<std::int32_t>{} : made;
}

Result16 resultOf(std::string_view type) {
    return type == "fp16" ? Result16::Fp16 : type == "bf16" ? Result16::Bf16 : Result16::Fp32;
}

std::string_view nameOf(Result16 result) {
    return result == Result16::Fp16 ? "fp16" : result == Result16::Bf16 ? "bf16" : "fp32";
}

}  // namespace loupe::packed

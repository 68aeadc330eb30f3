// SPDX-License-Identifier: Apache-2.0
#include "core/io/gguf_writer.hpp"

#include "core/base/assert.hpp"
#include "core/io/atomic_file.hpp"
#include "core/io/gguf_header.hpp"
#include "core/io/layout.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

namespace loupe {

namespace {

constexpr std::uint64_t kAlignment = 32;
constexpr std::size_t kMostName = 63;
constexpr std::size_t kMostDimensions = 4;

template <class T>
void put(std::string& out, T value) {
    const auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
    out.append(bytes.data(), bytes.size());
}

void putText(std::string& out, std::string_view text) {
    put(out, static_cast<std::uint64_t>(text.size()));
    out += text;
}

std::uint64_t padded(std::uint64_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Bytes of a tensor; empty where the type is not known or its blocks do not fill the rows.
std::optional<std::uint64_t> byteCount(std::uint32_t type, const std::vector<std::int64_t>& shape) {
    constexpr std::uint64_t kMostElements = std::uint64_t{1} << 57;
    const std::optional<std::uint64_t> count = elementCount(shape);
    const auto [plain, block] = ggufTensorType(type);
    if (!count || *count > kMostElements) {
        return std::nullopt;
    }
    if (plain != nullptr) {
        return *count * static_cast<std::uint64_t>(plain->bits) / 8;
    }
    const std::int64_t row = shape.empty() ? 1 : shape.back();
    if (block == nullptr || row % block->elements != 0) {
        return std::nullopt;
    }
    return *count / static_cast<std::uint64_t>(block->elements) *
           static_cast<std::uint64_t>(block->bytes);
}

Result<void> writePadded(AtomicFile& file,
                         const std::string& name,
                         std::uint64_t bytes,
                         const ByteProducer& produce) {
    std::uint64_t written = 0;
    Result<void> done = produce([&](std::span<const std::byte> piece) -> Result<void> {
        written += piece.size();
        LOUPE_ASSERT(written <= bytes, "a producer hands over as many bytes as it announced");
        return file.write(piece);
    });
    LOUPE_ASSERT(!done || written == bytes, "a producer hands over as many bytes as it announced");
    if (!done) {
        Error error = done.error();
        error.what = "tensor " + name + ": " + error.what;
        return fail(std::move(error));
    }
    return file.write(std::string(padded(bytes) - bytes, '\0'));
}

}  // namespace

void GgufWriter::text(std::string key, std::string_view value) {
    putText(pairs_, key);
    put(pairs_, static_cast<std::uint32_t>(GgufType::String));
    putText(pairs_, value);
    ++pairCount_;
}

void GgufWriter::number(std::string key, std::uint32_t value) {
    putText(pairs_, key);
    put(pairs_, static_cast<std::uint32_t>(GgufType::Uint32));
    put(pairs_, value);
    ++pairCount_;
}

void GgufWriter::add(std::string name,
                     std::uint32_t type,
                     std::vector<std::int64_t> shape,
                     ByteProducer produce) {
    LOUPE_ASSERT(
        std::none_of(
            tensors_.begin(), tensors_.end(), [&name](const Tensor& t) { return t.name == name; }),
        "names are unique");
    if (shape.empty()) {
        shape.push_back(1);
    }
    tensors_.push_back({std::move(name), type, std::move(shape), std::move(produce)});
}

Result<void> GgufWriter::write(const std::filesystem::path& path) const {
    std::string header("GGUF");
    put(header, std::uint32_t{3});
    put(header, static_cast<std::uint64_t>(tensors_.size()));
    put(header, pairCount_);
    header += pairs_;
    std::vector<std::uint64_t> sizes;
    std::uint64_t offset = 0;
    for (const Tensor& tensor : tensors_) {
        const std::optional<std::uint64_t> bytes = byteCount(tensor.type, tensor.shape);
        if (!bytes || tensor.shape.size() > kMostDimensions || tensor.name.empty() ||
            tensor.name.size() > kMostName) {
            return fail(ErrorCode::Unsupported,
                        "GGUF cannot hold tensor " + tensor.name +
                            (tensor.name.size() > kMostName
                                 ? ": expected a name of at most 63 bytes, found " +
                                       std::to_string(tensor.name.size())
                             : tensor.shape.size() > kMostDimensions
                                 ? ": expected at most 4 dimensions, found " +
                                       std::to_string(tensor.shape.size())
                                 : " of ggml type " + std::to_string(tensor.type)),
                        path.string());
        }
        putText(header, tensor.name);
        put(header, static_cast<std::uint32_t>(tensor.shape.size()));
        std::for_each(tensor.shape.rbegin(), tensor.shape.rend(), [&header](std::int64_t dim) {
            put(header, dim);
        });
        put(header, tensor.type);
        put(header, offset);
        sizes.push_back(*bytes);
        offset += padded(*bytes);
    }
    header.append(padded(header.size()) - header.size(), '\0');
    AtomicFile file;
    Result<void> done = file.open(path);
    if (done) {
        done = file.write(header);
    }
    for (std::size_t i = 0; done && i < tensors_.size(); ++i) {
        done = writePadded(file, tensors_[i].name, sizes[i], tensors_[i].produce);
    }
    return done ? file.commit() : done;
}

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
#include "core/io/safetensors_writer.hpp"

#include "core/base/assert.hpp"
#include "core/base/json_writer.hpp"
#include "core/formats/storage_type.hpp"
#include "core/io/atomic_file.hpp"
#include "core/io/layout.hpp"
#include "core/io/safetensors_header.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace loupe {

namespace {

/// Bytes of a tensor; empty where the shape is too large or does not fill whole bytes.
std::optional<std::uint64_t> byteCount(const StorageType& type,
                                       const std::vector<std::int64_t>& shape) {
    const std::optional<std::uint64_t> count = elementCount(shape);
    const auto bits = static_cast<std::uint64_t>(type.bits);
    if (!count || *count > (std::uint64_t{1} << 60) || *count * bits % 8 != 0) {
        return std::nullopt;
    }
    return *count * bits / 8;
}

}  // namespace

static Result<void> produceExactly(AtomicFile& file,
                                   const std::string& name,
                                   std::uint64_t bytes,
                                   const ByteProducer& produce) {
    std::uint64_t written = 0;
    const Result<void> done = produce([&](std::span<const std::byte> piece) -> Result<void> {
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
    return {};
}

void SafetensorsWriter::metadata(std::string key, std::string value) {
    metadata_.emplace_back(std::move(key), std::move(value));
}

void SafetensorsWriter::add(std::string name,
                            std::string_view dtype,
                            std::vector<std::int64_t> shape,
                            ByteProducer produce) {
    LOUPE_ASSERT(
        std::none_of(
            tensors_.begin(), tensors_.end(), [&name](const Tensor& t) { return t.name == name; }),
        "names are unique");
    tensors_.push_back({std::move(name), std::string(dtype), std::move(shape), std::move(produce)});
}

Result<void> SafetensorsWriter::write(const std::filesystem::path& path) const {
    std::vector<const StorageType*> types;
    std::vector<std::uint64_t> sizes;
    for (const Tensor& tensor : tensors_) {
        const StorageType* type = findStorageType(tensor.dtype);
        const std::optional<std::uint64_t> bytes =
            type != nullptr ? byteCount(*type, tensor.shape) : std::nullopt;
        if (type == nullptr || safetensorsDtype(tensor.dtype).empty() || !bytes) {
            return fail(
                ErrorCode::Unsupported,
                "safetensors cannot hold tensor " + tensor.name + " of type " + tensor.dtype,
                path.string());
        }
        types.push_back(type);
        sizes.push_back(*bytes);
    }
    std::vector<std::size_t> order(tensors_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::pair(-types[a]->bits, std::string_view(tensors_[a].name)) <
               std::pair(-types[b]->bits, std::string_view(tensors_[b].name));
    });
    JsonWriter json;
    json.beginObject();
    if (!metadata_.empty()) {
        json.key("__metadata__").beginObject();
        for (const auto& [key, value] : metadata_) {
            json.key(key).value(value);
        }
        json.endObject();
    }
    std::uint64_t offset = 0;
    for (const std::size_t i : order) {
        json.key(tensors_[i].name)
            .beginObject()
            .key("dtype")
            .value(safetensorsDtype(tensors_[i].dtype))
            .key("shape")
            .beginArray();
        for (const std::int64_t dim : tensors_[i].shape) {
            json.value(dim);
        }
        json.endArray()
            .key("data_offsets")
            .beginArray()
            .value(offset)
            .value(offset + sizes[i])
            .endArray()
            .endObject();
        offset += sizes[i];
    }
    json.endObject();
    std::string header = json.text();
    header.append((8 - header.size() % 8) % 8, ' ');

    AtomicFile file;
    const auto length =
        std::bit_cast<std::array<std::byte, 8>>(static_cast<std::uint64_t>(header.size()));
    Result<void> done = file.open(path);
    if (done) {
        done = file.write(length);
    }
    if (done) {
        done = file.write(header);
    }
    for (std::size_t k = 0; done && k < order.size(); ++k) {
        const Tensor& tensor = tensors_[order[k]];
        done = produceExactly(file, tensor.name, sizes[order[k]], tensor.produce);
    }
    return done ? file.commit() : done;
}

}  // namespace loupe

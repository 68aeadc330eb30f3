// SPDX-License-Identifier: Apache-2.0
#include "core/io/listing.hpp"

#include "core/base/assert.hpp"
#include "core/io/rows.hpp"

#include <bit>
#include <functional>
#include <limits>
#include <string_view>

namespace loupe {

namespace {

std::uint64_t saturatingAdd(std::uint64_t a, std::uint64_t b) {
    return a > std::numeric_limits<std::uint64_t>::max() - b
               ? std::numeric_limits<std::uint64_t>::max()
               : a + b;
}

class StoredSource final : public TensorSource {
public:
    StoredSource(Listing listing, Layout layout, const ModelConfig& config)
        : files_(std::move(listing.files)), bigEndian_(std::move(listing.bigEndian)) {
        bigEndian_.resize(files_.size());
        info_ = std::move(listing.info);
        tensors_ = std::move(listing.tensors);
        applyLayout(tensors_, layout, config);
        addTotals(info_, tensors_);
    }

    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index < tensors_.size(), "an index of this source");
        const TensorInfo& tensor = tensors_[index];
        if (tensor.problem) {
            return fail(*tensor.problem);
        }
        const auto& file = files_[static_cast<std::size_t>(tensor.file)];
        if (Result<void> same = file->checkUnchanged(); !same) {
            return fail(same.error());
        }
        return layoutRows(tensor,
                          {file,
                           tensor.offset.value_or(0),
                           tensor.bytes,
                           tensor.type,
                           swapWidth(tensor),
                           tensor.block});
    }

private:
    /// Bytes of the words that lie turned round; of blocks any number above 1.
    [[nodiscard]] int swapWidth(const TensorInfo& tensor) const {
        if (!bigEndian_[static_cast<std::size_t>(tensor.file)]) {
            return 0;
        }
        return tensor.block != nullptr ? 2 : tensor.type->bits / 8;
    }

    std::vector<std::shared_ptr<const MappedFile>> files_;
    std::vector<bool> bigEndian_;
};

}  // namespace

std::optional<std::size_t> firstDuplicate(const std::vector<TensorInfo>& tensors) {
    // Each slot holds half of the hash beside the index, so that names are compared only where they
    // are likely equal.
    constexpr std::uint64_t kFree = ~std::uint64_t{0};
    constexpr std::uint64_t kIndexMask = 0xFFFFFFFF;
    LOUPE_ASSERT(tensors.size() < kIndexMask / 4, "a header of 100 MB cannot list more");
    std::vector<std::uint64_t> table(std::bit_ceil(tensors.size() * 2 + 1), kFree);
    const std::size_t mask = table.size() - 1;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::uint64_t hash = std::hash<std::string_view>{}(tensors[i].name);
        const std::uint64_t tag = hash & ~kIndexMask;
        std::size_t slot = hash & mask;
        while (table[slot] != kFree) {
            if ((table[slot] & ~kIndexMask) == tag &&
                tensors[table[slot] & kIndexMask].name == tensors[i].name) {
                return i;
            }
            slot = (slot + 1) & mask;
        }
        table[slot] = tag | i;
    }
    return std::nullopt;
}

void addTotals(SourceInfo& info, const std::vector<TensorInfo>& tensors) {
    for (const TensorInfo& tensor : tensors) {
        info.parameters = saturatingAdd(info.parameters, tensor.parameters);
        info.bytes = saturatingAdd(info.bytes, tensor.bytes);
    }
}

std::shared_ptr<const TensorSource> makeStoredSource(Listing listing,
                                                     Layout layout,
                                                     const ModelConfig& config) {
    return std::make_shared<StoredSource>(std::move(listing), layout, config);
}

}  // namespace loupe

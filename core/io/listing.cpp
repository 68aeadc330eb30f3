// SPDX-License-Identifier: Apache-2.0
#include "core/io/listing.hpp"

#include "core/base/assert.hpp"
#include "core/io/rows.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <string_view>
#include <unordered_map>

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
        : files_(std::move(listing.files)),
          sources_(std::move(listing.sources)),
          bigEndian_(std::move(listing.bigEndian)) {
        bigEndian_.resize(files_.size());
        info_ = std::move(listing.info);
        tensors_ = std::move(listing.tensors);
        applyLayout(tensors_, layout, config);
        addTotals(info_, tensors_);
        findOwn();
    }

    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index < tensors_.size(), "an index of this source");
        const TensorInfo& tensor = tensors_[index];
        if (tensor.problem) {
            return fail(*tensor.problem);
        }
        if (!ownIndex_.empty() && ownIndex_[index] != kNone) {
            return sources_[static_cast<std::size_t>(tensor.file)]->matrix(ownIndex_[index]);
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
    static constexpr std::size_t kNone = ~std::size_t{0};

    /// Tensors of files with a source of their own are as that source says.
    void findOwn() {
        if (sources_.empty()) {
            return;
        }
        sources_.resize(files_.size());
        ownIndex_.assign(tensors_.size(), kNone);
        std::vector<std::unordered_map<std::string_view, std::size_t>> names(sources_.size());
        for (std::size_t f = 0; f < sources_.size(); ++f) {
            if (sources_[f] == nullptr) {
                continue;
            }
            SourceInfo apart;
            addTotals(apart, sources_[f]->tensors());
            // What its tensors share was counted once for each.
            info_.bytes -= std::min(info_.bytes, apart.bytes - sources_[f]->info().bytes);
            info_.parameters -=
                std::min(info_.parameters, apart.parameters - sources_[f]->info().parameters);
            for (std::size_t i = 0; i < sources_[f]->tensors().size(); ++i) {
                names[f].emplace(sources_[f]->tensors()[i].name, i);
            }
        }
        for (std::size_t i = 0; i < tensors_.size(); ++i) {
            const auto file = static_cast<std::size_t>(tensors_[i].file);
            if (sources_[file] == nullptr) {
                continue;
            }
            if (const auto own = names[file].find(tensors_[i].name); own != names[file].end()) {
                const TensorInfo& known = sources_[file]->tensors()[own->second];
                ownIndex_[i] = own->second;
                tensors_[i].rows = known.rows;
                tensors_[i].cols = known.cols;
                tensors_[i].transposed = known.transposed;
            }
        }
    }

    /// Bytes of the words that lie turned round; of blocks any number above 1.
    [[nodiscard]] int swapWidth(const TensorInfo& tensor) const {
        if (!bigEndian_[static_cast<std::size_t>(tensor.file)]) {
            return 0;
        }
        return tensor.block != nullptr ? 2 : tensor.type->bits / 8;
    }

    std::vector<std::shared_ptr<const MappedFile>> files_;
    std::vector<std::shared_ptr<const TensorSource>> sources_;
    std::vector<std::size_t> ownIndex_;  ///< in the file's own source; kNone: it has none
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

void addTotals(SourceInfo& info, std::span<const TensorInfo> tensors) {
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

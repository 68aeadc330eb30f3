// SPDX-License-Identifier: Apache-2.0
#include "core/io/pytorch_source.hpp"

#include "core/base/assert.hpp"
#include "core/io/inflated_rows.hpp"
#include "core/io/listing.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

namespace loupe {

namespace {

/// One tensor of the source: what its rows are made of.
struct Made {
    StridedPlace place;
    std::uint64_t begin = 0;  ///< of its storage, in the file
    std::uint64_t bytes = 0;  ///< of its storage
    std::size_t deflated = 0;
    bool isDeflated = false;
};

/// The bytes [begin, end) of a storage that a tensor touches, for totals.
struct Touched {
    std::size_t storage = 0;  ///< over all parts
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

class TorchSource final : public TensorSource {
public:
    TorchSource(SourceInfo info,
                std::vector<TensorInfo> tensors,
                std::vector<Made> made,
                std::vector<ZipMember> deflated,
                std::shared_ptr<const MappedFile> file,
                bool bigEndian)
        : file_(std::move(file)),
          made_(std::move(made)),
          deflated_(std::move(deflated)),
          inflated_(deflated_.size()),
          bigEndian_(bigEndian) {
        info_ = std::move(info);
        tensors_ = std::move(tensors);
    }

    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index < tensors_.size(), "an index of this source");
        const TensorInfo& tensor = tensors_[index];
        if (tensor.problem) {
            return fail(*tensor.problem);
        }
        if (Result<void> same = file_->checkUnchanged(); !same) {
            return fail(same.error());
        }
        const Made& made = made_[index];
        const int word = tensor.type->bits / (tensor.type->isComplex() ? 16 : 8);
        const int swap = bigEndian_ && word > 1 ? word : 0;
        if (made.isDeflated) {
            Result<std::shared_ptr<const InflatedBytes>> bytes = inflated(made.deflated);
            if (!bytes) {
                return fail(bytes.error());
            }
            const auto start = static_cast<std::uint64_t>(made.place.start) *
                               static_cast<std::uint64_t>(tensor.type->bits) / 8;
            return inflatedRows(tensor, {*bytes, start, tensor.type, swap});
        }
        return makeStridedRows(
            tensor, {file_, made.begin, made.bytes, tensor.type, swap, nullptr}, made.place);
    }

private:
    [[nodiscard]] Result<std::shared_ptr<const InflatedBytes>> inflated(std::size_t index) const {
        const std::lock_guard lock(mutex_);
        std::shared_ptr<const InflatedBytes> bytes = inflated_[index].lock();
        if (bytes == nullptr) {
            auto opened = InflatedBytes::open(file_, deflated_[index]);
            if (!opened) {
                return opened;
            }
            bytes = *opened;
            inflated_[index] = bytes;
        }
        return bytes;
    }

    std::shared_ptr<const MappedFile> file_;
    std::vector<Made> made_;
    std::vector<ZipMember> deflated_;
    mutable std::mutex mutex_;
    mutable std::vector<std::weak_ptr<const InflatedBytes>> inflated_;
    bool bigEndian_;
};

class Finisher {
public:
    Finisher(const ReadRequest& request, TorchFile& file) : request_(request), file_(file) {}

    std::shared_ptr<const TensorSource> run() {
        for (TorchPart& part : file_.parts) {
            for (TorchTensor& tensor : part.objects.tensors) {
                add(part, tensor);
            }
            firstStorage_ += part.objects.storages.size();
            auto& metadata = part.objects.metadata;
            file_.info.metadata.insert(file_.info.metadata.end(), metadata.begin(), metadata.end());
            auto& warnings = part.objects.warnings;
            file_.info.warnings.insert(file_.info.warnings.end(), warnings.begin(), warnings.end());
        }
        nameOnce();
        applyLayout(tensors_, request_.options.layout, request_.config);
        countOnce();
        file_.info.config = request_.config.text;
        return std::make_shared<TorchSource>(std::move(file_.info),
                                             std::move(tensors_),
                                             std::move(made_),
                                             std::move(deflated_),
                                             request_.file,
                                             file_.bigEndian);
    }

private:
    void add(const TorchPart& part, TorchTensor& torch) {
        TensorInfo& tensor = tensors_.emplace_back();
        Made& made = made_.emplace_back();
        touched_.emplace_back();
        tensor.name =
            torch.name.empty() ? request_.file->path().stem().string() : std::move(torch.name);
        tensor.type = torch.type;
        tensor.dtypeName = torch.dtypeName;
        tensor.shape = torch.place.sizes;
        tensor.problem = torch.problem;
        const auto count = elementCount(tensor.shape);
        if (!count) {
            tensor.shape.clear();
        }
        tensor.parameters = count.value_or(0);
        if (tensor.problem) {
            return;
        }
        const TorchStorage& storage = part.objects.storages[torch.storage];
        const TorchPlace& place = part.places[torch.storage];
        if (place.problem) {
            tensor.problem = Error{place.problem->code,
                                   "tensor \"" + tensor.name + "\": " + place.problem->what,
                                   place.problem->where,
                                   place.problem->hint};
            return;
        }
        const std::string what = misfit(torch, storage, place, count);
        if (!what.empty()) {
            tensor.problem = Error{ErrorCode::Damaged,
                                   "tensor \"" + tensor.name + "\": " + what,
                                   filePosition(request_.file->path(), place.begin),
                                   {}};
            return;
        }
        made.place = torch.place;
        made.place.start += storage.viewStart;
        made.begin = place.begin;
        made.bytes = place.bytes;
        describe(torch, place, made, tensor);
        touched_.back().storage = firstStorage_ + torch.storage;
    }

    /// What is wrong with the tensor's view of its storage; empty: nothing.
    static std::string misfit(const TorchTensor& torch,
                              const TorchStorage& storage,
                              const TorchPlace& place,
                              std::optional<std::uint64_t> count) {
        constexpr auto kMost = static_cast<std::uint64_t>(std::int64_t{1} << 62);
        const auto bits = static_cast<std::uint64_t>(torch.type->bits);
        const std::uint64_t declared = static_cast<std::uint64_t>(storage.viewStart) +
                                       static_cast<std::uint64_t>(storage.count);
        if (declared > place.bytes / storage.itemBytes) {
            return "expected " + std::to_string(declared) + " elements of " +
                   std::to_string(storage.itemBytes) + " bytes in storage \"" + storage.root +
                   "\", found " + std::to_string(place.bytes) + " bytes";
        }
        const auto extent = stridedExtent(torch.place);
        if (!count || *count > kMost / 16 || !extent) {
            return "expected sizes, strides and a start that are not negative and below 2^58, "
                   "found others";
        }
        const std::uint64_t held =
            static_cast<std::uint64_t>(storage.count) * storage.itemBytes * 8 / bits;
        if (*extent > 0 &&
            static_cast<std::uint64_t>(torch.place.start) + static_cast<std::uint64_t>(*extent) >
                held) {
            return "expected a view of the " + std::to_string(held) +
                   " elements of its storage, found one that begins at " +
                   std::to_string(torch.place.start) + " and reaches " + std::to_string(*extent) +
                   " further";
        }
        // A few stored elements repeated without end would let a small file ask for any memory.
        constexpr std::uint64_t kMostRepeated = std::uint64_t{1} << 23;
        constexpr std::uint64_t kMostTimes = 1024;
        if (*count > kMostRepeated && *count / kMostTimes > static_cast<std::uint64_t>(*extent)) {
            return "expected an element to be repeated at most 1024 times, found " +
                   std::to_string(*extent) + " stored for " + std::to_string(*count);
        }
        return {};
    }

    void describe(const TorchTensor& torch,
                  const TorchPlace& place,
                  Made& made,
                  TensorInfo& tensor) {
        const auto bits = static_cast<std::uint64_t>(torch.type->bits);
        const auto start = static_cast<std::uint64_t>(made.place.start) * bits / 8;
        const auto extent = static_cast<std::uint64_t>(stridedExtent(torch.place).value_or(0));
        tensor.bytes = (std::min(tensor.parameters, extent) * bits + 7) / 8;
        touched_.back().begin = start;
        touched_.back().end = start + (extent * bits + 7) / 8;
        if (!place.deflated) {
            tensor.offset = place.begin + start;
            return;
        }
        if (tensor.parameters > 0 && !isContiguous(torch.place)) {
            tensor.problem = Error{ErrorCode::Unsupported,
                                   "tensor \"" + tensor.name +
                                       "\": expected a storage that is not compressed, since "
                                       "its elements do not follow each other, found it deflated",
                                   filePosition(request_.file->path(), place.begin),
                                   "save it with torch.save, or tensor.contiguous()"};
            return;
        }
        made.isDeflated = true;
        const auto [known, isNew] =
            deflatedOf_.try_emplace(place.deflated->begin, deflated_.size());
        if (isNew) {
            deflated_.push_back(*place.deflated);
        }
        made.deflated = known->second;
    }

    /// {"a.b": x, "a": {"b": y}} makes one name of two.
    void nameOnce() {
        std::unordered_set<std::string> seen;
        std::size_t renamed = 0;
        for (TensorInfo& tensor : tensors_) {
            if (seen.insert(tensor.name).second) {
                continue;
            }
            ++renamed;
            std::string name;
            for (std::size_t n = 2; name.empty() || !seen.insert(name).second; ++n) {
                name = tensor.name + " (" + std::to_string(n) + ")";
            }
            tensor.name = std::move(name);
        }
        if (renamed > 0) {
            file_.info.warnings.push_back(std::to_string(renamed) +
                                          " tensors have the name of another and got a number");
        }
    }

    /// Totals: the union of bytes touched, and each distinct view once.
    void countOnce() {
        std::vector<Touched> spans;
        std::map<std::tuple<std::size_t, std::uint64_t, std::uint64_t>, std::vector<std::size_t>>
            views;
        for (std::size_t i = 0; i < tensors_.size(); ++i) {
            const Touched& t = touched_[i];
            if (tensors_[i].problem || t.end == t.begin) {
                file_.info.parameters += tensors_[i].problem ? 0 : tensors_[i].parameters;
                continue;
            }
            spans.push_back(t);
            std::vector<std::size_t>& same = views[{t.storage, t.begin, t.end}];
            if (same.empty()) {
                file_.info.parameters += tensors_[i].parameters;
            }
            same.push_back(i);
        }
        std::sort(spans.begin(), spans.end(), [](const Touched& a, const Touched& b) {
            return std::tie(a.storage, a.begin, a.end) < std::tie(b.storage, b.begin, b.end);
        });
        std::uint64_t reached = 0;
        for (std::size_t i = 0; i < spans.size(); ++i) {
            const bool fresh = i == 0 || spans[i].storage != spans[i - 1].storage;
            const std::uint64_t from = fresh ? spans[i].begin : std::max(reached, spans[i].begin);
            file_.info.bytes += std::max(spans[i].end, from) - from;
            reached = std::max(fresh ? 0 : reached, spans[i].end);
        }
        tellTied(views);
    }

    template <class Views>
    void tellTied(const Views& views) {
        constexpr std::size_t kMostTold = 8;
        std::size_t told = 0;
        std::size_t groups = 0;
        for (const auto& [view, same] : views) {
            if (same.size() < 2 || ++groups > kMostTold) {
                continue;
            }
            std::string names;
            for (std::size_t i = 0; i < std::min(same.size(), kMostTold); ++i) {
                names += i == 0 ? "" : i + 1 == same.size() ? " and " : ", ";
                names += tensors_[same[i]].name;
            }
            names += same.size() > kMostTold ? ", ..." : "";
            file_.info.warnings.push_back(names + " share one storage; counted once");
            ++told;
        }
        if (groups > told) {
            file_.info.warnings.push_back(std::to_string(groups - told) +
                                          " more groups of tensors share storages");
        }
    }

    const ReadRequest& request_;
    TorchFile& file_;
    std::vector<TensorInfo> tensors_;
    std::vector<Made> made_;
    std::vector<Touched> touched_;
    std::vector<ZipMember> deflated_;
    std::unordered_map<std::uint64_t, std::size_t> deflatedOf_;
    std::size_t firstStorage_ = 0;
};

}  // namespace

std::shared_ptr<const TensorSource> makeTorchSource(const ReadRequest& request, TorchFile file) {
    return Finisher(request, file).run();
}

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
// ONNX models (spec/formats.md C.5): initialisers and constants of every graph, values in the model
// or beside it, and weights with a DequantizeLinear behind them.
#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/io/listing.hpp"
#include "core/io/onnx_qdq.hpp"
#include "core/io/reader.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>

namespace loupe {

namespace {

namespace fs = std::filesystem;

/// What a tensor of the list is: stored, or dequantized.
struct Entry {
    std::size_t stored = 0;  ///< index into the model's tensors; of the codes
    std::optional<std::size_t> dequantized;
};

class OnnxSource final : public TensorSource {
public:
    OnnxSource(SourceInfo info,
               std::vector<TensorInfo> tensors,
               std::vector<Entry> entries,
               std::shared_ptr<const OnnxStore> store,
               std::shared_ptr<const TensorSource> stored)
        : entries_(std::move(entries)), store_(std::move(store)), stored_(std::move(stored)) {
        info_ = std::move(info);
        tensors_ = std::move(tensors);
        addTotals(info_, tensors_);
    }

    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index < tensors_.size(), "an index of this source");
        const TensorInfo& tensor = tensors_[index];
        if (tensor.problem) {
            return fail(*tensor.problem);
        }
        const Entry& entry = entries_[index];
        return entry.dequantized
                   ? dequantizedRows(tensor, *store_, store_->model.dequantized[*entry.dequantized])
                   : store_->rows(tensor, entry.stored);
    }
    [[nodiscard]] Result<BlockView> block(std::size_t index,
                                          std::int64_t row,
                                          std::int64_t col) const override {
        LOUPE_ASSERT(index < tensors_.size(), "an index of this source");
        const Entry& entry = entries_[index];
        if (!entry.dequantized) {
            return TensorSource::block(index, row, col);
        }
        LOUPE_ASSERT(stored_ != nullptr, "dequantized tensors have stored ones beside them");
        return dequantizedBlock(tensors_[index],
                                *store_,
                                stored_->tensors(),
                                store_->model.dequantized[*entry.dequantized],
                                row,
                                col);
    }
    [[nodiscard]] std::shared_ptr<const TensorSource> stored() const override { return stored_; }

private:
    std::vector<Entry> entries_;
    std::shared_ptr<const OnnxStore> store_;
    std::shared_ptr<const TensorSource> stored_;
};

class OnnxBuilder {
public:
    OnnxBuilder(const ReadRequest& request, std::shared_ptr<OnnxStore> store)
        : request_(request), store_(std::move(store)) {}

    std::shared_ptr<const TensorSource> run() {
        prepare();
        std::vector<TensorInfo> tensors;
        std::vector<Entry> entries;
        for (std::size_t i = 0; i < store_->model.tensors.size(); ++i) {
            tensors.push_back(store_->info(i));
            entries.push_back({i, std::nullopt});
        }
        const auto stored = make(tensors, entries, nullptr);
        if (request_.options.stored || store_->model.dequantized.empty()) {
            return stored;
        }
        info_.warnings = stored->info().warnings;
        const bool folded = foldDequantized(stored->tensors(), tensors, entries);
        return make(std::move(tensors), std::move(entries), folded ? stored : nullptr);
    }

private:
    void prepare() {
        info_.format = "onnx";
        info_.path = request_.file->path();
        info_.title = request_.file->path().filename().string();
        info_.config = request_.config.text;
        info_.metadata = store_->model.metadata;
        info_.warnings = store_->model.warnings;
        for (const auto& file : store_->files) {
            info_.files.push_back(file->path());
        }
    }

    std::shared_ptr<const TensorSource> make(std::vector<TensorInfo> tensors,
                                             std::vector<Entry> entries,
                                             std::shared_ptr<const TensorSource> stored) {
        SourceInfo info = info_;
        nameOnce(tensors, entries, info);
        applyLayout(tensors, request_.options.layout, request_.config);
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            const Entry& entry = entries[i];
            const bool inOut = entry.dequantized
                                   ? store_->model.dequantized[*entry.dequantized].inOut
                                   : static_cast<bool>(store_->model.inOut[entry.stored]);
            TensorInfo& tensor = tensors[i];
            if (inOut && request_.options.layout == Layout::Auto && tensor.shape.size() == 2 &&
                !tensor.transposed) {
                tensor.transposed = true;
                std::swap(tensor.rows, tensor.cols);
            }
            if (tensor.transposed && tensor.shape.size() == 2 && tensor.packed != nullptr) {
                auto turned = std::make_shared<PackedInfo>(*tensor.packed);
                std::swap(turned->groupRows, turned->groupCols);
                tensor.packed = std::move(turned);
            }
        }
        return std::make_shared<OnnxSource>(
            std::move(info), std::move(tensors), std::move(entries), store_, std::move(stored));
    }

    /// Graphs inside of others, and files against the rules, use a name twice. Stored tensors keep
    /// theirs before dequantized ones: they are the same in both views.
    static void nameOnce(std::vector<TensorInfo>& tensors,
                         const std::vector<Entry>& entries,
                         SourceInfo& info) {
        std::unordered_set<std::string> seen;
        std::size_t renamed = 0;
        for (const bool dequantized : {false, true}) {
            for (std::size_t i = 0; i < tensors.size(); ++i) {
                TensorInfo& tensor = tensors[i];
                if (entries[i].dequantized.has_value() != dequantized ||
                    seen.insert(tensor.name).second) {
                    continue;
                }
                ++renamed;
                std::string name;
                for (std::size_t n = 2; name.empty() || !seen.insert(name).second; ++n) {
                    name = tensor.name + " (" + std::to_string(n) + ")";
                }
                tensor.name = std::move(name);
            }
        }
        if (renamed > 0) {
            info.warnings.push_back(std::to_string(renamed) +
                                    " tensors have the name of another and got a number");
        }
    }

    /// Puts codes, scales and zero points together. @returns whether there were any
    bool foldDequantized(std::span<const TensorInfo> stored,
                         std::vector<TensorInfo>& tensors,
                         std::vector<Entry>& entries) {
        const OnnxModel& model = store_->model;
        std::vector<bool> folded(model.tensors.size(), false);
        std::vector<std::optional<std::size_t>> first(model.tensors.size());
        std::vector<bool> fits(model.dequantized.size(), false);
        bool any = false;
        for (std::size_t d = 0; d < model.dequantized.size(); ++d) {
            const OnnxDequantize& made = model.dequantized[d];
            const std::string doubt = doubtDequantize(*store_, made);
            if (!doubt.empty()) {
                info_.warnings.push_back("DequantizeLinear of " + model.tensors[made.codes].name +
                                         ": " + doubt + "; the stored tensors are shown");
                continue;
            }
            any = true;
            fits[d] = true;
            folded[made.codes] = folded[made.scale] = true;
            if (made.zero) {
                folded[*made.zero] = true;
            }
            if (!first[made.codes]) {
                first[made.codes] = d;
            }
        }
        std::vector<TensorInfo> keptTensors;
        std::vector<Entry> keptEntries;
        for (std::size_t i = 0; i < model.tensors.size(); ++i) {
            if (!folded[i]) {
                keptTensors.push_back(std::move(tensors[i]));
                keptTensors.back().name = stored[i].name;
                keptEntries.push_back(entries[i]);
            } else if (first[i]) {
                keptTensors.push_back(
                    dequantizedInfo(*store_, stored, model.dequantized[*first[i]]));
                keptEntries.push_back({i, first[i]});
            }
        }
        for (std::size_t d = 0; d < model.dequantized.size(); ++d) {  // the same codes again
            if (fits[d] && first[model.dequantized[d].codes] != d) {
                keptTensors.push_back(dequantizedInfo(*store_, stored, model.dequantized[d]));
                keptTensors.back().name = model.dequantized[d].name;
                keptEntries.push_back({model.dequantized[d].codes, d});
            }
        }
        tensors = std::move(keptTensors);
        entries = std::move(keptEntries);
        return any;
    }

    const ReadRequest& request_;
    std::shared_ptr<OnnxStore> store_;
    SourceInfo info_;
};

/// Number and wire type of the fields that a ModelProto has.
bool isModelField(std::uint64_t tag) {
    const std::uint64_t number = tag >> 3U;
    const std::uint64_t wire = tag & 7U;
    switch (number) {
        case 1:
        case 5:
            return wire == 0;
        case 2:
        case 3:
        case 4:
        case 6:
        case 7:
        case 8:
        case 14:
        case 20:
        case 25:
        case 26:
            return wire == 2;
        default:
            return false;
    }
}

Confidence probe(const Candidate& candidate) {
    const bool named = candidate.extension == ".onnx";
    const auto byteAt = [&](std::size_t i) {
        return static_cast<std::uint64_t>(candidate.head[i]);
    };
    std::size_t at = 0;
    int known = 0;
    const auto varint = [&](std::uint64_t& value) {
        value = 0;
        for (unsigned shift = 0; shift < 63 && at < candidate.head.size(); shift += 7) {
            const std::uint64_t part = byteAt(at++);
            value |= (part & 0x7FU) << shift;
            if (part < 0x80) {
                return true;
            }
        }
        return false;
    };
    // A model begins with its version, and nothing but fields of a model follows; a graph decides.
    while (at < candidate.head.size()) {
        std::uint64_t tag = 0;
        std::uint64_t value = 0;
        if (!varint(tag) || !isModelField(tag) || !varint(value)) {
            return known > 2 && named ? Confidence::Yes
                   : named            ? Confidence::Maybe
                                      : Confidence::No;
        }
        constexpr std::uint64_t kMostVersion = 64;
        if (tag >> 3U == 1 && (value == 0 || value > kMostVersion)) {
            return named ? Confidence::Maybe : Confidence::No;
        }
        if ((tag & 7U) == 2) {
            if (value > candidate.size - at) {
                return named ? Confidence::Maybe : Confidence::No;
            }
            if (tag >> 3U == 7 && (known > 0 || named)) {
                return Confidence::Yes;
            }
            at += value;
        }
        ++known;
    }
    return known > 1 && at > 4 && named ? Confidence::Yes
           : known > 2                  ? Confidence::Maybe
           : named                      ? Confidence::Maybe
                                        : Confidence::No;
}

Result<std::shared_ptr<const TensorSource>> open(const ReadRequest& request) {
    if (request.file->size() == 0) {
        return fail(ErrorCode::Damaged,
                    "ONNX: expected a model, found an empty file",
                    filePosition(request.file->path(), 0));
    }
    ProtoFile file(request.file);
    Result<OnnxModel> model = readOnnxModel(file);
    if (!model) {
        return fail(model.error());
    }
    const auto store = std::make_shared<OnnxStore>();
    store->model = std::move(*model);
    store->files.push_back(request.file);
    store->locate();
    return OnnxBuilder(request, store).run();
}

}  // namespace

extern const Reader kReader_onnx;
const Reader kReader_onnx{"onnx", ".onnx", &probe, &open};

}  // namespace loupe

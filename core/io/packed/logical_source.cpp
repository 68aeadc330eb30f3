// SPDX-License-Identifier: Apache-2.0
#include "core/base/assert.hpp"
#include "core/io/layout.hpp"
#include "core/io/listing.hpp"
#include "core/io/packed/packed.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace loupe {

namespace packed {

#define LOUPE_PACKED(id) extern const PackedScheme kPacked_##id;
#include "core/io/packed/packed.def"
#undef LOUPE_PACKED

std::span<const PackedScheme* const> allPackedSchemes() {
    static constexpr std::array kSchemes{
#define LOUPE_PACKED(id) &kPacked_##id,
#include "core/io/packed/packed.def"
#undef LOUPE_PACKED
    };
    return kSchemes;
}

void PackedMatrix::release(std::int64_t /*first*/, std::int64_t /*count*/) const {}

StoredTensors::StoredTensors(const TensorSource& source, QuantConfig config)
    : source_(&source), config_(std::move(config)) {
    const auto tensors = source.tensors();
    byName_.reserve(tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        byName_.try_emplace(tensors[i].name, i);
    }
}

const TensorInfo& StoredTensors::operator[](std::size_t index) const {
    return source_->tensors()[index];
}

std::optional<std::size_t> StoredTensors::find(std::string_view name) const {
    const auto found = byName_.find(name);
    return found == byName_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::size_t> StoredTensors::find(std::string_view stem,
                                               std::string_view suffix) const {
    std::string name(stem);
    name += suffix;
    return find(name);
}

const TensorInfo* StoredTensors::info(std::optional<std::size_t> index) const {
    return index ? &source_->tensors()[*index] : nullptr;
}

Result<std::vector<std::byte>> StoredTensors::smallBytes(std::size_t index) const {
    constexpr std::uint64_t kMost = 64 << 10;
    const TensorInfo& tensor = (*this)[index];
    if (tensor.bytes > kMost) {
        return fail(ErrorCode::Damaged,
                    "expected at most 64 KiB in " + tensor.name + ", found " +
                        std::to_string(tensor.bytes) + " bytes");
    }
    const auto part = Part::open(*source_, index);
    if (!part) {
        return fail(part.error());
    }
    const auto data = part->data();
    if (!data) {
        return fail(data.error());
    }
    return std::vector<std::byte>(data->begin(), data->end());
}

std::optional<std::string_view> stemOf(std::string_view name, std::string_view suffix) {
    if (name.size() <= suffix.size() || name.substr(name.size() - suffix.size()) != suffix) {
        return std::nullopt;
    }
    return name.substr(0, name.size() - suffix.size());
}

Found refused(Found found, ErrorCode code, std::string what, const StoredTensors& stored) {
    const TensorInfo& lead = stored[found.parts.front()];
    const auto& files = stored.source().info().files;
    const auto file = static_cast<std::size_t>(lead.file);
    found.problem =
        Error{code,
              "tensor \"" + found.name + "\" (" + found.quantization + "): " + std::move(what),
              file < files.size() ? files[file].string() : stored.source().info().path.string(),
              {}};
    return found;
}

std::string shapeText(const std::vector<std::int64_t>& shape) {
    std::string text = "[";
    for (const std::int64_t size : shape) {
        text += text.size() > 1 ? ", " : "";
        text += std::to_string(size);
    }
    text += "]";
    return text;
}

namespace {

class PackedRows final : public RowSource {
public:
    explicit PackedRows(std::shared_ptr<const PackedMatrix> matrix) : matrix_(std::move(matrix)) {}

    [[nodiscard]] std::int64_t rows() const override { return matrix_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return matrix_->cols(); }
    [[nodiscard]] bool isDouble() const override { return false; }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        LOUPE_ASSERT(first >= 0 && count >= 0 && first <= rows() - count, "rows lie in the matrix");
        return matrix_->read(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        // A few rows at a time: what is decoded is never held twice as a whole.
        constexpr std::int64_t kAtOnce = 16;
        std::vector<float> buffer(static_cast<std::size_t>(std::min(count, kAtOnce) * cols()));
        for (std::int64_t done = 0; done < count; done += kAtOnce) {
            const std::int64_t n = std::min(kAtOnce, count - done);
            if (Result<void> got = read(first + done, n, buffer.data()); !got) {
                return got;
            }
            std::copy(buffer.begin(), buffer.begin() + n * cols(), out + done * cols());
        }
        return {};
    }
    void release(std::int64_t first, std::int64_t count) const override {
        matrix_->release(first, count);
    }

private:
    std::shared_ptr<const PackedMatrix> matrix_;
};

/// What is shown for a recognised tensor.
TensorInfo describe(const Found& found, const TensorSource& stored) {
    const TensorInfo& lead = stored.tensors()[found.parts.front()];
    TensorInfo tensor;
    tensor.name = found.name;
    tensor.dtypeName = found.dtype;
    tensor.shape = found.shape;
    tensor.file = lead.file;
    tensor.offset = lead.offset;
    tensor.problem = found.problem;
    const auto info = std::make_shared<PackedInfo>();
    info->quantization = found.quantization;
    info->storedShape = lead.shape;
    info->groupRows = found.groupRows;
    info->groupCols = found.groupCols;
    info->symmetric = found.symmetric;
    info->actOrder = found.actOrder;
    for (const std::size_t part : found.parts) {
        const TensorInfo& one = stored.tensors()[part];
        info->parts.push_back(one.name);
        tensor.bytes += one.bytes;
        if (one.problem && !tensor.problem) {
            tensor.problem = *one.problem;
        }
    }
    // A shape that cannot be told counts no weights: stored words are none.
    const auto count = elementCount(found.shape);
    tensor.parameters = found.shape.empty() || !count ? 0 : *count;
    if (found.shape.empty()) {
        tensor.shape = lead.shape;
        tensor.rows = 1;
    } else {
        tensor.rows = std::max<std::int64_t>(1, found.rows);
        for (std::size_t i = 0; found.rows == 0 && i + 1 < found.shape.size(); ++i) {
            tensor.rows *= found.shape[i];
        }
        tensor.cols = static_cast<std::int64_t>(tensor.parameters) / tensor.rows;
    }
    if (tensor.parameters > 0) {
        const auto weights = static_cast<double>(tensor.parameters);
        info->bitsPerWeight = 8.0 * static_cast<double>(tensor.bytes) / weights;
        info->codeBits = 8.0 * static_cast<double>(lead.bytes) / weights;
    }
    tensor.packed = info;
    return tensor;
}

class LogicalSource final : public TensorSource {
public:
    LogicalSource(std::shared_ptr<const TensorSource> stored,
                  std::vector<std::optional<Found>> founds,
                  std::vector<std::string> warnings)
        : stored_(std::move(stored)) {
        info_ = stored_->info();
        info_.warnings.insert(info_.warnings.end(), warnings.begin(), warnings.end());
        std::vector<bool> hidden(stored_->tensors().size(), false);
        for (const auto& found : founds) {
            for (const std::size_t part : found ? found->parts : std::vector<std::size_t>{}) {
                hidden[part] = true;
            }
        }
        for (std::size_t i = 0; i < founds.size(); ++i) {
            if (founds[i]) {
                tensors_.push_back(describe(*founds[i], *stored_));
                entries_.push_back({i, std::move(founds[i]->open)});
            } else if (!hidden[i]) {
                tensors_.push_back(stored_->tensors()[i]);
                entries_.push_back({i, nullptr});
            }
        }
        info_.parameters = 0;
        info_.bytes = 0;
        addTotals(info_, tensors_);
    }

    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index < tensors_.size(), "an index of this source");
        if (tensors_[index].packed == nullptr) {
            return stored_->matrix(entries_[index].stored);
        }
        auto opened = open(index);
        if (!opened) {
            return fail(opened.error());
        }
        return std::make_shared<const PackedRows>(std::move(*opened));
    }

    [[nodiscard]] Result<BlockView> block(std::size_t index,
                                          std::int64_t row,
                                          std::int64_t col) const override {
        LOUPE_ASSERT(index < tensors_.size(), "an index of this source");
        if (tensors_[index].packed == nullptr) {
            return stored_->block(entries_[index].stored, row, col);
        }
        const auto opened = open(index);
        if (!opened) {
            return fail(opened.error());
        }
        LOUPE_ASSERT(row >= 0 && row < (*opened)->rows() && col >= 0 && col < (*opened)->cols(),
                     "a weight of the matrix");
        auto view = (*opened)->block(row, col);
        if (view) {
            view->bitsPerWeight = tensors_[index].packed->bitsPerWeight;
        }
        return view;
    }

    [[nodiscard]] std::shared_ptr<const TensorSource> stored() const override { return stored_; }

private:
    struct Entry {
        std::size_t stored = 0;
        OpenMatrix open;
    };

    [[nodiscard]] Result<std::shared_ptr<const PackedMatrix>> open(std::size_t index) const {
        const TensorInfo& tensor = tensors_[index];
        if (tensor.problem) {
            return fail(*tensor.problem);
        }
        auto opened = entries_[index].open(*stored_);
        if (!opened) {
            Error error = opened.error();
            if (error.where.empty()) {
                error.where = info_.files.empty()
                                  ? info_.path.string()
                                  : info_.files[static_cast<std::size_t>(tensor.file)].string();
            }
            return fail(std::move(error));
        }
        LOUPE_ASSERT((*opened)->rows() == tensor.rows && (*opened)->cols() == tensor.cols,
                     "the matrix that was announced");
        return opened;
    }

    std::shared_ptr<const TensorSource> stored_;
    std::vector<Entry> entries_;
};

/// Cheap: most checkpoints are not packed.
bool mayBePacked(std::span<const TensorInfo> tensors) {
    constexpr std::array<std::string_view, 20> kSuffixes{
        ".qweight",   ".qzeros",       ".absmax", ".SCB",           ".quant_map",
        "_nf4",       "_fp4",          ".B",      ".weight_packed", "_scale",
        "_scale_inv", ".weight_shape", "_blocks", ".blocks",        ".biases",
        "_scales",    ".scales",       ".scale",  ".compressed",    ".bitmask"};
    return std::any_of(tensors.begin(), tensors.end(), [&](const TensorInfo& tensor) {
        return std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](std::string_view suffix) {
            return stemOf(tensor.name, suffix).has_value();
        });
    });
}

/// One warning for each thing that tensors and configuration disagree about.
std::vector<std::string> doubtsOf(const std::vector<std::optional<Found>>& founds) {
    struct Doubt {
        std::size_t count = 0;
        std::string first;
    };
    std::map<std::string, Doubt> doubts;
    for (const auto& found : founds) {
        for (const std::string& doubt : found ? found->doubts : std::vector<std::string>{}) {
            Doubt& known = doubts[doubt];
            known.first = known.count == 0 ? found->name : known.first;
            ++known.count;
        }
    }
    std::vector<std::string> warnings;
    for (const auto& [what, doubt] : doubts) {
        warnings.push_back(
            what + " (" + doubt.first +
            (doubt.count > 1 ? " and " + std::to_string(doubt.count - 1) + " more)" : ")"));
    }
    return warnings;
}

}  // namespace

}  // namespace packed

std::shared_ptr<const TensorSource> makeLogicalSource(std::shared_ptr<const TensorSource> stored,
                                                      const std::string& config,
                                                      const std::filesystem::path& folder) {
    using namespace packed;
    if (!mayBePacked(stored->tensors()) && config.find("quantization") == std::string::npos) {
        return stored;
    }
    std::vector<std::string> warnings;
    const StoredTensors tensors(*stored, readQuantConfig(config, folder, warnings));
    const std::size_t count = stored->tensors().size();
    std::vector<std::optional<Found>> founds(count);
    std::vector<bool> taken(count, false);
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) {
        for (const PackedScheme* scheme : allPackedSchemes()) {
            if (taken[i]) {
                break;
            }
            auto found = scheme->match(tensors, i);
            if (!found) {
                continue;
            }
            LOUPE_ASSERT(!found->parts.empty(), "a packed tensor has parts");
            if (std::any_of(found->parts.begin(), found->parts.end(), [&](std::size_t part) {
                    return taken[part];
                })) {
                continue;  // two names that claim the same part: the first keeps it
            }
            for (const std::size_t part : found->parts) {
                taken[part] = true;
            }
            founds[i] = std::move(found);
            any = true;
        }
    }
    if (!any) {
        return stored;
    }
    const std::vector<std::string> doubts = doubtsOf(founds);
    warnings.insert(warnings.end(), doubts.begin(), doubts.end());
    return std::make_shared<const LogicalSource>(
        std::move(stored), std::move(founds), std::move(warnings));
}

}  // namespace loupe

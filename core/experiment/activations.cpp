// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/activation_provider.hpp"
#include "core/experiment/column_norms.hpp"
#include "core/experiment/pipeline.hpp"

#include <cmath>
#include <filesystem>

namespace loupe {

namespace {

struct Reference {
    std::string path;
    std::string tensor;  ///< empty: not named
};

/// FILE[:TENSOR]: the whole text where that is a file, else up to the last colon that leaves an
/// existing file or a made-up source. Names of tensors hold no colon in practice; names of files
/// may.
Reference splitReference(const std::string& text) {
    std::error_code ignored;
    constexpr std::string_view kMadeUp = "synthetic:";
    if (text.starts_with(kMadeUp)) {
        const std::size_t colon = text.find(':', kMadeUp.size());
        return colon == std::string::npos
                   ? Reference{text, {}}
                   : Reference{text.substr(0, colon), text.substr(colon + 1)};
    }
    if (std::filesystem::exists(text, ignored)) {
        return {text, {}};
    }
    for (std::size_t colon = text.rfind(':'); colon != std::string::npos && colon > 0;
         colon = text.rfind(':', colon - 1)) {
        if (std::filesystem::exists(text.substr(0, colon), ignored)) {
            return {text.substr(0, colon), text.substr(colon + 1)};
        }
    }
    return {text, {}};
}

std::string withoutSuffix(const std::string& name) {
    constexpr std::string_view kSuffix = ".weight";
    return name.size() > kSuffix.size() && name.ends_with(kSuffix)
               ? name.substr(0, name.size() - kSuffix.size())
               : name;
}

std::string shapeText(const RowSource& matrix) {
    std::string text("[");
    text += std::to_string(matrix.rows()) + ", " + std::to_string(matrix.cols());
    text += ']';
    return text;
}

constexpr std::string_view kSquares = ".in_sum2";

/// The tensor that `reference` names, else the first of `names` that there is, else the only one.
Result<std::size_t> chooseTensor(const TensorSource& source,
                                 const Reference& reference,
                                 const std::vector<std::string>& names) {
    if (!reference.tensor.empty()) {
        const auto squares = source.find(reference.tensor + std::string(kSquares));
        return squares && !source.find(reference.tensor) ? Result<std::size_t>(*squares)
                                                         : findTensor(source, reference.tensor);
    }
    for (const std::string& name : names) {
        if (const auto found = source.find(name)) {
            return *found;
        }
    }
    if (source.tensors().size() != 1) {
        return fail(ErrorCode::NotFound,
                    "no tensor '" + names.front() + "' among the " +
                        std::to_string(source.tensors().size()) + " tensors",
                    reference.path,
                    "say which: FILE:TENSOR");
    }
    return 0;
}

/// Sums of squares of one layer's inputs, from an importance matrix.
Result<std::shared_ptr<const RowSource>> columnNorms(const RowSource& squares,
                                                     const std::string& name) {
    if (squares.rows() != 1) {
        return fail(ErrorCode::Unsupported,
                    "'" + name + "' holds the sums of " + std::to_string(squares.rows()) +
                        " experts: expected those of one layer");
    }
    std::vector<double> values(static_cast<std::size_t>(squares.cols()));
    if (Result<void> done = squares.read(0, 1, values.data()); !done) {
        return fail(done.error());
    }
    for (std::size_t col = 0; col < values.size(); ++col) {
        if (!(values[col] >= 0) || !std::isfinite(values[col])) {
            return fail(ErrorCode::Invalid,
                        "'" + name +
                            "': expected sums of squares, found a negative, infinite or "
                            "NaN one at input " +
                            std::to_string(col));
        }
    }
    return std::make_shared<ColumnNorms>(values);
}

class ActivationFile final : public ActivationProvider {
public:
    ActivationFile(std::shared_ptr<const TensorSource> source, Reference reference)
        : source_(std::move(source)), reference_(std::move(reference)) {}

    [[nodiscard]] Result<LayerActivations> activationsOf(
        const std::string& weightName) const override {
        const std::string layer = withoutSuffix(weightName);
        // Where activations lie beside a weight, the weight's own name is not theirs.
        std::vector<std::string> names{
            layer, weightName + std::string(kSquares), layer + std::string(kSquares)};
        if (layer == weightName) {
            names = {weightName, weightName + std::string(kSquares)};
        }
        const Result<std::size_t> index = chooseTensor(*source_, reference_, names);
        if (!index) {
            return fail(index.error());
        }
        const std::string& name = source_->tensors()[*index].name;
        Result<std::shared_ptr<const RowSource>> rows = source_->matrix(*index);
        if (rows && name.ends_with(kSquares)) {
            rows = columnNorms(**rows, name);
        }
        if (!rows) {
            return fail(rows.error());
        }
        const bool norms = isColumnNorms(rows->get());
        std::string provenance = norms ? "column norms only, from tensor " : "tensor ";
        provenance += name + " of " + source_->info().title;
        provenance +=
            norms ? ", " + std::to_string((*rows)->cols()) + " inputs" : ", " + shapeText(**rows);
        return LayerActivations{*rows, std::move(provenance)};
    }

private:
    std::shared_ptr<const TensorSource> source_;
    Reference reference_;
};

/// What lies beside a weight under that name; null where there is none that can be read.
const TensorInfo* ownTensor(const TensorSource& source,
                            const TensorInfo& weight,
                            std::string_view name) {
    const std::optional<std::size_t> own = source.find(name);
    const bool isWeight =
        weight.name != "activations" && weight.name != "gradients" && weight.shape.size() >= 2;
    return own && isWeight && !source.tensors()[*own].problem ? &source.tensors()[*own] : nullptr;
}

}  // namespace

Result<std::shared_ptr<const ActivationProvider>> openActivationFile(const std::string& reference) {
    Reference parts = splitReference(reference);
    // Activations are [tokens, in] whatever the weights' orientation.
    Result<std::shared_ptr<const TensorSource>> source = openSource(parts.path, {Layout::OutIn});
    if (!source) {
        return fail(source.error());
    }
    return std::make_shared<ActivationFile>(std::move(*source), std::move(parts));
}

Result<LayerActivations> fittingActivations(const ActivationProvider& provider,
                                            const std::string& weightName,
                                            std::int64_t inFeatures) {
    Result<LayerActivations> found = provider.activationsOf(weightName);
    if (found && found->rows->cols() != inFeatures) {
        const bool norms = isColumnNorms(found->rows.get());
        return fail(ErrorCode::Invalid,
                    norms ? "an importance matrix of " + std::to_string(found->rows->cols()) +
                                " inputs does not fit '" + weightName + "': expected " +
                                std::to_string(inFeatures)
                          : "activations of shape " + shapeText(*found->rows) + " do not fit '" +
                                weightName + "': expected [tokens, " + std::to_string(inFeatures) +
                                "]");
    }
    return found;
}

std::string ownActivations(const TensorSource& source, const TensorInfo& tensor) {
    const TensorInfo* own = ownTensor(source, tensor, "activations");
    return own != nullptr && own->shape.size() == 2 && own->shape[1] == tensor.cols
               ? source.info().path.string() + ":activations"
               : std::string();
}

std::string ownGradients(const TensorSource& source, const TensorInfo& tensor) {
    const TensorInfo* own = ownTensor(source, tensor, "gradients");
    return own != nullptr && own->shape == tensor.shape ? source.info().path.string() + ":gradients"
                                                        : std::string();
}

Result<std::shared_ptr<const RowSource>> openActivations(const std::string& reference,
                                                         const std::string& weightName,
                                                         std::int64_t inFeatures) {
    const Result<std::shared_ptr<const ActivationProvider>> file = openActivationFile(reference);
    if (!file) {
        return fail(file.error());
    }
    const Result<LayerActivations> found = fittingActivations(**file, weightName, inFeatures);
    if (!found) {
        Error error = found.error();
        if (error.where.empty()) {
            error.where = reference;
        }
        return fail(std::move(error));
    }
    return found->rows;
}

Result<std::shared_ptr<const RowSource>> openGradients(const std::string& reference,
                                                       const std::string& weightName,
                                                       const RowSource& weights,
                                                       const OpenOptions& options) {
    const Reference parts = splitReference(reference);
    const Result<std::shared_ptr<const TensorSource>> source = openSource(parts.path, options);
    if (!source) {
        return fail(source.error());
    }
    const Result<std::size_t> index = chooseTensor(**source, parts, {weightName});
    if (!index) {
        return fail(index.error());
    }
    Result<std::shared_ptr<const RowSource>> rows = (*source)->matrix(*index);
    if (rows && ((*rows)->rows() != weights.rows() || (*rows)->cols() != weights.cols())) {
        return fail(ErrorCode::Invalid,
                    "gradients of shape " + shapeText(**rows) + " do not fit '" + weightName +
                        "': expected " + shapeText(weights),
                    reference);
    }
    return rows;
}

}  // namespace loupe

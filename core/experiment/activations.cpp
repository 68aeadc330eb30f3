// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/pipeline.hpp"

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
        return colon == std::string::npos ? Reference{text, {}}
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

Result<std::shared_ptr<const RowSource>> openNamed(const std::string& reference,
                                                   const std::string& defaultName,
                                                   const OpenOptions& options) {
    const Reference parts = splitReference(reference);
    const Result<std::shared_ptr<const TensorSource>> source = openSource(parts.path, options);
    if (!source) {
        return fail(source.error());
    }
    std::string name = parts.tensor;
    if (name.empty() && (*source)->find(defaultName)) {
        name = defaultName;
    }
    if (name.empty() && (*source)->tensors().size() != 1) {
        return fail(ErrorCode::NotFound,
                    "no tensor '" + defaultName + "' among the " +
                        std::to_string((*source)->tensors().size()) + " tensors",
                    parts.path,
                    "say which: FILE:TENSOR");
    }
    const Result<std::size_t> index = findTensor(**source, name);
    if (!index) {
        return fail(index.error());
    }
    return (*source)->matrix(*index);
}

std::string shapeText(const RowSource& matrix) {
    std::string text("[");
    text += std::to_string(matrix.rows()) + ", " + std::to_string(matrix.cols());
    text += ']';
    return text;
}

}  // namespace

Result<std::shared_ptr<const RowSource>> openActivations(const std::string& reference,
                                                         const std::string& weightName,
                                                         std::int64_t inFeatures) {
    // Activations are [tokens, in] whatever the weights' orientation.
    Result<std::shared_ptr<const RowSource>> rows =
        openNamed(reference, withoutSuffix(weightName), {Layout::OutIn});
    if (rows && (*rows)->cols() != inFeatures) {
        return fail(ErrorCode::Invalid,
                    "activations of shape " + shapeText(**rows) + " do not fit '" + weightName +
                        "': expected [tokens, " + std::to_string(inFeatures) + "]",
                    reference);
    }
    return rows;
}

Result<std::shared_ptr<const RowSource>> openGradients(const std::string& reference,
                                                       const std::string& weightName,
                                                       const RowSource& weights,
                                                       const OpenOptions& options) {
    Result<std::shared_ptr<const RowSource>> rows = openNamed(reference, weightName, options);
    if (rows && ((*rows)->rows() != weights.rows() || (*rows)->cols() != weights.cols())) {
        return fail(ErrorCode::Invalid,
                    "gradients of shape " + shapeText(**rows) + " do not fit '" + weightName +
                        "': expected " + shapeText(weights),
                    reference);
    }
    return rows;
}

}  // namespace loupe

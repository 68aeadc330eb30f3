// SPDX-License-Identifier: Apache-2.0
// compressed-tensors' sparse forms and Marlin's 2:4 form: recognised, so that their parts do not
// pass for weights, and refused.
#include "core/io/packed/packed.hpp"

namespace loupe::packed {

extern const PackedScheme kPacked_sparse;

namespace {

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const std::string_view name = stored[index].name;
    Found found;
    found.quantization = "compressed-tensors";
    found.dtype = "unknown";
    if (const auto stem = stemOf(name, ".weight_packed");
        stem && (stored.find(*stem, ".meta") || stored.find(*stem, ".scale_packed"))) {
        found.name = std::string(*stem) + ".weight";
        for (const char* suffix : {".weight_packed", ".scale_packed", ".meta", ".weight_shape"}) {
            if (const auto part = stored.find(*stem, suffix)) {
                found.parts.push_back(*part);
            }
        }
        return refused(std::move(found),
                       ErrorCode::Unsupported,
                       "its codes lie in the order of Marlin's 2:4 tiles (marlin-24), which is not "
                       "read here",
                       stored);
    }
    const auto stem = stemOf(name, ".compressed");
    if (!stem || !stored.find(*stem, ".bitmask")) {
        return std::nullopt;
    }
    found.name = stemOf(*stem, ".weight") ? std::string(*stem) : std::string(*stem) + ".weight";
    for (const char* suffix : {".compressed", ".bitmask", ".shape", ".row_offsets"}) {
        if (const auto part = stored.find(*stem, suffix)) {
            found.parts.push_back(*part);
        }
    }
    return refused(std::move(found),
                   ErrorCode::Unsupported,
                   "only its kept weights are stored, with a bit mask (sparse-bitmask), which is "
                   "not read here",
                   stored);
}

}  // namespace

const PackedScheme kPacked_sparse{"sparse", "compressed-tensors config/base.py", &match};

}  // namespace loupe::packed

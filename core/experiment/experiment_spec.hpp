// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// A flipped bit: the element `index` (row-major in the stored tensor) of `tensor` reads as `code`.
/// The file is never written.
struct Edit {
    std::string tensor;
    std::int64_t index = 0;
    std::uint64_t code = 0;
    friend bool operator==(const Edit&, const Edit&) = default;
};

/// ExperimentSpec::activations that says: none, not even the source's own.
inline constexpr std::string_view kNoData = "none";

/// Everything that decides what is computed: the unit of undo, the body of a session file, the key
/// of results. Plain and small; snapshots are cheap.
struct ExperimentSpec {
    std::string source;           ///< path or "synthetic:..."; empty: nothing open
    std::string layout = "auto";  ///< auto, out_in, in_out
    bool stored = false;          ///< the file's own entries, packed weights not put together
    std::string tensor;           ///< name; empty: none selected
    std::string schemeA;          ///< canonical scheme strings; empty: none
    std::string schemeB;
    /// FILE[:TENSOR]; empty: the source's own `activations` where it has fitting ones; kNoData:
    /// none.
    std::string activations;
    std::string gradients;                    ///< FILE[:TENSOR] or empty
    std::int64_t calibrationRows = 0;         ///< 0: all
    std::string calibrationChoice = "first";  ///< first, spread, random
    std::int64_t calibrationSeed = 0;         ///< of random
    double outlierThreshold =
        3.0;                  ///< channels above this multiple of the median count as outliers
    std::vector<Edit> edits;  ///< at most 10,000

    friend bool operator==(const ExperimentSpec&, const ExperimentSpec&) = default;
};

/// JSON with a "version". fromJson upgrades older versions.
/// @errors Damaged with what was expected and found
[[nodiscard]] std::string toJson(const ExperimentSpec& spec);
[[nodiscard]] Result<ExperimentSpec> experimentFromJson(std::string_view json);

}  // namespace loupe

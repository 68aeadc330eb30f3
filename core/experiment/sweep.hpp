// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/experiment/figures.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// A parameter and the values that it takes, in canonical order.
struct SweepAxis {
    std::string key;                  ///< "bits"; "wanda.sparsity" names the step of a composition
    std::vector<std::string> values;  ///< texts as in scheme strings
    bool numeric = true;
    bool logarithmic = false;  ///< spaced by factors
};

/// Reads `KEY=RANGE` for a scheme: `2..8` (whole numbers; powers of two for a group size),
/// `0:1:0.05` (from, to, step), `1e-4:1:x10` (from, to, factor), `16,32,64` or `none,mse` (a list).
/// At most 1000 values.
/// @errors Usage: no `=`, no value, a step of 0, an unknown key (with what the scheme knows)
[[nodiscard]] Result<SweepAxis> parseSweepAxis(const Scheme& scheme, std::string_view text);

/// The scheme with the key at a value. The first step that knows the key takes it, unless
/// "STEP.KEY" names another.
/// @errors Usage: unknown key, value out of range
[[nodiscard]] Result<Scheme> withSweepValue(const Scheme& scheme,
                                            std::string_view key,
                                            std::string_view value);

/// Keys that a sweep can vary in this scheme: numbers, bounds, patterns and choices.
struct SweepKey {
    std::string key;
    const ParamSpec* spec = nullptr;
    std::string now;        ///< its value in the scheme; empty: absent
    std::string suggested;  ///< a range in the grammar of parseSweepAxis
};
[[nodiscard]] std::vector<SweepKey> sweepKeys(const Scheme& scheme);

/// A method's name without the swept key: "Absmax, symmetric, group=128" where the bits vary.
[[nodiscard]] std::string sweepTitle(const Scheme& scheme, std::string_view key);

struct SweepPoint {
    std::string value;             ///< as in the axis
    std::optional<double> number;  ///< the same as a number; empty for choices and patterns
    std::string scheme;            ///< canonical, with the value
    Figures figures;
};

struct SweepError {
    std::string value;
    std::string what;
};

/// One method over all values.
struct SweepSeries {
    std::string scheme;  ///< canonical, before the key is set
    std::string title;
    std::vector<SweepPoint> points;
    std::vector<SweepError> errors;
};

struct SweepResult {
    SweepAxis axis;
    std::vector<SweepSeries> series;
};

/// Called after each point or error, on the thread that runs the sweep.
using SweepObserver =
    std::function<void(std::size_t series, const SweepPoint* point, const SweepError* error)>;

/// Applies every scheme at every value, measured over every weight; the values of all methods in
/// turn, solvers last. Progress counts points.
[[nodiscard]] Result<SweepResult> runSweep(const std::vector<Scheme>& schemes,
                                           const SweepAxis& axis,
                                           const SchemeInput& input,
                                           const SweepObserver& observer = {},
                                           const JobContext& ctx = {});

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// One step of a scheme with the keys that differ from their defaults, in canonical text ("bits" ->
/// "4").
struct Step {
    std::string name;
    std::map<std::string, std::string> values;
    friend bool operator==(const Step&, const Step&) = default;
};

/// Steps applied left to right: what a scheme string says. Value type; two schemes are equal iff
/// their canonical strings are. An empty scheme leaves the weights as they are.
struct Scheme {
    std::vector<Step> steps;
    [[nodiscard]] bool empty() const { return steps.empty(); }
    friend bool operator==(const Scheme&, const Scheme&) = default;
};

/// Parses `STEP(+STEP)*`, checks every key against the step's parameter table and applies the
/// implications of the grammar
/// (`group=N` implies `per=group`, ...). The result is canonical.
/// @errors Usage: unknown step or key (with the nearest names), a key twice, a value out of range,
/// a key without effect
///         beside the others; the text names the step and the key
[[nodiscard]] Result<Scheme> parseScheme(std::string_view text);

/// The canonical string: keys in table order, defaults and implied keys omitted, `group=N` always
/// written. parseScheme(toString(x)) == x.
[[nodiscard]] std::string toString(const Scheme& scheme);

}  // namespace loupe

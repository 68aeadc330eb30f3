// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheme/scheme.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// Headings of the list of methods.
enum class MethodGroup : std::uint8_t {
    Uniform,
    WithActivations,
    WithHessian,
    Pruning,
    Rotation,
};

/// A method that can be played state by state: where it starts, and what it is about.
struct Method {
    std::string_view id;     ///< "gptq": sessions, options
    std::string_view title;  ///< "GPTQ"
    MethodGroup group;
    std::string_view scheme;    ///< preset; its last step is the one that is told
    std::string_view source;    ///< a made-up source that shows it well: "synthetic:F1"
    std::string_view toy;       ///< a worked example of it: "toy-gptq"; may be empty
    std::string_view subtitle;  ///< "column sweep"
    std::string_view question;  ///< one sentence that a student can answer by watching
};

[[nodiscard]] std::string_view groupTitle(MethodGroup group);

/// Those whose steps exist and can be told, in the order of the lectures.
[[nodiscard]] std::span<const Method> playableMethods();
/// Null where there is no such playable method.
[[nodiscard]] const Method* findMethod(std::string_view id);

/// The method that tells a scheme's last step; null where none does.
[[nodiscard]] const Method* methodFor(const Scheme& scheme);

/// Made-up sources that a method may be played on: its own first, then the fixtures of the
/// lectures. Only those that this build can make.
[[nodiscard]] std::vector<std::string> sourcesFor(const Method& method);

}  // namespace loupe

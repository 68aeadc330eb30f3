// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/cli/command.hpp"
#include "app/cli/scheme_input.hpp"
#include "core/scheme/scheme.hpp"

#include <string>
#include <vector>

namespace loupe::cli {

/// `--select GLOB...`: the scheme on every tensor that a glob names, a row for each.
/// @param output  a .safetensors file for all of them, without those that failed; empty: none
/// @errors those of the file; NotFound: no tensor is named; the first row's error where all fail
[[nodiscard]] Result<Output> runSelection(const SchemeInputOptions& options,
                                          const std::vector<std::string>& globs,
                                          const Scheme& scheme,
                                          const std::string& output,
                                          const Common& common);

}  // namespace loupe::cli

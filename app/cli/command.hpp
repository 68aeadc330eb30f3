// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace CLI {
class App;
}

namespace loupe::cli {

/// Options that every command has.
struct Common {
    bool json = false;
    int threads = 0;  ///< 0: all cores
};

/// What a finished command hands to main: a document for stdout, and whether a gate it was given failed (exit 3).
struct Output {
    std::string text;         ///< printed as it is; a command fills it with JSON iff common.json
    bool gateFailed = false;
};

/// One subcommand: `configure` adds its options to `app`; the function it returns runs after parsing.
/// Errors become `loupe: error: ...` on stderr, stdout empty, exit 1 (ErrorCode::Usage: 2).
struct Command {
    const char* name;
    const char* summary;
    std::function<Result<Output>()> (*configure)(CLI::App& app, const Common& common);
    /// Positional arguments may be negative numbers (`-.5`, `-inf`) and need no `--` before them.
    bool takesNumbers = false;
};

/// Prints `percent` progress on stderr while it lives, only when stderr is a terminal.
class ProgressLine;

}  // namespace loupe::cli

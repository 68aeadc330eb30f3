// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace loupe::test {

/// tests/golden/ of the source tree.
[[nodiscard]] std::filesystem::path goldenDir();
/// The root of the source tree.
[[nodiscard]] std::filesystem::path sourceDir();
/// Where the executables of this build lie (loupe, tensorloupe).
[[nodiscard]] std::filesystem::path binDir();
/// $LOUPE_TEST_MODELS/<name> if it is there. A test that needs it must say that it skips: WARN("skipped: ...").
[[nodiscard]] std::optional<std::filesystem::path> testModel(const std::string& name);
/// A fresh folder of this process, removed at exit.
[[nodiscard]] std::filesystem::path scratchDir();

struct ProcessResult {
    int exitCode = -1;
    std::string out;
    std::string err;
    std::int64_t peakKib = 0;  ///< most resident memory of the program itself
};
/// Runs a program of this build ("loupe") with arguments, no shell.
[[nodiscard]] ProcessResult runProgram(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace loupe::test

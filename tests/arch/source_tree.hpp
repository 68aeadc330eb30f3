// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/paths.hpp"

namespace loupe::test {

struct SourceFile {
    std::string path;  ///< relative to the root, with '/'
    std::string text;
    std::vector<std::string> lines;
};

inline bool hasEnding(const std::string& text, const std::string& ending) {
    return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

/// Every source file of ours below the given folders of the root.
inline std::vector<SourceFile> sourceFiles(const std::vector<std::string>& folders) {
    std::vector<SourceFile> files;
    for (const std::string& folder : folders) {
        if (!std::filesystem::exists(sourceDir() / folder)) {
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(sourceDir() / folder)) {
            const std::string path = std::filesystem::relative(entry.path(), sourceDir()).generic_string();
            const bool isSource = hasEnding(path, ".cpp") || hasEnding(path, ".hpp") || hasEnding(path, ".cuh") ||
                                  hasEnding(path, ".inc") || hasEnding(path, ".def");
            if (!entry.is_regular_file() || !isSource) {
                continue;
            }
            std::ifstream stream(entry.path(), std::ios::binary);
            SourceFile file;
            file.path = path;
            file.text.assign(std::istreambuf_iterator<char>(stream), {});
            std::size_t begin = 0;
            while (begin < file.text.size()) {
                const std::size_t end = std::min(file.text.find('\n', begin), file.text.size());
                file.lines.push_back(file.text.substr(begin, end - begin));
                begin = end + 1;
            }
            files.push_back(std::move(file));
        }
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return files;
}

}  // namespace loupe::test

// SPDX-License-Identifier: Apache-2.0
// A kernel translation unit compiled for AVX-512 may export its table and nothing else: an inline function compiled there
// could be the copy that the linker keeps for every caller.
#include <array>
#include <cstdio>
#include <memory>
#include <regex>
#include <sstream>

#include "tests/arch/source_tree.hpp"
#include "tests/support/catch.hpp"

#if !defined(LOUPE_SANITIZED)
namespace {

std::string outputOf(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::string text;
    std::array<char, 4096> buffer{};
    while (pipe && std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe.get()) != nullptr) {
        text += buffer.data();
    }
    return text;
}

}  // namespace
#endif

TEST_CASE("kernel objects define one global symbol each: their table") {
#if defined(LOUPE_SANITIZED)
    WARN("skipped: sanitizers add symbols of their own");
#else
    if (outputOf("command -v nm").empty()) {
        WARN("skipped: no nm on this machine");
        return;
    }
    const std::filesystem::path build = loupe::test::binDir().parent_path();
    static const std::regex kKernel(R"(_(v3|v4|vnni|bf16)\.cpp\.o$)");
    int seen = 0;
    for (const char* part : {"core", "gpu/CMakeFiles/loupe_gpu.dir/cpu"}) {
        if (!std::filesystem::exists(build / part)) {
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(build / part)) {
            const std::string path = entry.path().string();
            if (!std::regex_search(path, kKernel)) {
                continue;
            }
            ++seen;
            std::size_t defined = 0;
            std::istringstream lines(outputOf("nm --defined-only --extern-only -C '" + path + "'"));
            for (std::string line; std::getline(lines, line);) {
                // DW.ref.*: the compiler's reference to the personality routine, data without code.
                defined += line.find("DW.ref") == std::string::npos ? 1U : 0U;
                CAPTURE(path, line);
                CHECK(line.find(" W ") == std::string::npos);
            }
            CAPTURE(path);
            CHECK(defined == 1);
        }
    }
    CAPTURE(seen);
#endif
}

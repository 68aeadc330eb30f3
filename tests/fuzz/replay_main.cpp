// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: every file of the folders given, and deterministic damage
// done to each.
#include "core/base/rng.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMutations = 200;  ///< per file
constexpr std::size_t kMostBytes = 1 << 20;
std::size_t runs = 0;

void run(const std::string& input) {
    ++runs;
    // A copy of exactly this size: a sanitizer then sees a read of one byte too many.
    const std::vector<std::uint8_t> bytes(input.begin(), input.end());
    static_cast<void>(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()));
}

/// One to four of: flip a bit, set a byte, cut the end, double a piece, write an extreme length.
std::string damaged(std::string input, std::uint64_t seed) {
    std::uint64_t index = 0;
    const auto draw = [&](std::size_t below) {
        return static_cast<std::size_t>(loupe::randomBits(seed, index++) % (below + (below == 0)));
    };
    for (std::size_t step = draw(4) + 1; step > 0 && !input.empty(); --step) {
        const std::size_t at = draw(input.size());
        switch (draw(5)) {
            case 0:
                input[at] = static_cast<char>(input[at] ^ (1 << draw(8)));
                break;
            case 1:
                input[at] = "\0\x7F\xFF\"{}[]:,0-9\\'"[draw(15)];
                break;
            case 2:
                input.resize(at);
                break;
            case 3:
                input.insert(at, input.substr(draw(input.size()), draw(64)));
                break;
            default: {
                const std::uint64_t value =
                    std::uint64_t{0} - draw(2) + (std::uint64_t{1} << draw(64));
                for (std::size_t k = 0; k < 8 && at + k < input.size(); ++k) {
                    input[at + k] = static_cast<char>(value >> (8 * k));
                }
            }
        }
    }
    return input;
}

void runFile(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(stream), {}};
    if (input.size() > kMostBytes) {
        return;
    }
    run(input);
    for (std::size_t i = 0; i < kMutations; ++i) {
        run(damaged(input, i));
    }
}

}  // namespace

int main(int argc, char* argv[]) {
    run("");
    for (int i = 1; i < argc; ++i) {
        std::error_code missing;
        if (std::filesystem::is_regular_file(argv[i], missing)) {
            runFile(argv[i]);
            continue;
        }
        std::vector<std::filesystem::path> files;
        for (std::filesystem::recursive_directory_iterator entry(argv[i], missing), end;
             !missing && entry != end;
             entry.increment(missing)) {
            if (entry->is_regular_file()) {
                files.push_back(entry->path());
            }
        }
        for (const std::filesystem::path& file : files) {
            runFile(file);
        }
    }
    std::printf("%zu inputs\n", runs);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/paths.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace loupe::test {

namespace {

std::string readAll(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Scratch {
    std::filesystem::path path;
    Scratch() {
        std::string pattern = (std::filesystem::temp_directory_path() / "loupe-test-XXXXXX").string();
        path = ::mkdtemp(pattern.data());
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
};

}  // namespace

std::filesystem::path sourceDir() { return LOUPE_SOURCE_DIR; }
std::filesystem::path binDir() { return LOUPE_BIN_DIR; }
std::filesystem::path goldenDir() { return sourceDir() / "tests" / "golden"; }

std::optional<std::filesystem::path> testModel(const std::string& name) {
    const char* folder = std::getenv("LOUPE_TEST_MODELS");
    if (folder == nullptr) {
        return std::nullopt;
    }
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    return std::filesystem::exists(path) ? std::optional(path) : std::nullopt;
}

std::filesystem::path scratchDir() {
    static const Scratch scratch;
    return scratch.path;
}

ProcessResult runProgram(const std::string& program, const std::vector<std::string>& arguments) {
    static int runs = 0;
    const std::filesystem::path base = scratchDir() / ("run" + std::to_string(runs++));
    const std::string outPath = base.string() + ".out";
    const std::string errPath = base.string() + ".err";
    const std::string path = (binDir() / program).string();
    std::vector<char*> argv;
    argv.push_back(const_cast<char*>(path.c_str()));
    for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        const int out = ::open(outPath.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        const int err = ::open(errPath.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        const int in = ::open("/dev/null", O_RDONLY);
        ::dup2(in, 0);
        ::dup2(out, 1);
        ::dup2(err, 2);
        ::execv(path.c_str(), argv.data());
        ::_exit(127);
    }
    int status = 0;
    rusage usage{};
    ::wait4(child, &status, 0, &usage);
    ProcessResult result;
    result.peakKib = usage.ru_maxrss;
    result.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.out = readAll(outPath);
    result.err = readAll(errPath);
    return result;
}

}  // namespace loupe::test

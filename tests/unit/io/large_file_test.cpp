// SPDX-License-Identifier: Apache-2.0
// Sparse files larger than memory: opening reads the header, scanning keeps few pages.
#include "tests/unit/io/io_support.hpp"

#include <fstream>
#include <sstream>

using namespace loupe;
using namespace loupe::test;

namespace {

/// A field of /proc/self/status or /proc/self/io, in its unit; -1 where there is none.
std::int64_t procField(const char* file, const std::string& key) {
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);) {
        if (line.rfind(key + ":", 0) == 0) {
            return std::stoll(line.substr(key.size() + 1));
        }
    }
    return -1;
}

/// `tensors` bf16 matrices [rows, 4096] without data blocks. False where the file system refuses.
bool makeSparse(const std::filesystem::path& path, std::int64_t tensors, std::int64_t rows) {
    const std::int64_t bytes = rows * 4096 * 2;
    std::string shape = "[";
    shape += std::to_string(rows);
    shape += ",4096]";
    std::vector<std::string> entries;
    for (std::int64_t i = 0; i < tensors; ++i) {
        std::string name = "layer.";
        name += std::to_string(i);
        name += ".weight";
        entries.push_back(entry(name,
                                "BF16",
                                shape,
                                static_cast<std::uint64_t>(i * bytes),
                                static_cast<std::uint64_t>((i + 1) * bytes)));
    }
    writeFile(path, safetensorsFile(objectOf(entries), 0));
    std::error_code error;
    std::filesystem::resize_file(
        path,
        std::filesystem::file_size(path) + static_cast<std::uintmax_t>(tensors * bytes),
        error);
    return !error;
}

}  // namespace

TEST_CASE("opening 20 GB reads the header and keeps it") {
    const std::filesystem::path path = scratchDir() / "large.safetensors";
    if (!makeSparse(path, 1000, 2442)) {
        WARN("skipped: the file system has no sparse files of 20 GB");
        return;
    }
    CHECK(std::filesystem::file_size(path) > 20'000'000'000);
    const std::int64_t readBefore = procField("/proc/self/io", "rchar");
    const std::int64_t residentBefore = procField("/proc/self/status", "VmRSS");
    const Opened source = openSource(path.string());
    REQUIRE(source.has_value());
    CHECK((*source)->tensors().size() == 1000);
    CHECK((*source)->info().warnings.empty());
    const std::int64_t read = procField("/proc/self/io", "rchar") - readBefore;
    const std::int64_t resident = procField("/proc/self/status", "VmRSS") - residentBefore;
    CAPTURE(read, resident);
    CHECK(read < 1'000'000);   // bytes: the header and the procfs files themselves
    CHECK(resident < 10'000);  // KiB
    // Values in the last tensor.
    std::vector<float> row(4096, 1.0F);
    REQUIRE(matrixOf(**source, "layer.999.weight")->read(2441, 1, row.data()).has_value());
    CHECK(row == std::vector<float>(4096, 0.0F));
    std::filesystem::remove(path);
}

TEST_CASE("a scan that releases what it has read keeps few pages") {
    const std::filesystem::path path = scratchDir() / "scan.safetensors";
    if (!makeSparse(path, 2, 16384)) {  // 268 MB
        WARN("skipped: no sparse files");
        return;
    }
    const Opened source = openSource(path.string());
    REQUIRE(source.has_value());
    std::int64_t most = 0;
    const std::int64_t before = procField("/proc/self/status", "RssFile");
    constexpr std::int64_t kRows = 500;
    std::vector<float> values(static_cast<std::size_t>(kRows * 4096));
    for (const TensorInfo& tensor : (*source)->tensors()) {
        const auto matrix = matrixOf(**source, tensor.name);
        for (std::int64_t first = 0; first < tensor.rows; first += kRows) {
            const std::int64_t n = std::min(kRows, tensor.rows - first);
            REQUIRE(matrix->read(first, n, values.data()).has_value());
            most = std::max(most, procField("/proc/self/status", "RssFile"));
            matrix->release(first, n);
        }
    }
    CAPTURE(before, most);
    CHECK(most - before < 16'000);  // KiB: four chunks of 4 MB, not the file
    std::filesystem::remove(path);
}

// SPDX-License-Identifier: Apache-2.0
// Damage done to good files by machine: every truncation, every byte of the length fields and of
// the header. Whatever comes in, an error or a list of tensors comes out, every tensor that claims
// to be readable is, and memory stays bounded.
#include "tests/unit/io/io_support.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

using namespace loupe;
using namespace loupe::test;

#ifndef LOUPE_SANITIZED  // the sanitizers bring their own
namespace {
std::atomic<std::size_t> largestAllocation{0};

void* counted(std::size_t size) {
    std::size_t seen = largestAllocation.load();
    while (size > seen && !largestAllocation.compare_exchange_weak(seen, size)) {
    }
    if (void* memory = std::malloc(size == 0 ? 1 : size)) {
        return memory;
    }
    throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) {
    return counted(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
#endif

namespace {

constexpr std::size_t kMostAllocated = 64 << 20;

std::size_t largest(bool reset) {
#ifndef LOUPE_SANITIZED
    return reset ? largestAllocation.exchange(0) : largestAllocation.load();
#else
    static_cast<void>(reset);
    return 0;
#endif
}

/// Opens and reads whatever is said to be readable. @returns whether it opened
bool survive(const std::string& file, const std::string& name) {
    const Opened source = openBytes(file, name);
    if (!source) {
        CHECK_FALSE(source.error().what.empty());
        CHECK_FALSE(source.error().where.empty());
        return false;
    }
    for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
        const TensorInfo& tensor = (*source)->tensors()[i];
        const auto matrix = (*source)->matrix(i);
        CHECK(matrix.has_value() == !tensor.problem.has_value());
        if (matrix && tensor.bytes > 0) {
            CHECK(tensor.bytes <= std::max<std::uint64_t>(file.size() * 8, 1));
            std::vector<double> row(static_cast<std::size_t>(tensor.cols));
            CHECK((*matrix)->read(tensor.rows - 1, 1, row.data()).has_value());
        }
    }
    return true;
}

std::vector<std::filesystem::path> goldenFiles() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(goldenDir() / "io")) {
        const std::string extension = entry.path().extension().string();
        if (extension == ".npy" || extension == ".safetensors" || extension == ".csv") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

TEST_CASE("files truncated at every byte") {
    static_cast<void>(largest(true));
    for (const auto& path : goldenFiles()) {
        const std::string file = readFile(path);
        CAPTURE(path.filename().string());
        for (std::size_t length = 0; length < file.size(); ++length) {
            CAPTURE(length);
            static_cast<void>(survive(file.substr(0, length), path.filename().string()));
        }
    }
    CHECK(largest(false) <= kMostAllocated);
}

TEST_CASE("length fields set to 0, 1, -1 and the extremes, at every place") {
    static_cast<void>(largest(true));
    const std::string types = readFile(goldenDir() / "io" / "types.safetensors");
    for (const std::uint64_t value : {std::uint64_t{0},
                                      std::uint64_t{1},
                                      std::uint64_t{7},
                                      ~std::uint64_t{0},
                                      std::uint64_t{1} << 63,
                                      (std::uint64_t{1} << 63) - 1,
                                      std::uint64_t{100'000'000},
                                      std::uint64_t{100'000'001},
                                      std::uint64_t{types.size() - 8},
                                      std::uint64_t{types.size() - 7}}) {
        CAPTURE(value);
        CHECK_FALSE(survive(lengthField(value) + types.substr(8), "x.safetensors"));
    }
    // Numbers inside the header: every run of digits replaced.
    for (std::size_t i = 8; i < types.size(); ++i) {
        const bool starts =
            types[i] >= '0' && types[i] <= '9' && (types[i - 1] == '[' || types[i - 1] == ',');
        if (!starts) {
            continue;
        }
        const std::size_t end = types.find_first_not_of("0123456789", i);
        for (const char* value : {"0",
                                  "-1",
                                  "1",
                                  "9223372036854775807",
                                  "9223372036854775808",
                                  "18446744073709551615",
                                  "18446744073709551616",
                                  "1e3",
                                  "\"1\"",
                                  "null",
                                  "[1]",
                                  "{}",
                                  ""}) {
            std::string text = types.substr(8, i - 8) + value + types.substr(end);
            std::uint64_t length = 0;
            std::memcpy(&length, types.data(), sizeof length);
            length = length + std::string(value).size() - (end - i);
            static_cast<void>(survive(lengthField(length) + text, "x.safetensors"));
        }
    }
    for (const auto& path : goldenFiles()) {
        std::string file = readFile(path);
        if (path.extension() != ".npy") {
            continue;
        }
        for (std::size_t at = 6; at < 12; ++at) {
            const char old = file[at];
            for (const int value : {0, 1, 2, 3, 127, 128, 255}) {
                file[at] = static_cast<char>(value);
                static_cast<void>(survive(file, "x.npy"));
            }
            file[at] = old;
        }
    }
    CHECK(largest(false) <= kMostAllocated);
}

TEST_CASE("every byte of a header replaced") {
    static_cast<void>(largest(true));
    for (const char* name : {"types.safetensors", "fortran_cube.npy", "c16_big.npy"}) {
        std::string file = readFile(goldenDir() / "io" / name);
        const std::size_t end = std::min<std::size_t>(file.size(), 1600);
        for (std::size_t at = 0; at < end; ++at) {
            const char old = file[at];
            for (const char value : {'\0',
                                     '"',
                                     '{',
                                     '}',
                                     '[',
                                     ']',
                                     ',',
                                     ':',
                                     '9',
                                     '-',
                                     '\\',
                                     '\'',
                                     '\n',
                                     '\x7F',
                                     '\xFF'}) {
                file[at] = value;
                static_cast<void>(survive(file, name));
            }
            file[at] = old;
        }
    }
    CHECK(largest(false) <= kMostAllocated);
}

TEST_CASE("bytes appended to a good file are noticed") {
    for (const auto& path : goldenFiles()) {
        const std::string file = readFile(path) + "PK\x05\x06";
        const Opened source = openBytes(file, path.filename().string());
        CAPTURE(path.filename().string());
        CHECK((!source || !(*source)->info().warnings.empty()));
    }
}

TEST_CASE("text of every kind is no reason to fall over") {
    static_cast<void>(largest(true));
    for (const std::string& text : {std::string("1\0"
                                                "2",
                                                3),
                                    std::string("\xFF\xFE"
                                                "1"),
                                    std::string(10000, '1'),
                                    std::string(10000, ','),
                                    std::string(10000, '\n'),
                                    std::string("1,") + std::string(10000, '\n'),
                                    std::string("1e999,-1e999\n"),
                                    std::string("0x10,1\n"),
                                    std::string("1,,\n"),
                                    std::string("\"\n"),
                                    std::string("\"1,2\n"),
                                    std::string("\r\r\r1"),
                                    std::string("1\n") + std::string(1, '\0')}) {
        static_cast<void>(survive(text, "x.csv"));
    }
    CHECK(largest(false) <= kMostAllocated);
}

TEST_CASE("headers that claim a hundred million bytes cost nothing before they are believed") {
    static_cast<void>(largest(true));
    const std::filesystem::path path = scratchDir() / "claims.safetensors";
    writeFile(path, lengthField(100'000'001) + "{");
    std::filesystem::resize_file(path, 200'000'000);  // sparse: the header could be there
    CHECK_FALSE(openSource(path.string()).has_value());
    writeFile(path, lengthField(99'000'000) + "{");
    CHECK_FALSE(openSource(path.string()).has_value());
    CHECK(largest(false) <= (1U << 20));
}

TEST_CASE("many tensors that share their data are refused without quadratic work") {
    std::string header = "{";
    for (int i = 0; i < 50000; ++i) {
        header += (i > 0 ? ",\"" : "\"") + std::to_string(i) +
                  "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}";
    }
    CHECK_FALSE(survive(safetensorsFile(header + "}", 1), "x.safetensors"));
}

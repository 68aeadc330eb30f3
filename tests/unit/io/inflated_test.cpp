// SPDX-License-Identifier: Apache-2.0
// Compressed arrays larger than what is inflated at once: any row, any order, several threads.
#include "core/io/inflated_rows.hpp"
#include "tests/unit/io/io_support.hpp"

#include <atomic>
#include <thread>

using namespace loupe;
using namespace loupe::test;

namespace {

constexpr std::int64_t kRows = 2500;
constexpr std::int64_t kCols = 2000;

double expected(std::int64_t row, std::int64_t col) {
    return static_cast<double>((3 * row + col / 40) % 997);
}

/// Differences from what tests/oracles/archives.py wrote.
std::int64_t wrongIn(const RowSource& rows, std::int64_t first, std::int64_t count, bool turned) {
    std::vector<float> values(static_cast<std::size_t>(count * rows.cols()));
    if (!rows.read(first, count, values.data())) {
        return -1;
    }
    std::int64_t wrong = 0;
    for (std::int64_t r = 0; r < count; ++r) {
        for (std::int64_t c = 0; c < rows.cols(); ++c) {
            const double value = turned ? expected(c, first + r) : expected(first + r, c);
            wrong +=
                static_cast<double>(values[static_cast<std::size_t>(r * rows.cols() + c)]) == value
                    ? 0
                    : 1;
        }
    }
    return wrong;
}

}  // namespace

TEST_CASE("a large deflated array is read from any row, by rows and by columns") {
    const std::string path = (goldenDir() / "io" / "large.npz").string();
    for (const Layout layout : {Layout::Auto, Layout::InOut}) {
        const auto source = openSource(path, {layout}).value();
        for (const char* name : {"rows", "columns"}) {
            CAPTURE(name, static_cast<int>(layout));
            const auto rows = matrixOf(*source, name);
            const bool turned = layout == Layout::InOut;
            CHECK(rows->rows() == (turned ? kCols : kRows));
            for (const std::int64_t first : {std::int64_t{1990},
                                             std::int64_t{0},
                                             std::int64_t{7},
                                             std::int64_t{1200},
                                             std::int64_t{1203}}) {
                CHECK(wrongIn(*rows, first, 3, turned) == 0);
            }
            CHECK(wrongIn(*rows, 0, 400, turned) == 0);
        }
    }
}

TEST_CASE("several threads read a large deflated array at once") {
    const auto source = openSource((goldenDir() / "io" / "large.npz").string()).value();
    const auto rows = matrixOf(*source, "rows");
    std::atomic<std::int64_t> wrong{0};
    std::vector<std::thread> threads;
    for (std::int64_t t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            for (std::int64_t row = t; row < kRows; row += 3 * 40) {
                wrong += wrongIn(*rows, row, 2, false);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}

TEST_CASE("a large deflated array whose bytes changed is refused before its values are shown") {
    const std::string file = readFile(goldenDir() / "io" / "large.npz");
    const auto members = listZip(*MappedFile::fromBytes(bytesOf(file), "x.npz")).value();
    int refused = 0;
    for (std::size_t i = 1; i < 20; ++i) {
        std::string changed = file;
        const std::size_t at =
            static_cast<std::size_t>(members[0].begin + members[0].compressed * i / 20);
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        const auto source = openBytes(changed, "x.npz");
        REQUIRE(source.has_value());
        refused += (*source)->matrix(0).has_value() ? 0 : 1;
        CHECK((*source)->matrix(1).has_value());
    }
    CHECK(refused == 19);
}

// SPDX-License-Identifier: Apache-2.0
// Every format against tests/golden/formats/<id>.csv, made by ml_dtypes and numpy
// (tests/oracles/formats.py).
#include "core/base/hash.hpp"
#include "core/base/text.hpp"
#include "core/formats/codec.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>

using namespace loupe;

namespace {

struct Row {
    std::string kind;
    std::string key;
    std::string value;
};

std::vector<Row> goldenRows(const NumberFormat& format) {
    std::ifstream file(test::goldenDir() / "formats" / (std::string(format.id) + ".csv"));
    INFO("tests/golden/formats/" << format.id
                                 << ".csv is missing: every format needs a foreign oracle");
    REQUIRE(file.is_open());
    std::vector<Row> rows;
    std::string line;
    std::getline(file, line);
    REQUIRE(line == "kind,key,value");
    while (std::getline(file, line)) {
        const std::vector<std::string_view> cells = split(line, ',');
        REQUIRE(cells.size() == 3);
        rows.push_back({std::string(cells[0]), std::string(cells[1]), std::string(cells[2])});
    }
    return rows;
}

double parsed(const std::string& text) {
    return std::strtod(text.c_str(), nullptr);
}
std::uint64_t parsedCode(const std::string& text) {
    return std::strtoull(text.c_str(), nullptr, 16);
}
std::uint64_t sameBits(double value) {
    return std::bit_cast<std::uint64_t>(value);
}

std::uint64_t splitmix(std::uint64_t i, std::uint64_t salt) {
    std::uint64_t z = (i + 1) * 0x9E3779B97F4A7C15ULL + salt;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}

/// The inputs of inputs32() and inputs64() of tests/oracles/formats.py, one at a time.
class Inputs {
public:
    Inputs(const NumberFormat& format, std::int64_t lowest, std::int64_t highest)
        : lowest_(lowest), exponents_(static_cast<std::uint64_t>(highest - lowest + 1)) {
        if (format.bits > 19) {
            return;
        }
        for (std::uint64_t code = 0; code < std::uint64_t{1} << format.bits; ++code) {
            const double value = decode(format, code);
            if (std::isfinite(value)) {
                magnitudes_.push_back(std::abs(value));
            }
        }
        std::sort(magnitudes_.begin(), magnitudes_.end());
        magnitudes_.erase(std::unique(magnitudes_.begin(), magnitudes_.end()), magnitudes_.end());
    }

    [[nodiscard]] double at32(std::uint64_t i) const {
        const std::uint64_t h = splitmix(i, 0);
        const std::uint64_t top = h >> 32U;
        const std::uint64_t stratum = magnitudes_.empty() ? i & 1U : i & 3U;
        std::uint64_t bits = 0;
        if (stratum == 0) {
            bits = (top & 0x7F800000U) == 0x7F800000U ? top & 0xBFFFFFFFU : top;
        } else if (stratum == 1) {
            bits = ((static_cast<std::uint64_t>(lowest_ + 127) + top % exponents_) << 23U) |
                   (h & 0x7FFFFFU) | (((h >> 23U) & 1U) << 31U);
        } else {
            const auto [a, b] = pair(top);
            const auto near = static_cast<float>(stratum == 2 ? (a + b) / 2 : a);
            const std::int64_t moved =
                std::bit_cast<std::int32_t>(near) + static_cast<std::int64_t>((h & 0xFFU) % 3) - 1;
            bits = static_cast<std::uint64_t>(std::max<std::int64_t>(moved, 0)) |
                   (((h >> 8U) & 1U) << 31U);
        }
        return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    }

    [[nodiscard]] double at64(std::uint64_t i) const {
        const std::uint64_t h = splitmix(i, 1);
        const std::uint64_t g = splitmix(i, 2);
        const std::uint64_t top = h >> 32U;
        const std::uint64_t sign = ((h >> 8U) & 1U) << 63U;
        constexpr std::uint64_t kExponent = 0x7FF0000000000000;
        if ((i & 3U) == 0) {
            return std::bit_cast<double>((g & kExponent) == kExponent ? g & 0xBFFFFFFFFFFFFFFF : g);
        }
        if ((i & 3U) == 1) {
            return std::bit_cast<double>(
                ((static_cast<std::uint64_t>(lowest_ + 1023) + top % exponents_) << 52U) |
                (g & 0xFFFFFFFFFFFFF) | sign);
        }
        const auto [a, b] = pair(top);
        const std::int64_t delta = static_cast<std::int64_t>((h & 0xFFU) % 3) - 1;
        const std::int64_t moved = std::bit_cast<std::int64_t>((a + b) / 2) +
                                   ((i & 3U) == 2 ? delta : delta * (std::int64_t{1} << 20U));
        return std::bit_cast<double>(static_cast<std::uint64_t>(std::max<std::int64_t>(moved, 0)) |
                                     sign);
    }

private:
    /// Two neighbouring magnitudes; of FP32 where there is no table.
    [[nodiscard]] std::pair<double, double> pair(std::uint64_t top) const {
        if (magnitudes_.empty()) {
            const auto low = static_cast<std::uint32_t>((top & 0x7FFFFFFFU) % 0x7F7FFFFFU);
            return {static_cast<double>(std::bit_cast<float>(low)),
                    static_cast<double>(std::bit_cast<float>(low + 1))};
        }
        const std::size_t c = top % magnitudes_.size();
        return {magnitudes_[c], magnitudes_[std::min(c + 1, magnitudes_.size() - 1)]};
    }

    std::int64_t lowest_;
    std::uint64_t exponents_;
    std::vector<double> magnitudes_;
};

std::uint64_t blockHash(const NumberFormat& format, const Inputs& inputs, const Row& row) {
    constexpr std::uint64_t kBlock = 65536;
    const std::vector<std::string_view> key = split(row.key, ':');
    EncodeOptions options;
    options.overflow = parseOverflow(key[0]).value();
    const auto block = static_cast<std::uint64_t>(parseInteger(key[2]).value());
    const std::size_t size = format.bits <= 8 ? 1 : format.bits <= 16 ? 2 : 4;
    std::uint64_t hash = fnv1a(std::string_view{});
    for (std::uint64_t i = block * kBlock; i < (block + 1) * kBlock; ++i) {
        const double value = key[1] == "f32" ? inputs.at32(i) : inputs.at64(i);
        const std::uint64_t code = encode(format, value, options).value();
        hash = fnv1a(std::as_bytes(std::span(&code, 1)).first(size), hash);
    }
    return hash;
}

std::uint64_t decodeHash(const NumberFormat& format) {
    std::uint64_t hash = fnv1a(std::string_view{});
    for (std::uint64_t code = 0; code < std::uint64_t{1} << format.bits; ++code) {
        const double value = decode(format, code);
        const auto bits = std::isnan(value)
                              ? 0x7FC00000U
                              : std::bit_cast<std::uint32_t>(static_cast<float>(value));
        hash = fnv1a(std::as_bytes(std::span(&bits, 1)), hash);
    }
    return hash;
}

void checkLimits(const NumberFormat& format, const std::map<std::string, std::string>& golden) {
    const FormatLimits limit = limits(format);
    const auto number = [&](const char* name) {
        return golden.count(name) > 0 ? std::optional(parsed(golden.at(name))) : std::nullopt;
    };
    CHECK(number("min") == limit.min);
    CHECK(number("max") == limit.max);
    CHECK(number("min_normal") == limit.minNormal);
    CHECK(number("min_subnormal") == limit.minSubnormal);
    CHECK(number("epsilon") == limit.epsilon);
    CHECK(golden.at("finite_values") == std::to_string(limit.finiteValues));
    CHECK((golden.at("has_infinity") == "1") == limit.hasInfinity);
    CHECK((golden.at("has_nan") == "1") == limit.hasNan);
}

}  // namespace

TEST_CASE("every format agrees with its golden file") {
    for (const NumberFormat* format : allFormats()) {
        const std::vector<Row> rows = goldenRows(*format);
        std::map<std::string, std::string> limitRows;
        std::map<std::string, std::int64_t> range;
        for (const Row& row : rows) {
            if (row.kind == "limit") {
                limitRows[row.key] = row.value;
            } else if (row.kind == "range") {
                range[row.key] = parseInteger(row.value).value();
            }
        }
        CAPTURE(format->id);
        checkLimits(*format, limitRows);
        const Inputs inputs(*format, range["lowest_exponent"], range["highest_exponent"]);
        int checked = 0;
        for (const Row& row : rows) {
            CAPTURE(row.kind, row.key);
            if (row.kind == "decode_hash") {
                CHECK(decodeHash(*format) == parsedCode(row.value));
            } else if (row.kind == "decode") {
                const double value = decode(*format, parsedCode(row.key));
                CHECK((row.value == "nan" ? std::isnan(value)
                                          : sameBits(value) == sameBits(parsed(row.value))));
            } else if (row.kind == "encode_hash") {
                CHECK(blockHash(*format, inputs, row) == parsedCode(row.value));
            } else if (row.kind == "encode") {
                const double value =
                    row.key == "-nan" ? std::copysign(std::nan(""), -1.0) : parsed(row.key);
                CHECK(encode(*format, value).value() == parsedCode(row.value));
            } else {
                continue;
            }
            ++checked;
        }
        CHECK(checked >= 10);
    }
}

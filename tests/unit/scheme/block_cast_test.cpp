// SPDX-License-Identifier: Apache-2.0
// Casts into MX and NVFP4 against the golden vectors of spec/formats.md F.4 and F.5, against
// torchao and ModelOpt (tests/golden/quant/block_casts.json), and by their own properties.
#include "core/quant/block_cast.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <fstream>
#include <limits>

using namespace loupe;
using Catch::Matchers::WithinAbs;

namespace {

using Matrix = std::vector<float>;

class Fnv {
public:
    void byte(unsigned value) { hash_ = (hash_ ^ (value & 0xFFU)) * 0x100000001B3U; }
    void value(float x) {
        const auto bits = std::bit_cast<std::uint32_t>(x);
        for (int i = 0; i < 4; ++i) {
            byte(bits >> (8 * i));
        }
    }
    [[nodiscard]] std::string text() const {
        std::array<char, 17> digits{};
        std::snprintf(
            digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash_));
        return digits.data();
    }

private:
    std::uint64_t hash_ = 0xCBF29CE484222325U;
};

std::string hashOf(const Matrix& values) {
    Fnv hash;
    for (const float x : values) {
        hash.value(x);
    }
    return hash.text();
}

/// A cast, with everything that it gives.
struct Cast {
    Matrix values;
    std::vector<std::int32_t> codes;
    std::vector<unsigned char> packed;
    std::shared_ptr<const QuantizedMatrix> matrix;
    double bits = 0;

    [[nodiscard]] unsigned scale(std::size_t block) const {
        return packed[block * static_cast<std::size_t>(matrix->packedLayout()->bytes)];
    }
    [[nodiscard]] std::string scaleHash() const {
        Fnv hash;
        const auto size = static_cast<std::size_t>(matrix->packedLayout()->bytes);
        for (std::size_t at = 0; at < packed.size(); at += size) {
            hash.byte(packed[at]);
        }
        return hash.text();
    }
    [[nodiscard]] std::string codeHash() const {
        Fnv hash;
        for (const std::int32_t code : codes) {
            hash.byte(static_cast<unsigned>(code));
        }
        return hash.text();
    }
};

Cast castOf(std::shared_ptr<const RowSource> source, std::string_view format) {
    StepInput input;
    input.weights = std::move(source);
    const auto out = castToBlocks(input, format, JobContext{});
    INFO((out ? std::string() : out.error().what));
    REQUIRE(out.has_value());
    Cast cast;
    cast.matrix = out->weights;
    cast.bits = out->cost.bitsPerWeight();
    const std::int64_t rows = cast.matrix->rows();
    const auto count = static_cast<std::size_t>(rows * cast.matrix->cols());
    cast.values.resize(count);
    cast.codes.resize(count);
    cast.packed.resize(static_cast<std::size_t>(rows * cast.matrix->packedRowBytes()));
    REQUIRE(cast.matrix->read(0, rows, cast.values.data()).has_value());
    REQUIRE(cast.matrix->codes(0, rows, cast.codes.data()).has_value());
    REQUIRE(
        cast.matrix->packed(0, rows, reinterpret_cast<std::byte*>(cast.packed.data())).has_value());
    return cast;
}

Cast castOf(std::int64_t rows, const Matrix& values, std::string_view format) {
    const auto cols = static_cast<std::int64_t>(values.size()) / rows;
    return castOf(makeRowSource(rows, cols, values), format);
}

/// The ramp of F.1: r[i] = ((37·i mod 256) − 128) / 64.
Matrix ramp() {
    Matrix values;
    for (int i = 0; i < 64; ++i) {
        values.push_back(static_cast<float>((37 * i) % 256 - 128) / 64.0F);
    }
    return values;
}

Matrix sines() {
    Matrix values;
    for (int i = 0; i < 64; ++i) {
        values.push_back(
            static_cast<float>(0.3 * std::sin(1.7 * i + 0.2) * std::pow(10.0, i % 7 - 3)));
    }
    return values;
}

/// The pseudo-random values of F.1, 64 rows of 256.
Matrix xorshiftLayer() {
    std::uint32_t s = 12345;
    Matrix values(64 * 256);
    for (float& x : values) {
        float total = 0;
        for (int draw = 0; draw < 4; ++draw) {
            s ^= s << 13U;
            s ^= s >> 17U;
            s ^= s << 5U;
            total += static_cast<float>(static_cast<std::int32_t>(s)) / 2147483648.0F;
        }
        x = total * 0.05F;
    }
    return values;
}

nlohmann::json golden() {
    std::ifstream file(loupe::test::goldenDir() / "quant" / "block_casts.json");
    return nlohmann::json::parse(file);
}

struct Vector {
    const char* input;
    const char* format;
    const char* values;
    unsigned scales[2];
    const char* firstCodes;
    const char* codes;
};

// spec/formats.md F.4: microxcaling's round = "even".
constexpr Vector kVectors[] = {
    {"ramp",
     "mxfp8_e4m3",
     "353830e9f63b433f",
     {0x78, 0x77},
     "f8f3eee0626e74f8",
     "3aea8d0cee7cc52d"},
    {"ramp",
     "mxfp8_e5m2",
     "8410d3185369e8e1",
     {0x71, 0x70},
     "f8f6f3ec6d7376f8",
     "a031962f7e8f7dec"},
    {"ramp",
     "mxfp6_e3m2",
     "8410d3185369e8e1",
     {0x7C, 0x7B},
     "3c3a373011171a3c",
     "aebe0dd88d9dc0f4"},
    {"ramp",
     "mxfp6_e2m3",
     "a1622b7a4531c0fe",
     {0x7E, 0x7D},
     "38332e24050e1438",
     "585b0a298dd42281"},
    {"ramp", "mxfp4", "0cd21c6132b89825", {0x7E, 0x7D}, "0e0d0b090104050e", "713519853d7af8cd"},
    {"ramp", "mxint8", "619f7515a8e2b83a", {0x80, 0x7F}, "c0d2e5f80a1c2fc2", "9a6f8787493f0935"},
    {"sin", "mxfp8_e4m3", "ad987079cc7f5081", {0x7F, 0x7F}, "000187a8405af880", "7fc34d8a46ec0b82"},
    {"sin", "mxfp8_e5m2", "c047ad9a1db8d3b2", {0x78, 0x78}, "2036bfd05c69f8a4", "f91bdce4a0f489ef"},
    {"sin", "mxfp6_e3m2", "a386754530a3ef5c", {0x83, 0x83}, "00002020020d3c20", "406b85994c90b5b4"},
    {"sin", "mxfp6_e2m3", "3ba91f583138945c", {0x85, 0x85}, "0000202000023820", "d12f981c099b323d"},
    {"sin", "mxfp4", "070633f0b00dc1ef", {0x85, 0x85}, "0000080800010e08", "04c4475a680350a7"},
    {"sin", "mxint8", "01e7ffe71bfe9b14", {0x87, 0x87}, "000000000005c200", "38aa10f175f03b2a"}};

}  // namespace

TEST_CASE("mx: two blocks of the golden vectors, scales, codes and values") {
    const Matrix inputs[] = {ramp(), sines()};
    REQUIRE(hashOf(inputs[0]) == "7af852989f0443ac");
    REQUIRE(hashOf(inputs[1]) == "fc7afd67654d6e11");
    for (const Vector& vector : kVectors) {
        CAPTURE(vector.input, vector.format);
        const Matrix& input = inputs[vector.input[0] == 'r' ? 0 : 1];
        const Cast cast = castOf(1, input, vector.format);
        CHECK(cast.scale(0) == vector.scales[0]);
        CHECK(cast.scale(1) == vector.scales[1]);
        std::string first;
        for (std::size_t i = 0; i < 8; ++i) {
            std::array<char, 3> digits{};
            std::snprintf(
                digits.data(), digits.size(), "%02x", static_cast<unsigned>(cast.codes[i]) & 0xFFU);
            first += digits.data();
        }
        CHECK(first == vector.firstCodes);
        CHECK(cast.codeHash() == vector.codes);
        Matrix values = cast.values;
        for (std::size_t i = 0; i < values.size(); ++i) {
            // INT8 has no code for the -0 that microxcaling keeps.
            const bool lost = std::string_view(vector.format) == "mxint8" && values[i] == 0;
            values[i] = lost ? std::copysign(0.0F, input[i]) : values[i];
        }
        CHECK(hashOf(values) == vector.values);
    }
}

TEST_CASE("nvfp4: the ramp by ModelOpt's formulas") {
    const Cast cast = castOf(1, ramp(), "nvfp4");
    CHECK(std::bit_cast<std::uint32_t>(static_cast<float>(cast.matrix->scales()->values[0])) ==
          0x3A430C31U);
    std::string hex;
    for (std::size_t block = 0; block < 4; ++block) {
        CHECK(cast.scale(block) == std::array{0x7EU, 0x7DU, 0x7CU, 0x7DU}[block]);
        for (std::size_t i = 1; i < 9; ++i) {
            std::array<char, 3> digits{};
            std::snprintf(
                digits.data(), digits.size(), "%02x", unsigned{cast.packed[block * 9 + i]});
            hex += digits.data();
        }
    }
    CHECK(hex == "efad52f6ce2965ef9c53f7ce3975ef9c63f7ce4876ef0c64f7be4076df1b64f7");
}

TEST_CASE("mx and nvfp4: layers as torchao and ModelOpt cast them") {
    const nlohmann::json expected = golden();
    const Matrix layer = xorshiftLayer();
    REQUIRE(hashOf(layer) == "0f8fbd235a4225ac");
    Matrix rows = layer;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i] = std::ldexp(rows[i], static_cast<int>(i / 256) - 32);
    }
    const Matrix top(rows.end() - std::ptrdiff_t{8} * 256, rows.end());
    const auto compare = [&](const std::string& title, const Matrix& values, std::int64_t count) {
        for (const auto& [format, hashes] : expected[title].items()) {
            CAPTURE(title, format);
            const Cast cast = castOf(count, values, format);
            CHECK(cast.scaleHash() == hashes["scales"].get<std::string>());
            CHECK(cast.codeHash() == hashes["codes"].get<std::string>());
            if (format != "mxint8") {  // whose -0 has no code
                CHECK(hashOf(cast.values) == hashes["values"].get<std::string>());
            }
            if (format == "nvfp4") {
                const auto scale = static_cast<float>(cast.matrix->scales()->values[0]);
                CHECK(std::bit_cast<std::uint32_t>(scale) ==
                      std::stoul(hashes["tensor_scale"].get<std::string>(), nullptr, 16));
            }
        }
    };
    compare("layer", layer, 64);
    compare("rows", rows, 64);
    compare("top rows", top, 8);
}

TEST_CASE("mx and nvfp4: the packed bytes decode to the values, also where a row ends in a block") {
    Matrix values = xorshiftLayer();
    values.resize(std::size_t{40} * 83);
    for (const std::string_view format : blockCastFormats()) {
        CAPTURE(std::string(format));
        const Cast cast = castOf(40, values, format);
        const BlockLayout& layout = *cast.matrix->packedLayout();
        const std::int64_t blocks = (83 + layout.elements - 1) / layout.elements;
        REQUIRE(cast.matrix->packedRowBytes() == blocks * layout.bytes);
        std::vector<float> row(static_cast<std::size_t>(blocks * layout.elements));
        const float outside =
            format == "nvfp4" ? static_cast<float>(cast.matrix->scales()->values[0]) : 1.0F;
        for (std::int64_t r = 0; r < 40; ++r) {
            const auto* bytes =
                reinterpret_cast<const std::byte*>(cast.packed.data()) + r * blocks * layout.bytes;
            layout.unpack(bytes, blocks, row.data());
            for (std::size_t c = 0; c < row.size(); ++c) {
                if (c >= 83) {
                    CHECK(row[c] == 0.0F);  // padded with zeros
                    continue;
                }
                const float value = cast.values[static_cast<std::size_t>(r) * 83 + c];
                if (format != "nvfp4") {
                    CHECK(row[c] == value);
                } else {
                    CHECK(std::abs(row[c] * outside - value) <= std::abs(value) * 1e-6F);
                }
            }
        }
        const double scales = static_cast<double>(blocks) * 8 / 83;
        const double tensor = format == "nvfp4" ? 32.0 / (40 * 83) : 0;
        CHECK_THAT(cast.bits, WithinAbs(layout.codeBits + scales + tensor, 1e-12));
    }
}

TEST_CASE("mx: no value of a block is nearer, and the scale comes from the exponent's bits") {
    const Matrix layer = xorshiftLayer();
    for (const std::string_view format : blockCastFormats()) {
        CAPTURE(std::string(format));
        const Cast cast = castOf(64, layer, format);
        for (std::int64_t i = 0; i < 64; ++i) {
            const std::int64_t col = (i * 37) % 256;
            const std::vector<Level> levels = cast.matrix->levels(i, col);
            REQUIRE_FALSE(levels.empty());
            const auto at = static_cast<std::size_t>(i * 256 + col);
            const auto w = static_cast<double>(layer[at]);
            const double error = std::abs(static_cast<double>(cast.values[at]) - w);
            for (const Level& level : levels) {
                CHECK(error <= std::abs(level.value - w) + 1e-12);
            }
        }
    }
    // Just below a power of two, where a float log2 rounds up.
    const float below = std::nextafter(1024.0F, 0.0F);
    CHECK(castOf(1, Matrix(32, below), "mxint8").scale(0) == 127 + 9);
    CHECK(castOf(1, Matrix(32, 1024.0F), "mxint8").scale(0) == 127 + 10);
}

TEST_CASE("mx and nvfp4: zeros, tiny and huge weights") {
    for (const std::string_view format : blockCastFormats()) {
        CAPTURE(std::string(format));
        const Cast zeros = castOf(2, Matrix(80), format);
        CHECK(zeros.values == Matrix(80));
        Matrix extreme(64, 0.0F);
        extreme[0] = std::numeric_limits<float>::max();
        extreme[33] = std::numeric_limits<float>::denorm_min();
        extreme[34] = -1e-30F;
        const Cast cast = castOf(1, extreme, format);
        for (const float value : cast.values) {
            CHECK(std::isfinite(value));
        }
        CHECK(cast.values[0] >= 0.75F * extreme[0]);  // FP4 ends at 1.5 · 2^127
        CHECK(cast.values[1] == 0.0F);
    }
    // A block 2^20 below the largest: its NVFP4 scale would round to 0.
    Matrix uneven(32, 1.0F);
    std::fill(uneven.begin() + 16, uneven.end(), std::ldexp(1.0F, -20));
    const Cast cast = castOf(1, uneven, "nvfp4");
    CHECK(cast.scale(1) == 0x01);
    const float spacing = std::ldexp(0.5F, -9) / 2688.0F;
    CHECK(std::abs(cast.values[20] - uneven[20]) <= spacing / 2);
    CHECK(cast.values[0] == 1.0F);
    CHECK(castOf(1, Matrix(16, -0.0F), "nvfp4").codes[0] == 0);
}

TEST_CASE("mx and nvfp4: FP64 weights round once") {
    // 1 + 2^-4 + 2^-40 lies above the midpoint of E4M3's 1 and 1.125; through FP32 it would tie.
    std::vector<double> weights(32, 1.0 + 0.0625 + std::ldexp(1.0, -40));
    const Cast cast = castOf(makeRowSource(1, 32, weights), "mxfp8_e4m3");
    CHECK(cast.values[5] == 1.125F);
    CHECK(cast.matrix->isDouble());
    StepInput input;
    input.weights = makeRowSource(1, 1, std::vector<double>{1e300});
    for (const std::string_view format : blockCastFormats()) {
        CAPTURE(std::string(format));
        const auto out = castToBlocks(input, format, JobContext{});
        REQUIRE_FALSE(out.has_value());
        CHECK(out.error().what.find("1e+300") != std::string::npos);
    }
}

TEST_CASE("mx and nvfp4: NaN and infinity are named, keys without effect refused") {
    for (const std::string_view format : blockCastFormats()) {
        for (const float bad :
             {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            StepInput input;
            input.weights = makeRowSource(2, 2, Matrix{0, 1, 2, bad});
            const auto out = castToBlocks(input, format, JobContext{});
            REQUIRE_FALSE(out.has_value());
            CHECK(out.error().what.find("row 1, column 1") != std::string::npos);
        }
    }
    for (const char* key : {"scale=row", "group=64", "overflow=special", "rounding=zero"}) {
        CAPTURE(key);
        const auto scheme = parseScheme(std::string("cast:format=mxfp4,") + key);
        REQUIRE_FALSE(scheme.has_value());
        CHECK(scheme.error().code == ErrorCode::Usage);
    }
    CHECK(toString(parseScheme("cast:format=nvfp4").value()) == "cast:format=nvfp4");
    // A form drops what loses its effect, for each of the formats.
    for (const std::string_view format : blockCastFormats()) {
        const Step scaled = parseScheme("cast:format=fp8_e4m3,group=64").value().steps.front();
        const auto step = withValue(scaled, "format", format);
        REQUIRE(step.has_value());
        CHECK(toString(Scheme{{*step}}) == "cast:format=" + std::string(format));
    }
}

TEST_CASE("mx and nvfp4: the worked equation arrives at the value") {
    const Matrix layer = xorshiftLayer();
    for (const std::string_view format : blockCastFormats()) {
        CAPTURE(std::string(format));
        const Cast cast = castOf(64, layer, format);
        const auto lines = cast.matrix->explain(3, 77);
        REQUIRE(lines.size() == 6);
        CHECK(lines[0].label == "scale");
        const double shown = std::stod(lines[4].result);
        CHECK_THAT(shown, WithinAbs(static_cast<double>(cast.values[3 * 256 + 77]), 1e-7));
        CHECK(lines[3].result == std::to_string(cast.codes[3 * 256 + 77]));
    }
}

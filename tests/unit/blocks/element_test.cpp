// SPDX-License-Identifier: Apache-2.0
// What every block format must hold, on random blocks: elements taken apart give what unpack gives,
// and name every bit that they depend on.
#include "core/base/cpu_dispatch.hpp"
#include "core/base/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/blocks/block_support.hpp"

#include <bit>
#include <cmath>
#include <map>

using namespace loupe;
using namespace loupe::test;

namespace {

/// An equation's value in FP32, one rounding for each operation, from left to right.
class Evaluator {
public:
    explicit Evaluator(std::string_view text) : text_(text) {}

    float sum() {
        float value = product();
        while (true) {
            if (take(" + ")) {
                value += product();
            } else if (take(" − ")) {
                value -= product();
            } else {
                return value;
            }
        }
    }
    [[nodiscard]] bool atEnd() const { return text_.empty(); }

private:
    bool take(std::string_view token) {
        const bool found = text_.substr(0, token.size()) == token;
        text_.remove_prefix(found ? token.size() : 0);
        return found;
    }
    float product() {
        float value = factor();
        while (true) {
            if (take(" · ")) {
                value *= factor();
            } else if (take(" / ")) {
                value /= factor();
            } else {
                return value;
            }
        }
    }
    float factor() {
        if (take("(")) {
            const float value = sum();
            CHECK(take(")"));
            return value;
        }
        const std::size_t length = std::min(text_.find_first_of(" )"), text_.size());
        const std::optional<double> number = parseDouble(text_.substr(0, length));
        REQUIRE(number.has_value());
        text_.remove_prefix(length);
        return static_cast<float>(*number);
    }

    std::string_view text_;
};

bool sameBits(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

/// The same number: one NaN is as good as another.
bool sameValue(float a, float b) {
    return sameBits(a, b) || (std::isnan(a) && std::isnan(b));
}

/// Bits that an element names; false if it names one twice.
bool namedBits(const BlockElement& element, std::vector<bool>& named) {
    for (const BlockPart& part : element.parts) {
        for (const BitRun& run : part.bits) {
            for (int bit = run.bit; bit < run.bit + run.width; ++bit) {
                const auto place = static_cast<std::size_t>(run.byte * 8 + bit);
                if (named.at(place)) {
                    return false;
                }
                named[place] = true;
            }
        }
    }
    return true;
}

/// Enough random blocks for every bit to matter to every element that depends on it. The low bit of
/// a byte of five trits decides in four of 256 bytes only.
int flipRounds(const BlockLayout& layout) {
    return layout.id == "tq1_0" ? 1200 : 64;
}

/// Bits of indices into codebooks.
void markGrid(const BlockElement& element, std::vector<bool>& chooses) {
    for (const BlockPart& part : element.parts) {
        for (const BitRun& run : part.bits) {
            for (int bit = run.bit; bit < run.bit + run.width && part.role == BlockRole::Grid;
                 ++bit) {
                chooses[static_cast<std::size_t>(run.byte * 8 + bit)] = true;
            }
        }
    }
}

}  // namespace

TEST_CASE("elements of blocks are what unpack gives, and so are their equations") {
    std::uint64_t seed = 1;
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        int equations = 0;
        for (int round = 0; round < 24; ++round) {
            const std::vector<std::byte> block =
                round % 4 == 3 ? wildBlock(*layout, ++seed) : tameBlock(*layout, ++seed);
            const std::vector<float> values = unpackBlocks(*layout, block);
            for (int i = 0; i < layout->elements; ++i) {
                CAPTURE(i);
                const BlockElement element = layout->element(block.data(), i);
                const auto expected = values[static_cast<std::size_t>(i)];
                REQUIRE(sameValue(static_cast<float>(element.value), expected));
                const bool isFloat =
                    std::isnan(element.value) ||
                    static_cast<double>(static_cast<float>(element.value)) == element.value;
                REQUIRE(isFloat);
                for (const BlockPart& part : element.parts) {
                    REQUIRE(gatherBits(block, part.bits) == part.code);
                }
                if (element.equation.find("inf") == std::string::npos &&
                    element.equation.find("nan") == std::string::npos) {
                    CAPTURE(element.equation);
                    Evaluator evaluator(element.equation);
                    REQUIRE(sameValue(evaluator.sum(), expected));
                    REQUIRE(evaluator.atEnd());
                    ++equations;
                }
            }
        }
        CHECK(equations > layout->elements);
    }
}

TEST_CASE("an element names the bits that it depends on, each once, and no other") {
    std::uint64_t seed = 1000;
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        const auto elements = static_cast<std::size_t>(layout->elements);
        const auto bits = static_cast<std::size_t>(layout->bytes) * 8;
        std::vector<std::vector<bool>> named(elements, std::vector<bool>(bits));
        std::vector<bool> chooses(bits);  // among the vectors of a codebook
        const std::vector<std::byte> first = tameBlock(*layout, ++seed);
        for (std::size_t i = 0; i < elements; ++i) {
            const BlockElement element = layout->element(first.data(), static_cast<int>(i));
            REQUIRE(namedBits(element, named[i]));
            markGrid(element, chooses);
        }
        std::vector<std::vector<bool>> seen(elements, std::vector<bool>(bits));
        for (int round = 0; round < flipRounds(*layout); ++round) {
            std::vector<std::byte> block =
                round % 2 == 1 ? wildBlock(*layout, ++seed) : tameBlock(*layout, ++seed);
            const std::vector<float> before = unpackBlocks(*layout, block);
            for (std::size_t bit = 0; bit < bits; ++bit) {
                const std::byte mask{static_cast<unsigned char>(1U << (bit % 8))};
                block[bit / 8] ^= mask;
                const std::vector<float> after = unpackBlocks(*layout, block);
                block[bit / 8] ^= mask;
                for (std::size_t i = 0; i < elements; ++i) {
                    if (!sameBits(before[i], after[i])) {
                        seen[i][bit] = true;
                        if (!named[i][bit]) {
                            CAPTURE(bit / 8, bit % 8, i);
                            REQUIRE(named[i][bit]);
                        }
                    }
                }
            }
        }
        // The other way round: no bit is named that never matters. Two vectors of a codebook may
        // agree in one element whenever they differ by this bit; then another one shows it.
        for (std::size_t bit = 0; bit < bits; ++bit) {
            bool any = false;
            bool isNamed = false;
            for (std::size_t i = 0; i < elements; ++i) {
                any = any || seen[i][bit];
                isNamed = isNamed || named[i][bit];
                if (!chooses[bit] && seen[i][bit] != named[i][bit]) {
                    CAPTURE(bit / 8, bit % 8, i);
                    REQUIRE(seen[i][bit] == named[i][bit]);
                }
            }
            CAPTURE(bit / 8, bit % 8);
            REQUIRE(any == isNamed);
        }
    }
}

TEST_CASE("every instruction set decodes blocks to the same bits") {
    const CpuTarget usual = cpuTarget();
    std::uint64_t seed = 2000;
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        std::vector<std::byte> blocks;
        for (int i = 0; i < 64; ++i) {
            const auto block = i % 4 == 3 ? wildBlock(*layout, ++seed) : tameBlock(*layout, ++seed);
            blocks.insert(blocks.end(), block.begin(), block.end());
        }
        setCpuTarget(CpuTarget::Baseline);
        const std::vector<float> expected = unpackBlocks(*layout, blocks);
        for (const CpuTarget target : availableCpuTargets()) {
            CAPTURE(cpuTargetName(target));
            setCpuTarget(target);
            const std::vector<float> values = unpackBlocks(*layout, blocks);
            REQUIRE(values.size() == expected.size());
            for (std::size_t i = 0; i < values.size(); ++i) {
                CAPTURE(i);
                if (!sameValue(values[i], expected[i])) {
                    REQUIRE(values[i] == expected[i]);
                }
            }
        }
        setCpuTarget(usual);
    }
}

TEST_CASE("a scale that is no number is found, and a sound block is not blamed") {
    std::uint64_t seed = 3000;
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        for (int round = 0; round < 50; ++round) {
            CHECK(layout->check(tameBlock(*layout, ++seed).data()) == "");
        }
        for (const Poison& poison : poisons(*layout)) {
            CAPTURE(poison.offset);
            std::vector<std::byte> block = tameBlock(*layout, ++seed);
            std::copy(poison.bytes.begin(), poison.bytes.end(), block.begin() + poison.offset);
            const std::string found = layout->check(block.data());
            CAPTURE(found);
            CHECK(found.find("expected a finite") == 0);
            CHECK(found.find(poison.name) != std::string::npos);
        }
    }
}

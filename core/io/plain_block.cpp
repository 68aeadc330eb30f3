// SPDX-License-Identifier: Apache-2.0
#include "core/io/plain_block.hpp"

#include "core/base/text.hpp"
#include "core/blocks/byte_order.hpp"
#include "core/formats/codec.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace loupe {

namespace {

constexpr std::int64_t kNeighbours = 16;

/// Plain elements in a run of bytes that begins with one.
struct PlainRun {
    const StorageType* type = nullptr;
    int swapWidth = 0;
    std::int64_t count = 0;
};

/// Bits [low, low + width) of element `index`, wherever they lie.
std::vector<BitRun> bitsOf(const PlainRun& run, std::int64_t index, int low, int width) {
    std::vector<BitRun> runs;
    std::int64_t at = index * run.type->bits + low;
    for (int done = 0; done < width;) {
        const auto bit = static_cast<int>(at % 8);
        const int taken = std::min(width - done, 8 - bit);
        std::int64_t byte = at / 8;
        if (run.swapWidth > 1) {
            byte =
                byte / run.swapWidth * run.swapWidth + (run.swapWidth - 1) - byte % run.swapWidth;
        }
        runs.push_back({byte, bit, taken, done});
        done += taken;
        at += taken;
    }
    return runs;
}

std::vector<std::byte> littleEndian(const PlainRun& run, std::span<const std::byte> bytes) {
    std::vector<std::byte> turned(bytes.begin(), bytes.end());
    reverseWords(turned, run.swapWidth);
    return turned;
}

BlockPart partOf(const PlainRun& run,
                 std::span<const std::byte> bytes,
                 std::int64_t index,
                 std::string name,
                 BlockRole role,
                 int low,
                 int width) {
    BlockPart part{std::move(name), role, bitsOf(run, index, low, width), 0, 0};
    part.code = gatherBits(bytes, part.bits);
    part.value = static_cast<double>(part.code);
    return part;
}

std::string power(const FloatLayout& layout, std::uint64_t exponent) {
    const std::string bias = layout.bias < 0 ? " + " + std::to_string(-layout.bias)
                                             : " − " + std::to_string(layout.bias);
    return "2^(" + std::to_string(exponent) + bias + ")";
}

/// The equation of one float with its fields, most significant field first.
void explainFloat(const NumberFormat& format,
                  const PlainRun& run,
                  std::span<const std::byte> bytes,
                  std::int64_t index,
                  BlockElement& made) {
    const FloatLayout& layout = format.floating;
    const int fraction = layout.mantissaBits;
    const auto add = [&](const char* name, BlockRole role, int low, int width) {
        made.parts.push_back(partOf(run, bytes, index, name, role, low, width));
        return made.parts.back().code;
    };
    std::string names;
    std::string numbers;
    if (layout.hasSign) {
        const std::uint64_t sign = add("sign", BlockRole::Signs, fraction + layout.exponentBits, 1);
        names = "(−1)^sign · ";
        numbers = "(−1)^" + std::to_string(sign) + " · ";
    }
    const std::uint64_t exponent = add("exponent", BlockRole::Scale, fraction, layout.exponentBits);
    const std::uint64_t bits =
        fraction > 0 ? add("fraction", BlockRole::Codes, 0, fraction) : std::uint64_t{0};
    const std::string bias = layout.bias < 0 ? " + " + std::to_string(-layout.bias)
                                             : " − " + std::to_string(layout.bias);
    const std::string share = std::to_string(bits) + "/" +
                              std::to_string(std::uint64_t{1} << static_cast<unsigned>(fraction));
    if (std::isnan(made.value) || std::isinf(made.value)) {
        made.formula = "a code that is no number";
        made.equation = "exponent " + std::to_string(exponent) +
                        (fraction > 0 ? ", fraction " + std::to_string(bits) : std::string()) +
                        (std::isnan(made.value) ? ": not a number" : ": infinite");
        return;
    }
    if (layout.hasZero && exponent == 0) {
        names += "2^(1" + bias + ")";
        numbers += power(layout, 1);
        names += fraction > 0 ? " · fraction/2^" + std::to_string(fraction) : " · 0";
        numbers += fraction > 0 ? " · " + share : " · 0";
    } else {
        names += "2^(exponent" + bias + ")";
        numbers += power(layout, exponent);
        if (fraction > 0) {
            names += " · (1 + fraction/2^" + std::to_string(fraction) + ")";
            numbers += " · (1 + " + share + ")";
        }
    }
    made.formula = names;
    made.equation = numbers;
}

void explainInteger(std::string_view title,
                    bool isSigned,
                    const PlainRun& run,
                    std::span<const std::byte> bytes,
                    std::int64_t index,
                    BlockElement& made) {
    const int bits = run.type->bits;
    if (!isSigned) {
        made.parts.push_back(partOf(run, bytes, index, "q", BlockRole::Codes, 0, bits));
        const BlockPart& part = made.parts.back();
        const bool same = static_cast<double>(part.code) == made.value;
        made.formula = same ? "q" : std::string(title) + "[q]";
        made.equation = same ? std::to_string(part.code)
                             : std::string(title) + "[" + std::to_string(part.code) + "]";
        return;
    }
    made.parts.push_back(partOf(run, bytes, index, "sign", BlockRole::Signs, bits - 1, 1));
    made.parts.push_back(partOf(run, bytes, index, "integer", BlockRole::Codes, 0, bits - 1));
    const std::string top = "−2^" + std::to_string(bits - 1);
    made.formula = top + " · sign + integer";
    made.equation = top + " · " + std::to_string(made.parts[0].code) + " + " +
                    std::to_string(made.parts[1].code);
}

/// The two halves of a complex number: their values come from the bytes themselves.
template <class Part>
void explainComplex(const PlainRun& run,
                    std::span<const std::byte> bytes,
                    std::int64_t index,
                    BlockElement& made) {
    const std::vector<std::byte> turned = littleEndian(run, bytes);
    constexpr int kBits = 8 * static_cast<int>(sizeof(Part));
    for (int half = 0; half < 2; ++half) {
        BlockPart part = partOf(run,
                                bytes,
                                index,
                                half == 0 ? "real" : "imaginary",
                                BlockRole::Codes,
                                half * kBits,
                                kBits);
        Part value{};
        std::memcpy(&value,
                    turned.data() + static_cast<std::size_t>(2 * index + half) * sizeof(Part),
                    sizeof(Part));
        part.value = static_cast<double>(value);
        made.parts.push_back(std::move(part));
    }
    made.formula = "√(real² + imaginary²)";
    made.equation =
        "√((" + shortest(made.parts[0].value) + ")² + (" + shortest(made.parts[1].value) + ")²)";
}

std::vector<double> decodeRun(const PlainRun& run, std::span<const std::byte> bytes) {
    const std::vector<std::byte> turned = littleEndian(run, bytes);
    std::vector<double> values(static_cast<std::size_t>(run.count));
    decodeElements(*run.type, turned, 0, run.count, values.data());
    return values;
}

BlockElement explainPlain(const PlainRun& run,
                          std::span<const std::byte> bytes,
                          std::int64_t index) {
    BlockElement made;
    made.value = decodeRun(run, bytes)[static_cast<std::size_t>(index)];
    const StorageType& type = *run.type;
    const NumberFormat* format = type.format;
    if (format != nullptr && format->kind == FormatKind::Float) {
        explainFloat(*format, run, bytes, index, made);
    } else if (format != nullptr) {
        const bool isSigned = format->kind == FormatKind::Integer && format->bits > 1 &&
                              format->integer.min == -(std::int64_t{1} << (format->bits - 1));
        explainInteger(format->title, isSigned, run, bytes, index, made);
    } else if (type.id == "complex64") {
        explainComplex<float>(run, bytes, index, made);
    } else if (type.id == "complex128") {
        explainComplex<double>(run, bytes, index, made);
    } else if (type.id == "bool") {
        made.parts.push_back(partOf(run, bytes, index, "q", BlockRole::Codes, 0, type.bits));
        made.formula = "1 where q ≠ 0";
        made.equation =
            std::to_string(made.parts[0].code) + (made.parts[0].code == 0 ? " = 0" : " ≠ 0");
    } else {
        explainInteger(type.id, type.id == "int64", run, bytes, index, made);
    }
    return made;
}

/// The bytes of `made.spans[0]`, copied by reading.
Result<void> fetch(const StoredElements& elements, BlockView& made) {
    if (Result<void> same = elements.file->checkUnchanged(); !same) {
        return same;
    }
    made.bytes.resize(static_cast<std::size_t>(made.spans[0].bytes));
    return elements.file->read(made.spans[0].offset, made.bytes);
}

std::string cellName(const std::pair<std::int64_t, std::int64_t>& cell) {
    return "row " + std::to_string(cell.first) + ", column " + std::to_string(cell.second);
}

Result<BlockView> plainBlock(const TensorInfo& tensor,
                             const StoredPlaces& places,
                             std::int64_t index) {
    const StoredElements& elements = places.elements();
    const StorageType& type = *elements.type;
    // Neighbours of the same stored row; of elements that share bytes those of the whole tensor,
    // so that a run begins with a byte.
    const std::int64_t rowBegin = type.bits % 8 == 0 && places.storedRowLength() > 0
                                      ? index / places.storedRowLength() * places.storedRowLength()
                                      : 0;
    const std::int64_t begin = rowBegin + (index - rowBegin) / kNeighbours * kNeighbours;
    const std::int64_t rowEnd =
        type.bits % 8 == 0 ? rowBegin + places.storedRowLength() : places.count();
    const PlainRun run{&type, elements.swapWidth, std::min(kNeighbours, rowEnd - begin)};
    BlockView made;
    made.layout = std::string(type.id);
    made.title = type.format != nullptr ? std::string(type.format->title) : std::string(type.id);
    made.source = type.format != nullptr ? std::string(type.format->source) : std::string();
    made.bitsPerWeight = type.bits;
    made.element = index - begin;
    const auto bits = static_cast<std::int64_t>(type.bits);
    made.spans.push_back(
        {tensor.name,
         tensor.file,
         elements.offset + static_cast<std::uint64_t>(begin) * static_cast<std::uint64_t>(bits) / 8,
         (run.count * bits + 7) / 8});
    if (Result<void> done = fetch(elements, made); !done) {
        return fail(done.error());
    }
    for (std::int64_t i = 0; i < run.count; ++i) {
        made.cells.push_back(places.cellOf(begin + i));
    }
    if (bits % 8 == 0) {
        const bool alongRow = made.cells.size() < 2 || made.cells[0].first == made.cells[1].first;
        for (std::int64_t i = 0; i < run.count; ++i) {
            const auto& cell = made.cells[static_cast<std::size_t>(i)];
            made.fields.push_back({std::to_string(alongRow ? cell.second : cell.first),
                                   "the weight at " + cellName(cell),
                                   BlockRole::Codes,
                                   i * bits / 8,
                                   bits / 8});
        }
    } else {
        made.fields.push_back({"codes",
                               std::to_string(bits) + " bits for each weight, low bits first",
                               BlockRole::Codes,
                               0,
                               made.spans[0].bytes});
    }
    made.decode = [run](std::span<const std::byte> bytes) { return decodeRun(run, bytes); };
    made.explain = [run](std::span<const std::byte> bytes, std::int64_t element) {
        return explainPlain(run, bytes, element);
    };
    return made;
}

/// A block with its words little-endian.
std::vector<std::byte> inOrder(const BlockLayout& layout,
                               std::span<const std::byte> bytes,
                               bool swapped) {
    std::vector<std::byte> block(bytes.begin(), bytes.end());
    if (swapped) {
        swapBlockWords(layout, block.data(), 1);
    }
    return block;
}

Result<BlockView> formatBlock(const TensorInfo& tensor,
                              const StoredPlaces& places,
                              std::int64_t index) {
    const StoredElements& elements = places.elements();
    const BlockLayout& layout = *elements.block;
    const std::int64_t number = index / layout.elements;
    const std::int64_t begin = number * layout.elements;
    const std::int64_t count = std::min<std::int64_t>(layout.elements, places.count() - begin);
    BlockView made;
    made.layout = std::string(layout.id);
    made.title = std::string(layout.title);
    made.source = std::string(layout.source);
    made.bitsPerWeight = layout.bitsPerWeight();
    made.element = index - begin;
    made.spans.push_back({tensor.name,
                          tensor.file,
                          elements.offset + static_cast<std::uint64_t>(number) *
                                                static_cast<std::uint64_t>(layout.bytes),
                          layout.bytes});
    if (Result<void> done = fetch(elements, made); !done) {
        return fail(done.error());
    }
    for (const BlockField& field : layout.fields) {
        made.fields.push_back({std::string(field.name),
                               std::string(field.meaning),
                               field.role,
                               field.offset,
                               field.bytes});
    }
    for (std::int64_t i = 0; i < count; ++i) {
        made.cells.push_back(places.cellOf(begin + i));
    }
    const bool swapped = elements.swapWidth > 1;
    made.decode = [&layout, count, swapped](std::span<const std::byte> bytes) {
        std::vector<float> values(static_cast<std::size_t>(layout.elements));
        const std::vector<std::byte> block = inOrder(layout, bytes, swapped);
        layout.unpack(block.data(), 1, values.data());
        return std::vector<double>(values.begin(), values.begin() + count);
    };
    made.explain = [&layout, swapped](std::span<const std::byte> bytes, std::int64_t element) {
        const std::vector<std::byte> block = inOrder(layout, bytes, swapped);
        BlockElement taken = layout.element(block.data(), static_cast<int>(element));
        for (BlockPart& part : taken.parts) {
            for (BitRun& run : part.bits) {
                run.byte = swapped ? swappedBlockByte(layout, run.byte) : run.byte;
            }
        }
        return taken;
    };
    return made;
}

}  // namespace

Error notInFile(const TensorInfo& tensor, const std::string& path) {
    return {ErrorCode::Unsupported,
            "the bytes of tensor " + tensor.name +
                " do not lie in a file as they are: they are compressed, written as text or made "
                "up",
            path,
            {}};
}

Result<BlockView> storedBlock(const TensorInfo& tensor,
                              const RowSource& rows,
                              std::int64_t row,
                              std::int64_t col,
                              const std::string& path) {
    if (tensor.problem) {
        return fail(*tensor.problem);
    }
    if (row < 0 || col < 0 || row >= rows.rows() || col >= rows.cols()) {
        return fail(ErrorCode::Invalid,
                    "expected a cell of " + std::to_string(rows.rows()) + " rows and " +
                        std::to_string(rows.cols()) + " columns, found " + cellName({row, col}),
                    path);
    }
    const auto* places = dynamic_cast<const StoredPlaces*>(&rows);
    if (!tensor.offset || places == nullptr) {
        return fail(notInFile(tensor, path));
    }
    const std::int64_t index = places->indexOf(row, col);
    return places->elements().block != nullptr ? formatBlock(tensor, *places, index)
                                               : plainBlock(tensor, *places, index);
}

}  // namespace loupe

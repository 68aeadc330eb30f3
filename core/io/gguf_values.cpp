// SPDX-License-Identifier: Apache-2.0
#include "core/io/gguf_values.hpp"

#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"

#include <array>
#include <bit>

namespace loupe {

namespace {

constexpr std::uint64_t kShownItems = 64;
/// ggml refuses longer arrays.
constexpr std::uint64_t kMostItems = std::uint64_t{1} << 30;
constexpr std::uint64_t kMostText = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostItemText = 4096;
constexpr int kMostDepth = 4;

constexpr std::array<std::uint64_t, kGgufTypes> kBytes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

void writeNumber(JsonWriter& json, GgufType type, std::uint64_t bits) {
    switch (type) {
        case GgufType::Int8:
            json.value(static_cast<std::int64_t>(static_cast<std::int8_t>(bits)));
            return;
        case GgufType::Int16:
            json.value(static_cast<std::int64_t>(static_cast<std::int16_t>(bits)));
            return;
        case GgufType::Int32:
            json.value(static_cast<std::int64_t>(static_cast<std::int32_t>(bits)));
            return;
        case GgufType::Int64:
            json.value(static_cast<std::int64_t>(bits));
            return;
        case GgufType::Float32:
            json.value(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
            return;
        case GgufType::Float64:
            json.value(std::bit_cast<double>(bits));
            return;
        case GgufType::Bool:
            json.value(bits != 0);
            return;
        default:
            json.value(bits);
    }
}

std::string numberText(GgufType type, std::uint64_t bits) {
    if (type == GgufType::Float32) {
        return shortest(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    }
    if (type == GgufType::Float64) {
        return shortest(std::bit_cast<double>(bits));
    }
    JsonWriter json;
    writeNumber(json, type, bits);
    return json.text();
}

/// Reads an array; its first items are written as JSON. `items`: how many more may be written, over
/// all arrays in arrays.
class ArrayReader {
public:
    explicit ArrayReader(GgufCursor& cursor) : cursor_(cursor) {}

    void read(int depth) {
        const std::uint64_t at = cursor_.position();
        const auto number = static_cast<std::uint32_t>(cursor_.number(4, "type of an array"));
        const std::uint64_t countAt = cursor_.position();
        const std::uint64_t count = cursor_.length("length of an array");
        if (!cursor_.ok() || !valid(number, at, count, countAt, depth)) {
            return;
        }
        const auto type = static_cast<GgufType>(number);
        const bool cut = count > kShownItems;
        if (cut) {
            json_.beginObject().key("length").value(count).key("first");
        }
        json_.beginArray();
        const std::uint64_t shown = std::min({count, kShownItems, items_});
        items_ -= shown;
        for (std::uint64_t i = 0; i < shown && cursor_.ok(); ++i) {
            item(type, depth);
        }
        json_.endArray();
        if (cut) {
            json_.endObject();
        }
        skip(type, count - shown, depth);
    }

    [[nodiscard]] const std::string& text() const { return json_.text(); }

private:
    bool valid(std::uint32_t number,
               std::uint64_t at,
               std::uint64_t count,
               std::uint64_t countAt,
               int depth) {
        if (number >= kGgufTypes) {
            cursor_.wrong(at,
                          "array: expected a type from 0 to 12, found " + std::to_string(number));
            return false;
        }
        const auto type = static_cast<GgufType>(number);
        if (type == GgufType::Array && depth + 1 >= kMostDepth) {
            cursor_.wrong(at,
                          "array: expected at most " + std::to_string(kMostDepth) +
                              " arrays in one another, found more",
                          ErrorCode::Unsupported);
            return false;
        }
        if (count > kMostItems || count > cursor_.left() / leastBytes(type)) {
            cursor_.wrong(countAt,
                          "array: expected a length within the " + std::to_string(cursor_.left()) +
                              " bytes that follow, found " + std::to_string(count));
            return false;
        }
        return true;
    }

    [[nodiscard]] std::uint64_t leastBytes(GgufType type) const {
        return type == GgufType::String  ? cursor_.lengthBytes()
               : type == GgufType::Array ? 4 + cursor_.lengthBytes()
                                         : ggufValueBytes(type);
    }

    void item(GgufType type, int depth) {
        if (type == GgufType::Array) {
            read(depth + 1);
        } else if (type == GgufType::String) {
            json_.value(cursor_.text("string of an array", kMostItemText));
        } else {
            writeNumber(json_, type, cursor_.number(ggufValueBytes(type), "value of an array"));
        }
    }

    void skip(GgufType type, std::uint64_t count, int depth) {
        if (type == GgufType::String) {
            cursor_.skipTexts(count, "string of an array");
        } else if (type != GgufType::Array) {
            cursor_.skip(count * ggufValueBytes(type), "array");
        }
        for (std::uint64_t i = 0; type == GgufType::Array && i < count && cursor_.ok(); ++i) {
            ArrayReader passed(cursor_);
            passed.items_ = 0;
            passed.read(depth + 1);
        }
    }

    GgufCursor& cursor_;
    JsonWriter json_;
    std::uint64_t items_ = 4096;
};

}  // namespace

std::uint64_t ggufValueBytes(GgufType type) {
    return kBytes[static_cast<std::size_t>(type)];
}

std::string readGgufValue(GgufCursor& cursor, GgufType type) {
    if (type == GgufType::String) {
        return cursor.text("value", kMostText);
    }
    if (type == GgufType::Array) {
        ArrayReader reader(cursor);
        reader.read(0);
        return cursor.ok() ? reader.text() : std::string();
    }
    return numberText(type, cursor.number(ggufValueBytes(type), "value"));
}

}  // namespace loupe

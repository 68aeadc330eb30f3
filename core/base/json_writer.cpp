// SPDX-License-Identifier: Apache-2.0
#include "core/base/json_writer.hpp"

#include <array>
#include <cmath>

#include "core/base/text.hpp"

namespace loupe {

namespace {

/// Length of the well-formed UTF-8 sequence at `at`, 0 if there is none (RFC 3629: no surrogates, no overlong forms).
std::size_t utf8Length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const unsigned first = byte(at);
    if (first < 0x80U) {
        return 1;
    }
    if (first >= 0xC2U && first <= 0xDFU) {
        return continues(at + 1) ? 2 : 0;
    }
    if (first >= 0xE0U && first <= 0xEFU) {
        const unsigned second = byte(at + 1);
        const bool valid = continues(at + 1) && continues(at + 2) && !(first == 0xE0U && second < 0xA0U) &&
                           !(first == 0xEDU && second > 0x9FU);
        return valid ? 3 : 0;
    }
    if (first >= 0xF0U && first <= 0xF4U) {
        const unsigned second = byte(at + 1);
        const bool valid = continues(at + 1) && continues(at + 2) && continues(at + 3) &&
                           !(first == 0xF0U && second < 0x90U) && !(first == 0xF4U && second > 0x8FU);
        return valid ? 4 : 0;
    }
    return 0;
}

}  // namespace

std::string jsonQuote(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string quoted = "\"";
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        const auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
            ++i;
        } else if (c == '\n') {
            quoted += "\\n";
            ++i;
        } else if (c == '\t') {
            quoted += "\\t";
            ++i;
        } else if (c == '\r') {
            quoted += "\\r";
            ++i;
        } else if (code < 0x20 || code == 0x7F) {
            quoted += "\\u00";
            quoted += kHex[code >> 4U];
            quoted += kHex[code & 15U];
            ++i;
        } else if (const std::size_t length = utf8Length(text, i); length > 0) {
            quoted += text.substr(i, length);
            i += length;
        } else {
            quoted += "\xEF\xBF\xBD";
            ++i;
        }
    }
    quoted += '"';
    return quoted;
}

void JsonWriter::separate() {
    if (afterKey_) {
        afterKey_ = false;
        return;
    }
    if (!hasItems_.empty()) {
        if (hasItems_.back()) {
            text_ += ',';
        }
        hasItems_.back() = true;
    }
}

JsonWriter& JsonWriter::beginObject() {
    separate();
    text_ += '{';
    hasItems_.push_back(false);
    return *this;
}

JsonWriter& JsonWriter::endObject() {
    text_ += '}';
    hasItems_.pop_back();
    return *this;
}

JsonWriter& JsonWriter::beginArray() {
    separate();
    text_ += '[';
    hasItems_.push_back(false);
    return *this;
}

JsonWriter& JsonWriter::endArray() {
    text_ += ']';
    hasItems_.pop_back();
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    text_ += jsonQuote(name);
    text_ += ':';
    afterKey_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(double number) {
    separate();
    text_ += std::isfinite(number) ? shortest(number) : jsonQuote(shortest(number));
    return *this;
}

JsonWriter& JsonWriter::value(float number) {
    separate();
    text_ += std::isfinite(number) ? shortest(number) : jsonQuote(shortest(number));
    return *this;
}

JsonWriter& JsonWriter::value(std::int64_t number) {
    separate();
    text_ += std::to_string(number);
    return *this;
}

JsonWriter& JsonWriter::value(std::uint64_t number) {
    separate();
    text_ += std::to_string(number);
    return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
    separate();
    text_ += flag ? "true" : "false";
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    text_ += jsonQuote(text);
    return *this;
}

JsonWriter& JsonWriter::null() {
    separate();
    text_ += "null";
    return *this;
}

JsonWriter& JsonWriter::raw(std::string_view document) {
    separate();
    text_ += document;
    return *this;
}

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// Writes one JSON document in order. Numbers are the shortest that round-trip; NaN and infinities become the strings
/// "nan", "inf", "-inf" (contract of `loupe`). Keys and values in the order of the calls; no checks for duplicate keys.
///
///     JsonWriter json;
///     json.beginObject().key("mse").value(0.5).key("names").beginArray().value("a").endArray().endObject();
class JsonWriter {
public:
    JsonWriter& beginObject();
    JsonWriter& endObject();
    JsonWriter& beginArray();
    JsonWriter& endArray();
    JsonWriter& key(std::string_view name);
    JsonWriter& value(double number);
    JsonWriter& value(float number);
    JsonWriter& value(std::int64_t number);
    JsonWriter& value(std::uint64_t number);
    JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
    JsonWriter& value(bool flag);
    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& null();
    /// null where there is no value.
    template <class T>
    JsonWriter& value(const std::optional<T>& maybe) {
        return maybe ? value(*maybe) : null();
    }
    /// Inserts a document that another writer made.
    JsonWriter& raw(std::string_view document);

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    void separate();

    std::string text_;
    std::vector<bool> hasItems_;
    bool afterKey_ = false;
};

/// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the document stays valid.
[[nodiscard]] std::string jsonQuote(std::string_view text);

}  // namespace loupe

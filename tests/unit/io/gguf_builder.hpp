// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace loupe::test {

/// Writes GGUF files of any version and byte order, and remembers where each field lies, so that
/// tests can damage it and check the place that an error names.
class GgufBuilder {
public:
    explicit GgufBuilder(std::uint32_t version = 3, bool big = false)
        : version_(version), big_(big) {}

    [[nodiscard]] std::string number(std::uint64_t value, int width) const {
        std::string bytes;
        for (int i = 0; i < width; ++i) {
            bytes += static_cast<char>(value >> (8 * i) & 0xFF);
        }
        return big_ ? std::string(bytes.rbegin(), bytes.rend()) : bytes;
    }
    [[nodiscard]] std::string length(std::uint64_t value) const {
        return number(value, version_ == 1 ? 4 : 8);
    }
    [[nodiscard]] std::string text(const std::string& value) const {
        return length(value.size()) + value;
    }

    /// A key with a value of this type, its bytes as given.
    GgufBuilder& pair(const std::string& key, std::uint32_t type, const std::string& value) {
        places_["key " + key] = pairs_.size();
        pairs_ += text(key);
        places_["type of " + key] = pairs_.size();
        pairs_ += number(type, 4);
        places_["value of " + key] = pairs_.size();
        pairs_ += value;
        ++pairCount_;
        return *this;
    }
    GgufBuilder& u16(const std::string& key, std::uint64_t value) {
        return pair(key, 2, number(value, 2));
    }
    GgufBuilder& u32(const std::string& key, std::uint64_t value) {
        return pair(key, 4, number(value, 4));
    }
    GgufBuilder& i32(const std::string& key, std::uint64_t value) {
        return pair(key, 5, number(value, 4));
    }
    GgufBuilder& string(const std::string& key, const std::string& value) {
        return pair(key, 8, text(value));
    }
    GgufBuilder& array(const std::string& key,
                       std::uint32_t type,
                       const std::vector<std::string>& items) {
        std::string bytes = number(type, 4) + length(items.size());
        for (const std::string& item : items) {
            bytes += item;
        }
        return pair(key, 9, bytes);
    }

    /// A tensor; dimensions innermost first, as in the file. Its data are padded to 32 bytes.
    GgufBuilder& tensor(const std::string& name,
                        const std::vector<std::uint64_t>& dims,
                        std::uint32_t type,
                        const std::string& bytes) {
        return tensorAt(name, dims, type, bytes, data_.size());
    }
    GgufBuilder& tensorAt(const std::string& name,
                          const std::vector<std::uint64_t>& dims,
                          std::uint32_t type,
                          const std::string& bytes,
                          std::uint64_t offset) {
        infoPlaces_["tensor " + name] = infos_.size();
        infos_ += text(name);
        infoPlaces_["dimensions of " + name] = infos_.size();
        infos_ += number(dims.size(), 4);
        infoPlaces_["shape of " + name] = infos_.size();
        for (const std::uint64_t dim : dims) {
            infos_ += length(dim);
        }
        infoPlaces_["type of " + name] = infos_.size();
        infos_ += number(type, 4);
        infoPlaces_["offset of " + name] = infos_.size();
        infos_ += number(offset, 8);
        data_ += bytes;
        data_.append((32 - data_.size() % 32) % 32, '\0');
        ++tensorCount_;
        return *this;
    }

    [[nodiscard]] std::string header() const {
        return "GGUF" + number(version_, 4) + length(tensorCount_) + length(pairCount_) + pairs_ +
               infos_;
    }
    [[nodiscard]] std::string build(std::uint64_t alignment = 32) const {
        std::string file = header();
        file.append((alignment - file.size() % alignment) % alignment, '\0');
        return file + data_;
    }

    /// Where a field lies in the file: "magic", "version", "tensors", "pairs", "key K",
    /// "type of K", "value of K", "tensor T", "dimensions of T", "shape of T", "type of T",
    /// "offset of T", "end" (of the header).
    [[nodiscard]] std::size_t at(const std::string& field) const {
        const std::size_t width = version_ == 1 ? 4 : 8;
        const std::size_t start = 8 + 2 * width;
        const std::map<std::string, std::size_t> fixed{{"magic", 0},
                                                       {"version", 4},
                                                       {"tensors", 8},
                                                       {"pairs", 8 + width},
                                                       {"end", header().size()}};
        if (const auto found = fixed.find(field); found != fixed.end()) {
            return found->second;
        }
        if (const auto found = places_.find(field); found != places_.end()) {
            return start + found->second;
        }
        return start + pairs_.size() + infoPlaces_.at(field);
    }

    /// The file with the number at a place of a field replaced.
    [[nodiscard]] std::string with(const std::string& field,
                                   std::uint64_t value,
                                   int width,
                                   std::size_t shift = 0) const {
        std::string file = build();
        file.replace(at(field) + shift, static_cast<std::size_t>(width), number(value, width));
        return file;
    }

private:
    std::uint32_t version_;
    bool big_;
    std::string pairs_;
    std::string infos_;
    std::string data_;
    std::uint64_t pairCount_ = 0;
    std::uint64_t tensorCount_ = 0;
    std::map<std::string, std::size_t> places_;
    std::map<std::string, std::size_t> infoPlaces_;
};

}  // namespace loupe::test

// SPDX-License-Identifier: Apache-2.0
#include "core/io/safetensors_header.hpp"

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>

namespace loupe {

namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::uint64_t kLengthBytes = 8;

struct DtypeName {
    std::string_view stored;
    std::string_view id;
};
/// spec/formats.md C.1, most frequent first.
constexpr std::array<DtypeName, 22> kDtypes{{{"BF16", "bf16"},
                                             {"F16", "fp16"},
                                             {"F32", "fp32"},
                                             {"F8_E4M3", "fp8_e4m3"},
                                             {"U8", "uint8"},
                                             {"I8", "int8"},
                                             {"I32", "int32"},
                                             {"I64", "int64"},
                                             {"F64", "fp64"},
                                             {"BOOL", "bool"},
                                             {"F8_E5M2", "fp8_e5m2"},
                                             {"F8_E8M0", "e8m0"},
                                             {"F8_E4M3FNUZ", "fp8_e4m3fnuz"},
                                             {"F8_E5M2FNUZ", "fp8_e5m2fnuz"},
                                             {"F4", "fp4_e2m1"},
                                             {"F6_E2M3", "fp6_e2m3"},
                                             {"F6_E3M2", "fp6_e3m2"},
                                             {"I16", "int16"},
                                             {"U16", "uint16"},
                                             {"U32", "uint32"},
                                             {"U64", "uint64"},
                                             {"C64", "complex64"}}};

const StorageType* storageTypeOf(std::string_view dtype) {
    static const std::array<const StorageType*, kDtypes.size()> types = [] {
        std::array<const StorageType*, kDtypes.size()> found{};
        std::transform(kDtypes.begin(), kDtypes.end(), found.begin(), [](const DtypeName& d) {
            return findStorageType(d.id);
        });
        return found;
    }();
    for (std::size_t i = 0; i < kDtypes.size(); ++i) {
        if (kDtypes[i].stored == dtype) {
            return types[i];
        }
    }
    return nullptr;
}

/// Offsets as the header says them, relative to the buffer.
struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

struct Entry {
    std::string_view dtype;
    std::vector<std::int64_t> shape;
    bool shapeOverflows = false;
    Range range;
};

class HeaderReader {
public:
    HeaderReader(const MappedFile& file, int fileIndex, Listing& listing)
        : file_(file),
          fileIndex_(fileIndex),
          listing_(listing),
          firstTensor_(listing.tensors.size()) {}

    Result<void> run() {
        for (auto step : {&HeaderReader::load,
                          &HeaderReader::parse,
                          &HeaderReader::checkNames,
                          &HeaderReader::checkCoverage}) {
            if (Result<void> done = (this->*step)(); !done) {
                return done;
            }
        }
        return {};
    }

private:
    [[nodiscard]] std::string at(std::uint64_t offset) const {
        return filePosition(file_.path(), offset);
    }

    [[nodiscard]] tl::unexpected<Error> damaged(std::string what, std::uint64_t offset) const {
        return fail(ErrorCode::Damaged, std::move(what), at(offset));
    }

    /// Where the parser stands, as an offset in the file.
    [[nodiscard]] std::uint64_t here() {
        const char* location = nullptr;
        if (!iterating_) {  // a document that was refused as a whole has no place
            return kLengthBytes;
        }
        if (document_.current_location().get(location) != simdjson::SUCCESS ||
            location < text_.get() || location > text_.get() + headerBytes_) {
            return kLengthBytes + headerBytes_;
        }
        return kLengthBytes + static_cast<std::uint64_t>(location - text_.get());
    }

    /// A string's text where it lies in the header; stage 1 of the parser has seen to it that it
    /// ends. Only a string with an escape is copied, into `unescaped`.
    [[nodiscard]] simdjson::error_code textOf(
        simdjson::simdjson_result<ondemand::raw_json_string> string,
        std::string& unescaped,
        std::string_view& out) const {
        ondemand::raw_json_string raw;
        // get() takes an rvalue; the type is trivially copyable, so it is a cast and no move.
        using Token = simdjson::simdjson_result<ondemand::raw_json_string>;
        if (auto error = static_cast<Token&&>(string).get(raw); error != simdjson::SUCCESS) {
            return error;
        }
        const char* begin = raw.raw();
        const char* limit = text_.get() + headerBytes_;
        const auto* end = static_cast<const char*>(
            std::memchr(begin, '"', static_cast<std::size_t>(limit - begin)));
        if (end == nullptr) {
            return simdjson::UNCLOSED_STRING;
        }
        out = {begin, static_cast<std::size_t>(end - begin)};
        if (out.find('\\') == std::string_view::npos) {
            return simdjson::SUCCESS;
        }
        for (end = begin; end < limit && *end != '"'; ++end) {
            end += *end == '\\' ? 1 : 0;
        }
        const nlohmann::json text =
            nlohmann::json::parse(begin - 1, end < limit ? end + 1 : limit, nullptr, false);
        if (!text.is_string()) {
            return simdjson::STRING_ERROR;
        }
        unescaped = text.get<std::string>();
        out = unescaped;
        return simdjson::SUCCESS;
    }

    [[nodiscard]] tl::unexpected<Error> wrong(const std::string& expected,
                                              simdjson::error_code code) {
        if (code == simdjson::UTF8_ERROR) {
            return damaged("header: expected UTF-8, found bytes that are not", kLengthBytes);
        }
        const bool type = code == simdjson::INCORRECT_TYPE || code == simdjson::NUMBER_ERROR ||
                          code == simdjson::NUMBER_OUT_OF_RANGE;
        const std::string found =
            type ? "another type" : std::string(simdjson::error_message(code));
        return damaged("header: expected " + expected + ", found " + found, here());
    }

    Result<void> load() {
        if (file_.size() < kLengthBytes) {
            return damaged("not a safetensors file: expected at least 8 bytes, found " +
                               std::to_string(file_.size()),
                           0);
        }
        std::array<std::byte, kLengthBytes> length{};
        if (Result<void> read = file_.read(0, length); !read) {
            return read;
        }
        headerBytes_ = std::bit_cast<std::uint64_t>(length);
        if (headerBytes_ > kMaxSafetensorsHeader) {
            return damaged("header length: expected at most 100000000 bytes, found " +
                               std::to_string(headerBytes_),
                           0);
        }
        if (headerBytes_ > file_.size() - kLengthBytes) {
            return damaged("header length: expected at most the " +
                               std::to_string(file_.size() - kLengthBytes) +
                               " bytes that follow, found " + std::to_string(headerBytes_),
                           0);
        }
        dataStart_ = kLengthBytes + headerBytes_;
        bufferBytes_ = file_.size() - dataStart_;
        text_ = std::make_unique_for_overwrite<char[]>(headerBytes_ + simdjson::SIMDJSON_PADDING);
        std::memset(text_.get() + headerBytes_, ' ', simdjson::SIMDJSON_PADDING);
        return file_.read(kLengthBytes, {reinterpret_cast<std::byte*>(text_.get()), headerBytes_});
    }

    Result<void> parse() {
        if (headerBytes_ == 0 || text_[0] != '{') {
            return damaged("header: expected '{' as its first byte, found " +
                               (headerBytes_ == 0 ? std::string("nothing")
                                                  : "byte " + std::to_string(text_[0] & 0xFF)),
                           kLengthBytes);
        }
        const simdjson::padded_string_view view(
            text_.get(), headerBytes_, headerBytes_ + simdjson::SIMDJSON_PADDING);
        ondemand::object root;
        if (auto error = parser_.iterate(view).get(document_); error != simdjson::SUCCESS) {
            return wrong("a JSON object", error);
        }
        iterating_ = true;
        if (auto error = document_.get_object().get(root); error != simdjson::SUCCESS) {
            return wrong("a JSON object", error);
        }
        // About 110 bytes of header a tensor; address space that is not needed is never touched.
        const std::size_t expected = static_cast<std::size_t>(headerBytes_ / 96) + 1;
        listing_.tensors.reserve(firstTensor_ + expected);
        ranges_.reserve(expected);
        positions_.reserve(expected);
        for (auto item : root) {
            if (Result<void> done = parseItem(item); !done) {
                return done;
            }
        }
        if (document_.current_location().error() !=
            simdjson::OUT_OF_BOUNDS) {  // the parser has nothing left
            return damaged("header: expected nothing after the JSON object, found more text",
                           here());
        }
        return {};
    }

    Result<void> parseItem(simdjson::simdjson_result<ondemand::field>& item) {
        ondemand::field field;
        if (auto error = std::move(item).get(field); error != simdjson::SUCCESS) {
            return wrong("a tensor's name", error);
        }
        const auto position =
            kLengthBytes +
            static_cast<std::uint64_t>(field.key().raw() - 1 - text_.get());  // of the quote
        std::string_view name;
        if (auto error = textOf(field.key(), unescapedName_, name); error != simdjson::SUCCESS) {
            return wrong("a tensor's name", error);
        }
        // null is what MLX writes where it has no metadata, and what the library accepts.
        ondemand::json_type type{};
        if (name == "__metadata__" && field.value().type().get(type) == simdjson::SUCCESS &&
            type == ondemand::json_type::null) {
            static_cast<void>(field.value().is_null());
            return std::exchange(hasMetadata_, true)
                       ? damaged("header: expected one __metadata__, found a second", position)
                       : Result<void>();
        }
        ondemand::object object;
        if (auto error = field.value().get_object().get(object); error != simdjson::SUCCESS) {
            return wrong("an object for \"" + std::string(name) + "\"", error);
        }
        if (name == "__metadata__") {
            return parseMetadata(object, position);
        }
        if (Result<void> done = parseEntry(object, name, position); !done) {
            return done;
        }
        addTensor(name, position);
        return {};
    }

    Result<void> parseMetadata(ondemand::object& object, std::uint64_t position) {
        if (std::exchange(hasMetadata_, true)) {
            return damaged("header: expected one __metadata__, found a second", position);
        }
        for (auto item : object) {
            ondemand::field field;
            std::string_view key;
            std::string_view text;
            auto error = std::move(item).get(field);
            if (error == simdjson::SUCCESS) {
                error = textOf(field.key(), unescapedKey_, key);
            }
            if (error == simdjson::SUCCESS) {
                error = textOf(field.value().get_raw_json_string(), unescapedValue_, text);
            }
            if (error != simdjson::SUCCESS) {
                return wrong("strings in __metadata__", error);
            }
            listing_.info.metadata.emplace_back(key, text);
        }
        return {};
    }

    /// One tensor's object into entry_. Exactly the three keys of the format, each once.
    Result<void> parseEntry(ondemand::object& object,
                            std::string_view name,
                            std::uint64_t position) {
        constexpr int kDtype = 1;
        constexpr int kShape = 2;
        constexpr int kOffsets = 4;
        int seen = 0;
        for (auto item : object) {
            ondemand::field field;
            std::string_view key;
            auto error = std::move(item).get(field);
            if (error == simdjson::SUCCESS) {
                error = textOf(field.key(), unescapedKey_, key);
            }
            if (error != simdjson::SUCCESS) {
                return wrong("a key of \"" + std::string(name) + "\"", error);
            }
            const int bit = key == "dtype"          ? kDtype
                            : key == "shape"        ? kShape
                            : key == "data_offsets" ? kOffsets
                                                    : 0;
            if (bit == 0 || (seen & bit) != 0) {
                return damaged("header: tensor \"" + std::string(name) +
                                   "\": expected dtype, shape and data_offsets once each, found " +
                                   (bit == 0 ? "" : "a second ") + "\"" + std::string(key) + "\"",
                               position);
            }
            seen |= bit;
            error = bit == kDtype
                        ? textOf(field.value().get_raw_json_string(), unescapedValue_, entry_.dtype)
                    : bit == kShape ? parseShape(field)
                                    : parseOffsets(field);
            if (error != simdjson::SUCCESS) {
                return wrong((bit == kDtype   ? "a string as dtype of \""
                              : bit == kShape ? "non-negative integers as shape of \""
                                              : "two non-negative integers as data_offsets of \"") +
                                 std::string(name) + "\"",
                             error);
            }
        }
        if (seen != (kDtype | kShape | kOffsets)) {
            return damaged("header: tensor \"" + std::string(name) +
                               "\": expected dtype, shape and data_offsets, found " +
                               (seen == 0 ? "none of them" : "only some of them"),
                           position);
        }
        return {};
    }

    simdjson::error_code parseShape(ondemand::field& field) {
        entry_.shape.clear();
        entry_.shapeOverflows = false;
        ondemand::array array;
        if (auto error = field.value().get_array().get(array); error != simdjson::SUCCESS) {
            return error;
        }
        for (auto value : array) {
            std::uint64_t dim = 0;
            if (auto error = value.get_uint64().get(dim); error != simdjson::SUCCESS) {
                return error;
            }
            constexpr auto kMax =
                static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
            entry_.shapeOverflows = entry_.shapeOverflows || dim > kMax;
            entry_.shape.push_back(static_cast<std::int64_t>(std::min(dim, kMax)));
        }
        return simdjson::SUCCESS;
    }

    simdjson::error_code parseOffsets(ondemand::field& field) {
        ondemand::array array;
        if (auto error = field.value().get_array().get(array); error != simdjson::SUCCESS) {
            return error;
        }
        std::array<std::uint64_t, 2> offsets{};
        std::size_t count = 0;
        for (auto value : array) {
            std::uint64_t offset = 0;
            if (auto error = value.get_uint64().get(offset); error != simdjson::SUCCESS) {
                return error;
            }
            if (count == offsets.size()) {
                return simdjson::INCORRECT_TYPE;
            }
            offsets[count++] = offset;
        }
        entry_.range = {offsets[0], offsets[1]};
        return count == offsets.size() ? simdjson::SUCCESS : simdjson::INCORRECT_TYPE;
    }

    void addTensor(std::string_view name, std::uint64_t position) {
        TensorInfo& tensor = listing_.tensors.emplace_back();
        tensor.name = name;
        tensor.shape = entry_.shape;
        tensor.file = fileIndex_;
        tensor.type = storageTypeOf(entry_.dtype);
        tensor.dtypeName = tensor.type != nullptr ? tensor.type->id : entry_.dtype;
        ranges_.push_back(entry_.range);
        positions_.push_back(static_cast<std::uint32_t>(position));
        judge(tensor, position);
    }

    void mark(TensorInfo& tensor,
              ErrorCode code,
              const std::string& what,
              std::uint64_t position,
              bool badRange) {
        tensor.problem = Error{code, "tensor \"" + tensor.name + "\": " + what, at(position), {}};
        badRange_ = badRange_ || badRange;
    }

    /// What can be said of one tensor alone: rules 4 and the part of 3 and 5 that concerns it.
    void judge(TensorInfo& tensor, std::uint64_t position) {
        const Range range = entry_.range;
        const auto found = [range] {
            return "[" + std::to_string(range.begin) + ", " + std::to_string(range.end) + "]";
        };
        if (range.end < range.begin) {
            return mark(tensor,
                        ErrorCode::Damaged,
                        "expected data_offsets in order, found " + found(),
                        position,
                        true);
        }
        tensor.bytes = range.end - range.begin;
        if (range.end > bufferBytes_) {
            ++outside_;
            return mark(tensor,
                        ErrorCode::Damaged,
                        "expected data within the " + std::to_string(bufferBytes_) +
                            " bytes that the file holds, found " + found(),
                        position,
                        true);
        }
        tensor.offset = dataStart_ + range.begin;
        const std::optional<std::uint64_t> count =
            entry_.shapeOverflows ? std::nullopt : elementCount(tensor.shape);
        if (!count) {
            return mark(tensor,
                        ErrorCode::Damaged,
                        "expected fewer than 2^63 elements, found a larger shape",
                        position,
                        false);
        }
        tensor.parameters = *count;
        if (tensor.type == nullptr) {
            return mark(tensor,
                        ErrorCode::Unsupported,
                        "expected a known dtype, found " + tensor.dtypeName,
                        position,
                        false);
        }
        const auto bits = static_cast<std::uint64_t>(tensor.type->bits);
        if (*count > std::numeric_limits<std::uint64_t>::max() / bits || *count * bits % 8 != 0) {
            return mark(tensor,
                        ErrorCode::Damaged,
                        "expected whole bytes, found " + std::to_string(*count) + " elements of " +
                            std::to_string(bits) + " bits",
                        position,
                        false);
        }
        if (*count * bits / 8 != tensor.bytes) {
            mark(tensor,
                 ErrorCode::Damaged,
                 "expected " + std::to_string(*count * bits / 8) +
                     " bytes for its shape, found data_offsets " + found(),
                 position,
                 true);
        }
    }

    Result<void> checkNames() {
        // Names of one file only: shards are compared by whoever lists several.
        if (firstTensor_ != 0) {
            std::vector<TensorInfo> own(
                listing_.tensors.begin() + static_cast<std::ptrdiff_t>(firstTensor_),
                listing_.tensors.end());
            return reject(firstDuplicate(own));
        }
        return reject(firstDuplicate(listing_.tensors));
    }

    Result<void> reject(std::optional<std::size_t> duplicate) const {
        if (duplicate) {
            return damaged("header: expected every name once, found \"" +
                               listing_.tensors[firstTensor_ + *duplicate].name + "\" twice",
                           positions_[*duplicate]);
        }
        return {};
    }

    /// Rules 3 and 5 over all tensors in the order of their data.
    Result<void> checkCoverage() {
        std::vector<std::uint32_t> order(ranges_.size());
        std::iota(order.begin(),
                  order.end(),
                  0U);  // the order of the header is nearly always that of the data
        const auto before = [this](std::uint32_t a, std::uint32_t b) {
            return std::pair(ranges_[a].begin, ranges_[a].end) <
                   std::pair(ranges_[b].begin, ranges_[b].end);
        };
        if (!std::is_sorted(order.begin(), order.end(), before)) {
            std::sort(order.begin(), order.end(), before);
        }
        std::uint64_t reached = 0;
        for (const std::uint32_t index : order) {
            const Range& range = ranges_[index];
            if (range.end < range.begin) {
                continue;
            }
            if (range.begin != reached) {
                const std::string kind = range.begin > reached ? "a hole" : "an overlap";
                if (Result<void> done =
                        uncovered("tensor \"" + listing_.tensors[firstTensor_ + index].name +
                                      "\": expected its data at " + std::to_string(reached) +
                                      " of the buffer, found " + kind + ", begin " +
                                      std::to_string(range.begin),
                                  positions_[index]);
                    !done) {
                    return done;
                }
            }
            reached = std::max(reached, range.end);
        }
        return checkEnd(reached);
    }

    Result<void> checkEnd(std::uint64_t reached) {
        if (reached < bufferBytes_) {
            return uncovered("expected " + std::to_string(reached) +
                                 " bytes of data after the header, found " +
                                 std::to_string(bufferBytes_),
                             dataStart_ + reached);
        }
        if (reached > bufferBytes_) {
            const std::string what = "the file is cut short: expected " + std::to_string(reached) +
                                     " bytes of data after the header, found " +
                                     std::to_string(bufferBytes_);
            const bool anyLeft =
                std::any_of(listing_.tensors.begin() + static_cast<std::ptrdiff_t>(firstTensor_),
                            listing_.tensors.end(),
                            [](const TensorInfo& t) { return !t.problem && t.bytes > 0; });
            if (!anyLeft) {
                return damaged(what, file_.size());
            }
            listing_.info.warnings.push_back(what + "; " + std::to_string(outside_) + " of " +
                                             std::to_string(ranges_.size()) +
                                             " tensors cannot be read (" + at(file_.size()) + ")");
        }
        return {};
    }

    /// A gap in the coverage of the buffer: the file's fault, or, beside a marked range, a
    /// consequence of that.
    Result<void> uncovered(const std::string& what, std::uint64_t position) {
        if (!badRange_) {
            return damaged(what, position);
        }
        if (!std::exchange(warnedOfGap_, true)) {
            listing_.info.warnings.push_back(what + " (" + at(position) + ")");
        }
        return {};
    }

    const MappedFile& file_;
    int fileIndex_;
    Listing& listing_;
    std::size_t firstTensor_;
    std::uint64_t headerBytes_ = 0;
    std::uint64_t dataStart_ = 0;
    std::uint64_t bufferBytes_ = 0;
    std::unique_ptr<char[]> text_;
    ondemand::parser parser_;
    ondemand::document document_;
    Entry entry_;
    std::string unescapedName_;
    std::string unescapedKey_;
    std::string unescapedValue_;
    std::vector<Range> ranges_;
    std::vector<std::uint32_t> positions_;  ///< of names; a header is shorter than 2^32
    std::size_t outside_ = 0;
    bool iterating_ = false;
    bool hasMetadata_ = false;
    bool badRange_ = false;
    bool warnedOfGap_ = false;
};

}  // namespace

std::string_view safetensorsDtype(std::string_view storageType) {
    const auto found = std::find_if(
        kDtypes.begin(), kDtypes.end(), [&](const DtypeName& d) { return d.id == storageType; });
    return found == kDtypes.end() ? std::string_view() : found->stored;
}

Result<void> listSafetensors(const MappedFile& file, int fileIndex, Listing& listing) {
    return HeaderReader(file, fileIndex, listing).run();
}

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
// llama.cpp's importance matrices: for each weight NAME the sum of squares of each input over the
// calibration text, NAME.in_sum2, and how many tokens were summed, NAME.counts. As GGUF
// (general.type = imatrix), or in the older form: numbers and names one after the other.
#include "core/io/gguf_header.hpp"
#include "core/io/listing.hpp"
#include "core/io/reader.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>

namespace loupe {

namespace {

constexpr std::string_view kSquares = ".in_sum2";
constexpr std::int64_t kMostName = 4096;

Listing listingOf(const ReadRequest& request, std::string format) {
    Listing listing;
    listing.info.format = std::move(format);
    listing.info.path = request.file->path();
    listing.info.title = request.file->path().filename().string();
    listing.info.files.push_back(request.file->path());
    listing.files.push_back(request.file);
    return listing;
}

Result<std::shared_ptr<const TensorSource>> openGguf(const ReadRequest& request) {
    Result<GgufHeader> header = readGgufHeader(*request.file);
    if (!header) {
        return fail(header.error());
    }
    const std::string type(header->value("general.type").value_or("model"));
    if (type != "imatrix") {
        return fail(ErrorCode::Unsupported,
                    "expected an importance matrix, found a GGUF file with general.type \"" +
                        type + "\"",
                    filePosition(request.file->path(), 0));
    }
    Listing listing = listingOf(request, "gguf");
    listing.bigEndian.push_back(header->bigEndian);
    listing.info.metadata = std::move(header->metadata);
    listing.info.warnings = std::move(header->warnings);
    listing.tensors = std::move(header->tensors);
    return makeStoredSource(std::move(listing), Layout::OutIn, {});
}

/// The older form, read number by number.
class OldForm {
public:
    explicit OldForm(const MappedFile& file) : file_(file) {}

    Result<std::vector<TensorInfo>> read(Listing& listing) {
        constexpr std::int64_t kLeastEntry = 16;
        const Result<std::int64_t> entries =
            number("number of entries", 1, left() / kLeastEntry + 1);
        if (!entries) {
            return fail(entries.error());
        }
        std::vector<TensorInfo> tensors;
        for (std::int64_t i = 0; i < *entries; ++i) {
            Result<TensorInfo> tensor = entry();
            if (!tensor) {
                return fail(tensor.error());
            }
            tensors.push_back(std::move(*tensor));
        }
        if (left() == 0) {
            return tensors;  // the first versions end here
        }
        constexpr std::int64_t kMostChunks = (std::int64_t{1} << 31) - 1;
        const Result<std::int64_t> chunks = number("number of chunks", 0, kMostChunks);
        if (!chunks) {
            return fail(chunks.error());
        }
        listing.info.metadata.emplace_back("imatrix.chunk_count", std::to_string(*chunks));
        if (left() > 0) {
            const Result<std::string> dataset = text("name of the data set", 0);
            if (!dataset) {
                return fail(dataset.error());
            }
            listing.info.metadata.emplace_back("imatrix.datasets", *dataset);
        }
        if (left() > 0) {
            listing.info.warnings.push_back(std::to_string(left()) +
                                            " bytes after the last entry were ignored");
        }
        return tensors;
    }

private:
    [[nodiscard]] std::int64_t left() const {
        return static_cast<std::int64_t>(file_.size() - position_);
    }

    tl::unexpected<Error> damaged(std::uint64_t at, const std::string& what) const {
        return fail(ErrorCode::Damaged, "imatrix: " + what, filePosition(file_.path(), at));
    }

    Result<std::int64_t> number(const std::string& what, std::int64_t least, std::int64_t most) {
        std::array<std::byte, 4> bytes{};
        if (left() < 4) {
            return damaged(position_, what + ": expected 4 bytes, found " + std::to_string(left()));
        }
        if (Result<void> read = file_.read(position_, bytes); !read) {
            return fail(read.error());
        }
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            bits |= static_cast<std::uint32_t>(bytes[i]) << (8 * i);
        }
        const std::int64_t value = static_cast<std::int32_t>(bits);
        if (value < least || value > most) {
            return damaged(position_,
                           what + ": expected " + std::to_string(least) + " to " +
                               std::to_string(most) + ", found " + std::to_string(value));
        }
        position_ += 4;
        return value;
    }

    Result<std::string> text(const std::string& what, std::int64_t least) {
        const Result<std::int64_t> size =
            number("length of the " + what, least, std::min(kMostName, left()));
        if (!size) {
            return fail(size.error());
        }
        if (*size > left()) {
            return damaged(position_,
                           what + ": expected " + std::to_string(*size) + " bytes, found " +
                               std::to_string(left()));
        }
        std::string result(static_cast<std::size_t>(*size), '\0');
        if (Result<void> read = file_.read(position_, std::as_writable_bytes(std::span(result)));
            !read) {
            return fail(read.error());
        }
        position_ += result.size();
        return result;
    }

    Result<TensorInfo> entry() {
        const Result<std::string> name = text("name of an entry", 1);
        if (!name) {
            return fail(name.error());
        }
        constexpr std::int64_t kMostCalls = (std::int64_t{1} << 31) - 1;
        const Result<std::int64_t> calls = number("\"" + *name + "\", calls", 0, kMostCalls);
        if (!calls) {
            return fail(calls.error());
        }
        const Result<std::int64_t> count =
            number("\"" + *name + "\", number of values", 1, std::max<std::int64_t>(left() / 4, 1));
        if (!count) {
            return fail(count.error());
        }
        TensorInfo tensor;
        tensor.name = *name + std::string(kSquares);
        tensor.type = findStorageType("fp32");
        tensor.dtypeName = tensor.type->id;
        tensor.shape = {*count};
        tensor.parameters = static_cast<std::uint64_t>(*count);
        tensor.bytes = tensor.parameters * sizeof(float);
        tensor.offset = position_;
        if (static_cast<std::int64_t>(tensor.bytes) > left()) {
            return damaged(position_,
                           "\"" + *name + "\": expected " + std::to_string(tensor.bytes) +
                               " bytes of values, found " + std::to_string(left()));
        }
        position_ += tensor.bytes;
        return tensor;
    }

    const MappedFile& file_;
    std::uint64_t position_ = 0;
};

Result<std::shared_ptr<const TensorSource>> openOld(const ReadRequest& request) {
    Listing listing = listingOf(request, "imatrix");
    Result<std::vector<TensorInfo>> tensors = OldForm(*request.file).read(listing);
    if (!tensors) {
        return fail(tensors.error());
    }
    listing.tensors = std::move(*tensors);
    if (const auto twice = firstDuplicate(listing.tensors)) {
        return fail(ErrorCode::Damaged,
                    "imatrix: expected every entry once, found \"" + listing.tensors[*twice].name +
                        "\" twice",
                    filePosition(request.file->path(), listing.tensors[*twice].offset.value_or(0)));
    }
    return makeStoredSource(std::move(listing), Layout::OutIn, {});
}

bool isGguf(std::span<const std::byte> head) {
    return head.size() >= 4 && std::memcmp(head.data(), "GGUF", 4) == 0;
}

/// A small count, and a first entry whose name is printable and holds a dot
/// ("blk.0.attn_k.weight").
bool looksOld(std::span<const std::byte> head) {
    constexpr std::size_t kName = 8;
    if (head.size() < kName) {
        return false;
    }
    std::array<std::int32_t, 2> numbers{};
    std::memcpy(numbers.data(), head.data(), sizeof numbers);
    const auto [entries, length] = numbers;
    if (entries < 1 || entries > (1 << 20) || length < 3 || length > 256 ||
        static_cast<std::size_t>(length) > head.size() - kName) {
        return false;
    }
    const std::string_view name(reinterpret_cast<const char*>(head.data()) + kName,
                                static_cast<std::size_t>(length));
    return name.find('.') != std::string_view::npos &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
}

Confidence probe(const Candidate& candidate) {
    // The form in GGUF comes here from the reader of GGUF files.
    return looksOld(candidate.head) ? Confidence::Yes : Confidence::No;
}

Result<std::shared_ptr<const TensorSource>> open(const ReadRequest& request) {
    return isGguf(request.file->bytes()) ? openGguf(request) : openOld(request);
}

}  // namespace

extern const Reader kReader_imatrix;
const Reader kReader_imatrix{"imatrix", ".imatrix", &probe, &open};

}  // namespace loupe

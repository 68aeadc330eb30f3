// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy, versions 1 to 3 (spec/formats.md C.3). The header is a Python literal; it is
// parsed, never evaluated.
#include "core/io/npy.hpp"

#include "core/base/assert.hpp"
#include "core/io/listing.hpp"
#include "core/io/reader.hpp"
#include "core/io/rows.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace loupe {

namespace {

constexpr std::string_view kMagic{"\x93NUMPY", 6};
constexpr std::uint64_t kMaxHeader = 1 << 20;

struct Header {
    std::string descr;
    bool structured = false;
    bool fortranOrder = false;
    std::vector<std::int64_t> shape;
};

/// A Python literal of the three keys that .npy allows, in any order.
class HeaderParser {
public:
    explicit HeaderParser(std::string_view text) : text_(text) {}

    /// Empty on success, else what was expected; position() says where.
    [[nodiscard]] std::string_view parse(Header& header) {
        if (!take('{')) {
            return "'{'";
        }
        int seen = 0;
        while (!take('}')) {
            std::string key;
            if (!string(key) || !take(':')) {
                return "a key in quotes and ':'";
            }
            const int bit = key == "descr"           ? 1
                            : key == "fortran_order" ? 2
                            : key == "shape"         ? 4
                                                     : 0;
            if (bit == 0 || (seen & bit) != 0) {
                return "the keys descr, fortran_order and shape once each";
            }
            seen |= bit;
            const std::string_view expected = bit == 1   ? descr(header)
                                              : bit == 2 ? order(header)
                                                         : shape(header);
            if (!expected.empty()) {
                return expected;
            }
            if (header.structured) {
                return {};
            }
            if (!take(',') && peek() != '}') {
                return "',' or '}'";
            }
        }
        if (seen != 7) {
            return "the keys descr, fortran_order and shape";
        }
        blanks();
        return position_ == text_.size() ? std::string_view() : "nothing after '}'";
    }

    [[nodiscard]] std::size_t position() const noexcept { return position_; }

private:
    void blanks() {
        while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n' ||
                                            text_[position_] == '\t' || text_[position_] == '\r')) {
            ++position_;
        }
    }
    [[nodiscard]] char peek() {
        blanks();
        return position_ < text_.size() ? text_[position_] : '\0';
    }
    [[nodiscard]] bool take(char c) {
        if (peek() != c || position_ >= text_.size()) {
            return false;
        }
        ++position_;
        return true;
    }
    [[nodiscard]] bool string(std::string& out) {
        const char quote = peek();
        if (quote != '\'' && quote != '"') {
            return false;
        }
        const std::size_t end = text_.find(quote, position_ + 1);
        if (end == std::string_view::npos) {
            return false;
        }
        out = text_.substr(position_ + 1, end - position_ - 1);
        if (out.find('\\') != std::string::npos) {
            return false;
        }
        position_ = end + 1;
        return true;
    }
    [[nodiscard]] std::string_view descr(Header& header) {
        if (peek() == '[' || peek() == '(' || peek() == '{') {
            header.structured = true;
            return {};
        }
        return string(header.descr) ? std::string_view() : "a dtype in quotes";
    }
    [[nodiscard]] std::string_view order(Header& header) {
        blanks();
        for (const bool value : {true, false}) {
            const std::string_view word = value ? "True" : "False";
            if (text_.substr(position_, word.size()) == word) {
                position_ += word.size();
                header.fortranOrder = value;
                return {};
            }
        }
        return "True or False";
    }
    [[nodiscard]] std::string_view shape(Header& header) {
        if (!take('(')) {
            return "'('";
        }
        while (!take(')')) {
            blanks();
            std::int64_t dim = 0;
            const char* begin = text_.data() + position_;
            const auto [end, status] = std::from_chars(begin, text_.data() + text_.size(), dim);
            if (status != std::errc{} || dim < 0) {
                return "a dimension from 0 to 2^63 - 1";
            }
            position_ += static_cast<std::size_t>(end - begin);
            header.shape.push_back(dim);
            if (peek() == 'L') {  // Python 2
                ++position_;
            }
            if (!take(',') && peek() != ')') {
                return "',' or ')'";
            }
        }
        return {};
    }

    std::string_view text_;
    std::size_t position_ = 0;
};

struct ElementType {
    std::string_view id;  ///< empty: bytes of unknown meaning
    std::uint64_t bytes = 0;
    int swapWidth = 0;
};

/// What to do with a type that NumPy knows and we do not read; empty: we read it.
std::string refusal(char kind, std::uint64_t bytes) {
    switch (kind) {
        case 'O':
            return "pickled Python objects, which are never loaded";
        case 'S':
        case 'a':
        case 'U':
            return "text";
        case 'M':
        case 'm':
            return "dates or durations";
        case 'f':
            return bytes > 8 ? "extended-precision floats, whose layout depends on the machine"
                             : "";
        default:
            return "";
    }
}

/// `[<>|=]KIND SIZE`, as numpy.dtype.str writes it.
Result<ElementType> parseDescr(const std::string& descr, const std::string& where) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kTypes{
        {{"b1", "bool"},
         {"?", "bool"},
         {"i1", "int8"},
         {"i2", "int16"},
         {"i4", "int32"},
         {"i8", "int64"},
         {"u1", "uint8"},
         {"u2", "uint16"},
         {"u4", "uint32"},
         {"u8", "uint64"},
         {"f2", "fp16"},
         {"f4", "fp32"},
         {"f8", "fp64"},
         {"c8", "complex64"},
         {"c16", "complex128"},
         {"?1", "bool"}}};
    std::string_view rest = descr;
    const char order = rest.empty() ? '\0' : rest.front();
    if (order == '<' || order == '>' || order == '|' || order == '=') {
        rest.remove_prefix(1);
    }
    const char kind = rest.empty() ? '\0' : rest.front();
    std::uint64_t bytes = rest == "?" ? 1 : 0;
    bool wellFormed = rest.size() > 1 || rest == "?" || rest == "O";
    if (rest.size() > 1) {
        const auto [end, status] =
            std::from_chars(rest.data() + 1, rest.data() + rest.size(), bytes);
        wellFormed = status == std::errc{} &&
                     (end == rest.data() + rest.size() || *end == '[');  // dates: "M8[D]"
    }
    if (const std::string what = refusal(kind, bytes); wellFormed && !what.empty()) {
        return fail(ErrorCode::Unsupported,
                    "expected numbers, found " + what + " (dtype '" + descr + "')",
                    where);
    }
    for (const auto& [name, id] : kTypes) {
        if (rest == name) {
            const int word = static_cast<int>(kind == 'c' ? bytes / 2 : bytes);
            return ElementType{id, bytes, order == '>' && word > 1 ? word : 0};
        }
    }
    if (wellFormed && rest.back() != ']' && (kind == 'V' || kind == 'f') && bytes > 0 &&
        bytes <= 65536) {
        return ElementType{{}, bytes, 0};
    }
    return fail(
        ErrorCode::Damaged, "descr: expected a dtype such as '<f4', found '" + descr + "'", where);
}

/// Stored row s of a column-major [d0, d1, ..., dk] holds the elements (i1 ... ik) with i1 running
/// fastest.
std::vector<std::int64_t> columnOrder(const TensorInfo& tensor) {
    if (tensor.shape.size() < 3) {
        return {};
    }
    std::vector<std::int64_t> columns(static_cast<std::size_t>(tensor.cols));
    for (std::int64_t s = 0; s < tensor.cols; ++s) {
        std::int64_t rest = s;
        std::int64_t column = 0;
        std::int64_t stride = tensor.cols;
        for (std::size_t axis = 1; axis < tensor.shape.size(); ++axis) {
            stride /= tensor.shape[axis];
            column += rest % tensor.shape[axis] * stride;
            rest /= tensor.shape[axis];
        }
        columns[static_cast<std::size_t>(s)] = column;
    }
    return columns;
}

class NpySource final : public TensorSource {
public:
    NpySource(SourceInfo info, NpyArray array, std::shared_ptr<const MappedFile> file)
        : file_(std::move(file)), array_(std::move(array)) {
        info_ = std::move(info);
        tensors_.push_back(array_.tensor);
        addTotals(info_, tensors_);
    }

    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index == 0, "a .npy file holds one array");
        return npyRows(array_, file_, array_.tensor.offset.value_or(0));
    }

private:
    std::shared_ptr<const MappedFile> file_;
    NpyArray array_;
};

Confidence probe(const Candidate& candidate) {
    const std::string_view head(reinterpret_cast<const char*>(candidate.head.data()),
                                candidate.head.size());
    return head.substr(0, kMagic.size()) == kMagic ? Confidence::Yes : Confidence::No;
}

/// Reads the preamble and the header's text. @returns where the data begin
Result<std::uint64_t> readHeaderText(const NpyPlace& place,
                                     std::string& text,
                                     std::string& version) {
    const MappedFile& file = place.file;
    const std::string where = filePosition(file.path(), place.begin);
    std::array<std::uint8_t, 12> start{};
    const std::size_t available = std::min<std::uint64_t>(start.size(), place.present);
    if (Result<void> read =
            file.read(place.begin, std::as_writable_bytes(std::span(start)).first(available));
        !read) {
        return fail(read.error());
    }
    if (available < 10 ||
        !std::equal(kMagic.begin(), kMagic.end(), start.begin(), [](char a, std::uint8_t b) {
            return static_cast<std::uint8_t>(a) == b;
        })) {
        return fail(ErrorCode::Damaged,
                    "not a .npy file: expected \"\\x93NUMPY\" and a header, found " +
                        std::to_string(place.size) + " other bytes",
                    where);
    }
    const int major = start[6];
    version = std::to_string(major) + "." + std::to_string(start[7]);
    if (major < 1 || major > 3) {
        return fail(ErrorCode::Unsupported,
                    "expected .npy version 1, 2 or 3, found " + version,
                    filePosition(file.path(), place.begin + 6));
    }
    const std::uint64_t begin = major == 1 ? 10 : 12;
    std::uint64_t length = start[8] | static_cast<std::uint64_t>(start[9]) << 8;
    if (major > 1) {
        length |= static_cast<std::uint64_t>(start[10]) << 16 |
                  static_cast<std::uint64_t>(start[11]) << 24;
    }
    if (available < begin || length > kMaxHeader || length > place.size - begin) {
        return fail(ErrorCode::Damaged,
                    "header length: expected at most 1048576 and the " +
                        std::to_string(place.size - std::min(begin, place.size)) +
                        " bytes that follow, found " + std::to_string(length),
                    filePosition(file.path(), place.begin + 8));
    }
    if (length > place.present - begin) {
        return begin + length;  // more of the member must be there first
    }
    text.resize(length);
    if (Result<void> read = file.read(place.begin + begin, std::as_writable_bytes(std::span(text)));
        !read) {
        return fail(read.error());
    }
    return begin + length;
}

/// Shape, type and size into `tensor`. @errors Damaged: too large a shape, too short a file
Result<void> describe(const NpyPlace& place,
                      const ElementType& type,
                      const Header& header,
                      std::uint64_t dataStart,
                      TensorInfo& tensor) {
    const MappedFile& file = place.file;
    const std::optional<std::uint64_t> count = elementCount(header.shape);
    if (!count || *count > (std::uint64_t{1} << 62) / std::max<std::uint64_t>(type.bytes, 1)) {
        return fail(ErrorCode::Damaged,
                    "shape: expected fewer than 2^62 bytes, found more",
                    filePosition(file.path(), place.begin + 10));
    }
    tensor.shape = header.shape;
    tensor.parameters = *count;
    tensor.bytes = *count * type.bytes;
    tensor.type = type.id.empty() ? nullptr : findStorageType(type.id);
    tensor.dtypeName = tensor.type != nullptr ? std::string(tensor.type->id) : header.descr;
    const std::uint64_t found = place.size - dataStart;
    if (found < tensor.bytes) {
        return fail(ErrorCode::Damaged,
                    "expected " + std::to_string(tensor.bytes) +
                        " bytes of data for the shape, found " + std::to_string(found),
                    filePosition(file.path(), place.begin + dataStart));
    }
    if (tensor.type == nullptr) {
        tensor.problem =
            Error{ErrorCode::Unsupported,
                  "array \"" + tensor.name + "\": expected a dtype with a meaning, found '" +
                      header.descr + "'",
                  filePosition(file.path(), place.begin + 10),
                  type.bytes == 2 ? "NumPy writes bfloat16 of ml_dtypes so; save it as "
                                    "safetensors, or save array.astype('float32')"
                                  : "NumPy writes the 8-bit and 4-bit floats of ml_dtypes so; save "
                                    "them as safetensors, or save array.astype('float32')"};
    }
    return {};
}

}  // namespace

Result<NpyArray> readNpyArray(const NpyPlace& place, std::string name) {
    const std::filesystem::path& path = place.file.path();
    std::string text;
    NpyArray array;
    const Result<std::uint64_t> dataStart = readHeaderText(place, text, array.version);
    if (!dataStart) {
        return fail(dataStart.error());
    }
    array.dataStart = *dataStart;
    if (*dataStart > place.present) {
        return array;
    }
    Header header;
    HeaderParser parser(text);
    const std::uint64_t headerStart = place.begin + *dataStart - text.size();
    if (const std::string_view expected = parser.parse(header); !expected.empty()) {
        return fail(ErrorCode::Damaged,
                    "header: expected " + std::string(expected) + ", found other text",
                    filePosition(path, headerStart + parser.position()));
    }
    if (header.structured) {
        return fail(ErrorCode::Unsupported,
                    "expected an array of numbers, found a structured dtype",
                    filePosition(path, headerStart + parser.position()));
    }
    const Result<ElementType> type = parseDescr(header.descr, filePosition(path, headerStart));
    if (!type) {
        return fail(type.error());
    }
    array.tensor.name = std::move(name);
    if (Result<void> described = describe(place, *type, header, *dataStart, array.tensor);
        !described) {
        return fail(described.error());
    }
    array.descr = header.descr;
    array.fortranOrder = header.fortranOrder;
    array.swapWidth = type->swapWidth;
    return array;
}

void layOutNpy(NpyArray& array, Layout layout, const ModelConfig& config) {
    std::vector<TensorInfo> tensors{std::move(array.tensor)};
    applyLayout(tensors, layout, config);
    array.tensor = std::move(tensors.front());
    TensorInfo& tensor = array.tensor;
    if (array.fortranOrder && tensor.shape.size() > 2) {
        tensor.transposed = false;
        tensor.rows = tensor.shape[0];
        tensor.cols =
            tensor.rows == 0 ? 0 : static_cast<std::int64_t>(tensor.parameters) / tensor.rows;
    }
}

Result<std::shared_ptr<const RowSource>> npyRows(const NpyArray& array,
                                                 const std::shared_ptr<const MappedFile>& file,
                                                 std::uint64_t offset) {
    const TensorInfo& tensor = array.tensor;
    if (tensor.problem) {
        return fail(*tensor.problem);
    }
    if (Result<void> same = file->checkUnchanged(); !same) {
        return fail(same.error());
    }
    StoredElements elements{file, offset, tensor.bytes, tensor.type, array.swapWidth};
    if (!array.fortranOrder || tensor.shape.size() < 2) {
        return layoutRows(tensor, std::move(elements));
    }
    if (tensor.transposed) {  // [in, out] stored by columns is [out, in] stored by rows
        return makeStoredRows(std::move(elements), tensor.rows, tensor.cols);
    }
    return makeTransposedRows(
        std::move(elements), 1, tensor.cols, tensor.rows, columnOrder(tensor));
}

Result<std::shared_ptr<const RowSource>> npyRows(const NpyArray& array,
                                                 InflatedElements elements) {
    const TensorInfo& tensor = array.tensor;
    if (tensor.problem) {
        return fail(*tensor.problem);
    }
    elements.swapWidth = array.swapWidth;
    if (!array.fortranOrder || tensor.shape.size() < 2) {
        return inflatedRows(tensor, std::move(elements));
    }
    if (tensor.transposed) {  // [in, out] stored by columns is [out, in] stored by rows
        TensorInfo rowMajor;
        rowMajor.rows = tensor.rows;
        rowMajor.cols = tensor.cols;
        return inflatedRows(rowMajor, std::move(elements));
    }
    return inflatedTransposedRows(
        std::move(elements), 1, tensor.cols, tensor.rows, columnOrder(tensor));
}

namespace {

Result<std::shared_ptr<const TensorSource>> open(const ReadRequest& request) {
    const MappedFile& file = *request.file;
    Result<NpyArray> array =
        readNpyArray({file, 0, file.size(), file.size()}, file.path().stem().string());
    if (!array) {
        return fail(array.error());
    }
    layOutNpy(*array, request.options.layout, request.config);
    array->tensor.offset = array->dataStart;
    SourceInfo info;
    info.format = "npy";
    info.path = file.path();
    info.title = file.path().filename().string();
    info.files.push_back(file.path());
    info.metadata = {{"version", array->version},
                     {"descr", array->descr},
                     {"fortran_order", array->fortranOrder ? "True" : "False"}};
    if (const std::uint64_t rest = file.size() - array->dataStart - array->tensor.bytes; rest > 0) {
        info.warnings.push_back(std::to_string(rest) + " bytes after the array were ignored");
    }
    return std::make_shared<NpySource>(std::move(info), std::move(*array), request.file);
}

}  // namespace

extern const Reader kReader_npy;
const Reader kReader_npy{"npy", ".npy", &probe, &open};

}  // namespace loupe

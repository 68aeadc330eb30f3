// SPDX-License-Identifier: Apache-2.0
// Numbers as text: one row a line, separated by tab, ';', ',' or blanks; one optional header line.
// Read whole, as FP64.
#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/io/listing.hpp"
#include "core/io/reader.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace loupe {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::uint64_t kMaxCells = std::uint64_t{1} << 30;

Confidence probe(const Candidate& candidate) {
    std::string_view head(reinterpret_cast<const char*>(candidate.head.data()),
                          candidate.head.size());
    if (head.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
        head.remove_prefix(kByteOrderMark.size());
    }
    const bool isText = std::all_of(head.begin(), head.end(), [](char c) {
        return static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\r' || c == '\t';
    });
    const bool hasDigit =
        std::any_of(head.begin(), head.end(), [](char c) { return c >= '0' && c <= '9'; });
    const std::string_view start = trim(head);
    return isText && hasDigit && !start.empty() && start.front() != '{' && start.front() != '[' &&
                   start.front() != '<'
               ? Confidence::Maybe
               : Confidence::No;
}

std::string_view unquoted(std::string_view cell) {
    cell = trim(cell);
    return cell.size() >= 2 && cell.front() == '"' && cell.back() == '"'
               ? trim(cell.substr(1, cell.size() - 2))
               : cell;
}

/// The separator that a line uses: the first of tab, ';', ',' that it contains, else blanks.
char separatorOf(std::string_view line) {
    for (const char c : {'\t', ';', ','}) {
        if (line.find(c) != std::string_view::npos) {
            return c;
        }
    }
    return ' ';
}

class CsvParser {
public:
    CsvParser(const MappedFile& file, std::string_view text) : file_(file), text_(text) {}

    Result<void> run() {
        if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
            position_ = kByteOrderMark.size();
        }
        bool first = true;
        while (position_ < text_.size()) {
            const std::size_t end = std::min(text_.find('\n', position_), text_.size());
            const std::string_view line = text_.substr(position_, end - position_);
            ++line_;
            if (!trim(line).empty()) {
                if (first) {
                    separator_ = separatorOf(trim(line));
                }
                if (first && !isNumeric(line)) {
                    header = trim(line);
                } else if (Result<void> done = row(line); !done) {
                    return done;
                }
                first = false;
            }
            position_ = end + 1;
        }
        if (rows == 0) {
            return fail(ErrorCode::Damaged,
                        "expected at least one line of numbers, found none",
                        filePosition(file_.path(), 0));
        }
        return {};
    }

    std::string header;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::vector<double> values;

private:
    /// Calls use(cell, offset in line) for every cell until it returns false.
    template <class Use>
    void forEachCell(std::string_view line, Use use) const {
        std::size_t begin = 0;
        if (separator_ == ' ') {
            constexpr std::string_view kBlank = " \t\r";
            while ((begin = line.find_first_not_of(kBlank, begin)) != std::string_view::npos) {
                const std::size_t end = std::min(line.find_first_of(kBlank, begin), line.size());
                if (!use(line.substr(begin, end - begin), begin)) {
                    return;
                }
                begin = end;
            }
            return;
        }
        while (true) {
            const std::size_t end = std::min(line.find(separator_, begin), line.size());
            if (!use(line.substr(begin, end - begin), begin) || end == line.size()) {
                return;
            }
            begin = end + 1;
        }
    }

    [[nodiscard]] bool isNumeric(std::string_view line) const {
        bool numeric = true;
        forEachCell(line, [&numeric](std::string_view cell, std::size_t) {
            return numeric = parseDouble(unquoted(cell)).has_value();
        });
        return numeric;
    }

    [[nodiscard]] std::string inLine() const { return "line " + std::to_string(line_) + ": "; }

    Result<void> row(std::string_view line) {
        std::int64_t count = 0;
        std::optional<Error> problem;
        forEachCell(line, [&](std::string_view cell, std::size_t offset) {
            const std::optional<double> value = parseDouble(unquoted(cell));
            ++count;
            if (!value) {
                const std::string shown(unquoted(cell).substr(0, 40));
                problem = Error{ErrorCode::Damaged,
                                inLine() + "expected a number in column " + std::to_string(count) +
                                    ", found " + (shown.empty() ? "nothing" : "\"" + shown + "\""),
                                filePosition(file_.path(), position_ + offset),
                                {}};
                return false;
            }
            values.push_back(*value);
            return values.size() <= kMaxCells && (rows == 0 || count <= cols);
        });
        if (problem) {
            return fail(*problem);
        }
        if (values.size() > kMaxCells) {
            return fail(ErrorCode::Unsupported,
                        "expected at most 2^30 numbers in a text file, found more",
                        filePosition(file_.path(), position_));
        }
        if (rows == 0) {
            cols = count;
            reserve();
        } else if (count != cols) {
            return fail(ErrorCode::Damaged,
                        inLine() + "expected " + std::to_string(cols) +
                            " columns as in the first row, found " +
                            (count > cols ? "more" : std::to_string(count)),
                        filePosition(file_.path(), position_));
        }
        ++rows;
        return {};
    }

    /// Room for every line that follows, at most what so many bytes can hold.
    void reserve() {
        const auto lines =
            static_cast<std::uint64_t>(std::count(
                text_.begin() + static_cast<std::ptrdiff_t>(position_), text_.end(), '\n')) +
            1;
        const std::uint64_t atMost = std::min((text_.size() - position_) / 2 + 1, kMaxCells);
        values.reserve(std::min(lines * static_cast<std::uint64_t>(cols), atMost));
    }

    const MappedFile& file_;
    std::string_view text_;
    std::size_t position_ = 0;
    std::size_t line_ = 0;
    char separator_ = ',';
};

class CsvSource final : public TensorSource {
public:
    CsvSource(SourceInfo info, TensorInfo tensor, std::shared_ptr<const RowSource> matrix)
        : matrix_(std::move(matrix)) {
        info_ = std::move(info);
        tensors_.push_back(std::move(tensor));
        addTotals(info_, tensors_);
    }
    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index == 0, "a text file holds one matrix");
        return matrix_;
    }

private:
    std::shared_ptr<const RowSource> matrix_;
};

/// The values turned round: what is stored [in, out] becomes [out, in].
std::vector<double> transposed(const std::vector<double>& values,
                               std::int64_t rows,
                               std::int64_t cols) {
    std::vector<double> turned(values.size());
    for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < cols; ++j) {
            turned[static_cast<std::size_t>(j * rows + i)] =
                values[static_cast<std::size_t>(i * cols + j)];
        }
    }
    return turned;
}

Result<std::shared_ptr<const TensorSource>> open(const ReadRequest& request) {
    const MappedFile& file = *request.file;
    if (Result<void> same = file.checkUnchanged(); !same) {
        return fail(same.error());
    }
    CsvParser parser(file, {reinterpret_cast<const char*>(file.bytes().data()), file.size()});
    if (Result<void> parsed = parser.run(); !parsed) {
        return fail(parsed.error());
    }
    std::vector<TensorInfo> tensors(1);
    TensorInfo& tensor = tensors.front();
    tensor.name = file.path().stem().string();
    tensor.type = findStorageType("fp64");
    tensor.dtypeName = "fp64";
    tensor.shape = {parser.rows, parser.cols};
    tensor.parameters = parser.values.size();
    tensor.bytes = parser.values.size() * sizeof(double);
    applyLayout(tensors, request.options.layout, request.config);
    SourceInfo info;
    info.format = "csv";
    info.path = file.path();
    info.title = file.path().filename().string();
    info.files.push_back(file.path());
    if (!parser.header.empty()) {
        info.metadata.emplace_back("header", parser.header);
    }
    std::vector<double> values = tensor.transposed
                                     ? transposed(parser.values, parser.rows, parser.cols)
                                     : std::move(parser.values);
    auto matrix = makeRowSource(tensor.rows, tensor.cols, std::move(values));
    file.release(0, file.size());
    return std::make_shared<CsvSource>(std::move(info), std::move(tensor), std::move(matrix));
}

}  // namespace

extern const Reader kReader_csv;
const Reader kReader_csv{"csv", ".csv", &probe, &open};

}  // namespace loupe

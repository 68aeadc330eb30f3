// SPDX-License-Identifier: Apache-2.0
// OCP Microscaling Formats v1.0, section 6.3, as microxcaling's round = "even"; NVFP4 as ModelOpt's
// nvfp4_tensor.py. Everything in the weights' precision, one rounding for each operation.
#include "core/quant/block_cast.hpp"

#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/blocks/mx.hpp"
#include "core/formats/codec.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/uniform.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace loupe {

namespace {

constexpr std::array<std::string_view, 7> kFormats{
    "mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "mxint8", "nvfp4"};
constexpr std::array<const blocks::MxShape*, kFormats.size()> kShapes{&blocks::kMxfp8E4m3,
                                                                      &blocks::kMxfp8E5m2,
                                                                      &blocks::kMxfp6E3m2,
                                                                      &blocks::kMxfp6E2m3,
                                                                      &blocks::kMxfp4,
                                                                      &blocks::kMxint8,
                                                                      &blocks::kNvfp4};

constexpr int kBias = 127;
constexpr float kElementMax = 6;            // of E2M1
constexpr float kScaleMax = 448;            // of E4M3
constexpr std::uint8_t kLeastScale = 0x01;  // 2^-9 in E4M3
constexpr std::uint8_t kOneScale = 0x38;    // 1 in E4M3

struct BlockCastSpec {
    const BlockLayout* layout = nullptr;
    const blocks::MxShape* shape = nullptr;
    const NumberFormat* element = nullptr;
    const NumberFormat* scale = nullptr;
    int mostExponent = 0;  ///< emax: ⌊log2⌋ of the largest element
    bool isNv = false;
    double tensorScale = 1;  ///< s2 of NVFP4
};

/// ⌊log2 of a positive value⌋, from its bits; for subnormal ones −127 or less.
int exponentOf(float value) {
    return static_cast<int>(std::bit_cast<std::uint32_t>(value) >> 23U) - kBias;
}
int exponentOf(double value) {
    return static_cast<int>(std::bit_cast<std::uint64_t>(value) >> 52U) - 1023;
}

class BlockCastMatrix final : public QuantizedMatrix {
public:
    BlockCastMatrix(std::shared_ptr<const RowSource> source, const BlockCastSpec& spec)
        : source_(std::move(source)), spec_(spec), tables_(blocks::makeMxTables(*spec.shape)) {
        tensorScale_ = {.rows = 1,
                        .cols = 1,
                        .rowsPerEntry = source_->rows(),
                        .colsPerEntry = source_->cols(),
                        .values = {spec.tensorScale}};
        largestElement_ = isInteger() ? 127.0F / 64 : static_cast<float>(limits(*spec.element).max);
        scales_.resize(static_cast<std::size_t>(rows() * rowBlocks()));
    }

    /// Finds every block's scale. @errors those of the source; Invalid: a weight that is not finite
    [[nodiscard]] Result<void> findScales(const JobContext& ctx) {
        return isDouble() ? findScalesOf<double>(ctx) : findScalesOf<float>(ctx);
    }

    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return readAs(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return readAs(first, count, out);
    }
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }
    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override {
        return forRows(first, count, [&](const Row& row, std::int64_t at) {
            std::transform(row.codes.begin(), row.codes.end(), out + at, [this](std::uint16_t c) {
                return shownCode(c);
            });
        });
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        return isInteger() ? std::pair{std::int64_t{-127}, std::int64_t{127}}
                           : std::pair{std::int64_t{0}, (std::int64_t{1} << spec_.shape->bits) - 1};
    }
    [[nodiscard]] int codeBits() const override { return spec_.shape->bits; }
    [[nodiscard]] bool codesUnsigned() const override { return !isInteger(); }
    /// What lies outside of the blocks: NVFP4's scale of the tensor.
    [[nodiscard]] const ScaleGrid* scales() const override {
        return spec_.isNv ? &tensorScale_ : nullptr;
    }
    [[nodiscard]] const BlockLayout* packedLayout() const override { return spec_.layout; }
    [[nodiscard]] Result<void> packed(std::int64_t first,
                                      std::int64_t count,
                                      std::byte* out) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t, std::int64_t col) const override {
        const std::int64_t begin = col / spec_.shape->elements * spec_.shape->elements;
        return {begin, std::min(begin + spec_.shape->elements, cols())};
    }
    [[nodiscard]] std::optional<std::pair<double, double>> clipInterval(
        std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

private:
    /// One row rounded: its codes and its blocks' scale codes.
    struct Row {
        std::vector<std::uint16_t> codes;
        std::span<const std::uint8_t> scales;
    };

    [[nodiscard]] std::int64_t rowBlocks() const {
        return (cols() + spec_.shape->elements - 1) / spec_.shape->elements;
    }
    [[nodiscard]] std::span<const std::uint8_t> scalesOf(std::int64_t row) const {
        return std::span(scales_).subspan(static_cast<std::size_t>(row * rowBlocks()),
                                          static_cast<std::size_t>(rowBlocks()));
    }
    [[nodiscard]] std::uint8_t scaleAt(std::int64_t row, std::int64_t col) const {
        return scalesOf(row)[static_cast<std::size_t>(col / spec_.shape->elements)];
    }
    /// What the scale at (row, col) makes of an element.
    [[nodiscard]] double scaledElement(std::int64_t row, std::int64_t col, float element) const {
        const std::uint8_t scale = scaleAt(row, col);
        return isDouble() ? static_cast<double>(element) * factorOf<double>(scale)
                          : static_cast<double>(element * factorOf<float>(scale));
    }
    template <class T>
    [[nodiscard]] Result<void> findScalesOf(const JobContext& ctx);

    [[nodiscard]] bool isInteger() const { return spec_.element->kind == FormatKind::Integer; }
    [[nodiscard]] std::int32_t shownCode(std::uint16_t code) const {
        return isInteger() ? static_cast<std::int8_t>(code) : std::int32_t{code};
    }
    /// What an element of the block is multiplied by.
    template <class T>
    [[nodiscard]] T factorOf(std::uint8_t scale) const {
        return static_cast<T>(tables_.scales[scale]) * static_cast<T>(spec_.tensorScale);
    }
    template <class T>
    [[nodiscard]] std::uint8_t scaleCode(T most) const;
    template <class T>
    [[nodiscard]] Result<void> round(std::span<T> values, Row& row) const;
    template <class T>
    [[nodiscard]] Result<void> encodeElements(std::span<const T> scaled, Row& row) const;
    /// Calls body(row, index of its first weight from `first`) for each row.
    template <class Body>
    [[nodiscard]] Result<void> forRows(std::int64_t first,
                                       std::int64_t count,
                                       const Body& body) const;
    template <class T, class Body>
    [[nodiscard]] Result<void> forRowsOf(std::int64_t first,
                                         std::int64_t count,
                                         const Body& body) const;
    template <class T>
    [[nodiscard]] Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const;

    std::shared_ptr<const RowSource> source_;
    BlockCastSpec spec_;
    blocks::MxTables tables_;
    ScaleGrid tensorScale_;
    float largestElement_ = 0;
    std::vector<std::uint8_t> scales_;  ///< a code for each block, row after row
};

template <class T>
std::uint8_t BlockCastMatrix::scaleCode(T most) const {
    if (!spec_.isNv) {
        // A block of zeros has the scale of FP32's smallest normal number.
        const int exponent = most == 0 ? 1 - kBias : exponentOf(most);
        return static_cast<std::uint8_t>(
            std::clamp(exponent - spec_.mostExponent + kBias, 0, 2 * kBias));
    }
    const T share = most / (static_cast<T>(kElementMax) * static_cast<T>(spec_.tensorScale));
    if (share == 0) {
        return kOneScale;
    }
    const Result<std::uint64_t> code =
        encode(*spec_.scale, static_cast<double>(share), {.overflow = Overflow::Saturate});
    return code && *code != 0 ? static_cast<std::uint8_t>(*code) : kLeastScale;
}

template <class T>
Result<void> BlockCastMatrix::encodeElements(std::span<const T> scaled, Row& row) const {
    row.codes.resize(scaled.size());
    if (isInteger()) {
        std::transform(scaled.begin(), scaled.end(), row.codes.begin(), [](T x) {
            const T code = std::clamp(std::nearbyint(x * 64), T{-127}, T{127});
            return static_cast<std::uint16_t>(
                static_cast<std::uint8_t>(static_cast<std::int8_t>(code)));
        });
        return {};
    }
    const EncodeOptions options{.overflow = Overflow::Saturate};
    if constexpr (std::is_same_v<T, float>) {
        return encodeArray(*spec_.element, scaled, row.codes, options);
    }
    for (std::size_t i = 0; i < scaled.size(); ++i) {
        const Result<std::uint64_t> code =
            encode(*spec_.element, static_cast<double>(scaled[i]), options);
        if (!code) {
            return fail(code.error());
        }
        row.codes[i] = static_cast<std::uint16_t>(*code);
    }
    return {};
}

template <class T>
Result<void> BlockCastMatrix::findScalesOf(const JobContext& ctx) {
    FirstError errors;
    const auto per = static_cast<std::size_t>(spec_.shape->elements);
    const auto width = static_cast<std::size_t>(cols());
    parallelFor(rows(),
                rowsPerChunk(cols()),
                ctx,
                [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
                    std::vector<T> values;
                    if (Result<void> done = readFinite(*source_, begin, end - begin, values);
                        !done) {
                        errors.report(chunk, done.error());
                        return;
                    }
                    std::uint8_t* to = scales_.data() + begin * rowBlocks();
                    for (std::size_t row = 0; row < static_cast<std::size_t>(end - begin); ++row) {
                        for (std::size_t col = 0; col < width; col += per) {
                            T most = 0;
                            for (std::size_t i = col; i < std::min(col + per, width); ++i) {
                                most = std::max(most, std::abs(values[row * width + i]));
                            }
                            *to++ = scaleCode(most);
                        }
                    }
                    source_->release(begin, end - begin);
                    ctx.advance(static_cast<std::uint64_t>((end - begin) * cols()));
                });
    return errors.result();
}

template <class T>
Result<void> BlockCastMatrix::round(std::span<T> values, Row& row) const {
    const auto per = static_cast<std::size_t>(spec_.shape->elements);
    for (std::size_t block = 0; block < row.scales.size(); ++block) {
        const T factor = factorOf<T>(row.scales[block]);
        const std::size_t begin = block * per;
        const std::size_t end = std::min(begin + per, values.size());
        if (!spec_.isNv) {
            for (std::size_t i = begin; i < end; ++i) {
                values[i] = values[i] / factor;  // a power of two: exact
            }
            continue;
        }
        for (std::size_t i = begin; i < end; ++i) {
            // A weight of −0 has the code of 0.
            values[i] = factor == 0 ? 0 : (values[i] + 0) / factor;
        }
    }
    return encodeElements(std::span<const T>(values), row);
}

template <class T, class Body>
Result<void> BlockCastMatrix::forRowsOf(std::int64_t first,
                                        std::int64_t count,
                                        const Body& body) const {
    // All rows at once: of a tensor that is stored the other way round one costs as much as
    // sixteen.
    const auto width = static_cast<std::size_t>(cols());
    std::vector<T> values(static_cast<std::size_t>(count) * width);
    if (Result<void> done = source_->read(first, count, values.data()); !done) {
        return done;
    }
    Row row;
    for (std::int64_t r = 0; r < count; ++r) {
        row.scales = scalesOf(first + r);
        const std::span<T> all(values);
        if (Result<void> done = round(all.subspan(static_cast<std::size_t>(r) * width, width), row);
            !done) {
            return done;
        }
        body(row, r * cols());
    }
    return {};
}

template <class Body>
Result<void> BlockCastMatrix::forRows(std::int64_t first,
                                      std::int64_t count,
                                      const Body& body) const {
    return isDouble() ? forRowsOf<double>(first, count, body)
                      : forRowsOf<float>(first, count, body);
}

template <class T>
Result<void> BlockCastMatrix::readAs(std::int64_t first, std::int64_t count, T* out) const {
    const auto per = static_cast<std::size_t>(spec_.shape->elements);
    const auto decodeAs = [&](auto zero) {
        using Compute = decltype(zero);
        return [&](const Row& row, std::int64_t at) {
            T* to = out + at;
            for (std::size_t block = 0; block < row.scales.size(); ++block) {
                const Compute factor = factorOf<Compute>(row.scales[block]);
                const std::size_t end = std::min((block + 1) * per, row.codes.size());
                for (std::size_t i = block * per; i < end; ++i) {
                    to[i] = static_cast<T>(static_cast<Compute>(tables_.elements[row.codes[i]]) *
                                           factor);
                }
            }
        };
    };
    return isDouble() ? forRowsOf<double>(first, count, decodeAs(0.0))
                      : forRowsOf<float>(first, count, decodeAs(0.0F));
}

Result<void> BlockCastMatrix::packed(std::int64_t first, std::int64_t count, std::byte* out) const {
    const std::int64_t rowBytes = packedRowBytes();
    std::fill_n(out, count * rowBytes, std::byte{0});
    const auto per = static_cast<std::size_t>(spec_.shape->elements);
    return forRows(first, count, [&](const Row& row, std::int64_t at) {
        std::byte* const start = out + at / std::max<std::int64_t>(cols(), 1) * rowBytes;
        for (std::size_t block = 0; block < row.scales.size(); ++block) {
            std::byte* const to = start + block * static_cast<std::size_t>(spec_.layout->bytes);
            to[0] = static_cast<std::byte>(row.scales[block]);
            const std::size_t end = std::min((block + 1) * per, row.codes.size());
            for (std::size_t i = block * per; i < end; ++i) {
                const std::size_t bit =
                    (i - block * per) * static_cast<std::size_t>(spec_.shape->bits);
                const unsigned shifted = unsigned{row.codes[i]} << (bit % 8);
                to[1 + bit / 8] |= static_cast<std::byte>(shifted & 0xFFU);
                if (shifted > 0xFFU) {
                    to[2 + bit / 8] |= static_cast<std::byte>(shifted >> 8U);
                }
            }
        }
    });
}

std::optional<std::pair<double, double>> BlockCastMatrix::clipInterval(std::int64_t row,
                                                                       std::int64_t col) const {
    const double most = scaledElement(row, col, largestElement_);
    return std::pair{-most, most};
}

std::vector<Level> BlockCastMatrix::levels(std::int64_t row, std::int64_t col) const {
    std::vector<Level> levels;
    for (std::uint16_t code = 0; code < 1U << spec_.shape->bits; ++code) {
        const float element = tables_.elements[code];
        if (!std::isfinite(element) || (isInteger() && code == 0x80U)) {
            continue;  // −2 is never written
        }
        levels.push_back({shownCode(code), scaledElement(row, col, element)});
    }
    std::stable_sort(levels.begin(), levels.end(), [](const Level& a, const Level& b) {
        return a.value < b.value;
    });
    return levels;
}

std::vector<EquationLine> BlockCastMatrix::explain(std::int64_t row, std::int64_t col) const {
    const auto at = static_cast<std::size_t>(col);
    std::vector<double> weights(static_cast<std::size_t>(cols()));
    std::vector<double> results(static_cast<std::size_t>(cols()));
    std::vector<std::int32_t> codes(static_cast<std::size_t>(cols()));
    if (!source_->read(row, 1, weights.data()) || !read(row, 1, results.data()) ||
        !this->codes(row, 1, codes.data())) {
        return {};
    }
    const auto [begin, end] = groupColumns(row, col);
    const auto most =
        std::max_element(weights.begin() + begin, weights.begin() + end, [](double a, double b) {
            return std::abs(a) < std::abs(b);
        });
    const std::uint8_t code = scaleAt(row, col);
    const double scale =
        isDouble() ? factorOf<double>(code) : static_cast<double>(factorOf<float>(code));
    const double element = static_cast<double>(
        tables_.elements[static_cast<std::size_t>(codes[at]) & ((1U << spec_.shape->bits) - 1)]);
    const double scaled =
        isDouble()
            ? weights[at] / scale
            : static_cast<double>(static_cast<float>(weights[at]) / static_cast<float>(scale));
    const BoardNumbers board(weights[at], scale, [](double, double) { return true; });
    const std::string source =
        joined({"column ", std::to_string(most - weights.begin()), " sets this block's scale"});
    const std::string blockScale = board.number(static_cast<double>(tables_.scales[code]));
    std::vector<EquationLine> lines;
    if (spec_.isNv) {
        const std::string tensor = board.number(spec_.tensorScale);
        lines.push_back(
            {"scale",
             joined({"E4M3(", board.number(std::abs(*most)), " / (6 · ", tensor, ")) · ", tensor}),
             joined({blockScale, " · ", tensor, " = ", board.scale()}),
             source});
    } else {
        lines.push_back({"scale",
                         joined({"2^(floor(log2 ",
                                 board.number(std::abs(*most)),
                                 ") - ",
                                 std::to_string(spec_.mostExponent),
                                 ")"}),
                         board.scale(),
                         source});
    }
    lines.push_back(
        {"scaled", joined({board.weight(), " / ", board.scale()}), board.number(scaled), {}});
    const std::string name(isInteger() ? std::string_view("INT8 of 64ths") : spec_.element->title);
    lines.push_back({"rounds to",
                     joined({name, "(", board.number(scaled), ")"}),
                     shortest(element),
                     std::abs(scaled) > static_cast<double>(largestElement_)
                         ? "clamped to the largest element"
                         : ""});
    lines.push_back({"code", shortest(element), std::to_string(codes[at]), {}});
    lines.push_back({"becomes",
                     joined({board.scale(), " · ", shortest(element)}),
                     board.number(results[at]),
                     {}});
    lines.push_back({"error",
                     joined({board.number(results[at]), " - ", board.signedWeight()}),
                     board.number(results[at] - weights[at]),
                     {}});
    return lines;
}

BlockCastSpec specOf(std::string_view format) {
    const auto index = static_cast<std::size_t>(
        std::find(kFormats.begin(), kFormats.end(), format) - kFormats.begin());
    LOUPE_ASSERT(index < kFormats.size(), "a block format that cast offers");
    BlockCastSpec spec;
    spec.layout = findBlockLayout(format);
    spec.shape = kShapes[index];
    spec.element = findFormat(spec.shape->element);
    spec.scale = findFormat(spec.shape->scale);
    LOUPE_ASSERT(spec.layout != nullptr && spec.element != nullptr && spec.scale != nullptr,
                 "block formats and their parts are registered");
    spec.isNv = format == "nvfp4";
    spec.mostExponent =
        spec.element->kind == FormatKind::Integer ? 0 : exponentOf(limits(*spec.element).max);
    return spec;
}

}  // namespace

std::span<const std::string_view> blockCastFormats() {
    return kFormats;
}

Result<StepOutput> castToBlocks(const StepInput& input,
                                std::string_view format,
                                const JobContext& ctx) {
    BlockCastSpec spec = specOf(format);
    // The tensor's largest magnitude; refuses what is not finite.
    UniformSpec range;
    range.per = ScalePer::Tensor;
    const auto found = makeUniform(input.weights, range, ctx, false);
    if (!found) {
        return fail(found.error());
    }
    const double most = (*found)->bound(0);
    if (spec.isNv && most > 0) {
        const float shared = static_cast<float>(most) / (kElementMax * kScaleMax);
        spec.tensorScale =
            static_cast<double>(std::max(shared, std::numeric_limits<float>::denorm_min()));
    }
    const double largestScale = std::ldexp(1.0, kBias);
    const bool tooLarge = spec.isNv ? most > static_cast<double>(std::numeric_limits<float>::max())
                                    : most > 0 && exponentOf(most) - spec.mostExponent > kBias;
    if (tooLarge) {
        return fail(ErrorCode::Invalid,
                    joined({spec.layout->title,
                            " cannot scale a weight of magnitude ",
                            shortest(most),
                            spec.isNv ? ": its tensor's scale is FP32"
                                      : ": expected a block's scale of at most ",
                            spec.isNv ? std::string() : shortest(largestScale)}));
    }
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = spec.shape->bits;
    output.cost.overheadBits = 0;
    const auto rows = static_cast<double>(input.weights->rows());
    const std::int64_t cols = input.weights->cols();
    if (rows > 0 && cols > 0) {
        const std::int64_t perRow = (cols + spec.shape->elements - 1) / spec.shape->elements;
        const double weights = rows * static_cast<double>(cols);
        output.cost.overheadBits =
            (8 * rows * static_cast<double>(perRow) + (spec.isNv ? 32 : 0)) / weights;
    }
    auto matrix = std::make_shared<BlockCastMatrix>(input.weights, spec);
    if (Result<void> scaled = matrix->findScales(ctx); !scaled) {
        return fail(scaled.error());
    }
    output.weights = std::move(matrix);
    return output;
}

}  // namespace loupe

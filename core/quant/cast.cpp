// SPDX-License-Identifier: Apache-2.0
// Rounds weights to a number format, on a scale that maps the group's absmax to the format's
// maximum if asked for.
#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/number_format.hpp"
#include "core/quant/block_cast.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/trace_elementwise.hpp"
#include "core/quant/uniform.hpp"
#include "core/quant/uniform_kernels.hpp"
#include "core/scheme/step.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

namespace loupe {

namespace {

constexpr std::string_view kScale[] = {"none", "tensor", "row", "group"};
constexpr std::string_view kOverflow[] = {"special", "saturate"};
constexpr std::string_view kRounding[] = {"nearest", "away", "zero", "stochastic"};

/// Scalar formats and codebooks, in the registry's order, then the block formats.
std::vector<std::string_view> castFormats() {
    std::vector<std::string_view> names;
    for (const NumberFormat* format : allFormats()) {
        if (format->kind != FormatKind::Block) {
            names.push_back(format->id);
        }
    }
    names.insert(names.end(), blockCastFormats().begin(), blockCastFormats().end());
    return names;
}

bool isBlockFormat(std::string_view name) {
    const auto all = blockCastFormats();
    return std::find(all.begin(), all.end(), name) != all.end();
}

const std::vector<std::string_view> kFormats = castFormats();

/// Block formats have their own scales, saturate and round to nearest: what else could be said has
/// no effect beside them.
constexpr std::string_view kNotBlocks =
    "!format=mxfp8_e4m3|mxfp8_e5m2|mxfp6_e3m2|mxfp6_e2m3|mxfp4|mxint8|nvfp4";

const std::array kParams{
    ParamSpec{.name = "format",
              .type = ParamType::Format,
              .defaultText = "bf16",
              .choices = kFormats,
              .label = "Format",
              .help = "The number format whose nearest value each weight becomes. The block formats "
                      "mxfp8_e4m3 to mxint8 and nvfp4 bring their own scales for 32 or 16 weights."},
    ParamSpec{.name = "scale",
              .type = ParamType::Choice,
              .defaultText = "none",
              .choices = kScale,
              .label = "Scale per",
              .help = "none: values as they are. Else w/scale is rounded, with scale = max|w| / "
                      "largest value of the format, over "
                      "the tensor, each row or each group.",
              .onlyWith = kNotBlocks},
    ParamSpec{.name = "group",
              .type = ParamType::Integer,
              .defaultText = "128",
              .min = 1,
              .max = 1 << 30,
              .label = "Group size",
              .help = "Neighbouring inputs of a row that share a scale; the last group of a row "
                      "may be shorter.",
              .unit = "weights",
              .powersOfTwo = true,
              .onlyWith = "scale=group",
              .implies = "scale=group",
              .alwaysWritten = true},
    ParamSpec{.name = "overflow",
              .type = ParamType::Choice,
              .defaultText = "",
              .choices = kOverflow,
              .label = "Overflow",
              .help = "special: infinity, or NaN where the format has none. saturate: the largest "
                      "finite value. Absent: special for "
                      "formats with infinities, saturate for the others.",
              .onlyWith = kNotBlocks},
    ParamSpec{.name = "rounding",
              .type = ParamType::Choice,
              .defaultText = "nearest",
              .choices = kRounding,
              .label = "Rounding",
              .help = "nearest: ties to even. away: ties away from zero. zero: truncation. "
                      "stochastic: up with probability equal "
                      "to the fraction.",
              .onlyWith = kNotBlocks},
    ParamSpec{
        .name = "seed",
        .type = ParamType::Integer,
        .defaultText = "0",
        .min = 0,
        .max = 9007199254740991.0,
        .label = "Seed",
        .help = "Of the random numbers: each depends on the seed and the element's index alone.",
        .onlyWith = "rounding=stochastic"}};

struct CastSpec {
    const NumberFormat* format = nullptr;
    EncodeOptions options;
    bool scaled = false;
    ScalePer per = ScalePer::Tensor;
    std::int64_t group = 128;
};

/// Weights rounded to a format: keeps the source and the scales, rounds rows on demand.
class CastMatrix final : public QuantizedMatrix {
public:
    CastMatrix(std::shared_ptr<const RowSource> source,
               const CastSpec& spec,
               std::shared_ptr<const UniformMatrix> ranges)
        : source_(std::move(source)), spec_(spec), range_(limits(*spec.format)) {
        if (isInteger() && spec_.format->bits <= kTableBits) {
            for (std::uint64_t code = 0; code < std::uint64_t{1} << spec_.format->bits; ++code) {
                valueOfCode_.push_back(static_cast<std::int32_t>(decode(*spec_.format, code)));
            }
        }
        if (ranges != nullptr) {
            scales_ = *ranges->scales();
            const double most = range_.max;
            for (std::size_t i = 0; i < scales_.values.size(); ++i) {
                scales_.values[i] = scaleFor(ranges->bound(i), most);
            }
        }
    }

    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        if (!isDouble()) {
            return roundRows(first, count, out, nullptr);
        }
        std::vector<double> values(static_cast<std::size_t>(count * cols()));
        Result<void> done = roundRows(first, count, values.data(), nullptr);
        std::transform(
            values.begin(), values.end(), out, [](double x) { return static_cast<float>(x); });
        return done;
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        if (isDouble()) {
            return roundRows(first, count, out, nullptr);
        }
        std::vector<float> values(static_cast<std::size_t>(count * cols()));
        Result<void> done = roundRows(first, count, values.data(), nullptr);
        std::copy(values.begin(), values.end(), out);
        return done;
    }
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }

    /// Small codes, and integers: a code of an integer format is its value.
    [[nodiscard]] bool hasCodes() const override {
        return isInteger() ? spec_.format->integer.max <= std::numeric_limits<std::int32_t>::max()
                           : spec_.format->bits <= 8;
    }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override {
        if (!hasCodes()) {
            return QuantizedMatrix::codes(first, count, out);
        }
        if (isDouble()) {
            std::vector<double> values(static_cast<std::size_t>(count * cols()));
            return roundRows(first, count, values.data(), out);
        }
        std::vector<float> values(static_cast<std::size_t>(count * cols()));
        return roundRows(first, count, values.data(), out);
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        if (!hasCodes()) {
            return {0, -1};
        }
        return isInteger()
                   ? std::pair{spec_.format->integer.min, spec_.format->integer.max}
                   : std::pair{std::int64_t{0}, (std::int64_t{1} << spec_.format->bits) - 1};
    }
    [[nodiscard]] int codeBits() const override { return hasCodes() ? spec_.format->bits : 0; }
    [[nodiscard]] bool codesUnsigned() const override {
        return !isInteger() || spec_.format->integer.min >= 0;
    }
    [[nodiscard]] const ScaleGrid* scales() const override {
        return spec_.scaled ? &scales_ : nullptr;
    }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::optional<std::pair<double, double>> clipInterval(
        std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t, std::int64_t col) const override {
        if (!spec_.scaled || spec_.per != ScalePer::Group) {
            return {0, cols()};
        }
        const std::int64_t first = col / spec_.group * spec_.group;
        return {first, std::min(first + spec_.group, cols())};
    }
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

private:
    [[nodiscard]] bool isInteger() const { return spec_.format->kind == FormatKind::Integer; }
    [[nodiscard]] double scaleFor(double bound, double most) const {
        if (bound == 0) {
            return 1;
        }
        const double exact = bound / most;
        return isDouble() ? std::max(exact, std::numeric_limits<double>::denorm_min())
                          : static_cast<double>(std::max(static_cast<float>(exact),
                                                         std::numeric_limits<float>::denorm_min()));
    }
    [[nodiscard]] double scaleAt(std::int64_t row, std::int64_t col) const {
        if (!spec_.scaled) {
            return 1;
        }
        const std::int64_t r = scales_.rows == 1 ? 0 : row;
        return scales_.values[static_cast<std::size_t>(
            r * scales_.cols + (spec_.per == ScalePer::Group ? col / spec_.group : 0))];
    }
    /// values[] = the rounded rows; or, where codes[] is given, codes[] alone (values[] is
    /// overwritten).
    template <class T>
    [[nodiscard]] Result<void> roundRows(std::int64_t first,
                                         std::int64_t count,
                                         T* values,
                                         std::int32_t* codes) const;
    template <class T>
    void divideByScales(std::int64_t first, std::int64_t count, T* values) const;
    template <class T>
    [[nodiscard]] Result<void> codesOf(std::span<const T> values,
                                       const EncodeOptions& options,
                                       std::int32_t* codes) const;

    /// Calls body(index from the first row's begin, count, scale) for each stretch of rows that
    /// shares a scale.
    template <class Body>
    void forGroups(std::int64_t first, std::int64_t count, const Body& body) const {
        const std::int64_t width = cols();
        const std::int64_t step = spec_.per == ScalePer::Group ? spec_.group : width;
        for (std::int64_t row = 0; row < count; ++row) {
            for (std::int64_t col = 0; col < width; col += step) {
                body(row * width + col, std::min(step, width - col), scaleAt(first + row, col));
            }
        }
    }

    [[nodiscard]] std::int32_t shownCode(std::uint64_t code) const;

    static constexpr int kTableBits = 16;
    std::shared_ptr<const RowSource> source_;
    CastSpec spec_;
    FormatLimits range_;
    ScaleGrid scales_;
    std::vector<std::int32_t> valueOfCode_;  ///< of integer formats of at most kTableBits
};

/// Codes of an integer format are its values; others stay bit patterns.
std::int32_t CastMatrix::shownCode(std::uint64_t code) const {
    if (!isInteger()) {
        return static_cast<std::int32_t>(code);
    }
    if (spec_.format->bits <= kTableBits) {
        return valueOfCode_[static_cast<std::size_t>(code)];
    }
    return static_cast<std::int32_t>(decode(*spec_.format, code));
}

template <class T>
Result<void> CastMatrix::codesOf(std::span<const T> values,
                                 const EncodeOptions& options,
                                 std::int32_t* codes) const {
    if constexpr (std::is_same_v<T, float>) {
        if (spec_.format->bits <= kTableBits) {
            std::vector<std::uint16_t> encoded(values.size());
            if (Result<void> done = encodeArray(*spec_.format, values, encoded, options); !done) {
                return done;
            }
            if (isInteger()) {
                std::transform(encoded.begin(), encoded.end(), codes, [&](std::uint16_t code) {
                    return valueOfCode_[code];
                });
            } else {
                std::copy(encoded.begin(), encoded.end(), codes);
            }
            return {};
        }
    }
    EncodeOptions each = options;
    for (std::size_t i = 0; i < values.size(); ++i) {
        each.index = options.index + i;
        const Result<std::uint64_t> code =
            encode(*spec_.format, static_cast<double>(values[i]), each);
        if (!code) {
            return fail(code.error());
        }
        codes[i] = shownCode(*code);
    }
    return {};
}

template <class T>
void CastMatrix::divideByScales(std::int64_t first, std::int64_t count, T* values) const {
    // The bound maps to the maximum; where the scale was rounded down it must not overflow by an
    // ulp.
    const T most = static_cast<T>(range_.max);
    forGroups(first, count, [&](std::int64_t at, std::int64_t size, double scale) {
        if constexpr (std::is_same_v<T, float>) {
            uniformKernels().divideClamped(values + at, size, static_cast<float>(scale), most);
        } else {
            for (std::int64_t i = at; i < at + size; ++i) {
                values[i] = std::clamp(values[i] / scale, -most, most);
            }
        }
    });
}

template <class T>
Result<void> CastMatrix::roundRows(std::int64_t first,
                                   std::int64_t count,
                                   T* values,
                                   std::int32_t* codes) const {
    if (Result<void> done = source_->read(first, count, values); !done) {
        return done;
    }
    if (spec_.scaled) {
        divideByScales(first, count, values);
    }
    const std::span<T> all(values, static_cast<std::size_t>(count * cols()));
    EncodeOptions options = spec_.options;
    options.index = static_cast<std::uint64_t>(first * cols());
    if (codes != nullptr) {
        return codesOf<T>(all, options, codes);
    }
    if (Result<void> done = roundTrip(*spec_.format, std::span<const T>(all), all, options);
        !done) {
        return done;
    }
    if (spec_.scaled) {
        forGroups(first, count, [&](std::int64_t at, std::int64_t size, double scale) {
            T* part = values + at;
            const T factor = static_cast<T>(scale);
            for (std::int64_t i = 0; i < size; ++i) {
                part[i] = factor * part[i];
            }
        });
    }
    return {};
}

std::vector<Level> CastMatrix::levels(std::int64_t row, std::int64_t col) const {
    constexpr int kMostBits = 9;
    std::vector<Level> levels;
    if (spec_.format->bits > kMostBits) {
        return levels;
    }
    const double scale = scaleAt(row, col);
    for (std::uint64_t code = 0; code < std::uint64_t{1} << spec_.format->bits; ++code) {
        const double value = decode(*spec_.format, code);
        const bool unused =
            isInteger() && (value < static_cast<double>(spec_.format->integer.min) ||
                            value > static_cast<double>(spec_.format->integer.max));
        if (std::isfinite(value) && !unused) {
            const double scaled = scale * value;
            levels.push_back(
                {isInteger() ? static_cast<std::int64_t>(value) : static_cast<std::int64_t>(code),
                 isDouble() ? scaled : static_cast<double>(static_cast<float>(scaled))});
        }
    }
    std::stable_sort(levels.begin(), levels.end(), [](const Level& a, const Level& b) {
        return a.value < b.value;
    });
    return levels;
}

std::optional<std::pair<double, double>> CastMatrix::clipInterval(std::int64_t row,
                                                                  std::int64_t col) const {
    const double scale = scaleAt(row, col);
    return std::pair{range_.min * scale, range_.max * scale};
}

std::vector<EquationLine> CastMatrix::explain(std::int64_t row, std::int64_t col) const {
    std::vector<double> values(static_cast<std::size_t>(cols()));
    std::vector<double> rounded(static_cast<std::size_t>(cols()));
    if (!source_->read(row, 1, values.data()) || !read(row, 1, rounded.data())) {
        return {};
    }
    const double weight = values[static_cast<std::size_t>(col)];
    const double result = rounded[static_cast<std::size_t>(col)];
    const double scale = scaleAt(row, col);
    const double scaled =
        isDouble() ? weight / scale
                   : static_cast<double>(static_cast<float>(weight) / static_cast<float>(scale));
    EncodeOptions options = spec_.options;
    options.index = static_cast<std::uint64_t>(row * cols() + col);
    const Result<EncodedNumber> number = encodeValue(*spec_.format, scaled, options);
    if (!number) {
        return {};
    }
    const BoardNumbers board(weight, scale, [](double, double) { return true; });
    const std::string name(spec_.format->title);
    std::vector<EquationLine> lines;
    if (spec_.scaled) {
        const double most = limits(*spec_.format).max;
        lines.push_back({"scale",
                         board.number(scale * most) + " / " + board.number(most),
                         board.scale(),
                         "largest |w| over the largest " + name});
        lines.push_back(
            {"scaled", board.weight() + " / " + board.scale(), board.number(scaled), {}});
    }
    const bool integer = isInteger();
    const std::string nearestText = shortest(number->value);
    const std::string operand = spec_.scaled ? board.number(scaled) : shortest(weight);
    lines.push_back(
        {"rounds to",
         name + "(" + operand + ")",
         nearestText,
         number->overflow ? "beyond the format's range" : (number->isExact ? "exact" : "")});
    lines.push_back({"code",
                     integer ? nearestText : number->binary,
                     integer ? nearestText : number->bitsHex,
                     {}});
    if (spec_.scaled) {
        lines.push_back({"becomes", board.scale() + " · " + nearestText, board.number(result), {}});
    }
    lines.push_back({"error",
                     board.number(result) + " - " + board.signedWeight(),
                     board.number(result - weight),
                     {}});
    return lines;
}

Result<StepOutput> applyCast(const StepInput& input, const Params& params, const JobContext& ctx) {
    if (isBlockFormat(params.text("format"))) {
        return castToBlocks(input, params.text("format"), ctx);
    }
    CastSpec spec;
    spec.format = findFormat(params.text("format"));
    if (spec.format == nullptr) {
        return fail(ErrorCode::NotFound,
                    "no format named '" + std::string(params.text("format")) + "'");
    }
    spec.options.overflow = parseOverflow(params.text("overflow")).value_or(Overflow::Default);
    spec.options.rounding = parseRounding(params.text("rounding")).value_or(Rounding::Nearest);
    spec.options.seed = static_cast<std::uint64_t>(params.integer("seed"));
    spec.scaled = !params.is("scale", "none");
    spec.group = params.integer("group");
    std::shared_ptr<const UniformMatrix> ranges;
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = spec.format->bitsPerWeight;
    output.cost.overheadBits = 0;
    if (spec.scaled) {
        spec.per = params.is("scale", "row")
                       ? ScalePer::Row
                       : (params.is("scale", "group") ? ScalePer::Group : ScalePer::Tensor);
        UniformSpec range;
        range.per = spec.per;
        range.group = spec.group;
        Result<std::shared_ptr<const UniformMatrix>> found =
            makeUniform(input.weights, range, ctx, false);
        if (!found) {
            return fail(found.error());
        }
        ranges = *found;
        const double weights =
            static_cast<double>(input.weights->rows()) * static_cast<double>(input.weights->cols());
        if (weights > 0) {
            output.cost.overheadBits =
                16 * static_cast<double>(ranges->scales()->values.size()) / weights;
        }
    }
    output.weights = std::make_shared<CastMatrix>(input.weights, spec, ranges);
    return output;
}

std::string castTitle(const Params& params) {
    const NumberFormat* format = findFormat(params.text("format"));
    const BlockLayout* block = findBlockLayout(params.text("format"));
    std::string text(format != nullptr  ? format->title
                     : block != nullptr ? block->title
                                        : params.text("format"));
    if (params.is("scale", "group")) {
        text += ", group " + std::string(params.text("group"));
    } else if (!params.is("scale", "none")) {
        text += ", per " + std::string(params.text("scale"));
    }
    if (!params.is("rounding", "nearest")) {
        text += ", " + std::string(params.text("rounding"));
    }
    if (params.has("overflow")) {
        text += ", ";
        text += params.text("overflow");
    }
    return text;
}

Result<std::shared_ptr<const Trace>> traceCast(const StepInput& input,
                                               const Params& params,
                                               const JobContext& ctx) {
    const Result<StepOutput> output = applyCast(input, params, ctx);
    if (!output) {
        return fail(output.error());
    }
    ElementwiseStory story;
    story.scaleSentence = "The largest magnitude of each group becomes the format's largest value.";
    story.codeSentence = "The bits of the nearest value that the format has.";
    story.endSentence = params.is("scale", "none")
                            ? "Each weight is the nearest value that the format has."
                            : "The nearest value of the format, times the scale.";
    story.lesson =
        "A float's spacing grows with the value: the relative error stays the same over "
        "its whole range, where an integer's absolute error does.";
    story.formulas = {{"scale", "s = max|w| / largest value"},
                      {"scaled", "x = w / s"},
                      {"rounds to", "nearest value of the format"},
                      {"code", "its bits"},
                      {"becomes", "w^ = s · value"},
                      {"error", "w^ - w"}};
    return traceElementwise(input, *output, story);
}

constexpr std::string_view kLadder[] = {"cast:format=bf16",
                                        "cast:format=fp16",
                                        "cast:format=fp8_e4m3,scale=row",
                                        "cast:format=fp8_e5m2,scale=row",
                                        "cast:format=fp4_e2m1,scale=group,group=32",
                                        "cast:format=mxfp8_e4m3",
                                        "cast:format=mxfp4",
                                        "cast:format=nvfp4"};

}  // namespace

extern const StepDefinition kStep_cast;
const StepDefinition kStep_cast{
    .id = "cast",
    .title = "Cast to a format",
    .summary = "Rounds each weight to the nearest value of a number format, scaled if asked for.",
    .source = "OCP OFP8 rev. 1.0, section 5; IEEE 754-2019, section 4.3",
    .params = kParams,
    .apply = applyCast,
    .shortTitle = castTitle,
    .family = StepFamily::Uniform,
    .ladder = kLadder,
    .trace = traceCast};

}  // namespace loupe

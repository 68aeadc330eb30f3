// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/io/tensor_source.hpp"
#include "core/scheme/bit_mask.hpp"
#include "core/scheme/scheme.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe {

enum class ParamType : std::uint8_t {
    Integer,
    Real,
    Choice,   ///< one of `choices`
    Flag,     ///< true or false
    Bound,    ///< a positive number, or LOW..HIGH where the step allows it
    Format,   ///< a format name of contract section 3; `choices` lists those that the step accepts
    Pattern,  ///< N:M
};

/// One parameter of a step. The table of these drives the parser, --help, the generated form,
/// validation and the docs.
struct ParamSpec {
    std::string_view name;  ///< key in scheme strings: "bits"
    ParamType type = ParamType::Integer;
    std::string_view defaultText;  ///< canonical text of the default; empty: absent by default
                                   ///< (optional parameter)
    double min = 0, max = 0;       ///< inclusive, for Integer, Real and Bound
    std::span<const std::string_view> choices{};
    std::string_view label;    ///< for the form: "Scale per"
    std::string_view help;     ///< one sentence with the formula where there is one
    std::string_view unit{};   ///< suffix in the form: "%", "weights"
    bool powersOfTwo = false;  ///< the slider steps 2^k
    /// Has effect only beside one of these settings: "per=group", "clip=percentile|mse", or
    /// "act_bits" (given at all), and only if that key has an effect itself. With "!" in front the
    /// other way round: "!pattern": only where that key is absent; "!format=mxfp4|nvfp4": only where
    /// it has none of these values. Empty: always.
    std::string_view onlyWith{};
    /// Giving this key implies that setting (`group=N` implies "per=group"); empty: none.
    std::string_view implies{};
    /// Must be given beside this setting ("clip=value"); empty: never.
    std::string_view requiredWith{};
    /// What withValue() fills in where the key becomes required.
    std::string_view startText{};
    /// Written in canonical strings even at its default, wherever it has an effect (`group`).
    bool alwaysWritten = false;
    /// Bound: LOW..HIGH is allowed.
    bool allowsInterval = false;
};

/// The interval of a Bound: {-b, b} for "b", {low, high} for "low..high". Empty where the text is
/// neither.
[[nodiscard]] std::optional<std::pair<double, double>> parseBound(std::string_view text);

/// A step's parameters with defaults filled in.
class Params {
public:
    Params(std::span<const ParamSpec> table, const Step& step) : table_(table), step_(&step) {}
    [[nodiscard]] std::string_view text(
        std::string_view name) const;  ///< canonical text; "" if absent
    [[nodiscard]] bool has(std::string_view name) const { return !text(name).empty(); }
    [[nodiscard]] std::int64_t integer(std::string_view name) const;
    [[nodiscard]] double real(std::string_view name) const;
    [[nodiscard]] bool flag(std::string_view name) const;
    [[nodiscard]] bool is(std::string_view name, std::string_view value) const {
        return text(name) == value;
    }

private:
    std::span<const ParamSpec> table_;
    const Step* step_;
};

/// A grid of scales or zero points: [1,1], [out,1], [1,in], [out,groups], or `flattened` [blocks]
/// over the row-major matrix.
struct ScaleGrid {
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t rowsPerEntry = 1;    ///< weights' rows that one entry covers (tensor: all)
    std::int64_t colsPerEntry = 1;    ///< weights' columns that one entry covers
    std::int64_t flattenedBlock = 0;  ///< > 0: blocks of this many weights of the flattened matrix
    std::vector<double> values;  ///< exactly representable in float unless the weights are fp64
    /// Which entry column each weight column uses, where groups are not runs of neighbours (GPTQ's
    /// act_order without static groups); empty: column / colsPerEntry.
    std::vector<std::int32_t> columnEntry{};
    /// Index in `values` of the entry for a weight. Not for flattened blocks.
    [[nodiscard]] std::size_t entryOf(std::int64_t row, std::int64_t col) const {
        const std::int64_t r = rows == 1 ? 0 : row / rowsPerEntry;
        std::int64_t c = cols == 1 ? 0 : col / colsPerEntry;
        if (!columnEntry.empty()) {
            c = columnEntry[static_cast<std::size_t>(col)];
        }
        return static_cast<std::size_t>(r * cols + c);
    }
};

/// One term of a worked equation: what a person would write on the board, with this element's
/// numbers in it.
struct EquationLine {
    std::string label;       ///< "scale", "code", "becomes"
    std::string expression;  ///< "0.2288 / 7", "round(-0.01826 / 0.0327)"; digits enough to
                             ///< recompute the result
    std::string result;      ///< "0.0327"
    std::string note;        ///< optional: "clamped to -7", "column 2533 sets this group's scale"
};

/// One representable value of the group that an element belongs to.
struct Level {
    std::int64_t code = 0;
    double value = 0;
};

/// The weights after a scheme: dequantized values as rows (read()), their codes, scales and mask,
/// computed on demand from the original and the scales where the scheme is element-wise: no
/// tensor-sized temporaries. Thread-safe.
class QuantizedMatrix : public RowSource {
public:
    [[nodiscard]] virtual bool hasCodes() const { return false; }
    [[nodiscard]] virtual Result<void> codes(std::int64_t first,
                                             std::int64_t count,
                                             std::int32_t* out) const;
    /// Inclusive range of codes that the scheme may use; {0, -1} without codes.
    [[nodiscard]] virtual std::pair<std::int64_t, std::int64_t> codeRange() const {
        return {0, -1};
    }
    /// "int8" storage of NAME.codes: bits per code, and whether codes are unsigned (codebooks,
    /// minifloats).
    [[nodiscard]] virtual int codeBits() const { return 0; }
    [[nodiscard]] virtual bool codesUnsigned() const { return false; }
    [[nodiscard]] virtual const ScaleGrid* scales() const { return nullptr; }
    [[nodiscard]] virtual const ScaleGrid* zeroPoints() const { return nullptr; }
    /// Zero points are real numbers (`hqq`), not integers.
    [[nodiscard]] virtual bool zeroPointsAreReal() const { return false; }
    [[nodiscard]] virtual bool hasMask() const { return false; }
    /// 1 = kept.
    [[nodiscard]] virtual Result<void> mask(std::int64_t first,
                                            std::int64_t count,
                                            std::uint8_t* out) const;
    /// Every representable value of the element's group, ascending; empty if there are more than
    /// 512.
    [[nodiscard]] virtual std::vector<Level> levels(std::int64_t row, std::int64_t col) const;
    /// The clipping interval of the element's group: values outside are clipped. Empty: nothing
    /// clips.
    [[nodiscard]] virtual std::optional<std::pair<double, double>> clipInterval(
        std::int64_t row, std::int64_t col) const;
    /// [first column, one past the last) of the group that shares the element's scale, within its
    /// row.
    [[nodiscard]] virtual std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t row, std::int64_t col) const;
    /// The element worked out step by step with its numbers.
    [[nodiscard]] virtual std::vector<EquationLine> explain(std::int64_t row,
                                                            std::int64_t col) const;
    /// The block format that the weights are stored in, whole blocks along the inputs of each row,
    /// or null. Then `--output` holds those bytes in place of codes and scales.
    [[nodiscard]] virtual const BlockLayout* packedLayout() const { return nullptr; }
    /// Bytes of a row stored so; a last block of fewer weights counts whole.
    [[nodiscard]] std::int64_t packedRowBytes() const;
    /// Rows [first, first + count) as that format stores them: count · packedRowBytes() bytes.
    [[nodiscard]] virtual Result<void> packed(std::int64_t first,
                                              std::int64_t count,
                                              std::byte* out) const;
    /// s [in] of smoothquant and awq: the weights were multiplied by it before they were quantized,
    /// and read() has divided by it again. Empty: none.
    [[nodiscard]] virtual std::span<const double> channelScale() const { return {}; }
};

/// What storing the weights costs, in parts, so that steps compose: a mask leaves only kept
/// weights' codes.
struct StorageCost {
    double valueBits = 32;    ///< bits of one kept weight's value or code
    double overheadBits = 0;  ///< per weight: scales, zero points, codebooks, column order
    double maskBits = 0;      ///< per weight: 1, or 4 bits per group of four for N:M with M = 4
    double kept = 1;          ///< share of weights that the mask keeps
    [[nodiscard]] double bitsPerWeight() const {
        return valueBits * kept + overheadBits + maskBits;
    }
};

/// An orthogonal change of the input basis: what `rotate` does to weights and activations before
/// the steps after it. Row vectors: forward(v) = vQ, backward(v) = vQ'. Thread-safe.
class InputRotation {
public:
    virtual ~InputRotation() = default;
    InputRotation(const InputRotation&) = delete;
    InputRotation& operator=(const InputRotation&) = delete;
    [[nodiscard]] virtual std::int64_t size() const = 0;
    virtual void forward(double* row) const = 0;
    virtual void backward(double* row) const = 0;

protected:
    InputRotation() = default;
};

/// What a step may use. `weights` is the previous step's output. Pointers are null where not given.
struct StepInput {
    std::shared_ptr<const RowSource> weights;
    std::shared_ptr<const RowSource> activations;  ///< [tokens, in]
    std::int64_t calibrationRows = 0;              ///< the first N rows calibrate; 0: all
    std::shared_ptr<const RowSource> gradients;    ///< [out, in]
    int storedBits = 32;                           ///< of the original weights' dtype
    /// The output of the step before, null for the first: `weights` is this matrix.
    std::shared_ptr<const QuantizedMatrix> previous{};
    /// The mask of an earlier step (1 = kept), or null. The pipeline keeps those weights zero
    /// whatever a step returns; a solver should hold them at zero while it works.
    std::shared_ptr<const BitMask> mask{};
    StorageCost cost{};  ///< before this step
};

/// What a step gives. A mask is given by weights->hasMask() (see MaskedMatrix).
struct StepOutput {
    std::shared_ptr<const QuantizedMatrix> weights;
    /// What the layer sees after the step (quantized with act_bits), or null: unchanged.
    std::shared_ptr<const RowSource> activations{};
    StorageCost cost{};
    /// Not null: weights and activations are in a rotated basis; the pipeline turns the final
    /// result back.
    std::shared_ptr<const InputRotation> rotation{};
};

struct Trace;

/// Where a step stands in lists and menus.
enum class StepFamily : std::uint8_t {
    Uniform,          ///< integer grids
    Codebook,         ///< fixed or fitted levels
    LowBit,           ///< one or two bits
    WithActivations,  ///< looks at the layer's inputs
    WithHessian,      ///< solves with H = 2X'X
    Rotation,
    Pruning,
};

/// What every quantizer and pruner is: one file, one line in steps.def, one test.
struct StepDefinition {
    std::string_view id;       ///< name in scheme strings
    std::string_view title;    ///< "Absmax, symmetric"
    std::string_view summary;  ///< one sentence for a student
    std::string_view source;   ///< paper and section
    std::span<const ParamSpec> params{};
    /// Checks that go beyond one parameter; may be null.
    Result<void> (*validate)(const Params& params) = nullptr;
    Result<StepOutput> (*apply)(const StepInput& input,
                                const Params& params,
                                const JobContext& ctx) = nullptr;
    bool needsActivations = false;
    bool needsGradients = false;
    /// "Absmax int4, group 128"; null: the title and the keys that were given.
    std::string (*shortTitle)(const Params& params) = nullptr;
    StepFamily family = StepFamily::Uniform;
    /// Takes seconds on a large layer: never recomputed while a slider moves, always with progress.
    bool isSolver = false;
    /// The settings that a comparison of all schemes shows: "absmax:bits=4,group=128". Each parses.
    std::span<const std::string_view> ladder{};
    /// The step told state by state on a small matrix (see trace.hpp); null: it cannot be told.
    /// Runs the same code as apply(): the last state equals apply()'s result bit for bit.
    Result<std::shared_ptr<const Trace>> (*trace)(const StepInput& input,
                                                  const Params& params,
                                                  const JobContext& ctx) = nullptr;
};

[[nodiscard]] std::span<const StepDefinition* const> allSteps();
[[nodiscard]] const StepDefinition* findStep(std::string_view id);

/// Does the key have an effect beside the step's other settings? Forms hide it, the parser rejects
/// it, if not.
[[nodiscard]] bool isRelevant(const StepDefinition& definition,
                              const Step& step,
                              std::string_view key);

/// "key 'scope' has no effect beside pattern": why isRelevant() said no.
[[nodiscard]] std::string unmetCondition(const ParamSpec& spec);

/// The step with one key changed (empty text: back to the default), implications applied and keys
/// that lost their effect dropped. @errors Usage: value out of range, unknown key
[[nodiscard]] Result<Step> withValue(const Step& step, std::string_view key, std::string_view text);

/// The canonical text of a value of one parameter. @errors Usage: names step, key, what was
/// expected and found
[[nodiscard]] Result<std::string> canonicalValue(const StepDefinition& definition,
                                                 const ParamSpec& spec,
                                                 std::string_view text);

/// "2..16", "tensor|row|column|group", ...: what a parameter accepts, for help and messages.
[[nodiscard]] std::string acceptedValues(const ParamSpec& spec);

/// A short human name: "Absmax int4, group 128".
[[nodiscard]] std::string title(const Scheme& scheme);

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
// ggml's blocks told state by state: what the quantizer tries for the scale of each part, what it
// keeps of it in few bits, and the codes that are taken with what is kept.
#include "core/quant/trace_ggml.hpp"

#include "core/blocks/scale_search.hpp"
#include "core/quant/trace_builder.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

/// Parts that are told one by one; the others together.
constexpr std::size_t kMostParts = 12;

bool isOfScale(BlockRole role) {
    return role == BlockRole::Scale || role == BlockRole::Minimum || role == BlockRole::SubScales;
}

/// Neighbours in a row that share all their scales.
struct Part {
    std::int64_t row = 0;
    std::int64_t begin = 0;
    std::int64_t count = 0;
    std::optional<ScaleSearch> search;
    double scale = 0;  ///< as the block stores it
    [[nodiscard]] bool holds(TraceCell at) const {
        return at.row == row && at.col >= begin && at.col < begin + count;
    }
    [[nodiscard]] std::string columns() const {
        return joined(
            {"columns ", std::to_string(begin), " to ", std::to_string(begin + count - 1)});
    }
};

/// "d = 7.59 / (-8)" and the like: how the scale follows from the part.
TraceNote noteOf(const ScaleSearch& search) {
    TraceNote note;
    note.title = "Scale as found";
    note.result = traceNumber(search.scale);
    if (!search.trials.empty()) {
        const auto taken = std::find_if(search.trials.rbegin(),
                                        search.trials.rend(),
                                        [](const ScaleTrial& trial) { return trial.taken; });
        note.formula = joined({"least ", search.error});
        note.substituted = joined({traceNumber(taken->error),
                                   ", number ",
                                   std::to_string(search.trials.rend() - taken),
                                   " of ",
                                   std::to_string(search.trials.size())});
        return note;
    }
    if (search.hasOffset) {
        note.formula = "d = (max - min) / (2^b - 1)";
        note.substituted = joined({"(",
                                   traceNumber(search.largest),
                                   " - ",
                                   traceOperand(search.smallest),
                                   ") / ",
                                   std::to_string(search.high)});
        return note;
    }
    // The lowest code is one further from 0 than the highest, where there is such a code.
    const bool toLowest = search.low < -search.high;
    note.formula = toLowest ? "d = w_max / -2^(b-1)" : "d = |w_max| / 127";
    note.substituted = joined(
        {traceOperand(toLowest ? search.largest : std::fabs(search.largest)),
         " / ",
         toLowest ? joined({"(", std::to_string(search.low), ")"}) : std::to_string(search.high)});
    return note;
}

std::string sentenceOf(const Part& part) {
    const ScaleSearch& search = *part.search;
    const std::string scale = traceNumber(search.scale);
    if (!search.trials.empty()) {
        const auto better = std::count_if(search.trials.begin() + 1,
                                          search.trials.end(),
                                          [](const ScaleTrial& trial) { return trial.taken; });
        return joined({"Not the largest weight alone decides: ",
                       std::to_string(search.trials.size()),
                       " scales are tried, ",
                       better == 0 ? std::string("none is better than the first")
                                   : joined({std::to_string(better),
                                             better == 1 ? " was" : " in turn were",
                                             " better than what came before"}),
                       ", and ",
                       scale,
                       search.hasOffset ? joined({" from ", traceNumber(search.offset), " upward"})
                                        : std::string(),
                       " is taken."});
    }
    if (search.hasOffset) {
        return joined({"The part runs from ",
                       traceNumber(search.smallest),
                       " to ",
                       traceNumber(search.largest),
                       ": one step is ",
                       scale,
                       ", and the smallest weight is code 0."});
    }
    return joined(
        {"The weight of the largest magnitude, ",
         traceNumber(search.largest),
         search.low < -search.high
             ? joined({", becomes the lowest code, ", std::to_string(search.low)})
             : joined({", becomes code ", std::to_string(search.high), " or its negative"}),
         ": one step is ",
         scale,
         "."});
}

class GgmlTeller {
public:
    GgmlTeller(std::shared_ptr<const QuantizedMatrix> matrix,
               TraceMatrix original,
               TraceMatrix result,
               const BlockLayout& layout,
               const GgmlCodes& type)
        : matrix_(std::move(matrix)),
          original_(std::move(original)),
          result_(std::move(result)),
          layout_(layout),
          type_(type),
          limit_(largestMagnitude(*original_)) {}

    Result<std::shared_ptr<const Trace>> tell(const StepInput& input) {
        auto bytes = std::make_shared<std::vector<std::byte>>(
            static_cast<std::size_t>(matrix_->rows() * matrix_->packedRowBytes()));
        if (Result<void> done = matrix_->packed(0, matrix_->rows(), bytes->data()); !done) {
            return fail(done.error());
        }
        bytes_ = std::move(bytes);
        findParts();
        addStart();
        const bool searched = !parts_.empty() && parts_.front().search.has_value();
        const std::size_t single = parts_.size() <= kMostParts ? parts_.size() : kMostParts - 1;
        for (std::size_t i = 0; searched && i < single; ++i) {
            addPart(parts_[i]);
        }
        if (searched && single < parts_.size()) {
            addOtherParts(single);
        }
        addStored();
        if (Result<void> done = addCodes(); !done) {
            return fail(done.error());
        }
        addEnd();
        Result<std::vector<TraceFigure>> summary = traceSummary(input, *original_, *result_);
        if (!summary) {
            return fail(summary.error());
        }
        builder_.trace().summary = std::move(*summary);
        builder_.trace().lesson =
            "A block is all that a weight needs to be read again: a few bits of its own, and the "
            "scales that it shares with its neighbours, themselves kept in as few bits as will do.";
        return builder_.finish(result_);
    }

private:
    void findParts() {
        const std::int64_t count = type_.sharing;
        for (std::int64_t row = 0; row < original_->rows(); ++row) {
            for (std::int64_t begin = 0; begin < original_->cols(); begin += count) {
                Part part{row, begin, count, {}, storedScale(row, begin)};
                std::vector<float> weights(static_cast<std::size_t>(count));
                std::transform(original_->row(row).begin() + begin,
                               original_->row(row).begin() + begin + count,
                               weights.begin(),
                               [](double weight) { return static_cast<float>(weight); });
                part.search = searchScale(layout_, weights);
                parts_.push_back(std::move(part));
            }
        }
    }

    /// One step of the codes (or of the codebook's levels), from the values that codes can mean.
    [[nodiscard]] double storedScale(std::int64_t row, std::int64_t col) const {
        const std::vector<Level> levels = matrix_->levels(row, col);
        if (levels.size() < 2) {
            return 0;
        }
        const auto place = [this](const Level& level) {
            return type_.levels == nullptr ? static_cast<double>(level.code)
                                           : static_cast<double>(type_.levels[level.code]);
        };
        const double steps = place(levels.back()) - place(levels.front());
        return steps != 0 ? (levels.back().value - levels.front().value) / steps : 0;
    }

    /// Takes the weight's block apart. Holds no reference to the teller.
    [[nodiscard]] std::function<BlockElement(TraceCell)> apart() const {
        return [bytes = bytes_, &layout = layout_, rowBytes = matrix_->packedRowBytes()](
                   TraceCell at) {
            const std::byte* const block =
                bytes->data() + at.row * rowBytes + at.col / layout.elements * layout.bytes;
            return layout.element(block, static_cast<int>(at.col % layout.elements));
        };
    }

    /// The bits of the block that belong to the weight's scales, or the others.
    [[nodiscard]] CellExplainer bitsExplainer(bool scales) const {
        return [apart = apart(), scales](TraceCell at) {
            std::vector<TraceNote> notes;
            for (const BlockPart& part : apart(at).parts) {
                if (isOfScale(part.role) != scales) {
                    continue;
                }
                int width = 0;
                for (const BitRun& run : part.bits) {
                    width += run.width;
                }
                notes.push_back(
                    {part.name,
                     joined({std::to_string(width), width == 1 ? " bit" : " bits"}),
                     width > 0 ? joined({"code ", std::to_string(part.code)}) : std::string(),
                     traceNumber(part.value),
                     {}});
            }
            return notes;
        };
    }

    void addStart() {
        TraceState& state = builder_.add(
            "Weights",
            joined({"Blocks of ",
                    std::to_string(layout_.elements),
                    " neighbours of a row become ",
                    std::to_string(layout_.bytes),
                    " bytes each; ",
                    std::to_string(type_.sharing),
                    " of them share their scales."}),
            [original = original_](TraceCell at) {
                return std::vector<TraceNote>{
                    {"Weight", "w", "as stored", traceNumber((*original)(at.row, at.col)), {}}};
            });
        stages_.show(state, "Weights", PanelKind::Signed, original_, limit_);
    }

    static TraceRegion regionOf(const Part& part) {
        return {"weights", RegionKind::Group, part.row, part.begin, 1, part.count, {}};
    }

    void addPart(const Part& part) {
        const ScaleSearch& search = *part.search;
        TraceState& state = builder_.add(
            joined({"Scale of ", part.columns(), " of row ", std::to_string(part.row)}),
            sentenceOf(part),
            [part](TraceCell at) {
                return part.holds(at) ? std::vector<TraceNote>{noteOf(*part.search)}
                                      : std::vector<TraceNote>{};
            });
        TraceBuilder::panel(state, "weights", "Weights", PanelKind::Signed, original_, limit_);
        state.regions.push_back(regionOf(part));
        state.focus = {part.row, part.begin};
        for (std::int64_t col = part.begin; col < part.begin + part.count; ++col) {
            // As the quantizer sees it: in FP32.
            const auto weight = static_cast<float>((*original_)(part.row, col));
            if (static_cast<double>(weight) == search.largest) {
                state.focus.col = col;
                break;
            }
        }
        state.figures.push_back({"Largest", search.largest, {}});
        if (search.hasOffset) {
            state.figures.push_back({"Smallest", search.smallest, {}});
            state.figures.push_back({"Code 0 means", search.offset, {}});
        }
        state.figures.push_back({"Scale as found", search.scale, "one step of the codes"});
        if (!search.trials.empty()) {
            state.figures.push_back(
                {"Scales tried", static_cast<double>(search.trials.size()), search.error});
            state.marker = search.scale;
            addTrials(part);
        }
    }

    void addTrials(const Part& part) {
        std::vector<TraceCurve>& curves = builder_.trace().curves;
        if (curves.empty()) {
            curves.push_back({"search", "Error of each scale tried", "scale", "", {}, false});
            curves[0].yAxis = part.search->error;
        }
        std::vector<ScaleTrial> trials = part.search->trials;
        std::stable_sort(
            trials.begin(), trials.end(), [](const ScaleTrial& a, const ScaleTrial& b) {
                return a.scale < b.scale;
            });
        TraceSeries series{
            joined({"row ", std::to_string(part.row), ", ", part.columns()}), {}, {}};
        for (const ScaleTrial& trial : trials) {
            if (std::isfinite(trial.scale) && std::isfinite(trial.error)) {
                series.x.push_back(trial.scale);
                series.y.push_back(trial.error);
            }
        }
        if (!series.x.empty()) {
            curves[0].series.push_back(std::move(series));
        }
    }

    void addOtherParts(std::size_t first) {
        TraceState& state = builder_.add("All other scales",
                                         joined({"The same for the other ",
                                                 std::to_string(parts_.size() - first),
                                                 " parts, each by itself."}),
                                         [parts = parts_, first](TraceCell at) {
                                             std::vector<TraceNote> notes;
                                             for (std::size_t i = first; i < parts.size(); ++i) {
                                                 if (parts[i].holds(at)) {
                                                     notes.push_back(noteOf(*parts[i].search));
                                                 }
                                             }
                                             return notes;
                                         });
        TraceBuilder::panel(state, "weights", "Weights", PanelKind::Signed, original_, limit_);
        for (std::size_t i = first; i < parts_.size(); ++i) {
            state.regions.push_back(regionOf(parts_[i]));
        }
        state.focus = {parts_[first].row, parts_[first].begin};
    }

    /// What the block keeps of the scales.
    void addStored() {
        std::string kept;
        for (const BlockField& field : layout_.fields) {
            if (isOfScale(field.role)) {
                kept += joined({kept.empty() ? "" : "; ",
                                field.name,
                                " (",
                                std::to_string(field.bytes),
                                field.bytes == 1 ? " byte): " : " bytes): ",
                                field.meaning});
            }
        }
        TraceState& state =
            builder_.add("Scales as they are stored",
                         joined({"The block keeps of them: ", kept, kept.back() == '.' ? "" : "."}),
                         bitsExplainer(true));
        TraceBuilder::panel(state, "weights", "Weights", PanelKind::Signed, original_, limit_);
        std::vector<double> stored;
        double furthest = 0;
        for (const Part& part : parts_) {
            stored.push_back(part.scale);
            if (part.search && part.search->scale != 0) {
                furthest = std::max(furthest, std::fabs(part.scale / part.search->scale - 1));
            }
        }
        TraceBuilder::bars(state, "scales", "Stored scale of each part", "part", stored);
        state.regions.push_back(
            {"weights", RegionKind::Group, 0, 0, 1, layout_.elements, "first block"});
        state.figures.push_back({"Parts", static_cast<double>(parts_.size()), {}});
        state.figures.push_back({"Bits per weight", layout_.bitsPerWeight(), "scales included"});
        if (parts_.front().search) {
            state.figures.push_back(
                {"Furthest from what was found", furthest, "share of the scale"});
        }
    }

    Result<void> addCodes() {
        std::vector<std::int32_t> codes(static_cast<std::size_t>(original_->size()));
        if (Result<void> done = matrix_->codes(0, original_->rows(), codes.data()); !done) {
            return done;
        }
        auto values = std::make_shared<Matrix<double>>(original_->rows(), original_->cols());
        std::copy(codes.begin(), codes.end(), values->data());
        TraceState& state = builder_.add(
            "Codes",
            type_.levels != nullptr
                ? "Each weight gets the number of the level that is nearest to it in units of the "
                  "scale."
                : "Each weight gets the code that comes nearest to it with the scales that are "
                  "stored.",
            bitsExplainer(false));
        stages_.show(state, "Codes", PanelKind::Codes, std::move(values));
        std::sort(codes.begin(), codes.end());
        const auto different = std::unique(codes.begin(), codes.end()) - codes.begin();
        state.figures.push_back({"Codes in use", static_cast<double>(different), {}});
        return {};
    }

    void addEnd() {
        TraceState& state = builder_.add(
            "Dequantize",
            "What a reader of the file gets back, from the block's bytes alone.",
            [apart = apart(), original = original_](TraceCell at) {
                const BlockElement element = apart(at);
                const double weight = (*original)(at.row, at.col);
                return std::vector<TraceNote>{
                    {"Becomes", element.formula, element.equation, traceNumber(element.value), {}},
                    {"Error",
                     "w^ - w",
                     joined({traceNumber(element.value), " - ", traceOperand(weight)}),
                     traceNumber(element.value - weight),
                     {}}};
            });
        stages_.show(state, "Dequantized weights", PanelKind::Signed, result_, limit_);
        TraceBuilder::panel(
            state, "error", "Error w^ - w", PanelKind::Signed, differenceOf(*result_, *original_));
        addErrorFigures(state.figures, *original_, *result_);
    }

    std::shared_ptr<const QuantizedMatrix> matrix_;
    TraceMatrix original_;
    TraceMatrix result_;
    const BlockLayout& layout_;
    const GgmlCodes& type_;
    double limit_ = 0;
    std::shared_ptr<const std::vector<std::byte>> bytes_;
    std::vector<Part> parts_;
    TraceBuilder builder_;
    TraceBuilder::Stages stages_;
};

}  // namespace

Result<std::shared_ptr<const Trace>> traceGgml(const StepInput& input,
                                               const StepOutput& output,
                                               const BlockLayout& layout,
                                               const GgmlCodes& type) {
    Result<Matrix<double>> original = readWhole(*input.weights);
    if (!original) {
        return fail(original.error());
    }
    Result<Matrix<double>> result = readWhole(*output.weights);
    if (!result) {
        return fail(result.error());
    }
    GgmlTeller teller(output.weights,
                      std::make_shared<const Matrix<double>>(std::move(*original)),
                      std::make_shared<const Matrix<double>>(std::move(*result)),
                      layout,
                      type);
    return teller.tell(input);
}

}  // namespace loupe

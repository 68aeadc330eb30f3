// SPDX-License-Identifier: Apache-2.0
#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/scheme/step.hpp"

#include <array>

namespace loupe {

#define LOUPE_STEP(id) extern const StepDefinition kStep_##id;
#include "core/scheme/steps.def"
#undef LOUPE_STEP

std::span<const StepDefinition* const> allSteps() {
    static const std::array kSteps{
#define LOUPE_STEP(id) &kStep_##id,
#include "core/scheme/steps.def"
#undef LOUPE_STEP
    };
    return kSteps;
}

const StepDefinition* findStep(std::string_view id) {
    for (const StepDefinition* step : allSteps()) {
        if (step->id == id) {
            return step;
        }
    }
    return nullptr;
}

// --- Params
// -------------------------------------------------------------------------------------------------------

std::string_view Params::text(std::string_view name) const {
    for (const ParamSpec& spec : table_) {
        if (spec.name == name) {
            const auto found = step_->values.find(std::string(name));
            return found == step_->values.end() ? spec.defaultText
                                                : std::string_view(found->second);
        }
    }
    return {};
}

std::int64_t Params::integer(std::string_view name) const {
    const std::optional<std::int64_t> value = parseInteger(text(name));
    LOUPE_ASSERT(value.has_value(),
                 "an integer parameter is present and was checked by the parser");
    return *value;
}

double Params::real(std::string_view name) const {
    const std::optional<double> value = parseDouble(text(name));
    LOUPE_ASSERT(value.has_value(), "a real parameter is present and was checked by the parser");
    return *value;
}

bool Params::flag(std::string_view name) const {
    return text(name) == "true";
}

// --- QuantizedMatrix: what a step without codes, scales and masks answers
// ---------------------------------------------

Result<void> QuantizedMatrix::codes(std::int64_t, std::int64_t, std::int32_t*) const {
    return fail(ErrorCode::Invalid, "this scheme has no codes");
}

Result<void> QuantizedMatrix::mask(std::int64_t, std::int64_t, std::uint8_t*) const {
    return fail(ErrorCode::Invalid, "this scheme has no mask");
}

std::int64_t QuantizedMatrix::packedRowBytes() const {
    const BlockLayout* layout = packedLayout();
    return layout == nullptr ? 0
                             : (cols() + layout->elements - 1) / layout->elements * layout->bytes;
}

Result<void> QuantizedMatrix::packed(std::int64_t, std::int64_t, std::byte*) const {
    return fail(ErrorCode::Invalid, "this scheme has no packed blocks");
}

std::vector<Level> QuantizedMatrix::levels(std::int64_t, std::int64_t) const {
    return {};
}

std::optional<std::pair<double, double>> QuantizedMatrix::clipInterval(std::int64_t,
                                                                       std::int64_t) const {
    return std::nullopt;
}

std::pair<std::int64_t, std::int64_t> QuantizedMatrix::groupColumns(std::int64_t,
                                                                    std::int64_t) const {
    return {0, cols()};
}

std::vector<EquationLine> QuantizedMatrix::explain(std::int64_t, std::int64_t) const {
    return {};
}

}  // namespace loupe

// SPDX-License-Identifier: Apache-2.0
#include "core/io/synthetic.hpp"

#include "core/base/assert.hpp"
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"
#include "core/io/fixtures.hpp"
#include "core/io/listing.hpp"
#include "core/io/rows.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <numbers>
#include <numeric>
#include <optional>
#include <string>

namespace loupe {

namespace {

constexpr std::string_view kPrefix = "synthetic:";
constexpr std::uint64_t kMaxBufferBytes = 256 << 20;

using enum GeneratorParamType;

constexpr std::array<std::string_view, 3> kDtypes{"fp32", "bf16", "fp16"};
constexpr GeneratorParam kRows{"rows",
                               Integer,
                               "4096",
                               1,
                               1 << 24,
                               {},
                               "Rows (outputs)",
                               "Output features: one row per output neuron"};
constexpr GeneratorParam kCols{"cols",
                               Integer,
                               "4096",
                               1,
                               1 << 24,
                               {},
                               "Columns (inputs)",
                               "Input features: one column per input channel"};
constexpr GeneratorParam kSeed{"seed",
                               Integer,
                               "0",
                               0,
                               9007199254740991.0,
                               {},
                               "Seed",
                               "Another seed gives other values of the same kind"};
constexpr GeneratorParam kStd{"std",
                              Real,
                              "0.02",
                              0,
                              1e6,
                              {},
                              "Standard deviation",
                              "Spread of the values; 0.02 is usual at the start of training"};
constexpr GeneratorParam kMean{"mean", Real, "0", -1e6, 1e6, {}, "Mean", "Added to every value"};
constexpr GeneratorParam kDtype{"dtype",
                                Choice,
                                "fp32",
                                0,
                                0,
                                kDtypes,
                                "Stored as",
                                "Number format that the values are rounded to"};
constexpr GeneratorParam kDf{"df",
                             Real,
                             "5",
                             1,
                             1000,
                             {},
                             "Degrees of freedom",
                             "Fewer give heavier tails: more values far from zero"};

constexpr std::array kGaussianParams{kRows, kCols, kSeed, kStd, kMean, kDtype};
constexpr std::array kStudentParams{kRows, kCols, kSeed, kStd, kDf, kDtype};
constexpr std::array kUniformParams{
    kRows,
    kCols,
    kSeed,
    GeneratorParam{"min", Real, "-1", -1e6, 1e6, {}, "From", "Smallest value"},
    GeneratorParam{"max", Real, "1", -1e6, 1e6, {}, "To", "Values stay below this"},
    kDtype};
constexpr std::array kOutliersParams{
    kRows,
    kCols,
    kSeed,
    kStd,
    kDf,
    GeneratorParam{"channels",
                   Integer,
                   "14",
                   0,
                   1 << 20,
                   {},
                   "Outlier channels",
                   "Input channels that are larger than the others"},
    GeneratorParam{"strength",
                   Real,
                   "8",
                   0,
                   1e6,
                   {},
                   "Their strength",
                   "Values of outlier channels are multiplied by this"},
    GeneratorParam{"spikes",
                   Integer,
                   "0",
                   0,
                   1 << 20,
                   {},
                   "Single spikes",
                   "Single weights far outside, anywhere"},
    GeneratorParam{"spike_strength",
                   Real,
                   "40",
                   0,
                   1e6,
                   {},
                   "Spike size",
                   "Spikes are this many standard deviations"},
    GeneratorParam{
        "tokens", Integer, "256", 1, 1 << 20, {}, "Tokens", "Rows of the matching activations"},
    GeneratorParam{
        "at",
        Indices,
        "",
        0,
        1 << 24,
        {},
        "At channels",
        "Which input channels are outliers, with commas between them; empty: random ones"},
    GeneratorParam{"share",
                   Real,
                   "1",
                   0,
                   1,
                   {},
                   "Share of tokens",
                   "In so many of the activations' rows the outlier channels are large"},
    GeneratorParam{"correlation",
                   Real,
                   "0",
                   0,
                   0.999,
                   {},
                   "Correlation",
                   "Of neighbouring channels of the activations"},
    kDtype};

constexpr std::array<Generator, 8> kOwnGenerators{
    {{"gaussian",
      "Gaussian",
      "Independent normal values: weights before training",
      kGaussianParams},
     {"student",
      "Heavy tails (Student's t)",
      "Trained weights have more far values than a Gaussian: this does too",
      kStudentParams},
     {"uniform",
      "Uniform",
      "Every value between two bounds is as likely: the easiest case for integers",
      kUniformParams},
     {"outliers",
      "Outlier channels",
      "Heavy tails, some input channels far larger than the others, single spikes, and matching "
      "activations",
      kOutliersParams},
     {"V", "Lecture vector", "The seven numbers of the lecture's worked example", {}},
     {"V256",
      "Lecture vector with an outlier",
      "The same seven numbers and 256: one outlier spoils the scale",
      {}},
     {"M",
      "Lecture matrix",
      "The lecture's 10 x 10 matrix: all positive, a hard case for symmetric quantization",
      {}},
     {"F1",
      "Small layer with activations",
      "A 32 x 64 layer and 256 correlated activations with one outlier channel",
      {}}}};

/// The generators above, then the worked examples.
const std::vector<Generator> kGenerators = [] {
    std::vector<Generator> all(kOwnGenerators.begin(), kOwnGenerators.end());
    for (const ToyExample& toy : toyExamples()) {
        all.push_back({toy.id, toy.title, toy.summary, {}});
    }
    return all;
}();

/// Parsed values of one path.
struct Values {
    const Generator* generator = nullptr;
    std::map<std::string, std::string, std::less<>> texts;

    [[nodiscard]] std::string_view text(std::string_view name) const {
        if (const auto given = texts.find(name); given != texts.end()) {
            return given->second;
        }
        for (const GeneratorParam& param : generator->params) {
            if (param.name == name) {
                return param.defaultText;
            }
        }
        return {};
    }
    [[nodiscard]] double real(std::string_view name) const {
        return parseDouble(text(name)).value_or(0);
    }
    [[nodiscard]] std::int64_t integer(std::string_view name) const {
        return parseInteger(text(name)).value_or(0);
    }
};

std::string hintOf(std::string_view word, const std::vector<std::string>& candidates) {
    std::string hint;
    for (const std::string& near : nearest(word, candidates)) {
        hint += (hint.empty() ? "did you mean " : ", ") + near;
    }
    if (hint.empty()) {
        for (const std::string& candidate : candidates) {
            hint += (hint.empty() ? "known: " : ", ") + candidate;
        }
    }
    return hint;
}

std::vector<std::string_view> indexTexts(std::string_view text) {
    return text.empty() ? std::vector<std::string_view>() : split(text, ',');
}

Result<void> checkIndices(const GeneratorParam& param,
                          std::string_view value,
                          const std::string& path) {
    for (const std::string_view text : indexTexts(value)) {
        const std::optional<std::int64_t> index = parseInteger(text);
        if (!index || static_cast<double>(*index) < param.min ||
            static_cast<double>(*index) > param.max) {
            return fail(ErrorCode::Usage,
                        std::string(param.name) +
                            ": expected channel numbers with commas between them, found '" +
                            std::string(text) + "'",
                        path);
        }
    }
    return {};
}

Result<void> checkValue(const Generator& generator,
                        std::string_view key,
                        std::string_view value,
                        const std::string& path) {
    std::vector<std::string> names;
    for (const GeneratorParam& param : generator.params) {
        names.emplace_back(param.name);
        if (param.name != key) {
            continue;
        }
        if (param.type == Choice) {
            if (std::find(param.choices.begin(), param.choices.end(), value) !=
                param.choices.end()) {
                return {};
            }
            return fail(ErrorCode::Usage,
                        std::string(key) + ": expected one of fp32, bf16, fp16, found " +
                            std::string(value),
                        path);
        }
        if (param.type == Indices) {
            return checkIndices(param, value, path);
        }
        const std::optional<double> number =
            param.type == Real ? parseDouble(value) : [&]() -> std::optional<double> {
            const auto integer = parseInteger(value);
            return integer ? std::optional(static_cast<double>(*integer)) : std::nullopt;
        }();
        if (number && *number >= param.min && *number <= param.max) {
            return {};
        }
        return fail(ErrorCode::Usage,
                    std::string(key) + ": expected " +
                        (param.type == Real ? "a number" : "an integer") + " from " +
                        shortest(param.min) + " to " + shortest(param.max) + ", found " +
                        std::string(value),
                    path);
    }
    return fail(ErrorCode::Usage,
                "synthetic:" + std::string(generator.id) + " has no parameter " + std::string(key),
                path,
                hintOf(key, names));
}

Result<Values> parsePath(const std::string& path) {
    const std::string_view rest = std::string_view(path).substr(kPrefix.size());
    const std::size_t question = rest.find('?');
    const std::string_view id = rest.substr(0, question);
    Values values;
    std::vector<std::string> ids;
    for (const Generator& generator : kGenerators) {
        ids.emplace_back(generator.id);
        if (generator.id == id) {
            values.generator = &generator;
        }
    }
    if (values.generator == nullptr) {
        return fail(
            ErrorCode::NotFound, "no generator named " + std::string(id), path, hintOf(id, ids));
    }
    if (question == std::string_view::npos || question + 1 == rest.size()) {
        return values;
    }
    for (const std::string_view pair : split(rest.substr(question + 1), '&')) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos) {
            return fail(ErrorCode::Usage, "expected key=value, found " + std::string(pair), path);
        }
        const std::string_view key = pair.substr(0, equals);
        if (Result<void> valid = checkValue(*values.generator, key, pair.substr(equals + 1), path);
            !valid) {
            return fail(valid.error());
        }
        if (!values.texts.try_emplace(std::string(key), pair.substr(equals + 1)).second) {
            return fail(ErrorCode::Usage, std::string(key) + " is given twice", path);
        }
    }
    return values;
}

/// How the values of one made-up matrix come about. value = (location + spread · draw) · (outlier
/// channel ? strength : 1).
struct Recipe {
    enum class Draw : std::uint8_t { Normal, Student, Uniform } draw = Draw::Normal;
    std::uint64_t seed = 0;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    double location = 0;
    double spread = 1;
    double degrees = 5;
    double correlation = 0;  ///< of neighbouring columns: x = rho·left + sqrt(1 - rho^2)·draw
    std::vector<float> columnFactor;                     ///< empty: 1 everywhere
    double factorShare = 1;                              ///< of the rows that the factors hold in
    std::uint64_t factorSeed = 0;                        ///< chooses those rows
    std::vector<std::pair<std::int64_t, float>> spikes;  ///< element index and value, ascending
    const StorageType* type = nullptr;
};

template <Recipe::Draw kDraw>
void fillRun(const Recipe& recipe, std::int64_t begin, std::int64_t count, float* out) {
    for (std::int64_t i = 0; i < count; ++i) {
        const auto index = static_cast<std::uint64_t>(begin + i);
        const double draw = kDraw == Recipe::Draw::Normal ? randomNormal(recipe.seed, index)
                            : kDraw == Recipe::Draw::Student
                                ? randomStudentT(recipe.seed, index, recipe.degrees)
                                : randomUniform(recipe.seed, index);
        out[i] = static_cast<float>(recipe.location + recipe.spread * draw);
    }
}

/// Correlation and outlier channels of one row of draws.
void finishRow(const Recipe& recipe, std::int64_t row, float* values) {
    if (recipe.correlation > 0) {
        const double rest = std::sqrt(1 - recipe.correlation * recipe.correlation);
        double left = static_cast<double>(values[0]);
        for (std::int64_t col = 1; col < recipe.cols; ++col) {
            left = recipe.correlation * left + rest * static_cast<double>(values[col]);
            values[col] = static_cast<float>(left);
        }
    }
    const bool loud =
        recipe.factorShare >= 1 ||
        randomUniform(recipe.factorSeed, static_cast<std::uint64_t>(row)) < recipe.factorShare;
    if (!recipe.columnFactor.empty() && loud) {
        for (std::int64_t col = 0; col < recipe.cols; ++col) {
            values[col] *= recipe.columnFactor[static_cast<std::size_t>(col)];
        }
    }
}

/// Rows [first, first + count) before rounding to the stored type.
void fill(const Recipe& recipe, std::int64_t first, std::int64_t count, float* out) {
    const std::int64_t begin = first * recipe.cols;
    const std::int64_t n = count * recipe.cols;
    switch (recipe.draw) {
        case Recipe::Draw::Normal:
            fillRun<Recipe::Draw::Normal>(recipe, begin, n, out);
            break;
        case Recipe::Draw::Student:
            fillRun<Recipe::Draw::Student>(recipe, begin, n, out);
            break;
        case Recipe::Draw::Uniform:
            fillRun<Recipe::Draw::Uniform>(recipe, begin, n, out);
            break;
    }
    for (std::int64_t row = 0; row < count; ++row) {
        finishRow(recipe, first + row, out + row * recipe.cols);
    }
    auto spike = std::lower_bound(recipe.spikes.begin(),
                                  recipe.spikes.end(),
                                  std::pair(begin, -std::numeric_limits<float>::infinity()));
    for (; spike != recipe.spikes.end() && spike->first < begin + n; ++spike) {
        out[spike->first - begin] = spike->second;
    }
}

class GeneratedRows final : public RowSource {
public:
    explicit GeneratedRows(Recipe recipe) : recipe_(std::move(recipe)) {}

    [[nodiscard]] std::int64_t rows() const override { return recipe_.rows; }
    [[nodiscard]] std::int64_t cols() const override { return recipe_.cols; }
    [[nodiscard]] bool isDouble() const override { return false; }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        LOUPE_ASSERT(first >= 0 && count >= 0 && first <= rows() - count, "rows lie in the matrix");
        if (ready_.load(std::memory_order_acquire)) {
            decodeElements(*recipe_.type, bytes_, first * recipe_.cols, count * recipe_.cols, out);
            return {};
        }
        fill(recipe_, first, count, out);
        if (recipe_.type->bits < 32) {
            const auto n = static_cast<std::size_t>(count * recipe_.cols);
            return roundTrip(
                *recipe_.type->format, std::span<const float>(out, n), std::span<float>(out, n));
        }
        return {};
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        std::vector<float> row(static_cast<std::size_t>(recipe_.cols));
        for (std::int64_t r = 0; r < count; ++r) {
            if (Result<void> done = read(first + r, 1, row.data()); !done) {
                return done;
            }
            std::copy(row.begin(), row.end(), out + r * recipe_.cols);
        }
        return {};
    }
    [[nodiscard]] std::optional<RawMatrix> raw() const override {
        const auto bytes = static_cast<std::uint64_t>(recipe_.rows * recipe_.cols) *
                           static_cast<std::uint64_t>(recipe_.type->bits / 8);
        if (bytes > kMaxBufferBytes) {
            return std::nullopt;
        }
        std::call_once(once_, [this, bytes] {
            bytes_.resize(bytes);
            parallelFor(recipe_.rows,
                        std::max<std::int64_t>(1, 65536 / recipe_.cols),
                        {},
                        [this](std::int64_t begin, std::int64_t end, std::int64_t) {
                            makeRows(begin, end - begin);
                        });
            ready_.store(true, std::memory_order_release);
        });
        return RawMatrix{recipe_.type, bytes_};
    }

private:
    void makeRows(std::int64_t first, std::int64_t count) const {
        const auto n = static_cast<std::size_t>(count * recipe_.cols);
        std::vector<float> values(n);
        fill(recipe_, first, count, values.data());
        const auto at = static_cast<std::size_t>(first * recipe_.cols) *
                        static_cast<std::size_t>(recipe_.type->bits / 8);
        if (recipe_.type->bits == 32) {
            std::memcpy(bytes_.data() + at, values.data(), n * sizeof(float));
            return;
        }
        std::vector<std::uint16_t> codes(n);
        const Result<void> encoded = encodeArray(*recipe_.type->format, values, codes);
        LOUPE_ASSERT(encoded.has_value(), "made-up values are numbers");
        std::memcpy(bytes_.data() + at, codes.data(), n * sizeof(std::uint16_t));
    }

    Recipe recipe_;
    mutable std::once_flag once_;
    mutable std::atomic<bool> ready_{false};
    mutable std::vector<std::byte> bytes_;
};

/// A source whose matrices are already there.
class MadeUpSource final : public TensorSource {
public:
    MadeUpSource(const std::string& path, std::string title) {
        info_.format = "synthetic";
        info_.path = path;
        info_.title = std::move(title);
    }

    void add(std::string name,
             const StorageType* type,
             std::vector<std::int64_t> shape,
             std::shared_ptr<const RowSource> matrix) {
        TensorInfo tensor;
        tensor.name = std::move(name);
        tensor.type = type;
        tensor.dtypeName = type->id;
        tensor.parameters = elementCount(shape).value_or(0);
        tensor.bytes = tensor.parameters * static_cast<std::uint64_t>(type->bits) / 8;
        tensor.shape = std::move(shape);
        tensor.rows = matrix->rows();
        tensor.cols = matrix->cols();
        info_.parameters += tensor.parameters;
        info_.bytes += tensor.bytes;
        tensors_.push_back(std::move(tensor));
        matrices_.push_back(std::move(matrix));
    }

    void addMetadata(std::string key, std::string value) {
        info_.metadata.emplace_back(std::move(key), std::move(value));
    }

    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index < matrices_.size(), "an index of this source");
        return matrices_[index];
    }

private:
    std::vector<std::shared_ptr<const RowSource>> matrices_;
};

void addFixture(MadeUpSource& source, std::string_view id) {
    const StorageType* type = findStorageType("fp64");
    const auto addMatrix =
        [&](std::string name, const Matrix<double>& m, std::vector<std::int64_t> shape) {
            source.add(std::move(name),
                       type,
                       std::move(shape),
                       makeRowSource(
                           m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size())));
        };
    if (id == "F1") {
        const FixtureF1 fixture = fixtureF1();
        addMatrix("weight", fixture.weight, {32, 64});
        addMatrix("activations", fixture.activations, {256, 64});
    } else if (id == "M") {
        addMatrix("M", fixtureM(), {10, 10});
    } else if (id.substr(0, 4) == "toy-") {
        const ToyLayer toy = toyLayer(id);
        const auto add = [&](std::string name, const Matrix<double>& m) {
            if (!m.empty()) {
                addMatrix(std::move(name), m, {m.rows(), m.cols()});
            }
        };
        add("weight", toy.weight);
        add("activations", toy.activations);
        add("gradients", toy.gradients);
    } else {
        const Matrix<double> vector = fixtureV(id == "V256");
        addMatrix(std::string(id), vector, {vector.cols()});
    }
}

/// Which columns are outliers: those with the smallest random key, so that every seed has its own.
std::vector<float> outlierFactors(std::int64_t cols,
                                  std::int64_t channels,
                                  double strength,
                                  std::uint64_t seed) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(cols));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    const auto key = [seed](std::int64_t column) {
        return randomBits(seed, static_cast<std::uint64_t>(column));
    };
    std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return std::pair(key(a), a) < std::pair(key(b), b);
    });
    std::vector<float> factors(static_cast<std::size_t>(cols), 1.0F);
    for (std::int64_t k = 0; k < std::min(channels, cols); ++k) {
        factors[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])] =
            static_cast<float>(strength);
    }
    return factors;
}

/// Streams of random numbers of one seed that must not resemble each other.
enum class Stream : std::uint64_t { Values, Channels, Spikes, Activations, Tokens };

std::uint64_t streamSeed(std::uint64_t seed, Stream stream) {
    return stream == Stream::Values ? seed : randomBits(seed, ~static_cast<std::uint64_t>(stream));
}

Recipe recipeOf(const Values& values) {
    Recipe recipe;
    const std::string_view id = values.generator->id;
    recipe.seed = static_cast<std::uint64_t>(values.integer("seed"));
    recipe.rows = values.integer("rows");
    recipe.cols = values.integer("cols");
    recipe.type = findStorageType(values.text("dtype"));
    recipe.location = id == "uniform" ? values.real("min") : values.real("mean");
    recipe.spread = id == "uniform" ? values.real("max") - values.real("min") : values.real("std");
    if (id == "uniform") {
        recipe.draw = Recipe::Draw::Uniform;
    } else if (id != "gaussian") {
        recipe.draw = Recipe::Draw::Student;
        recipe.degrees = values.real("df");
        if (recipe.degrees >
            2) {  // so that `std` is the standard deviation; without one, it is the scale
            recipe.spread /= std::sqrt(recipe.degrees / (recipe.degrees - 2));
        }
    }
    return recipe;
}

Result<void> addOutliers(const Values& values, const std::string& path, Recipe& recipe) {
    const std::int64_t channels = values.integer("channels");
    const std::vector<std::string_view> places = indexTexts(values.text("at"));
    recipe.columnFactor = outlierFactors(recipe.cols,
                                         places.empty() ? channels : 0,
                                         values.real("strength"),
                                         streamSeed(recipe.seed, Stream::Channels));
    for (const std::string_view place : places) {
        const std::int64_t column = parseInteger(place).value_or(0);
        if (column >= recipe.cols) {
            return fail(ErrorCode::Usage,
                        "at: expected channels below cols = " + std::to_string(recipe.cols) +
                            ", found " + std::to_string(column),
                        path);
        }
        recipe.columnFactor[static_cast<std::size_t>(column)] =
            static_cast<float>(values.real("strength"));
    }
    const std::uint64_t seed = streamSeed(recipe.seed, Stream::Spikes);
    const auto size = static_cast<std::uint64_t>(recipe.rows * recipe.cols);
    const auto value = static_cast<float>(values.real("std") * values.real("spike_strength"));
    for (std::int64_t k = 0; k < values.integer("spikes"); ++k) {
        const std::uint64_t bits = randomBits(seed, static_cast<std::uint64_t>(k));
        recipe.spikes.emplace_back(static_cast<std::int64_t>((bits >> 1) % size),
                                   (bits & 1) != 0 ? -value : value);
    }
    std::sort(recipe.spikes.begin(), recipe.spikes.end());
    return {};
}

}  // namespace

std::span<const Generator> allGenerators() {
    return kGenerators;
}

bool isSyntheticPath(std::string_view path) {
    return path.substr(0, kPrefix.size()) == kPrefix;
}

std::string syntheticPath(std::string_view generator,
                          const std::map<std::string, std::string>& values) {
    std::string path = std::string(kPrefix) + std::string(generator);
    char separator = '?';
    for (const Generator& known : kGenerators) {
        if (known.id != generator) {
            continue;
        }
        for (const GeneratorParam& param : known.params) {
            const auto given = values.find(std::string(param.name));
            if (given != values.end() && given->second != param.defaultText) {
                path += separator + std::string(param.name) + "=" + given->second;
                separator = '&';
            }
        }
    }
    return path;
}

Result<std::shared_ptr<const TensorSource>> openSynthetic(const std::string& path,
                                                          const OpenOptions& /*options*/) {
    const Result<Values> values = parsePath(path);
    if (!values) {
        return fail(values.error());
    }
    const Generator& generator = *values->generator;
    auto source = std::make_shared<MadeUpSource>(path, std::string(generator.title));
    if (generator.params.empty()) {
        addFixture(*source, generator.id);
        return source;
    }
    for (const GeneratorParam& param : generator.params) {
        source->addMetadata(std::string(param.name), std::string(values->text(param.name)));
    }
    Recipe recipe = recipeOf(*values);
    if (generator.id == "uniform" && recipe.spread < 0) {
        return fail(ErrorCode::Usage,
                    "expected min <= max, found " + std::string(values->text("min")) + " and " +
                        std::string(values->text("max")),
                    path);
    }
    if (generator.id == "outliers") {
        if (Result<void> added = addOutliers(*values, path, recipe); !added) {
            return fail(added.error());
        }
    }
    const StorageType* type = recipe.type;
    const std::vector<float> factors = recipe.columnFactor;
    const std::int64_t cols = recipe.cols;
    const std::int64_t rows = recipe.rows;
    const std::uint64_t seed = recipe.seed;
    source->add("weight", type, {rows, cols}, std::make_shared<GeneratedRows>(std::move(recipe)));
    if (generator.id == "outliers") {
        Recipe activations;
        activations.seed = streamSeed(seed, Stream::Activations);
        activations.rows = values->integer("tokens");
        activations.cols = cols;
        activations.columnFactor = factors;
        activations.correlation = values->real("correlation");
        activations.factorShare = values->real("share");
        activations.factorSeed = streamSeed(seed, Stream::Tokens);
        activations.type = findStorageType("fp32");
        const std::int64_t tokens = activations.rows;
        const StorageType* single = activations.type;
        source->add("activations",
                    single,
                    {tokens, cols},
                    std::make_shared<GeneratedRows>(std::move(activations)));
    }
    return source;
}

}  // namespace loupe

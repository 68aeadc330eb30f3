// SPDX-License-Identifier: Apache-2.0
// W' = WQ, X' = XQ with Q = diag(signs)·H/sqrt(n): the product stays, outliers spread over all
// inputs. H is Sylvester's matrix of order 2^k, for other sizes its Kronecker product with Paley's
// of order q + 1.
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/trace_builder.hpp"
#include "core/scheme/step.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

bool isPrime(std::int64_t n) {
    for (std::int64_t d = 2; d * d <= n; ++d) {
        if (n % d == 0) {
            return false;
        }
    }
    return n > 1;
}

/// m with n = 2^k·m, m = 1 or m - 1 a prime that is 3 modulo 4; 0 where there is none up to 512.
std::int64_t paleyOrder(std::int64_t n) {
    std::int64_t m = n;
    while (m % 2 == 0) {
        m /= 2;
    }
    if (m == 1) {
        return 1;
    }
    constexpr std::int64_t kLargest = 512;
    for (; m <= std::min(n, kLargest) && n % m == 0; m *= 2) {
        if (m % 4 == 0 && isPrime(m - 1)) {
            return m;
        }
    }
    return 0;
}

/// Paley's construction I: I + S with S skew, of the quadratic residues modulo q = m - 1. [m, m]
std::vector<double> paleyMatrix(std::int64_t m) {
    const std::int64_t q = m - 1;
    std::vector<int> residue(static_cast<std::size_t>(q), -1);
    for (std::int64_t x = 1; x < q; ++x) {
        residue[static_cast<std::size_t>(x * x % q)] = 1;
    }
    std::vector<double> h(static_cast<std::size_t>(m * m), 1.0);
    for (std::int64_t i = 1; i < m; ++i) {
        h[static_cast<std::size_t>(i * m)] = -1;
        for (std::int64_t j = 1; j < m; ++j) {
            h[static_cast<std::size_t>(i * m + j)] =
                i == j ? 1 : residue[static_cast<std::size_t>((i - j + q) % q)];
        }
    }
    return h;
}

class Hadamard final : public InputRotation {
public:
    Hadamard(std::int64_t size, std::int64_t order, std::uint64_t seed)
        : size_(size), order_(order), signs_(static_cast<std::size_t>(size)) {
        if (order_ > 1) {
            paley_ = paleyMatrix(order_);
        }
        for (std::int64_t i = 0; i < size_; ++i) {
            signs_[static_cast<std::size_t>(i)] =
                (randomBits(seed, static_cast<std::uint64_t>(i)) >> 63) != 0 ? -1.0 : 1.0;
        }
    }
    [[nodiscard]] std::int64_t size() const override { return size_; }
    void forward(double* row) const override {
        forward(row, [](Stage, std::int64_t) {});
    }
    void backward(double* row) const override {
        turn(row, true, [](Stage, std::int64_t) {});
        flip(row);
    }

    /// What a row has been through, in this order.
    enum class Stage : std::uint8_t { Signs, Paley, Butterfly, Norm };
    /// Calls seen(stage, distance of partners) after each: what a trace shows.
    template <class Seen>
    void forward(double* row, const Seen& seen) const {
        flip(row);
        seen(Stage::Signs, 0);
        turn(row, false, seen);
    }
    [[nodiscard]] std::int64_t order() const { return order_; }
    [[nodiscard]] double sign(std::int64_t col) const {
        return signs_[static_cast<std::size_t>(col)];
    }

private:
    void flip(double* row) const {
        for (std::int64_t i = 0; i < size_; ++i) {
            row[i] *= signs_[static_cast<std::size_t>(i)];
        }
    }
    template <class Seen>
    void turn(double* row, bool transposed, const Seen& seen) const {
        const std::int64_t blocks = size_ / order_;
        if (order_ > 1) {
            std::vector<double> part(static_cast<std::size_t>(order_));
            for (std::int64_t b = 0; b < blocks; ++b) {
                double* values = row + b * order_;
                for (std::int64_t j = 0; j < order_; ++j) {
                    double sum = 0;
                    for (std::int64_t i = 0; i < order_; ++i) {
                        sum += values[i] * paley_[static_cast<std::size_t>(
                                               transposed ? j * order_ + i : i * order_ + j)];
                    }
                    part[static_cast<std::size_t>(j)] = sum;
                }
                std::copy(part.begin(), part.end(), values);
            }
            seen(Stage::Paley, order_);
        }
        for (std::int64_t half = 1; half < blocks; half *= 2) {
            for (std::int64_t b = 0; b < blocks; b += 2 * half) {
                for (std::int64_t i = b * order_; i < (b + half) * order_; ++i) {
                    const double x = row[i];
                    const double y = row[i + half * order_];
                    row[i] = x + y;
                    row[i + half * order_] = x - y;
                }
            }
            seen(Stage::Butterfly, half * order_);
        }
        const double norm = std::sqrt(static_cast<double>(size_));
        for (std::int64_t i = 0; i < size_; ++i) {
            row[i] /= norm;
        }
        seen(Stage::Norm, 0);
    }

    std::int64_t size_;
    std::int64_t order_;
    std::vector<double> paley_;
    std::vector<double> signs_;
};

/// The rows of a matrix in the rotated basis.
class RotatedRows final : public QuantizedMatrix {
public:
    RotatedRows(std::shared_ptr<const RowSource> source, std::shared_ptr<const Hadamard> rotation)
        : source_(std::move(source)), rotation_(std::move(rotation)) {}
    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        std::vector<double> values(static_cast<std::size_t>(count * cols()));
        if (Result<void> done = read(first, count, values.data()); !done) {
            return done;
        }
        std::transform(values.begin(), values.end(), out, [](double value) {
            return static_cast<float>(value);
        });
        return {};
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        if (Result<void> done = source_->read(first, count, out); !done) {
            return done;
        }
        for (std::int64_t row = 0; row < count; ++row) {
            rotation_->forward(out + row * cols());
        }
        return {};
    }
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override {
        std::vector<double> values(static_cast<std::size_t>(cols()));
        if (!read(row, 1, values.data())) {
            return {};
        }
        return {{"rotated",
                 "column " + std::to_string(col) + " of w·diag(signs)·H / sqrt(" +
                     std::to_string(cols()) + ")",
                 BoardNumbers::text(values[static_cast<std::size_t>(col)], 6),
                 {}}};
    }

private:
    std::shared_ptr<const RowSource> source_;
    std::shared_ptr<const Hadamard> rotation_;
};

Result<StepOutput> applyRotate(const StepInput& input,
                               const Params& params,
                               const JobContext& ctx) {
    // A rotation would spread one NaN over its row: refuse before.
    if (Result<void> finite = checkFiniteRows(*input.weights, ctx); !finite) {
        return fail(finite.error());
    }
    if (input.activations != nullptr) {
        if (Result<void> finite = checkFiniteRows(*input.activations, ctx, "activations: ");
            !finite) {
            return fail(finite.error());
        }
    }
    const std::int64_t size = input.weights->cols();
    const std::int64_t order = paleyOrder(size);
    if (order == 0) {
        return fail(ErrorCode::Invalid,
                    "no Hadamard matrix of order " + std::to_string(size) +
                        " is built in: expected inputs of 2^k, or 2^k times q + 1 with a prime q "
                        "that is 3 modulo 4 (12, 20, 24, 44, 48, 60, ...)");
    }
    const auto rotation =
        std::make_shared<Hadamard>(size, order, static_cast<std::uint64_t>(params.integer("seed")));
    StepOutput output;
    output.weights = std::make_shared<RotatedRows>(input.weights, rotation);
    if (input.activations != nullptr) {
        output.activations = std::make_shared<RotatedRows>(input.activations, rotation);
    }
    output.cost = input.cost;
    output.rotation = rotation;
    ctx.advance(static_cast<std::uint64_t>(input.weights->rows() * size));
    return output;
}

/// Peak over root mean square; 0 for zeros.
double crestOf(const Matrix<double>& values) {
    double power = 0;
    for (std::int64_t i = 0; i < values.size(); ++i) {
        power += values.data()[i] * values.data()[i];
    }
    return power > 0
               ? largestMagnitude(values) / std::sqrt(power / static_cast<double>(values.size()))
               : 0;
}

/// Rotates all weights at once, one picture after each stage.
class RotationTeller {
public:
    RotationTeller(Matrix<double> original, std::shared_ptr<const Hadamard> rotation)
        : rotation_(std::move(rotation)), now_(std::move(original)) {}

    std::shared_ptr<const Trace> tell() {
        add("Weights", "What is stored before anything is done.", [](TraceCell) {
            return std::vector<TraceNote>{};
        });
        std::vector<std::pair<Hadamard::Stage, std::int64_t>> stages;
        std::vector<std::shared_ptr<Matrix<double>>> pictures;
        Matrix<double> work = now_;
        for (std::int64_t row = 0; row < work.rows(); ++row) {
            std::size_t at = 0;
            double* values = work.row(row).data();
            rotation_->forward(values, [&](Hadamard::Stage stage, std::int64_t distance) {
                if (row == 0) {
                    stages.emplace_back(stage, distance);
                    pictures.push_back(std::make_shared<Matrix<double>>(work.rows(), work.cols()));
                }
                std::copy(values, values + work.cols(), pictures[at++]->row(row).data());
            });
        }
        for (std::size_t i = 0; i < stages.size(); ++i) {
            const auto before = builder_.trace().states.back().panels[0].values;
            now_ = *pictures[i];
            addStage(stages[i].first, stages[i].second, before, pictures[i]);
        }
        addCurve();
        Trace& trace = builder_.trace();
        trace.summary = {
            {"Crest factor before", crests_.front(), "largest |w| over the root mean square"},
            {"Crest factor after", crests_.back(), {}}};
        trace.lesson =
            "A rotation changes no length and no product XW', but a far value is shared out over "
            "all inputs: the next step's grid then need not reach for it.";
        return builder_.finish(trace.states.back().panels[0].values);
    }

private:
    TraceState& add(std::string title, std::string sentence, CellExplainer explain) {
        TraceState& state = builder_.add(std::move(title), std::move(sentence), std::move(explain));
        TraceBuilder::panel(state,
                            "weights",
                            "Weights",
                            PanelKind::Signed,
                            std::make_shared<const Matrix<double>>(now_));
        std::vector<double> largest(static_cast<std::size_t>(now_.cols()), 0.0);
        for (std::int64_t row = 0; row < now_.rows(); ++row) {
            for (std::int64_t col = 0; col < now_.cols(); ++col) {
                double& most = largest[static_cast<std::size_t>(col)];
                most = std::max(most, std::fabs(now_(row, col)));
            }
        }
        TraceBuilder::bars(state, "largest", "Largest |w| of each input", "input channel", largest);
        state.marker = static_cast<double>(crests_.size());
        crests_.push_back(crestOf(now_));
        state.figures.push_back({"Crest factor", crests_.back(), "largest over root mean square"});
        return state;
    }

    void addStage(Hadamard::Stage stage,
                  std::int64_t distance,
                  const TraceMatrix& before,
                  const TraceMatrix& after) {
        switch (stage) {
            case Hadamard::Stage::Signs:
                add("Random signs",
                    "Half of the inputs change sign, so that no row of weights can match a row of "
                    "the Hadamard matrix by design.",
                    [before, after, rotation = rotation_](TraceCell at) {
                        return std::vector<TraceNote>{
                            {"Sign",
                             "w · sign of the input",
                             joined({traceOperand((*before)(at.row, at.col)),
                                     " · ",
                                     traceOperand(rotation->sign(at.col))}),
                             traceNumber((*after)(at.row, at.col)),
                             {}}};
                    });
                return;
            case Hadamard::Stage::Paley:
                add("Blocks of " + std::to_string(distance),
                    "The number of inputs is no power of two: blocks are multiplied by Paley's "
                    "Hadamard matrix first.",
                    [after, distance](TraceCell at) {
                        return std::vector<TraceNote>{{"Product with a row of signs",
                                                       "sum of +-w over the block",
                                                       joined({std::to_string(distance), " terms"}),
                                                       traceNumber((*after)(at.row, at.col)),
                                                       {}}};
                    });
                return;
            case Hadamard::Stage::Butterfly:
                addButterfly(distance, before, after);
                return;
            case Hadamard::Stage::Norm:
                add("Divide by sqrt(n)",
                    "So that every row keeps its length.",
                    [before, after](TraceCell at) {
                        return std::vector<TraceNote>{
                            {"Norm",
                             "w / sqrt(n)",
                             joined({traceOperand((*before)(at.row, at.col)),
                                     " / sqrt(",
                                     std::to_string(before->cols()),
                                     ")"}),
                             traceNumber((*after)(at.row, at.col)),
                             {}}};
                    });
                return;
        }
    }

    void addButterfly(std::int64_t distance, const TraceMatrix& before, const TraceMatrix& after) {
        TraceState& state =
            add("Butterflies at distance " + std::to_string(distance),
                "Each pair of inputs becomes its sum and its difference: two additions for two "
                "weights.",
                [before, after, distance](TraceCell at) {
                    const bool second = at.col / distance % 2 != 0;
                    const std::int64_t left = second ? at.col - distance : at.col;
                    const double x = (*before)(at.row, left);
                    const double y = (*before)(at.row, left + distance);
                    return std::vector<TraceNote>{
                        {second ? "Difference" : "Sum",
                         second ? "x - y" : "x + y",
                         joined({traceNumber(x), second ? " - " : " + ", traceOperand(y)}),
                         traceNumber((*after)(at.row, at.col)),
                         joined({"inputs ",
                                 std::to_string(left),
                                 " and ",
                                 std::to_string(left + distance)})}};
                });
        state.regions.push_back({"weights", RegionKind::Current, 0, 0, 1, 1, "x"});
        state.regions.push_back({"weights", RegionKind::Current, 0, distance, 1, 1, "y"});
    }

    void addCurve() {
        TraceSeries series{"crest factor", {}, crests_};
        for (std::size_t i = 0; i < crests_.size(); ++i) {
            series.x.push_back(static_cast<double>(i));
        }
        builder_.trace().curves.push_back({"crest",
                                           "Crest factor of the weights",
                                           "stage",
                                           "largest |w| / root mean square",
                                           {std::move(series)},
                                           false});
    }

    TraceBuilder builder_;
    std::shared_ptr<const Hadamard> rotation_;
    Matrix<double> now_;
    std::vector<double> crests_;
};

Result<std::shared_ptr<const Trace>> traceRotate(const StepInput& input,
                                                 const Params& params,
                                                 const JobContext& ctx) {
    const Result<StepOutput> output = applyRotate(input, params, ctx);
    if (!output) {
        return fail(output.error());
    }
    Result<Matrix<double>> original = readWhole(*input.weights);
    if (!original) {
        return fail(original.error());
    }
    return RotationTeller(std::move(*original),
                          std::dynamic_pointer_cast<const Hadamard>(output->rotation))
        .tell();
}

constexpr ParamSpec kParams[] = {{.name = "seed",
                                  .type = ParamType::Integer,
                                  .defaultText = "0",
                                  .min = 0,
                                  .max = 9007199254740991.0,
                                  .label = "Seed",
                                  .help = "Of the random signs before the Hadamard matrix."}};

constexpr std::string_view kLadder[] = {"rotate+absmax:bits=4,per=row"};

}  // namespace

extern const StepDefinition kStep_rotate;
const StepDefinition kStep_rotate{
    .id = "rotate",
    .title = "Hadamard rotation",
    .summary =
        "Mixes all inputs of weights and activations with a random orthogonal matrix, so "
        "that outliers spread before the next step; undone in the result.",
    .source = "Ashkboos et al. 2024, QuaRot, section 3 (arXiv:2404.00456)",
    .params = kParams,
    .apply = applyRotate,
    .family = StepFamily::Rotation,
    .ladder = kLadder,
    .trace = traceRotate};

}  // namespace loupe

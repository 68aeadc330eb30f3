// SPDX-License-Identifier: Apache-2.0
// W' = WQ, X' = XQ with Q = diag(signs)·H/sqrt(n): the product stays, outliers spread over all
// inputs. H is Sylvester's matrix of order 2^k, for other sizes its Kronecker product with Paley's
// of order q + 1.
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/scheme/step.hpp"

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
        flip(row);
        turn(row, false);
    }
    void backward(double* row) const override {
        turn(row, true);
        flip(row);
    }

private:
    void flip(double* row) const {
        for (std::int64_t i = 0; i < size_; ++i) {
            row[i] *= signs_[static_cast<std::size_t>(i)];
        }
    }
    void turn(double* row, bool transposed) const {
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
        }
        const double norm = std::sqrt(static_cast<double>(size_));
        for (std::int64_t i = 0; i < size_; ++i) {
            row[i] /= norm;
        }
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
                 shortest(values[static_cast<std::size_t>(col)]),
                 {}}};
    }

private:
    std::shared_ptr<const RowSource> source_;
    std::shared_ptr<const Hadamard> rotation_;
};

/// A rotation spreads one NaN over its row: refuse before.
Result<void> checkFinite(const RowSource& source, const JobContext& ctx) {
    std::vector<double> row(static_cast<std::size_t>(source.cols()));
    for (std::int64_t r = 0; r < source.rows(); ++r) {
        ctx.checkpoint();
        if (Result<void> done = source.read(r, 1, row.data()); !done) {
            return done;
        }
        const auto bad =
            std::find_if(row.begin(), row.end(), [](double x) { return !std::isfinite(x); });
        if (bad != row.end()) {
            return fail(ErrorCode::Invalid,
                        std::string(std::isnan(*bad) ? "NaN" : "infinite value") + " at row " +
                            std::to_string(r) + ", column " + std::to_string(bad - row.begin()) +
                            ": a scheme needs finite values");
        }
    }
    return {};
}

Result<StepOutput> applyRotate(const StepInput& input,
                               const Params& params,
                               const JobContext& ctx) {
    if (Result<void> finite = checkFinite(*input.weights, ctx); !finite) {
        return fail(finite.error());
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
    .ladder = kLadder};

}  // namespace loupe

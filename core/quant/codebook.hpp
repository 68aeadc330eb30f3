// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/matrix_view.hpp"
#include "core/scheme/step.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace loupe {

/// Index of the nearest centroid, the lower of two that are equally near. `centroids` ascend.
[[nodiscard]] std::int64_t nearestCentroid(std::span<const double> centroids, double weight);

/// Weights of one codebook in ascending order, with sums that make a mean of any run cheap.
class SortedWeights {
public:
    /// @param values finite; sorted in place. @cost O(n) for float (radix sort), O(n log n) else
    explicit SortedWeights(std::vector<float> values);
    explicit SortedWeights(std::vector<double> values);

    [[nodiscard]] std::int64_t count() const;
    [[nodiscard]] double at(std::int64_t index) const;
    /// How many weights are <= x, looked for from a count that may be near. @cost O(log distance)
    [[nodiscard]] std::int64_t upTo(double x, std::int64_t near) const;
    /// Sum of the weights with ranks [begin, end).
    [[nodiscard]] double sum(std::int64_t begin, std::int64_t end) const;

private:
    template <class T>
    void addBlocks(const std::vector<T>& sorted);
    template <class T>
    [[nodiscard]] double sumAs(const std::vector<T>& sorted,
                               std::int64_t begin,
                               std::int64_t end) const;

    std::vector<float> single_;
    std::vector<double> double_;
    std::vector<double> before_;  ///< sum of all weights before each block of kBlock
};

/// Lloyd's algorithm on a line: a weight belongs to its nearest centroid, a centroid is the mean of
/// its weights; one without weights stays. Ends where nothing moves, or after `iterations`.
/// @param start ascending
/// @param seen called with the centroids before each update and those at the end; may be empty
/// @cost O(log n) an iteration for each centroid that loses or gains weights
[[nodiscard]] std::vector<double> lloyd(
    const SortedWeights& weights,
    std::vector<double> start,
    std::int64_t iterations,
    const JobContext& ctx,
    const std::function<void(const std::vector<double>&)>& seen = {});

/// Weights as indices into a table of centroids, one for all or one for each row. Codes are worked
/// out on demand from the source.
class CodebookMatrix final : public QuantizedMatrix {
public:
    /// @param centroids [1, k] or [rows, k], ascending, exact in the weights' precision
    CodebookMatrix(std::shared_ptr<const RowSource> source, int bits, Matrix<double> centroids);

    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }
    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        return {0, (std::int64_t{1} << bits_) - 1};
    }
    [[nodiscard]] int codeBits() const override { return bits_; }
    [[nodiscard]] bool codesUnsigned() const override { return true; }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(std::int64_t,
                                                                     std::int64_t) const override {
        return {0, cols()};
    }
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;
    /// [1, k] or [rows, k]: w^ = centroids(row, code).
    [[nodiscard]] const Matrix<double>& centroids() const { return centroids_; }
    [[nodiscard]] std::span<const double> centroidsOf(std::int64_t row) const {
        return centroids_.row(centroids_.rows() == 1 ? 0 : row);
    }

private:
    template <class T>
    [[nodiscard]] Result<void> work(std::int64_t first,
                                    std::int64_t count,
                                    T* values,
                                    std::int32_t* codes) const;

    std::shared_ptr<const RowSource> source_;
    int bits_;
    Matrix<double> centroids_;
    Matrix<double> borders_;  ///< between neighbouring centroids
};

/// Everything that a codebook's fit went through, for one row or the whole tensor.
struct CodebookHistory {
    std::vector<std::vector<double>> centroids;  ///< before each update, and at the end
};

/// @param histories filled, one for each codebook, where given
[[nodiscard]] Result<StepOutput> applyCodebook(const StepInput& input,
                                               const Params& params,
                                               const JobContext& ctx,
                                               std::vector<CodebookHistory>* histories = nullptr);
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceCodebook(const StepInput& input,
                                                                 const Params& params,
                                                                 const JobContext& ctx);

/// The codebook matrix that masks and rotations were put around; null where there is none.
[[nodiscard]] const CodebookMatrix* findCodebook(const QuantizedMatrix& matrix);

}  // namespace loupe

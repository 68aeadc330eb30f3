// SPDX-License-Identifier: Apache-2.0
#include "core/prune/layer_problem.hpp"

#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <vector>

namespace loupe {

template <class T>
Result<LayerProblem<T>> readLayerProblem(const StepInput& input, const JobContext& ctx) {
    if (input.activations == nullptr) {
        return fail(ErrorCode::Missing, "needs --activations FILE[:TENSOR]");
    }
    const RowSource& source = *input.weights;
    if (input.activations->cols() != source.cols()) {
        return fail(ErrorCode::Invalid,
                    "activations have " + std::to_string(input.activations->cols()) +
                        " columns, the weight has " + std::to_string(source.cols()) + " inputs");
    }
    if (input.activations->rows() == 0) {
        return fail(ErrorCode::Invalid, "activations have no rows to calibrate with");
    }
    LayerProblem<T> problem;
    problem.weights = Matrix<T>(source.rows(), source.cols());
    const std::int64_t step = rowsPerChunk(source.cols());
    std::vector<T> values;
    for (std::int64_t first = 0; first < source.rows(); first += step) {
        ctx.checkpoint();
        const std::int64_t count = std::min(step, source.rows() - first);
        if (Result<void> done = readFinite(source, first, count, values); !done) {
            return fail(done.error());
        }
        std::copy(values.begin(), values.end(), problem.weights.row(first).data());
    }
    Result<Matrix<T>> found = hessian<T>(*input.activations, input.calibrationRows, ctx);
    if (!found) {
        return fail(found.error());
    }
    problem.hessian = std::move(*found);
    return problem;
}

template <class T>
void clearDeadColumns(const HessianFactor<T>& factor, Matrix<T>& weights) {
    for (std::size_t place = 0; place < factor.dead.size(); ++place) {
        for (std::int64_t row = 0; factor.dead[place] != 0 && row < weights.rows(); ++row) {
            weights(row, factor.permutation[place]) = 0;
        }
    }
}

template <class T>
double dampedLoss(const Matrix<T>& before,
                  const Matrix<double>& after,
                  const Matrix<T>& hessian,
                  double damping,
                  const JobContext& ctx) {
    Matrix<double> error(after.rows(), after.cols());
    double squares = 0;
    for (std::int64_t row = 0; row < after.rows(); ++row) {
        for (std::int64_t col = 0; col < after.cols(); ++col) {
            const bool dead = hessian(col, col) == 0;
            const double d = static_cast<double>(before(row, col)) - after(row, col);
            error(row, col) = dead ? 0 : d;
            squares += error(row, col) * error(row, col);
        }
    }
    Matrix<double> wide(hessian.rows(), hessian.cols());
    std::copy(hessian.data(), hessian.data() + hessian.size(), wide.data());
    return quadraticLoss<double>(error.view(), wide.view(), ctx) + 0.5 * damping * squares;
}

template Result<LayerProblem<double>> readLayerProblem<double>(const StepInput&, const JobContext&);
template void clearDeadColumns<double>(const HessianFactor<double>&, Matrix<double>&);
template double dampedLoss<double>(
    const Matrix<double>&, const Matrix<double>&, const Matrix<double>&, double, const JobContext&);
template Result<LayerProblem<float>> readLayerProblem<float>(const StepInput&, const JobContext&);
template void clearDeadColumns<float>(const HessianFactor<float>&, Matrix<float>&);
template double dampedLoss<float>(
    const Matrix<float>&, const Matrix<double>&, const Matrix<float>&, double, const JobContext&);

}  // namespace loupe

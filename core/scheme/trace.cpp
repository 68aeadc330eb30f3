// SPDX-License-Identifier: Apache-2.0
#include "core/scheme/trace.hpp"

namespace loupe {

Result<Matrix<double>> readWhole(const RowSource& source) {
    Matrix<double> values(source.rows(), source.cols());
    if (Result<void> done = source.read(0, source.rows(), values.data()); !done) {
        return fail(done.error());
    }
    return values;
}

}  // namespace loupe

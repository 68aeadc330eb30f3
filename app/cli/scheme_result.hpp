// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/json_writer.hpp"
#include "core/stats/error_metrics.hpp"

namespace loupe::cli {

/// The `metrics` object of the contract.
inline void writeMetrics(JsonWriter& json, const ErrorMetrics& metrics) {
    json.beginObject().key("mse").value(metrics.mse).key("rmse").value(metrics.rmse);
    json.key("max_abs_error")
        .value(metrics.maxAbsError)
        .key("mean_abs_error")
        .value(metrics.meanAbsError);
    json.key("sqnr_db").value(metrics.sqnrDb).key("cosine").value(metrics.cosine);
    json.key("relative_frobenius").value(metrics.relativeFrobenius);
    json.key("output_relative_error").value(metrics.outputRelativeError).endObject();
}

}  // namespace loupe::cli

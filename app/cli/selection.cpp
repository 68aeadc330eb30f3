// SPDX-License-Identifier: GPL-3.0-or-later
// loupe quantize|prune PATH --select GLOB --scheme S: one scheme on many tensors.
#include "app/cli/selection.hpp"

#include "app/cli/scheme_result.hpp"
#include "core/experiment/selection_output.hpp"
#include "core/experiment/selection_run.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

namespace loupe::cli {

namespace {

/// What is left of a result once its tensor is done with.
struct Row {
    std::string tensor;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    double bitsPerWeight = 0;
    ErrorMetrics metrics;
    std::uint64_t count = 0;
    std::uint64_t zeros = 0;
    std::optional<std::uint64_t> pruned;  ///< by the mask
    double seconds = 0;
    std::optional<Error> error;
};

/// How many weights the mask drops; nothing where there is none.
std::optional<std::uint64_t> prunedOf(const QuantizedMatrix& matrix) {
    if (!matrix.hasMask()) {
        return std::nullopt;
    }
    std::uint64_t pruned = 0;
    std::vector<std::uint8_t> kept(static_cast<std::size_t>(matrix.cols()));
    for (std::int64_t row = 0; row < matrix.rows(); ++row) {
        if (!matrix.mask(row, 1, kept.data())) {
            return std::nullopt;
        }
        pruned += static_cast<std::uint64_t>(std::count(kept.begin(), kept.end(), 0));
    }
    return pruned;
}

void fill(Row& row, const Result<std::shared_ptr<const SchemeResult>>& result) {
    if (!result) {
        row.error = result.error();
        return;
    }
    const SchemeResult& done = **result;
    row.bitsPerWeight = done.bitsPerWeight;
    row.metrics = done.metrics;
    row.count = done.count;
    row.zeros = done.zeros;
    row.pruned = prunedOf(*done.quantized);
    row.seconds = done.seconds;
}

double share(std::uint64_t part, std::uint64_t count) {
    return count == 0 ? 0 : static_cast<double>(part) / static_cast<double>(count);
}

void writeRow(JsonWriter& json, const Row& row, const std::string& scheme) {
    json.beginObject().key("tensor").value(row.tensor).key("scheme").value(scheme);
    json.key("shape").beginArray().value(row.rows).value(row.cols).endArray();
    if (row.error) {
        json.key("bits_per_weight").null().key("metrics").null().key("zeros").null();
        json.key("count").null().key("pruned").null().key("sparsity").null();
        json.key("seconds").null().key("error").value(row.error->what).endObject();
        return;
    }
    json.key("bits_per_weight").value(row.bitsPerWeight).key("metrics");
    writeMetrics(json, row.metrics);
    json.key("zeros").value(row.zeros).key("count").value(row.count);
    json.key("pruned").value(row.pruned);
    json.key("sparsity").value(share(row.pruned.value_or(row.zeros), row.count));
    json.key("seconds").value(row.seconds).key("error").null().endObject();
}

/// Everything that was measured, together.
struct Total {
    std::uint64_t tensors = 0;
    std::uint64_t count = 0;
    std::uint64_t zeros = 0;
    std::uint64_t pruned = 0;

    explicit Total(const std::vector<Row>& rows) {
        for (const Row& row : rows) {
            tensors += row.error ? 0U : 1U;
            count += row.count;
            zeros += row.zeros;
            pruned += row.pruned.value_or(row.zeros);
        }
    }
};

std::string jsonText(const std::vector<Row>& rows, const Scheme& scheme) {
    const std::string name = toString(scheme);
    JsonWriter json;
    json.beginObject().key("rows").beginArray();
    for (const Row& row : rows) {
        writeRow(json, row, name);
    }
    const Total total(rows);
    json.endArray().key("total").beginObject().key("tensors").value(total.tensors);
    json.key("count").value(total.count).key("zeros").value(total.zeros);
    json.key("pruned").value(total.pruned).key("sparsity").value(share(total.pruned, total.count));
    json.endObject().endObject();
    return json.text() + "\n";
}

std::string cell(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%12.5g", value);
    return text.data();
}

std::string humanText(const std::vector<Row>& rows, const Scheme& scheme) {
    std::size_t width = 6;
    for (const Row& row : rows) {
        width = std::max(width, row.tensor.size());
    }
    const auto padded = [width](std::string text) {
        text.resize(std::max(text.size(), width), ' ');
        return text;
    };
    std::string text = toString(scheme);
    text.append("  (").append(title(scheme)).append(")\n\n").append(padded("tensor"));
    text += "        pruned %  bits/weight      SQNR dB   rel. error  output error\n";
    for (const Row& row : rows) {
        text += padded(row.tensor) + "  ";
        if (row.error) {
            text += "error: " + row.error->what + "\n";
            continue;
        }
        text += cell(100 * share(row.pruned.value_or(row.zeros), row.count));
        text.append(" ").append(cell(row.bitsPerWeight));
        text.append(" ").append(cell(row.metrics.sqnrDb));
        text.append(" ").append(cell(row.metrics.relativeFrobenius)).append("  ");
        text += row.metrics.outputRelativeError ? cell(*row.metrics.outputRelativeError)
                                                : std::string("           -");
        text += "\n";
    }
    const Total total(rows);
    text.append("\n").append(std::to_string(total.pruned)).append(" of ");
    text.append(std::to_string(total.count)).append(" weights pruned or zero, in ");
    return text.append(std::to_string(total.tensors)).append(" tensors\n");
}

}  // namespace

Result<Output> runSelection(const SchemeInputOptions& options,
                            const std::vector<std::string>& globs,
                            const Scheme& scheme,
                            const std::string& output,
                            const Common& common) {
    const Result<std::shared_ptr<const TensorSource>> opened = openSourceOf(options);
    if (!opened) {
        return fail(opened.error());
    }
    const std::shared_ptr<const TensorSource>& source = *opened;
    std::vector<SelectedTensor> tensors;
    std::vector<Row> rows;
    std::vector<std::size_t> indices;
    for (const std::size_t index : selectTensors(*source, globs)) {
        const TensorInfo& tensor = source->tensors()[index];
        tensors.push_back({tensor.name, tensor.rows, tensor.cols, [&options, source, index] {
                               return inputOfTensor(options, *source, index);
                           }});
        indices.push_back(index);
        rows.push_back({tensor.name, tensor.rows, tensor.cols, 0, {}, 0, 0, {}, 0, {}});
    }
    if (tensors.empty()) {
        return fail(ErrorCode::NotFound,
                    "--select: no tensor of two or more dimensions matches, of " +
                        std::to_string(source->tensors().size()) + " tensors",
                    options.path);
    }
    SelectionOutput file;
    Result<void> written = output.empty() ? Result<void>() : file.open(output, scheme, &source->info());
    if (!written) {
        return fail(written.error());
    }
    const Result<void> done =
        applyToSelection(scheme, tensors, [&](std::size_t i, const auto& result) {
            fill(rows[i], result);
            if (!output.empty() && written && result) {
                written = file.add(source->tensors()[indices[i]], **result);
            }
        });
    if (!done || !written) {
        return fail(done ? written.error() : done.error());
    }
    if (std::all_of(
            rows.begin(), rows.end(), [](const Row& row) { return row.error.has_value(); })) {
        Error error = *rows.front().error;
        error.what = "tensor '" + rows.front().tensor + "': " + error.what;
        return fail(std::move(error));
    }
    if (!output.empty()) {
        if (written = file.commit(); !written) {
            return fail(written.error());
        }
    }
    return Output{common.json ? jsonText(rows, scheme) : humanText(rows, scheme)};
}

}  // namespace loupe::cli

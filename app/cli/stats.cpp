// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/stats/tensor_stats.hpp"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "app/cli/command.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"
#include "core/io/tensor_source.hpp"

namespace loupe::cli {

namespace {

struct Options {
    std::string path;
    std::vector<std::string> tensors;
    std::string layout = "auto";
    int bins = 256;
    int outliers = 16;
};

struct Percentile {
    const char* key;
    double quantile;
};
constexpr std::array<Percentile, 9> kPercentiles{{{"0.1", 0.1 / 100},
                                                  {"1", 1.0 / 100},
                                                  {"5", 5.0 / 100},
                                                  {"25", 25.0 / 100},
                                                  {"50", 50.0 / 100},
                                                  {"75", 75.0 / 100},
                                                  {"95", 95.0 / 100},
                                                  {"99", 99.0 / 100},
                                                  {"99.9", 99.9 / 100}}};

/// One tensor's row: what was computed, or why it could not be.
struct Row {
    std::string name;
    std::vector<std::int64_t> shape;  ///< of the [out, in] matrix
    TensorStats stats;                ///< without the value counts
    std::vector<double> percentiles;
    Histogram histogram;
    std::vector<OutlierChannel> inputs, outputs;
    std::optional<Error> error;
};

Result<void> measure(const TensorSource& source, std::size_t index, const Options& options, Row& row) {
    const auto matrix = source.matrix(index);
    if (!matrix) {
        return fail(matrix.error());
    }
    Result<TensorStats> stats = computeStats(**matrix);
    if (!stats) {
        return fail(stats.error());
    }
    std::vector<double> quantiles;
    for (const Percentile& percentile : kPercentiles) {
        quantiles.push_back(percentile.quantile);
    }
    Result<std::vector<double>> percentiles = exactQuantiles(**matrix, *stats, quantiles);
    if (!percentiles) {
        return fail(percentiles.error());
    }
    if (stats->finite() != 0) {
        Result<Histogram> histogram = exactHistogram(**matrix, stats->min, stats->max, options.bins, &*stats);
        if (!histogram) {
            return fail(histogram.error());
        }
        row.histogram = std::move(*histogram);
    }
    row.percentiles = std::move(*percentiles);
    row.inputs = stats->outliers(true, static_cast<std::size_t>(options.outliers));
    row.outputs = stats->outliers(false, static_cast<std::size_t>(options.outliers));
    row.stats = std::move(*stats);
    row.stats.values = {};
    row.stats.rowRanges = {};
    row.stats.colRanges = {};
    return {};
}

void writeChannels(JsonWriter& json, const char* key, const std::vector<OutlierChannel>& channels) {
    json.key(key).beginArray();
    for (const OutlierChannel& channel : channels) {
        json.beginObject().key("index").value(channel.index).key("absmax").value(channel.absmax);
        json.key("ratio").value(channel.ratio).endObject();
    }
    json.endArray();
}

void writeRow(JsonWriter& json, const Row& row) {
    json.beginObject().key("name").value(row.name).key("shape").beginArray();
    for (const std::int64_t dim : row.shape) {
        json.value(dim);
    }
    json.endArray();
    if (row.error) {
        json.key("error").value(row.error->message()).endObject();
        return;
    }
    const TensorStats& s = row.stats;
    const bool any = s.finite() != 0;
    json.key("count").value(s.count).key("nan").value(s.nan).key("inf").value(s.inf).key("zeros").value(s.zeros);
    const auto number = [&](const char* key, double value) {
        json.key(key);
        any ? json.value(value) : json.null();
    };
    number("min", s.min);
    number("max", s.max);
    number("absmax", s.absmax);
    number("mean", s.mean);
    number("std", s.std);
    number("skewness", s.skewness);
    number("kurtosis", s.kurtosis);
    json.key("percentiles").beginObject();
    for (std::size_t i = 0; i < kPercentiles.size(); ++i) {
        number(kPercentiles[i].key, row.percentiles[i]);
    }
    json.endObject().key("histogram");
    if (any) {
        json.beginObject().key("min").value(row.histogram.min).key("max").value(row.histogram.max).key("counts").beginArray();
        for (const std::uint64_t count : row.histogram.counts) {
            json.value(count);
        }
        json.endArray().endObject();
    } else {
        json.null();
    }
    json.key("outlier_channels").beginObject();
    writeChannels(json, "input", row.inputs);
    writeChannels(json, "output", row.outputs);
    json.endObject().endObject();
}

/// Four significant digits: a table is for reading, --json for computing.
std::string brief(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.4g", value);
    return text.data();
}

std::string shapeText(const std::vector<std::int64_t>& shape) {
    std::string text = "[";
    for (const std::int64_t dim : shape) {
        text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
    }
    return text + "]";
}

/// Names and messages may hold anything: no control characters reach the terminal.
std::string printable(std::string text) {
    std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; }, '?');
    return text;
}

std::vector<std::string> humanRow(const Row& row) {
    if (row.error) {
        return {printable(row.name), shapeText(row.shape), "error: " + printable(row.error->message())};
    }
    const TensorStats& s = row.stats;
    const auto ratio = [](const std::vector<OutlierChannel>& channels) {
        return channels.empty() ? std::string("-") : brief(channels.front().ratio) + "x #" + std::to_string(channels.front().index);
    };
    return {printable(row.name),  shapeText(row.shape),          brief(s.min),
            brief(s.max),         brief(s.mean),                 brief(s.std),
            brief(s.skewness),    brief(s.kurtosis),             std::to_string(s.zeros),
            std::to_string(s.nan), std::to_string(s.inf),        brief(row.percentiles[4]),
            ratio(row.inputs),    ratio(row.outputs)};
}

std::string humanText(const std::vector<Row>& rows) {
    std::vector<std::vector<std::string>> cells{{"name", "shape", "min", "max", "mean", "std", "skewness", "kurtosis", "zeros",
                                                 "nan", "inf", "median", "top input", "top output"}};
    for (const Row& row : rows) {
        cells.push_back(humanRow(row));
    }
    std::vector<std::size_t> widths(cells.front().size());
    for (const auto& line : cells) {
        for (std::size_t c = 0; c < line.size() && line.size() == widths.size(); ++c) {
            widths[c] = std::max(widths[c], line[c].size());
        }
    }
    std::string text;
    for (const auto& line : cells) {
        for (std::size_t c = 0; c < line.size(); ++c) {
            const std::size_t width = widths[c];
            const std::string padding(width > line[c].size() ? width - line[c].size() : 0, ' ');
            const bool right = c >= 2 && line.size() == widths.size();
            text += (right ? padding : "") + line[c] + (right ? "" : padding) + (c + 1 < line.size() ? "  " : "");
        }
        text.erase(text.find_last_not_of(' ') + 1);
        text += '\n';
    }
    return text + "top input, top output: the channel with the largest absmax, over the median channel's\n";
}

void showProgress(std::size_t done, std::size_t total) {
    if (::isatty(STDERR_FILENO) != 0) {
        std::fprintf(stderr, done < total ? "\r%zu of %zu tensors" : "\r\033[K", done, total);
        std::fflush(stderr);
    }
}

std::vector<std::size_t> chosen(const TensorSource& source, const std::vector<std::string>& globs) {
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < source.tensors().size(); ++i) {
        const std::string& name = source.tensors()[i].name;
        const auto matches = [&](const std::string& glob) { return matchesGlob(glob, name); };
        if (globs.empty() || std::any_of(globs.begin(), globs.end(), matches)) {
            indices.push_back(i);
        }
    }
    return indices;
}

Result<Output> run(const Options& options, const Common& common) {
    OpenOptions open;
    open.layout = options.layout == "in_out" ? Layout::InOut : options.layout == "out_in" ? Layout::OutIn : Layout::Auto;
    const auto source = openSource(options.path, open);
    if (!source) {
        return fail(source.error());
    }
    const std::vector<std::size_t> indices = chosen(**source, options.tensors);
    if (indices.empty() && !options.tensors.empty()) {
        // A pattern that finds nothing is a mistyped name: the same message as for a single tensor.
        const Result<std::size_t> found = findTensor(**source, options.tensors.front());
        return found ? fail(ErrorCode::NotFound, "no tensor matches '" + options.tensors.front() + "'", options.path) : fail(found.error());
    }
    std::vector<Row> rows;
    std::size_t failures = 0;
    for (const std::size_t index : indices) {
        showProgress(rows.size(), indices.size());
        const TensorInfo& tensor = (*source)->tensors()[index];
        Row row;
        row.name = tensor.name;
        row.shape = tensor.shape;
        if (tensor.transposed && row.shape.size() >= 2) {
            std::swap(row.shape[row.shape.size() - 2], row.shape[row.shape.size() - 1]);
        }
        if (const Result<void> done = measure(**source, index, options, row); !done) {
            row.error = done.error();
            ++failures;
        }
        rows.push_back(std::move(row));
    }
    showProgress(1, 1);
    if (failures != 0 && failures == rows.size()) {
        return fail(*rows.front().error);
    }
    if (!common.json) {
        return Output{humanText(rows)};
    }
    JsonWriter json;
    json.beginObject().key("tensors").beginArray();
    for (const Row& row : rows) {
        writeRow(json, row);
    }
    json.endArray().endObject();
    return Output{json.text() + "\n"};
}

}  // namespace

extern const Command kCommand_stats;
const Command kCommand_stats{
    "stats",
    "Statistics of tensors: range, moments, percentiles, histogram, outlier channels",
    [](CLI::App& app, const Common& common) -> std::function<Result<Output>()> {
        const auto options = std::make_shared<Options>();
        app.add_option("PATH", options->path, "A file, a sharded index, a model folder or synthetic:KIND")->required();
        app.add_option("--tensor", options->tensors, "Only tensors whose name matches; * and ? match any characters; may be repeated")
            ->allow_extra_args(false);
        app.add_option("--bins", options->bins, "Bins of the histogram")->check(CLI::Range(1, 1 << 24))->capture_default_str();
        app.add_option("--outliers", options->outliers, "Outlier channels to list for inputs and outputs")
            ->check(CLI::Range(0, 1 << 24))
            ->capture_default_str();
        app.add_option("--layout", options->layout, "How matrices are stored: auto, out_in or in_out")
            ->check(CLI::IsMember({"auto", "out_in", "in_out"}));
        return [options, &common] { return run(*options, common); };
    }};

}  // namespace loupe::cli

// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/scan.hpp"

#include "core/base/text.hpp"
#include "core/experiment/selection_run.hpp"
#include "core/stats/tensor_stats.hpp"

#include <queue>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <new>
#include <unordered_map>

namespace loupe {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

constexpr std::array kMetrics{
    ScanMetric{"bits_per_weight",
               "Bits per weight",
               "",
               "Stored bits over weights, scales included.",
               false,
               true,
               false},
    ScanMetric{"min", "Minimum", "", "Smallest finite value.", false, true, false},
    ScanMetric{"max", "Maximum", "", "Largest finite value.", false, true, false},
    ScanMetric{
        "absmax", "Absmax", "", "Largest magnitude of the finite values.", false, true, true},
    ScanMetric{"mean", "Mean", "", "Mean of the finite values.", false, true, false},
    ScanMetric{"std", "Deviation", "", "Population standard deviation.", false, true, true},
    ScanMetric{"skewness", "Skewness", "", "Third standardised moment.", false, true, false},
    ScanMetric{"kurtosis",
               "Kurtosis",
               "",
               "Excess kurtosis: 0 for a normal distribution.",
               false,
               true,
               false},
    ScanMetric{"crest", "Crest factor", "", "absmax over RMS.", false, true, true},
    ScanMetric{"outlier_input",
               "Input outlier",
               "x",
               "absmax of the largest input channel over the median channel's.",
               false,
               true,
               true},
    ScanMetric{"outlier_output",
               "Output outlier",
               "x",
               "absmax of the largest output channel over the median channel's.",
               false,
               true,
               true},
    ScanMetric{"zero_share", "Share of zeros", "", "Zeros over all values.", false, true, false},
    ScanMetric{"nan", "NaN", "", "How many values are not numbers.", false, true, false},
    ScanMetric{"inf", "Infinities", "", "How many values are infinite.", false, true, false},
    ScanMetric{"mse", "MSE", "", "Mean of (w - w^)^2.", true, true, true},
    ScanMetric{"rmse", "RMSE", "", "Root of the MSE.", true, true, true},
    ScanMetric{"max_abs_error", "Largest error", "", "Largest |w - w^|.", true, true, true},
    ScanMetric{"mean_abs_error", "Mean error", "", "Mean of |w - w^|.", true, true, true},
    ScanMetric{"sqnr_db", "SQNR", "dB", "10 log10(sum w^2 / sum (w - w^)^2).", true, false, false},
    ScanMetric{"cosine", "Cosine", "", "w.w^ / (|w| |w^|).", true, false, false},
    ScanMetric{"relative_frobenius", "Relative error", "", "|w - w^| / |w|.", true, true, true},
    ScanMetric{"output_relative_error",
               "Output error",
               "",
               "|XW' - X^W^'| / |XW'|; needs activations.",
               true,
               true,
               true}};

/// Metrics in the order of the table, by id.
class MetricList {
public:
    explicit MetricList(ScanRow& row) : row_(row) {}
    MetricList& add(std::string_view id, double value) {
        row_.metrics.emplace_back(findScanMetric(id)->id, value);
        return *this;
    }

private:
    ScanRow& row_;
};

/// The largest channel over the median one; NaN where that has no meaning.
double outlierRatio(const TensorStats& stats, bool inputs) {
    if (stats.rows < 2 || stats.cols < 2 || stats.finite() == 0) {
        return kNan;
    }
    const std::vector<OutlierChannel> top = stats.outliers(inputs, 1);
    return top.empty() ? kNan : top.front().ratio;
}

double storedBits(const TensorInfo& tensor) {
    if (tensor.packed != nullptr && tensor.packed->bitsPerWeight > 0) {
        return tensor.packed->bitsPerWeight;
    }
    return tensor.parameters == 0
               ? kNan
               : 8.0 * static_cast<double>(tensor.bytes) / static_cast<double>(tensor.parameters);
}

Result<void> describe(const TensorSource& source,
                      std::size_t index,
                      ScanRow& row,
                      const JobContext& ctx) {
    const Result<std::shared_ptr<const RowSource>> matrix = source.matrix(index);
    if (!matrix) {
        return fail(matrix.error());
    }
    const Result<TensorStats> stats = computeStats(**matrix, ctx);
    if (!stats) {
        return fail(stats.error());
    }
    const Result<TensorMarks> marks = computeMarks(**matrix, ctx);
    if (!marks) {
        return fail(marks.error());
    }
    const TensorStats& s = *stats;
    row.bitsPerWeight = storedBits(source.tensors()[index]);
    row.zeros = s.zeros;
    MetricList metrics(row);
    metrics.add("min", s.min).add("max", s.max).add("absmax", s.absmax).add("mean", s.mean);
    metrics.add("std", s.std).add("skewness", s.skewness).add("kurtosis", s.kurtosis);
    metrics.add("crest", s.crestFactor()).add("outlier_input", outlierRatio(s, true));
    metrics.add("outlier_output", outlierRatio(s, false));
    metrics.add("zero_share",
                s.count == 0 ? kNan : static_cast<double>(s.zeros) / static_cast<double>(s.count));
    metrics.add("nan", static_cast<double>(s.nan)).add("inf", static_cast<double>(s.inf));
    row.flags = raiseFlags(s, *marks);
    row.contentHash = marks->contentHash;
    return {};
}

Result<SchemeInput> openWeights(const TensorSource& source, std::size_t index) {
    const Result<std::shared_ptr<const RowSource>> weights = source.matrix(index);
    if (!weights) {
        return fail(weights.error());
    }
    SchemeInput input;
    input.weights = *weights;
    const TensorInfo& tensor = source.tensors()[index];
    input.storedBits = tensor.type != nullptr ? tensor.type->bits : input.storedBits;
    return input;
}

Result<void> applyTo(const TensorSource& source,
                     const ScanRequest& request,
                     const ScanTask& task,
                     ScanRow& row,
                     const JobContext& ctx) {
    const Result<SchemeInput> input =
        request.open ? request.open(source, task.tensor) : openWeights(source, task.tensor);
    if (!input) {
        return fail(input.error());
    }
    const Scheme& scheme = request.schemes[static_cast<std::size_t>(task.scheme)];
    const Result<std::shared_ptr<const SchemeResult>> result = applyScheme(scheme, *input, ctx);
    // Parts that ran at once leave the pages at their borders behind: of many tensors, many pages.
    input->weights->release(0, input->weights->rows());
    if (!result) {
        return fail(result.error());
    }
    const ErrorMetrics& m = (*result)->metrics;
    row.bitsPerWeight = (*result)->bitsPerWeight;
    row.zeros = (*result)->zeros;
    MetricList metrics(row);
    metrics.add("mse", m.mse).add("rmse", m.rmse).add("max_abs_error", m.maxAbsError);
    metrics.add("mean_abs_error", m.meanAbsError).add("sqnr_db", m.sqnrDb);
    metrics.add("cosine", m.cosine).add("relative_frobenius", m.relativeFrobenius);
    if (m.outputRelativeError) {
        metrics.add("output_relative_error", *m.outputRelativeError);
    }
    return {};
}

bool isSelected(const TensorInfo& tensor, const std::vector<std::string>& globs) {
    return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
        return matchesGlob(glob, tensor.name);
    });
}

/// What one tensor costs: its bytes, once for each row.
struct TensorLoad {
    std::size_t tensor = 0;
    std::uint64_t bytes = 0;
};

/// The part, from 0, of each tensor: the largest first, each to the part with the least so far.
std::map<std::size_t, int> assignParts(std::vector<TensorLoad> loads, int parts) {
    std::stable_sort(loads.begin(), loads.end(), [](const TensorLoad& a, const TensorLoad& b) {
        return a.bytes > b.bytes;
    });
    using Part = std::pair<std::uint64_t, int>;
    std::priority_queue<Part, std::vector<Part>, std::greater<>> open;
    for (int part = 0; part < parts; ++part) {
        open.emplace(0, part);
    }
    std::map<std::size_t, int> assigned;
    for (const TensorLoad& load : loads) {
        auto [bytes, part] = open.top();
        open.pop();
        assigned[load.tensor] = part;
        // A tensor without bytes still takes its turn, so that parts share the count.
        open.emplace(bytes + std::max<std::uint64_t>(load.bytes, 1), part);
    }
    return assigned;
}

Result<void> checkRequest(const ScanRequest& request) {
    constexpr int kMostParts = 1'000'000;
    if (request.parts < 1 || request.parts > kMostParts || request.part < 1 ||
        request.part > request.parts) {
        return fail(ErrorCode::Usage,
                    "expected part I/N with 1 <= I <= N <= 1000000, found " +
                        std::to_string(request.part) + "/" + std::to_string(request.parts));
    }
    for (const Scheme& scheme : request.schemes) {
        for (const Step& step : scheme.steps) {
            const auto scope = step.values.find("scope");
            if (scope != step.values.end() && scope->second == "global") {
                return fail(ErrorCode::Unsupported,
                            "step '" + step.name +
                                "': a scan looks at one tensor at a time, and scope=global needs "
                                "all of them",
                            {},
                            "loupe prune --select GLOB prunes a selection together");
            }
        }
    }
    return {};
}

bool isUniform(const ScanRow& row) {
    return std::any_of(row.flags.begin(), row.flags.end(), [](const RaisedFlag& raised) {
        return raised.flag == TensorFlag::AllZero || raised.flag == TensorFlag::Constant;
    });
}

/// The first tensor of each content; says which later one repeats it.
class SeenContents {
public:
    void mark(ScanRow& row) {
        std::erase_if(row.flags, [](const RaisedFlag& raised) {
            return raised.flag == TensorFlag::Duplicate;
        });
        if (row.contentHash.empty() || isUniform(row) || row.rows * row.cols < 2) {
            return;
        }
        const auto [found, isNew] = first_.emplace(row.contentHash, row.tensor);
        if (isNew || found->second == row.tensor) {
            return;
        }
        const auto place =
            std::find_if(row.flags.begin(), row.flags.end(), [](const RaisedFlag& raised) {
                return raised.flag > TensorFlag::Duplicate;
            });
        row.flags.insert(place, {TensorFlag::Duplicate, "the same as '" + found->second + "'"});
    }

private:
    std::unordered_map<std::string, std::string> first_;
};

}  // namespace

std::span<const ScanMetric> allScanMetrics() {
    return kMetrics;
}

const ScanMetric* findScanMetric(std::string_view id) {
    const auto found = std::find_if(
        kMetrics.begin(), kMetrics.end(), [id](const auto& metric) { return metric.id == id; });
    return found == kMetrics.end() ? nullptr : &*found;
}

std::optional<double> ScanRow::metric(std::string_view id) const {
    double value = kNan;
    if (id == "bits_per_weight") {
        value = error ? kNan : bitsPerWeight;
    } else {
        const auto found = std::find_if(
            metrics.begin(), metrics.end(), [id](const auto& entry) { return entry.first == id; });
        value = found == metrics.end() ? kNan : found->second;
    }
    return std::isnan(value) ? std::nullopt : std::optional(value);
}

Result<ScanPlan> planScan(const TensorSource& source, const ScanRequest& request) {
    if (Result<void> possible = checkRequest(request); !possible) {
        return fail(possible.error());
    }
    std::vector<std::size_t> matrices =
        request.schemes.empty() ? std::vector<std::size_t>{} : selectTensors(source, request.globs);
    std::vector<TensorLoad> loads;
    std::vector<ScanTask> tasks;
    for (std::size_t i = 0; i < source.tensors().size(); ++i) {
        const std::size_t before = tasks.size();
        const TensorInfo& tensor = source.tensors()[i];
        if (request.statistics && isSelected(tensor, request.globs)) {
            tasks.push_back({tasks.size(), i, -1});
        }
        if (std::binary_search(matrices.begin(), matrices.end(), i)) {
            for (std::size_t s = 0; s < request.schemes.size(); ++s) {
                tasks.push_back({tasks.size(), i, static_cast<int>(s)});
            }
        }
        if (tasks.size() > before) {
            loads.push_back({i, tensor.bytes * (tasks.size() - before)});
        }
    }
    if (tasks.empty()) {
        return fail(
            ErrorCode::NotFound,
            "no tensor is selected, of " + std::to_string(source.tensors().size()) + " tensors",
            source.info().path.string());
    }
    ScanPlan plan;
    plan.allTasks = tasks.size();
    std::map<std::size_t, int> partOf;
    if (request.parts > 1) {
        partOf = assignParts(std::move(loads), request.parts);
    }
    for (const ScanTask& task : tasks) {
        const std::uint64_t bytes = source.tensors()[task.tensor].bytes;
        plan.allBytes += bytes;
        if (request.parts == 1 || partOf[task.tensor] == request.part - 1) {
            plan.tasks.push_back(task);
            plan.bytes += bytes;
        }
    }
    return plan;
}

ScanRow scanTask(const TensorSource& source,
                 const ScanRequest& request,
                 const ScanTask& task,
                 const JobContext& ctx) {
    const auto start = std::chrono::steady_clock::now();
    const TensorInfo& tensor = source.tensors()[task.tensor];
    ScanRow row;
    row.task = task.task;
    row.tensor = tensor.name;
    row.dtype = tensor.dtypeName;
    row.rows = tensor.rows;
    row.cols = tensor.cols;
    if (task.scheme >= 0) {
        row.scheme = toString(request.schemes[static_cast<std::size_t>(task.scheme)]);
    }
    Result<void> done;
    try {
        done = task.scheme < 0 ? describe(source, task.tensor, row, ctx)
                               : applyTo(source, request, task, row, ctx);
    } catch (const std::bad_alloc&) {
        done = fail(ErrorCode::OutOfMemory, "out of memory");
    }
    if (!done) {
        row.error = done.error();
        row.metrics.clear();
        row.flags.clear();
    }
    row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return row;
}

void runScan(const TensorSource& source,
             const ScanRequest& request,
             const ScanPlan& plan,
             std::span<const ScanRow> done,
             const ScanSeen& seen,
             const JobContext& ctx) {
    std::unordered_map<std::size_t, const ScanRow*> known;
    for (const ScanRow& row : done) {
        known.emplace(row.task, &row);
    }
    SeenContents contents;
    const JobContext quiet = ctx.withoutProgress();
    ctx.setTotal(plan.bytes);
    for (const ScanTask& task : plan.tasks) {
        ctx.checkpoint();
        if (const auto found = known.find(task.task); found != known.end()) {
            ScanRow copy = *found->second;
            contents.mark(copy);
        } else {
            ScanRow row = scanTask(source, request, task, quiet);
            contents.mark(row);
            seen(row);
        }
        ctx.advance(source.tensors()[task.tensor].bytes);
    }
}

void markDuplicates(std::span<ScanRow> rows) {
    std::vector<ScanRow*> order;
    order.reserve(rows.size());
    for (ScanRow& row : rows) {
        order.push_back(&row);
    }
    std::stable_sort(order.begin(), order.end(), [](const ScanRow* a, const ScanRow* b) {
        return a->task < b->task;
    });
    SeenContents contents;
    for (ScanRow* row : order) {
        contents.mark(*row);
    }
}

}  // namespace loupe

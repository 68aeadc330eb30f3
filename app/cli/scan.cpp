// SPDX-License-Identifier: GPL-3.0-or-later
// loupe scan PATH [--scheme S...]: every tensor of a checkpoint, as it is or under schemes.
#include "core/experiment/scan.hpp"

#include "app/cli/command.hpp"
#include "app/cli/interrupt.hpp"
#include "app/cli/scan_text.hpp"
#include "app/cli/scheme_input.hpp"
#include "core/base/text.hpp"
#include "core/experiment/scan_file.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <unistd.h>

namespace loupe::cli {

namespace {

struct Options {
    SchemeInputOptions input;
    std::vector<std::string> globs;
    std::vector<std::string> schemes;
    bool statistics = false;
    bool csv = false;
    std::string part;
    std::string output;
    std::string resume;
    ScanGates gates;
};

/// "I/N". @errors Usage
Result<std::pair<int, int>> parsePart(const std::string& text) {
    if (text.empty()) {
        return std::pair(1, 1);
    }
    const std::vector<std::string_view> halves = split(text, '/');
    const auto first = parseInteger(halves.front());
    const auto second = halves.size() == 2 ? parseInteger(halves.back()) : std::nullopt;
    constexpr std::int64_t kMost = 1'000'000;
    if (!first || !second || *first < 1 || *second < *first || *second > kMost) {
        return fail(ErrorCode::Usage,
                    "--part: expected I/N with 1 <= I <= N <= 1000000, found '" + text + "'");
    }
    return std::pair(static_cast<int>(*first), static_cast<int>(*second));
}

Result<ScanRequest> requestOf(const Options& options) {
    ScanRequest request;
    if (!options.globs.empty()) {
        request.globs = options.globs;
    }
    for (const std::string& text : options.schemes) {
        Result<Scheme> scheme = parseScheme(text);
        if (!scheme) {
            return fail(scheme.error());
        }
        request.schemes.push_back(std::move(*scheme));
    }
    request.statistics = options.statistics || request.schemes.empty();
    const Result<std::pair<int, int>> part = parsePart(options.part);
    if (!part) {
        return fail(part.error());
    }
    std::tie(request.part, request.parts) = *part;
    request.open = [&options](const TensorSource& source, std::size_t index) {
        return inputOfTensor(options.input, source, index);
    };
    return request;
}

/// What decides the figures beside the tensors and the schemes, as text: parts must agree on it.
std::string inputsText(const SchemeInputOptions& input) {
    std::string text;
    const auto add = [&text](const char* key, const std::string& value) {
        text += (text.empty() ? "" : " ") + std::string(key) + "=" + value;
    };
    if (!input.activations.empty()) {
        add("activations", input.activations);
        if (input.calibrationRows != 0) {
            add("calibration_rows", std::to_string(input.calibrationRows));
        }
    }
    if (!input.gradients.empty()) {
        add("gradients", input.gradients);
    }
    if (input.layout != "auto") {
        add("layout", input.layout);
    }
    return text;
}

/// Prints rows as they are finished, keeps them for the document, and writes them to the file.
class Run {
public:
    Run(const Options& options, const Common& common, const TensorSource& source)
        : csv_(options.csv),
          json_(common.json),
          table_(nameWidth(source)),
          showsProgress_(::isatty(STDERR_FILENO) != 0 && (json_ || ::isatty(STDOUT_FILENO) == 0)) {}

    ScanFile file;
    bool writesFile = false;
    std::optional<Error> failure;  ///< of the file or of stdout

    void begin(std::size_t tasks) {
        tasks_ = tasks;
        if (csv_ && !json_) {
            print(scanCsvHeader());
        }
        for (const ScanRow& row : file.found()) {
            show(row);
        }
    }
    void take(const ScanRow& row) {
        if (writesFile && !failure) {
            if (const Result<void> done = file.append(row); !done) {
                failure = done.error();
            }
        }
        show(row);
        if (failure) {
            throw Cancelled{};
        }
    }
    std::vector<ScanRow>& rows() { return rows_; }
    void end(const ScanSummary& summary) {
        clearProgress();
        if (!json_ && !csv_) {
            print(ScanTable::summary(summary));
        }
    }
    void clearProgress() const {
        if (showsProgress_) {
            std::fputs("\r\033[K", stderr);
        }
    }

private:
    static std::size_t nameWidth(const TensorSource& source) {
        constexpr std::size_t kMost = 60;
        std::size_t width = 6;
        for (const TensorInfo& tensor : source.tensors()) {
            width = std::max(width, std::min(tensor.name.size(), kMost));
        }
        return width;
    }
    void show(const ScanRow& row) {
        rows_.push_back(row);
        if (showsProgress_) {
            std::fprintf(stderr, "\r%zu of %zu rows", rows_.size(), tasks_);
            std::fflush(stderr);
        }
        if (!json_) {
            print(csv_ ? scanCsvRow(row) : table_.row(row));
        }
    }
    void print(const std::string& text) {
        if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
            std::fflush(stdout) != 0) {
            failure = Error{ErrorCode::Unreadable, "standard output could not be written", {}, {}};
        }
    }

    bool csv_;
    bool json_;
    ScanTable table_;
    bool showsProgress_;
    std::size_t tasks_ = 0;
    std::vector<ScanRow> rows_;
};

[[noreturn]] void stopped(const Run& run,
                          const std::string& path,
                          std::size_t had,
                          std::size_t all,
                          Interrupt& interrupt) {
    run.clearProgress();
    std::fprintf(stderr, "loupe: stopped after %zu of %zu rows", had, all);
    if (run.writesFile) {
        std::fprintf(stderr, "; --resume %s goes on", path.c_str());
    }
    std::fputs("\n", stderr);
    interrupt.endProcess();
}

Result<Output> finish(const Options& options,
                      const Common& common,
                      const ScanHeader& header,
                      Run& run,
                      double seconds) {
    std::stable_sort(run.rows().begin(), run.rows().end(), [](const ScanRow& a, const ScanRow& b) {
        return a.task < b.task;
    });
    ScanSummary summary{run.rows().size(), 0, seconds, peakMemory()};
    summary.errors = static_cast<std::size_t>(
        std::count_if(run.rows().begin(), run.rows().end(), [](const ScanRow& row) {
            return row.error.has_value();
        }));
    run.end(summary);
    const std::vector<std::string> failures = options.gates.failures(run.rows());
    for (const std::string& failure : failures) {
        std::fprintf(stderr, "loupe: gate: %s\n", failure.c_str());
    }
    return Output{common.json ? scanJson(header, run.rows(), summary) : std::string(),
                  !failures.empty()};
}

Result<Output> run(Options& options, const Common& common) {
    Interrupt interrupt;
    const auto start = std::chrono::steady_clock::now();
    if (Result<void> gates = options.gates.parse(); !gates) {
        return fail(gates.error());
    }
    const Result<ScanRequest> request = requestOf(options);
    if (!request) {
        return fail(request.error());
    }
    const Result<std::shared_ptr<const TensorSource>> source = openSourceOf(options.input);
    if (!source) {
        return fail(source.error());
    }
    const Result<ScanPlan> plan = planScan(**source, *request);
    if (!plan) {
        return fail(plan.error());
    }
    const ScanHeader header = scanHeader(**source, *request, *plan, inputsText(options.input));
    Run work(options, common, **source);
    const std::string path = options.resume.empty() ? options.output : options.resume;
    work.writesFile = !path.empty();
    if (work.writesFile) {
        if (Result<void> opened = work.file.open(path, header, !options.resume.empty()); !opened) {
            return fail(opened.error());
        }
    }
    try {
        work.begin(plan->tasks.size());
        runScan(
            **source,
            *request,
            *plan,
            work.file.found(),
            [&work](const ScanRow& row) { work.take(row); },
            interrupt.context());
    } catch (const Cancelled&) {
        if (!work.failure) {
            stopped(work, path, work.rows().size(), plan->tasks.size(), interrupt);
        }
    }
    if (work.failure) {
        return fail(*work.failure);
    }
    return finish(options,
                  common,
                  header,
                  work,
                  std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    auto options = std::make_shared<Options>();
    SchemeInputOptions& input = options->input;
    app.add_option("path", input.path, "File, sharded index, model folder or synthetic:...")
        ->required();
    app.add_option("--scheme", options->schemes, "Schemes: a row for each and each matrix");
    app.add_option("--tensor", options->globs, "Only tensors whose name matches this GLOB");
    app.add_flag("--statistics",
                 options->statistics,
                 "Rows of the tensors as they are beside those of the schemes");
    app.add_flag("--csv", options->csv, "Print CSV");
    app.add_option("--part", options->part, "I/N: the I-th of N parts of about as many bytes");
    options->gates.addTo(app);
    CLI::Option* const output =
        app.add_option("--output",
                       options->output,
                       "Keep rows in this new file (JSON lines) as they are finished");
    app.add_option("--resume",
                   options->resume,
                   "Go on with the rows of this file; begin it where there is none")
        ->excludes(output);
    app.add_option("--activations", input.activations, "FILE[:TENSOR], as in quantize");
    app.add_option("--calibration-rows",
                   input.calibrationRows,
                   "N rows of the activations calibrate, all are judged (default: all do both)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--gradients", input.gradients, "FILE[:TENSOR], as in quantize");
    app.add_option("--layout", input.layout, "How matrices are stored: auto, out_in, in_out")
        ->check(CLI::IsMember({"auto", "out_in", "in_out"}));
    return [options, &common] { return run(*options, common); };
}

}  // namespace

extern const Command kCommand_scan;
const Command kCommand_scan{
    "scan", "Every tensor of a checkpoint: statistics, flags, what schemes would cost", configure};

}  // namespace loupe::cli

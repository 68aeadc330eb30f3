// SPDX-License-Identifier: GPL-3.0-or-later
// loupe time matmul|attention: one record a line, as the cases finish.
#include "app/cli/command.hpp"
#include "app/cli/figure_text.hpp"
#include "app/cli/interrupt.hpp"
#include "app/cli/time_remote.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"
#include "core/formats/number_format.hpp"
#include "gpu/timing/backend.hpp"
#include "gpu/timing/summary.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <unistd.h>

namespace loupe::cli {

namespace {

using gpu::Operation;

struct Options {
    gpu::TimingRequest request;
    std::string cache = "cold";
    bool noPeers = false;
    bool list = false;
    bool summary = false;
    CLI::App* matmul = nullptr;
    CLI::App* attention = nullptr;
};

constexpr std::array<const char*, 6> kMixedFormats{
    "w8a8", "w8a16", "w4a16", "w4a8", "int8_outliers", "sparse24"};

/// Words that a request may name, whether or not something here can run them.
std::vector<std::string> knownWords(Operation operation) {
    std::vector<std::string> words{"all"};
    if (operation == Operation::Matmul) {
        for (const NumberFormat* format : allFormats()) {
            words.emplace_back(format->id);
        }
        words.insert(words.end(), kMixedFormats.begin(), kMixedFormats.end());
    } else {
        words.insert(words.end(), {"standard", "flash1", "flash2"});
    }
    for (const gpu::Backend* backend : gpu::backends()) {
        for (const gpu::Offer& offer : backend->offers()) {
            if (offer.operation == operation) {
                words.push_back(offer.name);
            }
        }
    }
    return words;
}

Result<void> checkWords(const gpu::TimingRequest& request) {
    const std::vector<std::string> known = knownWords(request.operation);
    for (const std::string& word : request.what) {
        if (std::find(known.begin(), known.end(), word) == known.end()) {
            const std::vector<std::string> near = nearest(word, known);
            return fail(ErrorCode::Usage,
                        std::string("no ") +
                            (request.operation == Operation::Matmul ? "format" : "kernel") +
                            " is called '" + word + "'",
                        {},
                        near.empty() ? std::string() : "did you mean '" + near.front() + "'?");
        }
    }
    return {};
}

std::string shapeText(const gpu::CaseRecord& what) {
    if (what.operation == Operation::Matmul) {
        return std::to_string(what.matmul.m) + "x" + std::to_string(what.matmul.n) + "x" +
               std::to_string(what.matmul.k);
    }
    const gpu::AttentionShape& s = what.attention;
    return std::to_string(s.batch) + "x" + std::to_string(s.heads) + "x" + std::to_string(s.seq) +
           "x" + std::to_string(s.dim) + (s.causal ? " causal" : "") + (s.decode ? " decode" : "");
}

std::string checkText(const gpu::RunRecord& record) {
    if (!record.check) {
        return {};
    }
    return (record.check->passed ? "  error " : "  WRONG, error ") +
           fourDigits(record.check->relFro);
}

/// One line: what ran, how long or how much, beside the floor.
std::string lineText(const gpu::RunRecord& record) {
    std::string text = cell(record.what.format, 14, false) + cell(record.kernel.id, 30, false) +
                       cell(shapeText(record.what), 18, false);
    if (record.timing) {
        const gpu::TimingRecord& t = *record.timing;
        text += cell(fourDigits(t.medianUs), 10) + " us  [" + fourDigits(t.q1Us) + ", " +
                fourDigits(t.q3Us) + "]  n " + std::to_string(t.samplesUs.size());
        text += "  " + fourDigits(record.derived.tflops) + " TFLOP/s  " +
                fourDigits(record.derived.gbps) + " GB/s";
    }
    if (record.counts) {
        const gpu::CountRecord& c = *record.counts;
        text += "  counted: requested " + std::to_string(c.requestedBytes) + " B, sectors " +
                std::to_string(c.sectorBytes) + " B";
        if (c.cacheBytes > 0) {
            text += ", DRAM " + std::to_string(c.dramBytes) + " B through " +
                    std::to_string(c.cacheBytes) + " B of cache";
        }
    }
    if (record.derived.floorUs > 0) {
        text += "  floor " + fourDigits(record.derived.floorUs) + " us (" +
                record.derived.floorSide + ", " + record.derived.ceilingSource + ")";
    }
    text += checkText(record);
    if (!record.reason.empty()) {
        text += "  not run: " + record.reason;
    }
    return text + "\n";
}

/// Prints records and progress as they come.
class Printer {
public:
    Printer(bool json, bool summary)
        : json_(json), summary_(summary), progress_(json || ::isatty(STDERR_FILENO) == 1) {}

    void record(const gpu::RunRecord& record) {
        if (record.check && !record.check->passed) {
            wrong_ += (wrong_.empty() ? "" : ", ") + record.kernel.id;
        }
        if (summary_) {
            records_.push_back(record);
            return;
        }
        write(json_ ? gpu::toJson(record) + "\n" : lineText(record));
    }
    void write(const std::string& text) {
        written_ = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                   std::fflush(stdout) == 0 && written_;
    }
    void progress(double fraction, const std::string& what) const {
        if (progress_) {
            std::fprintf(stderr, "progress %.3f %s\n", fraction, what.c_str());
        }
    }
    [[nodiscard]] Result<Output> judge() {
        if (summary_) {
            write(gpu::summaryTable(records_));
        }
        if (!written_) {
            return fail(ErrorCode::Unreadable, "standard output could not be written");
        }
        if (!wrong_.empty()) {
            return fail(ErrorCode::Invalid, "a result was wrong: " + wrong_);
        }
        return Output{};
    }

private:
    bool json_;
    bool summary_;
    bool progress_;
    std::vector<gpu::RunRecord> records_;
    bool written_ = true;
    std::string wrong_;
};

Result<void> runHere(const gpu::TimingRequest& request,
                     const JobContext& ctx,
                     const gpu::RunSink& sink) {
    const gpu::Backend* const backend = gpu::findBackend(request.backend);
    if (backend == nullptr) {
        return fail(ErrorCode::Unsupported,
                    "this program was built without the backend '" + request.backend + "'");
    }
    if (const std::string reason = backend->unavailable(); !reason.empty()) {
        return fail(ErrorCode::Unsupported,
                    "nothing can run on '" + request.backend + "': " + reason,
                    {},
                    "'loupe time --list' shows what can run here");
    }
    return backend->run(request, ctx, sink);
}

Result<Output> runRequest(const gpu::TimingRequest& request, bool json, bool summary) {
    if (Result<void> checked = checkRequest(request); !checked) {
        Error error = checked.error();
        error.code = ErrorCode::Usage;
        return fail(std::move(error));
    }
    if (Result<void> checked = checkWords(request); !checked) {
        return fail(checked.error());
    }
    Printer printer(json, summary);
    const gpu::RunSink sink{
        [&](const gpu::RunRecord& record) { printer.record(record); },
        [&](double fraction, const std::string& what) { printer.progress(fraction, what); }};
    Interrupt interrupt;
    try {
        const Result<void> done = request.remote.empty()
                                      ? runHere(request, interrupt.context(), sink)
                                      : runRemote(request, interrupt.context(), sink);
        if (!done) {
            return fail(done.error());
        }
    } catch (const Cancelled&) {
        interrupt.endProcess();
    }
    return printer.judge();
}

std::string listJson() {
    JsonWriter json;
    json.beginObject().key("backends").beginArray();
    for (const gpu::Backend* backend : gpu::backends()) {
        const std::string reason = backend->unavailable();
        json.beginObject().key("id").value(backend->id()).key("title").value(backend->title());
        json.key("reason");
        reason.empty() ? json.null() : json.value(std::string_view(reason));
        json.key("offers").beginArray();
        for (const gpu::Offer& offer : backend->offers()) {
            json.beginObject().key("op").value(offer.operation == Operation::Matmul ? "matmul"
                                                                                    : "attention");
            json.key("name").value(std::string_view(offer.name));
            json.key("title").value(std::string_view(offer.title)).key("bits_per_weight");
            offer.bitsPerWeight > 0 ? json.value(offer.bitsPerWeight) : json.null();
            json.key("reason");
            offer.reason.empty() ? json.null() : json.value(std::string_view(offer.reason));
            json.endObject();
        }
        json.endArray().endObject();
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

std::string listText() {
    std::string text;
    for (const gpu::Backend* backend : gpu::backends()) {
        const std::string reason = backend->unavailable();
        text += std::string(backend->id()) + "  " + std::string(backend->title()) +
                (reason.empty() ? "" : "  not here: " + reason) + "\n";
        for (const gpu::Offer& offer : backend->offers()) {
            text += "  " +
                    cell(offer.operation == Operation::Matmul ? "matmul" : "attention", 10, false) +
                    cell(offer.name, 16, false) + offer.title +
                    (offer.reason.empty() ? "" : "  not here: " + offer.reason) + "\n";
        }
    }
    return text;
}

void addShared(CLI::App& app, Options& options) {
    gpu::TimingRequest& request = options.request;
    app.add_option("--backend", request.backend, "cpu, cuda or simt (counts, never a time)")
        ->capture_default_str();
    app.add_option("--kernel", request.kernel, "Only kernels whose id matches this GLOB");
    app.add_option("--remote", request.remote, "Run on this host, through ssh");
    app.add_option("--cache", options.cache, "Caches before each sample")
        ->check(CLI::IsMember({"cold", "warm"}))
        ->capture_default_str();
    app.add_option("--cache-bytes",
                   request.cacheBytes,
                   "simt: cache behind the counted DRAM bytes (default: 1 MiB)")
        ->check(CLI::PositiveNumber);
    app.add_flag("--interleave",
                 request.interleave,
                 "Make all cases ready, then take their samples in turn, A B A B");
    app.add_option("--samples", request.samples, "Most samples of a case")
        ->check(CLI::PositiveNumber);
    app.add_option("--seconds", request.seconds, "Most seconds of samples of a case")
        ->check(CLI::PositiveNumber);
    app.add_option("--seed", request.seed, "Seed of the operands")->capture_default_str();
    app.add_flag("--summary", options.summary, "One Markdown table at the end, against FP32");
    app.add_flag("--no-peers", options.noPeers, "Without the libraries beside our kernels");
    app.add_option("--model", request.model, "Model that the shape comes from, noted as it is");
    app.add_option("--layer", request.layer, "Layer that the shape comes from, noted as it is");
    app.fallthrough();
}

CLI::App* addMatmul(CLI::App& app, Options& options) {
    gpu::TimingRequest& request = options.request;
    CLI::App* const sub = app.add_subcommand("matmul", "Y = X W^T of quantized operands");
    sub->add_option("--m", request.matmul.m, "Tokens: rows of X")->capture_default_str();
    sub->add_option("--n", request.matmul.n, "Outputs: rows of W")->capture_default_str();
    sub->add_option("--k", request.matmul.k, "Inputs: columns of X and W")->capture_default_str();
    sub->add_option("--group", request.matmul.group, "Inputs that share a scale")
        ->capture_default_str();
    sub->add_option("--outliers",
                    request.matmul.outliers,
                    "Inputs whose activations are 20 times as large (for int8_outliers)")
        ->capture_default_str();
    sub->add_option("--formats", request.what, "fp32,bf16,int8,w8a8,w4a16,... or all")
        ->delimiter(',')
        ->required();
    addShared(*sub, options);
    return sub;
}

CLI::App* addAttention(CLI::App& app, Options& options) {
    gpu::AttentionShape& shape = options.request.attention;
    CLI::App* const sub = app.add_subcommand("attention", "softmax(Q K^T / sqrt(d)) V");
    sub->add_option("--seq", shape.seq, "Keys, and queries too unless --decode")
        ->capture_default_str();
    sub->add_option("--dim", shape.dim, "Elements of a head")->capture_default_str();
    sub->add_option("--heads", shape.heads, "Heads of Q")->capture_default_str();
    sub->add_option("--kv-heads", shape.kvHeads, "Heads of K and V (default: as many as --heads)");
    sub->add_option("--batch", shape.batch, "Sequences")->capture_default_str();
    sub->add_flag("--causal", shape.causal, "No query looks ahead");
    sub->add_flag("--decode", shape.decode, "One query a sequence");
    sub->add_option("--kernels", options.request.what, "standard,flash1,flash2,... or all")
        ->delimiter(',')
        ->required();
    addShared(*sub, options);
    return sub;
}

Result<Output> run(Options& options, const Common& common) {
    if (options.list) {
        return Output{common.json ? listJson() : listText()};
    }
    gpu::TimingRequest request = options.request;
    if (options.attention->parsed()) {
        request.operation = Operation::Attention;
        if (options.attention->count("--kv-heads") == 0) {
            request.attention.kvHeads = request.attention.heads;
        }
    } else if (!options.matmul->parsed()) {
        return fail(ErrorCode::Usage, "time needs matmul, attention or --list");
    }
    request.cache = options.cache == "warm" ? gpu::CacheState::Warm : gpu::CacheState::Cold;
    request.peers = !options.noPeers;
    request.threads = common.threads;
    if (options.summary && common.json) {
        return fail(ErrorCode::Usage, "--summary is a table for people, --json one record a line");
    }
    return runRequest(request, common.json, options.summary);
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    const auto options = std::make_shared<Options>();
    app.add_flag("--list", options->list, "What each backend offers here, and why not");
    options->matmul = addMatmul(app, *options);
    options->attention = addAttention(app, *options);
    app.require_subcommand(0, 1);
    return [options, &common] { return run(*options, common); };
}

}  // namespace

extern const Command kCommand_time;
const Command kCommand_time{
    "time", "Times quantized products and attention: one record a line", configure};

}  // namespace loupe::cli

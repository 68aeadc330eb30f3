// SPDX-License-Identifier: GPL-3.0-or-later
// loupe diff A B: two checkpoints, tensor by tensor.
#include "core/experiment/diff.hpp"

#include "app/cli/command.hpp"
#include "app/cli/figure_text.hpp"
#include "app/cli/interrupt.hpp"
#include "core/base/text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace loupe::cli {

namespace {

struct Options {
    std::string a;
    std::string b;
    std::vector<std::string> globs;
    std::optional<double> tolerance;
    bool stored = false;
    bool csv = false;
};

/// Names may hold anything: no control characters reach the terminal.
std::string printable(std::string text) {
    std::replace_if(
        text.begin(),
        text.end(),
        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; },
        '?');
    return text;
}

void writeShape(JsonWriter& json, const char* key, const std::vector<std::int64_t>& shape) {
    json.key(key).beginArray();
    for (const std::int64_t dim : shape) {
        json.value(dim);
    }
    json.endArray();
}

void writeText(JsonWriter& json, const char* key, const std::string& text) {
    json.key(key);
    text.empty() ? json.null() : json.value(text);
}

void writeRow(JsonWriter& json, const DiffRow& row) {
    json.beginObject().key("tensor_a").value(row.tensorA).key("tensor_b").value(row.tensorB);
    json.key("dtype_a").value(row.dtypeA).key("dtype_b").value(row.dtypeB);
    writeShape(json, "shape", {row.rows, row.cols});
    json.key("identical").value(row.identical).key("metrics");
    if (row.error) {
        json.null();
    } else {
        writeMetrics(json, row.metrics);
    }
    writeText(json, "provenance", row.provenanceText());
    json.key("equal_share").value(row.equalShare);
    writeText(json, "guess", row.guess);
    writeText(json, "layout", row.change.text());
    json.key("seconds").value(row.seconds);
    writeText(json, "error", row.error ? row.error->message() : std::string());
    json.endObject();
}

std::string jsonText(const DiffPlan& plan, const std::vector<DiffRow>& rows) {
    JsonWriter json;
    json.beginObject().key("rows").beginArray();
    for (const DiffRow& row : rows) {
        writeRow(json, row);
    }
    json.endArray();
    const auto names = [&json](const char* key, const std::vector<std::string>& list) {
        json.key(key).beginArray();
        for (const std::string& name : list) {
            json.value(name);
        }
        json.endArray();
    };
    names("only_a", plan.onlyA);
    names("only_b", plan.onlyB);
    json.key("shape_mismatch").beginArray();
    for (const ShapeMismatch& mismatch : plan.mismatches) {
        json.beginObject().key("tensor_a").value(mismatch.tensorA);
        json.key("tensor_b").value(mismatch.tensorB);
        writeShape(json, "shape_a", mismatch.shapeA);
        writeShape(json, "shape_b", mismatch.shapeB);
        json.endObject();
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

std::string csvText(const std::vector<DiffRow>& rows) {
    std::string text =
        "tensor_a,tensor_b,dtype_a,dtype_b,rows,cols,identical,relative_frobenius,sqnr_db,cosine,"
        "max_abs_error,rmse,provenance,equal_share,guess,layout,error\n";
    for (const DiffRow& row : rows) {
        const ErrorMetrics& m = row.metrics;
        text += csvField(row.tensorA) + "," + csvField(row.tensorB) + "," + row.dtypeA + "," +
                row.dtypeB + "," + std::to_string(row.rows) + "," + std::to_string(row.cols) +
                (row.identical ? ",true" : ",false");
        for (const double value :
             {m.relativeFrobenius, m.sqnrDb, m.cosine, m.maxAbsError, m.rmse}) {
            text += "," + (row.error ? std::string() : shortest(value));
        }
        text += "," + csvField(row.provenanceText()) + "," +
                (row.equalShare ? shortest(*row.equalShare) : "") + "," + csvField(row.guess) +
                "," + csvField(row.change.text()) + "," +
                (row.error ? csvField(row.error->message()) : "") + "\n";
    }
    return text;
}

std::string remark(const DiffRow& row) {
    std::string text;
    const auto say = [&text](const std::string& what) {
        text += what.empty() ? "" : (text.empty() ? "" : "; ") + what;
    };
    say(row.error ? "error: " + row.error->message() : "");
    say(row.provenanceText());
    say(row.guess.empty() ? "" : "guess: " + row.guess);
    say(row.change.text());
    return printable(text);
}

std::string names(const char* head, const std::vector<std::string>& list) {
    std::string text = list.empty() ? "" : std::string("\n") + head + ":\n";
    for (const std::string& name : list) {
        text += "  " + printable(name) + "\n";
    }
    return text;
}

std::string humanText(const DiffPlan& plan, const std::vector<DiffRow>& rows) {
    std::size_t width = 8;
    std::size_t widthB = 8;
    constexpr std::size_t kMostWidth = 60;
    for (const DiffRow& row : rows) {
        width = std::max(width, std::min(row.tensorA.size(), kMostWidth));
        widthB = std::max(widthB, std::min(row.tensorB.size(), kMostWidth));
    }
    constexpr std::size_t kColumn = 10;
    std::string text = cell("tensor A", width, false) + cell("tensor B", widthB, false) +
                       cell("rel", kColumn) + cell("SQNR dB", kColumn) +
                       cell("max error", kColumn) + "  provenance\n";
    std::size_t identical = 0;
    for (const DiffRow& row : rows) {
        identical += row.identical ? 1U : 0U;
        const auto figure = [&row](double value) {
            return row.error ? std::optional<double>() : std::optional(value);
        };
        text += cell(printable(row.tensorA), width, false) +
                cell(printable(row.tensorB), widthB, false);
        text += cell(fourDigits(figure(row.metrics.relativeFrobenius)), kColumn) +
                cell(fourDigits(figure(row.metrics.sqnrDb)), kColumn) +
                cell(fourDigits(figure(row.metrics.maxAbsError)), kColumn) + "  " + remark(row);
        text.erase(text.find_last_not_of(' ') + 1);
        text += "\n";
    }
    text += names("Only in A", plan.onlyA) + names("Only in B", plan.onlyB);
    std::vector<std::string> shapes;
    for (const ShapeMismatch& m : plan.mismatches) {
        const auto shape = [](const std::vector<std::int64_t>& dims) {
            return " [" + std::to_string(dims[0]) + ", " + std::to_string(dims[1]) + "]";
        };
        shapes.push_back(m.tensorA + shape(m.shapeA) + " and " + m.tensorB + shape(m.shapeB));
    }
    text += names("Other shapes", shapes);
    return text + "\n" + std::to_string(rows.size()) + " tensors matched, " +
           std::to_string(identical) + " of them identical\n";
}

void keepSelected(DiffPlan& plan, const std::vector<std::string>& globs) {
    if (globs.empty()) {
        return;
    }
    const auto isOut = [&globs](const std::string& name) {
        return std::none_of(globs.begin(), globs.end(), [&](const std::string& glob) {
            return matchesGlob(glob, name);
        });
    };
    std::erase_if(plan.pairs,
                  [&](const DiffPair& pair) { return isOut(pair.nameA) && isOut(pair.nameB); });
    std::erase_if(plan.onlyA, isOut);
    std::erase_if(plan.onlyB, isOut);
    std::erase_if(plan.mismatches, [&](const ShapeMismatch& mismatch) {
        return isOut(mismatch.tensorA) && isOut(mismatch.tensorB);
    });
}

Result<Output> run(const Options& options, const Common& common) {
    Interrupt interrupt;
    OpenOptions open;
    open.stored = options.stored;
    const auto a = openSource(options.a, open);
    if (!a) {
        return fail(a.error());
    }
    const auto b = openSource(options.b, open);
    if (!b) {
        return fail(b.error());
    }
    DiffPlan plan = planDiff(**a, **b);
    keepSelected(plan, options.globs);
    if (!options.globs.empty() && plan.pairs.empty() && plan.onlyA.empty() && plan.onlyB.empty() &&
        plan.mismatches.empty()) {
        return fail(ErrorCode::NotFound, "--tensor: no tensor of A or B matches");
    }
    std::vector<DiffRow> rows;
    const bool shows = ::isatty(STDERR_FILENO) != 0;
    try {
        runDiff(
            **a,
            **b,
            plan,
            [&](const DiffRow& row) {
                rows.push_back(row);
                if (shows) {
                    std::fprintf(stderr, "\r%zu of %zu tensors", rows.size(), plan.pairs.size());
                    std::fflush(stderr);
                }
            },
            interrupt.context());
    } catch (const Cancelled&) {
        interrupt.endProcess();
    }
    if (shows) {
        std::fputs("\r\033[K", stderr);
    }
    rankDiff(rows);
    std::vector<std::string> beyond;
    if (options.tolerance) {
        beyond = beyondTolerance(plan, rows, *options.tolerance);
        for (const std::string& what : beyond) {
            std::fprintf(stderr, "loupe: gate: %s\n", printable(what).c_str());
        }
    }
    return Output{
        common.json ? jsonText(plan, rows) : (options.csv ? csvText(rows) : humanText(plan, rows)),
        !beyond.empty()};
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    auto options = std::make_shared<Options>();
    app.add_option("a", options->a, "The reference: file, sharded index or model folder")
        ->required();
    app.add_option("b", options->b, "What is compared with it, in any container")->required();
    app.add_option("--tensor", options->globs, "Only tensors whose name in A or B matches");
    app.add_option("--tolerance",
                   options->tolerance,
                   "Exit status 3 where a relative_frobenius is above, or anything is unmatched")
        ->check(CLI::NonNegativeNumber);
    app.add_flag("--stored", options->stored, "The files' own entries, packed weights as they lie");
    app.add_flag("--csv", options->csv, "Print CSV");
    return [options, &common] { return run(*options, common); };
}

}  // namespace

extern const Command kCommand_diff;
const Command kCommand_diff{
    "diff", "Compare two checkpoints in any containers, worst tensors first", configure};

}  // namespace loupe::cli

// SPDX-License-Identifier: GPL-3.0-or-later
// loupe attention: how the tiles of an attention head are cut, and what each order of them moves.
#include "app/cli/command.hpp"
#include "core/attention/attention_trace.hpp"
#include "core/base/json_writer.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

namespace loupe::cli {

namespace {

struct Options {
    std::int64_t tokens = 1024;
    std::int64_t dim = 64;
    std::int64_t memory = 16384;
    std::int64_t block = 0;
    bool causal = false;
    bool count = false;
};

struct Row {
    AttentionAlgorithm algorithm;
    AttentionTiling tiling;
    MemoryTraffic traffic;                 ///< by the formula
    std::optional<MemoryTraffic> counted;  ///< by a run, element by element
    double largestDifference = 0;          ///< of the run's output from plain attention
};

Result<void> run(Row& row, const AttentionInput& input, const AttentionOutput& plain) {
    const auto trace = recordAttention(input, row.algorithm, row.tiling, {});
    if (!trace) {
        return fail(trace.error());
    }
    row.counted = (*trace)->steps.back().soFar;
    const Matrix<double>& output = (*trace)->result.output;
    for (std::int64_t i = 0; i < output.size(); ++i) {
        row.largestDifference =
            std::max(row.largestDifference, std::abs(output.data()[i] - plain.output.data()[i]));
    }
    return {};
}

Result<std::vector<Row>> rowsOf(const Options& options) {
    const AttentionTiling tiling = tileAttention({options.tokens, options.dim, options.memory});
    const AttentionTiling second =
        options.block > 0 ? tileAttention(options.tokens, options.block, options.block) : tiling;
    std::vector<Row> rows;
    for (const AttentionAlgorithm algorithm :
         {AttentionAlgorithm::Standard, AttentionAlgorithm::Flash1, AttentionAlgorithm::Flash2}) {
        const AttentionTiling& own = algorithm == AttentionAlgorithm::Flash2 ? second : tiling;
        rows.push_back({algorithm,
                        own,
                        attentionTraffic(algorithm, own, options.dim, options.causal),
                        std::nullopt});
    }
    if (options.count) {
        for (const Row& row : rows) {  // nothing is carried out where one of them cannot be
            if (Result<void> fits = checkAttentionSize(row.algorithm, row.tiling, options.dim);
                !fits) {
                return fail(fits.error());
            }
        }
        AttentionInput input = randomAttention(options.tokens, options.dim, 1);
        input.causal = options.causal;
        const AttentionOutput plain = plainAttention(input, {});
        for (Row& row : rows) {
            if (Result<void> done = run(row, input, plain); !done) {
                return fail(done.error());
            }
        }
    }
    return rows;
}

double ratioOf(const std::vector<Row>& rows, const Row& row) {
    return static_cast<double>(rows.front().traffic.total()) /
           static_cast<double>(row.traffic.total());
}

void writeTraffic(JsonWriter& json, const MemoryTraffic& traffic) {
    json.beginObject().key("reads").value(traffic.reads).key("writes").value(traffic.writes);
    json.key("total").value(traffic.total()).endObject();
}

std::string jsonText(const Options& options, const std::vector<Row>& rows) {
    JsonWriter json;
    json.beginObject().key("tokens").value(options.tokens).key("dim").value(options.dim);
    json.key("memory").value(options.memory).key("causal").value(options.causal);
    json.key("crossover_memory").value(crossoverMemory(options.dim));
    json.key("algorithms").beginArray();
    for (const Row& row : rows) {
        json.beginObject().key("algorithm").value(attentionName(row.algorithm));
        const bool tiled = row.algorithm != AttentionAlgorithm::Standard;
        const CausalTiles tiles = causalTiles(row.tiling);
        json.key("query_rows").value(row.tiling.queryRows);
        json.key("key_rows").value(tiled ? std::optional(row.tiling.keyRows) : std::nullopt);
        json.key("tiles").value(tiled ? std::optional(tiles.total) : std::nullopt);
        json.key("tiles_computed")
            .value(!tiled ? std::nullopt
                          : std::optional(options.causal ? tiles.computed : tiles.total));
        json.key("on_chip").value(tiled ? std::optional(onChipNeed(row.tiling, options.dim).total())
                                        : std::nullopt);
        json.key("traffic");
        writeTraffic(json, row.traffic);
        json.key("counted");
        if (row.counted) {
            writeTraffic(json, *row.counted);
            json.key("largest_difference").value(row.largestDifference);
        } else {
            json.null().key("largest_difference").null();
        }
        json.key("ratio").value(ratioOf(rows, row)).endObject();
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

std::string humanText(const Options& options, const std::vector<Row>& rows) {
    std::array<char, 256> line{};
    std::string text;
    const auto add = [&text, &line](int length) {
        text.append(line.data(), static_cast<std::size_t>(std::max(0, length)));
    };
    add(std::snprintf(line.data(),
                      line.size(),
                      "N %lld, d %lld, on-chip memory %lld elements%s; Algorithm 1 wins where M > "
                      "3d^2 = %lld\n",
                      static_cast<long long>(options.tokens),
                      static_cast<long long>(options.dim),
                      static_cast<long long>(options.memory),
                      options.causal ? ", causal" : "",
                      static_cast<long long>(crossoverMemory(options.dim))));
    add(std::snprintf(line.data(),
                      line.size(),
                      "%-10s %6s %6s %9s %14s %14s %14s %7s\n",
                      "",
                      "rows",
                      "keys",
                      "on chip",
                      "read",
                      "written",
                      "total",
                      "times"));
    for (const Row& row : rows) {
        const bool tiled = row.algorithm != AttentionAlgorithm::Standard;
        const std::string name(attentionName(row.algorithm));
        const std::string keys = tiled ? std::to_string(row.tiling.keyRows) : "all";
        const std::string chip =
            tiled ? std::to_string(onChipNeed(row.tiling, options.dim).total()) : "-";
        add(std::snprintf(line.data(),
                          line.size(),
                          "%-10s %6lld %6s %9s %14lld %14lld %14lld %7.2f\n",
                          name.c_str(),
                          static_cast<long long>(row.tiling.queryRows),
                          keys.c_str(),
                          chip.c_str(),
                          static_cast<long long>(row.traffic.reads),
                          static_cast<long long>(row.traffic.writes),
                          static_cast<long long>(row.traffic.total()),
                          ratioOf(rows, row)));
        if (row.counted) {
            add(std::snprintf(line.data(),
                              line.size(),
                              "%-10s %38s %14lld %14lld; largest difference from plain attention "
                              "%.1e\n",
                              "",
                              "counted",
                              static_cast<long long>(row.counted->reads),
                              static_cast<long long>(row.counted->writes),
                              row.largestDifference));
        }
    }
    return text;
}

Result<Output> answer(const Options& options, const Common& common) {
    const Result<std::vector<Row>> rows = rowsOf(options);
    if (!rows) {
        return fail(rows.error());
    }
    return Output{common.json ? jsonText(options, *rows) : humanText(options, *rows)};
}

}  // namespace

extern const Command kCommand_attention;
const Command kCommand_attention{
    "attention",
    "What standard and tiled attention move between main memory and the chip, in elements",
    [](CLI::App& app, const Common& common) -> std::function<Result<Output>()> {
        const auto options = std::make_shared<Options>();
        const auto positive = CLI::Range(std::int64_t{1}, std::int64_t{1} << 24);
        app.add_option("--seq", options->tokens, "Tokens N (default: 1024)")->check(positive);
        app.add_option("--dim", options->dim, "Numbers of a head d (default: 64)")
            ->check(CLI::Range(1, 4096));
        app.add_option("--memory", options->memory, "On-chip memory M, elements (default: 16384)")
            ->check(positive);
        app.add_option(
               "--block", options->block, "Rows of a block of flash2 (default: those of flash1)")
            ->check(positive);
        app.add_flag("--causal", options->causal, "A query sees the keys up to its own place");
        app.add_flag("--count",
                     options->count,
                     "Carry it out on random numbers, count every element, compare the outputs");
        return [options, &common] { return answer(*options, common); };
    }};

}  // namespace loupe::cli

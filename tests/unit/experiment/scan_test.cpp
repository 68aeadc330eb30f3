// SPDX-License-Identifier: Apache-2.0
// Scans: rows, parts, files that are gone on with, duplicates, memory.
#include "core/experiment/scan.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/experiment/scan_file.hpp"
#include "tests/support/checkpoint.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

using namespace loupe;
using Catch::Matchers::ContainsSubstring;
using test::FloatTensor;

namespace {

std::vector<float> numbers(std::int64_t count, std::uint64_t seed) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(randomStudentT(seed, i, 5));
    }
    return values;
}

/// Ten tensors: matrices of several sizes, a vector, a twin, and one with NaN.
std::shared_ptr<const TensorSource> checkpoint() {
    static const std::filesystem::path path = [] {
        std::vector<FloatTensor> tensors;
        for (int i = 0; i < 6; ++i) {
            const std::int64_t rows = 8 * (i + 1);
            tensors.push_back({"layer." + std::to_string(i),
                               {rows, 64},
                               numbers(rows * 64, static_cast<std::uint64_t>(i))});
        }
        tensors.push_back({"norm", {64}, std::vector<float>(64, 1.0F)});
        tensors.push_back({"norm2", {64}, std::vector<float>(64, 1.0F)});
        tensors.push_back({"twin", {24, 64}, tensors[2].values});
        tensors.push_back({"broken", {4, 64}, numbers(256, 9)});
        tensors.back().values[70] = std::numeric_limits<float>::quiet_NaN();
        const auto file = test::scratchDir() / "scan_checkpoint.safetensors";
        test::writeCheckpoint(file, tensors);
        return file;
    }();
    auto source = openSource(path.string());
    REQUIRE(source.has_value());
    return *source;
}

ScanRequest schemes() {
    ScanRequest request;
    request.schemes = {parseScheme("absmax:bits=4,group=32").value(), parseScheme("nf4").value()};
    return request;
}

std::vector<ScanRow> rowsOf(const TensorSource& source,
                            const ScanRequest& request,
                            std::span<const ScanRow> done = {}) {
    const Result<ScanPlan> plan = planScan(source, request);
    REQUIRE(plan.has_value());
    std::vector<ScanRow> rows;
    runScan(source, request, *plan, done, [&](const ScanRow& row) { rows.push_back(row); });
    return rows;
}

/// Without what differs from run to run.
std::string textOf(ScanRow row) {
    row.seconds = 0;
    JsonWriter json;
    writeScanRow(json, row);
    return json.text();
}

std::vector<std::string> textsOf(const std::vector<ScanRow>& rows) {
    std::vector<std::string> texts;
    std::transform(rows.begin(), rows.end(), std::back_inserter(texts), textOf);
    return texts;
}

const ScanRow& find(const std::vector<ScanRow>& rows,
                    const std::string& tensor,
                    const std::string& scheme) {
    const auto found = std::find_if(rows.begin(), rows.end(), [&](const ScanRow& row) {
        return row.tensor == tensor && row.scheme == scheme;
    });
    REQUIRE(found != rows.end());
    return *found;
}

ScanDocument partOf(const TensorSource& source, ScanRequest request, int part, int parts) {
    request.part = part;
    request.parts = parts;
    const Result<ScanPlan> plan = planScan(source, request);
    REQUIRE(plan.has_value());
    return {scanHeader(source, request, *plan), rowsOf(source, request)};
}

}  // namespace

TEST_CASE("a scan's rows say what stats and applyScheme say") {
    const auto source = checkpoint();
    const std::vector<ScanRow> rows = rowsOf(*source, schemes());
    REQUIRE(rows.size() == 10 + 2 * 8);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CHECK(rows[i].task == i);
    }
    const std::size_t index = source->find("layer.3").value();
    const auto matrix = source->matrix(index).value();
    const TensorStats stats = computeStats(*matrix).value();
    const ScanRow& plain = find(rows, "layer.3", "");
    CHECK(plain.metric("std") == stats.std);
    CHECK(plain.metric("absmax") == stats.absmax);
    CHECK(plain.metric("kurtosis") == stats.kurtosis);
    CHECK(plain.metric("outlier_input") == stats.outliers(true, 1).front().ratio);
    CHECK(plain.metric("bits_per_weight") == 32.0);
    CHECK_FALSE(plain.metric("sqnr_db").has_value());

    SchemeInput input;
    input.weights = matrix;
    const auto result = applyScheme(schemes().schemes[0], input).value();
    const ScanRow& scheme = find(rows, "layer.3", "absmax:bits=4,group=32");
    CHECK(scheme.metric("sqnr_db") == result->metrics.sqnrDb);
    CHECK(scheme.metric("relative_frobenius") == result->metrics.relativeFrobenius);
    CHECK(scheme.bitsPerWeight == result->bitsPerWeight);
    CHECK(scheme.zeros == result->zeros);
    CHECK_FALSE(scheme.metric("output_relative_error").has_value());
    CHECK_FALSE(scheme.metric("std").has_value());

    // Vectors have no rows under schemes; a NaN is a flag of the one and an error of the other.
    CHECK(std::count_if(rows.begin(), rows.end(), [](const ScanRow& row) {
              return row.tensor == "norm";
          }) == 1);
    CHECK(find(rows, "broken", "").flags.front().flag == TensorFlag::Nan);
    REQUIRE(find(rows, "broken", "nf4").error.has_value());
    CHECK_THAT(find(rows, "broken", "nf4").error->message(), ContainsSubstring("row 1, column 6"));
    CHECK_FALSE(find(rows, "broken", "nf4").metric("bits_per_weight").has_value());
}

TEST_CASE("duplicates: the later of two equal tensors, not constant ones") {
    const auto source = checkpoint();
    const std::vector<ScanRow> rows = rowsOf(*source, {});
    std::set<std::string> marked;
    for (const ScanRow& row : rows) {
        for (const RaisedFlag& raised : row.flags) {
            if (raised.flag == TensorFlag::Duplicate) {
                marked.insert(row.tensor + ": " + raised.detail);
            }
        }
    }
    CHECK(marked == std::set<std::string>{"twin: the same as 'layer.2'"});
}

TEST_CASE("every metric is named once; rows hold only those") {
    std::set<std::string_view> ids;
    for (const ScanMetric& metric : allScanMetrics()) {
        CHECK(ids.insert(metric.id).second);
        CHECK(findScanMetric(metric.id) == &metric);
        CHECK_FALSE(metric.help.empty());
    }
    CHECK(findScanMetric("no such metric") == nullptr);
    for (const ScanRow& row : rowsOf(*checkpoint(), schemes())) {
        std::size_t last = 0;
        for (const auto& [id, value] : row.metrics) {
            const ScanMetric* metric = findScanMetric(id);
            REQUIRE(metric != nullptr);
            CHECK(metric->ofScheme == !row.scheme.empty());
            const auto place = static_cast<std::size_t>(metric - allScanMetrics().data());
            CHECK(place > last);
            last = place;
        }
    }
}

TEST_CASE("scans do not depend on the number of threads") {
    const auto source = checkpoint();
    const int before = computeThreads();
    setComputeThreads(1);
    const std::vector<std::string> one = textsOf(rowsOf(*source, schemes()));
    for (const int threads : {2, 7}) {
        setComputeThreads(threads);
        CHECK(textsOf(rowsOf(*source, schemes())) == one);
    }
    setComputeThreads(before);
}

TEST_CASE("parts: every tensor in one, about as many bytes in each, and joined as if never cut") {
    const auto source = checkpoint();
    const std::vector<ScanRow> whole = rowsOf(*source, schemes());
    for (const int parts : {1, 2, 3, 7, 40}) {
        std::vector<ScanDocument> documents;
        std::vector<std::string> names;
        std::set<std::size_t> tasks;
        std::uint64_t largest = 0;
        std::uint64_t all = 0;
        for (int part = parts; part >= 1; --part) {
            ScanRequest request = schemes();
            request.part = part;
            request.parts = parts;
            const ScanPlan plan = planScan(*source, request).value();
            largest = std::max(largest, plan.bytes);
            all = plan.allBytes;
            for (const ScanTask& task : plan.tasks) {
                CHECK(tasks.insert(task.task).second);
            }
            documents.push_back(partOf(*source, schemes(), part, parts));
            names.push_back("part" + std::to_string(part));
        }
        CHECK(tasks.size() == whole.size());
        // No part exceeds the mean by more than the largest tensor's rows.
        constexpr std::uint64_t kLargestTensor = 3 * 48 * 64 * 4;
        CHECK(largest <= all / static_cast<std::uint64_t>(parts) + kLargestTensor);
        const Result<ScanDocument> merged = mergeScans(documents, names);
        REQUIRE(merged.has_value());
        CHECK(textsOf(merged->rows) == textsOf(whole));
        CHECK(merged->header == partOf(*source, schemes(), 1, 1).header);
    }
}

TEST_CASE("joining says what is missing and what contradicts") {
    const auto source = checkpoint();
    std::vector<ScanDocument> parts;
    for (int part = 1; part <= 3; ++part) {
        parts.push_back(partOf(*source, schemes(), part, 3));
    }
    const std::vector<std::string> names{"a", "b", "c"};
    SECTION("a part that is not there") {
        const auto merged = mergeScans(std::span(parts).first(2), std::span(names).first(2));
        REQUIRE_FALSE(merged.has_value());
        CHECK_THAT(merged.error().what, ContainsSubstring("part 3/3 is not given"));
    }
    SECTION("a row that is not there") {
        parts[1].rows.pop_back();
        const auto merged = mergeScans(parts, names);
        REQUIRE_FALSE(merged.has_value());
        CHECK_THAT(merged.error().what, ContainsSubstring("part 2/3 (b) has "));
    }
    SECTION("twice the same is no contradiction") {
        parts.push_back(parts[0]);
        parts.back().rows[0].seconds += 1;
        CHECK(mergeScans(parts, std::vector<std::string>{"a", "b", "c", "d"}).has_value());
    }
    SECTION("other figures for one tensor") {
        parts.push_back(parts[0]);
        parts.back().rows[0].zeros += 1;
        const auto merged = mergeScans(parts, std::vector<std::string>{"a", "b", "c", "d"});
        REQUIRE_FALSE(merged.has_value());
        CHECK_THAT(merged.error().what, ContainsSubstring("other figures in d than in a"));
    }
    SECTION("another scan") {
        ScanRequest other = schemes();
        other.schemes.pop_back();
        parts[2] = partOf(*source, other, 3, 3);
        const auto merged = mergeScans(parts, names);
        REQUIRE_FALSE(merged.has_value());
        CHECK_THAT(merged.error().what, ContainsSubstring("c does not belong to a"));
        CHECK_THAT(merged.error().what, ContainsSubstring("other schemes"));
    }
    CHECK_FALSE(mergeScans({}, {}).has_value());
}

TEST_CASE("plans refuse what cannot be done") {
    const auto source = checkpoint();
    ScanRequest request;
    request.parts = 2;
    request.part = 3;
    CHECK(planScan(*source, request).error().code == ErrorCode::Usage);
    request = {};
    request.globs = {"no such*"};
    CHECK(planScan(*source, request).error().code == ErrorCode::NotFound);
    request = {};
    request.schemes = {parseScheme("magnitude:scope=global").value()};
    CHECK(planScan(*source, request).error().code == ErrorCode::Unsupported);
}

TEST_CASE("a scan's file: rows come back as they were, and a cut line is dropped") {
    const auto source = checkpoint();
    const ScanRequest request = schemes();
    const ScanPlan plan = planScan(*source, request).value();
    const ScanHeader header = scanHeader(*source, request, plan, "activations=x.npy");
    const std::vector<ScanRow> rows = rowsOf(*source, request);
    const std::filesystem::path path = test::scratchDir() / "rows.jsonl";
    std::filesystem::remove(path);
    {
        ScanFile file;
        REQUIRE(file.open(path, header, true).has_value());
        CHECK(file.found().empty());
        for (std::size_t i = 0; i < 5; ++i) {
            REQUIRE(file.append(rows[i]).has_value());
        }
        ScanFile second;
        CHECK_FALSE(second.open(path, header, true).has_value());  // in use
    }
    std::ofstream(path, std::ios::app) << R"({"task":5,"tensor":"lay)";
    {
        ScanFile file;
        REQUIRE(file.open(path, header, true).has_value());
        REQUIRE(file.found().size() == 5);
        CHECK(textsOf(file.found()) ==
              textsOf(std::vector<ScanRow>(rows.begin(), rows.begin() + 5)));
        // Going on computes the rest and nothing twice; the twin is still found.
        std::vector<ScanRow> more;
        runScan(*source, request, plan, file.found(), [&](const ScanRow& row) {
            more.push_back(row);
            REQUIRE(file.append(row).has_value());
        });
        CHECK(more.size() == rows.size() - 5);
    }
    const Result<ScanDocument> read = readScan(path);
    REQUIRE(read.has_value());
    CHECK(read->header == header);
    CHECK(textsOf(read->rows) == textsOf(rows));

    ScanFile again;
    const auto exists = again.open(path, header, false);
    REQUIRE_FALSE(exists.has_value());
    CHECK_THAT(exists.error().hint, ContainsSubstring("--resume"));
    ScanHeader changed = header;
    changed.modified += 1;
    const auto other = ScanFile().open(path, changed, true);
    REQUIRE_FALSE(other.has_value());
    CHECK_THAT(other.error().what, ContainsSubstring("changed since"));
}

TEST_CASE("going on with a file that is no scan leaves it as it is") {
    const std::filesystem::path path = test::scratchDir() / "notes.txt";
    for (const char* text : {"somebody's notes", "a line\nand half a li", "{\"loupe_scam", "\n"}) {
        std::ofstream(path, std::ios::binary) << text;
        const Result<void> opened = ScanFile().open(path, ScanHeader{}, true);
        REQUIRE_FALSE(opened.has_value());
        CHECK_THAT(opened.error().message(), ContainsSubstring("notes.txt"));
        std::ifstream file(path, std::ios::binary);
        CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == text);
    }
    // What a process that died within the very first line left is such a file's beginning.
    for (const char* text : {"", "{\"loupe_", "{\"loupe_scan\":1,\"sou"}) {
        std::ofstream(path, std::ios::binary) << text;
        CHECK(ScanFile().open(path, ScanHeader{}, true).has_value());
        CHECK(readScan(path).has_value());
    }
}

TEST_CASE("scans without a row join") {
    const std::vector<ScanDocument> parts(2);
    const std::vector<std::string> names{"a", "b"};
    const Result<ScanDocument> merged = mergeScans(parts, names);
    REQUIRE(merged.has_value());
    CHECK(merged->rows.empty());
}

TEST_CASE("what is not a scan's file is refused at its place") {
    const std::filesystem::path path = test::scratchDir() / "bad.jsonl";
    for (const char* text :
         {"",
          "{\"loupe_scan\":2}\n",
          "{\"loupe_scan\":1}\n",
          "[1,2]\n",
          "{\"scan\":{},\"rows\":[]}",
          "{\"scan\":{\"loupe_scan\":1},\"rows\":7}",
          "\xff\xfe\n",
          "{\"loupe_scan\":1,\"source\":\"x\",\"fingerprint\":\"\",\"modified\":0,"
          "\"globs\":[],\"statistics\":true,\"schemes\":[],\"inputs\":\"\","
          "\"part\":1,\"parts\":1,\"tasks\":-1,\"all_tasks\":1}\n",
          "{\"loupe_scan\":1,\"source\":\"x\",\"fingerprint\":\"\",\"modified\":0,"
          "\"globs\":[],\"statistics\":true,\"schemes\":[],\"inputs\":\"\","
          "\"part\":1,\"parts\":1,\"tasks\":1,\"all_tasks\":1}\n{\"task\":0}\n"}) {
        std::ofstream(path, std::ios::binary) << text;
        const Result<ScanDocument> read = readScan(path);
        CAPTURE(text);
        REQUIRE_FALSE(read.has_value());
        CHECK(read.error().code == ErrorCode::Damaged);
        CHECK_THAT(read.error().message(), ContainsSubstring("bad.jsonl"));
    }
    CHECK(readScan(path.string() + ".none").error().code == ErrorCode::NotFound);
}

TEST_CASE("a cancelled scan ends within a tensor and keeps its finished rows") {
    const auto source = checkpoint();
    std::stop_source stop;
    auto progress = std::make_shared<Progress>();
    const JobContext ctx(stop.get_token(), progress);
    const ScanPlan plan = planScan(*source, {}).value();
    std::size_t seen = 0;
    const auto cut = [&] {
        runScan(
            *source,
            {},
            plan,
            {},
            [&](const ScanRow&) {
                if (++seen == 3) {
                    stop.request_stop();
                }
            },
            ctx);
    };
    CHECK_THROWS_AS(cut(), Cancelled);
    CHECK(seen == 3);
    CHECK(progress->total == plan.bytes);
    CHECK(progress->done > 0);
    CHECK(progress->done < plan.bytes);
}

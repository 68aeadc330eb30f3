// SPDX-License-Identifier: GPL-3.0-or-later
// Records: kept, read again, deleted, imported; what cannot be read stays.
#include "app/workspaces/timing/request_json.hpp"
#include "tests/gui/timing_fixture.hpp"
#include "tests/support/catch.hpp"

#include <QDir>
#include <QFileInfo>

using namespace loupe;
using namespace loupe::app;
using loupe::test::OwnRecords;
using loupe::test::timedRecord;

namespace {

QByteArray readAll(const QString& path) {
    QFile file(path);
    REQUIRE(file.open(QIODevice::ReadOnly));
    return file.readAll();
}

void write(const QString& path, const QByteArray& text) {
    QDir().mkpath(QFileInfo(path).absolutePath());
    QFile file(path);
    REQUIRE(file.open(QIODevice::WriteOnly));
    file.write(text);
}

/// A store as a new start of the program would see it.
std::unique_ptr<RecordStore> reopened(const QString& path) {
    auto store = std::make_unique<RecordStore>(path);
    const Result<QByteArray> text = RecordStore::readFile(path);
    REQUIRE(text.has_value());
    store->take(readRecords(*text));
    return store;
}

}  // namespace

TEST_CASE("timing records: kept one a line, and the same after a restart") {
    const OwnRecords own;
    RecordStore store(own.path);
    gpu::TimingRequest request;
    request.what = {"fp32", "w4a16"};
    request.matmul = {16, 12288, 4096, 64};
    request.cache = gpu::CacheState::Warm;
    request.seed = 18446744073709551615ULL;
    const gpu::RunRecord first = timedRecord("fp32", 1720);
    const gpu::RunRecord second = timedRecord("w4a16", 287);
    REQUIRE(store.append("a", first, request).has_value());
    REQUIRE(store.append("a", second, request).has_value());
    REQUIRE(store.append("b", first, gpu::TimingRequest()).has_value());
    CHECK(readAll(own.path).count('\n') == 3);
    const auto again = reopened(own.path);
    REQUIRE(again->runs().size() == 2);
    CHECK(again->runs()[0].id == "b");  // newest first
    const StoredRun* run = again->find("a");
    REQUIRE(run != nullptr);
    REQUIRE(run->records.size() == 2);
    CHECK(*run->records[0] == first);
    CHECK(*run->records[1] == second);
    REQUIRE(run->request.has_value());
    CHECK(*run->request == request);
    CHECK(again->recordCount() == 3);
}

TEST_CASE("timing records: a damaged line is reported, left alone, and hides nothing") {
    const OwnRecords own;
    RecordStore store(own.path);
    REQUIRE(store.append("a", timedRecord("fp32", 1720), {}).has_value());
    QByteArray text = readAll(own.path);
    text += "{\"schema\":\"loupe.run/1\",\"kind\":\"measu";  // cut off by a crash
    write(own.path, text);
    REQUIRE(store.append("b", timedRecord("bf16", 884), {}).has_value());
    const ReadRecords read = readRecords(readAll(own.path));
    CHECK(read.unreadable == 1);
    CHECK(read.firstProblem.startsWith("line 2"));
    const auto again = reopened(own.path);
    CHECK(again->recordCount() == 2);
    REQUIRE(again->remove({"a"}).has_value());
    CHECK(readAll(own.path).contains("measu"));
    CHECK(reopened(own.path)->runs().size() == 1);
    CHECK(reopened(own.path)->find("b") != nullptr);
}

TEST_CASE("timing records: deleting leaves what another window added meanwhile") {
    const OwnRecords own;
    RecordStore mine(own.path);
    RecordStore other(own.path);
    REQUIRE(mine.append("a", timedRecord("fp32", 1720), {}).has_value());
    REQUIRE(other.append("b", timedRecord("bf16", 884), {}).has_value());
    REQUIRE(mine.remove({"a"}).has_value());
    const auto again = reopened(own.path);
    CHECK(again->find("a") == nullptr);
    CHECK(again->find("b") != nullptr);
}

TEST_CASE("timing records: a file of `loupe time --json` comes in, once") {
    const OwnRecords own;
    RecordStore store(own.path);
    store.take({});
    const QString file = own.path + ".import";
    QByteArray lines;
    for (const char* format : {"fp32", "bf16"}) {
        lines += QByteArray::fromStdString(gpu::toJson(timedRecord(format, 900))) + '\n';
    }
    lines += QByteArray::fromStdString(gpu::toJson(timedRecord("fp32", 100, "Another CPU"))) +
             "\nno record\n";
    write(file, lines);
    const Result<RecordStore::Imported> first = store.import(*RecordStore::readImport(file));
    REQUIRE(first.has_value());
    CHECK(first->added == 3);
    CHECK(first->unreadable == 1);
    CHECK(first->runs.size() == 2);  // by machine
    const Result<RecordStore::Imported> second = store.import(*RecordStore::readImport(file));
    REQUIRE(second.has_value());
    CHECK(second->added == 0);
    CHECK(second->known == 3);
    CHECK(reopened(own.path)->recordCount() == 3);
    CHECK_FALSE(RecordStore::readImport(file + ".none").has_value());
}

TEST_CASE("timing records: a folder that cannot be written is an error, and the run goes on") {
    const OwnRecords own;
    write(own.path, "");
    RecordStore store(own.path + "/inside/a/file.jsonl");
    const Result<void> kept = store.append("a", timedRecord("fp32", 1), {});
    REQUIRE_FALSE(kept.has_value());
    CHECK_FALSE(kept.error().what.empty());
    CHECK(store.recordCount() == 1);  // still on screen
}

TEST_CASE("timing records: CSV has one line a record and reads back in digits") {
    const auto record = std::make_shared<const gpu::RunRecord>(timedRecord("w4a16", 287.125));
    const QString tsv = recordsTsv({record});
    const QStringList lines = tsv.split('\n', Qt::SkipEmptyParts);
    REQUIRE(lines.size() == 2);
    const QStringList head = lines[0].split('\t');
    const QStringList cells = lines[1].split('\t');
    REQUIRE(head.size() == cells.size());
    CHECK(cells[head.indexOf("median_us")].toDouble() == record->timing->medianUs);
    CHECK(cells[head.indexOf("shape")] == "1x4096x4096");
    CHECK(cells[head.indexOf("dram_bytes")].isEmpty());
    CHECK(cells[head.indexOf("bytes_min")].toDouble() == record->derived.bytesMin);
    const auto refused = [] {
        gpu::RunRecord none = timedRecord("fp8_e4m3", 1);
        none.timing.reset();
        none.check.reset();
        none.reason = "needs\ta tab";
        return std::make_shared<const gpu::RunRecord>(none);
    }();
    const QStringList both = recordsTsv({record, refused}).split('\n', Qt::SkipEmptyParts);
    REQUIRE(both.size() == 3);
    CHECK(both[2].split('\t').size() == head.size());
    CHECK(both[2].endsWith("needs a tab"));
}

TEST_CASE("timing requests: JSON and back, and nonsense becomes something that can run") {
    gpu::TimingRequest request;
    request.operation = gpu::Operation::Attention;
    request.attention.seq = 2048;
    request.attention.kvHeads = 8;
    request.attention.heads = 64;
    request.attention.causal = true;
    request.what = {"flash1", "flash2"};
    request.backend = "simt";
    request.kernel = "flash2_*";
    request.remote = "me@there";
    request.peers = false;
    request.samples = 7;
    request.seconds = 1.5;
    request.threads = 2;
    request.model = "llama-2-70b";
    CHECK(requestFromJson(toJson(request)) == request);
    CHECK(requestFromJson({}) == gpu::TimingRequest());
    const gpu::TimingRequest odd = requestFromJson(
        {{"matmul", QJsonObject{{"m", -5}, {"n", "many"}}}, {"samples", -1}, {"seed", "x"}});
    CHECK(odd.matmul.m == 1);
    CHECK(odd.matmul.n == 4096);
    CHECK(odd.samples == 0);
    CHECK(odd.seed == 1);
}

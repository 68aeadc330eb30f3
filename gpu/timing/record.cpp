// SPDX-License-Identifier: Apache-2.0
// Each field of a record is named once, in describe(): writing, reading and the list of fields
// cannot drift apart.
#include "gpu/timing/record.hpp"

#include "core/base/json_writer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>

namespace loupe::gpu {

namespace {

/// Keeps the order of the libraries as it was written.
using json = nlohmann::ordered_json;

constexpr const char* kSchema = "loupe.run/1";
constexpr std::array<std::pair<const char*, FigureKind>, 3> kKinds{{
    {"measured", FigureKind::Measured},
    {"counted", FigureKind::Counted},
    {"modelled", FigureKind::Modelled},
}};
constexpr std::array<std::pair<const char*, Operation>, 2> kOperations{{
    {"matmul", Operation::Matmul},
    {"attention", Operation::Attention},
}};
constexpr std::array<std::pair<const char*, CacheState>, 2> kCaches{{
    {"cold", CacheState::Cold},
    {"warm", CacheState::Warm},
}};

template <class Visitor>
void describe(Visitor& v, LineRecord& r);

class RecordWriter {
public:
    RecordWriter() { json_.beginObject(); }
    std::string finish() { return json_.endObject().text(); }

    template <class Body>
    void group(const char* name, const Body& body) {
        json_.key(name).beginObject();
        body();
        json_.endObject();
    }
    template <class Part>
    void optional(const char* name, std::optional<Part>& part) {
        if (part) {
            group(name, [&] { describe(*this, *part); });
        }
    }
    template <class Names, class Value>
    void named(const char* name, const Names& names, Value& value) {
        for (const auto& [text, meaning] : names) {
            if (meaning == value) {
                json_.key(name).value(text);
            }
        }
    }
    /// A number that is 0 where it is unknown or has no meaning, then null.
    template <class Value>
    void known(const char* name, Value& value) {
        json_.key(name);
        if (value == Value{}) {
            json_.null();
        } else {
            json_.value(value);
        }
    }
    /// A number that most records do not have: left out where it is 0.
    void seldom(const char* name, std::int64_t& value) {
        if (value != 0) {
            field(name, value);
        }
    }
    template <class Value>
    void field(const char* name, Value& value) {
        json_.key(name).value(value);
    }
    template <class Value>
    void needed(const char* name, Value& value) {
        field(name, value);
    }
    void field(const char* name, std::string& value) {
        json_.key(name);
        if (value.empty()) {
            json_.null();
        } else {
            json_.value(std::string_view(value));
        }
    }
    void field(const char* name, std::vector<double>& values) {
        json_.key(name).beginArray();
        for (const double value : values) {
            json_.value(value);
        }
        json_.endArray();
    }
    void field(const char* name, std::vector<std::string>& values) {
        json_.key(name).beginArray();
        for (const std::string& value : values) {
            json_.value(std::string_view(value));
        }
        json_.endArray();
    }
    void field(const char* name, std::vector<std::pair<std::string, std::string>>& values) {
        json_.key(name).beginObject();
        for (const auto& [key, value] : values) {
            json_.key(key).value(std::string_view(value));
        }
        json_.endObject();
    }
    void field(const char* name, std::vector<LineRecord>& lines) {
        json_.key(name).beginArray();
        for (LineRecord& line : lines) {
            json_.beginObject();
            describe(*this, line);
            json_.endObject();
        }
        json_.endArray();
    }
    void derivedField(const char* name, std::int64_t value) { json_.key(name).value(value); }

private:
    JsonWriter json_;
};

class RecordReader {
public:
    explicit RecordReader(const json& document) : object_(&document) {}
    [[nodiscard]] const std::string& problem() const { return problem_; }

    template <class Body>
    void group(const char* name, const Body& body) {
        if (const json* inner = find(name)) {
            enter(*inner, name, body);
        }
    }
    template <class Part>
    void optional(const char* name, std::optional<Part>& part) {
        if (const json* inner = find(name)) {
            part.emplace();
            enter(*inner, name, [&] { describe(*this, *part); });
        }
    }
    template <class Names, class Value>
    void named(const char* name, const Names& names, Value& value) {
        std::string text;
        needed(name, text);
        for (const auto& [known, meaning] : names) {
            if (text == known) {
                value = meaning;
                return;
            }
        }
        report(name, "holds a word that is not known");
    }
    template <class Value>
    void known(const char* name, Value& value) {
        field(name, value);
    }
    void seldom(const char* name, std::int64_t& value) { field(name, value); }
    template <class Value>
    void field(const char* name, Value& value) {
        if (const json* item = find(name)) {
            read(*item, name, value);
        }
    }
    template <class Value>
    void needed(const char* name, Value& value) {
        if (find(name) == nullptr) {
            report(name, "is missing");
        }
        field(name, value);
    }
    void derivedField(const char* name, std::int64_t value) {
        std::int64_t found = value;
        field(name, found);
        if (found != value) {
            report(name, "does not fit the rest of the record");
        }
    }

private:
    template <class Body>
    void enter(const json& inner, const char* name, const Body& body) {
        if (!inner.is_object()) {
            report(name, "is not an object");
            return;
        }
        const json* const outer = object_;
        const std::string path = path_;
        object_ = &inner;
        path_ += std::string(name) + ".";
        body();
        object_ = outer;
        path_ = path;
    }
    /// Null where it is absent or null.
    const json* find(const char* name) const {
        const auto item = object_->find(name);
        return item == object_->end() || item->is_null() ? nullptr : &*item;
    }
    void report(const char* name, const char* what) {
        if (problem_.empty()) {
            problem_ = "'" + path_ + name + "' " + what;
        }
    }

    void read(const json& item, const char* name, std::string& value) {
        if (item.is_string()) {
            value = item.get<std::string>();
        } else {
            report(name, "is not a text");
        }
    }
    void read(const json& item, const char* name, bool& value) {
        if (item.is_boolean()) {
            value = item.get<bool>();
        } else {
            report(name, "is not true or false");
        }
    }
    void read(const json& item, const char* name, double& value) {
        if (item.is_number()) {
            value = item.get<double>();
            return;
        }
        const std::string text = item.is_string() ? item.get<std::string>() : std::string();
        constexpr double kInfinity = std::numeric_limits<double>::infinity();
        if (text == "nan") {
            value = std::numeric_limits<double>::quiet_NaN();
        } else if (text == "inf" || text == "-inf") {
            value = text == "inf" ? kInfinity : -kInfinity;
        } else {
            report(name, "is not a number");
        }
    }
    template <class Integer>
    requires std::is_integral_v<Integer>
    void read(const json& item, const char* name, Integer& value) {
        if (item.is_number_unsigned()) {
            const auto number = item.get<std::uint64_t>();
            if (number <= static_cast<std::uint64_t>(std::numeric_limits<Integer>::max())) {
                value = static_cast<Integer>(number);
                return;
            }
        } else if (item.is_number_integer() && std::is_signed_v<Integer>) {
            const auto number = item.get<std::int64_t>();
            if (number >= static_cast<std::int64_t>(std::numeric_limits<Integer>::min())) {
                value = static_cast<Integer>(number);
                return;
            }
        }
        report(name, "is not a whole number of its range");
    }
    template <class Item>
    void read(const json& item, const char* name, std::vector<Item>& values) {
        if (!item.is_array()) {
            report(name, "is not an array");
            return;
        }
        values.clear();
        for (const json& element : item) {
            values.emplace_back();
            if constexpr (std::is_same_v<Item, LineRecord>) {
                enter(element, name, [&] { describe(*this, values.back()); });
            } else {
                read(element, name, values.back());
            }
        }
    }
    void read(const json& item,
              const char* name,
              std::vector<std::pair<std::string, std::string>>& values) {
        if (!item.is_object()) {
            report(name, "is not an object");
            return;
        }
        values.clear();
        for (const auto& [key, value] : item.items()) {
            values.emplace_back(key, std::string());
            read(value, name, values.back().second);
        }
    }

    const json* object_;
    std::string path_;
    std::string problem_;
};

/// Notes the path of every field.
class FieldLister {
public:
    [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }

    template <class Body>
    void group(const char* name, const Body& body) {
        const std::string outer = prefix_;
        prefix_ += std::string(name) + ".";
        body();
        prefix_ = outer;
    }
    template <class Part>
    void optional(const char* name, std::optional<Part>& part) {
        part.emplace();
        group(name, [&] { describe(*this, *part); });
    }
    template <class Names, class Value>
    void named(const char* name, const Names& /*names*/, Value& /*value*/) {
        add(name);
    }
    template <class Value>
    void known(const char* name, Value& /*value*/) {
        add(name);
    }
    template <class Value>
    void field(const char* name, Value& /*value*/) {
        add(name);
    }
    void field(const char* name, std::vector<LineRecord>& /*lines*/) {
        LineRecord line;
        group(name, [&] { describe(*this, line); });
    }
    template <class Value>
    void needed(const char* name, Value& /*value*/) {
        add(name);
    }
    void seldom(const char* name, std::int64_t& /*value*/) { add(name); }
    void derivedField(const char* name, std::int64_t /*value*/) { add(name); }

private:
    void add(const char* name) {
        const std::string path = prefix_ + name;
        if (std::find(paths_.begin(), paths_.end(), path) == paths_.end()) {
            paths_.push_back(path);
        }
    }
    std::string prefix_;
    std::vector<std::string> paths_;
};

template <class Visitor>
void describe(Visitor& v, DeviceRecord& r) {
    v.field("name", r.name);
    v.field("uuid", r.uuid);
    v.field("cc", r.computeCapability);
    v.known("sms", r.multiprocessors);
    v.known("l2", r.l2Bytes);
    v.known("mem", r.memoryBytes);
    v.field("driver", r.driver);
    v.known("api", r.api);
    v.field("libs", r.libraries);
}

template <class Visitor>
void describe(Visitor& v, KernelRecord& r) {
    v.field("id", r.id);
    v.field("family", r.family);
    v.field("source", r.source);
    v.field("sha256", r.sha256);
    v.field("arch", r.arch);
    v.known("regs", r.registers);
    v.field("smem", r.sharedBytes);
    v.field("spill", r.spillBytes);
}

template <class Visitor>
void describe(Visitor& v, CaseRecord& r) {
    v.named("op", kOperations, r.operation);
    if (r.operation == Operation::Matmul) {
        v.needed("M", r.matmul.m);
        v.needed("N", r.matmul.n);
        v.needed("K", r.matmul.k);
        v.field("group", r.matmul.group);
        v.field("outliers", r.matmul.outliers);
    } else {
        v.needed("seq", r.attention.seq);
        v.needed("dim", r.attention.dim);
        v.field("heads", r.attention.heads);
        v.field("kv_heads", r.attention.kvHeads);
        v.field("batch", r.attention.batch);
        v.field("causal", r.attention.causal);
        v.field("decode", r.attention.decode);
    }
    v.needed("format", r.format);
    v.field("a", r.a);
    v.field("b", r.b);
    v.field("acc", r.accumulator);
    v.field("out", r.output);
    v.field("model", r.model);
    v.field("layer", r.layer);
    v.field("phase", r.phase);
}

template <class Visitor>
void describe(Visitor& v, CheckRecord& r) {
    v.field("ref", r.reference);
    v.field("rel_fro", r.relFro);
    v.field("max_abs", r.maxAbs);
    v.field("tol", r.tolerance);
    v.field("format_error", r.formatError);
    v.field("compared", r.compared);
    v.field("poisoned", r.poisoned);
    v.needed("passed", r.passed);
}

template <class Visitor>
void describe(Visitor& v, TimingRecord& r) {
    v.field("clock", r.clock);
    v.named("cache", kCaches, r.cache);
    v.field("flush_bytes", r.flushBytes);
    v.field("warmup_ms", r.warmupMs);
    v.field("samples_us", r.samplesUs);
    v.needed("median_us", r.medianUs);
    v.field("q1_us", r.q1Us);
    v.field("q3_us", r.q3Us);
    v.field("min_us", r.minUs);
    v.field("p95_us", r.p95Us);
    v.derivedField("n", static_cast<std::int64_t>(r.samplesUs.size()));
    v.field("discarded", r.discarded);
    v.seldom("in_turn", r.inTurn);
    v.field("stop_reason", r.stopReason);
}

template <class Visitor>
void describe(Visitor& v, ClockRecord& r) {
    v.known("sm_mhz_probe_median", r.smMhzProbeMedian);
    v.known("sm_mhz_default", r.smMhzDefault);
    v.group("before", [&] {
        v.known("sm_mhz", r.smMhzBefore);
        v.known("temperature_c", r.temperatureBefore);
    });
    v.group("after", [&] {
        v.known("sm_mhz", r.smMhzAfter);
        v.known("temperature_c", r.temperatureAfter);
    });
    v.known("mem_mhz", r.memoryMhz);
    v.known("power_w", r.powerWatts);
    v.known("foreign_share", r.foreignShare);
    v.field("event_reasons", r.eventReasons);
}

template <class Visitor>
void describe(Visitor& v, LineRecord& r) {
    v.field("file", r.file);
    v.field("line", r.line);
    v.field("memory", r.memory);
    v.field("requests", r.requests);
    v.field("bytes", r.bytes);
    v.field("cost", r.cost);
    v.field("ideal", r.ideal);
}

template <class Visitor>
void describe(Visitor& v, CountRecord& r) {
    v.field("requested_bytes", r.requestedBytes);
    v.field("sector_bytes", r.sectorBytes);
    v.field("dram_bytes", r.dramBytes);
    v.field("cache_bytes", r.cacheBytes);
    v.field("shared_bytes", r.sharedBytes);
    v.field("shared_wavefronts", r.sharedWavefronts);
    v.field("shared_ideal", r.sharedIdeal);
    v.field("flops", r.flops);
    v.field("integer_ops", r.integerOps);
    v.field("exponentials", r.exponentials);
    v.field("barriers", r.barriers);
    v.field("blocks_counted", r.blocksCounted);
    v.field("lines", r.lines);
}

template <class Visitor>
void describe(Visitor& v, DerivedRecord& r) {
    v.known("flops", r.flops);
    v.known("bytes_min", r.bytesMin);
    v.known("tflops", r.tflops);
    v.known("gbps", r.gbps);
    v.known("intensity", r.intensity);
    v.known("floor_us", r.floorUs);
    v.field("floor_side", r.floorSide);
    v.known("of_floor", r.ofFloor);
    v.field("ceiling_source", r.ceilingSource);
    v.known("peak_tflops", r.peakTflops);
    v.known("bandwidth_gbps", r.bandwidthGbps);
}

template <class Visitor>
void describe(Visitor& v, RunRecord& r) {
    std::string schema = kSchema;
    v.needed("schema", schema);
    v.named("kind", kKinds, r.kind);
    v.needed("backend", r.backend);
    v.group("device", [&] { describe(v, r.device); });
    v.group("kernel", [&] { describe(v, r.kernel); });
    v.group("case", [&] { describe(v, r.what); });
    v.group("data", [&] {
        v.field("dist", r.distribution);
        v.field("seed", r.seed);
    });
    v.optional("check", r.check);
    v.optional("timing", r.timing);
    v.optional("clocks", r.clocks);
    v.optional("counts", r.counts);
    v.group("derived", [&] { describe(v, r.derived); });
    v.group("env", [&] {
        v.field("utc", r.environment.utc);
        v.field("host", r.environment.host);
        v.field("commit", r.environment.commit);
    });
    v.field("reason", r.reason);
}

/// The nesting a line may have; deeper is nobody's record and could exhaust the stack.
bool isTooDeep(std::string_view line) {
    int depth = 0;
    int deepest = 0;
    for (const char c : line) {
        depth += c == '{' || c == '[' ? 1 : 0;
        depth -= c == '}' || c == ']' ? 1 : 0;
        deepest = std::max(deepest, depth);
    }
    return deepest > 64;
}

}  // namespace

std::string toJson(const RunRecord& record) {
    RunRecord copy = record;
    RecordWriter writer;
    describe(writer, copy);
    return writer.finish();
}

Result<RunRecord> parseRecord(std::string_view line) {
    const json document =
        isTooDeep(line) ? json(json::value_t::discarded) : json::parse(line, nullptr, false);
    if (!document.is_object()) {
        return fail(ErrorCode::Damaged, "this line is not a JSON object");
    }
    const auto schema = document.find("schema");
    if (schema == document.end() || *schema != kSchema) {
        return fail(ErrorCode::Damaged,
                    std::string("'schema' is not \"") + kSchema + "\": no record of a timing run");
    }
    for (const char* part : {"kernel", "case"}) {
        if (document.find(part) == document.end()) {
            return fail(ErrorCode::Damaged, std::string("'") + part + "' is missing");
        }
    }
    RunRecord record;
    RecordReader reader(document);
    describe(reader, record);
    if (!reader.problem().empty()) {
        return fail(ErrorCode::Damaged, reader.problem());
    }
    return record;
}

std::vector<std::string> recordFields() {
    FieldLister lister;
    for (const Operation operation : {Operation::Matmul, Operation::Attention}) {
        RunRecord record;
        record.what.operation = operation;
        describe(lister, record);
    }
    return lister.paths();
}

std::string machineKey(const RunRecord& record) {
    const DeviceRecord& device = record.device;
    return record.backend + "|" + (device.uuid.empty() ? device.name : device.uuid) + "|" +
           device.driver;
}

int compareTimes(const TimingRecord& a, const TimingRecord& b) {
    if (a.q3Us < b.q1Us) {
        return -1;
    }
    return b.q3Us < a.q1Us ? 1 : 0;
}

}  // namespace loupe::gpu

// SPDX-License-Identifier: Apache-2.0
#include "gpu/timing/problem.hpp"

#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/base/version.hpp"
#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>
#include <set>
#include <unistd.h>

namespace loupe::gpu {

namespace {

constexpr double kMostReferenceOperations = 0x1p31;
constexpr std::int64_t kSampledRows = 64;

/// Borders of the matrix and of the usual tiles first, then rows by the seed.
std::vector<std::int64_t> sampledRows(std::int64_t rows, std::uint64_t seed) {
    std::set<std::int64_t> chosen;
    for (const std::int64_t edge : {std::int64_t{0},
                                    std::int64_t{1},
                                    std::int64_t{15},
                                    std::int64_t{16},
                                    std::int64_t{31},
                                    std::int64_t{32},
                                    std::int64_t{63},
                                    std::int64_t{64},
                                    std::int64_t{127},
                                    std::int64_t{128},
                                    rows / 2,
                                    rows - 2,
                                    rows - 1}) {
        if (edge >= 0 && edge < rows) {
            chosen.insert(edge);
        }
    }
    const std::int64_t wanted = std::min(rows, kSampledRows);
    for (std::uint64_t draw = 0; static_cast<std::int64_t>(chosen.size()) < wanted; ++draw) {
        const auto row =
            static_cast<std::int64_t>(randomUniform(seed, draw) * static_cast<double>(rows));
        chosen.insert(std::min(row, rows - 1));
    }
    return {chosen.begin(), chosen.end()};
}

/// Values of all 16-bit codes of a format.
std::vector<float> valueTable(const char* format) {
    const NumberFormat& found = *findFormat(format);
    std::vector<float> table(std::size_t{1} << 16);
    for (std::size_t code = 0; code < table.size(); ++code) {
        table[code] = static_cast<float>(decode(found, code));
    }
    return table;
}

const std::vector<float>& tableOf(ElementType type) {
    static const std::vector<float> kHalf = valueTable("fp16");
    static const std::vector<float> kBrain = valueTable("bf16");
    return type == ElementType::Float16 ? kHalf : kBrain;
}

template <class T>
T loadAt(std::span<const std::byte> bytes, std::int64_t index) {
    T value{};
    std::memcpy(&value, bytes.data() + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
    return value;
}

double valueAt(const OutputToCheck& output, std::int64_t index) {
    switch (output.type) {
        case ElementType::Float32:
            return static_cast<double>(loadAt<float>(output.bytes, index));
        case ElementType::Float16:
        case ElementType::BFloat16:
            return static_cast<double>(
                tableOf(output.type)[loadAt<std::uint16_t>(output.bytes, index)]);
        case ElementType::Int32:
            return static_cast<double>(loadAt<std::int32_t>(output.bytes, index));
        case ElementType::Int8:
            return static_cast<double>(loadAt<std::int8_t>(output.bytes, index));
        case ElementType::UInt8:
            return static_cast<double>(loadAt<std::uint8_t>(output.bytes, index));
        case ElementType::UInt32:
            return static_cast<double>(loadAt<std::uint32_t>(output.bytes, index));
    }
    return std::numeric_limits<double>::quiet_NaN();
}

std::int64_t bytesPerElement(ElementType type) {
    switch (type) {
        case ElementType::Float16:
        case ElementType::BFloat16:
            return 2;
        case ElementType::Int8:
        case ElementType::UInt8:
            return 1;
        default:
            return 4;
    }
}

bool allFinite(const OutputToCheck& output, std::int64_t count) {
    if (output.type != ElementType::Float32 && output.type != ElementType::Float16 &&
        output.type != ElementType::BFloat16) {
        return true;
    }
    bool finite = true;
    for (std::int64_t i = 0; i < count && finite; ++i) {
        finite = std::isfinite(valueAt(output, i));
    }
    return finite;
}

/// Sums of squares of a comparison.
struct Difference {
    double error = 0;
    double size = 0;
    double largest = 0;
    void add(double value, double expected) {
        const double d = value - expected;
        error += d * d;
        size += expected * expected;
        largest = std::isnan(d) ? d : std::max(largest, std::abs(d));
    }
    [[nodiscard]] double relative() const {
        return size > 0 ? std::sqrt(error / size)
                        : (error == 0 ? 0.0 : std::numeric_limits<double>::infinity());
    }
};

bool equal(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

}  // namespace

std::int64_t outputRows(const TimingRequest& request) {
    if (request.operation == Operation::Matmul) {
        return request.matmul.m;
    }
    const AttentionShape& s = request.attention;
    return s.batch * s.heads * s.queries();
}

std::int64_t outputColumns(const TimingRequest& request) {
    return request.operation == Operation::Matmul ? request.matmul.n : request.attention.dim;
}

double operations(const TimingRequest& request) {
    if (request.operation == Operation::Matmul) {
        const MatmulShape& s = request.matmul;
        return 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
    }
    const AttentionShape& s = request.attention;
    return 4.0 * static_cast<double>(s.queries()) * static_cast<double>(s.seq) *
           static_cast<double>(s.dim) * static_cast<double>(s.heads * s.batch) *
           (s.causal ? 0.5 : 1.0);
}

Problem::Problem(const TimingRequest& request, const JobContext& ctx)
    : request_(request), ctx_(ctx) {
    const std::int64_t rows = outputRows(request_);
    if (operations(request_) > kMostReferenceOperations && rows > kSampledRows) {
        rows_ = sampledRows(rows, request_.seed);
    }
}

const MatmulProblem& Problem::matmul() {
    if (matmul_.x.empty()) {
        matmul_ = makeMatmulProblem(request_.matmul, request_.seed, ctx_);
    }
    return matmul_;
}

const AttentionProblem& Problem::attention() {
    if (attention_.q.empty()) {
        attention_ = makeAttentionProblem(request_.attention, request_.seed, ctx_);
    }
    return attention_;
}

LaunchPlan Problem::plan(const Kernel& kernel) {
    return request_.operation == Operation::Matmul ? kernel.planMatmul(matmul(), ctx_)
                                                   : kernel.planAttention(attention(), ctx_);
}

std::vector<double> Problem::compute(std::span<const float> x,
                                     std::span<const float> w,
                                     std::span<const float> v) {
    std::vector<std::int64_t> rows = rows_;
    if (rows.empty()) {
        rows.resize(static_cast<std::size_t>(outputRows(request_)));
        for (std::size_t i = 0; i < rows.size(); ++i) {
            rows[i] = static_cast<std::int64_t>(i);
        }
    }
    return request_.operation == Operation::Matmul
               ? referenceMatmul(x, w, request_.matmul, rows, ctx_)
               : referenceAttention(x, w, v, request_.attention, rows, ctx_);
}

const std::vector<double>& Problem::reference(const OutputToCheck& output) {
    const bool isMatmul = request_.operation == Operation::Matmul;
    const std::span<const float> ownX =
        isMatmul ? std::span<const float>(matmul().x) : attention().q;
    const std::span<const float> ownW =
        isMatmul ? std::span<const float>(matmul().w) : attention().k;
    const std::span<const float> ownV =
        isMatmul ? std::span<const float>() : std::span<const float>(attention().v);
    if (original_.empty()) {
        original_ = compute(ownX, ownW, ownV);
    }
    if (output.x.empty() && output.w.empty() && output.v.empty()) {
        return original_;
    }
    const std::span<const float> x = output.x.empty() ? ownX : output.x;
    const std::span<const float> w = output.w.empty() ? ownW : output.w;
    const std::span<const float> v = output.v.empty() ? ownV : output.v;
    if (last_.values.empty() || !equal(last_.x, x) || !equal(last_.w, w) || !equal(last_.v, v)) {
        last_.x.assign(x.begin(), x.end());
        last_.w.assign(w.begin(), w.end());
        last_.v.assign(v.begin(), v.end());
        last_.values = compute(x, w, v);
    }
    return last_.values;
}

CheckRecord Problem::check(const OutputToCheck& output) {
    const std::int64_t columns = outputColumns(request_);
    const std::int64_t count = outputRows(request_) * columns;
    CheckRecord record;
    record.reference = rows_.empty() ? "f64-cpu" : "f64-cpu-sampled";
    record.tolerance = output.tolerance;
    if (static_cast<std::int64_t>(output.bytes.size()) < count * bytesPerElement(output.type)) {
        record.relFro = record.maxAbs = std::numeric_limits<double>::quiet_NaN();
        return record;
    }
    const std::vector<double>& expected = reference(output);
    Difference own;
    Difference original;
    const std::int64_t compared =
        rows_.empty() ? outputRows(request_) : static_cast<std::int64_t>(rows_.size());
    for (std::int64_t i = 0; i < compared; ++i) {
        const std::int64_t row = rows_.empty() ? i : rows_[static_cast<std::size_t>(i)];
        const double rowScale =
            output.rowScale.empty()
                ? 1.0
                : static_cast<double>(output.rowScale[static_cast<std::size_t>(row)]);
        for (std::int64_t j = 0; j < columns; ++j) {
            const auto at = static_cast<std::size_t>(i * columns + j);
            const double value = valueAt(output, row * columns + j);
            const double scale =
                output.columnScale.empty()
                    ? rowScale
                    : rowScale *
                          static_cast<double>(output.columnScale[static_cast<std::size_t>(j)]);
            own.add(value, expected[at]);
            original.add(value * scale, original_[at]);
        }
    }
    record.compared = compared * columns;
    record.relFro = own.relative();
    record.maxAbs = own.largest;
    record.formatError = original.relative();
    if (!allFinite(output, count)) {
        record.relFro = std::numeric_limits<double>::quiet_NaN();
    }
    record.passed = record.relFro <= record.tolerance;  // false for NaN
    return record;
}

std::string titleOf(Operation operation, std::string_view word) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kTitles{{
        {"w8a8", "8-bit weights and activations"},
        {"int8", "8-bit weights and activations, exact sums"},
        {"w8a16", "8-bit weights, 16-bit activations"},
        {"w4a16", "4-bit weights, 16-bit activations"},
        {"w4a8", "4-bit weights, 8-bit activations"},
        {"int8_outliers", "LLM.int8(): 8 bits, outliers in 16"},
        {"sparse24", "2 of 4 weights kept"},
        {"standard", "three kernels, scores in memory"},
        {"flash1", "FlashAttention, algorithm 1"},
        {"flash2", "FlashAttention-2"},
        {"decode", "one query against stored keys"},
    }};
    for (const auto& [name, title] : kTitles) {
        if (name == word) {
            return std::string(title);
        }
    }
    const NumberFormat* const format = operation == Operation::Matmul ? findFormat(word) : nullptr;
    return std::string(format == nullptr ? word : format->title);
}

std::vector<Offer> kernelOffers() {
    std::vector<Offer> offers;
    for (const KernelFamily* family : kernelFamilies()) {
        for (const Kernel& kernel : family->kernels) {
            const bool known = std::any_of(offers.begin(), offers.end(), [&](const Offer& offer) {
                return offer.operation == kernel.operation && offer.name == kernel.what;
            });
            if (!known && !kernel.what.empty()) {
                const NumberFormat* const weights = findFormat(kernel.b);
                offers.push_back({kernel.operation,
                                  std::string(kernel.what),
                                  titleOf(kernel.operation, kernel.what),
                                  kernel.operation == Operation::Matmul && weights != nullptr
                                      ? static_cast<double>(weights->bits)
                                      : 0.0,
                                  {}});
            }
        }
    }
    return offers;
}

std::vector<std::string> wordsOf(const TimingRequest& request,
                                 const std::vector<std::string>& more) {
    std::vector<std::string> words;
    const auto add = [&](const std::string& word) {
        if (std::find(words.begin(), words.end(), word) == words.end()) {
            words.push_back(word);
        }
    };
    for (const std::string& word : request.what) {
        if (word != "all") {
            add(word);
            continue;
        }
        for (const Offer& offer : kernelOffers()) {
            if (offer.operation == request.operation) {
                add(offer.name);
            }
        }
        std::for_each(more.begin(), more.end(), add);
    }
    return words;
}

std::vector<const Kernel*> kernelsFor(const TimingRequest& request) {
    std::vector<const Kernel*> chosen;
    for (const std::string& word : wordsOf(request, {})) {
        for (const KernelFamily* family : kernelFamilies()) {
            for (const Kernel& kernel : family->kernels) {
                if (kernel.operation == request.operation && kernel.what == word &&
                    (request.kernel.empty() || matchesGlob(request.kernel, kernel.id))) {
                    chosen.push_back(&kernel);
                }
            }
        }
    }
    return chosen;
}

EnvironmentRecord environmentNow() {
    EnvironmentRecord environment;
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    environment.utc = text.data();
    std::array<char, 256> host{};
    if (gethostname(host.data(), host.size() - 1) == 0) {
        environment.host = host.data();
    }
    environment.commit = kVersion;
    return environment;
}

RunRecord recordFor(const TimingRequest& request, std::string_view backend) {
    RunRecord record;
    record.backend = backend;
    record.seed = request.seed;
    record.what.operation = request.operation;
    if (request.operation == Operation::Matmul) {
        record.what.matmul = request.matmul;
        record.what.phase = request.matmul.m < 16 ? "decode" : "prefill";
    } else {
        record.what.attention = request.attention;
        record.what.phase = request.attention.decode ? "decode" : "prefill";
    }
    record.what.model = request.model;
    record.what.layer = request.layer;
    record.derived.flops = operations(request);
    record.environment = environmentNow();
    return record;
}

void describeKernel(RunRecord& record, const Kernel& kernel, const TimingRequest& request) {
    record.kernel.id = kernel.id;
    record.kernel.family = kernel.family;
    record.kernel.source = "embedded";
    record.kernel.sha256 = kernelSha256(kernel.family);
    record.what.format = kernel.what;
    record.what.a = kernel.a;
    record.what.b = kernel.b;
    record.what.accumulator = kernel.accumulator;
    record.what.output = kernel.output;
    if (kernel.cost != nullptr) {
        const KernelCost cost = kernel.cost(request);
        record.derived.flops = cost.flops;
        record.derived.bytesMin = cost.bytes;
    }
}

}  // namespace loupe::gpu

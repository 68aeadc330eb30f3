// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/request_json.hpp"

#include <QJsonArray>

#include <algorithm>

namespace loupe::app {

namespace {

using gpu::AttentionShape;
using gpu::MatmulShape;
using gpu::TimingRequest;

QJsonValue number(std::int64_t value) {
    return QJsonValue(static_cast<qint64>(value));
}

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

void take(const QJsonObject& json, const char* key, std::int64_t& value) {
    value = std::max<std::int64_t>(1, json[QLatin1String(key)].toInteger(value));
}

void take(const QJsonObject& json, const char* key, bool& value) {
    value = json[QLatin1String(key)].toBool(value);
}

void take(const QJsonObject& json, const char* key, std::string& value) {
    value = json[QLatin1String(key)].toString(toQ(value)).toStdString();
}

}  // namespace

QJsonObject toJson(const TimingRequest& request) {
    QJsonArray what;
    for (const std::string& each : request.what) {
        what.append(toQ(each));
    }
    const MatmulShape& m = request.matmul;
    const AttentionShape& a = request.attention;
    return {
        {"operation",
         request.operation == gpu::Operation::Matmul ? QStringLiteral("matmul")
                                                     : QStringLiteral("attention")},
        {"matmul",
         QJsonObject{{"m", number(m.m)},
                     {"n", number(m.n)},
                     {"k", number(m.k)},
                     {"group", number(m.group)},
                     {"outliers", number(m.outliers)}}},
        {"attention",
         QJsonObject{{"seq", number(a.seq)},
                     {"dim", number(a.dim)},
                     {"heads", number(a.heads)},
                     {"kv_heads", number(a.kvHeads)},
                     {"batch", number(a.batch)},
                     {"causal", a.causal},
                     {"decode", a.decode}}},
        {"what", what},
        {"backend", toQ(request.backend)},
        {"kernel", toQ(request.kernel)},
        {"remote", toQ(request.remote)},
        {"cache",
         request.cache == gpu::CacheState::Cold ? QStringLiteral("cold") : QStringLiteral("warm")},
        {"peers", request.peers},
        {"samples", request.samples},
        {"seconds", request.seconds},
        {"seed", QString::number(request.seed)},
        {"threads", request.threads},
        {"model", toQ(request.model)},
        {"layer", toQ(request.layer)},
    };
}

TimingRequest requestFromJson(const QJsonObject& json) {
    TimingRequest request;
    if (json[QStringLiteral("operation")].toString() == QLatin1String("attention")) {
        request.operation = gpu::Operation::Attention;
    }
    const QJsonObject m = json[QStringLiteral("matmul")].toObject();
    take(m, "m", request.matmul.m);
    take(m, "n", request.matmul.n);
    take(m, "k", request.matmul.k);
    take(m, "group", request.matmul.group);
    request.matmul.outliers = std::max<std::int64_t>(0, m[QLatin1String("outliers")].toInteger());
    const QJsonObject a = json[QStringLiteral("attention")].toObject();
    take(a, "seq", request.attention.seq);
    take(a, "dim", request.attention.dim);
    take(a, "heads", request.attention.heads);
    take(a, "kv_heads", request.attention.kvHeads);
    take(a, "batch", request.attention.batch);
    take(a, "causal", request.attention.causal);
    take(a, "decode", request.attention.decode);
    for (const QJsonValue each : json[QStringLiteral("what")].toArray()) {
        request.what.push_back(each.toString().toStdString());
    }
    take(json, "backend", request.backend);
    take(json, "kernel", request.kernel);
    take(json, "remote", request.remote);
    if (json[QStringLiteral("cache")].toString() == QLatin1String("warm")) {
        request.cache = gpu::CacheState::Warm;
    }
    take(json, "peers", request.peers);
    request.samples = std::max(0, json[QStringLiteral("samples")].toInt());
    request.seconds = std::max(0.0, json[QStringLiteral("seconds")].toDouble());
    bool ok = false;
    const quint64 seed = json[QStringLiteral("seed")].toString().toULongLong(&ok);
    request.seed = ok ? seed : request.seed;
    request.threads = std::max(0, json[QStringLiteral("threads")].toInt());
    take(json, "model", request.model);
    take(json, "layer", request.layer);
    return request;
}

}  // namespace loupe::app

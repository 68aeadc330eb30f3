// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/timing_text.hpp"

#include "app/widgets/theme.hpp"

#include <QCoreApplication>
#include <QDateTime>
#include <QStringList>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("Timing", text);
}

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

/// A number for a file: shortest decimal that reads back.
QString plain(double value) {
    return QString::number(value, 'g', QLocale::FloatingPointShortest);
}

QString field(QString text) {
    return text.replace(QLatin1Char('\t'), QLatin1Char(' '))
        .replace(QLatin1Char('\n'), QLatin1Char(' '));
}

}  // namespace

QString prefixedText(double value, const QString& unit) {
    static const char* const kPrefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    std::size_t i = 0;
    while (std::fabs(value) >= 999.5 && i + 1 < std::size(kPrefixes)) {
        value /= 1000;
        ++i;
    }
    return formatNumber(value, 3) + QStringLiteral(" ") + QLatin1String(kPrefixes[i]) + unit;
}

QString bytesText(double bytes) {
    static const char* const kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    std::size_t i = 0;
    while (std::fabs(bytes) >= 999.95 && i + 1 < std::size(kUnits)) {
        bytes /= 1000;
        ++i;
    }
    return formatNumber(bytes, 4) + QLatin1Char(' ') + QLatin1String(kUnits[i]);
}

QString operationText(gpu::Operation operation) {
    return operation == gpu::Operation::Matmul ? tr("matmul") : tr("attention");
}

QString shapeText(gpu::Operation operation,
                  const gpu::MatmulShape& matmul,
                  const gpu::AttentionShape& attention) {
    if (operation == gpu::Operation::Matmul) {
        return QStringLiteral("%1 × %2 × %3").arg(matmul.m).arg(matmul.n).arg(matmul.k);
    }
    QStringList parts{QStringLiteral("%1 × %2").arg(attention.seq).arg(attention.dim)};
    if (attention.heads > 1) {
        parts << (attention.kvHeads == attention.heads
                      ? tr("%1 heads").arg(attention.heads)
                      : tr("%1 heads of %2").arg(attention.heads).arg(attention.kvHeads));
    }
    if (attention.batch > 1) {
        parts << tr("batch %1").arg(attention.batch);
    }
    if (attention.causal) {
        parts << tr("causal");
    }
    if (attention.decode) {
        parts << tr("decode");
    }
    return parts.join(QStringLiteral(" · "));
}

QString shapeText(const gpu::CaseRecord& what) {
    return shapeText(what.operation, what.matmul, what.attention);
}

QString requestTitle(const gpu::TimingRequest& request) {
    return operationText(request.operation) + QLatin1Char(' ') +
           shapeText(request.operation, request.matmul, request.attention);
}

QString kindText(gpu::FigureKind kind) {
    switch (kind) {
        case gpu::FigureKind::Measured:
            return tr("measured");
        case gpu::FigureKind::Counted:
            return tr("counted");
        case gpu::FigureKind::Modelled:
            return tr("model");
    }
    return {};
}

QString machineText(const gpu::RunRecord& record) {
    QString text = toQ(record.device.name);
    if (!record.device.driver.empty()) {
        text += tr(" · driver %1").arg(toQ(record.device.driver));
    }
    if (!record.environment.host.empty()) {
        text += QStringLiteral(" · ") + toQ(record.environment.host);
    }
    return text;
}

QString whenText(const std::string& utc) {
    const QDateTime when = QDateTime::fromString(toQ(utc), Qt::ISODate).toLocalTime();
    if (!when.isValid()) {
        return tr("no date");
    }
    const QString time = when.toString(QStringLiteral("HH:mm"));
    const qint64 days = when.date().daysTo(QDate::currentDate());
    return days == 0   ? tr("today %1").arg(time)
           : days == 1 ? tr("yesterday %1").arg(time)
                       : when.toString(QStringLiteral("yyyy-MM-dd ")) + time;
}

QString arithmeticOf(const gpu::CaseRecord& what) {
    if (what.accumulator == "int32" || (what.a == "int8" && what.b == "int8")) {
        return QStringLiteral("int8");
    }
    if (what.a.rfind("fp8", 0) == 0 && what.b.rfind("fp8", 0) == 0) {
        return QStringLiteral("fp8");
    }
    if (what.a == "bf16" || what.a == "fp16" || what.a == "tf32") {
        return toQ(what.a);
    }
    return QStringLiteral("fp32");
}

QString recordsTsv(const std::vector<RecordPtr>& records) {
    QString out = QStringLiteral(
        "kind\tbackend\tdevice\tdriver\thost\tutc\toperation\tshape\tformat\tkernel\tmodel\tlayer\t"
        "cache\tmedian_us\tq1_us\tq3_us\tmin_us\tp95_us\tsamples\tdiscarded\tstop_reason\tclock\t"
        "rel_error\tformat_error\tpassed\tflops\tbytes_min\ttflops\tgbps\tintensity\tfloor_us\t"
        "floor_side\tof_floor\tceiling_source\trequested_bytes\tsector_bytes\tdram_"
        "bytes\treason\n");
    for (const RecordPtr& each : records) {
        const gpu::RunRecord& r = *each;
        QStringList row{kindText(r.kind),
                        toQ(r.backend),
                        toQ(r.device.name),
                        toQ(r.device.driver),
                        toQ(r.environment.host),
                        toQ(r.environment.utc),
                        operationText(r.what.operation),
                        shapeText(r.what),
                        toQ(r.what.format),
                        toQ(r.kernel.id),
                        toQ(r.what.model),
                        toQ(r.what.layer)};
        if (r.timing) {
            const gpu::TimingRecord& t = *r.timing;
            row << (t.cache == gpu::CacheState::Cold ? QStringLiteral("cold")
                                                     : QStringLiteral("warm"));
            for (const double value : {t.medianUs, t.q1Us, t.q3Us, t.minUs, t.p95Us}) {
                row << plain(value);
            }
            row << QString::number(t.samplesUs.size()) << QString::number(t.discarded)
                << toQ(t.stopReason) << toQ(t.clock);
        } else {
            row << QStringList(10, QString());
        }
        if (r.check) {
            row << plain(r.check->relFro) << plain(r.check->formatError)
                << (r.check->passed ? QStringLiteral("true") : QStringLiteral("false"));
        } else {
            row << QStringList(3, QString());
        }
        const gpu::DerivedRecord& d = r.derived;
        const auto known = [](double value) { return value > 0 ? plain(value) : QString(); };
        row << known(d.flops) << known(d.bytesMin) << known(d.tflops) << known(d.gbps)
            << known(d.intensity) << known(d.floorUs) << toQ(d.floorSide) << known(d.ofFloor)
            << toQ(d.ceilingSource);
        if (r.counts) {
            row << QString::number(r.counts->requestedBytes)
                << QString::number(r.counts->sectorBytes) << QString::number(r.counts->dramBytes);
        } else {
            row << QStringList(3, QString());
        }
        row << toQ(r.reason);
        for (QString& cell : row) {
            cell = field(cell);
        }
        out += row.join(QLatin1Char('\t')) + QLatin1Char('\n');
    }
    // The product sign is for eyes.
    return out.replace(QStringLiteral(" × "), QStringLiteral("x"));
}

QString recordsJsonl(const std::vector<RecordPtr>& records) {
    QString out;
    for (const RecordPtr& each : records) {
        out += toQ(gpu::toJson(*each)) + QLatin1Char('\n');
    }
    return out;
}

}  // namespace loupe::app

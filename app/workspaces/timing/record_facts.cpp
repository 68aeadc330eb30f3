// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/record_facts.hpp"

#include "app/widgets/theme.hpp"

#include <QCoreApplication>
#include <QDateTime>

namespace loupe::app {

namespace {

constexpr double kForeign = 0.03;  // share of the processor that others may have unremarked
constexpr double kClock = 0.95;    // of the default clock

QString tr(const char* text) {
    return QCoreApplication::translate("Timing", text);
}

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

/// Adds what is known; an empty value is not.
void add(FactSection& section, const QString& name, const QString& value) {
    if (!value.isEmpty()) {
        section.facts.emplace_back(name, value);
    }
}

QString bytesOrNothing(double bytes) {
    return bytes > 0 ? bytesText(bytes) : QString();
}

QString stopText(const std::string& reason) {
    return reason == "ci"      ? tr("the median is known to 1 %")
           : reason == "count" ? tr("most samples reached")
           : reason == "time"  ? tr("most seconds reached")
                               : toQ(reason);
}

FactSection timingFacts(const gpu::TimingRecord& t) {
    FactSection section{tr("Time"), {}};
    add(section, tr("median"), timeText(t.medianUs));
    add(section, tr("quartiles"), timeText(t.q1Us) + QStringLiteral(" – ") + timeText(t.q3Us));
    add(section,
        tr("least, 95th percentile"),
        timeText(t.minUs) + QStringLiteral(", ") + timeText(t.p95Us));
    add(section, tr("samples"), formatCount(static_cast<qint64>(t.samplesUs.size())));
    add(section, tr("thrown away"), formatCount(t.discarded));
    add(section, tr("stopped since"), stopText(t.stopReason));
    add(section, tr("clock"), toQ(t.clock));
    add(section, tr("cache"), t.cache == gpu::CacheState::Cold ? tr("cold") : tr("warm"));
    add(section, tr("flushed before each"), bytesOrNothing(double(t.flushBytes)));
    add(section, tr("warm-up"), t.warmupMs > 0 ? timeText(t.warmupMs * 1000) : QString());
    return section;
}

FactSection derivedFacts(const gpu::DerivedRecord& d) {
    FactSection section{tr("Against the floor"), {}};
    if (d.floorUs > 0) {
        add(section, tr("floor"), timeText(d.floorUs));
        add(section, tr("bound by"), toQ(d.floorSide));
        add(section, tr("of floor"), d.ofFloor > 0 ? formatPercent(d.ofFloor, 1) : QString());
        add(section,
            tr("ceilings"),
            d.ceilingSource == "measured" ? tr("measured") : toQ(d.ceilingSource));
        add(section, tr("bandwidth"), prefixedText(d.bandwidthGbps * 1e9, QStringLiteral("B/s")));
        add(section, tr("peak"), prefixedText(d.peakTflops * 1e12, QStringLiteral("FLOP/s")));
    }
    add(section,
        tr("operations"),
        d.flops > 0 ? prefixedText(d.flops, QStringLiteral("FLOP")) : QString());
    add(section, tr("least bytes"), bytesOrNothing(d.bytesMin));
    add(section, tr("intensity"), d.intensity > 0 ? formatNumber(d.intensity, 3) : QString());
    add(section,
        tr("rate"),
        d.tflops > 0 ? prefixedText(d.tflops * 1e12, QStringLiteral("FLOP/s")) : QString());
    add(section,
        tr("moved"),
        d.gbps > 0 ? prefixedText(d.gbps * 1e9, QStringLiteral("B/s")) : QString());
    return section;
}

FactSection checkFacts(const gpu::CheckRecord& c) {
    FactSection section{tr("Check before timing"), {}};
    add(section, tr("result"), c.passed ? tr("right") : tr("WRONG"));
    add(section, tr("error of the kernel"), formatNumber(c.relFro, 3));
    add(section, tr("allowed"), formatNumber(c.tolerance, 3));
    add(section, tr("error of the format"), formatNumber(c.formatError, 3));
    add(section, tr("largest difference"), formatNumber(c.maxAbs, 3));
    add(section, tr("compared"), formatCount(c.compared));
    add(section, tr("reference"), toQ(c.reference));
    add(section, tr("output before"), c.poisoned ? tr("poisoned with NaN") : tr("not poisoned"));
    return section;
}

FactSection kernelFacts(const gpu::KernelRecord& k, const gpu::CaseRecord& what) {
    FactSection section{tr("Kernel"), {}};
    add(section, tr("id"), toQ(k.id));
    add(section,
        tr("operands"),
        QStringList({toQ(what.a), toQ(what.b), toQ(what.accumulator), toQ(what.output)})
            .join(QStringLiteral(" · ")));
    add(section, tr("source"), toQ(k.source));
    add(section, tr("architecture"), toQ(k.arch));
    add(section, tr("registers a thread"), k.registers > 0 ? formatCount(k.registers) : QString());
    add(section, tr("shared a block"), bytesOrNothing(k.sharedBytes));
    add(section, tr("spilled"), k.registers > 0 ? bytesText(k.spillBytes) : QString());
    add(section, tr("SHA-256"), toQ(k.sha256).left(16));
    add(section,
        tr("model, layer"),
        what.model.empty() ? QString() : toQ(what.model) + QLatin1Char(' ') + toQ(what.layer));
    add(section, tr("phase"), toQ(what.phase));
    return section;
}

FactSection deviceFacts(const gpu::RunRecord& record) {
    const gpu::DeviceRecord& d = record.device;
    const bool cpu = record.backend != "cuda";
    FactSection section{tr("Machine"), {}};
    add(section, tr("device"), toQ(d.name));
    add(section, cpu ? tr("instructions") : tr("compute capability"), toQ(d.computeCapability));
    add(section,
        cpu ? tr("threads") : tr("multiprocessors"),
        d.multiprocessors > 0 ? formatCount(d.multiprocessors) : QString());
    add(section, cpu ? tr("last-level cache") : tr("L2 cache"), bytesOrNothing(double(d.l2Bytes)));
    add(section, tr("memory"), bytesOrNothing(double(d.memoryBytes)));
    add(section, tr("driver"), toQ(d.driver));
    for (const auto& [name, version] : d.libraries) {
        add(section, toQ(name), toQ(version));
    }
    add(section, tr("host"), toQ(record.environment.host));
    add(section, tr("when (UTC)"), toQ(record.environment.utc));
    add(section, tr("program"), toQ(record.environment.commit));
    add(section,
        tr("data"),
        QStringLiteral("%1, seed %2").arg(toQ(record.distribution)).arg(record.seed));
    return section;
}

FactSection clockFacts(const gpu::ClockRecord& c) {
    FactSection section{tr("Clocks"), {}};
    const auto mhz = [](double value) {
        return value > 0 ? QStringLiteral("%1 MHz").arg(formatNumber(value, 4)) : QString();
    };
    const auto degrees = [](double value) {
        return value > 0 ? QStringLiteral("%1 °C").arg(formatNumber(value, 3)) : QString();
    };
    add(section, tr("during samples"), mhz(c.smMhzProbeMedian));
    add(section, tr("default"), mhz(c.smMhzDefault));
    add(section, tr("before"), mhz(c.smMhzBefore));
    add(section, tr("after"), mhz(c.smMhzAfter));
    add(section, tr("memory clock"), mhz(c.memoryMhz));
    add(section, tr("temperature before"), degrees(c.temperatureBefore));
    add(section, tr("temperature after"), degrees(c.temperatureAfter));
    add(section,
        tr("power"),
        c.powerWatts > 0 ? QStringLiteral("%1 W").arg(formatNumber(c.powerWatts, 3)) : QString());
    add(section,
        tr("others on the processor"),
        c.foreignShare > 0 ? formatPercent(c.foreignShare, 1) : QString());
    QStringList reasons;
    for (const std::string& each : c.eventReasons) {
        reasons << toQ(each);
    }
    add(section, tr("held down by"), reasons.join(QStringLiteral(", ")));
    return section;
}

}  // namespace

FactSection countFacts(const gpu::CountRecord& c) {
    FactSection section{tr("Counted on the executor"), {}};
    add(section, tr("asked for by threads"), bytesText(double(c.requestedBytes)));
    add(section, tr("sectors, L2 to SM"), bytesText(double(c.sectorBytes)));
    add(section,
        tr("DRAM, through a cache of %1").arg(bytesText(double(c.cacheBytes))),
        bytesText(double(c.dramBytes)));
    add(section, tr("shared memory"), bytesOrNothing(double(c.sharedBytes)));
    if (c.sharedIdeal > 0) {
        add(section,
            tr("wavefronts"),
            tr("%1, ideal %2")
                .arg(formatCount(static_cast<qint64>(c.sharedWavefronts)),
                     formatCount(static_cast<qint64>(c.sharedIdeal))));
    }
    add(section, tr("floating-point operations"), formatCount(static_cast<qint64>(c.flops)));
    add(section,
        tr("integer operations"),
        c.integerOps > 0 ? formatCount(static_cast<qint64>(c.integerOps)) : QString());
    add(section,
        tr("exponentials"),
        c.exponentials > 0 ? formatCount(static_cast<qint64>(c.exponentials)) : QString());
    add(section, tr("barriers"), formatCount(static_cast<qint64>(c.barriers)));
    add(section, tr("share of the grid that ran"), formatPercent(c.blocksCounted, 1));
    return section;
}

std::vector<FactSection> factsOf(const gpu::RunRecord& record) {
    std::vector<FactSection> sections;
    if (!record.reason.empty()) {
        sections.push_back({tr("Not run"), {{tr("reason"), toQ(record.reason)}}});
    }
    if (record.timing) {
        sections.push_back(timingFacts(*record.timing));
    }
    if (record.derived.flops > 0) {
        sections.push_back(derivedFacts(record.derived));
    }
    if (record.counts) {
        sections.push_back(countFacts(*record.counts));
    }
    if (record.check) {
        sections.push_back(checkFacts(*record.check));
    }
    sections.push_back(kernelFacts(record.kernel, record.what));
    if (record.clocks) {
        sections.push_back(clockFacts(*record.clocks));
    }
    sections.push_back(deviceFacts(record));
    return sections;
}

QStringList notesOf(const gpu::RunRecord& record) {
    QStringList notes;
    if (record.check && !record.check->passed) {
        notes << tr("The result was wrong: nothing was timed.");
    }
    if (record.timing && record.timing->discarded > 0) {
        notes << tr("%1 samples were thrown away because the clock had dropped.")
                     .arg(record.timing->discarded);
    }
    if (record.clocks) {
        const gpu::ClockRecord& c = *record.clocks;
        if (c.smMhzDefault > 0 && c.smMhzProbeMedian > 0 &&
            c.smMhzProbeMedian < kClock * c.smMhzDefault) {
            notes << tr("The clock was %1 of its default during the samples.")
                         .arg(formatPercent(c.smMhzProbeMedian / c.smMhzDefault, 0));
        }
        if (!c.eventReasons.empty()) {
            QStringList reasons;
            for (const std::string& each : c.eventReasons) {
                reasons << toQ(each);
            }
            notes << tr("The driver held the clock down: %1.")
                         .arg(reasons.join(QStringLiteral(", ")));
        }
        if (c.foreignShare > kForeign) {
            notes << tr("Others used %1 of the processor during the run.")
                         .arg(formatPercent(c.foreignShare, 0));
        }
    }
    if (record.derived.ofFloor > 1.05) {
        notes << tr("Faster than its floor: the ceilings were measured in a worse moment.");
    }
    if (record.timing && record.timing->medianUs > 0 &&
        (record.timing->q3Us - record.timing->q1Us) / record.timing->medianUs > 0.1) {
        notes << tr("The quartiles are %1 of the median apart.")
                     .arg(formatPercent(
                         (record.timing->q3Us - record.timing->q1Us) / record.timing->medianUs, 0));
    }
    return notes;
}

}  // namespace loupe::app

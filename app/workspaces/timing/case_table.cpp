// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/case_table.hpp"

#include "app/widgets/theme.hpp"
#include "core/memory/hardware.hpp"
#include "gpu/kernels/kernel.hpp"

#include <QCoreApplication>

#include <algorithm>
#include <cmath>
#include <map>

namespace loupe::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("Timing", text);
}

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

/// What two records must share to be one row: kernel and shape; of measured ones the run too.
QString caseKey(const gpu::RunRecord& record) {
    return QStringLiteral("%1|%2|%3|%4")
        .arg(toQ(record.what.format),
             toQ(record.kernel.id),
             shapeText(record.what),
             record.what.operation == gpu::Operation::Matmul
                 ? QString::number(record.what.matmul.group)
                 : QString());
}

void addModel(CaseRow& row, const HardwarePreset& preset) {
    const RecordPtr record = row.record();
    const gpu::DerivedRecord& derived = record->derived;
    const double peak = preset.peak(arithmeticOf(record->what));
    if (!(derived.flops > 0) || !(derived.bytesMin > 0) || !(peak > 0) || !(preset.bandwidth > 0)) {
        return;
    }
    const RooflineBound bound = roofline(derived.flops, derived.bytesMin, peak, preset.bandwidth);
    row.model = ModelTime{bound.seconds() * 1e6, bound.isMemoryBound()};
}

void findBaseline(CaseTable& table, const QString& key) {
    table.baseline = table.find(key);
    if (table.baseline >= 0 && table.rows[static_cast<std::size_t>(table.baseline)].measured) {
        return;
    }
    table.baseline = -1;
    // The fastest kernel of the plainest format: what one would use without quantization.
    for (const char* plain : {"bf16", "fp16", "fp32", "standard"}) {
        double least = 0;
        for (std::size_t i = 0; i < table.rows.size(); ++i) {
            const CaseRow& row = table.rows[i];
            if (row.measured && row.format == QLatin1String(plain) &&
                (least == 0 || row.measured->timing->medianUs < least)) {
                least = row.measured->timing->medianUs;
                table.baseline = static_cast<int>(i);
            }
        }
        if (table.baseline >= 0) {
            return;
        }
    }
    for (std::size_t i = 0; i < table.rows.size() && table.baseline < 0; ++i) {
        if (table.rows[i].measured) {
            table.baseline = static_cast<int>(i);
        }
    }
}

void compareWithBaseline(CaseTable& table) {
    if (table.baseline < 0) {
        return;
    }
    const CaseRow& base = table.rows[static_cast<std::size_t>(table.baseline)];
    for (CaseRow& row : table.rows) {
        if (!row.measured) {
            continue;
        }
        if (&row == &base) {
            row.relation = Relation::Baseline;
            continue;
        }
        if (row.shape != base.shape) {
            continue;  // another problem: no ratio
        }
        const gpu::TimingRecord& mine = *row.measured->timing;
        const gpu::TimingRecord& theirs = *base.measured->timing;
        const int order = gpu::compareTimes(mine, theirs);
        if (order == 0 || !(mine.medianUs > 0) || !(theirs.medianUs > 0)) {
            row.relation = Relation::NoDifference;
        } else {
            row.relation = order < 0 ? Relation::Faster : Relation::Slower;
            row.factor =
                order < 0 ? theirs.medianUs / mine.medianUs : mine.medianUs / theirs.medianUs;
        }
    }
}

}  // namespace

int CaseTable::find(const QString& key) const {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].key == key) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

bool CaseTable::hasMeasured() const {
    return std::any_of(rows.begin(), rows.end(), [](const CaseRow& r) { return r.measured; });
}

bool CaseTable::hasCounted() const {
    return std::any_of(rows.begin(), rows.end(), [](const CaseRow& r) { return r.counted; });
}

bool CaseTable::hasModel() const {
    return std::any_of(
        rows.begin(), rows.end(), [](const CaseRow& r) { return r.model.has_value(); });
}

std::vector<std::pair<QString, QString>> machinesOf(const std::vector<const StoredRun*>& runs) {
    std::vector<std::pair<QString, QString>> machines;
    for (const StoredRun* run : runs) {
        for (const RecordPtr& record : run->records) {
            const QString key = toQ(gpu::machineKey(*record));
            if (record->timing &&
                std::none_of(machines.begin(), machines.end(), [&](const auto& each) {
                    return each.first == key;
                })) {
                machines.emplace_back(key, machineText(*record));
            }
        }
    }
    return machines;
}

CaseTable makeCases(const std::vector<const StoredRun*>& runs,
                    const QString& baselineKey,
                    const HardwarePreset* preset) {
    CaseTable table;
    std::map<QString, std::vector<std::size_t>> byCase;
    const auto add = [&](const RecordPtr& record, const QString& run) -> CaseRow& {
        CaseRow row;
        const QString key = caseKey(*record);
        row.key = key + QLatin1Char('|') + run;
        row.format = toQ(record->what.format);
        row.kernel = toQ(record->kernel.id);
        row.shape = shapeText(record->what);
        const gpu::Kernel* kernel = gpu::findKernel(record->kernel.id);
        row.teaching = kernel != nullptr && kernel->teaching;
        byCase[key].push_back(table.rows.size());
        table.rows.push_back(std::move(row));
        return table.rows.back();
    };
    for (const StoredRun* run : runs) {
        for (const RecordPtr& record : run->records) {
            if (record->timing && !record->timing->samplesUs.empty()) {
                CaseRow& row = add(record, run->id);
                row.measured = record;
                row.machine = toQ(gpu::machineKey(*record));
            } else if (!record->counts) {
                add(record, run->id).refused = record;
            }
        }
    }
    for (const StoredRun* run : runs) {
        for (const RecordPtr& record : run->records) {
            if (!record->counts || record->timing) {
                continue;
            }
            bool placed = false;
            for (const std::size_t i : byCase[caseKey(*record)]) {
                if (table.rows[i].measured) {
                    table.rows[i].counted = record;  // the same source moved the same bytes
                    placed = true;
                }
            }
            if (!placed) {
                add(record, run->id).counted = record;
            }
        }
    }
    for (CaseRow& row : table.rows) {
        if (preset != nullptr) {
            addModel(row, *preset);
        }
        table.oneShape = table.oneShape && row.shape == table.rows.front().shape;
    }
    for (const auto& [key, name] : machinesOf(runs)) {
        table.machines.push_back(key);
        table.machineNames.push_back(name);
    }
    findBaseline(table, baselineKey);
    compareWithBaseline(table);
    return table;
}

QString relationText(const CaseRow& row, const CaseTable& table) {
    if (table.baseline < 0) {
        return {};
    }
    const CaseRow& base = table.rows[static_cast<std::size_t>(table.baseline)];
    const auto alike =
        std::count_if(table.rows.begin(), table.rows.end(), [&](const CaseRow& each) {
            return each.measured && each.format == base.format;
        });
    const QString name = base.format == row.format || alike > 1 ? base.kernel : base.format;
    switch (row.relation) {
        case Relation::None:
            return {};
        case Relation::Baseline:
            return tr("baseline");
        case Relation::NoDifference:
            return tr("no difference from %1").arg(name);
        case Relation::Faster:
            return tr("%1 × faster than %2").arg(formatNumber(row.factor, 3), name);
        case Relation::Slower:
            return tr("%1 × slower than %2").arg(formatNumber(row.factor, 3), name);
    }
    return {};
}

double RoofSet::at(double intensity, double peak) const {
    return std::min(bandwidth * intensity, peak);
}

namespace {

/// What a machine allows is the most that was seen of it.
void raise(std::vector<std::pair<QString, double>>& peaks, const QString& name, double peak) {
    for (auto& [known, value] : peaks) {
        if (known == name) {
            value = std::max(value, peak);
            return;
        }
    }
    peaks.emplace_back(name, peak);
}

/// Equal peaks are one roof with all their names.
void mergeEqual(RoofSet& set) {
    std::vector<std::pair<QString, double>> merged;
    for (const auto& [name, peak] : set.peaks) {
        const double value = peak;
        const auto same = std::find_if(merged.begin(), merged.end(), [&](const auto& each) {
            return std::fabs(each.second - value) <= 1e-6 * value;
        });
        if (same == merged.end()) {
            merged.emplace_back(name, peak);
        } else {
            same->first += QStringLiteral(", ") + name;
        }
    }
    set.peaks = std::move(merged);
}

void addMeasured(RooflineData& roofline, const CaseTable& table) {
    std::map<QString, std::size_t> byMachine;
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        const CaseRow& row = table.rows[i];
        if (!row.measured) {
            continue;
        }
        const gpu::DerivedRecord& d = row.measured->derived;
        if (d.bandwidthGbps > 0 && d.peakTflops > 0) {
            const QString place = row.machine + toQ(d.ceilingSource);
            auto found = byMachine.find(place);
            if (found == byMachine.end()) {
                RoofSet set;
                set.name = toQ(row.measured->device.name);
                set.measured = d.ceilingSource != "datasheet";
                set.bandwidth = d.bandwidthGbps * 1e9;
                found = byMachine.emplace(place, roofline.roofs.size()).first;
                roofline.roofs.push_back(std::move(set));
            }
            RoofSet& set = roofline.roofs[found->second];
            set.bandwidth = std::max(set.bandwidth, d.bandwidthGbps * 1e9);
            raise(set.peaks, arithmeticOf(row.measured->what), d.peakTflops * 1e12);
        }
        if (d.intensity > 0 && d.tflops > 0) {
            roofline.points.push_back({static_cast<int>(i),
                                       gpu::FigureKind::Measured,
                                       d.intensity,
                                       d.tflops * 1e12,
                                       row.format});
        }
    }
}

/// What the data sheet promises: a roof, a point a case, and where its counted bytes would stand.
void addPromised(RooflineData& roofline, const CaseTable& table, const HardwarePreset& preset) {
    RoofSet set{preset.title, false, preset.bandwidth, preset.peaks};
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        const CaseRow& row = table.rows[i];
        const gpu::DerivedRecord& d = row.record()->derived;
        const double peak = preset.peak(arithmeticOf(row.record()->what));
        const auto add = [&](gpu::FigureKind kind, double bytes) {
            const double intensity = d.flops / bytes;
            roofline.points.push_back(
                {static_cast<int>(i), kind, intensity, set.at(intensity, peak), row.format});
        };
        if (row.model) {
            add(gpu::FigureKind::Modelled, d.bytesMin);
        }
        if (row.counted && row.counted->counts->dramBytes > 0 && d.flops > 0 && peak > 0) {
            add(gpu::FigureKind::Counted, static_cast<double>(row.counted->counts->dramBytes));
        }
    }
    roofline.roofs.push_back(std::move(set));
}

}  // namespace

RooflineData makeRoofline(const CaseTable& table, const HardwarePreset* preset) {
    RooflineData roofline;
    addMeasured(roofline, table);
    if (preset != nullptr && preset->bandwidth > 0) {
        addPromised(roofline, table, *preset);
    }
    for (RoofSet& set : roofline.roofs) {
        mergeEqual(set);
        std::sort(set.peaks.begin(), set.peaks.end(), [](const auto& a, const auto& b) {
            return a.second < b.second;
        });
    }
    std::stable_sort(
        roofline.points.begin(), roofline.points.end(), [](const auto& a, const auto& b) {
            return a.kind != b.kind ? a.kind < b.kind : a.intensity < b.intensity;
        });
    return roofline;
}

}  // namespace loupe::app

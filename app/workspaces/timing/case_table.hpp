// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/timing/hardware_presets.hpp"
#include "app/workspaces/timing/record_store.hpp"

#include <QString>

#include <optional>
#include <vector>

namespace loupe::app {

/// How a time stands to the baseline's; a difference within the noise is none.
enum class Relation { None, Baseline, NoDifference, Faster, Slower };

/// One kernel at one shape on one machine: what was measured, what was counted, what a model says.
struct CaseRow {
    QString key;     ///< the same after a restart
    QString format;  ///< "w4a16", "flash2"
    QString kernel;  ///< id
    QString shape;
    QString machine;  ///< key; empty where nothing was measured
    RecordPtr measured;
    RecordPtr counted;
    RecordPtr refused;  ///< says why there is no figure
    bool teaching = false;
    std::optional<ModelTime> model;
    Relation relation = Relation::None;
    double factor = 1;  ///< of the larger time to the smaller one
    /// The record that details are shown of.
    [[nodiscard]] RecordPtr record() const {
        return measured ? measured : counted ? counted : refused;
    }
};

struct CaseTable {
    std::vector<CaseRow> rows;
    QStringList machines;  ///< keys of those that measured
    QStringList machineNames;
    bool oneShape = true;
    int baseline = -1;
    [[nodiscard]] int find(const QString& key) const;
    [[nodiscard]] bool hasMeasured() const;
    [[nodiscard]] bool hasCounted() const;
    [[nodiscard]] bool hasModel() const;
};

/// @param baselineKey  a row's key; one that is not there stands for the plainest format
/// @param preset       null: no model
[[nodiscard]] CaseTable makeCases(const std::vector<const StoredRun*>& runs,
                                  const QString& baselineKey,
                                  const HardwarePreset* preset);

/// Keys of the machines that measured in these runs, with a name each.
[[nodiscard]] std::vector<std::pair<QString, QString>> machinesOf(
    const std::vector<const StoredRun*>& runs);

/// "88 % of floor" and so on: the words behind a bar.
[[nodiscard]] QString relationText(const CaseRow& row, const CaseTable& table);

/// A bandwidth and the peaks that go with it.
struct RoofSet {
    QString name;
    bool measured = true;
    double bandwidth = 0;                           ///< bytes a second
    std::vector<std::pair<QString, double>> peaks;  ///< ascending, FLOP/s
    [[nodiscard]] double at(double intensity, double peak) const;
};

/// A case on the roofline.
struct RoofPoint {
    int row = 0;
    gpu::FigureKind kind = gpu::FigureKind::Measured;
    double intensity = 0;  ///< FLOP per byte
    double rate = 0;       ///< FLOP/s
    QString label;
};

struct RooflineData {
    std::vector<RoofSet> roofs;
    std::vector<RoofPoint> points;  ///< by intensity within a kind
};

[[nodiscard]] RooflineData makeRoofline(const CaseTable& table, const HardwarePreset* preset);

}  // namespace loupe::app

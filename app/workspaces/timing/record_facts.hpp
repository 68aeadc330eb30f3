// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/timing/timing_text.hpp"

#include <QString>
#include <QStringList>

#include <utility>
#include <vector>

namespace loupe::app {

/// Everything that a record says, in sections.
struct FactSection {
    QString title;
    std::vector<std::pair<QString, QString>> facts;
};
[[nodiscard]] std::vector<FactSection> factsOf(const gpu::RunRecord& record);

[[nodiscard]] FactSection countFacts(const gpu::CountRecord& counts);

/// What makes a time doubtful: a clock that dropped, others on the processor, a wrong result.
[[nodiscard]] QStringList notesOf(const gpu::RunRecord& record);

}  // namespace loupe::app

// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/cursor.hpp"
#include "core/base/result.hpp"
#include "core/experiment/experiment_spec.hpp"

#include <QByteArray>
#include <QDateTime>
#include <QJsonObject>
#include <QString>

#include <optional>
#include <vector>

namespace loupe::app {

/// What a .loupe file holds: the experiment and how it was looked at. Tensors are named by path,
/// never embedded.
struct Session {
    ExperimentSpec spec;
    std::vector<Pin> pins;
    std::optional<Cell> selected;
    QByteArray layout;        ///< of docks; opaque
    QJsonObject viewState;    ///< by view id
    qint64 sourceBytes = -1;  ///< size of the checkpoint when it was saved; -1: not a file
    QDateTime sourceModified;

    friend bool operator==(const Session&, const Session&) = default;
};

inline constexpr int kSessionVersion = 1;

[[nodiscard]] QByteArray toJson(const Session& session);
/// Older versions are upgraded. @errors Damaged: what was expected and found; Unsupported: from a
/// later version
[[nodiscard]] Result<Session> sessionFromJson(const QByteArray& json);

/// Through a temporary file that is renamed when complete. @errors Unreadable
[[nodiscard]] Result<void> saveSession(const Session& session, const QString& path);
/// A checkpoint that is not where it was but lies beside the session is found there.
/// @errors NotFound, Unreadable, and those of sessionFromJson
[[nodiscard]] Result<Session> loadSession(const QString& path);

/// Size and time of the checkpoint into the session.
void stampSource(Session& session);
/// Why the checkpoint is not the one that the session was saved with; empty where it is or cannot
/// be told.
[[nodiscard]] QString sourceChange(const Session& session);

}  // namespace loupe::app

// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/session.hpp"

#include <QCoreApplication>
#include <QFile>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QSaveFile>

namespace loupe::app {

namespace {

constexpr qint64 kMostBytes = 64LL << 20;

QJsonObject cellJson(const Cell& cell) {
    return {{QStringLiteral("row"), static_cast<qint64>(cell.row)},
            {QStringLiteral("col"), static_cast<qint64>(cell.col)}};
}

Cell cellFrom(const QJsonObject& object) {
    return {object[QStringLiteral("row")].toInteger(), object[QStringLiteral("col")].toInteger()};
}

/// Each function turns version N into N + 1; there is only one version yet.
Result<QJsonObject> upgraded(QJsonObject object) {
    const int version = object[QStringLiteral("version")].toInt(-1);
    if (version < 1) {
        return fail(ErrorCode::Damaged, "session: expected a version from 1, found none");
    }
    if (version > kSessionVersion) {
        return fail(ErrorCode::Unsupported,
                    "session: version " + std::to_string(version) +
                        " is newer than this program understands (" +
                        std::to_string(kSessionVersion) + ")",
                    {},
                    "Install a newer Tensorloupe");
    }
    return object;
}

}  // namespace

QByteArray toJson(const Session& session) {
    QJsonArray pins;
    for (const Pin& pin : session.pins) {
        QJsonObject object = cellJson(pin.cell);
        object[QStringLiteral("id")] = pin.id;
        object[QStringLiteral("note")] = pin.note;
        pins.append(object);
    }
    QJsonObject root{
        {QStringLiteral("version"), kSessionVersion},
        {QStringLiteral("program"), QStringLiteral("tensorloupe")},
        // The experiment keeps its own JSON as text: its 64-bit codes do not survive QJsonValue's
        // doubles.
        {QStringLiteral("spec"), QString::fromStdString(loupe::toJson(session.spec))},
        {QStringLiteral("pins"), pins},
        {QStringLiteral("layout"), QString::fromLatin1(session.layout.toBase64())},
        {QStringLiteral("viewState"), session.viewState},
    };
    if (session.selected) {
        root[QStringLiteral("selection")] = cellJson(*session.selected);
    }
    if (session.sourceBytes >= 0) {
        root[QStringLiteral("source")] =
            QJsonObject{{QStringLiteral("bytes"), session.sourceBytes},
                        {QStringLiteral("modified"),
                         session.sourceModified.toUTC().toString(Qt::ISODateWithMs)}};
    }
    return QJsonDocument(root).toJson();
}

Result<Session> sessionFromJson(const QByteArray& json) {
    QJsonParseError problem;
    const QJsonDocument document = QJsonDocument::fromJson(json, &problem);
    if (problem.error != QJsonParseError::NoError || !document.isObject()) {
        return fail(ErrorCode::Damaged,
                    "session: expected one JSON object, found " +
                        problem.errorString().toStdString() + " at byte " +
                        std::to_string(problem.offset));
    }
    const Result<QJsonObject> root = upgraded(document.object());
    if (!root) {
        return fail(root.error());
    }
    const QJsonValue spec = (*root)[QStringLiteral("spec")];
    if (!spec.isString()) {
        return fail(ErrorCode::Damaged,
                    "session: expected the experiment under \"spec\", found none");
    }
    Session session;
    const Result<ExperimentSpec> experiment = experimentFromJson(spec.toString().toStdString());
    if (!experiment) {
        return fail(experiment.error());
    }
    session.spec = *experiment;
    for (const QJsonValue& value : (*root)[QStringLiteral("pins")].toArray()) {
        const QJsonObject object = value.toObject();
        session.pins.push_back({object[QStringLiteral("id")].toInt(),
                                cellFrom(object),
                                object[QStringLiteral("note")].toString()});
    }
    if ((*root)[QStringLiteral("selection")].isObject()) {
        session.selected = cellFrom((*root)[QStringLiteral("selection")].toObject());
    }
    session.layout =
        QByteArray::fromBase64((*root)[QStringLiteral("layout")].toString().toLatin1());
    session.viewState = (*root)[QStringLiteral("viewState")].toObject();
    if ((*root)[QStringLiteral("source")].isObject()) {
        const QJsonObject source = (*root)[QStringLiteral("source")].toObject();
        session.sourceBytes = source[QStringLiteral("bytes")].toInteger(-1);
        session.sourceModified =
            QDateTime::fromString(source[QStringLiteral("modified")].toString(), Qt::ISODateWithMs);
    }
    return session;
}

Result<void> saveSession(const Session& session, const QString& path) {
    QSaveFile file(path);
    if (!file.open(QIODevice::WriteOnly) || file.write(toJson(session)) < 0 || !file.commit()) {
        return fail(ErrorCode::Unreadable,
                    "the session could not be written: " + file.errorString().toStdString(),
                    path.toStdString());
    }
    return {};
}

Result<Session> loadSession(const QString& path) {
    QFile file(path);
    if (!file.exists()) {
        return fail(ErrorCode::NotFound, "there is no such session", path.toStdString());
    }
    if (!file.open(QIODevice::ReadOnly)) {
        return fail(ErrorCode::Unreadable, file.errorString().toStdString(), path.toStdString());
    }
    if (file.size() > kMostBytes) {
        return fail(
            ErrorCode::Damaged,
            "session: expected at most 64 MiB, found " + std::to_string(file.size()) + " bytes",
            path.toStdString());
    }
    Result<Session> session = sessionFromJson(file.readAll());
    if (!session) {
        Error error = session.error();
        error.where = path.toStdString();
        return fail(error);
    }
    const QString source = QString::fromStdString(session->spec.source);
    if (!source.isEmpty() && !source.startsWith(QLatin1String("synthetic:")) &&
        !QFileInfo::exists(source)) {
        const QFileInfo beside(QFileInfo(path).absolutePath() + QLatin1Char('/') +
                               QFileInfo(source).fileName());
        if (beside.exists()) {
            session->spec.source = beside.absoluteFilePath().toStdString();
        }
    }
    return session;
}

void stampSource(Session& session) {
    const QFileInfo info(QString::fromStdString(session.spec.source));
    const bool isFile = !session.spec.source.empty() && info.isFile();
    session.sourceBytes = isFile ? info.size() : -1;
    session.sourceModified = isFile ? info.lastModified().toUTC() : QDateTime();
}

QString sourceChange(const Session& session) {
    const QFileInfo info(QString::fromStdString(session.spec.source));
    if (session.sourceBytes < 0 || !info.isFile()) {
        return {};
    }
    if (info.size() != session.sourceBytes) {
        return QCoreApplication::translate("Session", "It had %1 bytes, now %2.")
            .arg(session.sourceBytes)
            .arg(info.size());
    }
    if (session.sourceModified.isValid() && info.lastModified().toUTC() != session.sourceModified) {
        return QCoreApplication::translate("Session", "It was written again at %1.")
            .arg(info.lastModified().toString(Qt::ISODate));
    }
    return {};
}

}  // namespace loupe::app

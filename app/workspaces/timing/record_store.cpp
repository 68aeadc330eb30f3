// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/record_store.hpp"

#include "app/workspaces/timing/request_json.hpp"

#include <QCoreApplication>
#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonDocument>
#include <QLockFile>
#include <QSaveFile>
#include <QStandardPaths>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kLockMs = 2000;
constexpr qint64 kLargestFile = qint64(1) << 30;

QString& pathOverride() {
    static QString path;
    return path;
}

QString tr(const char* text) {
    return QCoreApplication::translate("RecordStore", text);
}

tl::unexpected<Error> failure(const QString& what, const QString& path) {
    return tl::unexpected(Error{ErrorCode::Unreadable, what.toStdString(), path.toStdString(), {}});
}

/// The record's line with the run that it belongs to in front.
QByteArray lineOf(const QString& run,
                  const gpu::RunRecord& record,
                  const std::optional<gpu::TimingRequest>& request) {
    QJsonObject head{{QStringLiteral("run"), run}};
    if (request) {
        head[QStringLiteral("request")] = toJson(*request);
    }
    QByteArray text = QJsonDocument(head).toJson(QJsonDocument::Compact);
    text.chop(1);
    return text + ',' + QByteArray::fromStdString(gpu::toJson(record)).mid(1) + '\n';
}

/// Appends whole lines in one write; a line that a crash cut off is ended first.
Result<void> appendLines(const QString& path, const QByteArray& lines) {
    if (!QDir().mkpath(QFileInfo(path).absolutePath())) {
        return failure(tr("the folder for timing records could not be made"), path);
    }
    QLockFile lock(path + QStringLiteral(".lock"));
    if (!lock.tryLock(kLockMs)) {
        return failure(tr("the file of timing records is held by another program"), path);
    }
    QFile file(path);
    if (!file.open(QIODevice::ReadWrite | QIODevice::Append | QIODevice::Unbuffered)) {
        return failure(tr("the record could not be kept: %1").arg(file.errorString()), path);
    }
    QByteArray text = lines;
    if (file.size() > 0) {
        file.seek(file.size() - 1);
        if (file.read(1) != "\n") {
            text.prepend('\n');
        }
    }
    if (file.write(text) != text.size()) {
        return failure(tr("the record could not be kept: %1").arg(file.errorString()), path);
    }
    return {};
}

}  // namespace

ReadRecords readRecords(const QByteArray& text) {
    ReadRecords read;
    QString group;
    QString groupKey;
    int number = 0;
    for (const QByteArray& each : text.split('\n')) {
        ++number;
        const QByteArray line = each.trimmed();
        if (line.isEmpty()) {
            continue;
        }
        ReadRecords::Line entry{line, {}, nullptr};
        Result<gpu::RunRecord> record =
            gpu::parseRecord({line.constData(), static_cast<std::size_t>(line.size())});
        if (!record) {
            ++read.unreadable;
            if (read.firstProblem.isEmpty()) {
                read.firstProblem =
                    tr("line %1: %2").arg(number).arg(QString::fromStdString(record.error().what));
            }
        } else {
            const QJsonObject head = QJsonDocument::fromJson(line).object();
            entry.run = head[QStringLiteral("run")].toString();
            if (entry.run.isEmpty()) {
                const QString key =
                    QString::fromStdString(gpu::machineKey(*record)) + shapeText(record->what);
                if (key != groupKey) {
                    groupKey = key;
                    group = QStringLiteral("lines-") +
                            QString::fromLatin1(
                                QCryptographicHash::hash(line, QCryptographicHash::Sha1).toHex());
                }
                entry.run = group;
            } else {
                groupKey.clear();
            }
            const QJsonObject request = head[QStringLiteral("request")].toObject();
            if (!request.isEmpty() && !read.requests.contains(entry.run)) {
                read.requests.insert(entry.run, requestFromJson(request));
            }
            entry.record = std::make_shared<const gpu::RunRecord>(std::move(*record));
        }
        read.lines.push_back(std::move(entry));
    }
    return read;
}

RecordStore::RecordStore(QString path, QObject* parent)
    : QObject(parent), m_path(std::move(path)) {}

QString RecordStore::defaultPath() {
    if (!pathOverride().isEmpty()) {
        return pathOverride();
    }
    return QStandardPaths::writableLocation(QStandardPaths::AppDataLocation) +
           QStringLiteral("/timing/records.jsonl");
}

void RecordStore::setDefaultPath(const QString& path) {
    pathOverride() = path;
}

Result<QByteArray> RecordStore::readFile(const QString& path) {
    QFile file(path);
    if (!file.exists()) {
        return QByteArray();
    }
    if (!file.open(QIODevice::ReadOnly)) {
        return failure(tr("the timing records could not be read: %1").arg(file.errorString()),
                       path);
    }
    if (file.size() > kLargestFile) {
        return failure(tr("a file of timing records of %1 is not read (largest is 1.07 GB)")
                           .arg(bytesText(double(file.size()))),
                       path);
    }
    return file.readAll();
}

StoredRun& RecordStore::runOf(const QString& id) {
    const auto found = std::find_if(
        m_runs.begin(), m_runs.end(), [&](const StoredRun& run) { return run.id == id; });
    if (found != m_runs.end()) {
        return *found;
    }
    return *m_runs.insert(m_runs.begin(), StoredRun{id, {}, std::nullopt});
}

void RecordStore::take(const ReadRecords& read) {
    const std::vector<StoredRun> here = std::move(m_runs);
    m_runs.clear();
    QStringList mine;
    for (const StoredRun& run : here) {
        mine << run.id;
    }
    for (const ReadRecords::Line& line : read.lines) {
        if (line.record != nullptr && !mine.contains(line.run)) {
            runOf(line.run).records.push_back(line.record);
        }
    }
    for (StoredRun& run : m_runs) {
        if (const auto request = read.requests.constFind(run.id);
            request != read.requests.constEnd()) {
            run.request = *request;
        }
    }
    m_runs.insert(m_runs.begin(), here.begin(), here.end());
    m_loaded = true;
    emit changed();
}

const StoredRun* RecordStore::find(const QString& run) const {
    for (const StoredRun& each : m_runs) {
        if (each.id == run) {
            return &each;
        }
    }
    return nullptr;
}

int RecordStore::recordCount() const {
    std::size_t count = 0;
    for (const StoredRun& run : m_runs) {
        count += run.records.size();
    }
    return static_cast<int>(count);
}

Result<void> RecordStore::append(const QString& run,
                                 const gpu::RunRecord& record,
                                 const gpu::TimingRequest& request) {
    StoredRun& kept = runOf(run);
    kept.request = request;
    kept.records.push_back(std::make_shared<const gpu::RunRecord>(record));
    Result<void> written = appendLines(m_path, lineOf(run, record, request));
    emit changed();
    return written;
}

Result<void> RecordStore::remove(const QStringList& runs) {
    QLockFile lock(m_path + QStringLiteral(".lock"));
    if (QFile::exists(m_path)) {
        if (!lock.tryLock(kLockMs)) {
            return failure(tr("the file of timing records is held by another program"), m_path);
        }
        const Result<QByteArray> text = readFile(m_path);
        if (!text) {
            return tl::unexpected(text.error());
        }
        QSaveFile file(m_path);
        if (!file.open(QIODevice::WriteOnly)) {
            return failure(tr("the records could not be deleted: %1").arg(file.errorString()),
                           m_path);
        }
        for (const ReadRecords::Line& line : readRecords(*text).lines) {
            if (line.record == nullptr || !runs.contains(line.run)) {
                file.write(line.raw + '\n');
            }
        }
        if (!file.commit()) {
            return failure(tr("the records could not be deleted: %1").arg(file.errorString()),
                           m_path);
        }
    }
    m_runs.erase(std::remove_if(m_runs.begin(),
                                m_runs.end(),
                                [&](const StoredRun& run) { return runs.contains(run.id); }),
                 m_runs.end());
    emit changed();
    return {};
}

Result<ReadRecords> RecordStore::readImport(const QString& path) {
    if (!QFile::exists(path)) {
        return failure(tr("there is no such file"), path);
    }
    return readFile(path).map([](const QByteArray& text) { return readRecords(text); });
}

Result<RecordStore::Imported> RecordStore::import(const ReadRecords& read) {
    Imported result;
    result.unreadable = read.unreadable;
    result.firstProblem = read.firstProblem;
    QByteArray lines;
    std::vector<const ReadRecords::Line*> fresh;
    for (const ReadRecords::Line& line : read.lines) {
        if (line.record == nullptr) {
            continue;
        }
        const StoredRun* known = find(line.run);
        if (known != nullptr &&
            std::any_of(known->records.begin(), known->records.end(), [&](const RecordPtr& each) {
                return *each == *line.record;
            })) {
            ++result.known;
            continue;
        }
        const auto request = read.requests.constFind(line.run);
        lines +=
            lineOf(line.run,
                   *line.record,
                   request != read.requests.constEnd() ? std::optional(*request) : std::nullopt);
        fresh.push_back(&line);
    }
    if (fresh.empty()) {
        return result;
    }
    if (Result<void> written = appendLines(m_path, lines); !written) {
        return tl::unexpected(written.error());
    }
    for (const ReadRecords::Line* line : fresh) {
        StoredRun& run = runOf(line->run);
        run.records.push_back(line->record);
        if (const auto request = read.requests.constFind(line->run);
            request != read.requests.constEnd()) {
            run.request = *request;
        }
        if (!result.runs.contains(line->run)) {
            result.runs << line->run;
        }
    }
    result.added = static_cast<int>(fresh.size());
    emit changed();
    return result;
}

}  // namespace loupe::app

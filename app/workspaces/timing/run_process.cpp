// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/run_process.hpp"

#include <QCoreApplication>
#include <QFileInfo>

#ifdef Q_OS_UNIX
#include <csignal>
#include <unistd.h>
#endif
#ifdef Q_OS_LINUX
#include <sys/prctl.h>
#endif

namespace loupe::app {

namespace {

constexpr int kGraceMs = 2000;
constexpr int kKeptMessages = 12;
constexpr qsizetype kLongestLine = qsizetype(16) << 20;

QString& programOverride() {
    static QString path;
    return path;
}

}  // namespace

RunProcess::RunProcess(QObject* parent) : QObject(parent) {
    m_silence.setSingleShot(true);
    m_silence.setTimerType(Qt::PreciseTimer);
    connect(&m_silence, &QTimer::timeout, this, [this] {
        emit silent(static_cast<int>((m_lastLine.elapsed() + 500) / 1000));
        m_silence.start(m_patience);
    });
    m_kill.setSingleShot(true);
    connect(&m_kill, &QTimer::timeout, this, [this] {
        if (m_process != nullptr) {
#ifdef Q_OS_UNIX
            signalGroup(SIGKILL);
#endif
            m_process->kill();
        }
    });
}

RunProcess::~RunProcess() {
    if (m_process != nullptr) {
        m_process->disconnect(this);
#ifdef Q_OS_UNIX
        signalGroup(SIGKILL);
#endif
        m_process->kill();
        m_process->waitForFinished(5000);  // a killed one is gone at once
    }
}

QString RunProcess::program() {
    if (!programOverride().isEmpty()) {
        return programOverride();
    }
#ifdef Q_OS_WIN
    return QCoreApplication::applicationDirPath() + QStringLiteral("/loupe.exe");
#else
    return QCoreApplication::applicationDirPath() + QStringLiteral("/loupe");
#endif
}

void RunProcess::setProgram(const QString& path) {
    programOverride() = path;
}

void RunProcess::setPatience(int milliseconds) {
    m_patience = milliseconds;
    if (m_process != nullptr) {
        signOfLife();
    }
}

qint64 RunProcess::processId() const {
    return m_process != nullptr ? m_process->processId() : 0;
}

/// The child leads a group of its own, so that an ssh that it started ends with it.
void RunProcess::signalGroup(int number) {
#ifdef Q_OS_UNIX
    if (const qint64 id = processId(); id > 1) {
        ::kill(static_cast<pid_t>(-id), number);
    }
#else
    static_cast<void>(number);
#endif
}

void RunProcess::start(const QStringList& arguments) {
    if (m_process != nullptr) {
        return;
    }
    m_output.clear();
    m_messages.clear();
    m_said.clear();
    m_hint.clear();
    m_error.clear();
    m_records = 0;
    m_cancelled = false;
    m_process = new QProcess(this);
#ifdef Q_OS_UNIX
    m_process->setChildProcessModifier([] {
        ::setpgid(0, 0);
#ifdef Q_OS_LINUX
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // nothing goes on where this program is gone
#endif
    });
#endif
    connect(m_process, &QProcess::readyReadStandardOutput, this, &RunProcess::readOutput);
    connect(m_process, &QProcess::readyReadStandardError, this, &RunProcess::readMessages);
    connect(m_process, &QProcess::finished, this, &RunProcess::onFinished);
    connect(m_process, &QProcess::errorOccurred, this, &RunProcess::onError);
    m_process->setStandardInputFile(QProcess::nullDevice());
    signOfLife();
    m_process->start(program(), arguments);
}

void RunProcess::cancel() {
    if (m_process == nullptr || m_cancelled) {
        return;
    }
    m_cancelled = true;
    m_silence.stop();
#ifdef Q_OS_UNIX
    signalGroup(SIGTERM);
#endif
    m_process->terminate();
    m_kill.start(kGraceMs);
}

void RunProcess::signOfLife() {
    m_lastLine.start();
    if (m_patience > 0 && !m_cancelled) {
        m_silence.start(m_patience);
    } else {
        m_silence.stop();
    }
}

void RunProcess::readOutput() {
    m_output += m_process->readAllStandardOutput();
    qsizetype end = m_output.indexOf('\n');
    while (end >= 0) {
        const QByteArray line = m_output.left(end).trimmed();
        m_output.remove(0, end + 1);
        signOfLife();
        if (!line.isEmpty()) {
            takeLine(line);
        }
        end = m_output.indexOf('\n');
    }
    if (m_output.size() > kLongestLine) {
        m_output.clear();
        emit malformed(tr("a line of more than 16 MiB"));
    }
}

void RunProcess::takeLine(const QByteArray& line) {
    const Result<gpu::RunRecord> record =
        gpu::parseRecord({line.constData(), static_cast<std::size_t>(line.size())});
    if (!record) {
        emit malformed(QString::fromStdString(record.error().what));
        return;
    }
    ++m_records;
    emit recordArrived(*record);
}

void RunProcess::readMessages() {
    m_messages += m_process->readAllStandardError();
    qsizetype end = m_messages.indexOf('\n');
    while (end >= 0) {
        const QString line = QString::fromUtf8(m_messages.left(end)).trimmed();
        m_messages.remove(0, end + 1);
        signOfLife();
        takeMessage(line);
        end = m_messages.indexOf('\n');
    }
    if (m_messages.size() > kLongestLine) {
        m_messages.clear();
    }
}

void RunProcess::takeMessage(const QString& line) {
    if (line.startsWith(QLatin1String("progress "))) {
        bool ok = false;
        const double fraction = line.section(QLatin1Char(' '), 1, 1).toDouble(&ok);
        if (ok && fraction >= 0 && fraction <= 1) {
            emit progressed(fraction, line.section(QLatin1Char(' '), 2));
            return;
        }
    }
    const QString error = QStringLiteral("loupe: error: ");
    const QString hint = QStringLiteral("loupe: hint: ");
    if (line.startsWith(error)) {
        m_error = line.mid(error.size());
    } else if (line.startsWith(hint)) {
        m_hint = line.mid(hint.size());
    }
    if (!line.isEmpty()) {
        m_said << line;
        while (m_said.size() > kKeptMessages) {
            m_said.removeFirst();
        }
    }
}

void RunProcess::onError(QProcess::ProcessError error) {
    if (error == QProcess::FailedToStart) {
        const QString name = program();
        finish(End::Failed,
               tr("The timing program could not be started."),
               QFileInfo::exists(name)
                   ? tr("%1: %2.").arg(name, m_process->errorString())
                   : tr("There is no %1: it belongs beside the application.").arg(name));
    }
    // A crash also ends in finished().
}

void RunProcess::onFinished(int code, QProcess::ExitStatus status) {
    readOutput();
    if (!m_output.trimmed().isEmpty()) {
        const QByteArray last = m_output.trimmed();
        m_output.clear();
        takeLine(last);  // the end of a line may be missing where the child was cut off
    }
    readMessages();
    if (!m_messages.trimmed().isEmpty()) {
        takeMessage(QString::fromUtf8(m_messages).trimmed());
    }
    if (m_cancelled) {
        finish(End::Cancelled);
        return;
    }
    const QString kept = m_records == 0   ? QString()
                         : m_records == 1 ? tr(" 1 record until then is kept.")
                                          : tr(" %1 records until then are kept.").arg(m_records);
    const QString said = m_error.isEmpty() ? m_said.join(QLatin1Char('\n')) : m_error;
    if (status == QProcess::CrashExit) {
        // The platform gives the signal's number as the exit code.
        finish(End::Failed,
               code == 9 || code == 15
                   ? tr("The timing program was ended from outside (signal %1).").arg(code)
                   : tr("The timing program crashed (signal %1).").arg(code),
               said + kept);
        return;
    }
    if (code != 0) {
        finish(End::Failed,
               m_error.isEmpty() ? tr("The timing program ended with exit status %1.").arg(code)
                                 : m_error,
               (m_error.isEmpty() ? said : m_hint) + kept);
        return;
    }
    if (m_records == 0) {
        finish(End::Failed, tr("The timing program gave no record."), said);
        return;
    }
    finish(End::Finished);
}

void RunProcess::finish(End end, const QString& what, const QString& why) {
    m_silence.stop();
    m_kill.stop();
    QProcess* process = m_process;
    m_process = nullptr;
    if (process != nullptr) {
        process->disconnect(this);
        process->deleteLater();
    }
    emit ended(end, what, why);
}

}  // namespace loupe::app

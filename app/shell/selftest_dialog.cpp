// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/selftest_dialog.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"

#include <QClipboard>
#include <QDialogButtonBox>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

#include <mutex>
#include <vector>

namespace loupe::app {

namespace {

constexpr auto kSlot = "selftest";

QString count(std::uint64_t n) {
    return formatCount(static_cast<qint64>(n));
}

}  // namespace

struct SelfTestDialog::Mail {
    std::mutex mutex;
    std::vector<SelfTestItem> items;
};

SelfTestDialog::SelfTestDialog(QWidget* parent) : QDialog(parent), m_jobs(new JobManager(this)) {
    setAttribute(Qt::WA_DeleteOnClose);
    setObjectName(QStringLiteral("selftest"));
    setWindowTitle(tr("Self-test"));
    resize(Theme::px(560), Theme::px(560));
    auto* layout = new QVBoxLayout(this);
    auto* what = new QLabel(
        tr("Every code of every scalar format, and golden blocks of every packed one, decoded and "
           "encoded on this machine and compared with what other implementations gave."),
        this);
    what->setWordWrap(true);
    setTextRole(what, TextRole::Small);
    setTone(what, Tone::Secondary);
    m_verdict = new QLabel(this);
    m_verdict->setWordWrap(true);
    m_verdict->setTextInteractionFlags(Qt::TextSelectableByMouse);
    setTextRole(m_verdict, TextRole::Heading);
    m_progress = new ProgressLine(this);
    m_table =
        new NumberTable({tr("format"), tr("passed"), tr("failed"), tr("first failure")}, this);
    m_table->setTextColumns({0, 3});
    m_table->setAccessibleName(tr("Checks of each format"));
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->setColumnWidth(0, Theme::px(150));
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    m_again = buttons->addButton(tr("Run again"), QDialogButtonBox::ActionRole);
    auto* copy = buttons->addButton(tr("Copy"), QDialogButtonBox::ActionRole);
    layout->addWidget(what);
    layout->addWidget(m_verdict);
    layout->addWidget(m_progress);
    layout->addWidget(m_table, 1);
    layout->addWidget(buttons);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    connect(copy, &QPushButton::clicked, this, [this] {
        QGuiApplication::clipboard()->setText(verdict() + QLatin1Char('\n') + m_table->copyText());
    });
    connect(m_again, &QPushButton::clicked, this, [this] {
        if (running()) {
            m_stopped = true;
            m_jobs->cancel(QLatin1String(kSlot));
        } else {
            start();
        }
    });
    connect(m_jobs, &JobManager::progressed, this, &SelfTestDialog::drain);
    connect(m_jobs, &JobManager::jobEnded, this, [this] {
        if (running()) {
            drain();
            m_mail.reset();
            showState();
            emit finished();
        }
    });
    start();
}

SelfTestDialog::~SelfTestDialog() {
    disconnect(m_jobs, nullptr, this, nullptr);
    m_jobs->cancel(QLatin1String(kSlot));
}

void SelfTestDialog::start() {
    m_report = {};
    m_stopped = false;
    m_table->setRowCount(0);
    m_mail = std::make_shared<Mail>();
    m_jobs->start(
        QLatin1String(kSlot),
        windowTitle(),
        [mail = m_mail](const JobContext& ctx) {
            const SelfTestReport report = runSelfTest(
                [&](const SelfTestItem& item) {
                    const std::scoped_lock lock(mail->mutex);
                    mail->items.push_back(item);
                },
                ctx);
            return report.items.size();
        },
        this,
        [](std::size_t) {});
    showState();
}

void SelfTestDialog::drain() {
    if (m_mail == nullptr) {
        return;
    }
    std::vector<SelfTestItem> items;
    {
        const std::scoped_lock lock(m_mail->mutex);
        items.swap(m_mail->items);
    }
    for (SelfTestItem& item : items) {
        const int row = m_table->rowCount();
        m_table->setRowCount(row + 1);
        m_table->setCell(row, 0, QString::fromStdString(item.format));
        m_table->setCell(row, 1, count(item.passed));
        m_table->setCell(row, 2, count(item.failed));
        const QString why = QString::fromStdString(item.firstFailure);
        m_table->setCell(row, 3, why, why);
        m_report.items.push_back(std::move(item));
    }
    showState();
}

QString SelfTestDialog::verdict() const {
    const QString counts =
        tr("%1 checks of %2 formats passed, %3 failed")
            .arg(count(m_report.passed()), count(m_report.items.size()), count(m_report.failed()));
    return running()   ? tr("Running: %1").arg(counts)
           : m_stopped ? tr("Stopped: %1").arg(counts)
                       : counts;
}

void SelfTestDialog::showState() {
    m_verdict->setText(verdict());
    m_progress->setProgress(running() ? std::optional(m_jobs->fraction(QLatin1String(kSlot)))
                                      : std::nullopt);
    m_again->setText(running() ? tr("Stop") : tr("Run again"));
}

void showSelfTest(QWidget* parent) {
    (new SelfTestDialog(parent))->show();
}

}  // namespace loupe::app

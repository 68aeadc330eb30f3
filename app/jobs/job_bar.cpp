// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/job_bar.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/widgets/theme.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPainter>
#include <QToolButton>

namespace loupe::app {

namespace {

constexpr double kShowAfterSeconds = 0.3;

/// A 4 px bar; without a known fraction only its groove.
class ThinBar : public QWidget {
public:
    explicit ThinBar(QWidget* parent) : QWidget(parent) {
        setFixedSize(Theme::px(120), Theme::px(4));
    }
    void setFraction(double fraction) {
        m_fraction = fraction;
        QWidget::update();
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(Theme::current().pressed);
        painter.drawRoundedRect(rect(), 2, 2);
        if (m_fraction > 0) {
            painter.setBrush(Theme::current().text2);
            painter.drawRoundedRect(QRectF(0, 0, width() * m_fraction, height()), 2, 2);
        }
    }

private:
    double m_fraction = -1;
};

QString timeLeft(double seconds) {
    if (seconds < 0) {
        return {};
    }
    const int whole = static_cast<int>(seconds + 0.5);
    return JobBar::tr("%1:%2 left").arg(whole / 60).arg(whole % 60, 2, 10, QLatin1Char('0'));
}

QString counted(const JobView& job) {
    if (job.total == 0) {
        return job.title;
    }
    // Small totals are things that a person counts (tensors); large ones are elements.
    if (job.total < 100'000 && job.slot == QLatin1String("scan")) {
        return JobBar::tr("%1 %2 / %3")
            .arg(job.title,
                 formatCount(static_cast<qint64>(job.done)),
                 formatCount(static_cast<qint64>(job.total)));
    }
    return JobBar::tr("%1 %2 %").arg(job.title).arg(static_cast<int>(job.fraction * 100));
}

}  // namespace

JobBar::JobBar(JobManager& jobs, QWidget* parent) : QWidget(parent), m_jobs(jobs) {
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(8));
    m_title = new QLabel(this);
    m_bar = new ThinBar(this);
    m_left = new QLabel(this);
    m_cancel = new QToolButton(this);
    m_cancel->setAutoRaise(true);
    m_cancel->setIcon(themedIcon(QStringLiteral("close")));
    for (QLabel* label : {m_title, m_left}) {
        setTextRole(label, TextRole::Number);
    }
    layout->addWidget(m_title);
    layout->addWidget(m_bar);
    layout->addWidget(m_left);
    layout->addWidget(m_cancel);
    connect(m_cancel, &QToolButton::clicked, this, [this] { m_jobs.cancel(m_slot); });
    connect(&jobs, &JobManager::progressed, this, &JobBar::update);
    connect(&jobs, &JobManager::jobEnded, this, &JobBar::update);
    setAccessibleName(tr("Running job"));
    hide();
}

void JobBar::update() {
    const std::vector<JobView> running = m_jobs.running();
    const bool shown = !running.empty() && running.front().seconds >= kShowAfterSeconds;
    if (shown) {
        const JobView& job = running.front();
        m_slot = job.slot;
        m_title->setText(counted(job));
        static_cast<ThinBar*>(m_bar)->setFraction(job.fraction);
        m_left->setText(timeLeft(job.secondsLeft));
        m_cancel->setToolTip(tr("Stop \"%1\"").arg(job.title));
        m_cancel->setAccessibleName(m_cancel->toolTip());
        setAccessibleDescription(m_title->text());
    }
    setVisible(shown);
}

void JobBar::mousePressEvent(QMouseEvent*) {
    listJobs();
}

void JobBar::listJobs() {
    QMenu menu(this);
    for (const JobView& job : m_jobs.running()) {
        menu.addAction(tr("Stop: %1  %2").arg(counted(job), timeLeft(job.secondsLeft)),
                       this,
                       [this, slot = job.slot] { m_jobs.cancel(slot); });
    }
    menu.exec(mapToGlobal(QPoint(0, -menu.sizeHint().height())));
}

}  // namespace loupe::app

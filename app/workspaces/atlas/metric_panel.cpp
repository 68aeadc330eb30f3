// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/metric_panel.hpp"

#include "app/widgets/theme.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QListWidget>
#include <QPushButton>
#include <QVBoxLayout>

#include <cmath>

namespace loupe::app {

namespace {

QString groupTitle(const AtlasModel& model, const AtlasMetric& metric) {
    switch (metric.kind) {
        case AtlasMetric::Kind::Header:
            return MetricPanel::tr("From the header");
        case AtlasMetric::Kind::Stats:
            return MetricPanel::tr("Of the weights");
        case AtlasMetric::Kind::Scheme: {
            const QString scheme = model.document().scheme(metric.side);
            return (metric.side == Side::A ? MetricPanel::tr("Under scheme A")
                                           : MetricPanel::tr("Under scheme B")) +
                   (scheme.isEmpty() ? MetricPanel::tr(": none") : QString());
        }
        case AtlasMetric::Kind::Own:
            break;
    }
    return model.ownTitle();
}

}  // namespace

MetricPanel::MetricPanel(AtlasModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setAccessibleName(tr("Metric"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, Theme::px(8), 0, Theme::px(8));
    column->setSpacing(Theme::px(6));
    m_list = new QListWidget(this);
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setAccessibleName(tr("Metric of the atlas"));
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->setTextElideMode(Qt::ElideRight);
    m_list->viewport()->setAutoFillBackground(false);
    column->addWidget(m_list, 1);
    auto* box = new QVBoxLayout;
    box->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    box->setSpacing(Theme::px(6));
    m_help = new QLabel(this);
    m_help->setWordWrap(true);
    setTextRole(m_help, TextRole::Small);
    setTone(m_help, Tone::Secondary);
    box->addWidget(m_help);
    m_status = new QLabel(this);
    m_status->setWordWrap(true);
    setTextRole(m_status, TextRole::Small);
    setTone(m_status, Tone::Secondary);
    box->addWidget(m_status);
    m_pause = new QPushButton(this);
    m_import = new QPushButton(tr("Own figures…"), this);
    m_import->setToolTip(tr("A table tensor,value… becomes a metric: one line for each tensor"));
    auto* row = new QHBoxLayout;
    row->addWidget(m_import, 1);
    row->addWidget(m_pause);
    box->addLayout(row);
    column->addLayout(box);
    connect(m_import, &QPushButton::clicked, this, &MetricPanel::importRequested);
    connect(m_pause, &QPushButton::clicked, this, [this] {
        if (m_model.computing()) {
            m_model.pause();
        } else {
            m_model.resume();
        }
    });
    connect(m_list, &QListWidget::currentItemChanged, this, [this](const QListWidgetItem* item) {
        if (item != nullptr && !m_filling) {
            m_model.chooseMetric(item->data(Qt::UserRole).toString());
        }
    });
    connect(&model, &AtlasModel::metricChanged, this, [this] {
        fill();
        follow();
    });
    connect(&model, &AtlasModel::progressed, this, [this] {
        fill();
        showProgress();
    });
    connect(&model, &AtlasModel::valuesChanged, this, &MetricPanel::showProgress);
    fill();
    follow();
}

/// Anew only where titles changed: a list that is filled loses its place.
void MetricPanel::fill() {
    QStringList wanted;
    QString group;
    const std::vector<AtlasMetric> metrics = m_model.metrics();
    for (const AtlasMetric& metric : metrics) {
        if (const QString title = groupTitle(m_model, metric); title != group) {
            group = title;
            wanted << group;
        }
        wanted << metric.title;
    }
    QStringList has;
    for (int i = 0; i < m_list->count(); ++i) {
        has << m_list->item(i)->text().trimmed();
    }
    if (wanted == has) {
        return;
    }
    m_filling = true;
    m_list->clear();
    group.clear();
    for (const AtlasMetric& metric : metrics) {
        if (const QString title = groupTitle(m_model, metric); title != group) {
            group = title;
            auto* head = new QListWidgetItem(group, m_list);
            head->setFlags(Qt::NoItemFlags);
            head->setFont(Theme::font(TextRole::Caption));
        }
        auto* item = new QListWidgetItem(QStringLiteral("  ") + metric.title, m_list);
        item->setData(Qt::UserRole, metric.id);
        item->setToolTip(metric.help);
        item->setFont(Theme::font(TextRole::Body));
    }
    m_filling = false;
    follow();
}

void MetricPanel::follow() {
    m_filling = true;
    for (int i = 0; i < m_list->count(); ++i) {
        if (m_list->item(i)->data(Qt::UserRole).toString() == m_model.metric().id) {
            m_list->setCurrentRow(i);
        }
    }
    m_filling = false;
    m_help->setText(m_model.metric().help);
    showProgress();
}

void MetricPanel::showProgress() {
    const AtlasValues& values = m_model.values();
    const AtlasMetric& metric = m_model.metric();
    const bool computing = m_model.computing();
    const bool paused = m_model.paused();
    QString text;
    if (metric.kind == AtlasMetric::Kind::Scheme) {
        text = m_model.document().scheme(metric.side);
        if (!text.isEmpty()) {
            text += QLatin1Char('\n');
        }
    }
    const auto exact = static_cast<qint64>(values.known + values.failed);
    const auto all = exact + static_cast<qint64>(values.pending + values.sampled);
    const QString share = tr("%1 of %2 tensors").arg(formatCount(exact), formatCount(all));
    if (computing) {
        const double fraction = m_model.fraction();
        text += fraction >= 0
                    ? tr("Reading: %1 exact, %2 done").arg(share, formatPercent(fraction, 0))
                    : tr("Reading: %1 exact").arg(share);
    } else if (paused) {
        text += tr("Paused: %1 exact").arg(share);
    } else if (values.known > 0) {
        text += tr("exact · %1").arg(share);
    }
    if (values.sampled > 0) {
        text += tr("\n%1: %2 estimated from some of their rows")
                    .arg(estimateSign(metric))
                    .arg(formatCount(static_cast<qint64>(values.sampled)));
    }
    m_status->setText(text);
    m_pause->setVisible(computing || paused);
    m_pause->setText(computing ? tr("Pause") : tr("Go on"));
    m_pause->setToolTip(computing ? tr("Stop reading; what is known stays")
                                  : tr("Read what is still to come"));
}

void MetricPanel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        m_list->clear();
        fill();
    }
}

}  // namespace loupe::app

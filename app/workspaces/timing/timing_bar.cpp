// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/timing_bar.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/timing/roofline.hpp"
#include "app/workspaces/timing/timing_model.hpp"

#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPainter>
#include <QToolButton>

#include <algorithm>
#include <array>

namespace loupe::app {

namespace {

constexpr std::array<gpu::FigureKind, 3> kKinds{
    gpu::FigureKind::Measured, gpu::FigureKind::Counted, gpu::FigureKind::Modelled};
constexpr double kMarkWidth = 14;

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

}  // namespace

KindLegend::KindLegend(QWidget* parent) : QWidget(parent) {
    setAccessibleName(tr("Measured: solid. Counted: hatched. Model: outlined."));
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}

QSize KindLegend::sizeHint() const {
    double width = 0;
    for (const gpu::FigureKind kind : kKinds) {
        width += Theme::px(kMarkWidth + 18) + textWidth(kindText(kind), TextRole::Small);
    }
    return {static_cast<int>(width), Theme::px(20)};
}

void KindLegend::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    const Theme& theme = Theme::current();
    double x = 0;
    for (const gpu::FigureKind kind : kKinds) {
        const double mark = Theme::px(kMarkWidth);
        const double high = Theme::px(10);
        drawKindBar(painter, kind, QRectF(x, (height() - high) / 2, mark, high), theme.original);
        const double text = textWidth(kindText(kind), TextRole::Small);
        drawTextLine(painter,
                     QRectF(x + mark + Theme::px(6), 0, text + 2, height()),
                     Qt::AlignLeft,
                     kindText(kind),
                     TextRole::Small,
                     theme.text2);
        x += mark + Theme::px(18) + text;
    }
}

TimingBar::TimingBar(TimingModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("timingBar"));
    setAccessibleName(tr("Timing"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_layout = new QHBoxLayout(this);
    m_layout->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    m_layout->setSpacing(Theme::px(8));
    m_title = new QLabel(this);
    setTextRole(m_title, TextRole::Heading);
    m_shape = new QLabel(this);
    setTextRole(m_shape, TextRole::Number);
    m_words = new QLabel(this);
    setTextRole(m_words, TextRole::Small);
    setTone(m_words, Tone::Secondary);
    m_machine = new FactChip({}, this);
    m_machine->setMono(false);
    m_layout->addWidget(m_title);
    m_layout->addWidget(m_shape);
    m_layout->addWidget(m_words);
    m_layout->addWidget(m_machine);
    m_layout->addStretch(1);
    m_legend = new KindLegend(this);
    m_layout->addWidget(m_legend);
    m_baseline = new QComboBox(this);
    m_baseline->setObjectName(QStringLiteral("baseline"));
    m_baseline->setAccessibleName(tr("Compare times with"));
    m_baseline->setToolTip(tr("The case that the others' times are compared with"));
    m_devices = new QComboBox(this);
    m_devices->setObjectName(QStringLiteral("device"));
    m_devices->setAccessibleName(tr("Model for a device"));
    m_devices->setToolTip(tr("What a data sheet promises: the model's roofs and times"));
    for (QComboBox* each : {m_baseline, m_devices}) {
        each->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
        each->setMinimumContentsLength(14);
        setTextRole(each, TextRole::Small);
        m_layout->addWidget(each);
    }
    m_devices->addItem(tr("no model"), QString());
    for (const HardwarePreset& preset : hardwarePresets()) {
        m_devices->addItem(tr("model: %1").arg(preset.title), preset.id);
        m_devices->setItemData(m_devices->count() - 1, preset.source, Qt::ToolTipRole);
    }
    m_devices->setVisible(m_devices->count() > 1);
    m_export = new QToolButton(this);
    m_export->setObjectName(QStringLiteral("export"));
    m_export->setIcon(themedIcon(QStringLiteral("export")));
    m_export->setAutoRaise(true);
    m_export->setToolTip(tr("Export"));
    m_export->setAccessibleName(tr("Export"));
    m_export->setPopupMode(QToolButton::InstantPopup);
    auto* menu = new QMenu(m_export);
    const auto add = [&](const QString& text, const QString& kind) {
        connect(menu->addAction(text), &QAction::triggered, this, [this, kind] {
            emit exportRequested(kind);
        });
    };
    add(tr("Figure: PNG, SVG, PDF…"), QStringLiteral("figure"));
    add(tr("Numbers as CSV…"), QStringLiteral("csv"));
    add(tr("Records as JSON lines…"), QStringLiteral("jsonl"));
    m_export->setMenu(menu);
    m_layout->addWidget(m_export);
    connect(m_baseline, &QComboBox::activated, this, [this](int index) {
        m_model.setBaseline(m_baseline->itemData(index).toString());
    });
    connect(m_devices, &QComboBox::activated, this, [this](int index) {
        m_model.setPreset(m_devices->itemData(index).toString());
    });
    connect(&model, &TimingModel::shownChanged, this, &TimingBar::refresh);
    refresh();
}

void TimingBar::refresh() {
    const CaseTable& table = m_model.cases();
    const std::vector<RecordPtr> records = m_model.records();
    if (records.empty()) {
        m_title->setText(tr("Timing"));
        m_shape->clear();
        m_words->setText(tr("choose what to run on the left"));
        m_machine->setText({});
    } else {
        const gpu::CaseRecord& what = records.front()->what;
        const QString operation = operationText(what.operation);
        m_title->setText(operation.left(1).toUpper() + operation.mid(1));
        m_shape->setText(table.oneShape ? shapeText(what) : QString());
        m_words->setText(!table.oneShape ? tr("several shapes")
                         : what.model.empty()
                             ? tr("%1 cases").arg(table.rows.size())
                             : QStringList({toQ(what.model), toQ(what.layer), toQ(what.phase)})
                                   .join(QLatin1Char(' ')));
        m_machine->setText(table.machines.size() > 1 ? tr("%1 machines").arg(table.machines.size())
                                                     : toQ(records.front()->device.name));
        m_machine->setToolTip(table.machineNames.join(QLatin1Char('\n')));
    }
    const QSignalBlocker blocker(m_baseline);
    m_baseline->clear();
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        const CaseRow& row = table.rows[i];
        if (row.measured) {
            const bool alone =
                std::count_if(table.rows.begin(), table.rows.end(), [&](const CaseRow& each) {
                    return each.measured && each.format == row.format;
                }) == 1;
            m_baseline->addItem(tr("against %1").arg(alone ? row.format : row.kernel), row.key);
            m_baseline->setItemData(m_baseline->count() - 1, row.kernel, Qt::ToolTipRole);
            if (static_cast<int>(i) == table.baseline) {
                m_baseline->setCurrentIndex(m_baseline->count() - 1);
            }
        }
    }
    m_baseline->setEnabled(m_baseline->count() > 1);
    m_devices->setCurrentIndex(std::max(
        0, m_devices->findData(m_model.preset() != nullptr ? m_model.preset()->id : QString())));
    m_export->setEnabled(!records.empty());
    fold();
}

/// What has no room is left out, the least telling first; the legend of truth never is.
void TimingBar::fold() {
    const std::vector<std::pair<QWidget*, bool>> order{{m_words, !m_words->text().isEmpty()},
                                                       {m_machine, !m_machine->text().isEmpty()},
                                                       {m_baseline, m_baseline->count() > 1},
                                                       {m_shape, !m_shape->text().isEmpty()}};
    int needed = m_layout->contentsMargins().left() + m_layout->contentsMargins().right();
    for (const QWidget* each : {static_cast<QWidget*>(m_title),
                                static_cast<QWidget*>(m_legend),
                                static_cast<QWidget*>(m_export)}) {
        needed += each->sizeHint().width() + m_layout->spacing();
    }
    needed += m_devices->count() > 1 ? m_devices->sizeHint().width() + m_layout->spacing() : 0;
    for (const auto& [widget, wanted] : order) {
        needed += wanted ? widget->sizeHint().width() + m_layout->spacing() : 0;
    }
    for (const auto& [widget, wanted] : order) {
        const bool fits = needed <= width();
        widget->setVisible(wanted && fits);
        if (wanted && !fits) {
            needed -= widget->sizeHint().width() + m_layout->spacing();
        }
    }
}

QSize TimingBar::sizeHint() const {
    return {Theme::px(900), Theme::px(40)};
}

QSize TimingBar::minimumSizeHint() const {
    return {Theme::px(320), Theme::px(36)};
}

void TimingBar::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().panel);
    painter.setPen(Theme::current().line);
    painter.drawLine(0, height() - 1, width(), height() - 1);
}

void TimingBar::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fold();
}

void TimingBar::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        m_legend->updateGeometry();
        updateGeometry();
        fold();
    }
}

}  // namespace loupe::app

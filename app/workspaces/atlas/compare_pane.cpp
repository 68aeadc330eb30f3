// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/compare_pane.hpp"

#include "app/plot/heatmap.hpp"
#include "app/plot/plot_style.hpp"
#include "app/plot/range_legend.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/compare_table.hpp"
#include "core/base/text.hpp"
#include "core/base/units.hpp"

#include <QAction>
#include <QDropEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPainter>
#include <QPushButton>
#include <QSplitter>
#include <QTreeView>
#include <QUrl>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr int kListMs = 150;
constexpr int kSettleMs = 60;
constexpr int kBins = 48;
constexpr int kWidthForTwo = 1000;
constexpr double kFirstTolerance = 0.01;

CompareModel::Map mapOf(const QString& id) {
    return id == QLatin1String("a")   ? CompareModel::Map::A
           : id == QLatin1String("b") ? CompareModel::Map::B
                                      : CompareModel::Map::Difference;
}

bool isOneFile(const QMimeData* data) {
    return data->hasUrls() && data->urls().size() == 1 && data->urls().front().isLocalFile();
}

QString facts(const TensorSource& source) {
    return QStringLiteral("%1 · %2 · %3")
        .arg(QString::fromStdString(source.info().title),
             ComparePane::tr("%1 tensors")
                 .arg(formatCount(static_cast<qint64>(source.tensors().size()))),
             QString::fromStdString(decimalBytes(static_cast<double>(source.info().bytes))));
}

}  // namespace

ComparePane::ComparePane(Document& document, QWidget* parent) : QWidget(parent) {
    setAcceptDrops(true);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    m_model = new CompareModel(document, this);
    m_table = new CompareTableModel(*m_model, this);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    m_progress = new ProgressLine(this);
    m_message = new MessageBar(this);
    column->addWidget(m_progress);
    buildHead();
    column->addWidget(m_head);
    column->addWidget(m_message);
    m_empty = new EmptyState(this);
    column->addWidget(m_empty, 1);
    m_splitter = new QSplitter(Qt::Horizontal, this);
    m_splitter->setChildrenCollapsible(false);
    column->addWidget(m_splitter, 1);
    buildList();
    buildMap();
    m_closeMessage = new QAction(tr("Close"), this);
    connect(m_closeMessage, &QAction::triggered, m_message, &MessageBar::clear);
    connect(m_splitter, &QSplitter::splitterMoved, this, [this] { m_moved = true; });
    connectModel();
    connectMap();
    setTabOrder(m_choose, m_gate);
    setTabOrder(m_gate, m_tolerance);
    setTabOrder(m_tolerance, m_lists);
    setTabOrder(m_lists, m_view);
    setTabOrder(m_view, m_maps);
    setTabOrder(m_maps, m_picture);
    setTabOrder(m_picture, m_legend);
    showPairs();
    showMap();
}

void ComparePane::buildHead() {
    m_head = new QWidget(this);
    auto* row = new QHBoxLayout(m_head);
    row->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(8));
    row->setSpacing(Theme::px(8));
    const auto name = [&](bool second) {
        row->addWidget(new LetterBadge(second, m_head));
        auto* label = new ElidedLabel(m_head);
        setTextRole(label, TextRole::Small);
        label->setMinimumWidth(Theme::px(60));
        label->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
        row->addWidget(label, 1);
        return label;
    };
    m_nameA = name(false);
    m_nameB = name(true);
    m_choose = new QPushButton(tr("Choose B…"), m_head);
    m_choose->setToolTip(tr("A second checkpoint, of any container; or drop it here"));
    row->addWidget(m_choose);
    m_gate = new Toggle(tr("Tolerance"), m_head);
    m_gate->setCheckable(true);
    m_gate->setToolTip(tr("Relative error that passes, as in loupe diff --tolerance"));
    m_gate->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    row->addWidget(m_gate);
    m_tolerance = new QLineEdit(m_head);
    m_tolerance->setAccessibleName(tr("Tolerance, a relative error"));
    m_tolerance->setPlaceholderText(formatNumber(kFirstTolerance));
    m_tolerance->setToolTip(
        tr("Largest relative error that passes, a share: 0.01 is one percent. A number switches the "
           "gate on."));
    m_tolerance->setAlignment(Qt::AlignRight);
    m_tolerance->setFixedWidth(Theme::px(84));
    setTextRole(m_tolerance, TextRole::Number);
    row->addWidget(m_tolerance);
}

void ComparePane::buildList() {
    m_left = new QWidget(m_splitter);
    auto* column = new QVBoxLayout(m_left);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(Theme::px(4));
    auto* row = new QHBoxLayout;
    row->setContentsMargins(Theme::px(12), 0, Theme::px(8), 0);
    m_lists = new SegmentedControl(m_left);
    m_lists->setCompact(true);
    m_lists->setAccessibleName(tr("Which tensors are listed"));
    m_pause = new QPushButton(m_left);
    row->addWidget(m_lists);
    row->addStretch(1);
    row->addWidget(m_pause);
    column->addLayout(row);
    m_verdict = new QLabel(m_left);
    m_verdict->setWordWrap(true);
    m_verdict->setContentsMargins(Theme::px(12), 0, Theme::px(8), 0);
    setTextRole(m_verdict, TextRole::Small);
    setTone(m_verdict, Tone::Secondary);
    column->addWidget(m_verdict);
    m_view = new QTreeView(m_left);
    m_view->setModel(m_table);
    m_view->setRootIsDecorated(false);
    m_view->setUniformRowHeights(true);
    m_view->setItemsExpandable(false);
    m_view->setAllColumnsShowFocus(true);
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->setTextElideMode(Qt::ElideMiddle);
    m_view->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_view->setAccessibleName(tr("Tensors of both checkpoints"));
    m_view->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_view->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn);
    m_view->header()->setSectionsMovable(false);
    m_view->header()->setStretchLastSection(false);
    m_view->header()->setMinimumSectionSize(Theme::px(30));
    m_view->header()->setSortIndicator(CompareTableModel::Relative, Qt::DescendingOrder);
    m_view->setSortingEnabled(true);
    m_view->viewport()->installEventFilter(this);
    column->addWidget(m_view, 1);
}

void ComparePane::buildMap() {
    m_right = new QWidget(m_splitter);
    auto* column = new QVBoxLayout(m_right);
    column->setContentsMargins(0, 0, 0, Theme::px(4));
    column->setSpacing(Theme::px(4));
    auto* row = new QHBoxLayout;
    row->setContentsMargins(Theme::px(8), 0, Theme::px(12), 0);
    row->setSpacing(Theme::px(8));
    m_title = new ElidedLabel(m_right);
    setTextRole(m_title, TextRole::Small);
    setTone(m_title, Tone::Secondary);
    m_title->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_maps = new SegmentedControl(m_right);
    m_maps->setCompact(true);
    m_maps->setAccessibleName(tr("What the element map shows"));
    m_maps->setOptions({{QStringLiteral("difference"), tr("B − A"), tr("The difference")},
                        {QStringLiteral("a"), tr("A"), tr("The values of A, in B's layout")},
                        {QStringLiteral("b"), tr("B"), tr("The values of B")}});
    row->addWidget(m_title, 1);
    row->addWidget(m_maps);
    column->addLayout(row);
    auto* body = new QHBoxLayout;
    body->setContentsMargins(0, 0, Theme::px(8), 0);
    body->setSpacing(0);
    m_picture = new Heatmap(&m_model->document().jobs(), m_right);
    m_picture->setObjectName(QStringLiteral("comparePicture"));
    m_picture->setAccessibleName(tr("Element map"));
    m_legend = new RangeLegend(m_right);
    m_legend->setAccessibleName(tr("Colours of the element map"));
    body->addWidget(m_picture, 1);
    body->addWidget(m_legend);
    column->addLayout(body, 1);
}

void ComparePane::connectModel() {
    m_later.setSingleShot(true);
    m_later.setInterval(kListMs);
    connect(&m_later, &QTimer::timeout, this, &ComparePane::showProgress);
    connect(m_model, &CompareModel::pairsChanged, this, &ComparePane::showPairs);
    connect(m_model, &CompareModel::progressed, this, [this] {
        m_progress->setProgress(m_model->computing() ? std::optional(m_model->fraction())
                                                     : std::nullopt);
        if (!m_later.isActive()) {
            m_later.start();
        }
    });
    connect(m_model, &CompareModel::toleranceChanged, this, [this] {
        m_showing = true;
        m_gate->setChecked(m_model->tolerance().has_value());
        m_tolerance->setText(m_model->tolerance() ? formatNumber(*m_model->tolerance())
                                                  : QString());
        m_showing = false;
        showProgress();
    });
    connect(m_choose, &QPushButton::clicked, this, &ComparePane::choose);
    connect(m_empty, &EmptyState::activated, this, &ComparePane::choose);
    connect(m_gate, &QAbstractButton::toggled, this, [this](bool on) {
        if (!m_showing) {
            m_model->setTolerance(on ? std::optional(kFirstTolerance) : std::nullopt);
        }
    });
    connect(m_tolerance, &QLineEdit::editingFinished, this, &ComparePane::typed);
    connect(m_lists, &SegmentedControl::chosen, this, [this](const QString& id) {
        m_table->setList(id == QLatin1String("a")        ? CompareTableModel::List::OnlyA
                         : id == QLatin1String("b")      ? CompareTableModel::List::OnlyB
                         : id == QLatin1String("shapes") ? CompareTableModel::List::Shapes
                                                         : CompareTableModel::List::Matched);
        fitColumns();
    });
    connect(m_pause, &QPushButton::clicked, this, [this] {
        if (m_model->computing()) {
            m_model->pause();
        } else {
            m_model->resume();
        }
    });
    connect(m_view->selectionModel(),
            &QItemSelectionModel::currentChanged,
            this,
            [this](const QModelIndex& index) {
                if (!m_showing) {
                    m_model->select(m_table->pair(index.row()));
                }
            });
    connect(m_model, &CompareModel::selectionChanged, this, [this] { followSelection(); });
    connect(m_table, &QAbstractItemModel::modelReset, this, [this] { followSelection(); });
}

void ComparePane::followSelection() {
    const int row = m_table->rowOf(m_model->selected());
    m_showing = true;
    if (row >= 0) {
        m_view->setCurrentIndex(m_table->index(row, 0));
    }
    m_showing = false;
}

void ComparePane::connectMap() {
    m_histogram.setSingleShot(true);
    m_histogram.setInterval(kSettleMs);
    connect(&m_histogram, &QTimer::timeout, this, [this] {
        if (m_picture->frame().valid()) {
            m_legend->setHistogram(m_picture->frame().histogram(m_picture->color(), kBins));
        }
    });
    connect(m_picture, &Heatmap::frameChanged, &m_histogram, qOverload<>(&QTimer::start));
    connect(m_picture, &Heatmap::hovered, this, &ComparePane::showHover);
    connect(m_picture, &Heatmap::cellClicked, this, [this](Cell cell) {
        m_picture->setSelected(cell);
        showHover(cell);
    });
    connect(m_picture, &Heatmap::clearRequested, this, [this] { m_picture->setSelected({}); });
    connect(m_model, &CompareModel::mapChanged, this, &ComparePane::showMap);
    connect(m_maps, &SegmentedControl::chosen, this, [this](const QString& id) {
        m_model->setMap(mapOf(id));
    });
    connect(m_legend, &RangeLegend::rangeChanged, this, [this](double low, double high, bool) {
        ColorSetting setting = m_picture->color();
        if (setting.diverging()) {
            const double reach = std::max(std::fabs(low), std::fabs(high));
            low = -reach;
            high = reach;
        }
        setting.low = low;
        setting.high = high;
        setColors(setting, tr("by hand"));
    });
    m_maps->setCurrent(QStringLiteral("difference"));
}

void ComparePane::choose() {
    const QString path = QFileDialog::getOpenFileName(this, tr("Checkpoint B"));
    if (!path.isEmpty()) {
        m_model->setOther(path);
    }
}

void ComparePane::showPairs() {
    const bool a = m_model->a() != nullptr;
    const bool b = m_model->b() != nullptr;
    m_nameA->setText(a ? facts(*m_model->a()) : tr("nothing open"));
    m_nameB->setText(b                            ? facts(*m_model->b())
                     : !m_model->path().isEmpty() ? QFileInfo(m_model->path()).fileName()
                                                  : tr("none yet"));
    m_nameB->setToolTip(m_model->path());
    if (m_model->openError()) {
        m_message->showError(*m_model->openError());
        m_message->setActions({m_closeMessage});
    } else {
        m_message->clear();
    }
    m_empty->setContent(QStringLiteral("compare"),
                        a ? tr("No second checkpoint") : tr("No checkpoint open"),
                        a ? tr("Choose B, or drop a file here: what differs, and by how much.")
                          : tr("Open A first; what B changed of it appears here."));
    m_empty->setButton(a ? tr("Choose B…") : QString());
    m_choose->setEnabled(a);
    // Who chose B in the empty state goes on with the keys in the list.
    const bool follow = a && b && m_empty->isAncestorOf(focusWidget());
    m_empty->setVisible(!a || !b);
    m_splitter->setVisible(a && b);
    if (follow) {
        m_view->setFocus(Qt::OtherFocusReason);
    }
    const DiffPlan& plan = m_model->plan();
    const auto count = [](const QString& text, std::size_t n) {
        return QStringLiteral("%1 %2").arg(text, formatCount(static_cast<qint64>(n)));
    };
    const QString now = m_lists->current();
    m_lists->setOptions(
        {{QStringLiteral("matched"), count(tr("Matched"), m_model->rows().size()), {}},
         {QStringLiteral("a"), count(tr("Only A"), plan.onlyA.size()), {}},
         {QStringLiteral("b"), count(tr("Only B"), plan.onlyB.size()), {}},
         {QStringLiteral("shapes"), count(tr("Other shape"), plan.mismatches.size()), {}}});
    m_lists->setCurrent(now.isEmpty() ? QStringLiteral("matched") : now);
    m_table->rebuild();
    showProgress();
}

void ComparePane::showProgress() {
    m_table->refresh();
    m_verdict->setText(m_model->verdict());
    const bool some = m_model->known() < m_model->rows().size();
    m_pause->setVisible(some && (m_model->computing() || m_model->paused()));
    m_pause->setText(m_model->computing() ? tr("Pause") : tr("Go on"));
    fitColumns();
    if (!some && !m_model->rows().empty() && m_model->selected() < 0 &&
        m_table->list() == CompareTableModel::List::Matched) {
        int pair = m_table->pair(0);  // the worst, or what the session had
        for (std::size_t i = 0; i < m_model->rows().size() && !m_wanted.isEmpty(); ++i) {
            pair = m_model->nameA(static_cast<int>(i)) == m_wanted ? static_cast<int>(i) : pair;
        }
        m_wanted.clear();
        m_model->select(pair);
    }
}

void ComparePane::typed() {
    if (m_showing || !m_tolerance->isModified()) {
        return;
    }
    m_tolerance->setModified(false);
    QString text = m_tolerance->text().trimmed();
    text.replace(QChar(0x2212), QLatin1Char('-'));
    const std::optional<double> value = parseDouble(text.toStdString());
    if (value && std::isfinite(*value) && *value >= 0) {
        m_message->clear();
        m_model->setTolerance(*value);
        return;
    }
    m_message->showMessage(MessageBar::Role::Warning,
                           tr("Expected a relative error of 0 or more, found \"%1\".").arg(text),
                           tr("For example 0.01: one percent."));
    m_message->setActions({m_closeMessage});
}

void ComparePane::setColors(const ColorSetting& setting, const QString& mode) {
    m_picture->setColor(setting);
    m_legend->setSetting(setting);
    LegendInfo info;
    info.quantity = m_maps->current() == QLatin1String("difference") ? tr("B − A")
                    : m_maps->current() == QLatin1String("a")        ? tr("A")
                                                                     : tr("B");
    info.scale = tr("linear");
    info.mode = mode;
    if (const std::shared_ptr<const PlaneData>& plane = m_model->plane()) {
        info.least = static_cast<double>(plane->pyramid->min);
        info.most = static_cast<double>(plane->pyramid->max);
        info.nan = plane->pyramid->nan;
        info.inf = plane->pyramid->inf;
    }
    m_legend->setInfo(info);
    m_histogram.start();
}

void ComparePane::showMap() {
    const int row = m_model->selected();
    const std::shared_ptr<const PlaneData>& plane = m_model->plane();
    if (m_picture->plane() != plane) {
        m_picture->setSelected({});
        m_picture->setPlane(plane);
    }
    m_picture->setPending(m_model->mapping());
    if (m_model->planeError()) {
        m_picture->setEmptyText(tr("No element map"),
                                QString::fromStdString(m_model->planeError()->message()));
    } else {
        m_picture->setEmptyText(
            row < 0 ? tr("No pair selected") : tr("Reading…"),
            row < 0 ? tr("Click a row: where its elements differ appears here.") : QString());
    }
    m_title->setText(
        row < 0 || plane == nullptr
            ? QString()
            : tr("%1, %2 × %3").arg(m_model->nameB(row)).arg(plane->rows).arg(plane->cols));
    m_legend->setVisible(plane != nullptr);
    if (plane != nullptr) {
        ColorSetting setting;
        setting.map = ColorMapId::Signed;
        setting.magnitude = false;
        setting.high = std::max(static_cast<double>(plane->pyramid->absmax), 1e-30);
        setting.low = -setting.high;
        setColors(setting, tr("largest |value|"));
    }
}

void ComparePane::showHover(std::optional<Cell> cell) {
    m_picture->setHover(cell);
    const std::optional<std::pair<float, float>> values =
        cell ? m_model->valuesAt(*cell) : std::nullopt;
    if (!values) {
        emit readoutChanged({});
        return;
    }
    const auto [a, b] = *values;
    const QString text = tr("row %1 column %2 · A %3 · B %4 · B − A %5")
                             .arg(cell->row)
                             .arg(cell->col)
                             .arg(formatExact(static_cast<double>(a)),
                                  formatExact(static_cast<double>(b)),
                                  formatNumber(static_cast<double>(b) - static_cast<double>(a)));
    m_picture->setAccessibleDescription(text);
    emit readoutChanged(text.toHtmlEscaped());
}

// --- sizes, sessions, drops

void ComparePane::resetLayout() {
    m_moved = false;
    arrange();
}

void ComparePane::arrange() {
    const bool wide = width() / Theme::fontScale() >= kWidthForTwo;
    const Qt::Orientation wanted = wide ? Qt::Horizontal : Qt::Vertical;
    if (m_splitter->orientation() != wanted) {
        m_splitter->setOrientation(wanted);
        m_moved = false;
    }
    if (!m_moved) {
        const int all = wide ? width() : height();
        m_splitter->setSizes({all * 54 / 100, all * 46 / 100});
    }
    fitColumns();
}

void ComparePane::fitColumns() {
    QHeaderView* header = m_view->header();
    const int width = m_view->viewport()->width();
    const bool matched = m_table->list() == CompareTableModel::List::Matched;
    for (const int column : {CompareTableModel::Relative,
                             CompareTableModel::Sqnr,
                             CompareTableModel::Largest,
                             CompareTableModel::Provenance}) {
        m_view->setColumnHidden(column, !matched);
    }
    m_view->setColumnHidden(CompareTableModel::TensorA,
                            m_table->list() == CompareTableModel::List::OnlyB);
    // B's name where it is another one, and there is room for it.
    bool renamed = false;
    for (std::size_t i = 0; i < m_model->rows().size() && !renamed; ++i) {
        renamed = m_model->nameA(static_cast<int>(i)) != m_model->nameB(static_cast<int>(i));
    }
    const bool showB = matched ? renamed && width > Theme::px(760)
                               : m_table->list() != CompareTableModel::List::OnlyA;
    m_view->setColumnHidden(CompareTableModel::TensorB, !showB);
    int left = width;
    if (matched) {
        const int number = Theme::px(92);
        for (const int column :
             {CompareTableModel::Relative, CompareTableModel::Sqnr, CompareTableModel::Largest}) {
            header->resizeSection(column, number);
            left -= number;
        }
        const int provenance = std::max(Theme::px(110), left * 40 / 100);
        header->resizeSection(CompareTableModel::Provenance, provenance);
        left -= provenance;
    }
    const int names = showB && m_table->list() != CompareTableModel::List::OnlyB ? left / 2 : left;
    header->resizeSection(CompareTableModel::TensorA, std::max(Theme::px(60), names));
    header->resizeSection(CompareTableModel::TensorB, std::max(Theme::px(60), names));
}

bool ComparePane::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_view->viewport() && event->type() == QEvent::Resize) {
        fitColumns();
    }
    return QWidget::eventFilter(watched, event);
}

void ComparePane::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    arrange();
}

void ComparePane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    m_model->setActive(true);
    arrange();
}

void ComparePane::hideEvent(QHideEvent* event) {
    QWidget::hideEvent(event);
    m_model->setActive(false);
}

void ComparePane::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange && m_view != nullptr) {
        fitColumns();
    }
}

void ComparePane::dragEnterEvent(QDragEnterEvent* event) {
    if (isOneFile(event->mimeData()) && m_model->a() != nullptr) {
        event->acceptProposedAction();
    }
}

void ComparePane::dropEvent(QDropEvent* event) {
    m_model->setOther(event->mimeData()->urls().front().toLocalFile());
    event->acceptProposedAction();
}

QJsonObject ComparePane::save() const {
    QJsonObject state{{QStringLiteral("path"), m_model->path()}};
    if (m_model->selected() >= 0) {
        state[QStringLiteral("selected")] = m_model->nameA(m_model->selected());
    } else if (!m_wanted.isEmpty()) {
        state[QStringLiteral("selected")] = m_wanted;
    }
    if (m_model->tolerance()) {
        state[QStringLiteral("tolerance")] = *m_model->tolerance();
    }
    return state;
}

void ComparePane::restore(const QJsonObject& state) {
    const QJsonValue tolerance = state[QStringLiteral("tolerance")];
    m_model->setTolerance(tolerance.isDouble() ? std::optional(tolerance.toDouble())
                                               : std::nullopt);
    m_wanted = state[QStringLiteral("selected")].toString();
    const QString path = state[QStringLiteral("path")].toString();
    if (path != m_model->path()) {
        m_model->setOther(path);
    }
}

void ComparePane::paintExport(QPainter& painter, const QRectF& target) {
    const double legend = m_legend->sizeHint().width();
    drawTextLine(painter,
                 QRectF(target.left() + Theme::px(12), target.top(), target.width(), Theme::px(24)),
                 Qt::AlignLeft | Qt::AlignVCenter,
                 m_title->text(),
                 TextRole::Heading,
                 Theme::current().text);
    const QRectF body = target.adjusted(0, Theme::px(28), 0, 0);
    m_picture->paintPicture(painter, body.adjusted(0, 0, -legend - Theme::px(8), 0));
    if (m_model->plane() != nullptr) {
        m_legend->paintLegend(
            painter, QRectF(body.right() - legend, body.top(), legend, body.height()), false);
    }
}

}  // namespace loupe::app

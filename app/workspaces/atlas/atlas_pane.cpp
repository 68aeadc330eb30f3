// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/atlas_pane.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/plot/plot_style.hpp"
#include "app/plot/range_legend.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/atlas_picture.hpp"
#include "app/workspaces/atlas/flag_list.hpp"
#include "app/workspaces/atlas/metric_panel.hpp"
#include "app/workspaces/atlas/treemap_bar.hpp"
#include "core/base/units.hpp"

#include <QAction>
#include <QClipboard>
#include <QDropEvent>
#include <QFile>
#include <QFileDialog>
#include <QFileInfo>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QMimeData>
#include <QPainter>
#include <QPushButton>
#include <QScrollArea>
#include <QSplitter>
#include <QStackedWidget>
#include <QUrl>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr auto kImportSlot = "atlas.own";
constexpr int kBins = 48;
constexpr int kWidthForThree = 1120;
constexpr qint64 kMostOwnBytes = 256LL * 1024 * 1024;
constexpr int kShownProblems = 3;

/// A file of the user's, read off the UI thread.
struct ReadOwn {
    OwnTable table;
    QString problem;
};

ReadOwn readOwn(const QString& path, const TensorSource& source) {
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly)) {
        return {{}, file.errorString()};
    }
    if (file.size() > kMostOwnBytes) {
        return {{},
                AtlasPane::tr("expected at most %1 MB, found %2 MB")
                    .arg(kMostOwnBytes / 1000000)
                    .arg(file.size() / 1000000)};
    }
    const QByteArray bytes = file.readAll();
    const auto find = [&](std::string_view name) { return source.find(name); };
    return {
        readOwnTable(std::string_view(bytes.constData(), static_cast<std::size_t>(bytes.size())),
                     source.tensors().size(),
                     find),
        {}};
}

bool isTable(const QMimeData* data) {
    if (!data->hasUrls() || data->urls().size() != 1 || !data->urls().front().isLocalFile()) {
        return false;
    }
    const QString path = data->urls().front().toLocalFile();
    return path.endsWith(QLatin1String(".csv"), Qt::CaseInsensitive) ||
           path.endsWith(QLatin1String(".tsv"), Qt::CaseInsensitive);
}

}  // namespace

AtlasPane::AtlasPane(AtlasModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setAcceptDrops(true);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    m_columns = new QSplitter(Qt::Horizontal, this);
    m_columns->setChildrenCollapsible(false);
    layout->addWidget(m_columns);
    m_metrics = new MetricPanel(model, m_columns);
    // In a scroll area: in a low window the list under the picture does not make it grow.
    auto* scroll = new QScrollArea(m_columns);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setFocusPolicy(Qt::NoFocus);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setMinimumWidth(Theme::px(320));
    m_middle = new QSplitter(Qt::Vertical, scroll);
    m_middle->setChildrenCollapsible(false);
    scroll->setWidget(m_middle);
    buildCentre();
    m_flags = new FlagPanel(model, m_columns);
    m_columns->setStretchFactor(1, 1);
    connect(m_columns, &QSplitter::splitterMoved, this, [this] { m_moved = true; });
    connect(m_middle, &QSplitter::splitterMoved, this, [this] { m_moved = true; });
    connect(m_metrics, &MetricPanel::importRequested, this, &AtlasPane::askImport);
    connect(m_flags, &FlagPanel::opened, this, [this](std::size_t tensor) {
        m_model.open(tensor, this);
    });
    connectCentre();
    connect(&model, &AtlasModel::metricChanged, this, [this] { m_byHand = false; });
    connect(&model, &AtlasModel::layoutChanged, this, [this] {
        m_byHand = false;
        m_message->clear();
    });
    connect(&model, &AtlasModel::valuesChanged, this, &AtlasPane::showValues);
    connect(&model, &AtlasModel::selectionChanged, this, &AtlasPane::showSelection);
    connect(&model, &AtlasModel::progressed, this, [this] {
        m_progress->setProgress(m_model.computing() ? std::optional(m_model.fraction())
                                                    : std::nullopt);
    });
    m_closeMessage = new QAction(tr("Close"), this);
    connect(m_closeMessage, &QAction::triggered, m_message, &MessageBar::clear);
    m_copyProblems = new QAction(tr("Copy all"), this);
    connect(m_copyProblems, &QAction::triggered, this, [this] {
        QGuiApplication::clipboard()->setText(m_problems);
    });
    setTabOrder(m_metrics->list(), m_bar);
    setTabOrder(m_bar, m_picture);
    setTabOrder(m_picture, m_treemap);
    setTabOrder(m_treemap, m_legend);
    setTabOrder(m_legend, m_open);
    showTreemap(false);
    showValues();
    showSelection();
}

void AtlasPane::buildCentre() {
    m_centre = new QWidget(m_middle);
    m_centre->setAutoFillBackground(true);
    m_centre->setBackgroundRole(QPalette::Base);
    m_centre->setMinimumWidth(Theme::px(320));
    auto* column = new QVBoxLayout(m_centre);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    m_progress = new ProgressLine(m_centre);
    m_message = new MessageBar(m_centre);
    column->addWidget(m_progress);
    column->addWidget(m_message);
    auto* head = new QHBoxLayout;
    head->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(4));
    head->setSpacing(Theme::px(8));
    m_title = new QLabel(m_centre);
    setTextRole(m_title, TextRole::Heading);
    m_subtitle = new ElidedLabel(m_centre, Qt::ElideRight);
    setTextRole(m_subtitle, TextRole::Small);
    setTone(m_subtitle, Tone::Tertiary);
    m_subtitle->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    head->addWidget(m_title);
    head->addWidget(m_subtitle, 1);
    column->addLayout(head);
    m_empty = new EmptyState(m_centre);
    m_empty->setContent(QStringLiteral("matrix"),
                        tr("No checkpoint open"),
                        tr("Every tensor appears here, by layer and role."));
    column->addWidget(m_empty, 1);
    buildBody();
    column->addWidget(m_barBox);
    column->addWidget(m_body, 1);
    auto* foot = new QHBoxLayout;
    foot->setContentsMargins(Theme::px(12), Theme::px(6), Theme::px(12), Theme::px(8));
    m_detail = new QLabel(m_centre);
    m_detail->setWordWrap(true);
    m_detail->setTextInteractionFlags(Qt::TextSelectableByMouse);
    setTextRole(m_detail, TextRole::Small);
    m_open = new QPushButton(tr("Open in Inspect"), m_centre);
    foot->addWidget(m_detail, 1);
    foot->addWidget(m_open);
    column->addLayout(foot);
    connect(m_open, &QPushButton::clicked, this, [this] {
        if (m_model.selected()) {
            m_model.open(*m_model.selected(), this);
        }
    });
}

void AtlasPane::buildBody() {
    m_body = new QWidget(m_centre);
    auto* body = new QHBoxLayout(m_body);
    body->setContentsMargins(0, 0, Theme::px(8), 0);
    body->setSpacing(0);
    m_pictures = new QStackedWidget(m_body);
    m_picture = new AtlasPicture(m_model, m_pictures);
    m_treemap = new TreemapPicture(m_model, m_pictures);
    m_pictures->addWidget(m_picture);
    m_pictures->addWidget(m_treemap);
    m_legend = new RangeLegend(m_body);
    m_legend->setObjectName(QStringLiteral("atlasLegend"));
    m_legend->setAccessibleName(tr("Colours of the metric"));
    m_types = new TypeKey(*m_treemap, m_body);
    body->addWidget(m_pictures, 1);
    body->addWidget(m_legend);
    body->addWidget(m_types);
    m_barBox = new QWidget(m_centre);
    auto* row = new QVBoxLayout(m_barBox);
    row->setContentsMargins(Theme::px(12), 0, Theme::px(12), Theme::px(6));
    m_bar = new TreemapBar(*m_treemap, m_barBox);
    row->addWidget(m_bar);
}

void AtlasPane::connectCentre() {
    const auto mark = [this](const std::vector<double>& values,
                             const std::vector<std::uint8_t>& states,
                             std::int64_t at) {
        const auto i = static_cast<std::size_t>(at);
        const bool known = at >= 0 && i < values.size() && AtlasValues::hasValue(states[i]);
        m_legend->setMarker(known ? std::optional(values[i]) : std::nullopt);
    };
    connect(m_picture, &AtlasPicture::hovered, this, [this, mark](std::optional<std::size_t> cell) {
        mark(m_model.values().cell,
             m_model.values().cellState,
             cell ? static_cast<std::int64_t>(*cell) : -1);
        emit readoutChanged(cell ? m_picture->sentence(*cell).toHtmlEscaped() : QString());
    });
    connect(m_treemap,
            &TreemapPicture::hovered,
            this,
            [this, mark](std::int64_t tensor, const QString& sentence) {
                mark(m_model.values().tensor, m_model.values().tensorState, tensor);
                emit readoutChanged(sentence.toHtmlEscaped());
            });
    const auto open = [this](std::size_t tensor) { m_model.open(tensor, this); };
    connect(m_picture, &AtlasPicture::opened, this, open);
    connect(m_treemap, &TreemapPicture::opened, this, open);
    connect(m_bar, &TreemapBar::changed, this, &AtlasPane::showValues);
    connect(m_legend, &RangeLegend::rangeChanged, this, [this](double low, double high, bool) {
        ColorSetting setting = m_picture->colors();
        setting.low = low;
        setting.high = high;
        m_byHand = true;
        m_picture->setColors(setting);
        showValues();
    });
}

bool AtlasPane::isTreemap() const {
    return m_pictures->currentWidget() == m_treemap;
}

void AtlasPane::showTreemap(bool shown) {
    m_pictures->setCurrentWidget(shown ? static_cast<QWidget*>(m_treemap) : m_picture);
    m_barBox->setVisible(shown);
    showValues();
}

void AtlasPane::showValues() {
    const AtlasMetric& metric = m_model.metric();
    const AtlasValues& values = m_model.values();
    QString mode = tr("by hand");
    if (!m_byHand) {
        m_picture->setColors(atlasColors(metric, values, &mode));
    }
    const ColorSetting& setting = m_picture->colors();
    m_treemap->setColors(setting);
    const bool byType = isTreemap() && m_treemap->byType();
    m_legend->setVisible(!byType);
    m_types->setVisible(byType);
    m_types->setFixedWidth(m_legend->sizeHint().width());  // the picture keeps its size
    m_types->refresh();
    m_legend->setSetting(setting);
    LegendInfo info;
    info.quantity = metric.unit;
    info.scale = setting.logarithmic ? tr("log") : tr("linear");
    info.mode = values.sampled > 0 ? tr("%1, estimates").arg(mode) : mode;
    info.least = values.least;
    info.most = values.most;
    info.nan = values.nan;
    info.inf = values.inf;
    m_legend->setInfo(info);
    std::vector<std::uint32_t> bins(kBins, 0);
    for (std::size_t c = 0; c < values.cell.size(); ++c) {
        if (AtlasValues::hasValue(values.cellState[c])) {
            const double at = setting.position(values.cell[c]);
            if (at >= 0 && at <= 1) {
                ++bins[std::min<std::size_t>(kBins - 1, static_cast<std::size_t>(at * kBins))];
            }
        }
    }
    m_legend->setHistogram(std::move(bins));
    m_title->setText(
        byType ? tr("Stored types")
        : metric.kind == AtlasMetric::Kind::Scheme
            ? tr("%1 under scheme %2")
                  .arg(metric.title,
                       metric.side == Side::A ? QStringLiteral("A") : QStringLiteral("B"))
            : metric.title);
    const QString problem = m_model.problem();
    m_subtitle->setText(byType ? tr("What the weights are stored in.")
                        : !problem.isEmpty() ? problem
                        : metric.kind == AtlasMetric::Kind::Scheme
                            ? m_model.document().scheme(metric.side)
                            : metric.help);
    const bool open = m_model.source() != nullptr;
    if (open && isTreemap()) {
        const SourceInfo& all = m_model.source()->info();
        m_subtitle->setText(
            tr("%1 All: %2, %3 parameters.")
                .arg(m_subtitle->text(),
                     QString::fromStdString(decimalBytes(static_cast<double>(all.bytes))),
                     formatCount(static_cast<qint64>(all.parameters))));
    }
    m_empty->setVisible(!open);
    m_body->setVisible(open);
    showSelection();
}

void AtlasPane::showSelection() {
    const std::optional<std::size_t> tensor = m_model.selected();
    const bool shown = tensor && m_model.layout() != nullptr;
    const QString what = !shown        ? QString()
                         : isTreemap() ? m_treemap->tensorSentence(*tensor)
                                       : m_picture->sentence(static_cast<std::size_t>(
                                             m_model.layout()->cellOf[*tensor]));
    m_detail->setText(
        shown                          ? what
        : m_model.source() == nullptr ? QString()
        : isTreemap()
            ? tr("Click a rectangle, or walk with the arrow keys; Enter opens the tensor in "
                 "Inspect.")
            : tr("Click a cell, or walk with the arrow keys; Enter opens the tensor in Inspect."));
    setTone(m_detail, shown ? Tone::Normal : Tone::Tertiary);
    m_open->setVisible(m_model.source() != nullptr);
    m_open->setEnabled(shown);
}

// --- one's own figures

void AtlasPane::askImport() {
    if (m_model.source() == nullptr) {
        m_message->showMessage(MessageBar::Role::Neutral,
                               tr("No checkpoint is open."),
                               tr("Open the one that the table speaks of first."));
        m_message->setActions({m_closeMessage});
        return;
    }
    const QString path = QFileDialog::getOpenFileName(
        this, tr("A table tensor,value…"), {}, tr("Tables (*.csv *.tsv *.txt);;All files (*)"));
    if (!path.isEmpty()) {
        importOwn(path);
    }
}

void AtlasPane::importOwn(const QString& path) {
    const std::shared_ptr<const TensorSource> source = m_model.source();
    if (source == nullptr) {
        return;
    }
    m_model.document().jobs().start(
        QLatin1String(kImportSlot),
        tr("Reading %1").arg(QFileInfo(path).fileName()),
        [path, source](const JobContext&) { return readOwn(path, *source); },
        this,
        [this, path, source](const ReadOwn& read) {
            if (source != m_model.source()) {
                return;
            }
            if (!read.problem.isEmpty()) {
                m_problems = read.problem;
                m_message->showMessage(MessageBar::Role::Error,
                                       tr("%1 cannot be read.").arg(QFileInfo(path).fileName()),
                                       read.problem);
                m_message->setActions({m_closeMessage});
                return;
            }
            takeOwn(path, read.table);
        });
}

void AtlasPane::takeOwn(const QString& path, const OwnTable& table) {
    const QString name = QFileInfo(path).fileName();
    m_message->clear();
    if (table.problems > 0) {
        m_problems = QStringList(table.told.begin(), table.told.end()).join(QLatin1Char('\n'));
        QStringList first(table.told.begin(),
                          table.told.begin() +
                              std::min<std::ptrdiff_t>(
                                  kShownProblems, static_cast<std::ptrdiff_t>(table.told.size())));
        if (table.problems > static_cast<std::size_t>(first.size())) {
            first << tr("and %1 more")
                         .arg(formatCount(static_cast<qint64>(table.problems) - first.size()));
        }
        m_message->showMessage(table.rows > 0 ? MessageBar::Role::Warning : MessageBar::Role::Error,
                               table.rows > 0
                                   ? tr("%1: %2 lines were taken, %3 were not.")
                                         .arg(name,
                                              formatCount(static_cast<qint64>(table.rows)),
                                              formatCount(static_cast<qint64>(table.problems)))
                                   : tr("%1: no line could be taken.").arg(name),
                               first.join(QStringLiteral("; ")));
        m_message->setActions({m_copyProblems, m_closeMessage});
    }
    if (table.rows > 0) {
        m_model.setOwn(name, table);
    }
}

void AtlasPane::dragEnterEvent(QDragEnterEvent* event) {
    if (isTable(event->mimeData()) && m_model.source() != nullptr) {
        event->acceptProposedAction();
    }
}

void AtlasPane::dropEvent(QDropEvent* event) {
    importOwn(event->mimeData()->urls().front().toLocalFile());
    event->acceptProposedAction();
}

// --- sizes

void AtlasPane::resetLayout() {
    m_moved = false;
    m_arranged = false;
    arrange();
}

/// In a small window the list goes under the picture.
void AtlasPane::arrange() {
    const bool small = width() / Theme::fontScale() < kWidthForThree;
    if (!m_arranged || small != m_small) {
        m_arranged = true;
        m_small = small;
        m_moved = false;
        (small ? m_middle : m_columns)->addWidget(m_flags);
        m_flags->show();
        m_columns->setStretchFactor(1, 1);
    }
    if (m_moved) {
        return;
    }
    const int left = std::min(Theme::px(240), width() * 30 / 100);
    const int right = m_small ? 0 : std::clamp(width() * 24 / 100, Theme::px(290), Theme::px(440));
    QList<int> sizes{left, std::max(1, width() - left - right)};
    if (!m_small) {
        sizes << right;
    } else {
        m_middle->setSizes({height() * 62 / 100, height() * 38 / 100});
    }
    m_columns->setSizes(sizes);
}

void AtlasPane::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    arrange();
}

void AtlasPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    arrange();
}

QSizeF AtlasPane::exportSize() const {
    if (isTreemap()) {
        return m_body->size() + QSize(0, Theme::px(28));
    }
    const double width = std::max(Theme::px(720), m_picture->width() + Theme::px(90));
    return {width,
            m_picture->exportHeight(width - m_legend->sizeHint().width() - Theme::px(8)) +
                Theme::px(28)};
}

void AtlasPane::paintExport(QPainter& painter, const QRectF& target) {
    drawTextLine(painter,
                 QRectF(target.left() + Theme::px(12), target.top(), target.width(), Theme::px(24)),
                 Qt::AlignLeft | Qt::AlignVCenter,
                 m_title->text(),
                 TextRole::Heading,
                 Theme::current().text);
    const double legend = m_legend->sizeHint().width();
    const QRectF body = target.adjusted(0, Theme::px(28), 0, 0);
    const QRectF picture = body.adjusted(0, 0, -legend - Theme::px(8), 0);
    const QRectF key(
        body.right() - legend, body.top(), legend, std::min<double>(body.height(), Theme::px(360)));
    if (!isTreemap()) {
        m_picture->paintExport(painter, picture);
    } else {
        m_treemap->paintExport(painter, picture);
    }
    if (isTreemap() && m_treemap->byType()) {
        m_types->paintKey(painter, key);
    } else {
        m_legend->paintLegend(painter, key, false);
    }
}

}  // namespace loupe::app

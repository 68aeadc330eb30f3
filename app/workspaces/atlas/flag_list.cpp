// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/flag_list.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/plot/plot_style.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

#include <QClipboard>
#include <QFontMetricsF>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QSlider>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

namespace loupe::app {

namespace {

constexpr int kSteps = 1000;
constexpr int kListMs = 120;
constexpr int kMeasured = 64;
constexpr std::size_t kSortInJob = 20'000;
constexpr auto kSlot = "atlas.list";

/// Broken at the space nearest to the middle.
QString onTwoLines(QString title) {
    qsizetype best = -1;
    for (qsizetype i = title.indexOf(QLatin1Char(' ')); i >= 0;
         i = title.indexOf(QLatin1Char(' '), i + 1)) {
        if (best < 0 || std::abs(2 * i - title.size()) < std::abs(2 * best - title.size())) {
            best = i;
        }
    }
    if (best >= 0) {
        title[best] = QLatin1Char('\n');
    }
    return title;
}

double shownValue(const AtlasMetric& metric, double value) {
    return metric.pool == AtlasMetric::Pool::Magnitude ? std::fabs(value) : value;
}

}  // namespace

// --- list

FlagModel::FlagModel(AtlasModel& model, QObject* parent)
    : QAbstractTableModel(parent), m_model(model) {}

int FlagModel::rowOf(std::size_t tensor) const {
    const auto found = std::find(m_rows.begin(), m_rows.end(), tensor);
    return found == m_rows.end() ? -1 : static_cast<int>(found - m_rows.begin());
}

void FlagModel::sortAsUsual() {
    m_column = Value;
    m_order =
        m_model.metric().pool == AtlasMetric::Pool::Low ? Qt::AscendingOrder : Qt::DescendingOrder;
}

namespace {

/// What a list is sorted by, taken on the UI thread.
struct SortInput {
    std::vector<std::size_t> rows;
    std::vector<double> keys;  ///< by place in `rows`; of values only
    std::shared_ptr<const AtlasLayout> layout;
    std::shared_ptr<const TensorSource> source;
    int column = FlagModel::Value;
    Qt::SortOrder order = Qt::DescendingOrder;
};

/// Ties stand in the model's order in either direction: by layer as a number, then by role.
std::vector<std::size_t> sorted(const SortInput& input) {
    std::vector<std::size_t> places(input.rows.size());
    std::iota(places.begin(), places.end(), 0U);
    const auto sortTo = [&](bool down, const auto& keyOf) {
        std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
            return down ? keyOf(b) < keyOf(a) : keyOf(a) < keyOf(b);
        });
    };
    const auto placeOf = [&](std::size_t place) {
        const TensorPlace& p = input.layout->places[input.rows[place]];
        return std::tie(p.stack, p.layer, p.rank, p.expert);
    };
    const bool down = input.order == Qt::DescendingOrder;
    const auto sortBy = [&](const auto& keyOf) { sortTo(down, keyOf); };
    if (input.column != FlagModel::Place) {
        sortTo(false, placeOf);
    }
    if (input.column == FlagModel::Value) {
        sortBy([&](std::size_t place) { return input.keys[place]; });
    } else if (input.column == FlagModel::Tensor) {
        sortBy([&](std::size_t place) {
            return std::string_view(input.source->tensors()[input.rows[place]].name);
        });
    } else {
        sortBy(placeOf);
    }
    std::vector<std::size_t> rows;
    rows.reserve(places.size());
    for (const std::size_t place : places) {
        rows.push_back(input.rows[place]);
    }
    return rows;
}

}  // namespace

void FlagModel::rebuild() {
    const AtlasValues& values = m_model.values();
    SortInput input;
    input.layout = m_model.layout();
    input.source = m_model.source();
    input.column = m_column;
    input.order = m_order;
    if (input.layout != nullptr && values.tensor.size() == input.layout->cellOf.size()) {
        for (std::size_t i = 0; i < values.tensor.size(); ++i) {
            if (!AtlasValues::hasValue(values.tensorState[i]) ||
                (m_model.threshold().on && !m_model.isFlagged(values.tensor[i]))) {
                continue;
            }
            input.rows.push_back(i);
            const double value = shownValue(m_model.metric(), values.tensor[i]);
            // On top in either order: no number at all is worse than any.
            const double worst = std::numeric_limits<double>::infinity();
            input.keys.push_back(!std::isnan(value)               ? value
                                 : m_order == Qt::DescendingOrder ? worst
                                                                  : -worst);
        }
    }
    JobManager& jobs = m_model.document().jobs();
    if (input.rows.size() < kSortInJob) {
        jobs.cancel(QLatin1String(kSlot));
        show(sorted(input));
        return;
    }
    // Sorting 100,000 names takes longer than a frame. A list that is being sorted is finished
    // first: else a scan that brings results all the time would never let it.
    if (jobs.isRunning(QLatin1String(kSlot))) {
        m_again = true;
        return;
    }
    jobs.start(
        QLatin1String(kSlot),
        tr("Sorting tensors"),
        [input = std::move(input)](const JobContext&) {
            return std::pair(input.source, sorted(input));
        },
        this,
        [this](std::pair<std::shared_ptr<const TensorSource>, std::vector<std::size_t>> made) {
            if (made.first == m_model.source()) {
                show(std::move(made.second));
            }
            if (std::exchange(m_again, false)) {
                QTimer::singleShot(0, this, &FlagModel::rebuild);
            }
        });
}

void FlagModel::show(std::vector<std::size_t> rows) {
    m_flagged = m_model.threshold().on ? rows.size() : 0;
    beginResetModel();
    m_rows = std::move(rows);
    endResetModel();
    emit rebuilt();
}

void FlagModel::setOneLine(bool oneLine) {
    if (oneLine != m_oneLine) {
        m_oneLine = oneLine;
        emit headerDataChanged(Qt::Horizontal, Value, Value);
    }
}

void FlagModel::sort(int column, Qt::SortOrder order) {
    m_column = column;
    m_order = order;
    rebuild();
}

int FlagModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int FlagModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(kCount);
}

QVariant FlagModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section >= kCount) {
        return {};
    }
    if (role == Qt::TextAlignmentRole) {
        return static_cast<int>(section == Value ? Qt::AlignRight | Qt::AlignVCenter
                                                 : Qt::AlignLeft | Qt::AlignVCenter);
    }
    if (role == Qt::DisplayRole) {
        const QString title = m_model.metric().title;
        const QString titles[] = {
            tr("place"), tr("tensor"), m_oneLine ? title : onTwoLines(title)};
        return titles[section];
    }
    if (role == Qt::ToolTipRole) {
        const QString tips[] = {tr("Layer and role, read off the name"),
                                tr("Name in the file"),
                                QStringLiteral("%1. %2").arg(m_model.metric().title,
                                                             m_model.metric().help)};
        return tips[section];
    }
    return {};
}

QVariant FlagModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || m_model.source() == nullptr) {
        return {};
    }
    const std::size_t tensor = m_rows[static_cast<std::size_t>(index.row())];
    if (tensor >= m_model.values().tensor.size()) {
        return {};  // another checkpoint, whose list is not there yet
    }
    const QString name = QString::fromStdString(m_model.source()->tensors()[tensor].name);
    switch (role) {
        case kTensorRole:
            return static_cast<qulonglong>(tensor);
        case Qt::DisplayRole:
            return index.column() == Tensor ? name
                   : index.column() == Place
                       ? placeText(m_model.layout()->places[tensor])
                       : m_model.valueText(tensor);
        case Qt::ToolTipRole:
            return tr("%1\n%2%3\nClick opens it in Inspect")
                .arg(name,
                     m_model.valueText(tensor),
                     m_model.sampleText(tensor).isEmpty()
                         ? QString()
                         : tr(", from %1").arg(m_model.sampleText(tensor)));
        case Qt::FontRole:
            return index.column() == Value ? Theme::font(TextRole::Number)
                                           : Theme::font(TextRole::Small);
        case Qt::TextAlignmentRole:
            return static_cast<int>(index.column() == Value ? Qt::AlignRight | Qt::AlignVCenter
                                                            : Qt::AlignLeft | Qt::AlignVCenter);
        default:
            return {};
    }
}

QString FlagModel::copyText() const {
    QString text = QStringLiteral("tensor\tplace\t%1\tbasis\n").arg(m_model.metric().id);
    for (const std::size_t tensor : m_rows) {
        const bool some = !m_model.sampleText(tensor).isEmpty();
        text += QStringLiteral("%1\t%2\t%3\t%4\n")
                    .arg(QString::fromStdString(m_model.source()->tensors()[tensor].name),
                         placeText(m_model.layout()->places[tensor]),
                         QString::fromStdString(shortest(m_model.values().tensor[tensor])),
                         some ? QStringLiteral("estimate") : QStringLiteral("exact"));
    }
    return text;
}

// --- threshold

ThresholdBar::ThresholdBar(AtlasModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(8));
    column->setSpacing(Theme::px(6));
    m_rows = new QBoxLayout(QBoxLayout::TopToBottom);
    m_rows->setSpacing(Theme::px(6));
    auto* top = new QHBoxLayout;
    m_on = new Toggle(tr("Flag tensors"), this);
    m_on->setCheckable(true);
    m_on->setToolTip(tr("Marks the tensors beyond the threshold and lists them alone"));
    m_side = new SegmentedControl(this);
    m_side->setOptions(
        {{QStringLiteral("above"), QStringLiteral("≥"), tr("At least the threshold")},
         {QStringLiteral("below"), QStringLiteral("≤"), tr("At most the threshold")}});
    m_side->setCompact(true);
    m_side->setAccessibleName(tr("Which side of the threshold is flagged"));
    top->addWidget(m_on, 1);
    top->addWidget(m_side);
    m_rows->addLayout(top);
    auto* row = new QHBoxLayout;
    m_slider = new QSlider(Qt::Horizontal, this);
    m_slider->setRange(0, kSteps);
    m_slider->setAccessibleName(tr("Threshold"));
    m_slider->setToolTip(tr("Threshold, over the range of the metric"));
    m_field = new QLineEdit(this);
    m_field->setAccessibleName(tr("Threshold as a number"));
    m_field->setToolTip(tr("Threshold, in the metric's unit"));
    m_field->setPlaceholderText(tr("threshold"));
    m_field->setAlignment(Qt::AlignRight);
    setTextRole(m_field, TextRole::Number);
    m_field->setFixedWidth(Theme::px(92));
    row->addWidget(m_slider, 1);
    row->addWidget(m_field);
    m_rows->addLayout(row, 1);
    column->addLayout(m_rows);
    m_problem = new QLabel(this);
    m_problem->setWordWrap(true);
    setTextRole(m_problem, TextRole::Small);
    m_problem->hide();
    column->addWidget(m_problem);
    connect(m_on, &QAbstractButton::toggled, this, [this](bool on) {
        if (!m_showing) {
            const AtlasThreshold& now = m_model.threshold();
            change(on, now.above, on && now.value == 0 ? valueAt(m_slider->value()) : now.value);
        }
    });
    connect(m_side, &SegmentedControl::chosen, this, [this](const QString& id) {
        change(m_model.threshold().on, id == QLatin1String("above"), m_model.threshold().value);
    });
    connect(m_slider, &QSlider::valueChanged, this, [this](int position) {
        if (!m_showing) {
            change(true, m_model.threshold().above, valueAt(position));
        }
    });
    connect(m_field, &QLineEdit::editingFinished, this, &ThresholdBar::typed);
    connect(&model, &AtlasModel::thresholdChanged, this, &ThresholdBar::show);
    connect(&model, &AtlasModel::valuesChanged, this, &ThresholdBar::show);
    show();
}

/// On one line where there is room: in a small window the list under it needs the height.
void ThresholdBar::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_rows->setDirection(width() >= Theme::px(420) ? QBoxLayout::LeftToRight
                                                   : QBoxLayout::TopToBottom);
}

bool ThresholdBar::isLogarithmic() const {
    const AtlasValues& values = m_model.values();
    return m_model.metric().logarithmic && values.leastPositive > 0 &&
           values.most > values.leastPositive;
}

double ThresholdBar::valueAt(int position) const {
    const AtlasValues& values = m_model.values();
    const double share = static_cast<double>(position) / kSteps;
    if (isLogarithmic()) {
        return values.leastPositive * std::pow(values.most / values.leastPositive, share);
    }
    if (m_model.metric().pool == AtlasMetric::Pool::Magnitude) {
        return share * std::max(std::fabs(values.least), std::fabs(values.most));
    }
    return values.least + share * (values.most - values.least);
}

int ThresholdBar::positionOf(double value) const {
    const AtlasValues& values = m_model.values();
    double share = 0;
    if (isLogarithmic()) {
        share = value <= 0 ? 0
                           : std::log(value / values.leastPositive) /
                                 std::log(values.most / values.leastPositive);
    } else if (m_model.metric().pool == AtlasMetric::Pool::Magnitude) {
        share = value / std::max({std::fabs(values.least), std::fabs(values.most), 1e-300});
    } else if (values.most > values.least) {
        share = (value - values.least) / (values.most - values.least);
    }
    return static_cast<int>(std::lround(kSteps * std::clamp(share, 0.0, 1.0)));
}

void ThresholdBar::change(bool on, bool above, double value) {
    m_model.setThreshold({.on = on, .above = above, .value = value});
}

void ThresholdBar::typed() {
    if (m_showing || !m_field->isModified()) {
        return;
    }
    m_field->setModified(false);
    QString text = m_field->text().trimmed();
    text.replace(QChar(0x2212), QLatin1Char('-')).remove(QChar(0xa0)).remove(QLatin1Char(' '));
    const std::optional<double> value = parseDouble(text.toStdString());
    if (!value || !std::isfinite(*value)) {
        m_problem->setText(tr("Expected a number, found \"%1\"").arg(m_field->text()));
        m_problem->show();
        return;
    }
    change(true, m_model.threshold().above, *value);
    show();
}

void ThresholdBar::show() {
    m_showing = true;
    const AtlasThreshold& now = m_model.threshold();
    m_on->setChecked(now.on);
    m_side->setCurrent(now.above ? QStringLiteral("above") : QStringLiteral("below"));
    if (now.on) {
        m_slider->setValue(positionOf(now.value));
        if (!m_field->hasFocus() || !m_field->isModified()) {
            m_field->setText(formatNumber(now.value));
        }
    } else {
        m_slider->setValue(now.above ? kSteps * 9 / 10 : kSteps / 10);
        m_field->clear();
    }
    m_problem->hide();
    m_showing = false;
}

// --- panel

FlagPanel::FlagPanel(AtlasModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setAccessibleName(tr("Tensors by the metric"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    m_threshold = new ThresholdBar(model, this);
    column->addWidget(m_threshold);
    m_count = new QLabel(this);
    m_count->setContentsMargins(Theme::px(12), 0, Theme::px(12), Theme::px(4));
    setTextRole(m_count, TextRole::Small);
    setTone(m_count, Tone::Secondary);
    m_count->setWordWrap(true);
    column->addWidget(m_count);
    m_list = new FlagModel(model, this);
    m_table = new QTreeView(this);
    m_table->setModel(m_list);
    m_table->setRootIsDecorated(false);
    m_table->setUniformRowHeights(true);
    m_table->setItemsExpandable(false);
    m_table->setAllColumnsShowFocus(true);
    m_table->setFrameShape(QFrame::NoFrame);
    m_table->setTextElideMode(Qt::ElideMiddle);
    m_table->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_table->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn);
    m_table->header()->setMinimumSectionSize(Theme::px(30));
    m_table->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_table->setAccessibleName(tr("Tensors by the metric"));
    m_table->setMinimumHeight(Theme::px(64));
    m_table->header()->setSectionsMovable(false);
    m_table->header()->setStretchLastSection(false);
    m_table->header()->setSortIndicator(FlagModel::Value, Qt::DescendingOrder);
    m_table->setSortingEnabled(true);
    m_table->installEventFilter(this);
    m_table->viewport()->installEventFilter(this);
    column->addWidget(m_table, 1);
    m_later.setSingleShot(true);
    m_later.setInterval(kListMs);
    connect(&m_later, &QTimer::timeout, m_list, &FlagModel::rebuild);
    connect(&model, &AtlasModel::metricChanged, this, [this] {
        m_list->sortAsUsual();
        m_table->header()->setSortIndicator(m_list->sortColumn(), m_list->sortOrder());
    });
    const auto later = [this] {
        if (!m_later.isActive()) {
            m_later.start();
        }
    };
    connect(&model, &AtlasModel::valuesChanged, this, later);
    connect(&model, &AtlasModel::thresholdChanged, this, later);
    connect(&model, &AtlasModel::layoutChanged, m_list, &FlagModel::clear);
    connect(m_list, &FlagModel::rebuilt, this, &FlagPanel::count);
    const auto follow = [this] {
        m_following = true;
        const std::optional<std::size_t> tensor = m_model.selected();
        const int row = tensor ? m_list->rowOf(*tensor) : -1;
        if (row >= 0) {
            m_table->setCurrentIndex(m_list->index(row, 0));
        } else {
            m_table->selectionModel()->clear();
        }
        m_following = false;
    };
    connect(&model, &AtlasModel::selectionChanged, this, follow);
    connect(m_list, &FlagModel::rebuilt, this, follow);
    connect(m_table, &QTreeView::clicked, this, [this](const QModelIndex& index) {
        emit opened(m_list->tensor(index.row()));
    });
    connect(m_table->selectionModel(),
            &QItemSelectionModel::currentChanged,
            this,
            [this](const QModelIndex& index) {
                if (index.isValid() && !m_following) {
                    m_model.select(m_list->tensor(index.row()));
                }
            });
    count();
}

bool FlagPanel::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_table->viewport() && event->type() == QEvent::Resize) {
        fitColumns();  // when the table itself has its size, not when the panel has
    }
    if (watched == m_table && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        if ((key->key() == Qt::Key_Return || key->key() == Qt::Key_Enter) &&
            m_table->currentIndex().isValid()) {
            emit opened(m_list->tensor(m_table->currentIndex().row()));
            return true;
        }
        if (key->matches(QKeySequence::Copy)) {
            QGuiApplication::clipboard()->setText(m_list->copyText());
            return true;
        }
    }
    return QWidget::eventFilter(watched, event);
}

void FlagPanel::count() {
    const AtlasValues& values = m_model.values();
    const QString known = formatCount(static_cast<qint64>(values.known + values.sampled));
    QString text = m_model.threshold().on
                       ? tr("%1 of %2 tensors are flagged")
                             .arg(formatCount(static_cast<qint64>(m_list->flagged())), known)
                       : tr("%1 tensors have this figure").arg(known);
    if (values.sampled > 0) {
        text += tr(", %1 as an estimate").arg(formatCount(static_cast<qint64>(values.sampled)));
    }
    if (values.pending > 0) {
        text += tr(", %1 pending").arg(formatCount(static_cast<qint64>(values.pending)));
    }
    if (values.failed > 0) {
        text += tr(", %1 failed").arg(formatCount(static_cast<qint64>(values.failed)));
    }
    m_count->setText(text);
    fitColumns();
}

void FlagPanel::fitColumns() {
    const int width = m_table->viewport()->width();
    // Numbers never elide: as wide as the longest of those at the ends of the list. Nor do places,
    // as far as there is room; the name takes what is left, or goes where that is nothing.
    const QString title = m_model.metric().title;
    const double arrow = Theme::px(48);  // with the margins on both sides
    double widest = 0;
    double place = textWidth(tr("place"), TextRole::Caption) + arrow;
    const int rows = m_list->rowCount();
    const auto text = [this](int row, int column) {
        return m_list->data(m_list->index(row, column), Qt::DisplayRole).toString();
    };
    for (int row = 0; row < rows; row += std::max(1, rows / kMeasured)) {
        widest = std::max(
            widest, textWidth(text(row, FlagModel::Value), TextRole::Number) + Theme::px(20));
        place = std::max(
            place, textWidth(text(row, FlagModel::Place), TextRole::Small) + Theme::px(18));
    }
    const QFontMetricsF head(m_table->header()->font());
    const double whole = head.horizontalAdvance(title) + arrow;
    double broken = 0;
    for (const QString& line : onTwoLines(title).split(QLatin1Char('\n'))) {
        broken = std::max(broken, head.horizontalAdvance(line) + arrow);
    }
    const bool oneLine = whole <= std::max(widest, width * 0.4);
    m_list->setOneLine(oneLine);
    const int value = static_cast<int>(
        std::ceil(std::min<double>(std::max(widest, oneLine ? whole : broken), width * 0.75)));
    const int left = width - value;
    // "layer 0, q" is one tensor only where there is one stack of layers.
    const std::shared_ptr<const AtlasLayout>& layout = m_model.layout();
    const bool several =
        layout != nullptr &&
        std::count_if(layout->sections.begin(),
                      layout->sections.end(),
                      [](const AtlasSection& section) { return !section.outer; }) > 1;
    const bool named = several || left - place >= Theme::px(64);
    m_table->setColumnHidden(FlagModel::Tensor, !named);
    const int placed =
        named ? static_cast<int>(std::ceil(std::min(place, left * (several ? 0.5 : 0.6)))) : left;
    m_table->header()->resizeSection(FlagModel::Value, value);
    m_table->header()->resizeSection(FlagModel::Place, std::max(Theme::px(30), placed));
    m_table->header()->resizeSection(FlagModel::Tensor, std::max(Theme::px(40), left - placed));
}

void FlagPanel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange) {
        fitColumns();
    }
}

}  // namespace loupe::app

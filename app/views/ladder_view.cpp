// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/ladder_view.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/play.hpp"
#include "core/study/methods.hpp"

#include <QAction>
#include <QComboBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QJsonArray>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QResizeEvent>
#include <QScrollBar>
#include <QSplitter>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kWidthForTwo = 1100;   // the plot on the right
constexpr int kWidthForTall = 1500;  // of the window: rows of 72
constexpr int kWidthForPin = 620;
constexpr int kHeightForBoth = 460;  // less: the table or the plot

QString text(std::string_view view) {
    return QString::fromUtf8(view.data(), static_cast<qsizetype>(view.size()));
}

Qt::SortOrder usualOrder(int column) {
    return column == LadderModel::Sqnr ? Qt::DescendingOrder : Qt::AscendingOrder;
}

constexpr const char* kErrors[] = {"rel", "output", "mse", "max", "sqnr"};

}  // namespace

LadderView::LadderView(Document& document, QWidget* parent) : View(document, parent) {
    setAccessibleName(tr("Format ladder"));
    m_model = new LadderModel(this);
    m_runs = new LadderRuns(document, this);
    m_progress = new ProgressLine(this);
    makeToolbar();
    m_message = new MessageBar(this);
    m_splitter = new QSplitter(Qt::Vertical, this);
    m_table = new LadderTable(*m_model, m_splitter);
    m_plot = new ParetoPlot(*m_model, m_splitter);
    m_splitter->addWidget(m_table);
    m_splitter->addWidget(m_plot);
    m_splitter->setChildrenCollapsible(true);
    m_splitter->setStretchFactor(0, 3);
    m_splitter->setStretchFactor(1, 2);
    m_empty = new EmptyState(this);
    m_empty->setContent(QStringLiteral("ladder"),
                        tr("No tensor selected"),
                        tr("Every scheme on it appears here, bits against error."));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_progress);
    layout->addWidget(m_toolbar);
    layout->addWidget(m_message);
    layout->addWidget(m_splitter, 1);
    layout->addWidget(m_empty, 1);
    setFocusProxy(m_table);
    connect(m_runs, &LadderRuns::changed, this, &LadderView::showState);
    connect(&document.jobs(), &JobManager::progressed, this, [this] {
        if (isVisible() && m_runs->running()) {
            m_progress->setProgress(m_runs->fraction());
            if (m_runs->now().seconds >= 1) {
                updateStatus(m_runs->state());
            }
        }
    });
    connect(m_table, &LadderTable::hoveredChanged, m_plot, &ParetoPlot::setHovered);
    connect(m_plot, &ParetoPlot::hoveredChanged, m_table, &LadderTable::setHovered);
    connect(m_plot, &ParetoPlot::clicked, this, [this](const QString& scheme) {
        select(scheme, true);
    });
    const auto choose = [this](const QString& scheme) { use(Side::A, scheme); };
    connect(m_plot, &ParetoPlot::chosen, this, choose);
    connect(m_table, &LadderTable::chosen, this, choose);
    connect(m_table, &LadderTable::runClicked, this, [this](const QString& scheme) {
        m_runs->runNow(scheme.toStdString());
    });
    connect(m_table, &LadderTable::pinClicked, this, [this](const QString& scheme) {
        m_model->togglePin(scheme);
        select(m_selected);
    });
    connect(m_table->selectionModel(), &QItemSelectionModel::currentChanged, this, [this] {
        if (const QString scheme = currentScheme(); !scheme.isEmpty()) {
            m_selected = scheme;
            m_plot->setSelected(scheme);
        }
        updateButtons();
    });
    m_table->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(m_table, &QWidget::customContextMenuRequested, this, &LadderView::showMenu);
    arrange();
    updateButtons();
}

/// Of the row under the pointer, which becomes the current one.
void LadderView::showMenu(const QPoint& at) {
    if (const QModelIndex index = m_table->indexAt(at); index.isValid()) {
        m_table->setCurrentIndex(index);
    }
    const QString scheme = currentScheme();
    if (scheme.isEmpty()) {
        return;
    }
    QMenu menu(this);
    connect(menu.addAction(tr("Use as A")), &QAction::triggered, this, [this, scheme] {
        use(Side::A, scheme);
    });
    connect(menu.addAction(tr("Use as B")), &QAction::triggered, this, [this, scheme] {
        use(Side::B, scheme);
    });
    QAction* play = menu.addAction(tr("Play step by step in Algorithms"));
    const Result<Scheme> parsed = parseScheme(scheme.toStdString());
    play->setEnabled(parsed && methodFor(*parsed) != nullptr);
    connect(play, &QAction::triggered, this, [this, scheme] { playInAlgorithms(*this, scheme); });
    menu.exec(m_table->viewport()->mapToGlobal(at));
}

void LadderView::makeToolbar() {
    m_toolbar = new QWidget(this);
    auto* row = new QHBoxLayout(m_toolbar);
    row->setContentsMargins(Theme::px(8), Theme::px(4), Theme::px(8), Theme::px(4));
    row->setSpacing(Theme::px(6));
    m_family = new QComboBox(m_toolbar);
    m_family->setAccessibleName(tr("Families shown"));
    makeFamilies();
    m_error = new QComboBox(m_toolbar);
    m_error->setAccessibleName(tr("Error of the plot"));
    makeErrors();
    for (QComboBox* box : {m_family, m_error}) {
        box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
        box->setMinimumWidth(Theme::px(56));
    }
    m_part = new SegmentedControl(m_toolbar);
    m_part->setAccessibleName(tr("Table or plot"));
    m_part->setOptions({{QStringLiteral("table"), tr("Table"), tr("Every scheme, one row each")},
                        {QStringLiteral("plot"), tr("Plot"), tr("Bits against error")}});
    m_part->setCompact(true);
    m_part->setCurrent(QStringLiteral("table"));
    m_part->hide();
    connect(m_part, &SegmentedControl::chosen, this, &LadderView::showPart);
    m_status = new ElidedLabel(m_toolbar, Qt::ElideRight);
    setTextRole(m_status, TextRole::Small);
    setTone(m_status, Tone::Tertiary);
    m_status->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_stop = new QPushButton(m_toolbar);
    m_pin = new QPushButton(themedIcon(QStringLiteral("pin")), tr("Pin"), m_toolbar);
    m_pin->setToolTip(tr("Keep this row on top and marked in the plot (Space)"));
    m_useA = new QPushButton(tr("Use as A"), m_toolbar);
    m_useA->setToolTip(tr("Make it scheme A and show its error in the picture (Enter)"));
    m_useB = new QPushButton(tr("Use as B"), m_toolbar);
    m_useB->setToolTip(tr("Make it scheme B and show its error in the picture"));
    for (QPushButton* button : {m_stop, m_pin, m_useA, m_useB}) {
        button->setProperty("loupeSmall", true);
        setTextRole(button, TextRole::Small);
    }
    row->addWidget(m_family);
    row->addWidget(m_error);
    row->addWidget(m_part);
    row->addWidget(m_status, 1);
    m_mark = new TruthMark(m_toolbar);
    row->addWidget(m_mark);
    row->addWidget(m_stop);
    row->addWidget(m_pin);
    row->addWidget(m_useA);
    row->addWidget(m_useB);
    connect(m_stop, &QPushButton::clicked, this, [this] {
        if (m_runs->running()) {
            m_runs->stop();
        } else {
            m_runs->resume();
        }
    });
    connect(m_pin, &QPushButton::clicked, this, [this] {
        m_model->togglePin(currentScheme());
        select(m_selected);
    });
    connect(m_useA, &QPushButton::clicked, this, [this] { use(Side::A, currentScheme()); });
    connect(m_useB, &QPushButton::clicked, this, [this] { use(Side::B, currentScheme()); });
}

void LadderView::makeFamilies() {
    m_family->addItem(tr("All families"), -1);
    for (const StepFamily family : {StepFamily::Uniform,
                                    StepFamily::Codebook,
                                    StepFamily::LowBit,
                                    StepFamily::WithActivations,
                                    StepFamily::WithHessian,
                                    StepFamily::Rotation,
                                    StepFamily::Pruning}) {
        m_family->addItem(text(familyTitle(family)), static_cast<int>(family));
    }
    connect(m_family, &QComboBox::currentIndexChanged, this, [this] {
        const int chosen = m_family->currentData().toInt();
        m_model->setFamily(chosen < 0 ? std::nullopt
                                      : std::optional(static_cast<StepFamily>(chosen)));
        select(m_selected);
    });
}

void LadderView::makeErrors() {
    for (const char* id : kErrors) {
        m_error->addItem(text(findFigure(id)->title), QString::fromLatin1(id));
        m_error->setItemData(m_error->count() - 1, text(findFigure(id)->help), Qt::ToolTipRole);
    }
    connect(m_error, &QComboBox::activated, this, [this] { m_errorChosen = true; });
    connect(m_error, &QComboBox::currentIndexChanged, this, [this] {
        m_model->setFigure(*findFigure(m_error->currentData().toString().toStdString()));
        select(m_selected);
    });
}

void LadderView::refresh(Changes what) {
    if (what & (Changes(Change::Source) | Change::Tensor | Change::Inputs)) {
        static_cast<void>(m_runs->want());
    }
    m_model->setSchemes(document().scheme(Side::A), document().scheme(Side::B));
    if (what != Changes(Change::Results)) {
        showState();
        arrange();
    }
}

void LadderView::showState() {
    if (!isVisible()) {
        return;
    }
    const LadderState* state = m_runs->state();
    m_splitter->setVisible(state != nullptr);
    m_toolbar->setVisible(state != nullptr);
    m_empty->setVisible(state == nullptr);
    const int scrolled = m_table->verticalScrollBar()->value();
    m_model->setState(state);
    const bool output = state != nullptr && state->hasOutput;
    m_table->setOutputShown(output);
    if (!m_errorChosen) {
        m_error->setCurrentIndex(m_error->findData(output ? "output" : "rel"));
    }
    sortAsUsual(output);
    if (state != nullptr && state->error) {
        m_message->showError(*state->error);
    } else {
        m_message->clear();
    }
    m_progress->setProgress(m_runs->running() ? std::optional(m_runs->fraction()) : std::nullopt);
    updateStatus(state);
    select(m_selected);
    m_table->doItemsLayout();
    m_table->verticalScrollBar()->setValue(scrolled);
}

/// What counts is what the layer puts out, where that is known. A header that was clicked stays.
void LadderView::sortAsUsual(bool hasOutput) {
    const int usual = hasOutput ? LadderModel::Output : LadderModel::Sqnr;
    const bool untouched =
        m_model->sortColumn() == m_usualSort && m_model->sortOrder() == usualOrder(m_usualSort);
    if (untouched && usual != m_usualSort) {
        m_model->sort(usual, usualOrder(usual));
        m_table->header()->setSortIndicator(usual, usualOrder(usual));
    }
    m_usualSort = usual;
}

bool LadderView::hasRoomForBoth() const {
    const double scale = Theme::fontScale();
    return width() / scale >= kWidthForTwo || height() / scale >= kHeightForBoth;
}

void LadderView::showPart(const QString& id) {
    m_part->setCurrent(id);
    arrange();
}

void LadderView::updateStatus(const LadderState* state) {
    if (state == nullptr) {
        setSubtitle({});
        return;
    }
    QString words = tr("%1 schemes").arg(state->rows.size());
    const auto waiting =
        std::count_if(state->skipped.begin(), state->skipped.end(), [](const LadderSkip& skip) {
            return skip.expectedSeconds > 0;
        });
    const auto failed = static_cast<std::ptrdiff_t>(state->skipped.size()) - waiting;
    if (failed > 0) {
        words += tr(" · %1 could not run").arg(failed);
    }
    if (waiting > 0) {
        words += tr(" · %1 not run by itself", nullptr, static_cast<int>(waiting)).arg(waiting);
    }
    if (!m_runs->running() && !state->done && !state->error) {
        words += tr(" · stopped");
    }
    // An entry may take longer than all others together; its seconds say that it goes on.
    if (const LadderRuns::Now now = m_runs->now(); m_runs->running() && now.seconds >= 1) {
        words = tr("%1: %2 s · ")
                    .arg(QString::fromStdString(now.title))
                    .arg(static_cast<int>(now.seconds)) +
                words;
    }
    m_status->setText(words);
    const bool room = width() / Theme::fontScale() >= kWidthForPin;
    m_mark->setMark(state->rows.empty() || !room ? TruthMark::Kind::None : TruthMark::Kind::Exact);
    if (!state->rows.empty()) {
        m_mark->setToolTip(
            tr("Measured over all %1 weights")
                .arg(formatCount(static_cast<qint64>(state->rows.front()->figures.count))));
    }
    m_status->setToolTip(words);
    setSubtitle(words);
}

void LadderView::updateButtons() {
    const bool any = !currentScheme().isEmpty();
    for (QPushButton* button : {m_useA, m_useB, m_pin}) {
        button->setEnabled(any);
    }
    m_pin->setText(m_model->pins().contains(currentScheme()) ? tr("Unpin") : tr("Pin"));
    const LadderState* state = m_runs->state();
    const bool running = m_runs->running();
    m_stop->setVisible(running || (state != nullptr && !state->done));
    m_stop->setText(running ? tr("Stop") : tr("Go on"));
}

QString LadderView::currentScheme() const {
    const QModelIndex index = m_table->currentIndex();
    return index.isValid() && m_model->item(index.row()).row
               ? QString::fromStdString(m_model->item(index.row()).entry().scheme)
               : QString();
}

void LadderView::select(const QString& scheme, bool scroll) {
    const int row = scheme.isEmpty() ? -1 : m_model->rowOf(scheme);
    if (row >= 0) {
        m_selected = scheme;
        m_table->setCurrentIndex(m_model->index(row, 0));
        if (scroll) {
            m_table->scrollTo(m_model->index(row, 0));
        }
    }
    m_plot->setSelected(m_selected);
    updateButtons();
}

void LadderView::use(Side side, const QString& scheme) {
    if (scheme.isEmpty()) {
        return;
    }
    document().setScheme(
        side,
        scheme,
        side == Side::A ? tr("Scheme A from the ladder") : tr("Scheme B from the ladder"));
    const QString name =
        side == Side::A ? QStringLiteral("showErrorA") : QStringLiteral("showErrorB");
    if (auto* action = window()->findChild<QAction*>(name)) {
        action->trigger();
    }
}

void LadderView::arrange() {
    const double scale = Theme::fontScale();
    const bool beside = width() / scale >= kWidthForTwo;
    const Qt::Orientation wanted = beside ? Qt::Horizontal : Qt::Vertical;
    m_pin->setVisible(width() / scale >= kWidthForPin);
    updateStatus(m_runs->state());
    const bool both = hasRoomForBoth();
    const bool plot = m_part->current() == QLatin1String("plot");
    m_part->setVisible(!both);
    m_table->setVisible(both || !plot);
    m_plot->setVisible(both || plot);
    m_table->setRowHeight(!both ? 48 : window()->width() / scale >= kWidthForTall ? 72 : 56);
    if (m_splitter->orientation() != wanted || m_splitter->property("arranged").isNull()) {
        m_splitter->setOrientation(wanted);
        // After the layout has given the splitter its size.
        QTimer::singleShot(0, this, [this, beside] {
            const int whole = beside ? m_splitter->width() : m_splitter->height();
            m_splitter->setSizes(beside ? QList<int>{whole * 70 / 100, whole * 30 / 100}
                                        : QList<int>{whole * 54 / 100, whole * 46 / 100});
            if (m_splitter->isVisible()) {
                m_splitter->setProperty("arranged", true);
            }
        });
    }
}

void LadderView::showEvent(QShowEvent* event) {
    View::showEvent(event);
    arrange();
    showState();  // rows may have come meanwhile
}

void LadderView::resizeEvent(QResizeEvent* event) {
    View::resizeEvent(event);
    arrange();
}

void LadderView::changeEvent(QEvent* event) {
    View::changeEvent(event);
    if (event->type() == QEvent::StyleChange && m_splitter != nullptr) {
        arrange();
    }
}

void LadderView::paintExport(QPainter& painter, const QRectF& target) {
    m_plot->paintTo(painter, target);
}

QJsonObject LadderView::save() const {
    QJsonArray pins;
    QStringList sorted(m_model->pins().begin(), m_model->pins().end());
    sorted.sort();
    for (const QString& pin : sorted) {
        pins.append(pin);
    }
    QJsonObject state{
        {QStringLiteral("pins"), pins},
        {QStringLiteral("part"), m_part->current()},
        {QStringLiteral("family"), m_family->currentData().toInt()},
        {QStringLiteral("error"), m_errorChosen ? m_error->currentData().toString() : QString()}};
    if (m_model->sortColumn() != m_usualSort || m_model->sortOrder() != usualOrder(m_usualSort)) {
        state[QStringLiteral("sort")] = m_model->sortColumn();
        state[QStringLiteral("descending")] = m_model->sortOrder() == Qt::DescendingOrder;
    }
    return state;
}

void LadderView::restore(const QJsonObject& state) {
    QSet<QString> pins;
    for (const QJsonValue& pin : state[QStringLiteral("pins")].toArray()) {
        pins.insert(pin.toString());
    }
    m_model->setPins(pins);
    const int column = state[QStringLiteral("sort")].toInt(-1);
    const bool known = column == LadderModel::Name || LadderModel::figureOf(column) != nullptr;
    const Qt::SortOrder order =
        state[QStringLiteral("descending")].toBool(true) ? Qt::DescendingOrder : Qt::AscendingOrder;
    m_model->sort(known ? column : m_usualSort, known ? order : usualOrder(m_usualSort));
    m_table->header()->setSortIndicator(m_model->sortColumn(), m_model->sortOrder());
    m_family->setCurrentIndex(
        std::max(0, m_family->findData(state[QStringLiteral("family")].toInt(-1))));
    showPart(state[QStringLiteral("part")].toString() == QLatin1String("plot")
                 ? QStringLiteral("plot")
                 : QStringLiteral("table"));
    const QString error = state[QStringLiteral("error")].toString();
    m_errorChosen = !error.isEmpty() && m_error->findData(error) >= 0;
    if (m_errorChosen) {
        m_error->setCurrentIndex(m_error->findData(error));
    }
}

extern const ViewDefinition kView_ladder;
const ViewDefinition kView_ladder{
    "ladder",
    QT_TRANSLATE_NOOP("View", "Ladder"),
    Area::Centre,
    [](Document& document, QWidget* parent) -> View* { return new LadderView(document, parent); }};

}  // namespace loupe::app

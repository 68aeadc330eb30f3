// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/matrix_view.hpp"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QMenu>
#include <QRegularExpression>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

constexpr int kHoverMs = 16;  // at most 60 hovers a second reach the other views

bool needsBoth(Quantity quantity) {
    return quantity == Quantity::Difference || quantity == Quantity::SchemesDiffer;
}

}  // namespace

MatrixView::MatrixView(Document& document, QWidget* parent) : View(document, parent), m_texts(document) {
    setObjectName("matrix");
    setAccessibleName("Matrix");
    m_actions = new MatrixActions(this);
    m_toolbar = new MatrixToolbar(*m_actions, this);
    m_message = new MessageBar(this);
    m_message->setObjectName("message");
    m_main = new MatrixPane(document, this);
    m_reference = new MatrixPane(document, this);
    m_reference->hide();
    m_main->setRangeMenu(m_actions->rangeMenu());
    auto* pictures = new QHBoxLayout;
    pictures->setContentsMargins(0, 0, 0, 0);
    pictures->setSpacing(0);
    pictures->addWidget(m_reference, 1);
    pictures->addWidget(m_main, 1);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_toolbar);
    column->addWidget(m_message);
    column->addLayout(pictures, 1);
    m_goTo = new QLineEdit(this);
    m_goTo->setObjectName("goTo");
    m_goTo->setPlaceholderText("row, column");
    m_goTo->setAccessibleName("Go to row, column");
    m_goTo->hide();
    m_goTo->installEventFilter(this);
    connect(m_goTo, &QLineEdit::returnPressed, this, &MatrixView::finishGoTo);
    m_hoverTimer.setSingleShot(true);
    m_hoverTimer.setInterval(kHoverMs);
    connect(&m_hoverTimer, &QTimer::timeout, this, [this] { this->document().cursor().setHover(m_hover); });
    connectActions();
    connectRange();
    connectPane(*m_main);
    connectPane(*m_reference);
    connectCursor();
    setFocusProxy(&m_main->heatmap());
}

void MatrixView::connectActions() {
    const auto planes = [this] { updatePanes(); };
    connect(m_actions->quantity, &QActionGroup::triggered, this, planes);
    connect(m_actions->side, &QActionGroup::triggered, this, planes);
    connect(m_actions->compare, &QAction::toggled, this, planes);
    connect(m_actions->map, &QActionGroup::triggered, this, &MatrixView::updateColours);
    connect(m_actions->palette, &QActionGroup::triggered, this, &MatrixView::updateColours);
    connect(m_actions->cellText, &QActionGroup::triggered, this, &MatrixView::updateCells);
    connect(m_actions->pooling, &QActionGroup::triggered, this, [this] {
        for (MatrixPane* pane : {m_main, m_reference}) {
            pane->heatmap().setPooling(MatrixActions::chosen<Pooling>(m_actions->pooling));
        }
        updateChip();
    });
    connect(m_actions->aspect, &QActionGroup::triggered, this, [this] {
        const auto aspect = MatrixActions::chosen<Aspect>(m_actions->aspect);
        for (MatrixPane* pane : {m_main, m_reference}) {
            aspect == Aspect::OneToOne ? pane->heatmap().oneToOne() : pane->heatmap().setAspect(aspect);
        }
    });
    connect(m_actions->fit, &QAction::triggered, this, [this] { m_main->heatmap().fit(); });
    connect(m_actions->boxZoom, &QAction::toggled, this, [this](bool on) {
        m_main->heatmap().setBoxZoom(on);
        m_reference->heatmap().setBoxZoom(on);
    });
    connect(m_actions->goTo, &QAction::triggered, this, &MatrixView::goTo);
    connect(m_actions->swap, &QAction::triggered, this, [this] {
        document().edit("Swap A and B", [](ExperimentSpec& spec) { std::swap(spec.schemeA, spec.schemeB); });
    });
    connect(m_toolbar->peekButton(), &QToolButton::pressed, this, [this] { setPeek(true); });
    connect(m_toolbar->peekButton(), &QToolButton::released, this, [this] { setPeek(false); });
}

void MatrixView::connectRange() {
    connect(m_actions->rangeFit, &QAction::triggered, this, [this] {
        if (const auto& plane = m_main->heatmap().plane()) {
            const Pyramid& pyramid = *plane->pyramid;
            const bool folded = m_main->heatmap().color().magnitude;
            setRange(*m_main, folded ? 0 : static_cast<double>(pyramid.min), static_cast<double>(folded ? pyramid.absmax : pyramid.max), "fit");
        }
    });
    connect(m_actions->rangeSymmetric, &QAction::triggered, this, [this] {
        if (const auto& plane = m_main->heatmap().plane()) {
            const auto most = static_cast<double>(plane->pyramid->absmax);
            MatrixActions::choose(m_actions->map, 1);
            setRange(*m_main, -most, most, "± max");
        }
    });
    connect(m_actions->rangePercentile, &QAction::triggered, this, [this] {
        const RangeGroup group = rangeGroup(m_main->quantity());
        const double most = magnitudeQuantile(group, rangeInputs(*m_main), 0.999);
        if (most > 0) {
            setRange(*m_main, 0, most, group == RangeGroup::Weights ? "99.9 %" : "99.9 % pooled");
        }
    });
    connect(m_actions->rangeReset, &QAction::triggered, this, [this] {
        rangeOf(*m_main) = PictureRange();
        updateColours();
    });
    connect(m_actions->rangeLog, &QAction::toggled, this, [this](bool on) {
        rangeOf(*m_main).logarithmic = on;
        updateColours();
    });
}

MatrixView::~MatrixView() {
    // A picture that loses the focus while it is taken down still speaks up; by then only a QWidget would be there to listen.
    for (MatrixPane* pane : {m_main, m_reference}) {
        pane->heatmap().disconnect(this);
    }
}

void MatrixView::connectPane(MatrixPane& pane) {
    Heatmap& picture = pane.heatmap();
    connect(&picture, &Heatmap::hovered, this, &MatrixView::sendHover);
    connect(&picture, &Heatmap::cellClicked, this, [this](Cell cell) { document().cursor().select(cell); });
    connect(&picture, &Heatmap::channelClicked, this, [this](bool column, qint64 index) {
        const std::optional<Cell> before = document().cursor().selected();
        const CellRange seen = m_main->heatmap().visibleCells();
        const Cell other = before.value_or(Cell{seen.firstRow + seen.rows / 2, seen.firstCol + seen.cols / 2});
        document().cursor().select(column ? Cell{other.row, index} : Cell{index, other.col});
    });
    connect(&picture, &Heatmap::pinRequested, this, &MatrixView::togglePin);
    connect(&picture, &Heatmap::clearRequested, this, [this] {
        Cursor& cursor = document().cursor();
        cursor.brushed() ? cursor.setBrushed(std::nullopt) : cursor.select(std::nullopt);
    });
    connect(&picture, &Heatmap::peekRequested, this, &MatrixView::setPeek);
    connect(&picture, &Heatmap::swapRequested, m_actions->swap, &QAction::trigger);
    connect(&picture, &Heatmap::goToRequested, this, &MatrixView::goTo);
    connect(&picture, &Heatmap::boxZoomEnded, this, [this] { m_actions->boxZoom->setChecked(false); });
    connect(&picture, &Heatmap::readFailed, this, [this](const QString& message) {
        m_readProblem = message;
        showProblem();
    });
    connect(&picture, &Heatmap::frameChanged, this, &MatrixView::updateChip);
    connect(&picture, &Heatmap::menuRequested, this, [this, &picture](Cell cell, const QPoint& at) { showCellMenu(picture, cell, at); });
    connect(&picture, &Heatmap::transformChanged, this, [this, &picture] {
        MatrixActions::choose(m_actions->aspect, picture.aspect());
        if (m_linking || m_reference->isHidden() || !m_actions->link->isChecked()) {
            return;
        }
        m_linking = true;
        Heatmap& other = &picture == &m_main->heatmap() ? m_reference->heatmap() : m_main->heatmap();
        if (other.shape() == picture.shape() && !other.shape().empty()) {
            other.setTransform(picture.transform());
        }
        m_linking = false;
    });
    connect(&pane.legend(), &RangeLegend::rangeChanged, this, [this, &pane](double low, double high, bool) { setRange(pane, low, high, "by hand"); });
    connect(&pane.legend(), &RangeLegend::menuRequested, this, [this](const QPoint& at) { m_actions->rangeMenu()->popup(at); });
}

void MatrixView::connectCursor() {
    Cursor& cursor = document().cursor();
    connect(&cursor, &Cursor::hoverChanged, this, [this, &cursor] {
        for (MatrixPane* pane : {m_main, m_reference}) {
            pane->heatmap().setHover(cursor.hover());
            const std::optional<float> value = cursor.hover() ? pane->heatmap().valueAt(*cursor.hover()) : std::nullopt;
            pane->legend().setMarker(value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt);
        }
    });
    connect(&cursor, &Cursor::selectionChanged, this, &MatrixView::updateCells);
    connect(&cursor, &Cursor::pinsChanged, this, &MatrixView::updateCells);
    connect(&cursor, &Cursor::brushedChanged, this, &MatrixView::updateCells);
    connect(&cursor, &Cursor::revealRequested, this, [this](Cell cell) { m_main->heatmap().reveal(cell); });
}

Quantity MatrixView::shownQuantity() const {
    const Quantity chosen = quantity();
    return m_peek && chosen == Quantity::Original ? Quantity::Scheme : chosen;
}

Side MatrixView::shownSide() const {
    return m_peek ? Side::B : MatrixActions::chosen<Side>(m_actions->side);
}

void MatrixView::refresh(Changes what) {
    if (what & (Change::Source | Change::Tensor)) {
        resetRanges(true);
        m_texts.reset();
        m_readProblem.clear();
    }
    if (what & (Change::SchemeA | Change::SchemeB | Change::Inputs)) {
        resetRanges(false);
        m_texts.reset();
    }
    updateAvailability();
    updatePanes();
}

void MatrixView::resetRanges(bool tensor) {
    if (tensor) {
        m_opened = false;
    }
    // A restored state waits for its tensor: its ranges are those of that tensor.
    if (m_actions->lock->isChecked() || !m_wantedView.isEmpty()) {
        return;
    }
    for (std::size_t group = 0; group < m_ranges.size(); ++group) {
        const bool weights = static_cast<RangeGroup>(group) == RangeGroup::Weights;
        if (tensor || (!weights && !m_ranges[group].byHand)) {
            // The numbers stay until better ones are known: the old picture is still on screen.
            m_ranges[group].set = m_ranges[group].byHand = false;
        }
    }
}

void MatrixView::updateAvailability() {
    const bool a = !document().scheme(Side::A).isEmpty();
    const bool b = !document().scheme(Side::B).isEmpty();
    const Side side = MatrixActions::chosen<Side>(m_actions->side);
    const bool own = side == Side::A ? a : b;
    const QString missing = QString("Needs a scheme %1: set it in the scheme panel").arg(side == Side::A ? "A" : "B");
    const auto enable = [this](Quantity quantity, bool on, const QString& why, const QString& tip) {
        QAction* action = MatrixActions::actionFor(m_actions->quantity, static_cast<int>(quantity));
        action->setEnabled(on);
        action->setToolTip(on ? tip : tip + "\nWhy not? " + why);
    };
    enable(Quantity::Scheme, own, missing, "What the weights become under the scheme");
    enable(Quantity::Error, own, missing, "Scheme − original");
    bool codes = own;
    QString why = missing;
    if (own) {
        const Lookup<SchemeResult> result = document().weights() ? document().analyses().scheme(side) : Lookup<SchemeResult>();
        if (result.value && result.value->quantized && !result.value->quantized->hasCodes()) {
            codes = false;
            why = "this scheme has no integer codes";
        }
    }
    enable(Quantity::Codes, codes, why, "The integer code of each weight");
    enable(Quantity::Difference, a && b, "needs both schemes, A and B", "Which scheme is closer: |error B| − |error A|");
    enable(Quantity::SchemesDiffer, a && b, "needs both schemes, A and B", "Weights under scheme A − weights under scheme B");
    m_toolbar->peekButton()->setEnabled(b);
    m_toolbar->peekButton()->setToolTip(b ? "Shows scheme B while held (B)" : "Needs a scheme B: set it in the scheme panel");
    m_actions->compare->setEnabled(a || b);
    MatrixActions::actionFor(m_actions->side, static_cast<int>(Side::A))->setEnabled(a || !b);
    MatrixActions::actionFor(m_actions->side, static_cast<int>(Side::B))->setEnabled(b);
}

void MatrixView::updatePanes() {
    // A choice that lost its scheme falls back to what there is.
    if (!m_actions->side->checkedAction()->isEnabled()) {
        MatrixActions::choose(m_actions->side, document().scheme(Side::A).isEmpty() ? Side::B : Side::A);
    }
    updateAvailability();
    if (!m_actions->quantity->checkedAction()->isEnabled()) {
        MatrixActions::choose(m_actions->quantity, Quantity::Original);
    }
    const bool compare = m_actions->compare->isChecked() && m_actions->compare->isEnabled();
    Quantity quantity = shownQuantity();
    if (compare && quantity == Quantity::Original) {
        quantity = Quantity::Scheme;
    }
    m_planeProblem = m_main->show(quantity, shownSide());
    m_reference->setVisible(compare);
    m_main->setTitleVisible(compare);
    m_reference->setTitleVisible(compare);
    if (compare) {
        m_reference->show(Quantity::Original, Side::A);
        m_reference->updateStrips();
    }
    m_main->updateStrips();
    showProblem();
    chooseOpening();
    updateColours();
    updateCells();
    updateChip();
    applyWantedView();
    if (compare && m_actions->link->isChecked() && m_reference->heatmap().plane()) {
        m_reference->heatmap().setTransform(m_main->heatmap().transform());
    }
    // Peeking must be instant: ask for B's plane as soon as what is shown is there.
    const bool ready = m_main->heatmap().plane() && !m_planeProblem && document().weights();
    if (ready && !document().scheme(Side::B).isEmpty() && !document().scheme(Side::A).isEmpty() && !needsBoth(quantity)) {
        (void)document().analyses().plane(quantity == Quantity::Original ? Quantity::Scheme : quantity, Side::B);
    }
}

/// A tensor that does not fit 1:1 opens on Magnitude with max pooling, one that does on Signed.
void MatrixView::chooseOpening() {
    const Heatmap& picture = m_main->heatmap();
    if (m_opened || !picture.plane()) {
        return;
    }
    m_opened = true;
    if (m_actions->lock->isChecked() || !m_wantedView.isEmpty()) {
        return;
    }
    const QSizeF device = picture.pictureRect().size() * picture.devicePixelRatioF();
    const bool fits = static_cast<double>(picture.shape().cols) <= device.width() && static_cast<double>(picture.shape().rows) <= device.height();
    MatrixActions::choose(m_actions->map, fits ? 1 : 0);
}

RangeInputs MatrixView::rangeInputs(const MatrixPane& pane) const {
    RangeInputs inputs;
    if (const auto& plane = pane.heatmap().plane()) {
        inputs.pyramid = plane->pyramid;
    }
    const Lookup<TensorStats> stats = document().weights() ? document().analyses().stats() : Lookup<TensorStats>();
    inputs.stats = stats.value;
    const RangeGroup group = rangeGroup(pane.quantity());
    if (group == RangeGroup::Error || group == RangeGroup::Codes) {
        inputs.side = pane.side() == Side::A ? "A" : "B";
    }
    if (group == RangeGroup::Codes && document().weights()) {
        const Lookup<SchemeResult> result = document().analyses().scheme(pane.side());
        if (result.value && result.value->quantized && result.value->quantized->hasCodes()) {
            inputs.codes = result.value->quantized->codeRange();
        }
    }
    return inputs;
}

void MatrixView::updateColours() {
    for (MatrixPane* pane : {m_main, m_reference}) {
        PictureRange& range = rangeOf(*pane);
        const auto& plane = pane->heatmap().plane();
        // Not from a stale picture: its values are another scheme's.
        if (!range.set && plane && pane->current()) {
            const bool logarithmic = range.logarithmic;
            const RangeInputs inputs = rangeInputs(*pane);
            range = defaultRange(rangeGroup(pane->quantity()), inputs);
            range.logarithmic = logarithmic;
            // Without statistics the range is provisional: the next refresh may know better.
            range.set = rangeGroup(pane->quantity()) != RangeGroup::Weights || inputs.stats != nullptr;
        }
        const auto palette = MatrixActions::chosen<ColorMapId>(m_actions->palette);
        pane->setSetting(colourSetting(rangeGroup(pane->quantity()), range, signedMap(), palette), range.mode);
    }
    const bool difference = m_main->quantity() == Quantity::Difference;
    for (QAction* action : m_actions->map->actions()) {
        action->setEnabled(!difference);
    }
    QAction* magnitude = MatrixActions::actionFor(m_actions->map, 0);
    magnitude->setText(m_main->quantity() == Quantity::Codes ? "Code" : "Magnitude");
    const QSignalBlocker quiet(m_actions->rangeLog);
    m_actions->rangeLog->setEnabled(m_main->heatmap().color().magnitude);
    m_actions->rangeLog->setChecked(m_main->heatmap().color().logarithmic);
    updateCells();
}

void MatrixView::setRange(MatrixPane& pane, double low, double high, const QString& mode) {
    PictureRange& range = rangeOf(pane);
    range.low = low;
    range.high = high;
    range.set = range.byHand = true;
    range.mode = mode;
    updateColours();
}

void MatrixView::updateCells() {
    Cursor& cursor = document().cursor();
    const auto mode = MatrixActions::chosen<CellTextMode>(m_actions->cellText);
    std::vector<Cell> edited;
    if (const TensorInfo* tensor = document().tensor(); tensor != nullptr && tensor->cols > 0) {
        for (const Edit& edit : document().spec().edits) {
            if (edit.tensor == document().spec().tensor) {
                const std::int64_t across = tensor->transposed ? tensor->rows : tensor->cols;
                const Cell stored{edit.index / across, edit.index % across};
                edited.push_back(tensor->transposed ? Cell{stored.col, stored.row} : stored);
            }
        }
    }
    std::shared_ptr<const SchemeResult> schemeA;
    if (document().weights() && !document().scheme(Side::A).isEmpty()) {
        schemeA = document().analyses().scheme(Side::A).value;
    }
    for (MatrixPane* pane : {m_main, m_reference}) {
        Heatmap& picture = pane->heatmap();
        const Quantity quantity = pane->quantity();
        const Side side = pane->side();
        const double top = std::max(std::fabs(picture.color().low), std::fabs(picture.color().high));
        picture.setSelected(cursor.selected());
        picture.setPins(cursor.pins());
        picture.setEdited(edited);
        picture.setBrushed(quantity == Quantity::Original ? cursor.brushed() : std::nullopt);
        picture.setCellText([this, mode, quantity, side, top](Cell cell, float value) { return m_texts.cell(mode, quantity, side, cell, value, top); });
        picture.setReadout([this, quantity, side, &picture](Cell cell, float value) {
            QStringList lines = m_texts.readout(quantity, side, cell, value);
            if (picture.hoverIsLargest()) {
                lines << "largest of this pixel's cells";
            }
            return lines;
        });
        if (schemeA && schemeA->quantized && schemeA->quantized->rows() == picture.shape().rows && schemeA->quantized->cols() == picture.shape().cols) {
            picture.setGroups([quantized = schemeA->quantized](Cell cell) { return quantized->groupColumns(cell.row, cell.col); });
        } else {
            picture.setGroups({});
        }
        pane->announceSelection(cursor.selected() ? m_texts.sentence(*cursor.selected()) : QString("No cell selected"));
    }
}

void MatrixView::updateChip() {
    const Heatmap& picture = m_main->heatmap();
    m_toolbar->setPooling(picture.plane() ? picture.poolingText() : QString(), picture.pooling() != Pooling::AbsMax);
    m_toolbar->chip()->setVisible(picture.plane() != nullptr && m_toolbar->chip()->width() > 0);
}

void MatrixView::sendHover(std::optional<Cell> cell) {
    m_hover = cell;
    if (!m_hoverTimer.isActive()) {
        document().cursor().setHover(cell);
        m_hoverTimer.start();
    }
}

void MatrixView::setQuantity(Quantity quantity, Side side) {
    MatrixActions::choose(m_actions->side, side);
    updateAvailability();
    MatrixActions::choose(m_actions->quantity, quantity);
    updatePanes();
}

void MatrixView::setPeek(bool on) {
    const bool possible = !document().scheme(Side::B).isEmpty() && !needsBoth(quantity());
    if (on == m_peek || (on && !possible)) {
        return;
    }
    m_peek = on;
    updatePanes();
}

void MatrixView::togglePin(Cell cell) {
    Cursor& cursor = document().cursor();
    for (const Pin& pin : cursor.pins()) {
        if (pin.cell == cell) {
            cursor.removePin(pin.id);
            return;
        }
    }
    cursor.addPin(cell);
}

void MatrixView::showCellMenu(Heatmap& heatmap, Cell cell, const QPoint& position) {
    document().cursor().select(cell);
    auto* menu = new QMenu(this);
    menu->setAttribute(Qt::WA_DeleteOnClose);
    const bool pinned = std::any_of(document().cursor().pins().begin(), document().cursor().pins().end(), [&](const Pin& pin) { return pin.cell == cell; });
    connect(menu->addAction(pinned ? "Remove pin" : "Pin this cell\tSpace"), &QAction::triggered, this, [this, cell] { togglePin(cell); });
    connect(menu->addAction("Zoom in here"), &QAction::triggered, this, [&heatmap, cell] { heatmap.reveal(cell); });
    menu->addActions({m_actions->fit, m_actions->goTo});
    menu->addSeparator();
    menu->addMenu(m_actions->rangeMenu());
    menu->addAction(m_actions->swap);
    menu->popup(position);
}

void MatrixView::goTo() {
    if (!m_main->heatmap().plane()) {
        return;
    }
    const std::optional<Cell> cell = document().cursor().selected();
    m_goTo->setText(cell ? QString("%1, %2").arg(cell->row).arg(cell->col) : QString());
    m_goTo->setFont(Theme::font(TextRole::Number));
    const int width = Theme::px(180);
    m_goTo->setGeometry((this->width() - width) / 2, m_toolbar->height() + Theme::px(12), width, Theme::px(28));
    m_goTo->show();
    m_goTo->raise();
    m_goTo->selectAll();
    m_goTo->setFocus();
}

void MatrixView::finishGoTo() {
    static const QRegularExpression separators("[\\s,;:x×]+");
    const QStringList parts = m_goTo->text().split(separators, Qt::SkipEmptyParts);
    bool rowKnown = false;
    bool colKnown = false;
    const MatrixShape shape = m_main->heatmap().shape();
    const qint64 row = parts.size() == 2 ? parts[0].toLongLong(&rowKnown) : -1;
    const qint64 col = parts.size() == 2 ? parts[1].toLongLong(&colKnown) : -1;
    if (!rowKnown || !colKnown || row < 0 || col < 0 || row >= shape.rows || col >= shape.cols) {
        m_goTo->setToolTip(QString("Two numbers: row 0 to %1, column 0 to %2").arg(shape.rows - 1).arg(shape.cols - 1));
        m_goTo->selectAll();
        m_message->showMessage(MessageBar::Role::Neutral, "There is no such cell.", m_goTo->toolTip());
        return;
    }
    showProblem();
    m_goTo->hide();
    document().cursor().select(Cell{row, col});
    m_main->heatmap().reveal({row, col});
    m_main->heatmap().setFocus();
}

bool MatrixView::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_goTo) {
        const bool escape = event->type() == QEvent::KeyPress && static_cast<QKeyEvent*>(event)->key() == Qt::Key_Escape;
        if (escape || event->type() == QEvent::FocusOut) {
            m_goTo->hide();
            if (escape) {
                m_main->heatmap().setFocus();
                return true;
            }
        }
    }
    return View::eventFilter(watched, event);
}

void MatrixView::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_G && event->modifiers() == Qt::ControlModifier) {
        goTo();
        return;
    }
    View::keyPressEvent(event);
}

void MatrixView::showProblem() {
    const QString what = m_planeProblem ? QString::fromStdString(m_planeProblem->what) : m_readProblem;
    if (what.isEmpty()) {
        m_message->clear();
    } else if (what != m_message->what()) {  // the same one at every refresh is not the same one again
        m_planeProblem ? m_message->showError(*m_planeProblem) : m_message->showMessage(MessageBar::Role::Error, what);
    }
}

namespace {

View* create(Document& document, QWidget* parent) {
    return new MatrixView(document, parent);
}

}  // namespace

extern const ViewDefinition kView_matrix;
const ViewDefinition kView_matrix{"matrix", "Matrix", Area::Centre, &create};

}  // namespace loupe::app

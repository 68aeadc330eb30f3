// SPDX-License-Identifier: GPL-3.0-or-later
// The checkpoint as a tree: find a tensor, see at a glance which ones are unusual.
#include "app/document/analyses.hpp"
#include "app/document/document.hpp"
#include "app/views/tensor_tree_model.hpp"
#include "app/views/view.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"
#include "core/base/units.hpp"

#include <QApplication>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPainter>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QStyledItemDelegate>
#include <QTimer>
#include <QTreeView>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

namespace loupe::app {

namespace {

constexpr int kFilterDelayMs = 60;
constexpr int kScanDelayMs = 100;
constexpr int kSelectMerge = 0x7e50;
/// Larger checkpoints are scanned on demand: reading them all would take minutes of disk.
constexpr double kScanByItself = 8e9;

/// "6.738 billion": what fits into a header; the foot has every digit.
QString shortCount(std::uint64_t count) {
    const auto value = static_cast<double>(count);
    if (count < 10'000'000) {
        return formatCount(static_cast<qint64>(count));
    }
    return count < 1'000'000'000 ? QObject::tr("%1 million").arg(formatNumber(value / 1e6))
                                 : QObject::tr("%1 billion").arg(formatNumber(value / 1e9));
}

/// "12 × q4_k", the most frequent first.
QStringList commonPackings(std::span<const TensorInfo> tensors) {
    constexpr std::size_t kMost = 4;
    std::map<QString, int> counts;
    for (const TensorInfo& tensor : tensors) {
        if (tensor.packed != nullptr || tensor.block != nullptr) {
            ++counts[quantizationText(tensor)];
        }
    }
    std::vector<std::pair<int, QString>> sorted;
    for (const auto& [name, count] : counts) {
        sorted.emplace_back(-count, name);
    }
    std::sort(sorted.begin(), sorted.end());
    QStringList lines;
    for (std::size_t i = 0; i < std::min(sorted.size(), kMost); ++i) {
        lines << QStringLiteral("%1 × %2").arg(-sorted[i].first).arg(sorted[i].second);
    }
    if (sorted.size() > kMost) {
        lines << QStringLiteral("…");
    }
    return lines;
}

/// Draws the sparkline, and the marks at the end of a row.
class TreeDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void paint(QPainter* painter,
               const QStyleOptionViewItem& option,
               const QModelIndex& index) const override {
        QStyledItemDelegate::paint(painter,
                                   option,
                                   index.column() == TensorTreeModel::Badge
                                       ? index.siblingAtColumn(TensorTreeModel::Shape)
                                       : index);
        painter->save();
        painter->setRenderHint(QPainter::Antialiasing);
        if (index.column() == TensorTreeModel::Name) {
            paintPacking(*painter, option, index);
        } else if (index.column() == TensorTreeModel::Shape) {
            paintSpark(
                *painter, option, index.data(TensorTreeModel::SparkRole).value<QVector<float>>());
        } else if (index.column() == TensorTreeModel::Badge) {
            paintMarks(*painter, option, index);
        }
        painter->restore();
    }

    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem& option,
                                 const QModelIndex& index) const override {
        QSize size = QStyledItemDelegate::sizeHint(option, index);
        size.setHeight(Theme::px(24));
        return size;
    }

private:
    /// How the tensor is packed, behind its name where there is room (the tool tip has it always).
    static void paintPacking(QPainter& painter,
                             const QStyleOptionViewItem& option,
                             const QModelIndex& index) {
        const QString text = index.data(TensorTreeModel::QuantRole).toString();
        if (text.isEmpty()) {
            return;
        }
        const int name = option.fontMetrics.horizontalAdvance(index.data().toString());
        painter.setFont(Theme::font(TextRole::Caption));
        const int own = painter.fontMetrics().horizontalAdvance(text);
        const QRect room = option.rect.adjusted(Theme::px(26) + name, 0, -Theme::px(4), 0);
        if (own + Theme::px(8) > room.width()) {
            return;
        }
        const bool selected = (option.state & QStyle::State_Selected) != 0;
        painter.setPen(selected ? Theme::current().text2 : Theme::current().text3);
        painter.drawText(room, Qt::AlignRight | Qt::AlignVCenter, text);
    }

    static void paintSpark(QPainter& painter,
                           const QStyleOptionViewItem& option,
                           const QVector<float>& heights) {
        if (heights.isEmpty()) {
            return;
        }
        const QRectF box(option.rect.right() - Theme::px(38),
                         option.rect.center().y() - Theme::px(6),
                         Theme::px(36),
                         Theme::px(13));
        QPolygonF shape;
        shape << box.bottomLeft();
        for (qsizetype i = 0; i < heights.size(); ++i) {
            const double x = box.left() + (static_cast<double>(i) + 0.5) /
                                              static_cast<double>(heights.size()) * box.width();
            shape << QPointF(x, box.bottom() - static_cast<double>(heights[i]) * box.height());
        }
        shape << box.bottomRight();
        painter.setPen(Qt::NoPen);
        painter.setBrush((option.state & QStyle::State_Selected) != 0 ? Theme::current().text
                                                                      : Theme::current().text3);
        painter.drawPolygon(shape);
    }

    /// Badges of a scan, as many as fit; how many more there are stands for the rest. Returns what
    /// is left of the row.
    static QRect paintFlags(QPainter& painter, QRect area, const QStringList& flags) {
        const Theme& theme = Theme::current();
        painter.setFont(Theme::font(TextRole::Caption));
        for (qsizetype i = 0; i < flags.size(); ++i) {
            const bool last = i + 1 == flags.size();
            const QString more = QStringLiteral("+%1").arg(flags.size() - i);
            const int wanted =
                painter.fontMetrics().horizontalAdvance(flags[i]) + Theme::px(8) +
                (last ? 0 : painter.fontMetrics().horizontalAdvance(more) + Theme::px(4));
            const bool fits = wanted <= area.width();
            const QString text = fits ? flags[i] : more;
            const int width = painter.fontMetrics().horizontalAdvance(text) + Theme::px(8);
            const QRectF box(area.right() - width + 0.5,
                             area.center().y() - Theme::px(7) + 0.5,
                             width - 1,
                             Theme::px(15));
            painter.setPen(QPen(theme.text3, 1));
            painter.setBrush(Qt::NoBrush);
            painter.drawRoundedRect(box, 3, 3);
            painter.setPen(theme.text2);
            painter.drawText(box, Qt::AlignCenter, text);
            area.setRight(area.right() - width - Theme::px(3));
            if (!fits) {
                break;
            }
        }
        painter.setFont(Theme::font(TextRole::Small));
        return area;
    }

    static void paintMarks(QPainter& painter,
                           const QStyleOptionViewItem& option,
                           const QModelIndex& index) {
        const Theme& theme = Theme::current();
        const QString nan = index.data(TensorTreeModel::NanRole).toString();
        QRect area = option.rect.adjusted(0, 0, -Theme::px(8), 0);
        painter.setFont(Theme::font(TextRole::Small));
        if (index.data(TensorTreeModel::ProblemRole).toBool()) {
            const int size = Theme::px(14);
            painter.setPen(QPen(theme.error, 1.5));
            painter.setBrush(Qt::NoBrush);
            const QRectF box(
                area.right() - size, area.center().y() - size / 2.0 + 1, size - 1, size - 1);
            painter.drawEllipse(box);
            painter.drawText(box, Qt::AlignCenter, QStringLiteral("!"));
            area.setRight(area.right() - size - Theme::px(4));
        }
        if (!nan.isEmpty()) {
            const int width = painter.fontMetrics().horizontalAdvance(nan) + Theme::px(10);
            const QRectF box(area.right() - width + 0.5,
                             area.center().y() - Theme::px(8) + 0.5,
                             width - 1,
                             Theme::px(17));
            painter.setPen(QPen(theme.error, 1));
            painter.setBrush(Qt::NoBrush);
            painter.drawRoundedRect(box, 3, 3);
            painter.drawText(box, Qt::AlignCenter, nan);
            area.setRight(area.right() - width - Theme::px(4));
        }
        area = paintFlags(painter, area, index.data(TensorTreeModel::FlagsRole).toStringList());
        const QString note = index.data(TensorTreeModel::NoteRole).toString();
        const qlonglong outliers = index.data(TensorTreeModel::OutlierRole).toLongLong();
        if (outliers != 0 && nan.isEmpty()) {
            if (outliers > 0) {
                painter.setPen(theme.outlier);
                painter.drawText(
                    area, Qt::AlignRight | Qt::AlignVCenter, QString::number(outliers));
                area.setRight(area.right() -
                              painter.fontMetrics().horizontalAdvance(QString::number(outliers)) -
                              Theme::px(6));
            }
            const double r = Theme::px(4);
            const QPointF centre(area.right() - r, area.center().y() + 0.5);
            painter.setPen(Qt::NoPen);
            painter.setBrush(theme.outlier);
            painter.drawPolygon(QPolygonF({centre - QPointF(r, 0),
                                           centre - QPointF(0, r),
                                           centre + QPointF(r, 0),
                                           centre + QPointF(0, r)}));
            area.setRight(area.right() - Theme::px(14));
        }
        if (!note.isEmpty()) {
            painter.setPen(theme.text3);
            painter.drawText(area, Qt::AlignRight | Qt::AlignVCenter | Qt::TextDontClip, note);
        }
    }
};

class TensorTreeView : public View {
    Q_OBJECT

public:
    TensorTreeView(Document& document, QWidget* parent);

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void rebuild();
    void enterTree();
    void updateStats();
    void showSelection();
    void selectTensor(const QModelIndex& index);
    void contextMenu(const QPoint& at);
    void updateFooter();
    [[nodiscard]] QString row(std::size_t tensor) const;
    [[nodiscard]] static QString headerRow();
    void buildHead(QVBoxLayout& layout);
    void buildFoot(QVBoxLayout& layout);
    void updateStored();

    QLineEdit* m_filter = nullptr;
    SegmentedControl* m_stored = nullptr;
    QLabel* m_message = nullptr;
    QTreeView* m_tree = nullptr;
    QLabel* m_footer = nullptr;
    QPushButton* m_warnings = nullptr;
    QPlainTextEdit* m_warningList = nullptr;
    TensorTreeModel* m_model = nullptr;
    QTimer m_filterTimer;
    QTimer m_scanTimer;
    std::vector<char> m_seen;  ///< tensors whose statistics the model has
    double m_threshold = 0;
    bool m_usesFlags = false;  ///< the filter names badges
    bool m_showing = false;
};

TensorTreeView::TensorTreeView(Document& document, QWidget* parent) : View(document, parent) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(6));
    buildHead(*layout);
    m_model = new TensorTreeModel(this);
    m_tree = new QTreeView(this);
    m_tree->setModel(m_model);
    m_tree->setItemDelegate(new TreeDelegate(m_tree));
    m_tree->setHeaderHidden(true);
    m_tree->setUniformRowHeights(true);
    m_tree->setFrameShape(QFrame::NoFrame);
    m_tree->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_tree->setTextElideMode(Qt::ElideMiddle);
    m_tree->setAccessibleName(tr("Tensors"));
    m_tree->setContextMenuPolicy(Qt::CustomContextMenu);
    m_tree->setAutoFillBackground(true);
    QPalette palette = m_tree->palette();
    m_tree->viewport()->setBackgroundRole(QPalette::Window);
    layout->addWidget(m_tree, 1);
    buildFoot(*layout);
    setFocusProxy(m_tree);
    QHeaderView* header = m_tree->header();
    header->setStretchLastSection(false);
    header->setMinimumSectionSize(10);
    header->setSectionResizeMode(QHeaderView::Fixed);
    header->setSectionResizeMode(TensorTreeModel::Name, QHeaderView::Stretch);

    m_filterTimer.setSingleShot(true);
    m_filterTimer.setInterval(kFilterDelayMs);
    m_scanTimer.setSingleShot(true);
    m_scanTimer.setInterval(kScanDelayMs);
    m_filter->installEventFilter(this);
    connect(&m_filterTimer, &QTimer::timeout, this, &TensorTreeView::rebuild);
    connect(
        &m_scanTimer, &QTimer::timeout, this, [this] { this->document().analyses().scanAll(); });
    connect(m_filter, &QLineEdit::textChanged, this, [this] { m_filterTimer.start(); });
    connect(m_tree->selectionModel(),
            &QItemSelectionModel::currentChanged,
            this,
            &TensorTreeView::selectTensor);
    connect(m_tree, &QTreeView::customContextMenuRequested, this, &TensorTreeView::contextMenu);
}

void TensorTreeView::buildHead(QVBoxLayout& layout) {
    m_filter = new QLineEdit(this);
    m_filter->setPlaceholderText(tr("Filter: name, /regex/, dtype:, shape:, size>, badge:"));
    m_filter->setClearButtonEnabled(true);
    m_filter->setAccessibleName(tr("Filter tensors"));
    m_filter->addAction(themedIcon(QStringLiteral("search")), QLineEdit::LeadingPosition);
    m_message = new QLabel(this);
    setTextRole(m_message, TextRole::Small);
    setTone(m_message, Tone::Tertiary);
    m_message->setWordWrap(true);
    auto* head = new QVBoxLayout;
    head->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    head->setSpacing(Theme::px(6));
    head->addWidget(m_filter);
    auto* choice = new QHBoxLayout;
    choice->setSpacing(Theme::px(8));
    m_stored = new SegmentedControl(this);
    m_stored->setCompact(true);
    m_stored->setAccessibleName(tr("Stored or logical tensors"));
    connect(m_stored, &SegmentedControl::chosen, this, [this](const QString& id) {
        this->document().setStored(id == QLatin1String("stored"));
    });
    choice->addWidget(m_stored, 0, Qt::AlignVCenter);
    choice->addWidget(m_message, 1);
    head->addLayout(choice);
    layout.addLayout(head);
    updateStored();
}

void TensorTreeView::buildFoot(QVBoxLayout& layout) {
    m_footer = new QLabel(this);
    m_footer->setContentsMargins(Theme::px(12), Theme::px(2), Theme::px(12), Theme::px(8));
    m_footer->setWordWrap(true);
    setTextRole(m_footer, TextRole::Small);
    setTone(m_footer, Tone::Tertiary);
    layout.addWidget(m_footer);
    m_warnings = new QPushButton(this);
    m_warnings->setCheckable(true);
    m_warnings->setIcon(themedIcon(QStringLiteral("warning")));
    m_warnings->setToolTip(tr("What the reader found odd about this checkpoint"));
    m_warnings->hide();
    m_warningList = new QPlainTextEdit(this);
    m_warningList->setReadOnly(true);
    m_warningList->setTabChangesFocus(true);
    m_warningList->setAccessibleName(tr("Warnings"));
    m_warningList->setMaximumHeight(Theme::px(140));
    setTextRole(m_warningList, TextRole::Small);
    m_warningList->hide();
    connect(m_warnings, &QPushButton::toggled, m_warningList, &QWidget::setVisible);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(Theme::px(12), 0, Theme::px(12), Theme::px(6));
    row->addWidget(m_warnings);
    row->addStretch();
    layout.addLayout(row);
    layout.addWidget(m_warningList);
}

/// The switch is there always; where there is nothing to choose it says why.
void TensorTreeView::updateStored() {
    m_stored->setCurrent(document().spec().stored ? QStringLiteral("stored")
                                                  : QStringLiteral("logical"));
    if (document().opening() && m_stored->isEnabled()) {
        return;  // keeps the focus while the other view opens
    }
    const bool can = document().canChooseStored();
    m_stored->setOptions(
        {{QStringLiteral("stored"),
          tr("Stored"),
          can ? tr("The file's own tensors: codes, scales and zero points as they lie there")
              : tr("No tensor here is packed of several: stored and logical are the same")},
         {QStringLiteral("logical"),
          tr("Logical"),
          can ? tr("The weights that packed tensors stand for, in their true shape")
              : tr("No tensor here is packed of several: stored and logical are the same")}});
    m_stored->setCurrent(document().spec().stored ? QStringLiteral("stored")
                                                  : QStringLiteral("logical"));
    m_stored->setEnabled(can);
}

/// From the filter, Down and Return go to the first match, Escape empties it.
bool TensorTreeView::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_filter && event->type() == QEvent::KeyPress) {
        switch (static_cast<QKeyEvent*>(event)->key()) {
            case Qt::Key_Down:
            case Qt::Key_Return:
            case Qt::Key_Enter:
                enterTree();
                return true;
            case Qt::Key_Escape:
                if (!m_filter->text().isEmpty()) {
                    m_filter->clear();
                    return true;
                }
                break;
            default:
                break;
        }
    }
    return View::eventFilter(watched, event);
}

void TensorTreeView::enterTree() {
    if (m_filterTimer.isActive()) {
        m_filterTimer.stop();
        rebuild();
    }
    if (!m_model->tensors().empty() && !m_filter->text().isEmpty()) {
        m_tree->setCurrentIndex(m_model->indexOf(m_model->tensors().front()));
    }
    m_tree->setFocus(Qt::TabFocusReason);
}

void TensorTreeView::refresh(Changes what) {
    if (what & Change::Source) {
        rebuild();
        const std::shared_ptr<const TensorSource> source = document().source();
        if (source && static_cast<double>(source->info().bytes) <= kScanByItself) {
            m_scanTimer.start();
        }
    }
    if (what & Change::Display) {
        QHeaderView* header = m_tree->header();
        header->resizeSection(TensorTreeModel::Shape, Theme::px(44));
        header->resizeSection(TensorTreeModel::Crest, Theme::px(40));
        header->resizeSection(TensorTreeModel::Badge, Theme::px(58));
        if (m_threshold != document().spec().outlierThreshold) {
            m_threshold = document().spec().outlierThreshold;
            m_model->setThreshold(m_threshold);
        }
    }
    if (what & (Changes(Change::Source) | Change::Results)) {
        updateStats();
    }
    if (what & (Changes(Change::Source) | Change::Tensor)) {
        showSelection();
    }
}

void TensorTreeView::rebuild() {
    const std::shared_ptr<const TensorSource> source = document().source();
    const TensorFilter filter(m_filter->text());
    m_usesFlags = filter.usesFlags();
    m_showing = true;
    m_model->setSource(source, filter);
    m_showing = false;
    m_seen.assign(source ? source->tensors().size() : 0, 0);
    if (!filter.empty()) {
        m_tree->expandAll();
    } else {
        m_tree->expandToDepth(1);
    }
    const std::size_t found = filter.empty() ? 0 : m_model->tensors().size();
    if (!filter.problem().isEmpty()) {
        m_message->setText(filter.problem());
    } else if (!source) {
        m_message->setText(document().opening() ? tr("Opening…") : tr("No checkpoint open"));
    } else if (filter.empty()) {
        m_message->setText(tr("shape of distribution · crest factor · outlier channels"));
    } else {
        m_message->setText(
            found == 0 ? tr("No tensor matches")
                       : tr("%1 of %2 tensors")
                             .arg(formatCount(static_cast<qint64>(found)),
                                  formatCount(static_cast<qint64>(source->tensors().size()))));
    }
    if (source) {
        const auto count = static_cast<qint64>(source->tensors().size());
        const QString tensors =
            count == 1 ? tr("1 tensor") : tr("%1 tensors").arg(formatCount(count));
        setSubtitle(document().spec().stored
                        ? tr("%1, stored").arg(tensors)
                        : tr("%1 · %2 weights")
                              .arg(tensors, shortCount(source->info().parameters)));
    } else {
        setSubtitle({});
    }
    updateStored();
    updateStats();
    updateFooter();
    showSelection();
}

void TensorTreeView::updateFooter() {
    const std::shared_ptr<const TensorSource> source = document().source();
    if (!source) {
        m_footer->clear();
        m_warnings->hide();
        m_warningList->hide();
        return;
    }
    const SourceInfo& info = source->info();
    const bool stored = document().spec().stored;
    QString text = (stored ? tr("%1 · %2 stored numbers") : tr("%1 · %2 parameters"))
                       .arg(QString::fromStdString(decimalBytes(static_cast<double>(info.bytes))),
                            formatCount(static_cast<qint64>(info.parameters)));
    if (!stored && info.parameters > 0) {
        text += tr(" · %1 bits each")
                    .arg(formatNumber(8.0 * static_cast<double>(info.bytes) /
                                      static_cast<double>(info.parameters)));
    }
    const QStringList packings = commonPackings(source->tensors());
    if (!packings.isEmpty()) {
        text += QLatin1Char('\n') + packings.join(QStringLiteral(" · "));
    }
    m_footer->setText(text);
    QStringList warnings;
    for (const std::string& warning : info.warnings) {
        warnings << QString::fromStdString(warning);
    }
    m_warningList->setPlainText(warnings.join(QLatin1Char('\n')));
    m_warnings->setText(warnings.size() == 1 ? tr("1 warning")
                                             : tr("%1 warnings").arg(warnings.size()));
    m_warnings->setVisible(!warnings.isEmpty());
    m_warningList->setVisible(m_warnings->isChecked() && !warnings.isEmpty());
}

void TensorTreeView::updateStats() {
    bool any = false;
    for (std::size_t i = 0; i < m_seen.size(); ++i) {
        if (m_seen[i] == 0) {
            if (std::shared_ptr<const TensorStats> stats = document().analyses().knownStats(i)) {
                m_model->setStats(i, std::move(stats), document().spec().outlierThreshold);
                m_seen[i] = 1;
            }
        }
        if (m_seen[i] == 1) {
            if (auto flags = document().analyses().knownFlags(i)) {
                any = m_model->setFlags(i, std::move(flags)) || any;
                m_seen[i] = 2;
            }
        }
    }
    if (any && m_usesFlags) {
        m_filterTimer.start();  // what the filter accepts may have changed
    }
}

void TensorTreeView::showSelection() {
    const std::optional<std::size_t> tensor = document().tensorIndex();
    const QModelIndex index = tensor ? m_model->indexOf(*tensor) : QModelIndex();
    if (index == m_tree->currentIndex()) {
        return;
    }
    m_showing = true;
    if (index.isValid()) {
        m_tree->setCurrentIndex(index);
        m_tree->scrollTo(index);
    } else {
        m_tree->selectionModel()->clear();
    }
    m_showing = false;
}

void TensorTreeView::selectTensor(const QModelIndex& index) {
    const std::shared_ptr<const TensorSource> source = document().source();
    const qlonglong tensor =
        index.isValid() ? index.data(TensorTreeModel::TensorRole).toLongLong() : -1;
    if (m_showing || !source || tensor < 0) {
        return;
    }
    const std::string& name = source->tensors()[static_cast<std::size_t>(tensor)].name;
    document().edit(
        tr("Select %1").arg(QString::fromStdString(name)),
        [&](ExperimentSpec& spec) { spec.tensor = name; },
        kSelectMerge);
}

QString TensorTreeView::headerRow() {
    return QStringLiteral(
        "tensor\tdtype\tquantization\tshape\tparameters\tbytes\tmin\tmax\tabsmax\tmean\tstd\tcrest\tkurtosis\tzer"
        "os\tnan\tinf\toutlier_channels\n");
}

QString TensorTreeView::row(std::size_t tensor) const {
    const TensorInfo& info = document().source()->tensors()[tensor];
    QStringList cells{QString::fromStdString(info.name),
                      QString::fromStdString(info.dtypeName),
                      quantizationText(info),
                      QString::fromStdString(shapeText(info)),
                      QString::number(info.parameters),
                      QString::number(info.bytes)};
    if (const TensorSummary* known = m_model->summary(tensor)) {
        const TensorStats& s = *known->stats;
        for (const double value :
             {s.min, s.max, s.absmax, s.mean, s.std, known->crest, s.kurtosis}) {
            cells << QString::fromStdString(shortest(value));
        }
        cells << QString::number(s.zeros) << QString::number(s.nan) << QString::number(s.inf)
              << QString::number(known->outliers);
    }
    return cells.join(QLatin1Char('\t')) + QLatin1Char('\n');
}

QString TensorTreeView::copyText() const {
    if (!document().source()) {
        return {};
    }
    QString text = headerRow();
    for (const std::size_t tensor : m_model->tensors()) {
        text += row(tensor);
    }
    return text;
}

void TensorTreeView::contextMenu(const QPoint& at) {
    const QModelIndex index = m_tree->indexAt(at);
    const qlonglong tensor =
        index.isValid() ? index.data(TensorTreeModel::TensorRole).toLongLong() : -1;
    QMenu menu(this);
    if (tensor >= 0) {
        const QString name = QString::fromStdString(
            document().source()->tensors()[static_cast<std::size_t>(tensor)].name);
        menu.addAction(tr("Copy name"), this, [name] { QApplication::clipboard()->setText(name); });
        menu.addAction(tr("Copy statistics"), this, [this, tensor] {
            QApplication::clipboard()->setText(headerRow() + row(static_cast<std::size_t>(tensor)));
        });
    }
    menu.addAction(tr("Copy the table of all tensors"), this, [this] {
        QApplication::clipboard()->setText(copyText());
    });
    menu.addSeparator();
    menu.addAction(
        tr("Compute statistics of all tensors"), this, [this] { document().analyses().scanAll(); });
    menu.addAction(tr("Expand all"), m_tree, &QTreeView::expandAll);
    menu.addAction(tr("Collapse all"), m_tree, &QTreeView::collapseAll);
    menu.exec(m_tree->viewport()->mapToGlobal(at));
}

QJsonObject TensorTreeView::save() const {
    return {{QStringLiteral("filter"), m_filter->text()}};
}

void TensorTreeView::restore(const QJsonObject& state) {
    m_filter->setText(state[QStringLiteral("filter")].toString());
}

View* create(Document& document, QWidget* parent) {
    return new TensorTreeView(document, parent);
}

}  // namespace

extern const ViewDefinition kView_tensor_tree;
const ViewDefinition kView_tensor_tree{"tensor_tree", "Checkpoint", Area::Left, create};

}  // namespace loupe::app

#include "tensor_tree_view.moc"

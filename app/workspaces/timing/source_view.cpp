// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/source_view.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/timing/timing_model.hpp"
#include "gpu/kernels/kernel.hpp"

#include <QApplication>
#include <QClipboard>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPainter>
#include <QScrollBar>
#include <QShortcut>
#include <QStackedWidget>
#include <QTextBlock>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr double kWorthSaying = 1.005;  // a ratio below this is the ideal, rounded

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

QString ratioText(std::uint64_t cost, std::uint64_t ideal) {
    return ideal == 0 ? QString()
                      : QString::number(double(cost) / double(ideal), 'f', 2) + QStringLiteral("×");
}

std::uint64_t weight(const LineTraffic& line) {
    return line.globalBytes + line.sharedBytes;
}

}  // namespace

std::map<int, LineTraffic> trafficByLine(const gpu::CountRecord& counts, const QString& family) {
    std::map<int, LineTraffic> lines;
    const std::string name = family.toStdString();
    for (const gpu::LineRecord& record : counts.lines) {
        const std::size_t slash = record.file.find_last_of("/\\");
        const std::string file =
            slash == std::string::npos ? record.file : record.file.substr(slash + 1);
        if (file.substr(0, file.find('.')) != name) {
            continue;
        }
        LineTraffic& line = lines[record.line];
        if (record.memory.rfind("shared", 0) == 0) {
            line.sharedBytes += record.bytes;
            line.wavefronts += record.cost;
            line.idealWavefronts += record.ideal;
        } else {
            line.globalBytes += record.bytes;
            line.sectors += record.cost;
            line.idealSectors += record.ideal;
        }
    }
    return lines;
}

SourceText::SourceText(QWidget* parent) : QPlainTextEdit(parent) {
    setReadOnly(true);
    setLineWrapMode(QPlainTextEdit::NoWrap);
    setFrameShape(QFrame::NoFrame);
    setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    setAccessibleName(tr("Kernel source"));
    setTextRole(this, TextRole::Number);
    m_numbers = new QWidget(this);
    m_gutter = new QWidget(this);
    m_numbers->installEventFilter(this);
    m_gutter->installEventFilter(this);
    connect(this, &QPlainTextEdit::updateRequest, this, [this] {
        m_numbers->update();
        m_gutter->update();
    });
}

void SourceText::setSource(const QString& text, std::map<int, LineTraffic> traffic) {
    const bool same = text == toPlainText();
    m_traffic = std::move(traffic);
    if (!same) {
        setPlainText(text);
    }
    arrange();
    m_gutter->update();
}

QString SourceText::wordsOf(int line) const {
    const auto found = m_traffic.find(line);
    if (found == m_traffic.end()) {
        return {};
    }
    const LineTraffic& t = found->second;
    QStringList parts;
    if (t.globalBytes > 0) {
        parts << tr("global %1, sectors %2")
                     .arg(bytesText(double(t.globalBytes)), ratioText(t.sectors, t.idealSectors));
    }
    if (t.sharedBytes > 0) {
        parts << tr("shared %1, wavefronts %2")
                     .arg(bytesText(double(t.sharedBytes)),
                          ratioText(t.wavefronts, t.idealWavefronts));
    }
    return parts.join(QStringLiteral("; "));
}

void SourceText::goTo(int line) {
    const QTextBlock block = document()->findBlockByNumber(line - 1);
    if (block.isValid()) {
        setTextCursor(QTextCursor(block));
        centerCursor();
    }
}

bool SourceText::isNarrow() const {
    return width() < Theme::px(700);
}

void SourceText::arrange() {
    const int left = static_cast<int>(
        textWidth(
            QString(std::max<qsizetype>(3, QString::number(blockCount()).size()), QLatin1Char('0')),
            TextRole::NumberAxis) +
        Theme::px(14));
    const int right =
        m_traffic.empty()
            ? 0
            : static_cast<int>(textWidth(isNarrow()
                                             ? QStringLiteral("s 888.8 MB 88.88×")
                                             : QStringLiteral("888.8 MB 88.88×  888.8 MB 88.88×"),
                                         TextRole::NumberAxis) +
                               Theme::px(24));
    setViewportMargins(
        left,
        m_traffic.empty() ? 0 : static_cast<int>(lineHeight(TextRole::Caption) + Theme::px(2)),
        right,
        0);
    const QRect inner = contentsRect();
    const int bar = verticalScrollBar()->isVisible() ? verticalScrollBar()->width() : 0;
    m_numbers->setGeometry(inner.left(), inner.top(), left, inner.height());
    m_gutter->setGeometry(inner.right() + 1 - right - bar, inner.top(), right, inner.height());
    m_gutter->setVisible(right > 0);
}

void SourceText::resizeEvent(QResizeEvent* event) {
    QPlainTextEdit::resizeEvent(event);
    arrange();
}

void SourceText::changeEvent(QEvent* event) {
    QPlainTextEdit::changeEvent(event);
    if (event->type() == QEvent::FontChange && m_gutter != nullptr) {
        arrange();
    }
}

bool SourceText::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::Paint && (watched == m_numbers || watched == m_gutter)) {
        watched == m_numbers ? paintNumbers() : paintTraffic();
        return true;
    }
    return QPlainTextEdit::eventFilter(watched, event);
}

void SourceText::paintNumbers() {
    QPainter painter(m_numbers);
    const Theme& theme = Theme::current();
    painter.fillRect(m_numbers->rect(), theme.canvas);
    const double shift = viewport()->geometry().top() - contentsRect().top();
    for (QTextBlock block = firstVisibleBlock(); block.isValid(); block = block.next()) {
        const QRectF rect = blockBoundingGeometry(block).translated(contentOffset());
        if (rect.top() > viewport()->height()) {
            break;
        }
        drawTextLine(
            painter,
            QRectF(0, rect.top() + shift, m_numbers->width() - Theme::px(8), rect.height()),
            Qt::AlignRight,
            QString::number(block.blockNumber() + 1),
            TextRole::NumberAxis,
            theme.text3);
    }
}

void SourceText::paintLine(QPainter& painter, const LineTraffic& t, const QRectF& rect) const {
    const Theme& theme = Theme::current();
    const double y = rect.top();
    const double width = rect.width();
    const double ratio = textWidth(QStringLiteral("88.88×"), TextRole::NumberAxis) + Theme::px(4);
    const double half = isNarrow() ? width - Theme::px(18) : (width - Theme::px(12)) / 2;
    const auto column =
        [&](double right, std::uint64_t bytes, std::uint64_t cost, std::uint64_t ideal) {
            if (bytes == 0) {
                return;
            }
            const bool wasteful = ideal > 0 && double(cost) / double(ideal) > kWorthSaying;
            drawTextLine(painter,
                         QRectF(right - ratio, y, ratio, rect.height()),
                         Qt::AlignRight,
                         ratioText(cost, ideal),
                         TextRole::NumberAxis,
                         wasteful ? theme.warning : theme.text3);
            drawTextLine(painter,
                         QRectF(right - half, y, half - ratio, rect.height()),
                         Qt::AlignRight,
                         bytesText(double(bytes)),
                         TextRole::NumberAxis,
                         theme.text2);
        };
    if (isNarrow()) {
        const bool shared = t.sharedBytes > t.globalBytes;
        column(width - Theme::px(6),
               std::max(t.globalBytes, t.sharedBytes),
               shared ? t.wavefronts : t.sectors,
               shared ? t.idealWavefronts : t.idealSectors);
        drawTextLine(painter,
                     QRectF(Theme::px(6), y, width, rect.height()),
                     Qt::AlignLeft,
                     shared ? QStringLiteral("s") : QStringLiteral("g"),
                     TextRole::NumberAxis,
                     theme.text3);
        return;
    }
    column(Theme::px(4) + half, t.globalBytes, t.sectors, t.idealSectors);
    column(Theme::px(4) + 2 * half, t.sharedBytes, t.wavefronts, t.idealWavefronts);
}

void SourceText::paintTraffic() {
    QPainter painter(m_gutter);
    const Theme& theme = Theme::current();
    painter.fillRect(m_gutter->rect(), theme.panel);
    painter.setPen(QPen(theme.line, 1));
    painter.drawLine(0, 0, 0, m_gutter->height());
    const double shift = viewport()->geometry().top() - contentsRect().top();
    const double width = m_gutter->width();
    const double half = isNarrow() ? width - Theme::px(18) : (width - Theme::px(12)) / 2;
    std::uint64_t most = 1;
    for (const auto& [number, line] : m_traffic) {
        most = std::max(most, weight(line));
    }
    for (QTextBlock block = firstVisibleBlock(); block.isValid(); block = block.next()) {
        const QRectF rect = blockBoundingGeometry(block).translated(contentOffset());
        if (rect.top() > viewport()->height()) {
            break;
        }
        const auto found = m_traffic.find(block.blockNumber() + 1);
        if (found == m_traffic.end()) {
            continue;
        }
        const LineTraffic& t = found->second;
        const double y = rect.top() + shift;
        // How much of the heaviest line, behind the numbers.
        QColor shade = theme.fill;
        shade.setAlphaF(0.28F);
        painter.fillRect(
            QRectF(1, y + 1, (width - 2) * double(weight(t)) / double(most), rect.height() - 2),
            shade);
        paintLine(painter, t, QRectF(0, y, width, rect.height()));
    }
    const double caption = lineHeight(TextRole::Caption);
    painter.fillRect(QRectF(1, 0, width, shift), theme.panel);
    if (isNarrow()) {
        drawTextLine(painter,
                     QRectF(Theme::px(6), 0, width, caption),
                     Qt::AlignLeft,
                     tr("global, shared"),
                     TextRole::Caption,
                     theme.text3);
        return;
    }
    drawTextLine(painter,
                 QRectF(0, 0, Theme::px(4) + half, caption),
                 Qt::AlignRight,
                 tr("global, sectors"),
                 TextRole::Caption,
                 theme.text3);
    drawTextLine(painter,
                 QRectF(half, 0, Theme::px(4) + half, caption),
                 Qt::AlignRight,
                 tr("shared, conflicts"),
                 TextRole::Caption,
                 theme.text3);
}

SourceView::SourceView(TimingModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("source"));
    setAccessibleName(tr("Kernel source"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, Theme::px(6), 0, 0);
    column->setSpacing(Theme::px(4));
    column->addLayout(makeHead());
    m_note = new QLabel(this);
    m_note->setWordWrap(true);
    m_note->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    setTextRole(m_note, TextRole::Small);
    setTone(m_note, Tone::Tertiary);
    column->addWidget(m_note);
    m_stack = new QStackedWidget(this);
    m_text = new SourceText(m_stack);
    m_empty = new EmptyState(m_stack);
    m_stack->addWidget(m_text);
    m_stack->addWidget(m_empty);
    column->addWidget(m_stack, 1);
    connect(&model, &TimingModel::selectionChanged, this, &SourceView::refresh);
    refresh();
}

QLayout* SourceView::makeHead() {
    auto* head = new QHBoxLayout;
    head->setContentsMargins(Theme::px(12), 0, Theme::px(8), 0);
    head->setSpacing(Theme::px(6));
    m_title = new ElidedLabel(this);
    setTextRole(m_title, TextRole::Heading);
    m_title->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_search = new QLineEdit(this);
    m_search->setPlaceholderText(tr("Find"));
    m_search->setAccessibleName(tr("Find in the source"));
    m_search->setClearButtonEnabled(true);
    m_search->setMaximumWidth(Theme::px(150));
    m_found = new QLabel(this);
    setTextRole(m_found, TextRole::Small);
    setTone(m_found, Tone::Tertiary);
    const auto button = [&](const QString& icon, const QString& name) {
        auto* made = new QToolButton(this);
        made->setAutoRaise(true);
        made->setIcon(themedIcon(icon));
        made->setToolTip(name);
        made->setAccessibleName(name);
        return made;
    };
    auto* previous = button(QStringLiteral("up"), tr("Previous find (Shift+F3)"));
    auto* next = button(QStringLiteral("down"), tr("Next find (F3)"));
    m_heaviest = button(QStringLiteral("bars"), tr("Go to the line that moves most"));
    m_copy = button(QStringLiteral("copy"), tr("Copy the source"));
    head->addWidget(m_title, 1);
    head->addWidget(m_found);
    for (QWidget* each : {static_cast<QWidget*>(m_search),
                          static_cast<QWidget*>(previous),
                          static_cast<QWidget*>(next),
                          static_cast<QWidget*>(m_heaviest),
                          static_cast<QWidget*>(m_copy)}) {
        head->addWidget(each);
    }
    connect(m_search, &QLineEdit::textEdited, this, [this] {
        m_text->moveCursor(QTextCursor::Start);
        find(false);
    });
    connect(m_search, &QLineEdit::returnPressed, this, [this] { find(false); });
    connect(next, &QToolButton::clicked, this, [this] { find(false); });
    connect(previous, &QToolButton::clicked, this, [this] { find(true); });
    connect(m_copy, &QToolButton::clicked, this, [this] {
        QApplication::clipboard()->setText(m_text->toPlainText());
    });
    connect(m_heaviest, &QToolButton::clicked, this, [this] {
        const auto heaviest = std::max_element(
            m_text->traffic().begin(), m_text->traffic().end(), [](const auto& a, const auto& b) {
                return weight(a.second) < weight(b.second);
            });
        if (heaviest != m_text->traffic().end()) {
            m_text->goTo(heaviest->first);
        }
    });
    const auto key = [this](const QKeySequence& keys, bool backwards) {
        auto* shortcut =
            new QShortcut(keys, this, nullptr, nullptr, Qt::WidgetWithChildrenShortcut);
        connect(shortcut, &QShortcut::activated, this, [this, backwards] { find(backwards); });
    };
    key(QKeySequence(Qt::Key_F3), false);
    key(QKeySequence(Qt::SHIFT | Qt::Key_F3), true);
    return head;
}

void SourceView::refresh() {
    const CaseRow* row = m_model.selectedRow();
    const RecordPtr record = row != nullptr ? row->record() : nullptr;
    m_family = record ? toQ(record->kernel.family) : QString();
    const QString source =
        m_family.isEmpty() ? QString() : fromView(gpu::kernelSource(m_family.toStdString()));
    const bool there = !source.isEmpty();
    m_stack->setCurrentWidget(there ? static_cast<QWidget*>(m_text)
                                    : static_cast<QWidget*>(m_empty));
    m_search->setEnabled(there);
    m_copy->setEnabled(there);
    m_title->setText(there ? m_family + QStringLiteral(".cuh") : tr("Source"));
    if (!there) {
        m_heaviest->setEnabled(false);
        m_note->hide();
        m_text->setSource({}, {});
        m_empty->setContent(
            QStringLiteral("file"),
            row == nullptr ? tr("No case selected") : tr("No source in this program"),
            row == nullptr
                ? tr("The kernel of the selected case appears here.")
                : tr("%1 is a library's or a CPU kernel: its text is not part of this program.")
                      .arg(row->kernel));
        return;
    }
    const gpu::CountRecord* counts = row->counted ? &*row->counted->counts : nullptr;
    m_text->setSource(
        source,
        counts != nullptr ? trafficByLine(*counts, m_family) : std::map<int, LineTraffic>());
    m_heaviest->setEnabled(!m_text->traffic().empty());
    QString note = counts != nullptr ? tr("Counted by running this source on the CPU: bytes, and "
                                          "sectors or wavefronts against the ideal.")
                                     : tr("Not counted: run this case with the backend Count, and "
                                          "each line shows what it moves.");
    const std::string& mine = record->kernel.sha256;
    if (counts != nullptr && !mine.empty() && !row->counted->kernel.sha256.empty() &&
        mine != row->counted->kernel.sha256) {
        note = tr("The counts are of another version of this source.") + QLatin1Char(' ') + note;
    }
    m_note->setText(note);
    m_note->show();
}

void SourceView::find(bool backwards) {
    const QString wanted = m_search->text();
    if (wanted.isEmpty()) {
        m_found->clear();
        return;
    }
    const QTextDocument::FindFlags flags =
        backwards ? QTextDocument::FindBackward : QTextDocument::FindFlags();
    bool found = m_text->find(wanted, flags);
    if (!found) {
        m_text->moveCursor(backwards ? QTextCursor::End : QTextCursor::Start);
        found = m_text->find(wanted, flags);
    }
    m_found->setText(found ? tr("line %1").arg(m_text->textCursor().blockNumber() + 1)
                           : tr("not found"));
}

}  // namespace loupe::app

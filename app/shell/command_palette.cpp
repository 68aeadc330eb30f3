// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/command_palette.hpp"

#include "app/widgets/theme.hpp"

#include <QKeyEvent>
#include <QLineEdit>
#include <QListView>
#include <QPainter>
#include <QStandardItemModel>
#include <QStyledItemDelegate>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr std::size_t kMostListed = 50;
constexpr int kIndexRole = Qt::UserRole;
constexpr int kNoteRole = Qt::UserRole + 1;

class PaletteDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter,
               const QStyleOptionViewItem& option,
               const QModelIndex& index) const override {
        QStyledItemDelegate::paint(painter, option, index);
        painter->save();
        painter->setFont(Theme::font(TextRole::Small));
        painter->setPen((option.state & QStyle::State_Selected) != 0 ? Theme::current().text2
                                                                     : Theme::current().text3);
        painter->drawText(option.rect.adjusted(0, 0, -Theme::px(10), 0),
                          Qt::AlignRight | Qt::AlignVCenter,
                          index.data(kNoteRole).toString());
        painter->restore();
    }
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem& option,
                                 const QModelIndex& index) const override {
        return {QStyledItemDelegate::sizeHint(option, index).width(), Theme::px(28)};
    }
};

}  // namespace

namespace {

int wordScore(const QString& word, const QString& text) {
    int score = 0;
    int run = 0;
    qsizetype at = 0;
    for (const QChar letter : word) {
        const QChar want = letter.toLower();
        qsizetype found = at;
        while (found < text.size() && text[found].toLower() != want) {
            ++found;
        }
        if (found == text.size()) {
            return 0;
        }
        run = found == at ? run + 1 : 1;
        const bool wordStart = found == 0 || !text[found - 1].isLetterOrNumber();
        score +=
            2 * run + (wordStart ? 6 : 0) - static_cast<int>(std::min<qsizetype>(found - at, 3));
        at = found + 1;
    }
    return std::max(1, score + (text.contains(word, Qt::CaseInsensitive) ? 40 : 0));
}

}  // namespace

int fuzzyScore(const QString& query, const QString& text) {
    int score = 1;
    for (const QString& word : query.split(QLatin1Char(' '), Qt::SkipEmptyParts)) {
        const int found = wordScore(word, text);
        if (found == 0) {
            return 0;
        }
        score += found;
    }
    return score;
}

CommandPalette::CommandPalette(std::vector<PaletteItem> items, QWidget* parent)
    : QDialog(parent, Qt::Popup), m_items(std::move(items)) {
    setAccessibleName(tr("Go to or run"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(8), Theme::px(8), Theme::px(8), Theme::px(8));
    m_field = new QLineEdit(this);
    m_field->setPlaceholderText(tr("An action, a tensor or a recent file"));
    m_field->setAccessibleName(tr("Go to or run"));
    m_field->addAction(themedIcon(QStringLiteral("search")), QLineEdit::LeadingPosition);
    m_field->installEventFilter(this);
    m_list = new QListView(this);
    m_list->setAccessibleName(tr("Matches"));
    m_list->setFocusPolicy(Qt::NoFocus);
    m_list->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_list->setUniformItemSizes(true);
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setTextElideMode(Qt::ElideMiddle);
    m_list->setItemDelegate(new PaletteDelegate(m_list));
    m_model = new QStandardItemModel(this);
    m_list->setModel(m_model);
    layout->addWidget(m_field);
    layout->addWidget(m_list, 1);
    resize(Theme::px(560), Theme::px(400));
    if (parent != nullptr) {
        move(parent->mapToGlobal(QPoint(parent->width() - width() - Theme::px(12), Theme::px(36))));
    }
    connect(m_field, &QLineEdit::textChanged, this, &CommandPalette::filter);
    connect(m_list, &QListView::clicked, this, &CommandPalette::runCurrent);
    filter();
    m_field->setFocus();
}

void CommandPalette::filter() {
    std::vector<std::pair<int, std::size_t>> found;
    for (std::size_t i = 0; i < m_items.size(); ++i) {
        if (const int score = fuzzyScore(m_field->text(), m_items[i].text); score > 0) {
            found.emplace_back(-score, i);
        }
    }
    const std::size_t count = std::min(found.size(), kMostListed);
    std::partial_sort(
        found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count), found.end());
    m_model->clear();
    for (std::size_t i = 0; i < count; ++i) {
        const PaletteItem& item = m_items[found[i].second];
        auto* row = new QStandardItem(item.text);
        row->setData(static_cast<qulonglong>(found[i].second), kIndexRole);
        row->setData(item.note, kNoteRole);
        m_model->appendRow(row);
    }
    m_list->setCurrentIndex(m_model->index(0, 0));
}

QStringList CommandPalette::listed() const {
    QStringList texts;
    for (int row = 0; row < m_model->rowCount(); ++row) {
        texts << m_model->index(row, 0).data().toString();
    }
    return texts;
}

void CommandPalette::runCurrent() {
    const QModelIndex current = m_list->currentIndex();
    accept();
    if (current.isValid()) {
        m_items[static_cast<std::size_t>(current.data(kIndexRole).toULongLong())].run();
    }
}

bool CommandPalette::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_field && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        const int rows = m_model->rowCount();
        const int row = m_list->currentIndex().row();
        switch (key->key()) {
            case Qt::Key_Down:
            case Qt::Key_Up:
                if (rows > 0) {
                    m_list->setCurrentIndex(m_model->index(
                        (row + (key->key() == Qt::Key_Down ? 1 : rows - 1)) % rows, 0));
                }
                return true;
            case Qt::Key_Return:
            case Qt::Key_Enter:
                runCurrent();
                return true;
            default:
                break;
        }
    }
    return QDialog::eventFilter(watched, event);
}

}  // namespace loupe::app

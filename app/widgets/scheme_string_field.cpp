// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/scheme_string_field.hpp"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QVBoxLayout>

#include "app/widgets/theme.hpp"
#include "core/scheme/scheme.hpp"

namespace loupe::app {

SchemeStringField::SchemeStringField(QWidget* parent) : QWidget(parent) {
    m_edit = new QLineEdit(this);
    setTextRole(m_edit, TextRole::Number);
    m_edit->setPlaceholderText(tr("scheme string, e.g. absmax:bits=4,group=128"));
    m_edit->installEventFilter(this);
    QAction* copy = m_edit->addAction(themedIcon(QStringLiteral("copy")), QLineEdit::TrailingPosition);
    copy->setText(tr("Copy scheme string"));
    copy->setToolTip(tr("Copy the scheme string"));
    m_problem = new QLabel(this);
    m_problem->setWordWrap(true);
    m_problem->setForegroundRole(QPalette::BrightText);
    setTextRole(m_problem, TextRole::Caption);
    m_problem->hide();
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(4));
    layout->addWidget(m_edit);
    layout->addWidget(m_problem);
    setFocusProxy(m_edit);
    setNames(tr("Scheme string"));
    connect(copy, &QAction::triggered, this, [this] { QApplication::clipboard()->setText(m_edit->text()); });
    connect(m_edit, &QLineEdit::textEdited, this, &SchemeStringField::check);
    connect(m_edit, &QLineEdit::editingFinished, this, &SchemeStringField::submit);
}

void SchemeStringField::setNames(const QString& name) {
    m_edit->setAccessibleName(name);
    m_edit->setAccessibleDescription(tr("Enter takes it over, Esc goes back"));
    setAccessibleName(name);
}

void SchemeStringField::setText(const QString& text) {
    if (text == m_accepted && m_edit->text() == text) {
        return;
    }
    const bool typing = m_edit->hasFocus() && m_edit->text() != m_accepted;
    m_accepted = text;
    if (!typing) {
        m_edit->setText(text);
        m_edit->setCursorPosition(0);
        m_edit->setToolTip(text);
        m_problem->hide();
    }
}

QString SchemeStringField::text() const { return m_edit->text(); }

QString SchemeStringField::problem() const { return m_problem->isHidden() ? QString() : m_problem->text(); }

void SchemeStringField::check() {
    const std::string typed = m_edit->text().trimmed().toStdString();
    if (typed.empty()) {
        m_problem->hide();
        return;
    }
    const Result<Scheme> parsed = parseScheme(typed);
    if (parsed) {
        m_problem->hide();
        return;
    }
    QString text = QString::fromStdString(parsed.error().what);
    if (QString hint = QString::fromStdString(parsed.error().hint); !hint.isEmpty()) {
        hint[0] = hint[0].toUpper();
        text += QStringLiteral(". ") + hint;
    }
    m_problem->setText(text);
    m_problem->show();
}

void SchemeStringField::submit() {
    const QString typed = m_edit->text().trimmed();
    if (typed == m_accepted) {
        m_problem->hide();
        return;
    }
    if (typed.isEmpty()) {
        m_accepted.clear();
        m_problem->hide();
        emit submitted({});
        return;
    }
    const Result<Scheme> parsed = parseScheme(typed.toStdString());
    if (!parsed) {
        check();
        return;
    }
    m_accepted = QString::fromStdString(toString(*parsed));
    m_edit->setText(m_accepted);
    m_edit->setToolTip(m_accepted);
    m_problem->hide();
    emit submitted(m_accepted);
}

bool SchemeStringField::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_edit && event->type() == QEvent::KeyPress && static_cast<QKeyEvent*>(event)->key() == Qt::Key_Escape &&
        m_edit->text() != m_accepted) {
        m_edit->setText(m_accepted);
        m_problem->hide();
        return true;
    }
    return QWidget::eventFilter(watched, event);
}

}  // namespace loupe::app

// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"

#include <QWidget>

class QHBoxLayout;
class QLabel;
class QToolButton;

namespace loupe::app {

class Actions;
class Chip;

/// Where we are: back, forward, the tensor's path, its facts, and the marks of truth.
class ContextBar : public QWidget {
    Q_OBJECT

public:
    ContextBar(Document& document, Actions& actions, QWidget* parent = nullptr);

    [[nodiscard]] QSize sizeHint() const override;

protected:
    void resizeEvent(QResizeEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    void refresh(Changes what);
    void showTensor();
    void showMarks();
    void showPath();
    void fold();

    Document& m_document;
    QLabel* m_path = nullptr;
    Chip* m_shape = nullptr;
    Chip* m_dtype = nullptr;
    Chip* m_bytes = nullptr;
    Chip* m_offset = nullptr;
    Chip* m_activations = nullptr;
    QToolButton* m_removeActivations = nullptr;
    Chip* m_edited = nullptr;
    Chip* m_outliers = nullptr;
    Chip* m_exact = nullptr;
};

}  // namespace loupe::app

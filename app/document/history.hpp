// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/cursor.hpp"
#include "app/document/document.hpp"

#include <QObject>

#include <optional>
#include <string>
#include <vector>

namespace loupe::app {

/// Where a person has been: tensors and cells, walked with back and forward like pages. Going back
/// is itself undoable when it changes the tensor.
class History : public QObject {
    Q_OBJECT

public:
    explicit History(Document& document);

    [[nodiscard]] bool canGoBack() const { return m_at > 0; }
    [[nodiscard]] bool canGoForward() const { return m_at + 1 < m_places.size(); }
    void back();
    void forward();

signals:
    void changed();

private:
    struct Place {
        std::string source;
        std::string tensor;
        std::optional<Cell> cell;
        friend bool operator==(const Place&, const Place&) = default;
    };
    void visit();
    void go(std::size_t index);

    Document& m_document;
    std::vector<Place> m_places;
    std::size_t m_at = 0;
    bool m_walking = false;
};

}  // namespace loupe::app

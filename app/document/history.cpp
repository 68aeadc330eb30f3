// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/history.hpp"

#include "app/document/cursor.hpp"

namespace loupe::app {

namespace {

constexpr std::size_t kMostPlaces = 200;

}  // namespace

History::History(Document& document) : QObject(&document), m_document(document) {
    connect(&document, &Document::changed, this, [this](Changes what) {
        if (what & (Changes(Change::Source) | Change::Tensor)) {
            visit();
        }
    });
    connect(&document.cursor(), &Cursor::selectionChanged, this, &History::visit);
}

void History::visit() {
    const ExperimentSpec& spec = m_document.spec();
    if (m_walking || spec.tensor.empty()) {
        return;
    }
    Place place{spec.source, spec.tensor, m_document.cursor().selected()};
    if (!m_places.empty()) {
        Place& here = m_places[m_at];
        if (here == place) {
            return;
        }
        const bool sameTensor = here.source == place.source && here.tensor == place.tensor;
        if (sameTensor && (!here.cell || !place.cell)) {
            here.cell = place.cell ? place.cell
                                   : here.cell;  // the first cell of a tensor belongs to its visit
            return;
        }
        m_places.resize(m_at + 1);
    }
    m_places.push_back(std::move(place));
    if (m_places.size() > kMostPlaces) {
        m_places.erase(m_places.begin());
    }
    m_at = m_places.size() - 1;
    emit changed();
}

void History::go(std::size_t index) {
    const Place place = m_places[index];
    m_at = index;
    m_walking = true;
    m_document.edit(tr("Go to %1").arg(QString::fromStdString(place.tensor)),
                    [&](ExperimentSpec& spec) {
                        if (spec.source != place.source) {
                            spec.edits.clear();
                            spec.activations.clear();
                            spec.gradients.clear();
                        }
                        spec.source = place.source;
                        spec.tensor = place.tensor;
                    });
    m_document.cursor().select(place.cell);
    if (place.cell) {
        m_document.cursor().reveal(*place.cell);
    }
    m_walking = false;
    emit changed();
}

void History::back() {
    if (canGoBack()) {
        go(m_at - 1);
    }
}

void History::forward() {
    if (canGoForward()) {
        go(m_at + 1);
    }
}

}  // namespace loupe::app

// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/treemap_layout.hpp"

#include <QCoreApplication>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

namespace loupe::app {

namespace {

constexpr double kTitled = 34;  // a group lower than this has no title of its own
constexpr double kFrame = 2;

QString tr(const char* text) {
    return QCoreApplication::translate("Atlas", text);
}

/// The worst ratio of sides in a row of these areas along a side.
double worst(double least, double most, double sum, double side) {
    const double s = sum * sum;
    const double w = side * side;
    return std::max(w * most / s, s / (w * least));
}

std::uint64_t sizeOf(const TensorInfo& tensor, TreemapSize size) {
    return size == TreemapSize::Bytes ? tensor.bytes : tensor.parameters;
}

struct Group {
    QString label;
    std::vector<std::uint32_t> tensors;
    std::uint64_t size = 0;
};

/// Key by which groups are told apart: roles over all stacks together, layers of each stack.
QString groupLabel(const TensorPlace& place, TreemapGroup group) {
    if (group == TreemapGroup::Role) {
        return QString::fromStdString(place.role);
    }
    if (place.layer < 0) {
        return tr("outside of the layers");
    }
    return QStringLiteral("%1.%2").arg(QString::fromStdString(place.stack)).arg(place.layer);
}

class Builder {
public:
    Builder(std::span<const TensorInfo> tensors,
            const AtlasLayout& layout,
            const TreemapRequest& request)
        : m_tensors(tensors), m_layout(layout), m_request(request) {
        m_made.size = request.area;
    }

    Treemap build() {
        std::vector<Group> groups = gather();
        std::erase_if(groups, [](const Group& group) { return group.size == 0; });
        std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
            return a.size > b.size;
        });
        const QRectF all(QPointF(0, 0), m_request.area);
        if (groups.empty() || all.isEmpty()) {
            return std::move(m_made);
        }
        for (const Group& group : groups) {
            m_made.total += group.size;
        }
        if (m_request.group == TreemapGroup::None) {
            fill(groups.front(), all, -1);
            return std::move(m_made);
        }
        std::vector<double> sizes;
        for (const Group& group : groups) {
            sizes.push_back(static_cast<double>(group.size));
        }
        const std::vector<QRectF> places = squarify(sizes, all);
        for (std::size_t g = 0; g < groups.size(); ++g) {
            addGroup(groups[g], places[g]);
        }
        return std::move(m_made);
    }

private:
    std::vector<Group> gather() const {
        if (m_request.group == TreemapGroup::None) {
            Group all;
            all.tensors.resize(m_tensors.size());
            std::iota(all.tensors.begin(), all.tensors.end(), 0U);
            for (const TensorInfo& tensor : m_tensors) {
                all.size += sizeOf(tensor, m_request.size);
            }
            return {all};
        }
        std::map<QString, std::size_t> byLabel;
        std::vector<Group> groups;
        for (std::uint32_t i = 0; i < m_tensors.size(); ++i) {
            const QString label = groupLabel(m_layout.places[i], m_request.group);
            const auto [at, added] = byLabel.try_emplace(label, groups.size());
            if (added) {
                groups.push_back({label, {}, 0});
            }
            groups[at->second].tensors.push_back(i);
            groups[at->second].size += sizeOf(m_tensors[i], m_request.size);
        }
        return groups;
    }

    void addGroup(const Group& group, const QRectF& place) {
        const auto index = static_cast<std::int32_t>(m_made.tiles.size());
        TreemapTile tile;
        tile.rect = place;
        tile.size = group.size;
        tile.count = static_cast<std::uint32_t>(group.tensors.size());
        tile.label = group.label;
        tile.isGroup = true;
        m_made.tiles.push_back(tile);
        QRectF inside = place;
        if (place.width() > 4 * kFrame && place.height() > 4 * kFrame) {
            inside.adjust(kFrame, kFrame, -kFrame, -kFrame);
        }
        if (inside.height() >= kTitled && inside.width() >= kTitled) {
            inside.adjust(0, m_request.head, 0, 0);
        }
        fill(group, inside, index);
    }

    QString tensorLabel(std::uint32_t tensor) const {
        const TensorPlace& place = m_layout.places[tensor];
        if (m_request.group == TreemapGroup::Role && place.layer >= 0) {
            return place.expert < 0 ? QString::number(place.layer)
                                    : QStringLiteral("%1/%2").arg(place.layer).arg(place.expert);
        }
        if (m_request.group == TreemapGroup::Layer && place.layer >= 0) {
            const QString role = QString::fromStdString(place.role);
            return place.expert < 0 ? role : QStringLiteral("%1 %2").arg(role).arg(place.expert);
        }
        return m_request.group == TreemapGroup::None
                   ? placeText(place)
                   : QString::fromStdString(m_tensors[tensor].name);
    }

    /// The tensors of a group by falling size; what would be too small to see shares a rectangle.
    void fill(const Group& group, const QRectF& area, std::int32_t index) {
        std::vector<std::uint32_t> order;
        for (const std::uint32_t i : group.tensors) {
            if (sizeOf(m_tensors[i], m_request.size) > 0) {
                order.push_back(i);
            }
        }
        // Of equal size: as they stand in the atlas, not as names are sorted (1, 10, 11, 2).
        std::stable_sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
            const std::uint64_t left = sizeOf(m_tensors[a], m_request.size);
            const std::uint64_t right = sizeOf(m_tensors[b], m_request.size);
            const TensorPlace& p = m_layout.places[a];
            const TensorPlace& q = m_layout.places[b];
            return left != right ? left > right
                                 : std::tie(p.layer, p.rank, p.expert) <
                                       std::tie(q.layer, q.rank, q.expert);
        });
        const double scale = area.width() * area.height() / static_cast<double>(group.size);
        std::vector<double> sizes;
        std::size_t shown = 0;
        std::uint64_t rest = group.size;
        for (; shown < order.size(); ++shown) {
            const std::uint64_t size = sizeOf(m_tensors[order[shown]], m_request.size);
            if (static_cast<double>(size) * scale < m_request.leastArea &&
                order.size() - shown > 1) {
                break;
            }
            sizes.push_back(static_cast<double>(size));
            rest -= size;
        }
        if (shown < order.size()) {
            sizes.push_back(static_cast<double>(rest));
        }
        // The rest is not always the smallest: squarify wants falling sizes.
        std::vector<std::size_t> places(sizes.size());
        std::iota(places.begin(), places.end(), 0U);
        std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
            return sizes[a] > sizes[b];
        });
        std::vector<double> falling;
        for (const std::size_t place : places) {
            falling.push_back(sizes[place]);
        }
        const std::vector<QRectF> rects = squarify(falling, area);
        for (std::size_t k = 0; k < places.size(); ++k) {
            TreemapTile tile;
            tile.rect = rects[k];
            tile.group = index;
            if (places[k] < shown) {
                const std::uint32_t tensor = order[places[k]];
                tile.tensor = tensor;
                tile.size = sizeOf(m_tensors[tensor], m_request.size);
                tile.label = tensorLabel(tensor);
            } else {
                tile.size = rest;
                tile.count = static_cast<std::uint32_t>(order.size() - shown);
                tile.label = tr("%1 smaller ones").arg(order.size() - shown);
            }
            m_made.tiles.push_back(std::move(tile));
        }
    }

    std::span<const TensorInfo> m_tensors;
    const AtlasLayout& m_layout;
    TreemapRequest m_request;
    Treemap m_made;
};

}  // namespace

std::vector<QRectF> squarify(std::span<const double> sizes, const QRectF& area) {
    std::vector<QRectF> made;
    made.reserve(sizes.size());
    const double total = std::accumulate(sizes.begin(), sizes.end(), 0.0);
    if (total <= 0 || area.width() <= 0 || area.height() <= 0) {
        made.assign(sizes.size(), QRectF(area.topLeft(), QSizeF(0, 0)));
        return made;
    }
    const double scale = area.width() * area.height() / total;
    QRectF left = area;
    std::size_t first = 0;
    while (first < sizes.size()) {
        const bool upright = left.width() >= left.height();  // the row is a column at the left
        const double side = std::max(upright ? left.height() : left.width(), 1e-9);
        double sum = sizes[first] * scale;
        const double most = sum;
        std::size_t last = first + 1;
        double ratio = worst(most, most, sum, side);
        while (last < sizes.size()) {
            const double next = sizes[last] * scale;
            const double then = worst(next, most, sum + next, side);
            if (then > ratio) {
                break;
            }
            ratio = then;
            sum += next;
            ++last;
        }
        // The last row takes what is left, so that rounding leaves no gap.
        const double across =
            last == sizes.size() ? (upright ? left.width() : left.height()) : sum / side;
        double at = upright ? left.top() : left.left();
        for (std::size_t i = first; i < last; ++i) {
            const double along = sizes[i] * scale / sum * side;
            made.push_back(upright ? QRectF(left.left(), at, across, along)
                                   : QRectF(at, left.top(), along, across));
            at += along;
        }
        if (upright) {
            left.setLeft(left.left() + across);
        } else {
            left.setTop(left.top() + across);
        }
        first = last;
    }
    return made;
}

Treemap makeTreemap(std::span<const TensorInfo> tensors,
                    const AtlasLayout& layout,
                    const TreemapRequest& request) {
    return Builder(tensors, layout, request).build();
}

}  // namespace loupe::app

// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "core/experiment/diff.hpp"

#include <QObject>
#include <QString>

#include <memory>
#include <optional>
#include <vector>

namespace loupe::app {

/// One pair of tensors, as far as it is known.
struct CompareRow {
    DiffPair pair;
    std::optional<DiffRow> result;  ///< empty: still to come
};

/// A second checkpoint B beside the open one, A: which tensors are the same
/// weights, how far they are apart, and the picture of one pair's difference.
/// UI thread only.
class CompareModel : public QObject {
    Q_OBJECT

public:
    /// What the element map shows.
    enum class Map { Difference, A, B };

    explicit CompareModel(Document& document, QObject* parent = nullptr);
    ~CompareModel() override;

    [[nodiscard]] Document& document() const { return m_document; }
    /// Opens B and compares; an empty path closes it.
    void setOther(const QString& path);
    [[nodiscard]] const QString& path() const { return m_path; }
    [[nodiscard]] const std::shared_ptr<const TensorSource>& a() const { return m_a; }
    [[nodiscard]] const std::shared_ptr<const TensorSource>& b() const { return m_b; }
    [[nodiscard]] const std::optional<Error>& openError() const { return m_openError; }

    [[nodiscard]] const std::vector<CompareRow>& rows() const { return m_rows; }
    [[nodiscard]] const DiffPlan& plan() const { return m_plan; }
    [[nodiscard]] std::size_t known() const { return m_known; }
    [[nodiscard]] QString nameA(int row) const;
    [[nodiscard]] QString nameB(int row) const;

    /// The largest relative Frobenius error that passes; empty: no gate.
    [[nodiscard]] std::optional<double> tolerance() const { return m_tolerance; }
    void setTolerance(std::optional<double> tolerance);
    [[nodiscard]] bool isBeyond(const CompareRow& row) const;
    /// Rows beyond the tolerance, or that could not be compared.
    [[nodiscard]] std::size_t beyond() const;
    /// One sentence: what the comparison has given so far, and whether the gate
    /// holds.
    [[nodiscard]] QString verdict() const;

    [[nodiscard]] bool computing() const { return m_mail != nullptr || opening(); }
    [[nodiscard]] bool paused() const { return m_paused; }
    [[nodiscard]] double fraction() const;
    void pause();
    void resume();
    [[nodiscard]] bool busy() const { return computing() || m_mapping; }

    [[nodiscard]] int selected() const { return m_selected; }
    void select(int row);
    [[nodiscard]] Map map() const { return m_map; }
    void setMap(Map map);
    /// The element map of the selected pair; null: none, or still being made.
    [[nodiscard]] const std::shared_ptr<const PlaneData>& plane() const { return m_plane; }
    [[nodiscard]] const std::optional<Error>& planeError() const { return m_planeError; }
    [[nodiscard]] bool mapping() const { return m_mapping; }
    /// Values of both at a cell of the selected pair; empty where they cannot be
    /// read at once.
    [[nodiscard]] std::optional<std::pair<float, float>> valuesAt(Cell cell) const;

    void sourceChanged();
    /// The comparison goes on while somebody looks.
    void setActive(bool active);

signals:
    /// B opened, failed or closed; pairs were found.
    void pairsChanged();
    /// Results arrived, or it started, ended or was paused.
    void progressed();
    void toleranceChanged();
    void selectionChanged();
    void mapChanged();

private:
    struct Mail;
    [[nodiscard]] bool opening() const;
    void open();
    void pairUp();
    void start();
    void drain();
    void stop();
    void drawMap();

    Document& m_document;
    QString m_path;
    std::shared_ptr<const TensorSource> m_a;
    std::shared_ptr<const TensorSource> m_b;
    std::optional<Error> m_openError;
    DiffPlan m_plan;  ///< its pairs are in m_rows
    std::vector<CompareRow> m_rows;
    std::size_t m_known = 0;
    std::optional<double> m_tolerance;
    std::shared_ptr<Mail> m_mail;
    bool m_paused = false;
    bool m_active = false;
    bool m_wanted = false;  ///< another A or B since the last comparison
    int m_selected = -1;
    Map m_map = Map::Difference;
    bool m_mapping = false;
    std::shared_ptr<const PlaneData> m_plane;
    std::optional<AlignedPair> m_aligned;
    std::optional<Error> m_planeError;
};

}  // namespace loupe::app

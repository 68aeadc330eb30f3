// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "app/workspaces/timing/case_table.hpp"
#include "app/workspaces/timing/record_store.hpp"
#include "app/workspaces/timing/run_queue.hpp"
#include "gpu/timing/backend.hpp"

#include <QJsonObject>
#include <QObject>
#include <QStringList>

#include <vector>

namespace loupe::app {

/// What a backend offers on this machine; asked for off the UI thread, since a driver may take its
/// time.
struct BackendChoice {
    QString id;
    QString title;
    QString unavailable;
    std::vector<gpu::Offer> offers;
};

/// What the Timing workspace shows: the request in the form, the queue, the records that are kept,
/// those that are shown, the selected case, the baseline and the device that models are made for.
class TimingModel : public QObject {
    Q_OBJECT
    Q_DISABLE_COPY(TimingModel)

public:
    explicit TimingModel(Document& document, QObject* parent = nullptr);
    ~TimingModel() override;

    [[nodiscard]] RecordStore& store() { return m_store; }
    [[nodiscard]] const RecordStore& store() const { return m_store; }
    [[nodiscard]] RunQueue& queue() { return m_queue; }
    [[nodiscard]] const RunQueue& queue() const { return m_queue; }
    /// Backends or records are still being read.
    [[nodiscard]] bool loading() const { return !m_answered || !m_store.isLoaded(); }
    [[nodiscard]] bool busy() const { return loading() || m_queue.busy(); }

    [[nodiscard]] const gpu::TimingRequest& request() const { return m_request; }
    void setRequest(const gpu::TimingRequest& request);
    [[nodiscard]] const std::vector<BackendChoice>& backends() const { return m_backends; }
    [[nodiscard]] const BackendChoice* backend() const;
    /// What can be chosen for the request's operation; of a remote machine nobody knows better.
    [[nodiscard]] std::vector<gpu::Offer> offers() const;
    /// Why the request cannot be started; empty where it can.
    [[nodiscard]] QString refusal() const;
    /// Kernels that the request names; for the CPU one a format.
    [[nodiscard]] int caseCount() const;
    /// Starts the form's request; returns the run's id, empty where it cannot.
    QString run();
    /// Starts a kept run's request again.
    QString repeat(const QString& run);

    /// Shows runs side by side. Where they were measured on different machines nothing changes but
    /// mixRefused() is sent, until acceptMix().
    void show(const QStringList& runs);
    void acceptMix();
    [[nodiscard]] const QStringList& shown() const { return m_shown; }
    [[nodiscard]] bool mixAccepted() const { return m_mixed; }
    [[nodiscard]] const CaseTable& cases() const { return m_cases; }
    [[nodiscard]] const RooflineData& roofline() const { return m_roofline; }
    /// Of the runs that are shown.
    [[nodiscard]] std::vector<RecordPtr> records() const;

    [[nodiscard]] int selected() const { return m_selected; }
    [[nodiscard]] const CaseRow* selectedRow() const;
    void select(int row);
    void setBaseline(const QString& key);
    [[nodiscard]] const HardwarePreset* preset() const { return findHardwarePreset(m_preset); }
    void setPreset(const QString& id);

    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

signals:
    void requestChanged();
    void backendsChanged();
    /// The rows: other runs, another record, baseline or device.
    void shownChanged();
    void selectionChanged();
    /// Runs of these machines were asked for side by side.
    void mixRefused(const QStringList& machines);
    /// Something could not be read or kept.
    void failed(const loupe::Error& error);

private:
    void askBackends();
    void readStore();
    void chooseSome();
    void rebuild();
    void takeRecord(const QString& run, const gpu::RunRecord& record);
    void showNow(const QStringList& runs);
    [[nodiscard]] std::vector<const StoredRun*> runsOf(const QStringList& ids) const;

    Document& m_document;
    RecordStore m_store;
    RunQueue m_queue;
    gpu::TimingRequest m_request;
    std::vector<BackendChoice> m_backends;
    bool m_answered = false;
    QStringList m_shown;
    QStringList m_asked;    ///< side by side, not accepted yet
    QStringList m_restore;  ///< to show when the records are read
    bool m_mixed = false;
    CaseTable m_cases;
    RooflineData m_roofline;
    int m_selected = -1;
    QString m_selectedKey;
    QString m_baseline;
    QString m_preset = QStringLiteral("h100_sxm");  ///< empty: no model
};

}  // namespace loupe::app

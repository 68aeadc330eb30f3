// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "gpu/timing/case.hpp"

#include <QWidget>

#include <vector>

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QToolButton;
class QVBoxLayout;

namespace loupe::gpu {
struct Offer;
}

namespace loupe::app {

class FormRow;
class SegmentedControl;
class TimingModel;
class Toggle;
class ValueSpinBox;

/// One word that a backend offers: check box, bits, and why it cannot run where it cannot.
class OfferRow : public QWidget {
    Q_OBJECT

public:
    OfferRow(const gpu::Offer& offer, bool checked, QWidget* parent = nullptr);
    [[nodiscard]] const QString& name() const { return m_name; }
    [[nodiscard]] QCheckBox* box() const { return m_box; }
    [[nodiscard]] QToolButton* why() const { return m_why; }

signals:
    void toggled(bool on);
    void whyAsked(const QString& name, const QString& reason);

private:
    QString m_name;
    QCheckBox* m_box = nullptr;
    QToolButton* m_why = nullptr;
};

/// What is run: operation, sizes, formats, backend, and the button.
class RunForm : public QWidget {
    Q_OBJECT

public:
    explicit RunForm(TimingModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QPushButton* runButton() const { return m_run; }
    [[nodiscard]] const std::vector<OfferRow*>& offerRows() const { return m_offers; }
    [[nodiscard]] QWidget* firstControl() const;
    [[nodiscard]] bool advancedShown() const;
    void setAdvancedShown(bool shown);

signals:
    /// Why something cannot run: `what` a sentence, `why` the rest.
    void explained(const QString& what, const QString& why);
    void runRequested();

private:
    void buildShapes(QVBoxLayout* column);
    void buildAttention(QVBoxLayout* column);
    void connectShapes();
    void buildBackend(QVBoxLayout* column);
    void buildAdvanced(QVBoxLayout* column);
    ValueSpinBox* number(const QString& name, double low, double high, bool powers);
    QLineEdit* line(const QString& name, const QString& placeholder);
    template <class Change>
    void edit(Change change);
    void refresh();
    void refreshShapes(const gpu::TimingRequest& request);
    void refreshBackend(const gpu::TimingRequest& request);
    void refreshOffers(const gpu::TimingRequest& request);
    void refreshAdvanced(const gpu::TimingRequest& request);
    void explainBackend(const QString& id);

    TimingModel& m_model;
    bool m_updating = false;
    SegmentedControl* m_operation = nullptr;
    QWidget* m_matmul = nullptr;
    QWidget* m_attention = nullptr;
    QComboBox* m_layer = nullptr;
    QComboBox* m_tokens = nullptr;
    QComboBox* m_preset = nullptr;
    ValueSpinBox *m_m = nullptr, *m_n = nullptr, *m_k = nullptr, *m_group = nullptr,
                 *m_outliers = nullptr;
    ValueSpinBox *m_seq = nullptr, *m_dim = nullptr, *m_heads = nullptr, *m_kvHeads = nullptr,
                 *m_batch = nullptr;
    Toggle *m_causal = nullptr, *m_decode = nullptr;
    SegmentedControl* m_backend = nullptr;
    SegmentedControl* m_cache = nullptr;
    QLabel* m_backendNote = nullptr;
    QLabel* m_offersTitle = nullptr;
    QVBoxLayout* m_offerList = nullptr;
    std::vector<OfferRow*> m_offers;
    QString m_offersOf;
    QToolButton* m_more = nullptr;
    QWidget* m_advanced = nullptr;
    FormRow* m_groupRow = nullptr;
    FormRow* m_outlierRow = nullptr;
    ValueSpinBox *m_samples = nullptr, *m_seconds = nullptr, *m_seed = nullptr,
                 *m_threads = nullptr, *m_patience = nullptr;
    QLineEdit *m_kernel = nullptr, *m_remote = nullptr;
    Toggle* m_peers = nullptr;
    QPushButton* m_run = nullptr;
    QLabel* m_note = nullptr;
};

}  // namespace loupe::app

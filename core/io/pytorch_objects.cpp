// SPDX-License-Identifier: Apache-2.0
#include "core/io/pytorch_objects.hpp"

#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"
#include "core/io/pytorch_names.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace loupe {

namespace {

constexpr int kMostDepth = 128;
constexpr std::size_t kMostName = 1024;
constexpr std::size_t kMostTensors = std::size_t{1} << 20;
constexpr std::size_t kMostMetadata = 1024;
constexpr std::size_t kMostText = 4096;
constexpr std::size_t kMostListed = std::size_t{1} << 16;
constexpr std::size_t kMostTold = 8;

/// A number of NumPy in a pickle: its dtype's name and its bytes.
std::optional<double> numpyNumber(std::string_view dtype, const std::string& bytes) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kTypes{
        {{"f8", "fp64"},
         {"f4", "fp32"},
         {"f2", "fp16"},
         {"i8", "int64"},
         {"i4", "int32"},
         {"i2", "int16"},
         {"i1", "int8"},
         {"u8", "uint64"},
         {"u4", "uint32"},
         {"u2", "uint16"},
         {"u1", "uint8"},
         {"b1", "bool"}}};
    for (const auto& [name, id] : kTypes) {
        const StorageType* type = findStorageType(id);
        if (name == dtype && bytes.size() * 8 == static_cast<std::size_t>(type->bits)) {
            double value = 0;
            decodeElements(*type, std::as_bytes(std::span(bytes)), 0, 1, &value);
            return value;
        }
    }
    return std::nullopt;
}

/// Text that Python wrote as latin-1 characters of UTF-8 back to its bytes.
std::string latin1(std::string_view utf8) {
    std::string bytes;
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto c = static_cast<unsigned char>(utf8[i]);
        if ((c == 0xC2 || c == 0xC3) && i + 1 < utf8.size()) {
            bytes +=
                static_cast<char>((c == 0xC3 ? 0x40 : 0) + static_cast<unsigned char>(utf8[++i]));
        } else {
            bytes += static_cast<char>(c);
        }
    }
    return bytes;
}

class Collector {
public:
    Collector(const Pickle& pickle, const PicklePlace& place, TorchObjects& out)
        : pickle_(pickle), place_(place), out_(out), budget_(1024 + 16 * pickle.nodes.size()) {
        for (std::size_t i = 0; i < out.storages.size(); ++i) {
            storageOf_.emplace(out.storages[i].key, i);
        }
    }

    Result<void> run(const std::string& prefix) {
        if (Result<void> judged = judge(); !judged) {
            return judged;
        }
        path_ = prefix;
        visit(pickle_.root, 0);
        if (error_) {
            return fail(*std::move(error_));
        }
        tell();
        return {};
    }

private:
    // --- what the pickle would have executed

    Result<void> judge() {
        std::unordered_set<std::string_view> called;
        for (const PickleNode& node : pickle_.nodes) {
            if (node.kind == PickleKind::Global &&
                judgeTorchGlobal(node.text) == TorchCall::Dangerous) {
                return fail(ErrorCode::Unsupported,
                            "pickle: would execute " + std::string(node.text) +
                                " when loaded by Python; refused, nothing was executed",
                            place_(node.offset),
                            "do not load this file with torch.load");
            }
            if (node.kind != PickleKind::Object) {
                continue;
            }
            const std::string_view name = calledName(node);
            if (name.empty()) {
                return fail(ErrorCode::Unsupported,
                            "pickle: would execute something that it computes first; refused, "
                            "nothing was executed",
                            place_(node.offset));
            }
            if (judgeTorchGlobal(name) == TorchCall::Unknown && called.insert(name).second &&
                unknown_.size() < kMostTold) {
                unknown_.emplace_back(name, node.offset);
            }
        }
        unknownCount_ = called.size();
        return {};
    }

    void tell() {
        for (const auto& [name, offset] : unknown_) {
            out_.warnings.push_back("the pickle would execute " + name +
                                    " when loaded by Python; refused, only its data are shown (" +
                                    place_(offset) + ")");
        }
        if (unknownCount_ > unknown_.size()) {
            out_.warnings.push_back("the pickle would execute " +
                                    std::to_string(unknownCount_ - unknown_.size()) +
                                    " more classes or functions; refused");
        }
        if (skippedNames_ > 0) {
            out_.warnings.push_back(std::to_string(skippedNames_) +
                                    " objects with names of over 1024 bytes or nested deeper than "
                                    "128 levels are not shown");
        }
        if (cycles_ > 0) {
            out_.warnings.push_back(std::to_string(cycles_) +
                                    " objects that hold themselves are shown once");
        }
    }

    /// The name of what makes an object; empty where that is no name.
    [[nodiscard]] std::string_view calledName(const PickleNode& object) const {
        const PickleNode* what = &pickle_[object.items[PickleNode::Callable]];
        if (what->kind == PickleKind::Persistent) {  // legacy: ('module', class, file, source)
            const PickleNode& id = pickle_[what->items.front()];
            if (id.kind == PickleKind::Tuple && id.items.size() > 1 &&
                textOf(id.items[0]) == "module") {
                what = &pickle_[id.items[1]];
            }
        }
        return what->kind == PickleKind::Global ? what->text : std::string_view();
    }

    // --- small readers

    [[nodiscard]] std::string_view textOf(PickleRef ref) const {
        const PickleNode& node = pickle_[ref];
        return node.kind == PickleKind::Text || node.kind == PickleKind::Bytes ? node.text
                                                                               : std::string_view();
    }
    [[nodiscard]] std::optional<std::int64_t> integerOf(PickleRef ref) const {
        const PickleNode& node = pickle_[ref];
        return node.kind == PickleKind::Int ? std::optional(node.integer) : std::nullopt;
    }
    [[nodiscard]] const std::vector<PickleRef>& argumentsOf(const PickleNode& object) const {
        return pickle_[object.items[PickleNode::Arguments]].items;
    }
    /// A tuple or list of integers, also wrapped in torch.Size.
    [[nodiscard]] std::optional<std::vector<std::int64_t>> integersOf(PickleRef ref) const {
        const PickleNode* node = &pickle_[ref];
        if (node->kind == PickleKind::Object && argumentsOf(*node).size() == 1) {
            node = &pickle_[argumentsOf(*node).front()];
        }
        constexpr std::size_t kMostDimensions = 64;
        if ((node->kind != PickleKind::Tuple && node->kind != PickleKind::List) ||
            node->items.size() > kMostDimensions) {
            return std::nullopt;
        }
        std::vector<std::int64_t> values;
        for (const PickleRef item : node->items) {
            const auto value = integerOf(item);
            if (!value) {
                return std::nullopt;
            }
            values.push_back(*value);
        }
        return values;
    }

    // --- walking

    void visit(PickleRef ref, int depth) {
        if (error_) {
            return;
        }
        if (visits_++ == budget_ || out_.tensors.size() > kMostTensors) {
            error_ = Error{ErrorCode::Unsupported,
                           "pickle: expected at most " + std::to_string(budget_) +
                               " names, found objects that hold each other many times over",
                           place_(pickle_[pickle_.root].offset),
                           {}};
            return;
        }
        const PickleNode& node = pickle_[ref];
        if (depth > kMostDepth || path_.size() > kMostName) {
            ++skippedNames_;
            return;
        }
        switch (node.kind) {
            case PickleKind::Persistent:
                addStorage(ref);
                return;
            case PickleKind::Object:
                if (!special(ref, depth)) {
                    inside(ref, depth, [this](PickleRef r, int d) { visitObject(r, d); });
                }
                return;
            case PickleKind::Dict:
                inside(ref, depth, [this](PickleRef r, int d) { visitDict(r, d, false); });
                return;
            case PickleKind::List:
            case PickleKind::Tuple:
            case PickleKind::Set:
                if (!addList(node)) {
                    inside(ref, depth, [this](PickleRef r, int d) { visitList(r, d); });
                }
                return;
            default:
                if (const auto value = jsonOf(ref)) {
                    const bool text = node.kind == PickleKind::Text;
                    addMetadata(text ? std::string(node.text) : *value);
                }
                return;
        }
    }

    /// Walks into a container unless the way leads through it already.
    template <class F>
    void inside(PickleRef ref, int depth, F&& walk) {
        if (!open_.insert(ref).second) {
            ++cycles_;
            return;
        }
        walk(ref, depth + 1);
        open_.erase(ref);
    }

    void below(std::string_view key, PickleRef value, int depth) {
        const std::size_t before = path_.size();
        path_ += path_.empty() ? "" : ".";
        path_ += key.substr(0, kMostName + 1);
        visit(value, depth);
        path_.resize(before);
    }

    void visitList(PickleRef ref, int depth) {
        const std::vector<PickleRef>& items = pickle_[ref].items;
        for (std::size_t i = 0; i < items.size() && !error_; ++i) {
            below(std::to_string(i), items[i], depth);
        }
    }

    void visitDict(PickleRef ref, int depth, bool ofObject) {
        const std::vector<PickleRef>& items = pickle_[ref].items;
        for (std::size_t i = 0; i + 1 < items.size() && !error_; i += 2) {
            const PickleNode& key = pickle_[items[i]];
            std::string name = key.kind == PickleKind::Text || key.kind == PickleKind::Bytes
                                   ? std::string(key.text)
                                   : jsonOf(items[i]).value_or("item" + std::to_string(i / 2));
            if (ofObject) {
                // What torch.nn.Module keeps below its own names are the module's parts.
                if (name == "_parameters" || name == "_buffers" || name == "_modules") {
                    visit(items[i + 1], depth);
                    continue;
                }
                if (name == "training" || name.ends_with("_hook") || name.ends_with("_hooks")) {
                    continue;
                }
            }
            below(name, items[i + 1], depth);
        }
    }

    /// An object of a class that is not built: its attributes, items and arguments.
    void visitObject(PickleRef ref, int depth) {
        const PickleNode& object = pickle_[ref];
        for (const PickleNode::Slot slot :
             {PickleNode::State, PickleNode::DictItems, PickleNode::ListItems}) {
            const PickleRef part = object.items[slot];
            if (part == kNoPickle) {
                continue;
            }
            if (pickle_[part].kind == PickleKind::Dict) {
                visitDict(part, depth, slot == PickleNode::State);
            } else {
                visit(part, depth);
            }
        }
        const std::vector<PickleRef>& arguments = argumentsOf(object);
        for (std::size_t i = 0; i < arguments.size() && !error_; ++i) {
            const PickleKind kind = pickle_[arguments[i]].kind;
            if (kind == PickleKind::Object || kind == PickleKind::Dict ||
                kind == PickleKind::List || kind == PickleKind::Persistent) {
                below(std::to_string(i), arguments[i], depth);
            }
        }
    }

    // --- small values

    void addMetadata(std::string value) {
        if (out_.metadata.size() < kMostMetadata && value.size() <= kMostText * 16) {
            out_.metadata.emplace_back(path_.empty() ? "value" : path_, std::move(value));
        }
    }

    /// A scalar as JSON text; empty for anything else.
    [[nodiscard]] std::optional<std::string> jsonOf(PickleRef ref) const {
        const PickleNode& node = pickle_[ref];
        JsonWriter json;
        switch (node.kind) {
            case PickleKind::None:
                return json.null().text();
            case PickleKind::Bool:
                return json.value(node.integer != 0).text();
            case PickleKind::Int:
                return json.value(node.integer).text();
            case PickleKind::Float:
                return std::isfinite(node.real) ? json.value(node.real).text()
                                                : shortest(node.real);
            case PickleKind::Text:
                return node.text.size() > kMostText ? std::nullopt
                                                    : std::optional(jsonQuote(node.text));
            case PickleKind::Global:
                return node.text.size() > kMostText ? std::nullopt
                                                    : std::optional(std::string(node.text));
            default:
                return std::nullopt;
        }
    }

    /// A list of nothing but scalars, as JSON. @returns whether it was one
    bool addList(const PickleNode& node) {
        const bool scalars = std::all_of(node.items.begin(), node.items.end(), [this](auto item) {
            const PickleKind kind = pickle_[item].kind;
            return kind == PickleKind::None || kind == PickleKind::Bool ||
                   kind == PickleKind::Int || kind == PickleKind::Float || kind == PickleKind::Text;
        });
        if (!scalars) {
            return false;
        }
        visits_ += node.items.size() / 64;
        if (out_.metadata.size() >= kMostMetadata || node.items.size() > kMostListed) {
            return true;
        }
        std::string text = "[";
        for (const PickleRef item : node.items) {
            const bool number =
                pickle_[item].kind == PickleKind::Float && !std::isfinite(pickle_[item].real);
            text += text.size() > 1 ? "," : "";
            text +=
                number ? jsonQuote(shortest(pickle_[item].real)) : jsonOf(item).value_or("null");
            if (text.size() > kMostText * 16) {
                return true;
            }
        }
        text += ']';
        addMetadata(std::move(text));
        return true;
    }

    // --- tensors

    /// Objects with a meaning of their own. @returns whether it was one
    bool special(PickleRef ref, int depth) {
        const PickleNode& object = pickle_[ref];
        const std::string_view name = calledName(object);
        const std::vector<PickleRef>& arguments = argumentsOf(object);
        constexpr std::string_view kUtils = "torch._utils.";
        if (name == "torch._tensor._rebuild_from_type_v2" && arguments.size() >= 3 &&
            pickle_[arguments[0]].kind == PickleKind::Global &&
            pickle_[arguments[2]].kind == PickleKind::Tuple) {
            build(pickle_[arguments[0]].text, pickle_[arguments[2]].items, object.offset);
            return true;
        }
        if (name.starts_with(kUtils)) {
            if (name.starts_with("torch._utils._rebuild_parameter") && !arguments.empty()) {
                visit(arguments.front(), depth + 1);
            } else if (name.starts_with("torch._utils._rebuild_")) {
                build(name, arguments, object.offset);
            } else {
                return false;
            }
            return true;
        }
        if (name.starts_with("torch.jit._pickle.")) {  // a list, or a value and its type
            if (!arguments.empty()) {
                visit(arguments.front(), depth + 1);
            }
            return true;
        }
        if (name == "torch.Size") {
            if (!arguments.empty()) {
                addList(pickle_[arguments.front()]);
            }
            return true;
        }
        if (name == "torch.device" || name == "torch.serialization._get_layout") {
            if (!arguments.empty()) {
                addMetadata(std::string(textOf(arguments.front())));
            }
            return true;
        }
        return numpy(name, object);
    }

    bool numpy(std::string_view name, const PickleNode& object) {
        if (!name.starts_with("numpy.")) {
            return false;
        }
        const std::vector<PickleRef>& arguments = argumentsOf(object);
        if (name.ends_with(".scalar") && arguments.size() == 2) {
            const PickleNode& dtype = pickle_[arguments[0]];
            std::string bytes(textOf(arguments[1]));
            const PickleNode& value = pickle_[arguments[1]];
            if (value.kind == PickleKind::Object && calledName(value) == "_codecs.encode" &&
                !argumentsOf(value).empty()) {
                bytes = latin1(textOf(argumentsOf(value).front()));
            }
            if (dtype.kind == PickleKind::Object && !argumentsOf(dtype).empty()) {
                if (const auto number = numpyNumber(textOf(argumentsOf(dtype).front()), bytes)) {
                    addMetadata(shortest(*number));
                }
            }
            return true;
        }
        if (name.ends_with("._reconstruct")) {
            TorchTensor& tensor = add(object.offset);
            const PickleRef state = object.items[PickleNode::State];
            if (state != kNoPickle && pickle_[state].kind == PickleKind::Tuple &&
                pickle_[state].items.size() > 1) {
                tensor.place.sizes =
                    integersOf(pickle_[state].items[1]).value_or(std::vector<std::int64_t>{});
            }
            tensor.dtypeName = "numpy";
            problem(tensor, "expected a tensor, found an array of NumPy inside the pickle", "");
        }
        return true;
    }

    TorchTensor& add(std::uint64_t at) {
        TorchTensor& tensor = out_.tensors.emplace_back();
        tensor.name = path_;
        tensor.at = at;
        tensor.dtypeName = "unknown";
        return tensor;
    }

    void problem(TorchTensor& tensor, const std::string& what, std::string hint) {
        tensor.problem = Error{ErrorCode::Unsupported,
                               "tensor \"" + tensor.name + "\": " + what,
                               place_(tensor.at),
                               std::move(hint)};
    }

    /// A storage on its own: all of its elements.
    void addStorage(PickleRef ref) {
        TorchTensor tensor;
        tensor.name = path_;
        tensor.at = pickle_[ref].offset;
        const auto storage = storageAt(ref, tensor);
        if (!storage) {
            return;
        }
        tensor.storage = *storage;
        tensor.place = {0, {out_.storages[*storage].count}, {1}};
        needType(tensor);
        out_.tensors.push_back(std::move(tensor));
    }

    /// Reads ('storage', class, key, location, count[, view]) and fills in the tensor's type.
    std::optional<std::size_t> storageAt(PickleRef ref, TorchTensor& tensor) {
        const PickleNode& node = pickle_[ref];
        if (node.kind != PickleKind::Persistent) {
            return std::nullopt;
        }
        const PickleNode& id = pickle_[node.items.front()];
        if (id.kind != PickleKind::Tuple || id.items.size() < 5 ||
            textOf(id.items[0]) != "storage" || pickle_[id.items[1]].kind != PickleKind::Global) {
            return std::nullopt;
        }
        const TorchType type = torchStorageClass(pickle_[id.items[1]].text);
        const auto count = integerOf(id.items[4]);
        if (type.bytes == 0 || !count || *count < 0) {
            return std::nullopt;
        }
        tensor.type = type.type;
        tensor.dtypeName = type.name;
        tensor.itemBytes = type.bytes;
        TorchStorage storage;
        storage.key = textOf(id.items[2]);
        storage.root = storage.key;
        storage.itemBytes = type.bytes;
        storage.count = *count;
        if (id.items.size() > 5 && pickle_[id.items[5]].kind == PickleKind::Tuple &&
            pickle_[id.items[5]].items.size() == 3) {
            const std::vector<PickleRef>& view = pickle_[id.items[5]].items;
            storage.key = textOf(view[0]);
            storage.viewStart = integerOf(view[1]).value_or(-1);
            storage.count = integerOf(view[2]).value_or(-1);
            if (storage.viewStart < 0 || storage.count < 0) {
                return std::nullopt;
            }
        }
        const auto [known, isNew] = storageOf_.try_emplace(storage.key, out_.storages.size());
        if (isNew) {
            out_.storages.push_back(std::move(storage));
        }
        return known->second;
    }

    /// What _rebuild_tensor and its kin would have made.
    void build(std::string_view function,
               const std::vector<PickleRef>& arguments,
               std::uint64_t at) {
        const std::string_view name = function.substr(function.rfind('.') + 1);
        TorchTensor& tensor = add(at);
        const bool v3 = name == "_rebuild_tensor_v3";
        if (name == "_rebuild_tensor" || name == "_rebuild_tensor_v2" || v3) {
            if (arguments.size() < (v3 ? 7U : 4U) || !fillTensor(tensor, arguments)) {
                problem(tensor,
                        "expected a storage, a start, sizes and strides, found other arguments",
                        "");
            } else if (v3) {
                const PickleNode& dtype = pickle_[arguments[6]];
                applyDtype(tensor,
                           dtype.kind == PickleKind::Global ? dtype.text : std::string_view());
            }
            const std::size_t extra = v3 ? 7 : 6;
            if (arguments.size() > extra && !tensor.problem) {
                lazyBits(tensor, pickle_[arguments[extra]]);
            }
        } else {
            refuse(tensor, name, arguments);
        }
        needType(tensor);
    }

    /// Quantized elements, and those of PyTorch's that nothing here reads.
    void needType(TorchTensor& tensor) {
        if (!tensor.problem && tensor.type == nullptr) {
            problem(tensor,
                    "expected an element type that is known here, found " + tensor.dtypeName,
                    "");
        }
    }

    /// Storage, start, sizes, strides.
    bool fillTensor(TorchTensor& tensor, const std::vector<PickleRef>& arguments) {
        const auto storage = storageAt(arguments[0], tensor);
        const auto start = integerOf(arguments[1]);
        auto sizes = integersOf(arguments[2]);
        auto strides = integersOf(arguments[3]);
        if (!storage || !start || !sizes || !strides) {
            return false;
        }
        tensor.storage = *storage;
        tensor.place = {*start, std::move(*sizes), std::move(*strides)};
        return true;
    }

    void applyDtype(TorchTensor& tensor, std::string_view global) {
        const TorchType type = torchDtype(global);
        tensor.type = type.type;
        tensor.dtypeName = type.bytes == 0 ? std::string(global) : type.name;
        tensor.itemBytes = std::max<std::uint64_t>(type.bytes, 1);
        if (!type.twoPerByte) {
            return;
        }
        StridedPlace& place = tensor.place;
        const auto count = elementCount(place.sizes);
        constexpr std::uint64_t kMost = std::uint64_t{1} << 60;
        const bool fits = !place.sizes.empty() && count && *count <= kMost &&
                          stridedExtent(place).has_value() && isContiguous(place) &&
                          place.start <= static_cast<std::int64_t>(kMost);
        if (!fits) {
            problem(tensor, "expected pairs of 4-bit floats in a row, found other strides", "");
            return;
        }
        place.sizes.back() *= 2;  // PyTorch counts pairs
        place.start *= 2;
        std::int64_t stride = 1;
        for (std::size_t i = place.sizes.size(); i-- > 0;) {
            place.strides[i] = stride;
            stride *= place.sizes[i];
        }
    }

    /// {'neg': True} or {'conj': True}: the stored values are not the tensor's.
    void lazyBits(TorchTensor& tensor, const PickleNode& metadata) {
        if (metadata.kind != PickleKind::Dict) {
            return;
        }
        for (std::size_t i = 0; i + 1 < metadata.items.size(); i += 2) {
            const PickleNode& value = pickle_[metadata.items[i + 1]];
            if (textOf(metadata.items[i]) == "neg" && value.kind == PickleKind::Bool &&
                value.integer != 0) {
                problem(tensor,
                        "expected stored values, found a view that negates them",
                        "save tensor.resolve_neg()");
            }
        }
    }

    /// Tensors that are more than a storage.
    void refuse(TorchTensor& tensor,
                std::string_view name,
                const std::vector<PickleRef>& arguments) {
        if (name == "_rebuild_qtensor" && arguments.size() >= 4) {
            fillTensor(tensor, arguments);
            problem(tensor,
                    "expected stored values, found a quantized tensor of PyTorch (" +
                        tensor.dtypeName + ")",
                    "save tensor.dequantize() or tensor.int_repr() and its scales");
        } else if (name.starts_with("_rebuild_sparse")) {
            const bool parts =
                arguments.size() > 1 && pickle_[arguments[1]].kind == PickleKind::Tuple;
            const std::vector<PickleRef>& items = parts ? pickle_[arguments[1]].items : arguments;
            const std::size_t size = name == "_rebuild_sparse_tensor" ? 2 : 3;
            if (parts && items.size() > size) {
                tensor.place.sizes = integersOf(items[size]).value_or(std::vector<std::int64_t>{});
            }
            problem(
                tensor, "expected stored values, found a sparse tensor", "save tensor.to_dense()");
        } else if (name == "_rebuild_meta_tensor_no_storage") {
            if (arguments.size() > 1) {
                tensor.place.sizes = integersOf(arguments[1]).value_or(std::vector<std::int64_t>{});
            }
            problem(tensor, "expected stored values, found a tensor on the meta device", "");
        } else if (name == "_rebuild_wrapper_subclass") {
            if (arguments.size() > 2) {
                tensor.place.sizes = integersOf(arguments[2]).value_or(std::vector<std::int64_t>{});
            }
            problem(tensor, "expected stored values, found a wrapper around other tensors", "");
        } else {
            problem(
                tensor, "expected a plain tensor, found what " + std::string(name) + " makes", "");
        }
    }

    const Pickle& pickle_;
    const PicklePlace& place_;
    TorchObjects& out_;
    std::size_t budget_;
    std::size_t visits_ = 0;
    std::size_t skippedNames_ = 0;
    std::size_t cycles_ = 0;
    std::size_t unknownCount_ = 0;
    std::string path_;
    std::unordered_set<PickleRef> open_;
    std::unordered_map<std::string, std::size_t> storageOf_;
    std::vector<std::pair<std::string, std::uint64_t>> unknown_;
    std::optional<Error> error_;
};

}  // namespace

Result<void> collectTorch(const Pickle& pickle,
                          const PicklePlace& place,
                          const std::string& prefix,
                          TorchObjects& objects) {
    return Collector(pickle, place, objects).run(prefix);
}

}  // namespace loupe

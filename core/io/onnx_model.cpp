// SPDX-License-Identifier: Apache-2.0
// ModelProto, GraphProto and NodeProto as far as they say something of tensors.
#include "core/io/onnx_model.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace loupe {

namespace {

constexpr int kMostDepth = 64;
constexpr std::size_t kMostTensors = std::size_t{1} << 20;
constexpr std::uint64_t kMostName = 4096;
constexpr std::size_t kMostPath = 4096;

/// What a name stands for: a stored tensor, or what a DequantizeLinear makes.
struct Meaning {
    std::optional<std::size_t> tensor;
    std::optional<std::size_t> dequantized;
};

/// A graph, or the nodes of a function, with what its names mean. Graphs inside see those outside.
struct Scope {
    std::string path;
    Scope* outer = nullptr;
    int depth = 0;
    std::unordered_map<std::string, Meaning> names;

    [[nodiscard]] const Meaning* find(const std::string& name) const {
        for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
            if (const auto found = scope->names.find(name); found != scope->names.end()) {
                return &found->second;
            }
        }
        return nullptr;
    }
};

struct Attribute {
    std::string name;
    std::int64_t integer = 0;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> tensor;
    bool sparse = false;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> graphs;
    std::pair<std::uint64_t, std::uint64_t> whole;
};

struct Node {
    std::string name;
    std::string op;
    std::string domain;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::vector<Attribute> attributes;

    [[nodiscard]] const Attribute* find(std::string_view wanted) const {
        const auto found = std::find_if(
            attributes.begin(), attributes.end(), [wanted](const Attribute& attribute) {
                return attribute.name == wanted;
            });
        return found == attributes.end() ? nullptr : &*found;
    }
    [[nodiscard]] std::int64_t integer(std::string_view wanted, std::int64_t otherwise) const {
        const Attribute* attribute = find(wanted);
        return attribute == nullptr ? otherwise : attribute->integer;
    }
};

class ModelReader {
public:
    explicit ModelReader(ProtoFile& file) : file_(file) {}

    Result<OnnxModel> run() {
        bool hasGraph = false;
        Result<void> walked = fields(0, file_.file()->size(), [&](const ProtoField& field) {
            return modelField(field, hasGraph);
        });
        if (walked && !hasGraph) {
            walked = fail(ErrorCode::Damaged,
                          "ONNX: expected a model with a graph, found none",
                          filePosition(file_.file()->path(), 0));
        }
        if (walked) {
            walked = file_.error();
        }
        if (!walked) {
            return fail(walked.error());
        }
        model_.inOut.resize(model_.tensors.size());
        return std::move(model_);
    }

private:
    /// Calls `each` for every field of a message, which may fail.
    template <class F>
    Result<void> fields(std::uint64_t begin, std::uint64_t end, F&& each) {
        ProtoMessage message(file_, begin, end);
        ProtoField field;
        for (;;) {
            const Result<bool> more = message.next(field);
            if (!more) {
                return fail(more.error());
            }
            if (!*more) {
                return {};
            }
            if (Result<void> done = each(field); !done) {
                return done;
            }
        }
    }

    Result<void> readText(const ProtoField& field, std::string& into) {
        Result<std::string> text = file_.text(field.begin, field.end, kMostName);
        if (!text) {
            return fail(text.error());
        }
        into = std::move(*text);
        return {};
    }

    Result<void> modelField(const ProtoField& field, bool& hasGraph) {
        if (field.isVarint(1)) {
            model_.metadata.emplace_back("ir_version", std::to_string(field.value));
        } else if (field.isBytes(2) || field.isBytes(3) || field.isBytes(4)) {
            constexpr std::array<const char*, 3> kNames{
                "producer_name", "producer_version", "domain"};
            std::string text;
            if (Result<void> read = readText(field, text); !read) {
                return read;
            }
            if (!text.empty()) {
                model_.metadata.emplace_back(kNames.at(field.number - 2), text);
            }
        } else if (field.isVarint(5)) {
            model_.metadata.emplace_back("model_version", std::to_string(field.value));
        } else if (field.isBytes(7)) {
            hasGraph = true;
            Scope scope;
            return graph(field.begin, field.end, scope);
        } else if (field.isBytes(8)) {
            return opset(field);
        } else if (field.isBytes(14)) {
            return property(field);
        } else if (field.isBytes(25)) {
            return function(field);
        }
        return {};
    }

    Result<void> opset(const ProtoField& entry) {
        std::string domain;
        std::uint64_t version = 0;
        Result<void> read = fields(entry.begin, entry.end, [&](const ProtoField& field) {
            if (field.isVarint(2)) {
                version = field.value;
            }
            return field.isBytes(1) ? readText(field, domain) : Result<void>();
        });
        model_.metadata.emplace_back("opset" + (domain.empty() ? "" : "." + domain),
                                     std::to_string(version));
        return read;
    }

    Result<void> property(const ProtoField& entry) {
        std::string key;
        std::string value;
        Result<void> read = fields(entry.begin, entry.end, [&](const ProtoField& field) {
            return field.isBytes(1)   ? readText(field, key)
                   : field.isBytes(2) ? readText(field, value)
                                      : Result<void>();
        });
        constexpr std::size_t kMostMetadata = 1024;
        if (model_.metadata.size() < kMostMetadata) {
            model_.metadata.emplace_back(key, value);
        }
        return read;
    }

    Result<void> function(const ProtoField& message) {
        Scope scope;
        std::vector<ProtoField> nodes;
        Result<void> read = fields(message.begin, message.end, [&](const ProtoField& field) {
            if (field.isBytes(7)) {
                nodes.push_back(field);
            }
            return field.isBytes(1) ? readText(field, scope.path) : Result<void>();
        });
        scope.path += scope.path.empty() ? "" : ".";
        return read ? visitNodes(nodes, scope) : read;
    }

    /// First the tensors, then the nodes in their order, which is one of use.
    Result<void> graph(std::uint64_t begin, std::uint64_t end, Scope& scope) {
        if (scope.depth > kMostDepth || scope.path.size() > kMostPath) {
            return fail(ErrorCode::Unsupported,
                        "ONNX: expected graphs at most 64 deep in each other, found more",
                        filePosition(file_.file()->path(), begin));
        }
        constexpr std::uint32_t kNode = 1;
        constexpr std::uint32_t kInitializer = 5;
        constexpr std::uint32_t kSparse = 15;
        std::vector<ProtoField> nodes;
        Result<void> read = fields(begin, end, [&](const ProtoField& field) -> Result<void> {
            if (field.isBytes(kNode)) {
                nodes.push_back(field);
            } else if (field.isBytes(kInitializer) || field.isBytes(kSparse)) {
                return addTensor(field.begin, field.end, field.number == kSparse, "", scope);
            }
            return {};
        });
        return read ? visitNodes(nodes, scope) : read;
    }

    Result<void> visitNodes(const std::vector<ProtoField>& nodes, Scope& scope) {
        for (const ProtoField& message : nodes) {
            if (Result<void> read = visitNode(message, scope); !read) {
                return read;
            }
        }
        return {};
    }

    Result<void> visitNode(const ProtoField& message, Scope& scope) {
        Node node;
        Result<void> read =
            fields(message.begin, message.end, [&](const ProtoField& field) -> Result<void> {
                constexpr std::uint32_t kInput = 1;
                constexpr std::uint32_t kOutput = 2;
                constexpr std::uint32_t kAttribute = 5;
                if (field.isBytes(kInput) || field.isBytes(kOutput)) {
                    auto& into = field.number == kInput ? node.inputs : node.outputs;
                    return readText(field, into.emplace_back());
                }
                if (field.isBytes(kAttribute)) {
                    return readAttribute(field, node.attributes.emplace_back());
                }
                return field.isBytes(3)   ? readText(field, node.name)
                       : field.isBytes(4) ? readText(field, node.op)
                       : field.isBytes(7) ? readText(field, node.domain)
                                          : Result<void>();
            });
        if (!read) {
            return read;
        }
        if (node.op == "Constant" && !node.outputs.empty()) {
            return constant(node, scope);
        }
        if (node.op == "DequantizeLinear") {
            dequantize(node, scope);
        }
        if ((node.op == "Identity" || node.op == "Cast") && !node.inputs.empty() &&
            !node.outputs.empty()) {
            if (const Meaning* meaning = scope.find(node.inputs.front())) {
                const Meaning same = *meaning;
                scope.names.emplace(node.outputs.front(), same);
            }
        }
        markMatrices(node, scope);
        return subGraphs(node, scope);
    }

    Result<void> readAttribute(const ProtoField& message, Attribute& attribute) {
        attribute.whole = {message.begin, message.end};
        return fields(message.begin, message.end, [&](const ProtoField& field) -> Result<void> {
            constexpr std::uint32_t kName = 1;
            constexpr std::uint32_t kInteger = 3;
            constexpr std::uint32_t kTensor = 5;
            constexpr std::uint32_t kGraph = 6;
            constexpr std::uint32_t kGraphs = 11;
            constexpr std::uint32_t kSparse = 22;
            if (field.isBytes(kName)) {
                return readText(field, attribute.name);
            }
            if (field.isVarint(kInteger)) {
                attribute.integer = static_cast<std::int64_t>(field.value);
            } else if (field.isBytes(kTensor) || field.isBytes(kSparse)) {
                attribute.tensor = {field.begin, field.end};
                attribute.sparse = field.number == kSparse;
            } else if (field.isBytes(kGraph) || field.isBytes(kGraphs)) {
                attribute.graphs.emplace_back(field.begin, field.end);
            }
            return {};
        });
    }

    Result<void> constant(const Node& node, Scope& scope) {
        for (const Attribute& attribute : node.attributes) {
            if (attribute.tensor) {
                return addTensor(attribute.tensor->first,
                                 attribute.tensor->second,
                                 attribute.sparse,
                                 node.outputs.front(),
                                 scope);
            }
            if (attribute.name == "value_float" || attribute.name == "value_floats" ||
                attribute.name == "value_int" || attribute.name == "value_ints") {
                return addNumbers(attribute, node.outputs.front(), scope);
            }
        }
        return {};
    }

    /// Numbers of an attribute: floats f 2 and 7, integers i 3 and 8.
    Result<void> addNumbers(const Attribute& attribute, const std::string& name, Scope& scope) {
        const bool floats = attribute.name.starts_with("value_float");
        const bool list = attribute.name.ends_with("s");
        const std::uint32_t wanted = floats ? (list ? 7 : 2) : (list ? 8 : 3);
        OnnxTensor tensor;
        tensor.scalarAttribute = true;
        tensor.dataType = floats ? 1 : 7;
        tensor.type = findStorageType(floats ? "fp32" : "int64");
        tensor.dtypeName = tensor.type->id;
        tensor.data = OnnxData::Typed;
        tensor.at = attribute.whole.first;
        tensor.begin = attribute.whole.first;
        tensor.end = attribute.whole.second;
        std::int64_t count = 0;
        Result<void> read =
            fields(tensor.begin, tensor.end, [&](const ProtoField& field) -> Result<void> {
                if (field.number != wanted) {
                    return {};
                }
                if (field.wire != ProtoWire::Bytes) {
                    ++count;
                    return {};
                }
                for (std::uint64_t at = field.begin; at < field.end; ++count) {
                    std::uint64_t value = 0;
                    if (floats) {
                        at += 4;
                    } else if (!file_.varint(at, field.end, value)) {
                        break;
                    }
                }
                if (floats && field.size() % 4 != 0) {
                    tensor.problem = Error{ErrorCode::Damaged,
                                           "expected whole floats, found one cut off",
                                           filePosition(file_.file()->path(), field.begin),
                                           {}};
                }
                return {};
            });
        if (list) {
            tensor.dims = {count};
        }
        tensor.name = name;
        return read ? keep(std::move(tensor), name, scope) : read;
    }

    Result<void> addTensor(std::uint64_t begin,
                           std::uint64_t end,
                           bool sparse,
                           const std::string& name,
                           Scope& scope) {
        Result<OnnxTensor> tensor =
            sparse ? sparseTensor(begin, end) : readOnnxTensor(file_, begin, end);
        if (!tensor) {
            return fail(tensor.error());
        }
        const std::string local = name.empty() ? tensor->name : name;
        return keep(std::move(*tensor), local, scope);
    }

    Result<void> keep(OnnxTensor tensor, const std::string& local, Scope& scope) {
        if (model_.tensors.size() == kMostTensors) {
            return fail(ErrorCode::Unsupported,
                        "ONNX: expected at most 1048576 tensors, found more",
                        filePosition(file_.file()->path(), tensor.at));
        }
        const std::size_t index = model_.tensors.size();
        tensor.name = scope.path + (local.empty() ? "initializer_" + std::to_string(index) : local);
        model_.tensors.push_back(std::move(tensor));
        model_.inOut.push_back(false);
        if (!local.empty()) {
            scope.names.emplace(local, Meaning{index, std::nullopt});
        }
        return {};
    }

    /// SparseTensorProto: values 1, indices 2, dims 3.
    Result<OnnxTensor> sparseTensor(std::uint64_t begin, std::uint64_t end) {
        OnnxTensor tensor;
        std::vector<std::int64_t> dims;
        Result<void> read = fields(begin, end, [&](const ProtoField& field) -> Result<void> {
            if (field.isBytes(1)) {
                Result<OnnxTensor> values = readOnnxTensor(file_, field.begin, field.end);
                if (!values) {
                    return fail(values.error());
                }
                tensor = std::move(*values);
            }
            constexpr std::size_t kMostDimensions = 64;
            if (field.isVarint(3)) {
                dims.push_back(static_cast<std::int64_t>(field.value));
            }
            for (std::uint64_t at = field.begin; field.isBytes(3) && at < field.end;) {
                std::uint64_t value = 0;
                if (!file_.varint(at, field.end, value) || dims.size() >= kMostDimensions) {
                    break;
                }
                dims.push_back(static_cast<std::int64_t>(value));
            }
            return {};
        });
        if (!read) {
            return fail(read.error());
        }
        tensor.dims = std::move(dims);
        tensor.at = begin;
        tensor.problem = Error{ErrorCode::Unsupported,
                               "expected stored values, found a sparse tensor",
                               filePosition(file_.file()->path(), begin),
                               {}};
        return tensor;
    }

    void dequantize(const Node& node, Scope& scope) {
        if (node.inputs.size() < 2 || node.outputs.empty()) {
            return;
        }
        const auto stored = [&](std::size_t i) -> std::optional<std::size_t> {
            const Meaning* meaning = i < node.inputs.size() ? scope.find(node.inputs[i]) : nullptr;
            return meaning == nullptr ? std::nullopt : meaning->tensor;
        };
        const auto codes = stored(0);
        const auto scale = stored(1);
        const auto zero = stored(2);
        const bool hasZero = node.inputs.size() > 2 && !node.inputs[2].empty();
        if (!codes || !scale || (hasZero && !zero)) {
            return;  // of values that a run computes
        }
        OnnxDequantize& made = model_.dequantized.emplace_back();
        made.name = scope.path + node.outputs.front();
        made.codes = *codes;
        made.scale = *scale;
        made.zero = hasZero ? zero : std::nullopt;
        made.axis = node.integer("axis", 1);
        made.block = node.integer("block_size", 0);
        scope.names.emplace(node.outputs.front(),
                            Meaning{std::nullopt, model_.dequantized.size() - 1});
    }

    /// The right side of a product is [in, out].
    void markMatrices(const Node& node, const Scope& scope) {
        std::size_t input = 0;
        if (node.op == "MatMul" || node.op == "MatMulInteger" || node.op == "FusedMatMul") {
            const bool turned = node.op == "FusedMatMul" && node.integer("transB", 0) != 0;
            input = turned ? 0 : 1;
        } else if (node.op == "Gemm") {
            input = node.integer("transB", 0) == 0 ? 1 : 0;
        } else if (node.op == "QLinearMatMul") {
            input = 3;
        }
        if (input == 0 || input >= node.inputs.size()) {
            return;
        }
        const Meaning* meaning = scope.find(node.inputs[input]);
        if (meaning == nullptr) {
            return;
        }
        if (meaning->tensor) {
            model_.inOut[*meaning->tensor] = true;
        }
        if (meaning->dequantized) {
            model_.dequantized[*meaning->dequantized].inOut = true;
            model_.inOut[model_.dequantized[*meaning->dequantized].codes] = true;
        }
    }

    Result<void> subGraphs(const Node& node, Scope& scope) {
        for (const Attribute& attribute : node.attributes) {
            for (std::size_t i = 0; i < attribute.graphs.size(); ++i) {
                Scope inner;
                inner.outer = &scope;
                inner.depth = scope.depth + 1;
                const std::string& first = node.outputs.empty() ? node.op : node.outputs.front();
                inner.path = scope.path + (node.name.empty() ? first : node.name) + "." +
                             attribute.name +
                             (attribute.graphs.size() > 1 ? std::to_string(i) : "") + ".";
                if (Result<void> read =
                        graph(attribute.graphs[i].first, attribute.graphs[i].second, inner);
                    !read) {
                    return read;
                }
            }
        }
        return {};
    }

    ProtoFile& file_;
    OnnxModel model_;
};

}  // namespace

Result<OnnxModel> readOnnxModel(ProtoFile& file) {
    return ModelReader(file).run();
}

}  // namespace loupe

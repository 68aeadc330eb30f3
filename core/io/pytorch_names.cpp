// SPDX-License-Identifier: Apache-2.0
#include "core/io/pytorch_names.hpp"

#include <algorithm>
#include <array>

namespace loupe {

namespace {

struct TypeRow {
    std::string_view torch;
    std::string_view id;
    std::uint64_t bytes;
};

constexpr std::array<TypeRow, 18> kStorageClasses{{{"Double", "fp64", 8},
                                                   {"Float", "fp32", 4},
                                                   {"Half", "fp16", 2},
                                                   {"BFloat16", "bf16", 2},
                                                   {"Long", "int64", 8},
                                                   {"Int", "int32", 4},
                                                   {"Short", "int16", 2},
                                                   {"Char", "int8", 1},
                                                   {"Byte", "uint8", 1},
                                                   {"Bool", "bool", 1},
                                                   {"ComplexDouble", "complex128", 16},
                                                   {"ComplexFloat", "complex64", 8},
                                                   {"QInt8", "qint8", 1},
                                                   {"QUInt8", "quint8", 1},
                                                   {"QInt32", "qint32", 4},
                                                   {"QUInt4x2", "quint4x2", 1},
                                                   {"QUInt2x4", "quint2x4", 1},
                                                   {"Untyped", "uint8", 1}}};

constexpr std::array<TypeRow, 42> kDtypes{{{"float64", "fp64", 8},
                                           {"double", "fp64", 8},
                                           {"float32", "fp32", 4},
                                           {"float", "fp32", 4},
                                           {"float16", "fp16", 2},
                                           {"half", "fp16", 2},
                                           {"bfloat16", "bf16", 2},
                                           {"int64", "int64", 8},
                                           {"long", "int64", 8},
                                           {"int32", "int32", 4},
                                           {"int", "int32", 4},
                                           {"int16", "int16", 2},
                                           {"short", "int16", 2},
                                           {"int8", "int8", 1},
                                           {"uint8", "uint8", 1},
                                           {"bool", "bool", 1},
                                           {"uint16", "uint16", 2},
                                           {"uint32", "uint32", 4},
                                           {"uint64", "uint64", 8},
                                           {"complex32", "complex32", 4},
                                           {"chalf", "complex32", 4},
                                           {"complex64", "complex64", 8},
                                           {"cfloat", "complex64", 8},
                                           {"complex128", "complex128", 16},
                                           {"cdouble", "complex128", 16},
                                           {"float8_e4m3fn", "fp8_e4m3", 1},
                                           {"float8_e5m2", "fp8_e5m2", 1},
                                           {"float8_e4m3fnuz", "fp8_e4m3fnuz", 1},
                                           {"float8_e8m0fnu", "e8m0", 1},
                                           {"float8_e5m2fnuz", "fp8_e5m2fnuz", 1},
                                           {"qint8", "qint8", 1},
                                           {"float4_e2m1fn_x2", "fp4_e2m1", 1},
                                           {"quint8", "quint8", 1},
                                           {"qint32", "qint32", 4},
                                           {"quint4x2", "quint4x2", 1},
                                           {"quint2x4", "quint2x4", 1},
                                           {"bits1x8", "bits1x8", 1},
                                           {"bits2x4", "bits2x4", 1},
                                           {"bits4x2", "bits4x2", 1},
                                           {"bits8", "bits8", 1},
                                           {"bits16", "bits16", 2},
                                           {"uint4", "torch.uint4", 1}}};

TorchType made(const TypeRow& row) {
    return {findStorageType(row.id), std::string(row.id), row.bytes, row.id == "fp4_e2m1"};
}

bool startsWith(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

/// Modules whose functions reach out of the process, or run what they are given.
constexpr std::array<std::string_view, 14> kCore{"os",
                                                 "posix",
                                                 "nt",
                                                 "sys",
                                                 "subprocess",
                                                 "importlib",
                                                 "builtins",
                                                 "__builtin__",
                                                 "pty",
                                                 "socket",
                                                 "ctypes",
                                                 "runpy",
                                                 "posixpath",
                                                 "ntpath"};
constexpr std::array<std::string_view, 39> kReachesOut{"commands",  "popen2",    "multiprocessing",
                                                       "threading", "signal",    "asyncio",
                                                       "shutil",    "tempfile",  "glob",
                                                       "io",        "code",      "codeop",
                                                       "bdb",       "pdb",       "cProfile",
                                                       "profile",   "timeit",    "trace",
                                                       "imp",       "pkgutil",   "zipimport",
                                                       "pip",       "ensurepip", "venv",
                                                       "pydoc",     "doctest",   "webbrowser",
                                                       "http",      "httplib",   "urllib",
                                                       "requests",  "ftplib",    "smtplib",
                                                       "ssl",       "marshal",   "types",
                                                       "operator",  "functools", "_operator"};
/// What real checkpoints name of such modules (saved detectors hold a getattr); as data they do
/// nothing, and what they would give is not called either.
constexpr std::array<std::string_view, 7> kHarmless{"functools.partial",
                                                    "types.SimpleNamespace",
                                                    "operator.itemgetter",
                                                    "io.BytesIO",
                                                    "signal.Signals",
                                                    "builtins.getattr",
                                                    "__builtin__.getattr"};
constexpr std::array<std::string_view, 13> kPlainBuiltins{"set",
                                                          "frozenset",
                                                          "bytearray",
                                                          "bytes",
                                                          "complex",
                                                          "dict",
                                                          "list",
                                                          "tuple",
                                                          "int",
                                                          "float",
                                                          "bool",
                                                          "str",
                                                          "slice"};

bool isDangerous(std::string_view global) {
    if (contains(kHarmless, global)) {
        return false;
    }
    const std::size_t dot = global.find('.');
    const std::string_view module = global.substr(0, dot);
    if (module == "builtins" || module == "__builtin__") {
        return dot == std::string_view::npos || !contains(kPlainBuiltins, global.substr(dot + 1));
    }
    if (contains(kReachesOut, module) || module == "pickle" || module == "_pickle" ||
        module == "cPickle" || module == "dill" || module == "cloudpickle") {
        return true;
    }
    for (std::string_view rest = global; !rest.empty();) {  // also "torch.os.system"
        const std::size_t end = rest.find('.');
        if (end != std::string_view::npos && contains(kCore, rest.substr(0, end))) {
            return true;
        }
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return false;
}

}  // namespace

TorchType torchStorageClass(std::string_view global) {
    constexpr std::string_view kSuffix = "Storage";
    if (!startsWith(global, "torch.") || !global.ends_with(kSuffix)) {
        return {};
    }
    std::string_view name = global.substr(0, global.size() - kSuffix.size());
    name = name.substr(name.rfind('.') + 1);
    if (startsWith(name, "_")) {
        name.remove_prefix(1);  // _UntypedStorage of 1.11 to 1.13
    }
    for (const TypeRow& row : kStorageClasses) {
        if (row.torch == name) {
            return made(row);
        }
    }
    return {};
}

TorchType torchDtype(std::string_view global) {
    constexpr std::string_view kPrefix = "torch.";
    if (!startsWith(global, kPrefix)) {
        return {};
    }
    for (const TypeRow& row : kDtypes) {
        if (row.torch == global.substr(kPrefix.size())) {
            return made(row);
        }
    }
    return {};
}

TorchCall judgeTorchGlobal(std::string_view global) {
    constexpr std::array<std::string_view, 21> kPassive{
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch._utils._rebuild_sparse_tensor",
        "torch._utils._rebuild_sparse_csr_tensor",
        "torch._utils._rebuild_qtensor",
        "torch._utils._rebuild_nested_tensor",
        "torch._utils._rebuild_meta_tensor_no_storage",
        "torch._utils._rebuild_wrapper_subclass",
        "torch._utils._rebuild_device_tensor_from_numpy",
        "torch._utils._rebuild_device_tensor_from_cpu_tensor",
        "torch._tensor._rebuild_from_type_v2",
        "torch.serialization._get_layout",
        "torch.Size",
        "torch.device",
        "torch.Tensor",
        "torch.nn.parameter.Parameter",
        "torch.nn.parameter.Buffer",
        "_codecs.encode"};
    constexpr std::array<std::string_view, 11> kData{"collections.OrderedDict",
                                                     "collections.Counter",
                                                     "collections.defaultdict",
                                                     "numpy.dtype",
                                                     "numpy.ndarray",
                                                     "numpy.core.multiarray.scalar",
                                                     "numpy._core.multiarray.scalar",
                                                     "numpy.core.multiarray._reconstruct",
                                                     "numpy._core.multiarray._reconstruct",
                                                     "torch.strided",
                                                     "torch.sparse_coo"};
    if (isDangerous(global)) {
        return TorchCall::Dangerous;
    }
    const bool plain = (startsWith(global, "builtins.") || startsWith(global, "__builtin__.")) &&
                       !contains(kHarmless, global);
    if (plain || contains(kPassive, global) || contains(kData, global) ||
        startsWith(global, "__torch__.") || startsWith(global, "torch.nn.modules.") ||
        startsWith(global, "torch.jit._pickle.") || startsWith(global, "torch.per_") ||
        torchStorageClass(global).bytes > 0 || torchDtype(global).bytes > 0) {
        return TorchCall::Passive;
    }
    return TorchCall::Unknown;
}

}  // namespace loupe

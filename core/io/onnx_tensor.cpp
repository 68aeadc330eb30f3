// SPDX-License-Identifier: Apache-2.0
// TensorProto: names, sizes, and where the values are.
#include "core/io/layout.hpp"
#include "core/io/onnx_model.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace loupe {

namespace {

/// A data type of ONNX: what reads it, and the field that carries it where raw_data does not.
struct DataType {
    std::string_view name;
    std::string_view id;
    std::uint32_t field = 0;
};

// Numbers of TensorProto's fields.
constexpr std::uint32_t kFloatData = 4;
constexpr std::uint32_t kInt32Data = 5;
constexpr std::uint32_t kStringData = 6;
constexpr std::uint32_t kInt64Data = 7;
constexpr std::uint32_t kRawData = 9;
constexpr std::uint32_t kDoubleData = 10;
constexpr std::uint32_t kUint64Data = 11;

constexpr std::array<DataType, 27> kDataTypes{{{"undefined", "", 0},
                                               {"float", "fp32", kFloatData},
                                               {"uint8", "uint8", kInt32Data},
                                               {"int8", "int8", kInt32Data},
                                               {"uint16", "uint16", kInt32Data},
                                               {"int16", "int16", kInt32Data},
                                               {"int32", "int32", kInt32Data},
                                               {"int64", "int64", kInt64Data},
                                               {"string", "", kStringData},
                                               {"bool", "bool", kInt32Data},
                                               {"float16", "fp16", kInt32Data},
                                               {"double", "fp64", kDoubleData},
                                               {"uint32", "uint32", kUint64Data},
                                               {"uint64", "uint64", kUint64Data},
                                               {"complex64", "complex64", kFloatData},
                                               {"complex128", "complex128", kDoubleData},
                                               {"bfloat16", "bf16", kInt32Data},
                                               {"float8e4m3fn", "fp8_e4m3", kInt32Data},
                                               {"float8e4m3fnuz", "fp8_e4m3fnuz", kInt32Data},
                                               {"float8e5m2", "fp8_e5m2", kInt32Data},
                                               {"float8e5m2fnuz", "fp8_e5m2fnuz", kInt32Data},
                                               {"uint4", "uint4", kInt32Data},
                                               {"int4", "int4", kInt32Data},
                                               {"float4e2m1", "fp4_e2m1", kInt32Data},
                                               {"float8e8m0", "e8m0", kInt32Data},
                                               {"uint2", "uint2", kInt32Data},
                                               {"int2", "int2", kInt32Data}}};

bool isFixed(std::uint32_t field) {
    return field == kFloatData || field == kDoubleData;
}

/// What was found in the typed fields.
struct TypedCount {
    std::uint64_t numbers = 0;
    std::uint64_t occurrences = 0;
    std::uint64_t begin = 0;  ///< of the only occurrence, if it is packed
    std::uint64_t end = 0;
    bool packed = false;
};

/// Numbers of one occurrence of a typed field. @returns false where it ends inside of a number
bool countNumbers(ProtoFile& file, const ProtoField& field, TypedCount& count) {
    ++count.occurrences;
    count.packed = field.wire == ProtoWire::Bytes;
    if (!count.packed) {
        ++count.numbers;
        return true;
    }
    count.begin = field.begin;
    count.end = field.end;
    if (isFixed(field.number)) {
        const std::uint64_t width = field.number == kFloatData ? 4 : 8;
        count.numbers += field.size() / width;
        return field.size() % width == 0;
    }
    for (std::uint64_t at = field.begin; at < field.end;) {
        std::uint64_t value = 0;
        if (!file.varint(at, field.end, value)) {
            return false;
        }
        ++count.numbers;
    }
    return true;
}

class TensorReader {
public:
    TensorReader(ProtoFile& file, std::uint64_t begin, std::uint64_t end)
        : file_(file), begin_(begin), end_(end) {
        tensor_.at = begin;
    }

    Result<OnnxTensor> run() {
        ProtoMessage message(file_, begin_, end_);
        ProtoField field;
        for (;;) {
            const Result<bool> more = message.next(field);
            if (!more) {
                return fail(more.error());
            }
            if (!*more) {
                break;
            }
            if (Result<void> read = readField(field); !read) {
                return fail(read.error());
            }
        }
        finish();
        return std::move(tensor_);
    }

private:
    Result<void> readField(const ProtoField& field) {
        constexpr std::uint32_t kDims = 1;
        constexpr std::uint32_t kDataTypeField = 2;
        constexpr std::uint32_t kSegment = 3;
        constexpr std::uint32_t kName = 8;
        constexpr std::uint32_t kExternalData = 13;
        constexpr std::uint32_t kDataLocation = 14;
        constexpr std::uint64_t kMostName = 65536;
        if (field.number == kDims) {
            readDims(field);
        } else if (field.isVarint(kDataTypeField)) {
            tensor_.dataType = static_cast<std::int64_t>(field.value);
        } else if (field.number == kSegment) {
            segment_ = true;
        } else if (field.isBytes(kName)) {
            Result<std::string> name = file_.text(field.begin, field.end, kMostName);
            if (!name) {
                return fail(name.error());
            }
            tensor_.name = std::move(*name);
        } else if (field.isBytes(kRawData)) {
            hasRaw_ = true;
            raw_ = field;
        } else if (field.isBytes(kExternalData)) {
            return readExternal(field);
        } else if (field.isVarint(kDataLocation)) {
            external_ = field.value == 1;
        } else if (field.number == kFloatData || field.number == kInt32Data ||
                   field.number == kInt64Data || field.number == kDoubleData ||
                   field.number == kUint64Data) {
            TypedCount& count = typed_[field.number];
            if (!countNumbers(file_, field, count)) {
                cut_ = true;
            }
        } else if (field.number == kStringData) {
            ++strings_;
        }
        return {};
    }

    void readDims(const ProtoField& field) {
        constexpr std::size_t kMostDimensions = 64;
        if (field.wire == ProtoWire::Varint) {
            tensor_.dims.push_back(static_cast<std::int64_t>(field.value));
        }
        for (std::uint64_t at = field.begin; field.wire == ProtoWire::Bytes && at < field.end;) {
            std::uint64_t value = 0;
            if (!file_.varint(at, field.end, value) || tensor_.dims.size() > kMostDimensions) {
                cut_ = true;
                return;
            }
            tensor_.dims.push_back(static_cast<std::int64_t>(value));
        }
        if (tensor_.dims.size() > kMostDimensions) {
            tensor_.dims.resize(kMostDimensions + 1);
            tooManyDims_ = true;
        }
    }

    Result<void> readExternal(const ProtoField& entry) {
        constexpr std::uint64_t kMostText = 4096;
        constexpr std::size_t kMostKeys = 16;
        ProtoMessage message(file_, entry.begin, entry.end);
        std::pair<std::string, std::string> pair;
        ProtoField field;
        for (;;) {
            const Result<bool> more = message.next(field);
            if (!more) {
                return fail(more.error());
            }
            if (!*more) {
                break;
            }
            if (field.isBytes(1) || field.isBytes(2)) {
                Result<std::string> text = file_.text(field.begin, field.end, kMostText);
                if (!text) {
                    return fail(text.error());
                }
                (field.number == 1 ? pair.first : pair.second) = std::move(*text);
            }
        }
        if (tensor_.external.size() < kMostKeys) {
            tensor_.external.push_back(std::move(pair));
        }
        return {};
    }

    void problem(ErrorCode code, const std::string& what) {
        if (!tensor_.problem) {
            tensor_.problem = Error{code, what, filePosition(file_.file()->path(), tensor_.at), {}};
        }
    }

    void finish() {
        const bool known =
            tensor_.dataType > 0 && tensor_.dataType < static_cast<std::int64_t>(kDataTypes.size());
        const DataType type =
            known ? kDataTypes[static_cast<std::size_t>(tensor_.dataType)] : DataType{};
        tensor_.type = type.id.empty() ? nullptr : findStorageType(type.id);
        tensor_.dtypeName = !known ? "data_type " + std::to_string(tensor_.dataType)
                            : tensor_.type == nullptr ? std::string(type.name)
                                                      : std::string(type.id);
        if (tooManyDims_) {
            tensor_.dims.clear();
            problem(ErrorCode::Unsupported, "expected at most 64 dimensions, found more");
        }
        if (cut_) {
            problem(ErrorCode::Damaged, "expected whole numbers in a field, found one cut off");
        }
        if (tensor_.type == nullptr) {
            problem(ErrorCode::Unsupported, "expected numbers, found " + tensor_.dtypeName);
            return;
        }
        if (segment_) {
            problem(ErrorCode::Unsupported, "expected a whole tensor, found a segment of one");
        }
        const auto bytes = onnxBytes(tensor_);
        if (!bytes) {
            problem(ErrorCode::Damaged,
                    "expected dimensions that are not negative and fewer than 2^57 elements, found "
                    "others");
            return;
        }
        place(type, *bytes);
    }

    void place(const DataType& type, std::uint64_t bytes) {
        const TypedCount typed = typed_.count(type.field) != 0 ? typed_[type.field] : TypedCount{};
        const auto bits = static_cast<std::uint64_t>(tensor_.type->bits);
        if (external_) {
            tensor_.data = OnnxData::External;
            if (hasRaw_ || typed.numbers > 0) {
                problem(ErrorCode::Damaged,
                        "expected the values in another file, found some in the model as well");
            }
        } else if (hasRaw_) {
            tensor_.data = OnnxData::Raw;
            tensor_.begin = raw_.begin;
            tensor_.end = raw_.end;
            if (raw_.size() != bytes) {
                problem(ErrorCode::Damaged,
                        "expected " + std::to_string(bytes) + " bytes of raw_data, found " +
                            std::to_string(raw_.size()));
            }
        } else {
            // Below eight bits an int32 holds a byte of them; complex numbers are two floats.
            const std::uint64_t wanted = bits < 8                    ? bytes
                                         : tensor_.type->isComplex() ? bytes * 8 / bits * 2
                                                                     : bytes * 8 / bits;
            if (typed.numbers != wanted) {
                problem(ErrorCode::Damaged,
                        "expected " + std::to_string(wanted) + " numbers, found " +
                            std::to_string(typed.numbers));
            }
            const bool asTheyAre = isFixed(type.field) && typed.packed && typed.occurrences == 1;
            tensor_.data = bytes == 0  ? OnnxData::None
                           : asTheyAre ? OnnxData::Raw
                                       : OnnxData::Typed;
            tensor_.begin = asTheyAre ? typed.begin : begin_;
            tensor_.end = asTheyAre ? typed.end : end_;
        }
    }

    ProtoFile& file_;
    std::uint64_t begin_;
    std::uint64_t end_;
    OnnxTensor tensor_;
    ProtoField raw_;
    std::map<std::uint32_t, TypedCount> typed_;
    std::uint64_t strings_ = 0;
    bool hasRaw_ = false;
    bool external_ = false;
    bool segment_ = false;
    bool cut_ = false;
    bool tooManyDims_ = false;
};

/// Bytes that a number of a Typed tensor becomes.
std::uint64_t onnxNumberBytes(const OnnxTensor& tensor) {
    return static_cast<std::uint64_t>(
        std::max(tensor.type->bits / (tensor.type->isComplex() ? 16 : 8), 1));
}

/// Appends a number as the bytes of an element.
void append(std::vector<std::byte>& out, std::uint64_t value, std::uint64_t bytes) {
    for (std::uint64_t i = 0; i < bytes; ++i) {
        out.push_back(static_cast<std::byte>(value >> (8 * i)));
    }
}

}  // namespace

std::optional<std::uint64_t> onnxBytes(const OnnxTensor& tensor) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 57;
    const auto count = elementCount(tensor.dims);
    if (!count || *count >= kMost || tensor.type == nullptr) {
        return std::nullopt;
    }
    const auto bits = static_cast<std::uint64_t>(tensor.type->bits);
    return bits >= 8 ? *count * (bits / 8) : (*count * bits + 7) / 8;
}

Result<OnnxTensor> readOnnxTensor(ProtoFile& file, std::uint64_t begin, std::uint64_t end) {
    return TensorReader(file, begin, end).run();
}

namespace {

/// Every number of a Typed tensor in its order: where its bytes lie, and what they say. Ends where
/// `take` returns false.
template <class Take>
Result<void> walkTyped(ProtoFile& file, const OnnxTensor& tensor, Take&& take) {
    const std::uint32_t typed = kDataTypes[static_cast<std::size_t>(tensor.dataType)].field;
    const bool fixed = isFixed(typed);
    // AttributeProto: f 2, i 3, floats 7, ints 8.
    const auto isWanted = [&](std::uint32_t number) {
        return tensor.scalarAttribute ? number == (fixed ? 2U : 3U) || number == (fixed ? 7U : 8U)
                                      : number == typed;
    };
    const std::uint64_t width = onnxNumberBytes(tensor);
    ProtoMessage message(file, tensor.begin, tensor.end);
    ProtoField field;
    for (;;) {
        const Result<bool> more = message.next(field);
        if (!more) {
            return fail(more.error());
        }
        if (!*more) {
            break;
        }
        if (!isWanted(field.number)) {
            continue;
        }
        if (field.wire != ProtoWire::Bytes) {
            std::uint64_t begin = field.at;
            std::uint64_t tag = 0;
            std::uint64_t end = 0;
            std::uint64_t value = 0;
            if (!file.varint(begin, tensor.end, tag)) {
                break;
            }
            end = field.wire == ProtoWire::Fixed32 ? begin + 4 : begin + 8;
            if (field.wire == ProtoWire::Varint) {
                end = begin;
                static_cast<void>(file.varint(end, tensor.end, value));
            }
            if (!take(begin, end, field.value)) {
                break;
            }
            continue;
        }
        for (std::uint64_t at = field.begin; at < field.end;) {
            const std::uint64_t begin = at;
            std::uint64_t value = 0;
            if (fixed) {
                for (std::uint64_t i = 0; i < width; ++i) {
                    value |= std::uint64_t{file.byte(at++)} << (8 * i);
                }
            } else if (!file.varint(at, field.end, value)) {
                break;
            }
            if (!take(begin, at, value)) {
                return file.error();
            }
        }
    }
    return file.error();
}

}  // namespace

Result<std::vector<std::byte>> decodeOnnxTyped(ProtoFile& file, const OnnxTensor& tensor) {
    std::vector<std::byte> out;
    const std::uint64_t width = onnxNumberBytes(tensor);
    Result<void> walked =
        walkTyped(file, tensor, [&](std::uint64_t, std::uint64_t, std::uint64_t value) {
            append(out, value, width);
            return true;
        });
    if (!walked) {
        return fail(walked.error());
    }
    return out;
}

bool onnxIsVarint(const OnnxTensor& tensor) {
    return !isFixed(kDataTypes[static_cast<std::size_t>(tensor.dataType)].field);
}

Result<std::vector<OnnxNumberPlace>> locateOnnxTyped(ProtoFile& file,
                                                     const OnnxTensor& tensor,
                                                     std::span<const std::uint64_t> numbers) {
    std::vector<OnnxNumberPlace> places;
    std::uint64_t number = 0;
    Result<void> walked = walkTyped(
        file, tensor, [&](std::uint64_t begin, std::uint64_t end, std::uint64_t /*value*/) {
            while (places.size() < numbers.size() && numbers[places.size()] == number) {
                places.push_back({begin, end});
            }
            ++number;
            return places.size() < numbers.size();
        });
    if (!walked) {
        return fail(walked.error());
    }
    if (places.size() != numbers.size()) {
        return fail(ErrorCode::Damaged,
                    "tensor \"" + tensor.name + "\": expected more than " + std::to_string(number) +
                        " numbers",
                    filePosition(file.file()->path(), tensor.at));
    }
    return places;
}

}  // namespace loupe

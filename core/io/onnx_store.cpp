// SPDX-License-Identifier: Apache-2.0
#include "core/io/onnx_store.hpp"

#include "core/base/text.hpp"
#include "core/io/layout.hpp"
#include "core/io/rows.hpp"

#include <map>
#include <system_error>

namespace loupe {

namespace {

namespace fs = std::filesystem;

class Locator {
public:
    explicit Locator(OnnxStore& store) : store_(store) {}

    void run() {
        for (const OnnxTensor& tensor : store_.model.tensors) {
            OnnxStore::Place& place = store_.places.emplace_back();
            place.begin = tensor.begin;
            if (tensor.problem) {
                place.problem = Error{tensor.problem->code,
                                      "tensor \"" + tensor.name + "\": " + tensor.problem->what,
                                      tensor.problem->where,
                                      {}};
            } else if (tensor.data == OnnxData::External) {
                if (const std::string what = external(tensor, place); !what.empty()) {
                    place.problem = Error{ErrorCode::Damaged,
                                          "tensor \"" + tensor.name + "\": external data: " + what,
                                          filePosition(store_.files.front()->path(), tensor.at),
                                          {}};
                }
            }
        }
    }

private:
    static std::string valueOf(const OnnxTensor& tensor, std::string_view key) {
        for (const auto& [name, value] : tensor.external) {
            if (name == key) {
                return value;
            }
        }
        return {};
    }

    /// Empty where all is well, else what is wrong.
    std::string external(const OnnxTensor& tensor, OnnxStore::Place& place) {
        const std::string location = valueOf(tensor, "location");
        const fs::path relative(location);
        if (location.empty() || location.find('\0') != std::string::npos ||
            location.find('\\') != std::string::npos || relative.is_absolute()) {
            return "expected the name of a file in the model's folder, found \"" +
                   location.substr(0, location.find('\0')) + "\"";
        }
        for (const fs::path& part : relative) {
            if (part == "..") {
                return "expected a file in the model's folder, found \"" + location +
                       "\", which leads out of it";
            }
        }
        const std::string wrong = openFile(location, place.file);
        if (!wrong.empty()) {
            return wrong;
        }
        const std::uint64_t size = store_.files[place.file]->size();
        const std::uint64_t needed = onnxBytes(tensor).value_or(0);
        std::uint64_t offset = 0;
        std::uint64_t length = needed;
        for (const auto& [key, number] : {std::pair{"offset", &offset}, {"length", &length}}) {
            const std::string text = valueOf(tensor, key);
            const auto value = parseInteger(text);
            if (!text.empty() && (!value || *value < 0)) {
                return std::string(key) + ": expected a number of bytes, found \"" + text + "\"";
            }
            *number = text.empty() ? *number : static_cast<std::uint64_t>(*value);
        }
        if (length != needed) {
            return "expected a length of " + std::to_string(needed) + " bytes, found " +
                   std::to_string(length);
        }
        if (offset > size || needed > size - offset) {
            return "expected " + std::to_string(needed) + " bytes at " + std::to_string(offset) +
                   " of \"" + location + "\", found a file of " + std::to_string(size) + " bytes";
        }
        place.begin = offset;
        return {};
    }

    std::string openFile(const std::string& location, std::size_t& index) {
        const auto known = known_.find(location);
        if (known != known_.end()) {
            index = known->second.first;
            return known->second.second;
        }
        auto& entry = known_[location];
        const fs::path model = store_.files.front()->path();
        const fs::path folder = model.has_parent_path() ? model.parent_path() : fs::path(".");
        std::error_code error;
        const fs::path root = fs::canonical(folder, error);
        const fs::path target = error ? fs::path() : fs::canonical(folder / location, error);
        if (error) {
            entry.second = "cannot open \"" + location + "\": " + error.message();
            return entry.second;
        }
        const auto [end, rest] =
            std::mismatch(root.begin(), root.end(), target.begin(), target.end());
        if (end != root.end()) {
            entry.second = "expected a file in the model's folder, found \"" + location +
                           "\", a link that leads out of it";
            return entry.second;
        }
        auto file = MappedFile::open(target);
        if (!file) {
            entry.second = file.error().message();
            return entry.second;
        }
        entry.first = index = store_.files.size();
        store_.files.push_back(*file);
        return {};
    }

    OnnxStore& store_;
    std::map<std::string, std::pair<std::size_t, std::string>> known_;
};

}  // namespace

void OnnxStore::locate() {
    Locator(*this).run();
}

TensorInfo OnnxStore::info(std::size_t index) const {
    const OnnxTensor& tensor = model.tensors[index];
    const Place& place = places[index];
    TensorInfo made;
    made.name = tensor.name;
    made.type = tensor.type;
    made.dtypeName = tensor.dtypeName;
    made.problem = place.problem;
    made.file = static_cast<int>(place.file);
    const auto count = elementCount(tensor.dims);
    if (count) {
        made.shape = tensor.dims;
        made.parameters = *count;
    }
    if (made.problem) {
        return made;
    }
    made.bytes = onnxBytes(tensor).value_or(0);
    if (tensor.data == OnnxData::Raw || tensor.data == OnnxData::External) {
        made.offset = place.begin;
    }
    return made;
}

Result<std::shared_ptr<const RowSource>> OnnxStore::rows(const TensorInfo& tensor,
                                                         std::size_t index) const {
    const OnnxTensor& stored = model.tensors[index];
    const Place& place = places[index];
    if (place.problem) {
        return fail(*place.problem);
    }
    const std::shared_ptr<const MappedFile>& file = files[place.file];
    if (Result<void> same = file->checkUnchanged(); !same) {
        return fail(same.error());
    }
    const std::uint64_t bytes = onnxBytes(stored).value_or(0);
    if (stored.data != OnnxData::Typed) {
        return layoutRows(tensor, {file, place.begin, bytes, stored.type, 0, nullptr});
    }
    ProtoFile reader(file);
    Result<std::vector<std::byte>> values = decodeOnnxTyped(reader, stored);
    if (!values) {
        return fail(values.error());
    }
    if (values->size() != bytes) {
        return fail(ErrorCode::Damaged,
                    "tensor \"" + tensor.name + "\": expected " + std::to_string(bytes) +
                        " bytes of numbers, found " + std::to_string(values->size()),
                    filePosition(file->path(), stored.at));
    }
    return layoutRows(tensor,
                      {MappedFile::fromBytes(std::move(*values), file->path()),
                       0,
                       bytes,
                       stored.type,
                       0,
                       nullptr});
}

}  // namespace loupe

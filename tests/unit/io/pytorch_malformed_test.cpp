// SPDX-License-Identifier: Apache-2.0
// PyTorch files and .npz archives that lie, that are cut off and that want to run programs: each
// gives one clear error or marks the tensor, and nothing runs.
#include "tests/unit/io/pickle_support.hpp"

#include <map>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;

namespace {

struct BadFile {
    std::string what;      ///< what is wrong with it
    std::string file;      ///< its bytes
    std::string expected;  ///< part of the message
    std::string name = "x.pt";
};

/// The first complaint: of the file, of a tensor, or a warning.
std::string complaintOf(const BadFile& bad) {
    const Opened source = openBytes(bad.file, bad.name);
    if (!source) {
        CHECK_THAT(source.error().where, ContainsSubstring(bad.name));
        return source.error().message();
    }
    std::string text;
    for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
        const TensorInfo& tensor = (*source)->tensors()[i];
        const auto matrix = (*source)->matrix(i);
        CHECK_FALSE((matrix.has_value() && tensor.problem.has_value()));
        if (!matrix) {
            CHECK_THAT(matrix.error().where, ContainsSubstring(bad.name));
            text += matrix.error().message() + "\n";
        }
    }
    for (const std::string& warning : (*source)->info().warnings) {
        text += warning + "\n";
    }
    return text.empty() ? "no complaint" : text;
}

const std::string kFloats = pickledStorage("FloatStorage", "0", 6);

std::string tensorFile(std::int64_t start,
                       const std::vector<std::int64_t>& sizes,
                       const std::vector<std::int64_t>& strides) {
    return torchZip(pickledDict(pickledTensor(kFloats, start, sizes, strides)));
}

/// Calls of functions that reach out; the command would leave a file behind.
std::vector<BadFile> programs(const std::string& command) {
    const std::vector<std::pair<std::string, std::string>> functions{
        {"os", "system"},
        {"posix", "system"},
        {"nt", "system"},
        {"subprocess", "Popen"},
        {"subprocess", "getoutput"},
        {"builtins", "eval"},
        {"builtins", "exec"},
        {"__builtin__", "execfile"},
        {"builtins", "__import__"},
        {"builtins", "open"},
        {"builtins", "getattr"},
        {"importlib", "import_module"},
        {"runpy", "run_path"},
        {"webbrowser", "open"},
        {"shutil", "rmtree"},
        {"socket", "create_connection"},
        {"sys", "exit"},
        {"pickle", "loads"},
        {"operator", "methodcaller"},
        {"ctypes", "CDLL"},
        {"pty", "spawn"},
        {"torch.utils.os", "system"},
        {"torch", "os.system"},
        {"asyncio.unix_events", "x"},
        {"pip", "main"},
        {"code", "interact"},
        {"timeit", "timeit"},
        {"multiprocessing.util", "spawnv_passfds"},
        {"urllib.request", "urlopen"},
        {"types", "FunctionType"}};
    std::vector<BadFile> files;
    for (const auto& [module, name] : functions) {
        std::string full = module;
        full += "." + name;
        files.push_back({full,
                         torchZip(pickledDict(pickledCall(module, name, command))),
                         "would execute " + full});
    }
    const std::string call = pickledCall("os", "system", command);
    const std::string good = pickledTensor(kFloats, 0, {2, 3}, {3, 1});
    const std::string named = joined({"\x8c\x02os\x8c\x06system\x93", pickled(command), "\x85R"});
    const std::string os = "would execute os.system";
    files.push_back({"a call as the root", torchZip(kPickleStart + call + "."), os});
    files.push_back(
        {"STACK_GLOBAL", torchZip(joined({"\x80\x04}", pickled("w"), named, "s."})), os});
    files.push_back(
        {"beside a good tensor",
         torchZip(joined({kPickleStart, "}", pickled("a"), good, "s", pickled("b"), call, "s."})),
         os});
    files.push_back(
        {"among the hooks of a tensor",
         torchZip(pickledDict(joined({pickledGlobal("torch._utils", "_rebuild_parameter"),
                                      "(",
                                      good,
                                      "\x89",
                                      call,
                                      "tR"}))),
         os});
    files.push_back({"as a key", torchZip(joined({kPickleStart, "}", call, "Ns."})), os});
    files.push_back({"as a state",
                     torchZip(pickledDict(joined({pickledGlobal("a", "B"), ")\x81", call, "b"}))),
                     os});
    files.push_back({"as a storage's class",
                     torchZip(pickledDict(joined({"(",
                                                  pickled("storage"),
                                                  pickledGlobal("os", "system"),
                                                  pickled("0"),
                                                  pickled("cpu"),
                                                  pickled(6),
                                                  "tQ"}))),
                     os});
    files.push_back({"popped again", torchZip(joined({kPickleStart, call, "0}."})), os});
    files.push_back({"the result of a call is called",
                     torchZip(pickledDict(joined({pickledGlobal("a", "b"), ")R)R"}))),
                     "would execute something that it computes first"});
    files.push_back({"a class of the user",
                     torchZip(pickledDict(pickledCall("my.models", "Net", command))),
                     "would execute my.models.Net"});
    files.push_back({"INST",
                     torchZip(joined({kPickleStart, "(", pickled(command), "ios\nsystem\n."})),
                     "found INST, which would execute os.system; refused"});
    files.push_back(
        {"OBJ",
         torchZip(
             joined({kPickleStart, "(", pickledGlobal("os", "system"), pickled(command), "o."})),
         "found OBJ, which would execute os.system; refused"});
    files.push_back({"NEWOBJ_EX",
                     torchZip(joined({"\x80\x04", pickledGlobal("os", "system"), ")}\x92."})),
                     "found NEWOBJ_EX"});
    files.push_back({"EXT1", torchZip(joined({kPickleStart, "\x82\x01."})), "found EXT1"});
    files.push_back({"PERSID", torchZip(joined({kPickleStart, "Pstorage\n."})), "found PERSID"});
    files.push_back({"the form before 1.6",
                     torchLegacy(pickledDict(call), legacyStorages(6, std::string(24, '\1'))),
                     os});
    files.push_back({"a pickle of something else", joined({"\x80\x04", named, "."}), os});
    files.push_back(
        {"protocol 0", joined({"cos\nsystem\n(S'", command, "'\ntR."}), "found STRING"});
    files.push_back({"the constants of a script",
                     zipOf({{"m/data.pkl", kPickleStart + "}."},
                            {"m/constants.pkl", kPickleStart + call + "."}}),
                     os});
    return files;
}

std::vector<BadFile> badPickles() {
    std::vector<BadFile> files;
    const auto add = [&](const char* what, const std::string& ops, const char* expected) {
        files.push_back({what, torchZip(kPickleStart + ops), expected});
    };
    add("nothing after PROTO", "", "expected STOP");
    add("STOP of an empty stack", ".", "expected an object on the stack");
    add("no STOP", "}", "expected STOP");
    add("POP of an empty stack", "0}.", "expected an object on the stack");
    add("APPEND to nothing", "Na.", "expected an object on the stack");
    add("APPEND to a dictionary", "}Na.", "expected a container");
    add("APPENDS without a mark", "]Ne.", "expected a mark");
    add("SETITEM in a list", "]NNs.", "expected a container");
    add("SETITEMS of a key alone", "}(Nu.", "a key alone");
    add("TUPLE without a mark", "Nt.", "expected a mark");
    add("TUPLE3 of one", "N\x87.", "expected an object on the stack");
    add("REDUCE of one", "NR.", "expected an object on the stack");
    add("REDUCE without a tuple", "ca\nb\nNR.", "expected a tuple");
    add("BUILD of one", "Nb.", "expected an object on the stack");
    add("a memo that is not there", "h\x05.", "found none under 5");
    add("a large memo that is not there",
        joined({"j", little(0xFFFFFFFF, 4), "."}),
        "found none under 4294967295");
    add("BINPUT of nothing", joined({"q", little(0, 1), "."}), "expected an object on the stack");
    add("GLOBAL without its lines", "cos", "end of line");
    add("GLOBAL of a long name", joined({"c", std::string(5000, 'a'), "\nb\n."}), "end of line");
    add("STACK_GLOBAL of numbers", "K\x01K\x02\x93.", "names of a module");
    add("text longer than the file",
        joined({"X", little(1U << 30, 4), "abc."}),
        "expected 1073741824 bytes");
    add("text of 2^63 bytes",
        joined({"\x8d", little(std::uint64_t{1} << 63, 8), "abc."}),
        "expected 9223372036854775808 bytes");
    add("bytes of 2^64 - 1",
        joined({"\x8e", little(~std::uint64_t{0}, 8), "abc."}),
        "expected 18446744073709551615 bytes");
    add("a bytearray of 2^62 bytes",
        joined({"\x96", little(std::uint64_t{1} << 62, 8), "."}),
        "expected 4611686018427387904 bytes");
    add("LONG1 cut off", "\x8a\xff\x01.", "expected 255 bytes");
    add("LONG4 of 2 GiB",
        joined({"\x8b", little(0x7FFFFFFF, 4), "."}),
        "expected 2147483647 bytes");
    add("BINFLOAT cut off", "G\x01\x02", "expected 8 bytes");
    add("an unknown opcode", "\xff.", "the byte 255");
    add("protocol 9", joined({"\x80\x09", "}."}), "protocol 2 to 5");
    add("INT of protocol 0", "I1\n.", "found INT");
    add("an out-of-band buffer", "\x97.", "found NEXT_BUFFER");
    files.push_back({"an empty pickle", torchZip(""), "expected STOP"});
    std::string bomb = "]";  // each list holds the one before twice: 2^60 names
    for (int i = 0; i < 60; ++i) {
        bomb += joined({"q",
                        little(static_cast<std::uint64_t>(i), 1),
                        "](h",
                        little(static_cast<std::uint64_t>(i), 1),
                        "h",
                        little(static_cast<std::uint64_t>(i), 1),
                        "e"});
    }
    add("a memo bomb", bomb + ".", "hold each other many times over");
    std::string wide = pickledTensor(kFloats, 0, {6}, {1});
    for (int i = 0; i < 40; ++i) {
        wide += joined({"q",
                        little(static_cast<std::uint64_t>(i), 1),
                        "}(",
                        pickled("a"),
                        "h",
                        little(static_cast<std::uint64_t>(i), 1),
                        pickled("b"),
                        "h",
                        little(static_cast<std::uint64_t>(i), 1),
                        "u"});
    }
    add("a bomb of dictionaries of one tensor", wide + ".", "hold each other many times over");
    add("a list that holds itself",
        joined({"]q", little(0, 1), "h", little(0, 1), "a."}),
        "hold themselves");
    add("an object that is its own state",
        joined({"ca\nB\n)\x81q", little(0, 1), "h", little(0, 1), "b."}),
        "hold themselves");
    std::string deep(100000, ']');
    deep += pickledTensor(kFloats, 0, {6}, {1});
    deep += std::string(100000, 'a');
    add("100000 lists in each other", deep + ".", "nested deeper than 128 levels");
    add("names of a megabyte",
        joined(
            {"}", pickled(std::string(1 << 20, 'n')), pickledTensor(kFloats, 0, {6}, {1}), "s."}),
        "names of over 1024 bytes");
    return files;
}

std::vector<BadFile> badTensors() {
    constexpr std::int64_t kHuge = std::int64_t{1} << 62;
    std::vector<BadFile> files;
    const auto add = [&](const char* what, const std::string& file, const char* expected) {
        files.push_back({what, file, expected});
    };
    const auto dict = [](const std::string& tensor) { return torchZip(pickledDict(tensor)); };
    add("beyond the storage", tensorFile(0, {3, 3}, {3, 1}), "view of the 6 elements");
    add("a start beyond the storage", tensorFile(6, {1}, {1}), "view of the 6 elements");
    add("a stride beyond the storage", tensorFile(0, {2, 3}, {4, 1}), "view of the 6 elements");
    add("a start of 2^62", tensorFile(kHuge, {1}, {1}), "view of the 6 elements");
    add("a negative start", tensorFile(-1, {1}, {1}), "not negative");
    add("a negative stride", tensorFile(5, {6}, {-1}), "not negative");
    add("a negative size", tensorFile(0, {-2, 3}, {3, 1}), "not negative");
    add("a stride of 2^62", tensorFile(0, {3}, {kHuge}), "below 2^58");
    add("a size of 2^62", tensorFile(0, {kHuge}, {1}), "below 2^58");
    add("sizes whose product overflows", tensorFile(0, {kHuge, 8, kHuge}, {0, 0, 0}), "below 2^58");
    add("sums of strides that overflow",
        tensorFile(0, {3, 3, 3}, {kHuge, kHuge, kHuge}),
        "below 2^58");
    add("one element repeated 2^40 times",
        tensorFile(0, {1 << 20, 1 << 20}, {0, 0}),
        "repeated at most 1024 times");
    add("overlapping windows without end",
        tensorFile(0, {std::int64_t{1} << 50}, {0}),
        "repeated at most 1024 times");
    add("more strides than sizes", tensorFile(0, {6}, {1, 1}), "not negative");
    add("70 dimensions",
        tensorFile(0, std::vector<std::int64_t>(70, 1), std::vector<std::int64_t>(70, 1)),
        "other arguments");
    add("more elements than the member holds",
        dict(pickledTensor(pickledStorage("FloatStorage", "0", 7), 0, {6}, {1})),
        "expected 7 elements of 4 bytes in storage \"0\", found 24 bytes");
    add("2^62 elements in the storage",
        dict(pickledTensor(pickledStorage("DoubleStorage", "0", kHuge), 0, {6}, {1})),
        "found 24 bytes");
    add("a storage of -1 elements",
        dict(pickledTensor(pickledStorage("FloatStorage", "0", -1), 0, {6}, {1})),
        "other arguments");
    add("a storage that is not there",
        dict(pickledTensor(pickledStorage("FloatStorage", "9", 6), 0, {6}, {1})),
        "expected its storage in member \"m/data/9\"");
    add("a storage outside of its folder",
        dict(pickledTensor(pickledStorage("FloatStorage", "../../../etc/passwd", 6), 0, {6}, {1})),
        "found no such member");
    add("an unknown storage class",
        dict(pickledTensor(pickledStorage("WeirdStorage", "0", 6), 0, {6}, {1})),
        "other arguments");
    add("a quantized storage by itself", dict(pickledStorage("QInt8Storage", "0", 6)), "qint8");
    add("a quantized storage in a plain tensor",
        dict(pickledTensor(pickledStorage("QInt8Storage", "0", 6), 0, {6}, {1})),
        "qint8");
    add("a tensor of text",
        dict(pickledTensor(pickled("storage"), 0, {6}, {1})),
        "other arguments");
    add("a tensor of nothing",
        dict(joined({pickledGlobal("torch._utils", "_rebuild_tensor_v2"), ")R"})),
        "other arguments");
    add("an unknown dtype",
        dict(pickledTensorV3(pickledStorage("UntypedStorage", "0", 24), {6}, {1}, "float3")),
        "torch.float3");
    add("a dtype without values here",
        dict(pickledTensorV3(pickledStorage("UntypedStorage", "0", 24), {6}, {1}, "complex32")),
        "complex32");
    add("too many elements of a wider dtype",
        dict(pickledTensorV3(pickledStorage("UntypedStorage", "0", 24), {4}, {1}, "float64")),
        "view of the 3 elements");
    add("4-bit floats with gaps",
        dict(pickledTensorV3(
            pickledStorage("UntypedStorage", "0", 24), {6}, {2}, "float4_e2m1fn_x2")),
        "pairs of 4-bit floats");
    return files;
}

std::vector<BadFile> badArchives() {
    const std::string good = pickledDict(pickledTensor(kFloats, 0, {2, 3}, {3, 1}));
    const std::string turned = pickledDict(pickledTensor(kFloats, 0, {3, 2}, {1, 3}));
    const std::string data(24, '\1');
    std::string damagedStream = deflateStored(data);
    damagedStream[3] = 'x';
    const std::string whole = torchZip(good);
    return {
        {"no data.pkl", zipOf({{"m/data/0", data}, {"m/version", "3\n"}}), "found none among 2"},
        {"data.pkl twice", zipOf({{"m/data.pkl", good}, {"m/data.pkl", good}}), "twice"},
        {"two top folders",
         zipOf({{"a/data.pkl", good}, {"b/data.pkl", good}}),
         "expected one data.pkl"},
        {"a storage twice",
         zipOf({{"m/data.pkl", good}, {"m/data/0", data}, {"m/data/0", data}}),
         "\"m/data/0\" twice"},
        {"another byte order",
         zipOf({{"m/data.pkl", good}, {"m/data/0", data}, {"m/byteorder", "middle"}}),
         "found \"middle\""},
        {"a deflated storage that is damaged",
         zipOf({{"m/data.pkl", good}, {"m/data/0", damagedStream, true, data}}),
         "deflated data"},
        {"a deflated storage of too few bytes",
         zipOf({{"m/data.pkl", good}, {"m/data/0", deflateStored("abc"), true, data}}),
         "deflated data"},
        {"a deflated storage read by columns",
         zipOf({{"m/data.pkl", turned}, deflatedEntry("m/data/0", data)}),
         "a storage that is not compressed"},
        {"a deflated pickle that is damaged",
         zipOf({{"m/data.pkl", "\xff\xff\xff", true, good}, {"m/data/0", data}}),
         "deflated data"},
        {"the end cut off", whole.substr(0, whole.size() - 30), "expected an end record"},
        {"an archive without members", zipOf({}), "found none among 0"},
        {"PYTORCH1", "PYTORCH1" + std::string(100, '\0'), "PYTORCH1"},
        {"the oldest form",
         joined({"storages", std::string(249, '\0'), "ustar", std::string(300, '\0')}),
         "a tar archive"},
        {"an empty file", "", "empty file"},
        {"text", "hello, world, this is no checkpoint", "found neither"},
    };
}

std::vector<BadFile> badLegacy() {
    const std::string data(24, '\1');
    const std::string good = pickledDict(pickledTensor(kFloats, 0, {2, 3}, {3, 1}));
    const std::string start = torchLegacy("", "");
    return {
        {"protocol 1002",
         joined({start.substr(0, start.find('M') + 1),
                 "\xea\x03.",
                 kPickleStart,
                 "}.",
                 good,
                 legacyStorages(6, data)}),
         "protocol 1001"},
        {"another magic number",
         joined({kPickleStart, "\x8a\x0a", std::string(10, '\1'), "."}),
         "expected its magic number"},
        {"no object", start, "expected STOP"},
        {"no list of storages", torchLegacy(good, ""), "expected STOP"},
        {"a list of storages that is a number",
         torchLegacy(good, kPickleStart + "N."),
         "expected a list of storages"},
        {"an empty list of storages",
         torchLegacy(good, kPickleStart + "]."),
         "expected its storage \"0\" in the file, found none"},
        {"a storage that no tensor has",
         torchLegacy(good, joined({kPickleStart, "]", pickled("7"), "a.", little(1, 8), data})),
         "belongs to no tensor"},
        {"2^63 elements",
         torchLegacy(good, legacyStorages(std::uint64_t{1} << 63, data)),
         "expected 9223372036854775808 elements"},
        {"fewer elements than the pickle says",
         torchLegacy(good, legacyStorages(5, data)),
         "expected 6 elements of 4 bytes in storage \"0\", found 20 bytes"},
        {"a storage cut off",
         torchLegacy(good, legacyStorages(6, data.substr(1))),
         "expected 6 elements"},
        {"no count",
         torchLegacy(good, joined({kPickleStart, "]", pickled("0"), "a.", "abc"})),
         "the file ends before it"},
        {"bytes after the end",
         torchLegacy(good, legacyStorages(6, data + "more")),
         "4 bytes after the last storage were ignored"},
    };
}

std::string npyOf(const std::string& header, const std::string& data) {
    return joined({std::string("\x93NUMPY\x01\x00", 8), little(header.size(), 2), header, data});
}

std::vector<BadFile> badNpz() {
    const std::string header = "{'descr':'<f4','fortran_order':False,'shape':(6,)}\n";
    const std::string data(24, '\1');
    const std::string array = npyOf(header, data);
    const std::string huge =
        npyOf("{'descr':'<f4','fortran_order':False,'shape':(1000000000000,)}\n", data);
    const std::string objects = npyOf("{'descr':'|O','fortran_order':False,'shape':(1,)}\n", data);
    std::string bomb = zipOf({deflatedEntry("a.npy", array)});
    const std::size_t entry = bomb.find("PK\x01\x02");
    bomb.replace(entry + 24, 4, little(0xFFFFFFF0, 4));
    std::vector<BadFile> files{
        {"an array twice", zipOf({{"a.npy", array}, {"a.npy", array}}), "\"a\" twice"},
        {"a deflated array twice",
         zipOf({deflatedEntry("a.npy", array), deflatedEntry("a.npy", array)}),
         "\"a\" twice"},
        {"a size that no stream has", bomb, "can hold"},
        {"a shape larger than the member", zipOf({{"a.npy", huge}}), "4000000000000 bytes"},
        {"the same deflated", zipOf({deflatedEntry("a.npy", huge)}), "4000000000000 bytes"},
        {"pickled objects", zipOf({{"a.npy", objects}}), "objects"},
        {"no array in an array's member", zipOf({{"a.npy", "hello"}}), "not a .npy file"},
        {"an empty member", zipOf({{"a.npy", ""}}), "not a .npy file"},
        {"a header beyond the member",
         zipOf({{"a.npy", joined({std::string("\x93NUMPY\x01\x00", 8), little(60000, 2)})}}),
         "header length"},
        {"a header that is evaluated",
         zipOf({{"a.npy", npyOf("__import__('os').system('true')\n", data)}}),
         "header: expected"},
        {"a deflated header that is damaged",
         zipOf({{"a.npy", std::string("\xff\xff", 2), true, array}}),
         "deflated data"},
        {"deflated data that end early",
         zipOf({{"a.npy", deflateStored(array.substr(0, array.size() - 9)), true, array}}),
         "deflated data"},
    };
    for (BadFile& bad : files) {
        bad.name = "x.npz";
    }
    return files;
}

void check(const std::vector<BadFile>& files) {
    for (const BadFile& bad : files) {
        CAPTURE(bad.what);
        CHECK_THAT(complaintOf(bad), ContainsSubstring(bad.expected));
    }
}

/// Whatever comes in: tensors that can be read or say why not, or one clear error.
void survive(const std::string& file, const std::string& name) {
    const Opened source = openBytes(file, name);
    if (!source) {
        CHECK_FALSE(source.error().what.empty());
        CHECK_FALSE(source.error().where.empty());
        return;
    }
    for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
        const TensorInfo& tensor = (*source)->tensors()[i];
        const auto matrix = (*source)->matrix(i);
        if (!matrix) {
            CHECK_FALSE(matrix.error().where.empty());
        } else if (tensor.rows > 0 && tensor.cols > 0) {
            REQUIRE(tensor.bytes <= file.size() * 1032);
            REQUIRE(tensor.parameters <= (std::uint64_t{1} << 23));
            std::vector<double> row(static_cast<std::size_t>(tensor.cols));
            CHECK((*matrix)->read(tensor.rows - 1, 1, row.data()).has_value());
        }
    }
}

}  // namespace

TEST_CASE("pytorch: what would run a program is named, refused and not run") {
    const std::filesystem::path marker = scratchDir() / "it-ran";
    const std::vector<BadFile> files = programs("touch " + marker.string());
    CHECK(files.size() >= 45);
    check(files);
    CHECK_FALSE(std::filesystem::exists(marker));
}

TEST_CASE("pytorch: a getattr that real detectors are saved with is told, its result not called") {
    const std::string call = joined({pickledGlobal("__builtin__", "getattr"),
                                     "(",
                                     pickledGlobal("models", "Net"),
                                     pickled("forward"),
                                     "tR"});
    const std::string tensor = pickledTensor(kFloats, 0, {2, 3}, {3, 1});
    const std::string both =
        joined({kPickleStart, "}", pickled("w"), tensor, "s", pickled("f"), call, "s."});
    const Opened source = openBytes(torchZip(both), "x.pt");
    REQUIRE(source.has_value());
    CHECK((*source)->tensors().size() == 1);
    CHECK_THAT((*source)->info().warnings.at(0),
               ContainsSubstring("would execute __builtin__.getattr"));
    const Opened called = openBytes(torchZip(pickledDict(call + ")R")), "x.pt");
    REQUIRE_FALSE(called.has_value());
    CHECK_THAT(called.error().what, ContainsSubstring("something that it computes first"));
}

TEST_CASE("pytorch: damaged pickles") {
    check(badPickles());
}

TEST_CASE("pytorch: tensors that do not fit their storage are marked") {
    check(badTensors());
}

TEST_CASE("pytorch: damaged archives and older forms") {
    check(badArchives());
    check(badLegacy());
}

TEST_CASE("npz: arrays that lie") {
    check(badNpz());
}

TEST_CASE("pytorch: files cut off at every byte, and every byte changed") {
    for (const char* name : {"types.pt",
                             "types_legacy.pt",
                             "training.ckpt",
                             "training_legacy.bin",
                             "script.pt",
                             "types_protocol4.pt",
                             "deflated.pt",
                             "module.pt"}) {
        CAPTURE(name);
        const std::string file = readFile(goldenDir() / "io" / "pytorch" / name);
        REQUIRE_FALSE(file.empty());
        const std::size_t step = file.size() > 3000 ? 5 : 1;
        for (std::size_t length = 0; length < file.size(); length += step) {
            CAPTURE(length);
            survive(file.substr(0, length), name);
        }
        for (std::size_t at = 0; at < file.size(); at += step) {
            for (const int flip : {0x01, 0x80, 0xFF}) {
                CAPTURE(at, flip);
                std::string changed = file;
                changed[at] = static_cast<char>(changed[at] ^ flip);
                survive(changed, name);
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// CSV and .npy headers: what is read, and what the errors name.
#include "tests/unit/io/io_support.hpp"

#include <cmath>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string npyFile(const std::string& header, std::size_t dataBytes, char version = 1) {
    std::string file("\x93NUMPY", 6);
    file += version;
    file += '\0';
    file += static_cast<char>(header.size() & 0xFF);
    file += static_cast<char>(header.size() >> 8);
    if (version > 1) {
        file += std::string(2, '\0');
    }
    return file + header + std::string(dataBytes, '\1');
}

}  // namespace

TEST_CASE("numbers as text: separators, header, blanks, line ends") {
    const std::vector<std::string> same{"1,2.5\n-3e2,4\n",
                                        "1;2.5\n-3e2;4",
                                        "1\t2.5\r\n-3e2\t4\r\n",
                                        "1 2.5\n -3e2   4 \n\n",
                                        "\xEF\xBB\xBF"
                                        "1,2.5\n-3e2,4\n",
                                        "a,b\n1,2.5\n-3e2,4\n",
                                        "\"1\", 2.5\n-3e2,+4\n",
                                        "# x y\n1 2.5\n-3e2 4\n",
                                        "1,2.5\n\n-3e2,4\n"};
    for (const std::string& text : same) {
        CAPTURE(text);
        const Opened source = openBytes(text, "dir/data.csv");
        REQUIRE(source.has_value());
        CHECK((*source)->info().format == "csv");
        const auto matrix = matrixOf(**source, "data");
        CHECK(matrix->isDouble());
        CHECK(matrix->rows() == 2);
        CHECK(readAll(*matrix) == std::vector<double>{1, 2.5, -300, 4});
    }
    const Opened header = openBytes("first second\n1 2\n", "x.txt");
    REQUIRE(header.has_value());
    CHECK((*header)->info().metadata ==
          std::vector<std::pair<std::string, std::string>>{{"header", "first second"}});
    const Opened special = openBytes("nan,inf,-inf,0.1\n", "x.csv");
    REQUIRE(special.has_value());
    const auto values = readAll(*matrixOf(**special, "x"));
    CHECK(std::isnan(values[0]));
    CHECK(values[1] == HUGE_VAL);
    CHECK(values[3] == 0.1);
    const Opened turned = openBytes("1,2\n3,4\n5,6\n", "x.csv", {Layout::InOut});
    REQUIRE(turned.has_value());
    CHECK(readAll(*matrixOf(**turned, "x")) == std::vector<double>{1, 3, 5, 2, 4, 6});
}

TEST_CASE("errors in text name line, column and byte") {
    struct Case {
        std::string text, what, where;
    };
    const std::vector<Case> cases{
        {"1,2\n3,x4\n", "line 2: expected a number in column 2, found \"x4\"", "x.csv:6"},
        {"a,b\n1,2\n3\n", "line 3: expected 2 columns as in the first row, found 1", "x.csv:8"},
        {"1,2\n3,4,5\n", "line 2: expected 2 columns as in the first row, found more", "x.csv:4"},
        {"1,2\n3,\n", "line 2: expected a number in column 2, found nothing", "x.csv:6"},
        {"1 2\nand 3\n", "line 2: expected a number in column 1, found \"and\"", "x.csv:4"},
        {"a,b1\n", "at least one line of numbers", "x.csv:0"},
    };
    for (const Case& item : cases) {
        const Opened source = openBytes(item.text, "x.csv");
        REQUIRE_FALSE(source.has_value());
        CHECK_THAT(source.error().what, ContainsSubstring(item.what));
        CHECK(source.error().where == item.where);
    }
}

TEST_CASE(".npy headers in every legal spelling") {
    for (const std::string header :
         {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n",
          "{'shape':(2L,1L),'fortran_order':False,'descr':'<f4'}",
          "{\"descr\": \"<f4\", 'fortran_order' : False , 'shape': ( 2 , 1 , ) }   \n"}) {
        for (const char version : {'\1', '\2', '\3'}) {
            const Opened source = openBytes(npyFile(header, 8, version), "x.npy");
            CAPTURE(header);
            REQUIRE(source.has_value());
            CHECK((*source)->tensors()[0].shape == std::vector<std::int64_t>{2, 1});
        }
    }
    const Opened trailing = openBytes(
        npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n", 11), "x.npy");
    REQUIRE(trailing.has_value());
    REQUIRE((*trailing)->info().warnings.size() == 1);
    CHECK_THAT((*trailing)->info().warnings[0], ContainsSubstring("3 bytes after the array"));
}

TEST_CASE("damaged .npy files are refused") {
    const std::string shape = "'fortran_order': False, 'shape': ";
    const std::vector<std::pair<std::string, std::string>> cases{
        {npyFile("{'descr': '<f4', " + shape + "(3,)}", 8),
         "expected 12 bytes of data for the shape, found 8"},
        {npyFile("{'descr': '<f4', " + shape + "(9223372036854775807,)}", 8),
         "fewer than 2^62 bytes"},
        {npyFile("{'descr': '<f4', " + shape + "(4294967296,4294967296)}", 8),
         "fewer than 2^62 bytes"},
        {npyFile("{'descr': '<f4', " + shape + "(-1,)}", 8), "a dimension"},
        {npyFile("{'descr': '<f4', " + shape + "(99999999999999999999,)}", 8), "a dimension"},
        {npyFile("{'descr': '<f4', " + shape + "(1.5,)}", 8), "',' or ')'"},
        {npyFile("{'descr': '<f4', " + shape + "[1]}", 8), "'('"},
        {npyFile("{'descr': '<f4', 'descr': '<f4'}", 8), "once each"},
        {npyFile("{'descr': '<f4'}", 8), "the keys descr"},
        {npyFile("{'descr': __import__('os').system('true')}", 8), "a dtype in quotes"},
        {npyFile("{'descr': '<f4', 'fortran_order': 1, 'shape': ()}", 8), "True or False"},
        {npyFile("{'descr': '<q9', " + shape + "()}", 8), "expected a dtype"},
        {npyFile("{'descr': '', " + shape + "()}", 8), "expected a dtype"},
        {npyFile("{'descr': '<f16', " + shape + "()}", 16), "extended-precision"},
        {npyFile("{'descr': '<f4', " + shape + "()} 1", 4), "nothing after"},
        {npyFile("", 0), "'{'"},
        {npyFile("{", 0), "a key in quotes"},
        {npyFile("{'", 0), "a key in quotes"},
        {npyFile("{}", 0, '\4'), "version 1, 2 or 3, found 4.0"},
        {std::string("\x93NUMPY\1\0\xFF\xFF{", 11), "header length"},
        {std::string("\x93NUMPY\2\0\xFF\xFF\xFF\xFF{", 13), "header length"},
        {"\x93NUMPY", "not a .npy file"},
    };
    for (const auto& [file, text] : cases) {
        CAPTURE(file);
        const Opened source = openBytes(file, "x.npy");
        REQUIRE_FALSE(source.has_value());
        CHECK_THAT(source.error().what, ContainsSubstring(text));
        CHECK_THAT(source.error().where, ContainsSubstring("x.npy:"));
    }
}

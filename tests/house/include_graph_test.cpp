// Holds the include graph of this checkout against the list of rooms, and the checker against trees that
// break it.
#include "tests/house/include_graph.h"

#include <gtest/gtest.h>

namespace poro {
namespace {

TEST(IncludeGraph, OfThisCheckoutFollowsTheRooms) {
  const SourceTree tree = read_source_tree(PORO_SOURCE_DIR);
  ASSERT_TRUE(tree.contains("src/apps/main.cpp")) << "no sources under " << PORO_SOURCE_DIR;
  const std::vector<std::string> violations = include_violations(tree);
  EXPECT_TRUE(violations.empty()) << joined(violations);
}

// The files of made-up trees that others include.
SourceTree with_headers(SourceTree tree) {
  tree.insert(
      {{"src/base/error.h", ""}, {"src/ops/norm.h", "#include \"base/error.h\"\n"}, {"src/apps/chat.h", ""}});
  return tree;
}

TEST(IncludeGraph, AllowsItselfAndTheRoomsBefore) {
  EXPECT_EQ(
      joined(include_violations(with_headers({
          {"src/ops/norm.cpp", "#include \"ops/norm.h\"\n#include <vector>\n#include \"base/error.h\"\n"},
          {"src/ops/cuda/norm.cu", "#include <cuda_runtime.h>\n#include \"ops/norm.h\"\n"},
          {"src/base/version.cpp", "#include \"version.inc\"\n// #include \"apps/chat.h\"\n"},
          {"tests/base/error_test.cpp", "#include \"apps/chat.h\"\n#include <cuda_runtime.h>\n"},
      }))),
      "");
}

TEST(IncludeGraph, FindsWhatIsForbidden) {
  const std::vector<std::pair<SourceTree, std::string>> cases = {
      {{{"src/base/error.cpp", "#include \"ops/norm.h\"\n"}}, "ops comes after base"},
      {{{"src/ops/norm.cpp", "int x;\n  #  include  \"apps/chat.h\" // why\n"}}, "apps comes after ops"},
      {{{"src/ops/norm.cpp", "#include <cuda_runtime.h>\n"}}, "under a cuda/ folder"},
      {{{"src/ops/norm.cpp", "#include <nccl.h>\n"}}, "under a cuda/ folder"},
      {{{"src/ops/norm.cu", ""}}, "not under a cuda/ folder"},
      {{{"src/apps/chat.cpp", "#include \"tests/house/x.h\"\n"}}, "names a room"},
      {{{"src/apps/chat.cpp", "#include \"../base/error.h\"\n"}}, "names a room"},
      {{{"src/apps/chat.cpp", "#include \"chat.h\"\n"}}, "names a room"},
      {{{"src/ops/norm.cpp", "#include \"ops/nrom.h\"\n"}}, "no such file"},
      {{{"src/utilities/strings.h", ""}}, "in no room"},
      {{{"src/loose.cpp", ""}}, "in no room"},
  };
  for (const auto& [files, expected] : cases) {
    const std::vector<std::string> violations = include_violations(with_headers(files));
    ASSERT_EQ(violations.size(), 1u) << expected << "\n" << joined(violations);
    EXPECT_NE(violations[0].find(expected), std::string::npos) << violations[0];
  }
}

}  // namespace
}  // namespace poro

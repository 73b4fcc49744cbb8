// Runs a fuzz target over its committed corpus, as an ordinary test: every file of the folder given
// as the argument, once. Fails if the folder is missing or empty, so that a test cannot pass by
// running nothing.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

bool Replay(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    return false;
  }
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  std::error_code error;
  std::filesystem::directory_iterator entries(argv[1], error);
  if (error) {
    std::fprintf(stderr, "cannot open %s: %s\n", argv[1], error.message().c_str());
    return 1;
  }
  size_t replayed = 0;
  for (const auto& entry : entries) {
    if (!entry.is_regular_file()) continue;
    if (!Replay(entry.path())) return 1;
    ++replayed;
  }
  std::printf("replayed %zu inputs of %s\n", replayed, argv[1]);
  return replayed == 0 ? 1 : 0;
}

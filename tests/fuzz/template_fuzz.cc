// Any bytes as a statement: what has a template keeps its promises.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/unit/sql/template_oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  pgsidecar::sql::TemplateOracle oracle(size);
  for (int i = 0; i < 4; ++i) {
    const std::string fault = oracle.FaultOf(text);
    if (fault.empty()) continue;
    std::fprintf(stderr, "%s\n", fault.c_str());
    std::abort();
  }
  return 0;
}

// Trains with a binary that `ng.build` wrote, in C++.
//
//   run_binary FOLDER BATCHES.safetensors [STATE.safetensors]
//
// BATCHES holds a tensor for each input, by its name: all batches, one behind the other along a first axis.
// The first result of each is printed; the state is written at last. run_binary.mk builds it.
#include <cstdio>
#include <exception>

#include "binary.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s FOLDER BATCHES.safetensors [STATE.safetensors]\n", argv[0]);
    return 2;
  }
  try {
    setenv("TVM_BIND_THREADS", "0", 0);  // workers may run on any core
    nngraph::Binary step(argv[1]);
    auto batches = nngraph::Tensors::Parse(nngraph::ReadFile(argv[2]), argv[2]);
    std::vector<nngraph::Memory> columns;
    int64_t count = 1;
    for (const nngraph::Json& row : step.inputs()) {
      std::string name = nngraph::Text(row, "name");
      columns.push_back(batches.at(name));
      count = batches.shapes.at(name).at(0);
    }
    std::string kind = nngraph::Text(step.outputs().at(0), "dtype");
    for (int64_t i = 0; i < count; ++i) {
      nngraph::Memories batch;
      for (const nngraph::Memory& column : columns) {
        int64_t bytes = column.size() / count;
        batch.push_back(column.Part(i * bytes, bytes).Copy());  // aligned
      }
      nngraph::Memory first = step.Run(batch).at(0);
      std::printf("%.9g\n", kind == "float64" ? first.as<double>() : first.as<float>());
    }
    if (argc > 3) step.state().Write(argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}

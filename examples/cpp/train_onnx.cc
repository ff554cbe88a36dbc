// Trains a bundle of `ng.export` (docs/bundles.md) with onnxruntime's C++ API.
//
//   train_onnx BUNDLE BATCHES.safetensors [STATE.safetensors]
//
// BATCHES holds a tensor for each input, by its name: all batches, one behind the other along a
// first axis. The first result of each is printed; the state is written at last. The program needs
// onnxruntime and nlohmann/json (header only); train_onnx.mk builds it.
#include <onnxruntime_cxx_api.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::json;
using Shape = std::vector<int64_t>;

struct Kind {
  ONNXTensorElementDataType code;
  size_t bytes;
};

const Kind& KindOf(const Json& row) {
  static const std::map<std::string, Kind> kinds = {
      {"float64", {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, 8}},
      {"float32", {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, 4}},
      {"float16", {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, 2}},
      {"bfloat16", {ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, 2}},
      {"int64", {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, 8}},
      {"int32", {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, 4}},
      {"int16", {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, 2}},
      {"int8", {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, 1}},
      {"uint64", {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, 8}},
      {"uint32", {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, 4}},
      {"uint16", {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, 2}},
      {"uint8", {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, 1}},
      {"bool", {ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, 1}},
  };
  auto name = row.at("dtype").get<std::string>();
  if (!kinds.count(name)) throw std::runtime_error("tensors of " + name + " are not known here");
  return kinds.at(name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("there is no file " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A safetensors file: its bytes, and a header that says where each tensor lies in them.
struct Tensors {
  std::string path, bytes;
  Json header;
  size_t start;

  explicit Tensors(const std::string& file) : path(file), bytes(ReadFile(file)) {
    uint64_t length = 0;
    if (bytes.size() >= 8) std::memcpy(&length, bytes.data(), 8);
    if (bytes.size() < 8 || length > bytes.size() - 8) Refuse("is not a whole safetensors file");
    start = 8 + length;
    header = Json::parse(bytes.begin() + 8, bytes.begin() + start);
  }

  [[noreturn]] void Refuse(const std::string& what) const {
    throw std::runtime_error(path + " " + what);
  }

  Shape ShapeOf(const std::string& name) const {
    if (!header.contains(name)) Refuse("has no tensor " + name);
    auto shape = header.at(name).at("shape").get<Shape>();
    for (int64_t size : shape) {
      if (size < 0) Refuse("has a negative size in " + name);
    }
    return shape;
  }

  // Where so many bytes of a tensor begin.
  char* Data(const std::string& name, size_t wanted) {
    if (!header.contains(name)) Refuse("has no tensor " + name);
    auto [begin, end] = header.at(name).at("data_offsets").get<std::pair<size_t, size_t>>();
    if (end > bytes.size() - start || begin > end || end - begin != wanted)
      Refuse("has another number of bytes for " + name + " than its shape");
    return bytes.data() + start + begin;
  }
};

size_t BytesOf(const Shape& shape, const Kind& kind) {
  size_t bytes = kind.bytes;
  for (int64_t size : shape) bytes *= static_cast<size_t>(size);
  return bytes;
}

Ort::Value TensorOf(const Shape& shape, const Kind& kind, const void* data) {
  Ort::AllocatorWithDefaultOptions allocator;
  auto made = Ort::Value::CreateTensor(allocator, shape.data(), shape.size(), kind.code);
  std::memcpy(made.GetTensorMutableRawData(), data, BytesOf(shape, kind));
  return made;
}

// A host number: a learning rate, a seed. What JSON lacks is "Infinity", "-Infinity" or "NaN".
Ort::Value ScalarOf(const Json& row) {
  const Json& value = row.at("value");
  double number = value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
  float narrow = static_cast<float>(number);
  int64_t whole = value.is_number_integer() ? value.get<int64_t>() : static_cast<int64_t>(number);
  const Kind& kind = KindOf(row);
  if (kind.code == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) return TensorOf({}, kind, &narrow);
  if (kind.code == ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE) return TensorOf({}, kind, &number);
  return TensorOf({}, kind, &whole);  // of integers, the low bytes
}

Json ReadManifest(const std::string& folder) {
  Json manifest = Json::parse(ReadFile(folder + "/manifest.json"));
  if (manifest.at("format") != "nngraph bundle")
    throw std::runtime_error(folder + " is no bundle of nngraph");
  if (manifest.at("version").get<int>() > 1)
    throw std::runtime_error(folder + " is of a newer version than 1, which this program reads: " +
                             "export it again, or take a newer program");
  return manifest;
}

// A step with its state: each call feeds a batch, keeps the new state, and gives the results.
class Step {
 public:
  explicit Step(const std::string& folder)
      : manifest_(ReadManifest(folder)),
        session_(environment_, FileOf(folder, "step").c_str(), Options()),
        state_(FileOf(folder, "state_file")) {
    for (const Json& row : inputs()) Feed(row.at("name"), Ort::Value(nullptr));
    for (const Json& row : manifest_.at("scalars")) Feed(row.at("name"), ScalarOf(row));
    for (const Json& row : manifest_.at("outputs")) outputs_.push_back(row.at("name"));
    results_ = outputs_.size();
    for (const Json& row : manifest_.at("state")) {
      if (!row.at("output").is_null()) {
        carried_.push_back({feeds_.size(), &row});
        outputs_.push_back(row.at("output"));
      }
      Shape shape = row.at("shape").get<Shape>();
      char* data = state_.Data(row.at("name"), BytesOf(shape, KindOf(row)));
      Feed(row.at("input"), TensorOf(shape, KindOf(row), data));
    }
  }

  const Json& inputs() const { return manifest_.at("inputs"); }

  std::vector<Ort::Value> Run(std::vector<Ort::Value> batch) {
    std::move(batch.begin(), batch.end(), feeds_.begin());
    std::vector<const char*> given, wanted;
    for (const std::string& name : names_) given.push_back(name.c_str());
    for (const std::string& name : outputs_) wanted.push_back(name.c_str());
    auto found = session_.Run(Ort::RunOptions(), given.data(), feeds_.data(), given.size(),
                              wanted.data(), wanted.size());
    for (size_t i = 0; i < carried_.size(); ++i)
      feeds_[carried_[i].feed] = std::move(found[results_ + i]);
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(results_), found.end());
    return found;
  }

  // The file that the bundle came with, with the present state in it.
  void Write(const std::string& path) {
    for (const Carried& one : carried_) {
      size_t bytes = BytesOf(one.row->at("shape").get<Shape>(), KindOf(*one.row));
      char* place = state_.Data(one.row->at("name"), bytes);
      std::memcpy(place, feeds_[one.feed].GetTensorRawData(), bytes);
    }
    std::ofstream file(path, std::ios::binary);
    file << state_.bytes;
    if (!file.flush()) throw std::runtime_error(path + " can't be written");
  }

 private:
  struct Carried {
    size_t feed;
    const Json* row;
  };

  static Ort::SessionOptions Options() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);  // of a small step, threads take more than they give
    return options;
  }

  std::string FileOf(const std::string& folder, const char* key) const {
    return folder + "/" + manifest_.at(key).get<std::string>();
  }

  void Feed(const std::string& name, Ort::Value value) {
    names_.push_back(name);
    feeds_.push_back(std::move(value));
  }

  Json manifest_;
  Ort::Env environment_{ORT_LOGGING_LEVEL_WARNING, "train_onnx"};
  Ort::Session session_;
  Tensors state_;
  std::vector<std::string> names_, outputs_;
  std::vector<Ort::Value> feeds_;
  std::vector<Carried> carried_;
  size_t results_ = 0;
};

// How many batches a file has for each input.
int64_t CountOf(const Tensors& batches, const Json& inputs) {
  int64_t count = -1;
  for (const Json& row : inputs) {
    Shape shape = batches.ShapeOf(row.at("name"));
    if (shape.empty() || (count >= 0 && shape[0] != count))
      batches.Refuse("has not as many batches for each input");
    count = shape[0];
  }
  if (count < 0) throw std::runtime_error("the step has no inputs");
  return count;
}

// The i-th batch of a file that holds all of them.
std::vector<Ort::Value> BatchOf(Tensors& batches, const Json& inputs, int64_t i) {
  std::vector<Ort::Value> made;
  for (const Json& row : inputs) {
    Shape shape = batches.ShapeOf(row.at("name"));
    size_t whole = BytesOf(shape, KindOf(row));
    Shape rest(shape.begin() + 1, shape.end());
    size_t place = static_cast<size_t>(i) * BytesOf(rest, KindOf(row));
    made.push_back(TensorOf(rest, KindOf(row), batches.Data(row.at("name"), whole) + place));
  }
  return made;
}

void Train(int argc, char** argv) {
  Step step(argv[1]);
  Tensors batches(argv[2]);
  int64_t count = CountOf(batches, step.inputs());
  for (int64_t i = 0; i < count; ++i) {
    auto found = step.Run(BatchOf(batches, step.inputs(), i));
    auto type = found.at(0).GetTensorTypeAndShapeInfo().GetElementType();
    bool wide = type == ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE;
    double first = wide ? *found[0].GetTensorData<double>() : *found[0].GetTensorData<float>();
    std::printf("%.9g\n", first);
  }
  if (argc > 3) step.Write(argv[3]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s BUNDLE BATCHES.safetensors [STATE.safetensors]\n", argv[0]);
    return 2;
  }
  try {
    Train(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}

// Runs what `ng.build` wrote (docs/binaries.md): kernels.so, called as plan.json says. It needs tvm_ffi
// (headers and library, of the package apache-tvm-ffi) and TVM's libtvm_runtime.so, and no compiler.
#pragma once

#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/json.h>
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace nngraph {

namespace ffi = tvm::ffi;
using Json = ffi::json::Object;
using List = ffi::json::Array;

// -- JSON ----------------------------------------------------------------------------------
inline bool Has(const Json& row, const char* key) { return row.count(ffi::String(key)) > 0; }
inline ffi::Any At(const Json& row, const char* key) {
  if (!Has(row, key)) throw std::runtime_error(std::string("a file of the binary lacks the key ") + key);
  return row.at(ffi::String(key));
}
inline int64_t Int(const Json& row, const char* key) { return At(row, key).cast<int64_t>(); }
inline std::string Text(const Json& row, const char* key) { return At(row, key).cast<ffi::String>(); }
inline Json Object(const Json& row, const char* key) { return At(row, key).cast<Json>(); }
inline List Array(const Json& row, const char* key) { return At(row, key).cast<List>(); }

inline std::vector<int64_t> Ints(const Json& row, const char* key) {
  std::vector<int64_t> found;
  for (const ffi::Any& value : Array(row, key)) found.push_back(value.cast<int64_t>());
  return found;
}

inline std::vector<Json> Rows(const Json& row, const char* key) {
  std::vector<Json> found;
  for (const ffi::Any& value : Array(row, key)) found.push_back(value.cast<Json>());
  return found;
}

inline std::vector<std::string> Texts(const Json& row, const char* key) {
  std::vector<std::string> found;
  for (const ffi::Any& value : Array(row, key)) found.push_back(value.cast<ffi::String>());
  return found;
}

inline double Number(const ffi::Any& value) {  // "Infinity", "-Infinity", "NaN" are texts
  if (auto text = value.try_cast<ffi::String>()) return std::strtod(text->c_str(), nullptr);
  return value.cast<double>();
}

inline int64_t Width(const Json& row) {  // bytes of an element: float32 has 32 bits, bool one byte
  std::string digits;
  for (char c : Text(row, "dtype")) {
    if (std::isdigit(static_cast<unsigned char>(c))) digits += c;
  }
  return digits.empty() ? 1 : std::stoll(digits) / 8;
}

inline int64_t Bytes(const Json& row) {
  int64_t bytes = Width(row);
  for (int64_t size : Ints(row, "shape")) bytes *= size;
  return bytes;
}

// -- memory --------------------------------------------------------------------------------
// Bytes at a multiple of 64, as kernels want them: they do not check it.
class Memory {
 public:
  explicit Memory(int64_t size = 0) : size_(size) {
    int64_t whole = (std::max<int64_t>(size, 1) + 63) / 64 * 64;
    auto* raw = static_cast<char*>(std::aligned_alloc(64, whole));
    if (raw == nullptr) throw std::bad_alloc();
    std::memset(raw, 0, whole);
    owner_.reset(raw, std::free);
    data_ = raw;
  }
  Memory(const void* data, int64_t size) : Memory(size) { std::memcpy(data_, data, size); }

  Memory Part(int64_t offset, int64_t size) const {  // the same bytes, not copied
    if (offset + size > size_) throw std::runtime_error("a part of memory lies outside of it");
    Memory part(*this);
    part.data_ += offset;
    part.size_ = size;
    return part;
  }
  Memory Copy() const { return Memory(data_, size_); }
  char* data() const { return data_; }
  int64_t size() const { return size_; }
  template <typename T>
  T& as(int64_t i = 0) const {
    return reinterpret_cast<T*>(data_)[i];
  }

 private:
  std::shared_ptr<char> owner_;
  char* data_;
  int64_t size_;
};

using Memories = std::vector<Memory>;

// Calls a kernel; every argument is bytes to it.
inline void CallKernel(const ffi::Function& kernel, const Memories& arguments) {
  std::vector<int64_t> sizes;
  std::vector<DLTensor> tensors(arguments.size());
  std::vector<ffi::AnyView> packed(arguments.size());
  sizes.reserve(arguments.size());
  static int64_t one = 1;
  for (size_t i = 0; i < arguments.size(); ++i) {
    sizes.push_back(std::max<int64_t>(arguments[i].size(), 1));
    tensors[i] = DLTensor{arguments[i].data(), {kDLCPU, 0}, 1, {kDLUInt, 8, 1}, &sizes[i], &one, 0};
    packed[i] = &tensors[i];
  }
  ffi::Any result;
  kernel.CallPacked(packed.data(), static_cast<int32_t>(packed.size()), &result);
}

// -- files ---------------------------------------------------------------------------------
inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("there is no file " + path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

inline Json ReadJson(const std::string& text, const std::string& name) {
  ffi::String error;
  ffi::Any value = ffi::json::Parse(text, &error);
  auto found = value.try_cast<Json>();
  if (error.size() != 0 || !found) throw std::runtime_error(name + " is damaged: " + std::string(error));
  return *found;
}

// A safetensors file: the header's length in 8 bytes, the header in JSON, the elements.
struct Tensors {
  std::string header;
  std::map<std::string, Memory> data;
  std::map<std::string, int64_t> offsets;
  std::map<std::string, std::vector<int64_t>> shapes;

  static Tensors Parse(const std::string& raw, const std::string& name) {
    uint64_t length = 0;
    if (raw.size() >= 8) std::memcpy(&length, raw.data(), 8);
    if (raw.size() < 8 || length > raw.size() - 8) throw std::runtime_error(name + " is cut short");
    Tensors found;
    found.header = raw.substr(0, 8 + length);
    for (const auto& [key, value] : ReadJson(raw.substr(8, length), name)) {
      std::string tensor = key.cast<ffi::String>();
      if (tensor == "__metadata__") continue;
      Json row = value.cast<Json>();
      std::vector<int64_t> span = Ints(row, "data_offsets");
      auto room = static_cast<int64_t>(raw.size() - 8 - length);
      if (span.size() != 2 || span[0] < 0 || span[1] < span[0] || span[1] > room) {
        throw std::runtime_error(name + " is damaged: where does " + tensor + " lie?");
      }
      found.data.emplace(tensor, Memory(raw.data() + 8 + length + span[0], span[1] - span[0]));
      found.offsets[tensor] = span[0];
      found.shapes[tensor] = Ints(row, "shape");
    }
    return found;
  }

  const Memory& at(const std::string& name) const {
    auto found = data.find(name);
    if (found == data.end()) throw std::runtime_error("there is no tensor " + name);
    return found->second;
  }

  void Write(const std::string& path) const {  // the same tensors, with the present elements
    std::string body;
    for (const auto& [name, memory] : data) {
      size_t begin = offsets.at(name);
      body.resize(std::max(body.size(), begin + memory.size()));
      std::memcpy(&body[begin], memory.data(), memory.size());
    }
    std::ofstream file(path + ".new", std::ios::binary);
    file << header << body;
    file.close();
    if (!file || std::rename((path + ".new").c_str(), path.c_str()) != 0) {
      throw std::runtime_error("cannot write " + path);
    }
  }
};

// -- the program ---------------------------------------------------------------------------
class Program {
 public:
  Program(const Json& plan, const ffi::Module& library, const Tensors& constants)
      : storages_(Rows(plan, "storages")),
        kernels_(Rows(plan, "kernels")),
        checks_(Rows(plan, "checks")),
        before_(Int(plan, "before")),
        outputs_(Ints(plan, "outputs")),
        new_states_(Ints(plan, "new_states")),
        arena_(Int(plan, "arena")) {
    for (const Json& row : kernels_) {
      auto found = library->GetFunction(Text(row, "symbol"));
      if (!found) throw std::runtime_error("kernels.so has no kernel " + Text(row, "symbol"));
      functions_.push_back(found.value());
    }
    for (const std::string& name : Texts(plan, "constants")) constants_.push_back(constants.at(name));
    for (size_t i = 0; i < checks_.size(); ++i) status_.emplace_back(64);
    for (const Json& row : storages_) sizes_.push_back(Bytes(row));
    for (const Json& row : Rows(plan, "calls")) calls_.push_back(MakeCall(row, library, constants));
  }

  struct Result {
    Memories outputs, states;
  };

  // One call: `states` are overwritten where the plan says so; the result has the new ones.
  Result Run(const Memories& inputs, const Memories& scalars, const Memories& states) {
    Memories memory;
    for (size_t i = 0; i < storages_.size(); ++i) memory.push_back(Place(i, inputs, scalars, states));
    for (const Memory& slot : status_) std::memset(slot.data(), 0, slot.size());
    for (size_t i = 0; i < calls_.size(); ++i) {
      if (static_cast<int64_t>(i) == before_) Check();  // what follows overwrites the states
      Run(calls_[i], memory);
    }
    Check();
    Result result;
    for (int64_t i : outputs_) result.outputs.push_back(memory[i]);
    for (int64_t i : new_states_) result.states.push_back(memory[i]);
    return result;
  }

 private:
  struct Call {
    int64_t kernel = -1, status = -1;
    std::vector<int64_t> arguments, sizes;
    std::shared_ptr<Program> body;  // of a loop over time
    int64_t carries = 0, consts = 0, inputs = 0, length = 0;
    bool reverse = false;
  };

  static Call MakeCall(const Json& row, const ffi::Module& library, const Tensors& constants) {
    Call call;
    call.arguments = Ints(row, "arguments");
    if (Has(row, "sizes")) call.sizes = Ints(row, "sizes");
    if (Has(row, "status")) call.status = Int(row, "status");
    if (!Has(row, "loop")) {
      call.kernel = Int(row, "kernel");
      return call;
    }
    Json loop = Object(row, "loop");
    call.body = std::make_shared<Program>(Object(loop, "program"), library, constants);
    call.carries = Int(loop, "carries");
    call.consts = Int(loop, "consts");
    call.inputs = static_cast<int64_t>(Array(loop, "inputs").size());
    call.length = Int(loop, "length");
    call.reverse = At(loop, "reverse").cast<bool>();
    return call;
  }

  Memory Place(size_t i, const Memories& inputs, const Memories& scalars, const Memories& states) {
    const Json& row = storages_[i];
    std::string place = Text(row, "place");
    if (place == "arena") return arena_.Part(Int(row, "offset"), sizes_[i]);
    if (place == "input") return inputs.at(Int(row, "index"));
    if (place == "scalar") return scalars.at(Int(row, "index"));
    if (place == "state") return states.at(Int(row, "index"));
    if (place == "constant") return constants_.at(Int(row, "index"));
    return Memory(sizes_[i]);  // made anew at each call
  }

  void Check() const {  // kernels that look at indices and divisors say what they found
    for (size_t i = 0; i < checks_.size(); ++i) {
      if (status_[i].as<int64_t>(0) == 0) continue;
      throw std::runtime_error(Text(checks_[i], "what") + " met " +
                               std::to_string(status_[i].as<int64_t>(1)) + " (" +
                               Text(checks_[i], "origin") + ")");
    }
  }

  void Run(const Call& call, const Memories& memory) {
    Memories arguments;
    for (int64_t i : call.arguments) arguments.push_back(memory.at(i));
    if (call.body) {
      Repeat(call, arguments);
    } else if (!call.sizes.empty()) {
      CallKernel(functions_.at(call.kernel), Table(kernels_.at(call.kernel), call.sizes, arguments));
    } else {
      if (call.status >= 0) arguments.push_back(status_.at(call.status));
      CallKernel(functions_.at(call.kernel), arguments);
    }
  }

  // A loop over time: what is carried, constants, sequences; then the results of the first and last.
  static void Repeat(const Call& call, const Memories& arrays) {
    auto slice = [&](const Memory& whole, int64_t t) {
      int64_t bytes = whole.size() / call.length;
      return whole.Part(t * bytes, bytes);
    };
    Memories carried(arrays.begin(), arrays.begin() + call.carries);
    for (int64_t step = 0; step < call.length; ++step) {
      int64_t t = call.reverse ? call.length - 1 - step : step;
      Memories given;
      for (const Memory& value : carried) given.push_back(value.Copy());
      for (int64_t i = call.carries; i < call.carries + call.consts; ++i) given.push_back(arrays[i]);
      for (int64_t i = call.carries + call.consts; i < call.inputs; ++i) {
        given.push_back(slice(arrays[i], t).Copy());
      }
      Memories found = call.body->Run(given, {}, {}).outputs;
      carried.assign(found.begin(), found.begin() + call.carries);
      for (size_t i = call.carries; i < found.size(); ++i) {
        Memory target = slice(arrays[call.inputs + i], t);
        std::memcpy(target.data(), found[i].data(), target.size());
      }
    }
    for (Memory& value : carried) value = value.Copy();
    for (int64_t i = 0; i < call.carries; ++i) {
      const Memory& target = arrays[call.inputs + i];
      std::memcpy(target.data(), carried[i].data(), target.size());
    }
  }

  // For one call over tensors of several sizes: their addresses, piece by piece, in C's DLTensors,
  // of which kernels read the first word only.
  static Memories Table(const Json& kernel, const std::vector<int64_t>& sizes, const Memories& tensors) {
    constexpr int64_t kWords = 6;
    int64_t chunk = Int(kernel, "chunk"), parts = Int(kernel, "parts"), rows = 0;
    std::vector<int64_t> steps;
    for (const Json& row : Rows(kernel, "operands")) {
      steps.push_back(Array(row, "shape").empty() ? 0 : Width(row) * chunk);
    }
    for (int64_t size : sizes) rows += (size + chunk - 1) / chunk;
    auto width = static_cast<int64_t>(steps.size());
    Memory data(rows * width * kWords * 8), counts(rows * 8), starts((parts + 1) * 8);
    int64_t row = 0;
    for (size_t member = 0; member < sizes.size(); ++member) {
      for (int64_t done = 0; done < sizes[member]; done += chunk, ++row) {
        for (int64_t i = 0; i < width; ++i) {
          const char* begin = tensors.at(member * width + i).data() + done / chunk * steps[i];
          data.as<uint64_t>((row * width + i) * kWords) = reinterpret_cast<uint64_t>(begin);
        }
        counts.as<int64_t>(row) = std::min(chunk, sizes[member] - done);
      }
    }
    for (int64_t part = 0; part <= parts; ++part) starts.as<int64_t>(part) = rows * part / parts;
    return {data, counts, starts};
  }

  std::vector<Json> storages_, kernels_, checks_;
  int64_t before_;
  std::vector<int64_t> outputs_, new_states_, sizes_;
  Memory arena_;
  Memories constants_, status_;
  std::vector<ffi::Function> functions_;
  std::vector<Call> calls_;
};

// -- the binary ----------------------------------------------------------------------------
// A step with its state. Its machine code is trusted.
class Binary {
 public:
  explicit Binary(const std::string& folder) {
    Json manifest = ReadJson(ReadFile(folder + "/manifest.json"), "manifest.json");
    NeedUsable(folder, manifest);
    plan_ = ReadJson(ReadFile(folder + "/plan.json"), "plan.json");
    state_ = Tensors::Parse(ReadFile(folder + "/state.safetensors"), "state.safetensors");
    auto constants = Tensors::Parse(ReadFile(folder + "/constants.safetensors"), "constants.safetensors");
    library_ = ffi::Module::LoadFromFile(folder + "/kernels.so");
    program_ = std::make_unique<Program>(Object(plan_, "program"), library_.value(), constants);
    for (const Json& row : Rows(plan_, "scalars")) scalars[Text(row, "name")] = Number(At(row, "value"));
  }

  std::map<std::string, double> scalars;  // read at each call: learning rates

  std::vector<Json> inputs() const { return Rows(plan_, "inputs"); }
  std::vector<Json> outputs() const { return Rows(plan_, "outputs"); }
  const Tensors& state() const { return state_; }

  // One step: changes the state, gives the outputs.
  Memories Run(const Memories& batch) {
    std::vector<Json> wanted = inputs();
    if (batch.size() != wanted.size()) throw std::runtime_error("another number of inputs");
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].size() != Bytes(wanted[i])) {
        throw std::runtime_error(Text(wanted[i], "name") + " has another size");
      }
    }
    Memories numbers, held;
    for (const Json& row : Rows(plan_, "scalars")) {
      numbers.push_back(Scalar(row, scalars.at(Text(row, "name"))));
    }
    for (const Json& row : Rows(plan_, "state")) held.push_back(state_.at(Text(row, "name")));
    Program::Result result = program_->Run(batch, numbers, held);
    size_t i = 0;
    for (const Json& row : Rows(plan_, "state")) state_.data.at(Text(row, "name")) = result.states[i++];
    return result.outputs;
  }

 private:
  static Memory Scalar(const Json& row, double value) {
    std::string kind = Text(row, "dtype");
    auto narrow = static_cast<float>(value);
    auto whole = static_cast<int64_t>(value);
    auto flag = static_cast<uint8_t>(value != 0);
    if (kind == "float64") return Memory(&value, 8);
    if (kind == "float32") return Memory(&narrow, 4);
    if (kind == "int64") return Memory(&whole, 8);
    if (kind == "bool") return Memory(&flag, 1);
    throw std::runtime_error("a scalar is " + kind);
  }

  static void NeedUsable(const std::string& folder, const Json& manifest) {
    if (Text(manifest, "format") != "nngraph binary" || Int(manifest, "version") > 1) {
      throw std::runtime_error(folder + " is no binary of version 1: get a newer runner");
    }
    std::set<std::string> flags;
    std::ifstream told("/proc/cpuinfo");
    for (std::string line; std::getline(told, line);) {
      if (line.rfind("flags", 0) != 0 && line.rfind("Features", 0) != 0) continue;
      std::stringstream words(line.substr(line.find(':') + 1));
      for (std::string word; words >> word;) flags.insert(word);
    }
    std::string missing;
    for (const std::string& flag : Texts(Object(manifest, "host"), "requires")) {
      if (!flags.empty() && flags.count(flag) == 0) missing += " " + flag;
    }
    if (!missing.empty()) throw std::runtime_error(folder + " needs what this processor lacks:" + missing);
    for (const auto& [key, value] : Object(manifest, "files")) {
      std::string name = key.cast<ffi::String>();
      if (static_cast<int64_t>(ReadFile(folder + "/" + name).size()) != Int(value.cast<Json>(), "bytes")) {
        throw std::runtime_error(folder + "/" + name + " is damaged");
      }
    }
  }

  Json plan_;
  Tensors state_;
  ffi::Optional<ffi::Module> library_;
  std::unique_ptr<Program> program_;
};

}  // namespace nngraph

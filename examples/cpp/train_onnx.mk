# `make -f train_onnx.mk ORT=FOLDER` builds train_onnx. FOLDER holds `include` and `lib` of
# onnxruntime: what its releases unpack to, or /usr with Debian's package libonnxruntime-dev.
# It also needs nlohmann/json (Debian's nlohmann-json3-dev; JSON=FOLDER for headers elsewhere).
ORT ?= /usr
JSON ?= /usr/include
OUT ?= train_onnx

$(OUT): train_onnx.cc
	$(CXX) -O2 -std=c++17 -Wall $< -I$(ORT)/include -I$(ORT)/include/onnxruntime -I$(JSON) \
	  -L$(ORT)/lib -lonnxruntime -Wl,-rpath,$(ORT)/lib -o $@

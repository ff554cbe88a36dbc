# `make -f run_binary.mk` builds run_binary. It needs the packages apache-tvm-ffi and apache-tvm (for
# libtvm_runtime.so), or the same files elsewhere: FFI and TVM are the folders that hold them.
PYTHON ?= python3
FOLDER = $(PYTHON) -c "import importlib.util as u; print(*u.find_spec('$(1)').submodule_search_locations)"
FFI ?= $(shell $(call FOLDER,tvm_ffi))
TVM ?= $(shell $(call FOLDER,tvm))
OUT ?= run_binary

$(OUT): run_binary.cc binary.h
	$(CXX) -O2 -std=c++17 $< -I$(FFI)/include -L$(FFI)/lib -L$(TVM)/lib \
	  -Wl,--no-as-needed -ltvm_runtime -ltvm_ffi -Wl,-rpath,$(FFI)/lib:$(TVM)/lib -o $@

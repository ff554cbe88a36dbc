"""Which way a kernel is computed: rows that say where they fit, what they cost, and build.

Rows import no tvm until they build, so a choice can be made and shown without the compiler.
"""

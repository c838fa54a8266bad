// SPDX-License-Identifier: BSD-3-Clause
// A kernel object in miniature, for the test of check_kernel_symbols.cmake: its table is all that it may define. With NPCONV_LEAK it also
// holds an inline function, as if a header of the standard library had been used: a weak symbol, of which the linker keeps any one copy.
namespace npconv {

struct MiniatureTable {
    float (*twice)(float);
};

#if defined(NPCONV_LEAK)
inline float twice(float x) { return x + x; }
#else
namespace {
float twice(float x) { return x + x; }
}  // namespace
#endif

extern const MiniatureTable kernels_miniature;
constinit const MiniatureTable kernels_miniature = {&twice};

}  // namespace npconv

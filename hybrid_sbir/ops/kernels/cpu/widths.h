/* Compiles BODY, the including file itself, once for each width of vectors that the target has: a map of 8 channels
   wastes nothing in vectors of 32 bytes, one of 64 is fastest in vectors of 64. Names end in the width (AT in
   lanes.h). */
#define LANE_BYTES 16
#include BODY
#undef LANE_BYTES

#ifdef __AVX__
#define LANE_BYTES 32
#include BODY
#undef LANE_BYTES
#endif

#ifdef __AVX512F__
#define LANE_BYTES 64
#include BODY
#undef LANE_BYTES
#endif

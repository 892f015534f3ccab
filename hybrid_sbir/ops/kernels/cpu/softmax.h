/* The softmax over the K neighbours of one position, lane by lane. */
#ifndef HYBRID_SBIR_SOFTMAX_H
#define HYBRID_SBIR_SOFTMAX_H

#include "wide.h"

#ifdef REAL_IS_DOUBLE
#define LOGARITHM log
#else
#define LOGARITHM logf
#endif

/* log(sum) + peak; infinite where the peak is, as torch.logsumexp. */
static inline vector log_divisor(vector sum, vector peak) {
    REAL sums[LANE_COUNT], peaks[LANE_COUNT];
    store(sums, sum);
    store(peaks, peak);
    for (int l = 0; l < LANE_COUNT; l++) peaks[l] += isinf(peaks[l]) ? 0 : LOGARITHM(sums[l]);
    return load(peaks);
}

/* Logits of K neighbours become weights, in place; the result is the log of their divisor. */
static inline vector softmax(vector *weights, index_t k_count) {
    vector peak = weights[0], sum = {0};
    for (index_t k = 1; k < k_count; k++) /* NaN stays, once it is there */
        peak = choose((weights[k] > peak) | (weights[k] != weights[k]), weights[k], peak);
    for (index_t k = 0; k < k_count; k++) sum += weights[k] = exponential(weights[k] - peak);
    const vector share = BROADCAST(1) / sum;
    for (index_t k = 0; k < k_count; k++) weights[k] *= share;
    return log_divisor(sum, peak);
}

/* Logits become weights again, with the log of the divisor; NaN where that is infinite, as the softmax itself. */
static inline void softmax_again(vector *weights, index_t k_count, vector divisor) {
    divisor += divisor - divisor;
    for (index_t k = 0; k < k_count; k++) weights[k] = exponential(weights[k] - divisor);
}

#endif

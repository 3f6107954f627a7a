// Distances of nonces from their logits; one block, one nonce.

// floor((dot << 32) / q) within +-2^32, for q > 0: the quotient's 33 bits, one at a time.
__device__ inline i64 cosine_of(i128 dot, u128 q) {
    const i64 one = (i64)1 << 32;
    bool negative = dot < 0;
    u128 rest = negative ? (u128)-dot : (u128)dot;
    if (rest >= q) {
        return negative ? -one : one;
    }
    u64 c = 0;
    for (u32 i = 0; i < 32; i++) {
        rest <<= 1;
        c <<= 1;
        if (rest >= q) {
            rest -= q;
            c |= 1;
        }
    }
    return negative ? -(i64)(c + (rest != 0)) : (i64)c;
}

KERNEL distance(const i32 *logits, u64 pitch, const u32 *permutation, const i32 *target, u32 vocab, u64 *out) {
    const i32 *l = logits + blockIdx.x * pitch;
    const u32 *p = permutation + (u64)blockIdx.x * vocab;
    i128 dot = 0;
    u128 own = 0, other = 0;
    for (u32 i = threadIdx.x; i < vocab; i += blockDim.x) {
        i64 x = l[i], t = target[i];
        dot += (i64)l[p[i]] * t;
        own += (u64)(x * x);
        other += (u64)(t * t);
    }
    dot = block_sum(dot);
    own = block_sum(own);
    other = block_sum(other);
    if (threadIdx.x != 0) {
        return;
    }
    const i64 one = (i64)1 << 32;
    u128 q = isqrt<u128>(own * other);
    i64 c = q == 0 ? -one : cosine_of(dot, q);
    out[blockIdx.x] = (u64)isqrt<u128>((u128)(2 * (one - c)) << 32);
}

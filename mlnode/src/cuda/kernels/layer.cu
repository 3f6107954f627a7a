// The element-wise steps of a layer. One block, one row (a position of a nonce), unless it says otherwise.

// h = clip(h + rq(branch, shift)) if there is a branch, then a = norm(h).
KERNEL residual_norm(i16 *h, const i32 *branch, u64 branch_pitch, u32 has_branch, u32 shift, i8 *a, u64 a_pitch, u32 d,
                     u32 amax) {
    u64 row = blockIdx.x;
    i16 *hr = h + row * d;
    u64 squares = 0;
    for (u32 i = threadIdx.x; i < d; i += blockDim.x) {
        i32 x = hr[i];
        if (has_branch) {
            x = clamp(x + rq(branch[row * branch_pitch + i], shift), 32767);
            hr[i] = (i16)x;
        }
        squares += (u64)((i64)x * x);
    }
    squares = block_sum(squares);
    __shared__ i32 root;
    if (threadIdx.x == 0) {
        i32 r = (i32)isqrt<u64>(256 * squares / d);
        root = r < 1 ? 1 : r;
    }
    __syncthreads();
    i32 r = root, c = 16 * (i32)amax / 3;
    for (u32 i = threadIdx.x; i < d; i += blockDim.x) {
        a[row * a_pitch + i] = (i8)clamp(floor_div(2 * hr[i] * c + r, 2 * r), (i32)amax);
    }
}

// A projection, d values from `column` of each row of a product on, requantised and split into heads:
// [nonce, head, out_rows, head_pitch]. Rows of a nonce are the positions from `first` on; `turn` turns pairs by their
// angle.
KERNEL heads(const i32 *product, u64 product_pitch, u32 column, i8 *out, u32 rows, u32 out_rows, u32 first, u32 d, u32 hd,
             u32 head_pitch, u32 shift, u32 amax, u32 turn) {
    u32 nonce = blockIdx.x / rows, position = blockIdx.x % rows;
    const i32 *from = product + blockIdx.x * product_pitch + column;
    for (u32 pair = threadIdx.x; pair < d / 2; pair += blockDim.x) {
        u32 head = 2 * pair / hd, i = 2 * pair % hd;
        i32 x = clamp(rq(from[2 * pair], shift), (i32)amax), y = clamp(rq(from[2 * pair + 1], shift), (i32)amax);
        if (turn) {
            u32 step = 163 / (i / 2 + 1);
            u32 n = (first + position) * (step < 1 ? 1 : step) % 1024;
            i32 c = cosine(n), s = cosine(n + 768);
            i32 turned = clamp((x * c - y * s + 32) >> 6, (i32)amax);
            y = clamp((y * c + x * s + 32) >> 6, (i32)amax);
            x = turned;
        }
        i8 *to = out + (((u64)nonce * (d / hd) + head) * out_rows + position) * head_pitch + i;
        to[0] = (i8)x;
        to[1] = (i8)y;
    }
}

// m = clamp(rq(|g| u, sM)); a product holds gate, then up.
KERNEL gate(const i32 *product, u64 product_pitch, i8 *m, u64 m_pitch, u32 f, u32 shift_q, u32 shift_m, u32 amax) {
    u64 row = blockIdx.x;
    const i32 *from = product + row * product_pitch;
    for (u32 i = threadIdx.x; i < f; i += blockDim.x) {
        i32 g = clamp(rq(from[i], shift_q), (i32)amax), u = clamp(rq(from[f + i], shift_q), (i32)amax);
        m[row * m_pitch + i] = (i8)clamp(rq((g < 0 ? -g : g) * u, shift_m), (i32)amax);
    }
}

// Rows of the last position of each nonce; one block, one nonce.
KERNEL last(const i16 *h, const i8 *a, i16 *h_last, i8 *a_last, u32 seq, u32 d, u64 a_pitch) {
    u64 nonce = blockIdx.x, from = nonce * seq + seq - 1;
    for (u32 i = threadIdx.x; i < d; i += blockDim.x) {
        h_last[nonce * d + i] = h[from * d + i];
        a_last[nonce * a_pitch + i] = a[from * a_pitch + i];
    }
}

// What is read from streams: weights and target of an epoch, input and permutation of a nonce.

// A matrix [rows, columns] from row `first_row` of `out` on, whose rows are `pitch` bytes apart. One thread, one block
// of the stream: 16 weights.
KERNEL weights(i8 *out, u64 first_row, u64 pitch, u64 columns, u64 count, const u32 *seed, u32 sub, u32 wmax) {
    u64 index = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (index * 16 >= count) {
        return;
    }
    Block block = philox(seed, sub, (u32)index);
    i8 *base = out + first_row * pitch;
    if (columns == pitch) { // a multiple of 16: rows follow one another, and count holds whole blocks
        u32 *to = (u32 *)(base + index * 16);
        for (u32 i = 0; i < 4; i++) {
            u32 packed = 0;
            for (u32 b = 0; b < 4; b++) {
                i32 w = 2 * (i32)(block.words[i] >> (8 * b) & wmax) - (i32)wmax;
                packed |= (u32)(w & 255) << (8 * b);
            }
            to[i] = packed;
        }
        return;
    }
    for (u32 b = 0; b < 16 && index * 16 + b < count; b++) {
        u64 at = index * 16 + b;
        i32 w = 2 * (i32)(block.words[b / 4] >> (8 * (b % 4)) & wmax) - (i32)wmax;
        base[at / columns * pitch + at % columns] = (i8)w;
    }
}

KERNEL target(i32 *out, u32 count, const u32 *seed) {
    u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    if ((u64)index * 4 >= count) {
        return;
    }
    Block block = philox(seed, 0, index);
    for (u32 i = 0; i < 4 && index * 4 + i < count; i++) {
        out[index * 4 + i] = four(block.words[i]);
    }
}

// Inputs of the nonces, `count` values each; blockIdx.y is the nonce.
KERNEL input(i16 *h, u32 count, const u32 *seeds) {
    u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    if ((u64)index * 4 >= count) {
        return;
    }
    Block block = philox(seeds + 4 * blockIdx.y, 0, index);
    i16 *to = h + (u64)blockIdx.y * count;
    for (u32 i = 0; i < 4 && index * 4 + i < count; i++) {
        to[index * 4 + i] = (i16)((7 * four(block.words[i])) >> 4);
    }
}

// Permutation of a nonce, one block each: Fisher-Yates from the top. Every swap depends on the one before, so one
// thread does them all.
KERNEL permutation(u32 *out, u32 count, const u32 *seeds) {
    u32 *p = out + (u64)blockIdx.x * count;
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        p[i] = i;
    }
    __syncthreads();
    if (threadIdx.x != 0) {
        return;
    }
    const u32 *seed = seeds + 4 * blockIdx.x;
    Block block = philox(seed, 1, 0);
    u32 used = 0, index = 0;
    for (u32 i = count - 1; i > 0; i--) {
        u32 n = i + 1;
        u64 m;
        do {
            if (used == 4) {
                used = 0;
                index++;
                block = philox(seed, 1, index);
            }
            m = (u64)block.words[used] * n;
            used++;
            // The threshold is below n, so most words need no division.
        } while ((u32)m < n && (u32)m < (0u - n) % n);
        u32 j = (u32)(m >> 32);
        u32 x = p[i];
        p[i] = p[j];
        p[j] = x;
    }
}

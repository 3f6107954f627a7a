// Types, integer arithmetic and streams that all kernels share. The host puts the tables LUT and COSINES before this.
//
// Nothing here holds a float. Sizes are such that the products and sums of a valid shape fit the types used.

#define KERNEL extern "C" __global__ void

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef __int128 i128;
typedef unsigned __int128 u128;

__device__ inline i32 clamp(i32 x, i32 bound) {
    return x < -bound ? -bound : x > bound ? bound : x;
}

// Rounding shift.
__device__ inline i32 rq(i32 x, u32 shift) {
    return shift == 0 ? x : (x + (1 << (shift - 1))) >> shift;
}

// Quotient towards minus infinity, b > 0.
__device__ inline i32 floor_div(i32 a, i32 b) {
    i32 q = a / b;
    return a - q * b < 0 ? q - 1 : q;
}

// Floor of the square root, a bit at a time.
template <typename T>
__device__ inline T isqrt(T x) {
    T root = 0;
    T bit = (T)1 << (sizeof(T) * 8 - 2);
    while (bit > x) {
        bit >>= 2;
    }
    while (bit != 0) {
        if (x >= root + bit) {
            x -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    return root;
}

// Sum over the threads of a block of a power of two, at most 256, for all of them.
template <typename T>
__device__ inline T block_sum(T x) {
    __shared__ T parts[256];
    __syncthreads();
    parts[threadIdx.x] = x;
    for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            parts[threadIdx.x] += parts[threadIdx.x + half];
        }
    }
    __syncthreads();
    return parts[0];
}

struct Block {
    u32 words[4];
};

// Philox4x32-10: block `index` of sub-stream `sub`. A seed is the first four words of a hash.
__device__ inline Block philox(const u32 *seed, u32 sub, u32 index) {
    u32 x0 = index, x1 = sub, x2 = seed[2], x3 = seed[3];
    u32 k0 = seed[0], k1 = seed[1];
    for (u32 round = 0; round < 10; round++) {
        u64 a = (u64)x0 * 0xD2511F53u, b = (u64)x2 * 0xCD9E8D57u;
        x0 = (u32)(b >> 32) ^ x1 ^ k0;
        x1 = (u32)b;
        x2 = (u32)(a >> 32) ^ x3 ^ k1;
        x3 = (u32)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return Block{{x0, x1, x2, x3}};
}

// Sum of the four bytes, less 510.
__device__ inline i32 four(u32 word) {
    return (i32)((word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24)) - 510;
}

__device__ inline i32 cosine(u32 n) {
    n %= 1024;
    u32 half = n > 512 ? 1024 - n : n;
    return half > 256 ? -COSINES[512 - half] : COSINES[half];
}

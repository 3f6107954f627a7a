// Causal attention. One block, QUERIES queries of a head of a nonce; 128 threads.
//
// q: [nonce, head, queries, head_pitch], the positions from seq - queries on; k, v: [nonce, head, seq_pitch, head_pitch].
// head_pitch is a multiple of 16 and seq_pitch of 4; what lies between a head's width and its pitch is zero in q and k,
// and weighs nothing in v.

#define QUERIES 8
#define GROUP 16  // threads that share a query's softmax
#define CHUNK 64  // words of a query held at a time

// Bytes b of four words as one word, for each b.
__device__ inline void transpose(const i32 *in, i32 *out) {
    i32 a = __byte_perm(in[0], in[1], 0x5140), b = __byte_perm(in[2], in[3], 0x5140);
    i32 c = __byte_perm(in[0], in[1], 0x7362), d = __byte_perm(in[2], in[3], 0x7362);
    out[0] = __byte_perm(a, b, 0x5410);
    out[1] = __byte_perm(a, b, 0x7632);
    out[2] = __byte_perm(c, d, 0x5410);
    out[3] = __byte_perm(c, d, 0x7632);
}

// scores[query][key] for the keys below `limit`.
__device__ inline void score(const i8 *q, const i8 *k, i32 *scores, u32 count, u32 limit, u32 seq_pitch, u32 head_pitch) {
    __shared__ i32 held[QUERIES * CHUNK];
    for (u32 i = threadIdx.x; i < QUERIES * seq_pitch; i += blockDim.x) {
        scores[i] = 0;
    }
    u32 words = head_pitch / 4;
    for (u32 start = 0; start < words; start += CHUNK) {
        u32 wide = words - start < CHUNK ? words - start : CHUNK;
        __syncthreads();
        for (u32 i = threadIdx.x; i < QUERIES * wide; i += blockDim.x) {
            u32 query = i / wide, w = i % wide;
            held[query * CHUNK + w] = query < count ? ((const i32 *)(q + (u64)query * head_pitch))[start + w] : 0;
        }
        __syncthreads();
        for (u32 key = threadIdx.x; key < limit; key += blockDim.x) {
            const int4 *from = (const int4 *)(k + (u64)key * head_pitch) + start / 4;
            i32 sums[QUERIES] = {0};
            for (u32 w = 0; w < wide; w += 4) {
                int4 x = from[w / 4];
                for (u32 query = 0; query < QUERIES; query++) {
                    const i32 *y = held + query * CHUNK + w;
                    sums[query] = __dp4a(x.x, y[0], sums[query]);
                    sums[query] = __dp4a(x.y, y[1], sums[query]);
                    sums[query] = __dp4a(x.z, y[2], sums[query]);
                    sums[query] = __dp4a(x.w, y[3], sums[query]);
                }
            }
            for (u32 query = 0; query < QUERIES; query++) {
                scores[query * seq_pitch + key] += sums[query];
            }
        }
    }
    __syncthreads();
}

// p = LUT[min((max - score) >> shift, 255)] as packed bytes, zero above a query's own position, and z = sum p.
__device__ inline void softmax(const i32 *scores, i32 *p, i32 *z, u32 count, u32 position, u32 seq_pitch, u32 shift) {
    __shared__ i32 parts[QUERIES * GROUP];
    u32 query = threadIdx.x / GROUP, lane = threadIdx.x % GROUP;
    const i32 *row = scores + query * seq_pitch;
    u32 keys = query < count ? position + query + 1 : 0;
    i32 best = -2147483647 - 1;
    for (u32 key = lane; key < keys; key += GROUP) {
        best = row[key] > best ? row[key] : best;
    }
    parts[threadIdx.x] = best;
    __syncthreads();
    for (u32 i = 0; i < GROUP; i++) {
        i32 other = parts[query * GROUP + i];
        best = other > best ? other : best;
    }
    __syncthreads();
    i32 sum = 0;
    for (u32 w = lane; w < seq_pitch / 4; w += GROUP) {
        u32 packed = 0;
        for (u32 b = 0; b < 4; b++) {
            u32 key = 4 * w + b;
            if (key < keys) {
                i32 e = (best - row[key]) >> shift;
                u32 weight = LUT[e > 255 ? 255 : e];
                sum += (i32)weight;
                packed |= weight << (8 * b);
            }
        }
        p[query * (seq_pitch / 4) + w] = (i32)packed;
    }
    parts[threadIdx.x] = sum;
    __syncthreads();
    if (lane == 0) {
        sum = 0;
        for (u32 i = 0; i < GROUP; i++) {
            sum += parts[query * GROUP + i];
        }
        z[query] = sum;
    }
    __syncthreads();
}

KERNEL attention(const i8 *q, const i8 *k, const i8 *v, i8 *o, u64 o_pitch, u32 seq, u32 seq_pitch, u32 queries, u32 hd,
                 u32 head_pitch, u32 heads, u32 shift, u32 amax) {
    DYNAMIC_SHARED(i32, shared);
    __shared__ i32 z[QUERIES];
    i32 *scores = shared, *p = shared + QUERIES * seq_pitch;
    u32 tiles = (queries + QUERIES - 1) / QUERIES;
    u32 tile = blockIdx.x % tiles, head = blockIdx.x / tiles % heads, nonce = blockIdx.x / tiles / heads;
    u32 start = tile * QUERIES, count = queries - start < QUERIES ? queries - start : QUERIES;
    u32 position = seq - queries + start, limit = position + count; // of the first query; keys that any of them sees
    u64 stripe = (u64)nonce * heads + head;
    score(q + (stripe * queries + start) * head_pitch, k + stripe * seq_pitch * head_pitch, scores, count, limit,
          seq_pitch, head_pitch);
    softmax(scores, p, z, count, position, seq_pitch, shift);

    // One item: four columns of the head for two queries.
    const i32 *values = (const i32 *)(v + stripe * seq_pitch * head_pitch);
    u32 words = head_pitch / 4;
    for (u32 item = threadIdx.x; item < words * (QUERIES / 2); item += blockDim.x) {
        u32 column = item % words, query = item / words * 2;
        i32 sums[2][4] = {{0}};
        for (u32 w = 0; w * 4 < limit; w++) {
            i32 rows[4], columns[4];
            for (u32 i = 0; i < 4; i++) {
                rows[i] = values[(u64)(4 * w + i) * words + column];
            }
            transpose(rows, columns);
            for (u32 i = 0; i < 4; i++) {
                sums[0][i] = __dp4a(columns[i], p[query * (seq_pitch / 4) + w], sums[0][i]);
                sums[1][i] = __dp4a(columns[i], p[(query + 1) * (seq_pitch / 4) + w], sums[1][i]);
            }
        }
        for (u32 j = 0; j < 2 && query + j < count; j++) {
            i8 *to = o + ((u64)nonce * queries + start + query + j) * o_pitch + (u64)head * hd;
            for (u32 i = 0; i < 4 && column * 4 + i < hd; i++) {
                i32 sum = z[query + j];
                to[column * 4 + i] = (i8)clamp(floor_div(2 * sums[j][i] + sum, 2 * sum), (i32)amax);
            }
        }
    }
}

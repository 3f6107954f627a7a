// What the kernels need of CUDA, on a processor: the threads of a block are fibers of one thread, which change places
// at barriers only. Their order is the caller's, so that a missing barrier shows as another result.
#include <cstdint>
#include <cstring>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include <setjmp.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __constant__ static const
#define __shared__ static
#define DYNAMIC_SHARED(type, name) type *name = (type *)host::shared

struct Dim {
    uint32_t x, y, z;
};
struct int4 {
    int x, y, z, w;
};

static Dim threadIdx, blockIdx, blockDim;

namespace host {

const size_t STACK = 64 << 10;
const size_t SHARED = 48 << 10; // what every device has without being asked

alignas(16) static unsigned char shared[SHARED];

// A fiber lives on from block to block. It is entered once by `swapcontext`; afterwards jumps are enough, and need no
// system call.
struct Fiber {
    jmp_buf place;
    std::unique_ptr<unsigned char[]> stack{new unsigned char[STACK]};
    bool runs;
};

static jmp_buf scheduler;
static ucontext_t creator;
static std::vector<Fiber> fibers;
static uint32_t now;
static void (*body)(void **);
static void **arguments;

static void leave() {
    if (_setjmp(fibers[now].place) == 0) {
        _longjmp(scheduler, 1);
    }
}

static void resume(uint32_t thread) {
    now = thread;
    threadIdx = {thread, 0, 0};
    if (_setjmp(scheduler) == 0) {
        _longjmp(fibers[thread].place, 1);
    }
}

static void live() {
    ucontext_t self;
    if (_setjmp(fibers[now].place) == 0) {
        swapcontext(&self, &creator);
    }
    while (true) {
        body(arguments);
        fibers[now].runs = false;
        leave();
    }
}

static void create() {
    now = (uint32_t)fibers.size();
    fibers.emplace_back();
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fibers[now].stack.get();
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, live, 0);
    swapcontext(&creator, &context);
}

// Runs one block; false when some threads ended while others waited at a barrier, which a device does not forgive.
static bool block(uint32_t threads, bool backwards) {
    while (fibers.size() < threads) {
        create();
    }
    memset(shared, 0xA5, SHARED);
    for (uint32_t i = 0; i < threads; i++) {
        fibers[i].runs = true;
    }
    while (true) {
        uint32_t waiting = 0;
        for (uint32_t i = 0; i < threads; i++) {
            uint32_t thread = backwards ? threads - 1 - i : i;
            resume(thread);
            waiting += fibers[thread].runs;
        }
        if (waiting == 0) {
            return true;
        }
        if (waiting != threads) {
            return false;
        }
    }
}

template <typename... A, size_t... I>
void call(void (*kernel)(A...), void **a, std::index_sequence<I...>) {
    kernel(*(A *)a[I]...);
}

template <typename... A>
void unpack(void (*kernel)(A...), void **a) {
    call(kernel, a, std::index_sequence_for<A...>());
}

} // namespace host

inline void __syncthreads() {
    host::leave();
}

inline int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 32; i += 8) {
        c += (int8_t)(a >> i) * (int8_t)(b >> i);
    }
    return c;
}

inline int __byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
    uint64_t both = (uint64_t)b << 32 | a;
    uint32_t out = 0;
    for (int i = 0; i < 4; i++) {
        out |= (uint32_t)(both >> (8 * (selector >> (4 * i) & 7)) & 255) << (8 * i);
    }
    return (int)out;
}

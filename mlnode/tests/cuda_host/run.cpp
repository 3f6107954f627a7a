// Follows the kernels: runs one by name. 0 when it ran, 1 for an unknown name, 2 when threads parted at a barrier,
// 3 for more shared memory than there is.

extern "C" int run_kernel(const char *name, uint32_t grid_x, uint32_t grid_y, uint32_t threads, uint32_t shared,
                          bool backwards, void **arguments) {
#define KERNELS(X) \
    X(weights) X(target) X(input) X(permutation) X(residual_norm) X(heads) X(gate) X(last) X(attention) X(distance)
#define CASE(kernel)                                                                 \
    if (strcmp(name, #kernel) == 0) {                                                \
        host::body = [](void **a) { host::unpack(kernel, a); };                      \
    }
    host::body = nullptr;
    KERNELS(CASE)
    if (host::body == nullptr) {
        return 1;
    }
    if (shared > host::SHARED) {
        return 3;
    }
    host::arguments = arguments;
    blockDim = {threads, 1, 1};
    for (uint32_t y = 0; y < grid_y; y++) {
        for (uint32_t x = 0; x < grid_x; x++) {
            blockIdx = {x, y, 0};
            if (!host::block(threads, backwards)) {
                return 2;
            }
        }
    }
    return 0;
}

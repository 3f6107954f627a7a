//! What the network needs of a device: memory, launches in order, and a product of int8 matrices.

/// Why a device did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No memory is left on the device.
    OutOfMemory,
    /// Anything else, in words; the device must not be used further.
    Failed(String),
}

/// An argument of a kernel; its type is that of the kernel's parameter.
pub(crate) enum Arg<'a, M> {
    Memory(&'a M),
    U32(u32),
    U64(u64),
}

/// Work that is done in order. The side lane runs beside the main one between two calls of [`Device::join`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Main,
    Side,
}

/// How many blocks, of how many threads, with how many bytes of shared memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    pub(crate) lane: Lane,
    pub(crate) kernel: &'static str,
    pub(crate) grid: (usize, usize),
    pub(crate) threads: u32,
    pub(crate) shared: u32,
}

/// `out = a w^T`: `a` holds `rows` rows of `inner` bytes, `w` holds `columns` rows of `inner` bytes from row `first` on,
/// `out` takes `rows` rows of `columns` integers. All three sizes are multiples of 16.
pub(crate) struct Product<'a, M> {
    pub(crate) a: &'a M,
    pub(crate) w: &'a M,
    pub(crate) first: usize,
    pub(crate) out: &'a M,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) inner: usize,
}

/// A device. Launches and copies return before they are done; work of a lane is done in the order of the calls.
pub(crate) trait Device: Send {
    /// Memory on the device. Dropping it waits for, or comes after, the work that was given before.
    type Memory: Send;
    /// Memory of the host that the device copies from and into while the host does other things.
    type Landing: Send;

    /// The device, in words.
    fn name(&self) -> String;

    /// Bytes that could be allocated now.
    fn free_bytes(&self) -> Result<u64, Fault>;

    /// `bytes` of zeros.
    fn alloc(&self, bytes: usize) -> Result<Self::Memory, Fault>;

    /// Host memory of `bytes`.
    fn landing(&self, bytes: usize) -> Result<Self::Landing, Fault>;

    /// Copies `bytes` by way of `landing`, which is as long, to the beginning of `to`, on the main lane.
    fn upload(&self, bytes: &[u8], landing: &mut Self::Landing, to: &mut Self::Memory) -> Result<(), Fault>;

    /// Copies the first `bytes` of `from`, on the main lane.
    fn download(&self, from: &Self::Memory, bytes: usize, to: &mut Self::Landing) -> Result<(), Fault>;

    /// What was downloaded last; waits for it.
    fn landed<'a>(&self, landing: &'a Self::Landing) -> Result<&'a [u8], Fault>;

    /// Runs a kernel. Every argument has the type of its parameter, and memory is as large as the kernel takes it to be.
    fn launch(&self, launch: Launch, args: &[Arg<'_, Self::Memory>]) -> Result<(), Fault>;

    /// Multiplies, on the main lane.
    fn product(&self, product: &Product<'_, Self::Memory>) -> Result<(), Fault>;

    /// What is given to `lane` from now on waits for what was given to the other lane.
    fn join(&self, lane: Lane) -> Result<(), Fault>;

    /// Waits for everything.
    fn finish(&self) -> Result<(), Fault>;
}

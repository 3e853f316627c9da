//! What an input costs: the most memory that a thread held at a time, and its CPU time.
#![expect(unsafe_code, reason = "an allocator that counts is an unsafe trait; it hands everything to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The most memory that one input of at most 64 KiB may take.
pub const MAX_BYTES: usize = 16 << 20;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static WORST: Cell<Cost> = const { Cell::new(Cost::ZERO) };
}

/// The system's allocator, counting what the present thread holds. What C code allocates is not counted.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn add(bytes: usize) {
    let held = HELD.get().wrapping_add_unsigned(bytes);
    HELD.set(held);
    if held > PEAK.get() {
        PEAK.set(held);
    }
}

// SAFETY: every call goes to the system's allocator with its own arguments; the counters are plain cells without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub_unsigned(layout.size()));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new stand side by side while the bytes are copied.
        add(size);
        HELD.set(HELD.get().wrapping_sub_unsigned(layout.size()));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What work cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The most bytes held at a time, beyond what was held before.
    pub bytes: usize,
    /// The bytes still held afterwards.
    pub kept: usize,
    /// CPU time of the thread.
    pub cpu: Duration,
}

impl Cost {
    const ZERO: Self = Self { bytes: 0, kept: 0, cpu: Duration::ZERO };
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Does the product's part of a target and holds it to the memory that one input may take.
pub fn of<T>(work: impl FnOnce() -> T) -> T {
    held_to_limit(work, |cost| cost.bytes)
}

/// As [`of`], for an engine that keeps in memory what a device writes to its disk: that does not count.
pub fn beside_what_is_kept<T>(work: impl FnOnce() -> T) -> T {
    held_to_limit(work, |cost| cost.bytes.saturating_sub(cost.kept))
}

fn held_to_limit<T>(work: impl FnOnce() -> T, counts: impl Fn(&Cost) -> usize) -> T {
    let (done, cost) = measure(work);
    let bytes = counts(&cost);
    assert!(bytes <= MAX_BYTES, "one input took {bytes} bytes of memory");
    let worst = WORST.get();
    WORST.set(Cost { bytes: worst.bytes.max(bytes), kept: worst.kept.max(cost.kept), cpu: worst.cpu + cost.cpu });
    done
}

/// Tells what some work cost.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let before = HELD.get();
    PEAK.set(before);
    let start = thread_time();
    let done = work();
    let cpu = thread_time().saturating_sub(start);
    let beyond = |held: isize| usize::try_from(held.wrapping_sub(before)).unwrap_or_default();
    (done, Cost { bytes: beyond(PEAK.get()), kept: beyond(HELD.get()), cpu })
}

/// Returns what [`of`] has measured since the last call: the highest peak, and all CPU time.
pub fn take() -> Cost {
    WORST.replace(Cost::ZERO)
}

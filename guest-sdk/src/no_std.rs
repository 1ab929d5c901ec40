//! What std would provide, for guests without imports: an allocator, the function through which the
//! host places arguments, and a panic handler.
//!
//! An instance serves one call, so the allocator only moves forward and never frees. Growing linear
//! memory costs the host more than a whole call. The first 64 KiB are therefore a static arena:
//! zeroes, which take no space in the component.

#![allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait, and `cabi_realloc` by the canonical ABI"
)]

use alloc::alloc::{alloc, realloc};
use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::{Cell, UnsafeCell};
use core::ptr::{null_mut, with_exposed_provenance_mut};

// For `memcmp` and similar functions that the compiler calls. Nothing in it has imports.
#[link(name = "c")]
unsafe extern "C" {}

const ARENA_BYTES: u32 = 64 * 1024;
const PAGE_BYTES: u64 = 64 * 1024;

struct Arena(UnsafeCell<[u8; ARENA_BYTES as usize]>);

/// Addresses are `u64` here, so that the sum of two sizes cannot overflow.
struct BumpAllocator {
    next: Cell<*mut u8>,
    end: Cell<u64>,
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Arena {}
// SAFETY: as above.
unsafe impl Sync for BumpAllocator {}

static ARENA: Arena = Arena(UnsafeCell::new([0; ARENA_BYTES as usize]));

/// `end` is 0 until the first allocation: only the linker knows the address of `ARENA`.
#[global_allocator]
static ALLOCATOR: BumpAllocator =
    BumpAllocator { next: Cell::new(ARENA.0.get().cast()), end: Cell::new(0) };

impl BumpAllocator {
    fn next(&self) -> u64 {
        self.next.get().expose_provenance() as u64
    }

    /// A block at the end of the used memory; null if there is no more memory.
    #[inline(never)]
    fn take(&self, bytes: usize, align: usize) -> *mut u8 {
        loop {
            let start = self.next().next_multiple_of(align as u64);
            let end = start + bytes as u64;
            if end <= self.end.get() {
                self.next.set(with_exposed_provenance_mut(end as usize));
                return with_exposed_provenance_mut(start as usize);
            }
            if !self.grow(bytes as u64 + align as u64) {
                return null_mut();
            }
        }
    }

    fn grow(&self, bytes: u64) -> bool {
        if self.end.get() == 0 {
            self.end.set(self.next() + u64::from(ARENA_BYTES));
            return true;
        }
        let pages = bytes.div_ceil(PAGE_BYTES);
        let grown = wasm32::memory_grow::<0>(pages as usize);
        if grown == usize::MAX {
            return false;
        }
        let start = grown as u64 * PAGE_BYTES;
        if start != self.end.get() {
            self.next.set(with_exposed_provenance_mut(start as usize));
        }
        // The last byte of the address space is not used, so that no block ends at address 0.
        self.end.set((start + pages * PAGE_BYTES).min(u64::from(u32::MAX)));
        true
    }
}

// SAFETY: each block lies in memory that only this allocator hands out, after every block in use.
unsafe impl GlobalAlloc for BumpAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size(), layout.align())
    }

    // Nothing is freed, so the compiler can omit every drop: a quarter of a policy's code.
    #[inline(always)]
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    // The last block grows in place.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let next = self.next.get();
        if block.wrapping_add(layout.size()) == next {
            self.next.set(block);
        }
        let fresh = self.take(bytes, layout.align());
        if fresh.is_null() {
            self.next.set(next);
        } else if fresh != block {
            // SAFETY: the old block has `layout.size()` bytes, the new one at least the smaller of
            // both sizes.
            unsafe { fresh.copy_from(block, layout.size().min(bytes)) }
        }
        fresh
    }
}

/// The host calls this to place strings and lists.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_bytes: usize,
    align: usize,
    bytes: usize,
) -> *mut u8 {
    // SAFETY: the canonical ABI passes either nothing, or one of our blocks with its size and
    // alignment.
    let block = unsafe {
        match (old_bytes, bytes) {
            (0, 0) => return with_exposed_provenance_mut(align),
            (0, _) => alloc(Layout::from_size_align_unchecked(bytes, align)),
            _ => realloc(old, Layout::from_size_align_unchecked(old_bytes, align), bytes),
        }
    };
    if block.is_null() {
        wasm32::unreachable()
    }
    block
}

/// A policy that panics traps. Its message is dropped, because formatting it would need a lot of
/// code.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    wasm32::unreachable()
}

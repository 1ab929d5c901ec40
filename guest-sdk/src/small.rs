//! What std would bring, for guests that may import nothing: an allocator, the function through which the host places arguments, and the end of a panic.
//!
//! An instance serves one call, so memory is handed out in a row and given back only by dropping the instance. Growing linear memory costs
//! the host more than a whole call; the first 64 KiB are therefore part of the guest's own memory (zeroes, which take no room in the file).

#![allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait, and `cabi_realloc` by the canonical ABI"
)]

use alloc::alloc::{alloc, realloc};
use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::{Cell, UnsafeCell};
use core::ptr::{null_mut, with_exposed_provenance_mut};

// `memcmp` and its kin, which the compiler calls by itself; nothing of libc that imports anything is drawn in.
#[link(name = "c")]
unsafe extern "C" {}

const FIRST_BYTES: u32 = 64 * 1024;
const PAGE_BYTES: u64 = 64 * 1024;

struct First(UnsafeCell<[u8; FIRST_BYTES as usize]>);

/// Addresses are `u64` here: no sum of two sizes passes it.
struct Row {
    next: Cell<*mut u8>,
    end: Cell<u64>,
}

// SAFETY: a guest has one thread.
unsafe impl Sync for First {}
// SAFETY: as above.
unsafe impl Sync for Row {}

static FIRST: First = First(UnsafeCell::new([0; FIRST_BYTES as usize]));

/// `end` is 0 until the first block is asked for: where `FIRST` lies is known to the linker alone.
#[global_allocator]
static ROW: Row = Row { next: Cell::new(FIRST.0.get().cast()), end: Cell::new(0) };

impl Row {
    fn next(&self) -> u64 {
        self.next.get().expose_provenance() as u64
    }

    /// A block at the end of the row, or of the next one; null: there is no more memory.
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
            self.end.set(self.next() + u64::from(FIRST_BYTES));
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
        // The last byte of the address space is never given away, so that no block ends at address 0.
        self.end.set((start + pages * PAGE_BYTES).min(u64::from(u32::MAX)));
        true
    }
}

// SAFETY: each block lies inside memory that only this row hands out, after every block still in use.
unsafe impl GlobalAlloc for Row {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size(), layout.align())
    }

    // Nothing is taken back, and so the compiler can leave out every drop: a quarter of a policy's code. What grows, grows in place.
    #[inline(always)]
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let next = self.next.get();
        if block.wrapping_add(layout.size()) == next {
            self.next.set(block);
        }
        let fresh = self.take(bytes, layout.align());
        if fresh.is_null() {
            self.next.set(next);
        } else if fresh != block {
            // SAFETY: the old block holds `layout.size()` bytes, the new one at least the lesser of both.
            unsafe { fresh.copy_from(block, layout.size().min(bytes)) }
        }
        fresh
    }
}

/// Called by the host to place strings and lists.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_bytes: usize,
    align: usize,
    bytes: usize,
) -> *mut u8 {
    // SAFETY: the canonical ABI hands in either nothing or a block of ours with its size and alignment.
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

/// A policy that panics traps; what it would have said is not worth the code that formats it.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    wasm32::unreachable()
}
